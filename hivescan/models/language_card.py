"""Cards of language models: what ``hivescan train-llm`` can start from.

Such a card has a table ``[language]`` instead of views, input and backend. Its files, fetched and derived,
have the names that the transformers library gives them: ``config.json``, ``tokenizer.json``,
``tokenizer_config.json`` and ``model.safetensors``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hivescan.models.parse import (
    check_name,
    parse_consumes,
    parse_derived,
    parse_file,
    parse_licence,
    parse_quality,
)
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
        name=check_name(top, path.parent),
        title=top.text("title"),
        task=top.text("task"),
        revision=top.integer("revision", least=1),
        consumes=frozenset(parse_consumes(top)),
        intended_use=" ".join(top.text("intended_use").split()),
        weaknesses=top.texts("weaknesses"),
        licence=parse_licence(top.table("licence")),
        files=tuple(parse_file(t) for t in top.tables("files")),
        views={},
        input=None,
        backend=BackendSpec("transformers", WEIGHTS, outputs=()),
        folder=path.parent,
        derived=tuple(parse_derived(t) for t in top.tables("derived")),
        quality=tuple(parse_quality(t) for t in top.tables("quality")),
        language=language,
    )
    top.close()
    fetched = {file.name for file in card.files}
    names = fetched | {derived.name for derived in card.derived}
    for name in FILES:
        if name not in names:
            top.fail("files", f"has no {name!r}, nor has derived")
    for i, derived in enumerate(card.derived):
        for name in derived.inputs:
            if name not in fetched:
                top.fail(f"derived[{i}].inputs", f"{name!r} is not one of the card's files")
    return card
