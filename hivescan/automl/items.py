"""What a dataset's rows look like: the same in the working copy and in snapshots.

Columns, in this order: those of :data:`FIXED`, then ``head:<name>`` for each head (the class of the item,
null where it was not labelled for that head), then ``column:<name>`` for what else is known of it (to split
and to slice by). All of the latter two are strings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import pyarrow as pa

Kind = Literal["image", "text"]
"""What the items of a dataset are: files with a picture, or texts."""

HEAD: Final = "head:"
COLUMN: Final = "column:"

FIXED: Final = pa.schema(
    [
        # Given once, counting from 1, and never to another item of the dataset.
        pa.field("row", pa.int64(), nullable=False),
        # Of an image: an absolute path or a URI, as the store's files have it. Null for texts.
        pa.field("uri", pa.string()),
        pa.field("text", pa.string()),
        # sha256 of the file's bytes, or of the text in UTF-8: equal contents have equal vectors.
        # Null where the file could not be read.
        pa.field("content_id", pa.string()),
        # The file or query that the item came from, and the number of its row there, counting from 1
        # (of a CSV: the line).
        pa.field("origin", pa.string(), nullable=False),
        pa.field("origin_row", pa.int64()),
    ]
)


def schema(heads: Sequence[str], columns: Sequence[str]) -> pa.Schema:
    """The schema of a dataset with these heads and further columns."""
    names = [HEAD + head for head in heads] + [COLUMN + column for column in columns]
    return pa.schema([*FIXED, *(pa.field(name, pa.string()) for name in names)])


def heads_of(items: pa.Table) -> tuple[str, ...]:
    return tuple(name.removeprefix(HEAD) for name in items.column_names if name.startswith(HEAD))


def columns_of(items: pa.Table) -> tuple[str, ...]:
    return tuple(name.removeprefix(COLUMN) for name in items.column_names if name.startswith(COLUMN))
