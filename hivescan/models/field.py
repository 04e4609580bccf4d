"""The heads and classes that services of this field speak of, as data: ``field.toml`` beside this module.

Who backs a head today is said by the cards, see :mod:`hivescan.models.head_states`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from hivescan.models.card_parts import read_toml
from hivescan.models.parse import parse_classes
from hivescan.models.toml_table import TomlTable
from hivescan.types import HeadClass, Polarity

FIELD_FILE: Final = Path(__file__).with_name("field.toml")

GROUPS: Final = ("sexual", "attire", "violence", "child", "drugs_and_vice", "hate", "descriptive", "text")


@dataclass(frozen=True)
class FieldHead:
    """One head of the field's table.

    ``needs`` says what would back the classes that no model fills. ``examples`` are labelled files of each
    class from which training is worth a try, None where that is no way. ``hub`` are names (``owner/name``) of
    models of public hubs that were made for it; they are listed, not tested. ``rules`` names the analyzer
    that fills it by rules, where nothing needs to be learned; ``rules_fill`` which of its classes, none: all.
    """

    name: str
    group: str
    classes: tuple[HeadClass, ...]
    needs: str
    definition: str = ""
    examples: int | None = None
    hub: tuple[str, ...] = ()
    rules: str | None = None
    rules_fill: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(c.label for c in self.classes)


@lru_cache(maxsize=1)
def field_heads() -> tuple[FieldHead, ...]:
    """The whole table, in its own order. Raises :class:`~hivescan.errors.CatalogueError` if it is damaged."""
    return read_field(FIELD_FILE)


def read_field(path: Path) -> tuple[FieldHead, ...]:
    """The table in a file of the format of ``field.toml``."""
    top = TomlTable(path, read_toml(path))
    heads = tuple(_head(table) for table in top.tables("heads"))
    top.close()
    if not heads:
        top.fail("heads", "is missing or empty")
    names = [head.name for head in heads]
    if len(set(names)) != len(names):
        top.fail("heads", "has a name twice")
    return heads


def _head(table: TomlTable) -> FieldHead:
    name = table.text("name")
    if table.has("yes"):
        polarity = Polarity(table.choice("yes", [p.value for p in Polarity]))
        classes: tuple[HeadClass, ...] = (
            HeadClass(f"yes_{name}", polarity),
            HeadClass(f"no_{name}", Polarity.BENIGN),
        )
    else:
        classes = parse_classes(table, "classes")
    head = FieldHead(
        name=name,
        group=table.choice("group", GROUPS),
        classes=classes,
        needs=table.text("needs"),
        definition=table.optional_text("definition") or "",
        examples=table.optional_integer("examples", least=1),
        hub=table.texts("hub") if table.has("hub") else (),
        rules=table.optional_text("rules"),
        rules_fill=table.texts("rules_fill") if table.has("rules_fill") else (),
    )
    table.close()
    return head
