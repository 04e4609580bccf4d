"""Rows of a source made rows of a list; those that break a rule are put aside with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hivescan.matching.algorithms import ALGORITHMS, PERCEPTUAL
from hivescan.matching.build import entry_id
from hivescan.matching.checks import broken_rules
from hivescan.matching.lists.batch import Refused, Rows
from hivescan.matching.lists.decoding import decode
from hivescan.matching.lists.parsing import parse
from hivescan.matching.lists.plain import PLAIN
from hivescan.matching.lists.staging import STAGED
from hivescan.matching.schema import POLARITIES

_NAMED: Final = {
    "pdqhash": "pdq", "imagepdq": "pdq", "photopdq": "pdq", "videomd5": "md5", "photomd5": "md5",
    "imagemd5": "md5", "photodna": "pdna", "pdnahash": "pdna", "videotmk": "tmk_pdqf", "tmk": "tmk_pdqf",
    "tmkpdqf": "tmk_pdqf",
}  # fmt: skip
_KEY_WORDS: Final = ("entry_id", "source", "hash_set", "algorithm", "transformation", "parent_id")


def algorithm_of(word: str) -> str:
    """The name that lists use: ``SHA-256``, ``HASH_PDQ`` and ``VideoMD5`` are sha256, pdq and md5."""
    plain = "".join(c for c in word.lower() if c.isalnum())
    for beginning in ("hash", ""):
        name = plain.removeprefix(beginning)
        if name in ALGORITHMS:
            return name
        if name in _NAMED:
            return _NAMED[name]
    return word.strip().lower().replace("-", "_")


@dataclass(frozen=True)
class Fill:
    """What rows are where they do not say it themselves.

    ``lengths`` tells the algorithm of a hash by its bytes, where a source names none. ``as_of`` is when
    the source was stated, for rows without a time.
    """

    words: Mapping[str, str | None]
    max_distance: int | None = None
    tags: tuple[str, ...] = ()
    lengths: Mapping[int, str] | None = None
    as_of: datetime | None = None
    separator: str = ";"


def clean(rows: Rows, fill: Fill) -> tuple[pa.Table, list[Refused]]:
    """The good rows with the columns of ``STAGED``, and the others with what is wrong with the first of
    its faults.
    """
    n = len(rows)
    faults: list[tuple[str, npt.NDArray[np.bool_]]] = []
    columns: dict[str, pa.Array] = {}
    for field in PLAIN:
        if field.name == "hash" or field.name not in rows.columns:
            continue
        values, bad = parse(rows.columns[field.name], field.type, fill.separator)
        columns[field.name] = values
        faults.append((f"{field.name} is not understood", bad))
    for name, word in fill.words.items():
        if word is not None:
            columns[name] = _filled(columns.get(name), pa.scalar(word, pa.string()), n)
    algorithm, hashes = _hashes(rows, columns.get("algorithm"), fill)
    faults.insert(0, ("the algorithm of the hash is not known", _null(algorithm)))
    faults.insert(1, ("the hash is missing", _missing(rows.columns["hash"])))
    faults.insert(2, ("the hash is neither hex nor base64", _null(hashes)))
    columns["algorithm"], columns["hash"] = algorithm, hashes
    columns["polarity"] = _polarity(columns.get("polarity"), n)
    columns["deleted"] = _filled(columns.get("deleted"), pa.scalar(False), n)
    _fill_rest(columns, fill, n)
    columns["entry_id"] = _ids(columns.get("entry_id"), algorithm, hashes)
    for name in _KEY_WORDS:
        if name in columns:
            wrong = pc.match_substring_regex(columns[name], r"[\x00-\x1f\x7f]")
            faults.append((f"{name} holds control characters", _mask(wrong)))
    arrays = [columns.get(f.name, pa.nulls(n, f.type)) for f in PLAIN]
    batch = pa.RecordBatch.from_arrays(arrays, schema=PLAIN)
    # Sources write hex: what a list's own fault says of that would mislead.
    rules = ((text.removesuffix(" (bytes, not hex)"), broken) for text, broken in broken_rules(batch))
    faults += [(text, _mask(broken)) for text, broken in rules]
    return _parted(rows, batch, faults)


def _parted(
    rows: Rows, batch: pa.RecordBatch, faults: list[tuple[str, npt.NDArray[np.bool_]]]
) -> tuple[pa.Table, list[Refused]]:
    bad = np.zeros(len(rows), np.bool_)
    refused = list(rows.refused)
    for reason, wrong in faults:
        for at in np.flatnonzero(wrong & ~bad).tolist():
            refused.append(Refused(int(rows.records[at]), reason, rows.original(at)))
        bad |= wrong
    refused.sort(key=lambda row: row.record)
    whole = rows.columns.get("whole", pa.repeat(False, len(rows)))
    table = pa.Table.from_arrays([*batch.columns, whole], schema=STAGED)
    return (table.filter(pa.array(~bad)) if bad.any() else table), refused


def _hashes(rows: Rows, named: pa.Array | None, fill: Fill) -> tuple[pa.Array, pa.Array]:
    """Algorithms and bytes of all rows; null where they cannot be told."""
    given = rows.columns["hash"]
    n = len(rows)
    if named is None:
        named = pa.nulls(n, pa.string())
    words = named.dictionary_encode()
    names = pa.array([algorithm_of(word) for word in words.dictionary.to_pylist()], pa.string())
    algorithm = names.take(words.indices)
    if pa.types.is_binary(given.type):
        hashes = given
    else:
        sizes = pa.array(
            [ALGORITHMS[a].nbytes if a in ALGORITHMS else 0 for a in names.to_pylist()], pa.int64()
        )
        nbytes = sizes.take(words.indices).fill_null(0).to_numpy(zero_copy_only=False)
        hashes = decode(given, rows.encoding, nbytes)
    if fill.lengths and algorithm.null_count:
        keys = list(fill.lengths)
        at = pc.index_in(pc.binary_length(hashes), pa.array(keys, pa.int32()))
        algorithm = pc.coalesce(algorithm, pa.array([fill.lengths[k] for k in keys], pa.string()).take(at))
    return algorithm, hashes


def _polarity(column: pa.Array | None, n: int) -> pa.Array:
    column = _filled(column, pa.scalar("positive"), n)
    lower = pc.utf8_lower(column)
    return pc.if_else(pc.is_in(lower, pa.array(POLARITIES)), lower, column)


def _fill_rest(columns: dict[str, pa.Array], fill: Fill, n: int) -> None:
    # When another list last changed a row is when it stated it; this list has a time of its own.
    stated = columns.pop("updated_at", None)
    if stated is not None:
        own = columns.get("provided_at")
        columns["provided_at"] = stated if own is None else pc.coalesce(own, stated)
    if fill.as_of is not None:
        kind = PLAIN.field("provided_at").type
        columns["provided_at"] = _filled(columns.get("provided_at"), pa.scalar(fill.as_of, kind), n)
    if fill.max_distance is not None:
        near = pc.is_in(columns["algorithm"], pa.array(PERCEPTUAL))
        limit = pc.if_else(near, pa.scalar(fill.max_distance, pa.int32()), pa.scalar(None, pa.int32()))
        own = columns.get("max_distance")
        columns["max_distance"] = limit if own is None else pc.coalesce(own, limit)
    if fill.tags:
        tagged = pa.repeat(pa.scalar(list(fill.tags), pa.list_(pa.string())), n)
        own = columns.get("tags")
        columns["tags"] = tagged if own is None else pc.coalesce(own, tagged)


def _ids(column: pa.Array | None, algorithm: pa.Array, hashes: pa.Array) -> pa.Array:
    """The provider's ids; where there are none ids made from the hashes, which do not show them."""
    if column is not None and not column.null_count:
        return column
    lacking = column.is_null().to_numpy(zero_copy_only=False) if column is not None else None
    made: list[str | None] = []
    for at, (name, value) in enumerate(zip(algorithm.to_pylist(), hashes.to_pylist(), strict=True)):
        if value is None or (lacking is not None and not lacking[at]):
            made.append(None)
        else:
            # Of a sha256 the id that `known build` gives the same file.
            made.append(entry_id(value.hex() if name == "sha256" else f"{name} {value.hex()}"))
    ids = pa.array(made, pa.string())
    return ids if column is None else pc.coalesce(column, ids)


def _filled(column: pa.Array | None, value: pa.Scalar, n: int) -> pa.Array:
    return pa.repeat(value, n) if column is None else pc.coalesce(column, value)


def _null(column: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False))


def _missing(column: pa.Array) -> npt.NDArray[np.bool_]:
    if pa.types.is_binary(column.type):
        return _null(column)
    return _mask(pc.equal(pc.utf8_trim_whitespace(column), "")) | _null(column)


def _mask(broken: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.fill_null(broken, False).to_numpy(zero_copy_only=False))
