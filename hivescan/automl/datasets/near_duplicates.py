"""Pairs of items that are nearly the same: pictures by their PDQ hashes, texts by the pieces they share.

Two texts are near when the sets of their 5-character pieces have a Jaccard similarity (shared pieces ÷ all
pieces) of at least :data:`SIMILARITY`, case, punctuation and digits aside. Candidates come from MinHash with
bands (Broder 1997; Leskovec, Rajaraman, Ullman, "Mining of massive datasets", chapter 3), and each is then
compared exactly. :func:`near_texts_exactly` compares all with all, for the tests.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hivescan.automl.datasets.findings import Groups
from hivescan.matching.algorithms import MIN_QUALITY
from hivescan.matching.hamming import HammingIndex, as_hashes
from hivescan.media.pdq import HASH_BYTES

MAX_DISTANCE: Final = 31
"""Bits of 256 in which two PDQ hashes of one picture may differ, as in matching."""

SIMILARITY: Final = 0.7
"""With 5-character pieces one changed word of ten leaves about 0.75."""

_DIGIT: Final = re.compile(r"\d")
_NO_LETTERS: Final = re.compile(r"[\W_]+")
_PIECE: Final = 5
_BANDS: Final = 24
_ROWS: Final = 4
"""24 bands of 4: a pair of similarity 0.7 becomes a candidate with probability 0.998, of 0.3 with 0.18."""
_BUCKET: Final = 32
_SEED: Final = 20_011
_WEIGHTS: Final = np.array([0x9E3779B97F4A7C15 ** (k + 1) % 2**64 for k in range(_PIECE)], np.uint64)
"""Powers of an odd number without a pattern (2⁶⁴ ÷ the golden ratio): short rows of numbers become one."""

Keys = npt.NDArray[np.uint64]


class Pair(NamedTuple):
    """Places ``left < right`` of two items in what was compared."""

    left: int
    right: int


def near_pictures(
    hashes: Sequence[bytes | None], qualities: Sequence[int | None], max_distance: int = MAX_DISTANCE
) -> list[Pair]:
    """Pairs of pictures whose PDQ hashes differ in at most ``max_distance`` bits.

    Pictures without a hash, and those too featureless to be told apart by it, are near to none.
    """
    places = [
        place
        for place, (value, quality) in enumerate(zip(hashes, qualities, strict=True))
        if value is not None and (quality is None or quality >= MIN_QUALITY)
    ]
    if len(places) < 2:
        return []
    table = as_hashes([value for place in places if (value := hashes[place]) is not None], HASH_BYTES)
    index = HammingIndex(table, np.full(len(places), max_distance))
    pairs = []
    for found in index.search(table):
        later = found.query < found.row
        pairs += [
            Pair(places[left], places[right])
            for left, right in zip(found.query[later].tolist(), found.row[later].tolist(), strict=True)
        ]
    return pairs


def near_texts(texts: Sequence[str], similarity: float = SIMILARITY) -> list[Pair]:
    """Pairs of near texts. Equal ones, and those without a letter, are left to others.

    Of a bucket with very many texts each is compared with the first alone: their groups come out the same,
    not every pair of them is named.
    """
    pieces = [pieces_of(text) for text in texts]
    found: set[Pair] = set()
    checked: set[Pair] = set()
    for bucket in _buckets(pieces):
        near = combinations(bucket, 2) if len(bucket) <= _BUCKET else ((bucket[0], b) for b in bucket[1:])
        for left, right in near:
            pair = Pair(left, right)
            if pair in checked:
                continue
            checked.add(pair)
            if texts[left] != texts[right] and jaccard(pieces[left], pieces[right]) >= similarity:
                found.add(pair)
    return sorted(found)


def near_texts_exactly(texts: Sequence[str], similarity: float = SIMILARITY) -> list[Pair]:
    """What :func:`near_texts` looks for, found by comparing all with all."""
    pieces = [pieces_of(text) for text in texts]
    return [
        Pair(left, right)
        for left, right in combinations(range(len(texts)), 2)
        if pieces[left].size and pieces[right].size and texts[left] != texts[right]
        if jaccard(pieces[left], pieces[right]) >= similarity
    ]


def normalised(text: str) -> str:
    """The text in one case and width, digits as 0, punctuation as single spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _NO_LETTERS.sub(" ", _DIGIT.sub("0", folded)).strip()


def pieces_of(text: str) -> Keys:
    """The distinct 5-character pieces of the normalised text as sorted numbers; none of an empty text."""
    padded = f" {normalised(text)} "
    if padded.strip() == "":
        return np.empty(0, np.uint64)
    letters = np.frombuffer(padded.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    if letters.size < _PIECE:
        letters = np.pad(letters, (0, _PIECE - letters.size))
    windows = np.lib.stride_tricks.sliding_window_view(letters, _PIECE)
    # A polynomial over 64 bits: whole numbers wrap, which is what is wanted.
    return np.unique((windows * _WEIGHTS).sum(axis=1, dtype=np.uint64))


def jaccard(a: Keys, b: Keys) -> float:
    """Shared ÷ all of two sorted sets, 0 to 1."""
    if not a.size or not b.size:
        return 0.0
    shared = np.intersect1d(a, b, assume_unique=True).size
    return float(shared / (a.size + b.size - shared))


def _buckets(pieces: Sequence[Keys]) -> Iterable[list[int]]:
    """Places whose texts share a band of their signatures, ascending, each at most once a band."""
    places = [place for place, keys in enumerate(pieces) if keys.size]
    if len(places) < 2:
        return
    signatures = _signatures([pieces[place] for place in places])
    for band in range(_BANDS):
        part = signatures[:, band * _ROWS : (band + 1) * _ROWS]
        keys = (part * _WEIGHTS[:_ROWS]).sum(axis=1, dtype=np.uint64)
        order = np.argsort(keys, kind="stable")
        borders = np.flatnonzero(keys[order][1:] != keys[order][:-1]) + 1
        for bucket in np.split(order, borders):
            if bucket.size > 1:
                yield [places[i] for i in sorted(bucket.tolist())]


def _signatures(pieces: Sequence[Keys]) -> npt.NDArray[np.uint32]:
    """``uint32 [N, bands × rows]``: of each hash function the smallest value over a text's pieces."""
    count = _BANDS * _ROWS
    random = np.random.default_rng(_SEED)
    factors = random.integers(1, 2**63, count, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    shifts = random.integers(0, 2**63, count, dtype=np.uint64)
    signatures = np.empty((len(pieces), count), np.uint32)
    for start in range(0, len(pieces), 512):  # memory does not grow with the dataset
        some = pieces[start : start + 512]
        joined = np.concatenate(some)
        borders = np.cumsum([0, *(keys.size for keys in some[:-1])])
        for i in range(count):
            mixed = ((joined * factors[i] + shifts[i]) >> np.uint64(32)).astype(np.uint32)
            signatures[start : start + len(some), i] = np.minimum.reduceat(mixed, borders)
    return signatures


def grouped(pairs: Iterable[tuple[int, int]]) -> Groups:
    """The connected groups of these pairs, each ascending, in the order of their first members."""
    parent: dict[int, int] = {}

    def root(member: int) -> int:
        parent.setdefault(member, member)
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    for left, right in pairs:
        a, b = root(left), root(right)
        parent[max(a, b)] = min(a, b)
    groups: dict[int, list[int]] = {}
    for member in sorted(parent):
        groups.setdefault(root(member), []).append(member)
    return tuple(tuple(group) for group in groups.values())
