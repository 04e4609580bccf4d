"""Cards of language models: what ``hivescan train-llm`` can start from.

Such a card has a table ``[language]`` instead of views, input and backend. Its files, fetched and derived,
have the names that the transformers library gives them: ``config.json``, ``tokenizer.json``,
``tokenizer_config.json`` and ``model.safetensors``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hivescan.models.card_parts import check_files, common_parts
from hivescan.models.schema import BackendSpec, Card, LanguageSpec
from hivescan.models.toml_table import TomlTable

LANGUAGE: Final = "language"
WEIGHTS: Final = "model.safetensors"
FILES: Final = ("config.json", "tokenizer.json", "tokenizer_config.json", WEIGHTS)


def parse_language_card(path: Path, values: Mapping[str, Any]) -> Card:
    """The card whose TOML in ``path`` was read as ``values``."""
    top = TomlTable(path, values)
    table = top.table(LANGUAGE)
    language = LanguageSpec(context=table.integer("context", least=16))
    table.close()
    card = Card(
        **common_parts(top, path.parent),
        views={},
        input=None,
        backend=BackendSpec("transformers", WEIGHTS, outputs=()),
        language=language,
    )
    top.close()
    names = check_files(top, card)
    for name in FILES:
        if name not in names:
            top.fail("files", f"has no {name!r}, nor has derived")
    return card
