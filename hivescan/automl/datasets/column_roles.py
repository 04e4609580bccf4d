"""What each column of a table is for: found by name and content, or told.

Exactly one column holds the picture or the text. Of the others, a column of few different words becomes a
head; what is mostly distinct, or numbers, becomes one only when it is said to be: until then it is kept as
a further column, and proposed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from hivescan.automl.datasets.tables import Table, is_picture_name
from hivescan.automl.home import NAME
from hivescan.automl.items import Kind
from hivescan.errors import DatasetError
from hivescan.media.manifest import PATH_COLUMNS
from hivescan.media.uri import has_scheme
from hivescan.report.blocks import listing

Role = Literal["image", "text", "head", "column", "ignored"]

TEXT_COLUMNS: Final = (
    "text", "tweet", "message", "comment", "sentence", "content", "body", "post", "sms", "document",
    "comment_text", "prompt", "utterance", "review", "title",
)  # fmt: skip
"""Names of the column that holds the text, best first; capitals do not matter."""

SPLIT_COLUMNS: Final = frozenset({"split", "fold", "subset", "partition", "set"})
_MAX_CLASSES: Final = 1000
_SAMPLE: Final = 200
_NUMBER: Final = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
_LONG: Final = 12
"""Characters that a cell of free text has on average, at least."""


@dataclass(frozen=True)
class ColumnChoice:
    """What the user said. ``heads`` are columns, each with the name of its head, or None for its own."""

    image: str | None = None
    text: str | None = None
    heads: Mapping[str, str | None] = field(default_factory=dict)
    columns: Sequence[str] = ()
    ignored: Sequence[str] = ()


@dataclass(frozen=True)
class ColumnRole:
    """What one column became. ``name`` is its name in the dataset; ``doubt`` why it is no head unasked."""

    column: str
    role: Role
    name: str
    distinct: int
    doubt: str | None = None

    def __str__(self) -> str:
        renamed = f" {self.name}" if self.role in {"head", "column"} and self.name != self.column else ""
        told = {
            "image": "the picture",
            "text": "the text",
            "head": f"head{renamed}, {self.distinct:,} classes",
            "column": f"kept as column{renamed}",
            "ignored": "ignored",
        }[self.role]
        return f"{self.column}: {told}" + (f" ({self.doubt})" if self.doubt else "")


def kind_of(roles: Sequence[ColumnRole]) -> Kind:
    return "image" if any(role.role == "image" for role in roles) else "text"


def choose_roles(
    table: Table, choice: ColumnChoice, is_file: Callable[[str], bool], *, needs_head: bool = True
) -> tuple[ColumnRole, ...]:
    """The role of each column, in the table's order. ``is_file`` says whether a cell names a file.

    Raises :class:`DatasetError` where the column of pictures or texts cannot be told, a named column is not
    there, or no head is left.
    """
    _check_named(table, choice)
    subject, kind = _subject(table, choice, is_file)
    roles = []
    for column, values in table.columns.items():
        if column == subject:
            roles.append(ColumnRole(column, kind, column, _distinct(values)))
        else:
            roles.append(_role(column, values, choice))
    if needs_head and not any(role.role == "head" for role in roles):
        others = [role for role in roles if role.role == "column"]
        told = ", ".join(f"{r.column} ({r.doubt or 'kept as a column'})" for r in others) or "none"
        raise DatasetError(
            f"{table.origin}: no column is a head for certain; say which with --head; the others are: {told}"
        )
    _check_distinct_names(table, roles)
    return tuple(roles)


def head_name(text: str) -> str:
    """A name that a head may have: ``Hate Speech?`` becomes ``hate_speech``."""
    plain = re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")
    return plain or "label"


def checked_head(name: str) -> str:
    if not NAME.fullmatch(name):
        raise DatasetError(f"head {name!r}: a name may have only a-z, 0-9 and _")
    return name


def _check_named(table: Table, choice: ColumnChoice) -> None:
    if choice.image is not None and choice.text is not None:
        raise DatasetError("--image-col and --text-col: an item is a picture or a text, name one of them")
    named = [choice.image, choice.text, *choice.heads, *choice.columns, *choice.ignored]
    for name in named:
        if name is not None and name not in table.columns:
            raise DatasetError(f"{table.origin}: no column {name!r}; it has {_names(table)}")
    asked = [name for name in named if name is not None]
    for name in asked:
        if asked.count(name) > 1:
            raise DatasetError(f"column {name!r} is given two roles")


def _names(table: Table) -> str:
    """A file that is no table may have thousands of columns, each with a long name."""
    return listing([name if len(name) <= 40 else f"{name[:39]}…" for name in table.columns], 20)


def _subject(
    table: Table, choice: ColumnChoice, is_file: Callable[[str], bool]
) -> tuple[str, Literal["image", "text"]]:
    if choice.image is not None:
        return choice.image, "image"
    if choice.text is not None:
        return choice.text, "text"
    taken = {*choice.heads, *choice.columns, *choice.ignored}
    # What most rows lack is not what the items are.
    free = {
        name: values
        for name, values in table.columns.items()
        if name not in taken and 2 * sum(value is not None for value in values) >= table.rows
    }
    pictures = [name for name, values in free.items() if _names_files(values, is_file)]
    if pictures:
        return _best(table, pictures, PATH_COLUMNS, "--image-col"), "image"
    texts = [name for name, values in free.items() if _is_free_text(values)]
    named = [
        name
        for name in free
        if name.strip().casefold() in TEXT_COLUMNS and not _all_numbers(free[name])
        if _mostly_distinct(free[name])
    ]
    if named or texts:
        return _best(table, named or texts, TEXT_COLUMNS, "--text-col"), "text"
    raise DatasetError(
        f"{table.origin}: no column looks like pictures or texts; name it with --image-col or --text-col "
        f"(the columns: {_names(table)})"
    )


def _best(table: Table, candidates: Sequence[str], order: Sequence[str], option: str) -> str:
    """The candidate whose name is known best; of unknown names there may be only one."""
    known = {name.strip().casefold(): name for name in reversed(candidates)}
    for name in order:
        if name in known:
            return known[name]
    if len(candidates) > 1:
        raise DatasetError(f"{table.origin}: {', '.join(candidates)} all fit; say which with {option}")
    return candidates[0]


def _sample(values: Sequence[str | None]) -> list[str]:
    filled = [value for value in values if value is not None]
    return filled[:: max(1, len(filled) // _SAMPLE)][:_SAMPLE]


def _names_files(values: Sequence[str | None], is_file: Callable[[str], bool]) -> bool:
    sample = _sample(values)
    if not sample:
        return False
    look_alike = sum(
        "\n" not in value and (is_picture_name(value) or (has_scheme(value) and " " not in value.strip()))
        for value in sample
    )
    if look_alike >= 0.8 * len(sample):
        return True
    # Names without a known ending count where files are called so; a label may happen to name a folder.
    return all(len(value) < 4096 and is_file(value) for value in sample[:20])


def _is_free_text(values: Sequence[str | None]) -> bool:
    sample = _sample(values)
    if not sample or _all_numbers(values):
        return False
    long = sum(map(len, sample)) >= _LONG * len(sample)
    spaced = sum(" " in value.strip() for value in sample) > 0.5 * len(sample)
    return long and spaced and _mostly_distinct(values)


def _mostly_distinct(values: Sequence[str | None]) -> bool:
    return _distinct(values) > 0.3 * sum(value is not None for value in values)


def _all_numbers(values: Sequence[str | None]) -> bool:
    filled = {value.strip() for value in values if value is not None}
    return bool(filled) and all(_NUMBER.fullmatch(value) for value in filled)


def _distinct(values: Sequence[str | None]) -> int:
    return len({value for value in values if value is not None})


def _role(column: str, values: Sequence[str | None], choice: ColumnChoice) -> ColumnRole:
    distinct, filled = _distinct(values), sum(value is not None for value in values)
    if column in choice.heads:
        given = choice.heads[column]
        name = checked_head(given) if given is not None else head_name(column)
        if not filled:
            raise DatasetError(f"column {column!r} cannot be a head: it is empty")
        return ColumnRole(column, "head", name, distinct)
    if column in choice.columns:
        return ColumnRole(column, "column", column, distinct)
    if column in choice.ignored:
        return ColumnRole(column, "ignored", column, distinct)
    if not filled:
        return ColumnRole(column, "ignored", column, distinct, "it is empty")
    doubt = _doubt(column, values, distinct, filled)
    if doubt is None:
        return ColumnRole(column, "head", head_name(column), distinct)
    return ColumnRole(column, "column", column, distinct, doubt)


def _doubt(column: str, values: Sequence[str | None], distinct: int, filled: int) -> str | None:
    """Why the column is not taken for a head unasked; None where it is."""
    if column.strip().casefold() in SPLIT_COLUMNS:
        return "its name is that of a split"
    if distinct == 1:
        return "one value"
    if _all_numbers(values):
        return f"numbers, {distinct:,} different"
    if distinct > _MAX_CLASSES or distinct > max(2, filled / 4):
        return f"mostly distinct, {distinct:,} values in {filled:,} rows"
    return None


def _check_distinct_names(table: Table, roles: Sequence[ColumnRole]) -> None:
    for kind in ("head", "column"):
        names = [role.name for role in roles if role.role == kind]
        for name in names:
            if names.count(name) > 1:
                raise DatasetError(f"{table.origin}: two columns would be {kind} {name!r}; rename one")
