"""Cards of models that write down what is said: Whisper, as CTranslate2 has it.

Such a card has a table ``[speech]`` instead of views, input and backend. Its files, fetched and derived, have
the names that the faster-whisper library gives them: ``model.bin``, ``config.json``, ``tokenizer.json``,
``vocabulary.txt`` or ``vocabulary.json``, and ``preprocessor_config.json`` of the newest.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hivescan.models.card_parts import check_files, common_parts
from hivescan.models.parse import parse_golden
from hivescan.models.schema import BackendSpec, Card, SpeechSpec
from hivescan.models.toml_table import TomlTable
from hivescan.types import MediaType

SPEECH: Final = "speech"
WEIGHTS: Final = "model.bin"
FILES: Final = (WEIGHTS, "config.json", "tokenizer.json")
VOCABULARIES: Final = ("vocabulary.txt", "vocabulary.json")
OPTIONAL: Final = ("preprocessor_config.json",)
LANGUAGES: Final = "languages"
"""The output that golden values are of: how likely each of :data:`GOLDEN_LANGUAGES` is, in that order."""
GOLDEN_LANGUAGES: Final = ("en", "zh", "de", "es", "ru", "ko", "fr", "ja", "pt", "tr")


def parse_speech_card(path: Path, values: Mapping[str, Any]) -> Card:
    """The card whose TOML in ``path`` was read as ``values``."""
    top = TomlTable(path, values)
    table = top.table(SPEECH)
    speech = SpeechSpec(on_request=table.flag("on_request"))
    table.close()
    card = Card(
        **common_parts(top, path.parent),
        views={},
        input=None,
        backend=BackendSpec("ctranslate2", WEIGHTS, outputs=(LANGUAGES,), quantised=True),
        golden=tuple(parse_golden(t) for t in top.tables("golden")),
        speech=speech,
    )
    top.close()
    if not card.consumes <= {MediaType.AUDIO, MediaType.VIDEO}:
        top.fail("consumes", "names more than audio and video, although there is a table speech")
    for i, golden in enumerate(card.golden):
        if golden.output != LANGUAGES:
            top.fail(f"golden[{i}].output", f"is not {LANGUAGES}")
    names = check_files(top, card)
    for name in FILES:
        if name not in names:
            top.fail("files", f"has no {name!r}, nor has derived")
    if not set(VOCABULARIES) & set(names):
        top.fail("files", f"has neither {' nor '.join(VOCABULARIES)}")
    return card
