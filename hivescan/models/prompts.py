"""What pictures of a class show, in words: ``prompts.toml`` beside this module, or a file of one's own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hivescan.models.card_parts import read_toml
from hivescan.models.field import GROUPS, field_heads
from hivescan.models.parse import parse_classes
from hivescan.models.toml_table import TomlTable
from hivescan.types import HeadClass, Polarity

PROMPTS_FILE: Final = Path(__file__).with_name("prompts.toml")
_OWN_GROUP: Final = "custom"


@dataclass(frozen=True)
class PromptHead:
    """A head with the prompts of each of its classes, templates filled in."""

    name: str
    group: str
    classes: tuple[HeadClass, ...]
    prompts: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class PromptSet:
    """The heads of one file. ``sha256`` is that of its bytes."""

    path: Path
    sha256: str
    heads: tuple[PromptHead, ...]


def read_prompts(path: Path = PROMPTS_FILE) -> PromptSet:
    """The heads of a file of prompts. Raises :class:`~hivescan.errors.CatalogueError` with file and key.

    A head of the field has the field's classes, each with prompts; a benign one may go without, and then has
    the file's ``ordinary`` ones. Any other head says its ``classes`` (label and polarity) itself.
    """
    top = TomlTable(path, read_toml(path))
    templates = top.texts("templates") if top.has("templates") else ("{}",)
    for template in templates:
        if template.count("{}") != 1:
            top.fail("templates", f"{template!r} does not have {{}} once, where the prompt goes")
    ordinary = top.texts("ordinary") if top.has("ordinary") else ()
    tables = top.table("heads")
    heads = tuple(_head(tables.table(name), name, templates, ordinary) for name in tables.keys())  # noqa: SIM118
    top.close()
    if not heads:
        top.fail("heads", "is empty")
    return PromptSet(path, hashlib.sha256(path.read_bytes()).hexdigest(), heads)


def _head(table: TomlTable, name: str, templates: tuple[str, ...], ordinary: tuple[str, ...]) -> PromptHead:
    known = {head.name: head for head in field_heads()}.get(name)
    if known is not None:
        group, classes = known.group, known.classes
    else:
        group = table.choice("group", (*GROUPS, _OWN_GROUP)) if table.has("group") else _OWN_GROUP
        classes = parse_classes(table, "classes")
    if len(classes) < 2:
        table.fail("classes", "has one class: there is nothing to tell it from")
    prompts = {}
    for entry in classes:
        if not table.has(entry.label) and ordinary and entry.polarity is Polarity.BENIGN:
            words = ordinary
        else:
            words = table.texts(entry.label)
        prompts[entry.label] = tuple(t.replace("{}", word) for t in templates for word in words)
    table.close()
    return PromptHead(name, group, classes, prompts)
