"""The rows of a list as a file that is mapped into memory, so that a few of them are read at once.

The file is made of blocks, each an Arrow stream of one batch in the columns of ``KNOWN``. A block leaves out
the hash, which the index has, and columns that are null throughout; words stand as numbers of the block's own
dictionary, of as few bytes as do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hivescan.matching.index_file import DamagedFileError, check_seal
from hivescan.matching.schema import KNOWN, conformed

_ALIGNED: Final = 64

ENTRY_COLUMNS: Final = pa.schema([field.with_nullable(True) for field in KNOWN if field.name != "hash"])
"""What is known of an entry but its hash."""

Block = tuple[int, int, int]
"""Where a block begins, its bytes, its rows."""


class RowsWriter:
    """Writes the blocks, one a batch."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.blocks: list[Block] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Rows in the columns of ``KNOWN``."""
        kept = _compact(batch)
        begin = self._stream.tell()
        with pa.ipc.new_stream(self._stream, kept.schema) as writer:
            writer.write_batch(kept)
        end = self._stream.tell()
        self._stream.write(bytes(-end % _ALIGNED))
        self.blocks.append((begin, end - begin, batch.num_rows))


def _compact(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns, names = [], []
    for field in ENTRY_COLUMNS:
        column = batch.column(field.name)
        if column.null_count == len(column):
            continue
        if pa.types.is_dictionary(field.type):
            column = _recoded(column)
        columns.append(column)
        names.append(field.name)
    return pa.RecordBatch.from_arrays(columns, names)


def _recoded(column: pa.DictionaryArray) -> pa.DictionaryArray:
    """With the words that occur alone, numbered in a byte where there are few."""
    used = pc.unique(column.indices).drop_null()
    kind = pa.int8() if len(used) < 127 else pa.int16() if len(used) < 32_767 else pa.int32()
    indices = pc.index_in(column.indices, used).cast(kind)
    return pa.DictionaryArray.from_arrays(indices, column.dictionary.take(used))


class EntryRows:
    """The rows of a list, mapped. Raises :class:`DamagedFileError` where the file is not whole."""

    def __init__(self, source: pa.NativeFile, blocks: Sequence[Block]) -> None:
        self._source = source
        self._blocks = blocks
        self._starts: npt.NDArray[np.int64] = np.cumsum([0, *(rows for _, _, rows in blocks)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def take(self, rows: npt.NDArray[np.int64]) -> pa.Table:
        """These rows, in this order, in the columns ``ENTRY_COLUMNS``."""
        if not len(rows):
            return ENTRY_COLUMNS.empty_table()
        order = np.argsort(rows, kind="stable")
        rising = rows[order]
        block_of = np.searchsorted(self._starts, rising, "right") - 1
        found = []
        for block in np.unique(block_of):
            first, last = np.searchsorted(block_of, [block, block + 1])
            places = rising[first:last] - self._starts[block]
            found.append(conformed(self._read(int(block)).take(pa.array(places)), ENTRY_COLUMNS))
        places = np.empty(len(rows), np.int64)
        places[order] = np.arange(len(rows))
        table = pa.Table.from_batches(found, schema=ENTRY_COLUMNS).unify_dictionaries().combine_chunks()
        return table.take(pa.array(places))

    def column(self, name: str) -> Iterator[tuple[int, pa.Array]]:
        """A column, block by block, each with the row that it begins at."""
        for number, (_, _, rows) in enumerate(self._blocks):
            batch = self._read(number)
            column = batch.column(name) if name in batch.schema.names else pa.nulls(rows)
            yield int(self._starts[number]), column.cast(ENTRY_COLUMNS.field(name).type)

    def _read(self, number: int) -> pa.RecordBatch:
        begin, nbytes, rows = self._blocks[number]
        self._source.seek(begin)
        batch = pa.ipc.open_stream(self._source.read_buffer(nbytes)).read_next_batch()
        if batch.num_rows != rows:
            raise DamagedFileError("the rows of the list are not those that were written")
        return batch


def open_rows(path: Path, blocks: Sequence[Block], seal: Mapping[str, Any]) -> EntryRows:
    """The rows in ``path``."""
    try:
        with path.open("rb") as stream:
            check_seal(stream, seal)
            return EntryRows(pa.memory_map(str(path)) if seal["size"] else pa.BufferReader(b""), blocks)
    except (OSError, ValueError, KeyError) as error:
        raise DamagedFileError(f"{path.name}: {error}") from None
