"""Cards of heads on how a language model is surprised by a text: see :mod:`hivescan.models.surprise_tower`.

Such a card has a table ``[surprise]`` instead of views, input and backend. It names the language model that
it stands on (``card``), by whose files the network is run; its own file is that of its head.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hivescan.models.card_parts import check_files, common_parts
from hivescan.models.parse import parse_classes, parse_golden
from hivescan.models.schema import BackendSpec, Card, HeadReading, SurpriseSpec
from hivescan.models.toml_table import TomlTable
from hivescan.types import HeadSpec, MediaType

SURPRISE: Final = "surprise"
"""The table, and the output that golden values are of."""

LOG_PROBABILITY, RANK, MEAN, VARIANCE = range(4)
"""Columns of what :meth:`~hivescan.models.surprise_tower.SurpriseTower.surprises` gives."""


def parse_surprise_card(path: Path, values: Mapping[str, Any], bases: Mapping[str, Card]) -> Card:
    """The card whose TOML in ``path`` was read as ``values``; ``bases`` are the cards it may stand on."""
    top = TomlTable(path, values)
    table = top.table(SURPRISE)
    name = table.text("card")
    if name not in bases or bases[name].language is None:
        table.fail("card", f"no language model of the catalogue is called {name!r}")
    surprise = _surprise(table)
    heads = [_head(entry) for entry in top.tables("heads")]
    if len(heads) != 1 or len(heads[0][0].classes) != 2:
        top.fail("heads", "are not one of two classes, the first of them a machine's texts")
    card = Card(
        **common_parts(top, path.parent),
        views={},
        input=None,
        backend=BackendSpec("llama", bases[name].backend.file, outputs=(SURPRISE,)),
        heads=tuple(spec for spec, _ in heads),
        readings={spec.name: reading for spec, reading in heads},
        golden=tuple(parse_golden(t) for t in top.tables("golden")),
        surprise=surprise,
        base=bases[name],
    )
    top.close()
    names = check_files(top, card)
    if card.consumes != {MediaType.TEXT}:
        top.fail("consumes", 'is not ["text"], although there is a table surprise')
    for i, golden in enumerate(card.golden):
        if golden.output != SURPRISE:
            top.fail(f"golden[{i}].output", f"is not {SURPRISE}")
    if heads[0][1].vector_head not in names:
        top.fail("heads[0].file", "is not one of the card's files")
    return card


def _surprise(table: TomlTable) -> SurpriseSpec:
    low, high = table.numbers("undecided", 2)
    spec = SurpriseSpec(
        mark=table.text("mark"),
        max_tokens=table.integer("max_tokens", least=16),
        least_words=table.integer("least_words", least=1),
        sure_words=table.integer("sure_words", least=1),
        undecided=(low, high),
    )
    if low > high:
        table.fail("undecided", f"begins at {low:g}, behind its end at {high:g}")
    table.close()
    return spec


def _head(table: TomlTable) -> tuple[HeadSpec, HeadReading]:
    spec = HeadSpec(
        name=table.text("name"),
        classes=parse_classes(table, "classes"),
        group=table.text("group"),
        validated=table.flag("validated"),
        description=" ".join((table.optional_text("description") or "").split()),
    )
    reading = HeadReading(output=SURPRISE, vector_head=table.text("file"))
    table.close()
    return spec, reading
