"""A list given out in the formats of others. Files of hashes are readable by their owner alone."""

from __future__ import annotations

import csv
import io
import json
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hivescan.errors import KnownListError, UsageError
from hivescan.matching.algorithms import ALGORITHMS
from hivescan.matching.lists.cleaning import algorithm_of
from hivescan.matching.lists.keys import BUCKETS
from hivescan.matching.lists.plain import PLAIN
from hivescan.matching.lists.spool import RecordSpool
from hivescan.matching.lists.stored import StoredList, open_stored
from hivescan.matching.writing import private_file

FORMATS: Final = ("csv", "jsonl", "text", "threatexchange")
_BY_ENDING: Final = {
    ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "text", ".json": "threatexchange",
}  # fmt: skip
_SEPARATOR: Final = ";"
_SEEN: Final = np.dtype(
    [
        ("high", np.uint64), ("low", np.uint64), ("row", np.int64), ("deleted", np.bool_),
        ("says", np.uint8),
    ]
)  # fmt: skip
_POSITIVE, _NEGATIVE = 1, 2
_SAYS: Final = {
    "positive": _POSITIVE, "negative": _NEGATIVE, "benign": _NEGATIVE, "disputed": _POSITIVE | _NEGATIVE,
}  # fmt: skip
Bits = npt.NDArray[np.uint8]
"""One bit a row."""


@dataclass(frozen=True)
class ExportSummary:
    """How many rows were written; ``repeated`` have the hash of another and were left out, in formats in
    which a hash stands once.
    """

    path: Path
    format: str
    rows: int
    repeated: int


def export_known(
    known: Path | str,
    out: Path | str,
    *,
    format: str | None = None,
    algorithm: str | None = None,
    live: bool = False,
) -> ExportSummary:
    """Write a list to ``out``: as ``csv`` or ``jsonl`` with all its columns, hashes as hex; as ``text`` of
    one live hash a line, with its algorithm unless only one is asked for; as ``threatexchange``, a delta in
    which tombstones are null. The ending of ``out`` tells the format where ``format`` does not.

    Only rows of ``algorithm`` are written where it is given, and no tombstones where ``live``. The file has
    mode 0600. Raises :class:`KnownListError`, and :class:`UsageError` for an unknown format or an
    algorithm of which there is no row.
    """
    known, out = Path(known), Path(out)
    told = format or _BY_ENDING.get(out.suffix.lower())
    if told not in FORMATS:
        raise UsageError(f"{out}: say the format (--format {', '.join(FORMATS)})")
    if out.exists() and out.resolve() == known.resolve():
        raise KnownListError(f"{out}: is the list itself")
    algorithm = None if algorithm is None else algorithm_of(algorithm)
    with open_stored(known) as stored, private_file(out) as file:
        if algorithm is not None and algorithm not in ALGORITHMS:
            _check_has(stored, algorithm)
        chosen = _chosen(stored, algorithm, live=live or told == "text")
        if told == "csv":
            return ExportSummary(out, told, _write_csv(chosen, file), 0)
        if told == "jsonl":
            return ExportSummary(out, told, _write_lines(chosen, file), 0)
        if told == "text":
            return ExportSummary(out, told, _write_text(chosen, file, typed=algorithm is None), 0)
        rows, repeated = _write_delta(stored, chosen, file)
        return ExportSummary(out, told, rows, repeated)


def _check_has(stored: StoredList, algorithm: str) -> None:
    """A name that no matcher has may be mistyped: the list must have rows of it."""
    names: set[str] = set()
    for table in stored.unchecked():
        names.update(table.column("algorithm").unique().to_pylist())
    if algorithm not in names:
        raise UsageError(
            f"algorithm {algorithm!r}: {stored.path} has only {', '.join(sorted(names)) or 'no rows'}"
        )


Chosen = Iterator[tuple[npt.NDArray[np.int64], pa.Table]]
"""The numbers of rows, and the rows."""


def _chosen(stored: StoredList, algorithm: str | None, *, live: bool) -> Chosen:
    first = 0
    for table in stored.tables():
        kept = np.ones(table.num_rows, np.bool_)
        if algorithm is not None:
            kept &= pc.equal(table.column("algorithm"), algorithm).to_numpy()
        if live:
            kept &= ~table.column("deleted").to_numpy()
        yield np.flatnonzero(kept) + first, table.filter(pa.array(kept))
        first += table.num_rows


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _text(value) for name, value in row.items()}


def _text(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, datetime) else value


def _write_csv(chosen: Chosen, file: BinaryIO) -> int:
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(PLAIN.names)
    written = 0
    for _, table in chosen:
        for row in table.to_pylist():
            cells = _plain(row)
            cells["tags"] = _SEPARATOR.join(cells["tags"]) if cells["tags"] else None
            cells["deleted"] = "true" if cells["deleted"] else "false"
            writer.writerow(cells.values())
        written += table.num_rows
    text.detach()
    return written


def _write_lines(chosen: Chosen, file: BinaryIO) -> int:
    written = 0
    for _, table in chosen:
        lines = (
            json.dumps({k: v for k, v in _plain(row).items() if v is not None}, ensure_ascii=False)
            for row in table.to_pylist()
        )
        file.writelines(line.encode() + b"\n" for line in lines)
        written += table.num_rows
    return written


def _write_text(chosen: Chosen, file: BinaryIO, *, typed: bool) -> int:
    written = 0
    for _, table in chosen:
        pairs = zip(table.column("algorithm").to_pylist(), table.column("hash").to_pylist(), strict=True)
        file.writelines(
            (f"{name} {value.hex()}\n" if typed else f"{value.hex()}\n").encode() for name, value in pairs
        )
        written += table.num_rows
    return written


def _write_delta(stored: StoredList, chosen: Chosen, file: BinaryIO) -> tuple[int, int]:
    """A mapping has each key once: of rows that share a hash the first live one is written, with what all
    live ones say of it.
    """
    with tempfile.TemporaryDirectory(prefix="hivescan-known-") as folder:
        once, positive, negative = _once(stored, Path(folder))
    file.write(b'{"updates": {')
    written = repeated = 0
    for numbers, table in chosen:
        kept = _are_set(once, numbers)
        repeated += int((~kept).sum())
        says = zip(*(_are_set(bits, numbers[kept]).tolist() for bits in (positive, negative)), strict=True)
        for row, said in zip(table.filter(pa.array(kept)).to_pylist(), says, strict=True):
            key = json.dumps(f"{row['algorithm']}:{row['hash'].hex()}")
            record = None if row["deleted"] else _record(row, *said)
            file.write(f"{',' if written else ''}\n{key}: {json.dumps(record, ensure_ascii=False)}".encode())
            written += 1
    file.write(b"\n}}\n")
    return written, repeated


def _record(row: dict[str, Any], positive: bool, negative: bool) -> dict[str, Any]:
    told = ["POSITIVE_CLASS"] * positive + ["NEGATIVE_CLASS"] * negative or ["INVESTIGATION_SEED"]
    tags = row["tags"] or []
    when = row["provided_at"] or row["updated_at"]
    record = {
        "entry_id": row["entry_id"],
        "opinions": [{"category": word, "tags": tags} for word in told],
        "updated_at": when.isoformat() if when else None,
    }
    return {name: value for name, value in record.items() if value is not None}


def _are_set(bits: Bits, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    return np.asarray((bits[rows >> 3] >> (rows & 7).astype(np.uint8)) & 1, np.bool_)


def _set(bits: Bits, rows: npt.NDArray[np.int64]) -> None:
    np.bitwise_or.at(bits, rows >> 3, np.uint8(1) << (rows & 7).astype(np.uint8))


def _once(stored: StoredList, folder: Path) -> tuple[Bits, Bits, Bits]:
    """Whether a row is the one of its hash that is written, and whether live rows of this hash are positive,
    and negative.
    """
    secret = secrets.token_bytes(16)
    once, positive, negative = (np.zeros(stored.rows // 8 + 1, np.uint8) for _ in range(3))
    with RecordSpool(_SEEN, folder) as spool:
        first = 0
        for table in stored.unchecked():
            seen = np.zeros(table.num_rows, _SEEN)
            joined = pc.binary_join_element_wise(
                table.column("algorithm").cast(pa.binary()), table.column("hash"), b"\x1f"
            )
            digests = b"".join(blake2b(v, digest_size=16, key=secret).digest() for v in joined.to_pylist())
            halves = np.frombuffer(digests, np.uint64).reshape(-1, 2)
            seen["high"], seen["low"] = halves[:, 0], halves[:, 1]
            seen["row"] = np.arange(first, first + table.num_rows)
            seen["deleted"] = table.column("deleted").to_numpy()
            seen["says"] = [_SAYS.get(word, 0) for word in table.column("polarity").to_pylist()]
            seen["says"][seen["deleted"]] = 0
            spool.add(seen, (seen["low"] % BUCKETS).astype(np.int64))
            first += table.num_rows
        for bucket in range(BUCKETS):
            seen = spool.read(bucket)
            seen = seen[np.lexsort((seen["row"], seen["deleted"], seen["low"], seen["high"]))]
            if not len(seen):
                continue
            new = (seen["high"][1:] != seen["high"][:-1]) | (seen["low"][1:] != seen["low"][:-1])
            starts = np.flatnonzero(np.r_[True, new])
            rows, says = seen["row"][starts], np.bitwise_or.reduceat(seen["says"], starts)
            _set(once, rows)
            _set(positive, rows[(says & _POSITIVE) > 0])
            _set(negative, rows[(says & _NEGATIVE) > 0])
    return once, positive, negative
