"""Cards of heads that stand on another model's vectors: what ``hivescan deploy`` writes.

Such a card has a table ``[base]`` instead of views, input and backend: the model that gives the vectors,
by name (``card``) or as a card of its own in the folder (``own``), and the full name of the ``space`` that
the heads were trained in; ``version`` is the trained model's own count. Everything else about the network
is the base's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hivescan.errors import CatalogueError
from hivescan.models.card_parts import CARD_FILE, check_files, common_parts
from hivescan.models.parse import parse_classes, read_card
from hivescan.models.schema import Card, HeadReading
from hivescan.models.toml_table import TomlTable
from hivescan.types import HeadSpec

BASE: Final = "base"


def parse_heads_card(path: Path, values: Mapping[str, Any], bases: Mapping[str, Card]) -> Card:
    """The card whose TOML in ``path`` was read as ``values``; ``bases`` are the cards it may stand on."""
    top = TomlTable(path, values)
    table = top.table(BASE)
    base = _base(table, bases)
    space = table.text("space")
    table.optional_integer("version", least=1)
    table.close()
    heads = dict(_head(t, base) for t in top.tables("heads"))
    if not heads:
        top.fail("heads", "is missing or empty")
    card = Card(
        **common_parts(top, path.parent),
        views=base.views,
        input=base.input,
        backend=base.backend,
        heads=tuple(heads),
        readings={spec.name: reading for spec, reading in heads.items()},
        base=base,
        base_space=space,
    )
    top.close()
    names = check_files(top, card)
    for i, spec in enumerate(card.heads):
        if card.readings[spec.name].vector_head not in names:
            top.fail(f"heads[{i}].file", "is not one of the card's files")
    if len(card.readings) != len(card.heads):
        top.fail("heads", "has a name twice")
    return card


def own_base(folder: Path, name: str) -> Path:
    """Where the card of a network lies that was trained with its heads."""
    return folder / "backbone" / name / CARD_FILE


def _base(table: TomlTable, bases: Mapping[str, Card]) -> Card:
    name = table.text("card")
    if table.flag("own"):
        base = read_card(own_base(table.path.parent, name))
    elif name in bases:
        base = bases[name]
    else:
        table.fail("card", f"no model of the catalogue is called {name!r}")
    if base.embedding is None:
        table.fail("card", f"model {name} gives no vectors")
    return base


def _head(table: TomlTable, base: Card) -> tuple[HeadSpec, HeadReading]:
    assert base.embedding is not None
    spec = HeadSpec(
        name=table.text("name"),
        classes=parse_classes(table, "classes"),
        group=table.text("group"),
        validated=table.flag("validated"),
        description=" ".join((table.optional_text("description") or "").split()),
        family=table.optional_text("family"),
    )
    reading = HeadReading(
        output=base.embedding.output, vector_head=table.text("file"), moving=table.flag("moving")
    )
    table.close()
    return spec, reading


def check_space(card: Card, space: str) -> None:
    """Raise :class:`CatalogueError` where ``space``, which the base gives now, is not the heads' own."""
    if card.base_space != space:
        raise CatalogueError(
            f"model {card.name}: its heads were trained on vectors of {card.base_space}, and"
            f" {card.base.name if card.base else '?'} gives those of {space}: train them again"
        )
