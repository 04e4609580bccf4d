"""Buckets of rows too many for memory: one unnamed file, readable by nobody else, gone with its process."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hivescan.errors import KnownListError

_HELD_BYTES: Final = 1 << 16
"""What a bucket holds back before it goes to the file: 256 buckets hold 16 MB."""
_IN_MEMORY: Final = 1 << 22

Records = npt.NDArray[np.void]
"""Rows of a structured dtype."""


class _Pieces:
    """Pieces of bytes by bucket, in the order in which they came."""

    def __init__(self, folder: Path) -> None:
        # Beside the list: there is room for as much again anyway, which a small /tmp need not have. The
        # file has no name, so that nothing is left of it however this process ends.
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(folder))  # noqa: SIM115
        self._end = 0
        self._places: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)

    def write(self, bucket: int, piece: bytes | memoryview) -> None:
        try:
            self._file.seek(self._end)
            self._file.write(piece)
        except OSError as error:
            raise KnownListError(f"no room for rows in between: {error.strerror or error}") from None
        self._places[bucket].append((self._end, len(piece)))
        self._end += len(piece)

    def read(self, bucket: int) -> Iterator[bytes]:
        for start, size in self._places.get(bucket, ()):
            self._file.seek(start)
            yield self._file.read(size)

    def __contains__(self, bucket: int) -> bool:
        return bucket in self._places

    def close(self) -> None:
        self._file.close()


class RecordSpool:
    """Rows of fixed size by bucket."""

    def __init__(self, dtype: npt.DTypeLike, folder: Path) -> None:
        self._dtype = np.dtype(dtype)
        self._pieces = _Pieces(folder)
        self._held: defaultdict[int, list[Records]] = defaultdict(list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pieces.close()

    def add(self, records: Records, buckets: npt.NDArray[np.int64]) -> None:
        """Put each record into its bucket; those of one bucket keep their order."""
        if not len(records):
            return
        order = np.argsort(buckets, kind="stable")
        records, buckets = records[order], buckets[order]
        starts = np.flatnonzero(np.r_[True, buckets[1:] != buckets[:-1]])
        for start, part in zip(starts, np.split(records, starts[1:]), strict=True):
            bucket = int(buckets[start])
            held = self._held[bucket]
            held.append(part)
            if sum(map(len, held)) * self._dtype.itemsize >= _HELD_BYTES:
                self._pieces.write(bucket, np.concatenate(held).tobytes())
                held.clear()

    def read(self, bucket: int) -> Records:
        """All records of a bucket."""
        parts = [np.frombuffer(piece, self._dtype) for piece in self._pieces.read(bucket)]
        parts += self._held.get(bucket, [])
        return np.concatenate(parts) if parts else np.empty(0, self._dtype)


class TableSpool:
    """Tables by bucket."""

    def __init__(self, folder: Path) -> None:
        self._pieces = _Pieces(folder)
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pieces.close()

    def add(self, table: pa.Table, bucket: int) -> None:
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_stream(sink, table.schema, options=options) as stream:
            stream.write_table(table)
        self._pieces.write(bucket, memoryview(sink.getvalue()))
        self.rows += table.num_rows

    def read(self, bucket: int) -> Iterator[pa.Table]:
        """The tables of a bucket, in the order in which they were added."""
        for piece in self._pieces.read(bucket):
            reader: Any = pa.ipc.open_stream(piece)
            yield reader.read_all()

    def __contains__(self, bucket: int) -> bool:
        return bucket in self._pieces
