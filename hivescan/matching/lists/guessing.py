"""A mapping guessed from the names and the first values of a source's columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as AnyMapping
from dataclasses import replace
from typing import Final

from hivescan.errors import KnownListError
from hivescan.matching.algorithms import ALGORITHMS
from hivescan.matching.lists.cleaning import algorithm_of
from hivescan.matching.lists.decoding import looks_like_hash
from hivescan.matching.lists.mapping import HashColumn, Mapping

HASH_LENGTHS: Final = frozenset(a.nbytes for a in ALGORITHMS.values()) | {144}
CARRIED: Final = ("pdna", "tmk_pdqf", "netclean", "videntifier")
_PDQ_BITS: Final = 128
_NAMES_SHOWN: Final = 20
_LONG_WORD: Final = re.compile(r"[A-Za-z0-9+/=]{11,}")
_BY_LENGTH: Final = {16: "md5", 20: "sha1", 144: "pdna"}

_FIELDS: Final = {
    "entry_id": ("entryid", "id", "uuid", "guid", "contentid", "mediaid", "identifier", "externalid"),
    "source": ("source", "provider", "organisation", "organization"),
    "hash_set": ("hashset", "set", "list", "dataset", "collection"),
    "quality": ("quality", "pdqquality"),
    "match_type": ("matchtype", "harmtype", "violation"),
    "classification": ("classification", "category", "class", "severity"),
    "polarity": ("polarity", "verdict"),
    "max_distance": ("maxdistance", "threshold"),
    "parent_id": ("parentid", "videoid"),
    "scene_start_ms": ("scenestartms", "startms"),
    "scene_end_ms": ("sceneendms", "endms"),
    "tags": ("tags", "labels", "keywords"),
    "created_at": ("createdat", "created", "dateadded", "addedon", "creationdate"),
    "provided_at": (
        "providedat", "updatedat", "updated", "lastupdated", "modified", "modifiedat", "lastmodified",
        "lastmodtimestamp", "timestamp", "updatedon",
    ),
    "deleted": ("deleted", "isdeleted", "withdrawn", "shoulddelete", "removed"),
    "transformation": ("transformation",),
}  # fmt: skip
_HASH: Final = ("hash", "hashvalue", "signal", "signalvalue", "indicator", "fingerprint", "digest", "value")
_ALGORITHM: Final = ("algorithm", "hashtype", "type", "signaltype", "hashalgorithm", "algo", "kind")

_NSRL: Final = Mapping(
    constants={"source": "NSRL", "hash_set": "NSRL RDS", "polarity": "benign"},
    # The reference set also names files that are known, but not good.
    reject={"SpecialCode": ("M", "S")},
)


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def names_shown(columns: Iterable[str]) -> str:
    """Names of columns for a message: the first of them, and none that may be a hash, which a first row
    without names, or a document with hashes for names, would show.
    """
    names = list(columns)
    shown = [
        f"(column {number})" if _may_be_hash(name) else repr(name)
        for number, name in enumerate(names[:_NAMES_SHOWN], 1)
    ]
    return ", ".join(shown) + (" …" if len(names) > _NAMES_SHOWN else "")


def _may_be_hash(name: str) -> bool:
    """Whether there is a long run of letters and digits, as in hex and base64."""
    return any(any(not c.isalpha() for c in word) for word in _LONG_WORD.findall(name))


def is_nsrl(columns: Sequence[str]) -> bool:
    """Whether columns are those of the NSRL's reference set, version 2 (CSV) or 3 (SQLite and exports)."""
    names = {_plain(name) for name in columns}
    version_3 = {"sha1", "md5", "filename"} <= names and bool({"packageid", "crc32"} & names)
    return version_3 or {"sha1", "filename", "productcode", "specialcode"} <= names


def guess(
    given: Mapping, columns: AnyMapping[str, Sequence[str | None]], algorithm: str | None = None
) -> Mapping:
    """The mapping with what it does not say guessed; ``columns`` are the source's, with their first values.

    ``algorithm`` is that of hashes of which the source does not say it.

    Raises :class:`KnownListError` where no column of hashes is found, or their algorithm cannot be told.
    """
    hashes = given.hashes or _hash_columns(given, columns)
    taken = {name for h in hashes for name in (h.column, h.algorithm_column)}
    named = dict(given.fields)
    if not given.fields:
        plain = {_plain(name): name for name in reversed(list(columns)) if name not in taken}
        for field, names in _FIELDS.items():
            found = next((plain[name] for name in (_plain(field), *names) if name in plain), None)
            if found is not None and found not in named.values():
                named[field] = found
    mapping = given.but(hashes=hashes, fields=named)
    if is_nsrl(list(columns)):
        lookup = {_plain(name): name for name in columns}
        rejects = {
            lookup[_plain(name)]: words for name, words in _NSRL.reject.items() if _plain(name) in lookup
        }
        mapping = mapping.but(
            fields={k: v for k, v in named.items() if k in given.fields},
            constants={**_NSRL.constants, **mapping.constants},
            reject={**rejects, **mapping.reject},
        )
    if algorithm is not None:
        named_by = (
            h if h.algorithm or h.algorithm_column else replace(h, algorithm=algorithm) for h in hashes
        )
        return mapping.but(hashes=tuple(named_by))
    if any(h.algorithm is None for h in hashes) and not mapping.lengths:
        mapping = mapping.but(lengths=_lengths(hashes, columns))
    return mapping


def _hash_columns(given: Mapping, columns: AnyMapping[str, Sequence[str | None]]) -> tuple[HashColumn, ...]:
    if not columns:
        raise KnownListError("no columns")
    own: dict[str, str] = {}
    for name in columns:
        algorithm = algorithm_of(name)
        if algorithm in (*ALGORITHMS, *CARRIED) and name not in given.fields.values():
            own.setdefault(algorithm, name)
    if own:
        return tuple(HashColumn(name, algorithm) for algorithm, name in own.items())
    plain = {_plain(name): name for name in columns}
    kind = next((plain[name] for name in _ALGORITHM if name in plain), None)
    if kind is not None and not any(
        algorithm_of(word) in (*ALGORITHMS, *CARRIED) for word in columns[kind] if word
    ):
        kind = None
    found = next((plain[name] for name in _HASH if name in plain), None) or _by_content(columns)
    if found is None:
        raise KnownListError(
            f"no column of hashes among {names_shown(columns)}: name it in a mapping (--map)"
        )
    return (HashColumn(found, algorithm_column=kind),)


def _by_content(columns: AnyMapping[str, Sequence[str | None]]) -> str | None:
    for name, values in columns.items():
        there = [value for value in values if value]
        if there and sum(looks_like_hash(v, HASH_LENGTHS) for v in there) > len(there) / 2:
            return name
    return None


def _lengths(hashes: Sequence[HashColumn], columns: AnyMapping[str, Sequence[str | None]]) -> dict[int, str]:
    """The algorithm by the length of a hash, for rows whose source does not name it."""
    open_ = [h for h in hashes if h.algorithm is None]
    values = [
        value.strip()
        for h in open_
        for value, kind in zip(
            columns.get(h.column, ()),
            columns[h.algorithm_column] if h.algorithm_column else columns.get(h.column, ()),
            strict=False,
        )
        if value and (h.algorithm_column is None or not kind) and looks_like_hash(value, HASH_LENGTHS)
    ]
    found = {len(value) // 2 for value in values}
    lengths = {size: name for size, name in _BY_LENGTH.items() if size in found}
    if 32 in found:
        lengths[32] = _of_32([bytes.fromhex(value) for value in values if len(value) == 64])
    if 8 in found:
        raise KnownListError(
            "hashes of 64 bits may be pHash or dHash: say which (--algorithm, or a mapping's algorithm)"
        )
    return lengths


def _of_32(values: Sequence[bytes]) -> str:
    """``pdq`` or ``sha256``: half of the bits of a PDQ hash are set, those of a sha256 fall as they will."""
    even = sum(int.from_bytes(value).bit_count() == _PDQ_BITS for value in values)
    if len(values) >= 3 or even == 0:
        # 5 % of all sha256 have just half of their bits set; hashes of flat pictures have not.
        return "pdq" if even > len(values) / 3 else "sha256"
    raise KnownListError(
        "hashes of 256 bits may be PDQ or sha256: say which (--algorithm, or a mapping's algorithm)"
    )
