"""Runs of words to be found in a text: what rules about words are written in.

A pattern is words with choices in brackets: ``(sell|selling) (a|my|) gun``. Apostrophes are left out of
English ones, as they are of the words of a text (:mod:`hivescan.words.tokens`).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

EXCEPT: Final = "except"
"""The role of what means something else: what such a pattern covers is nothing else."""
_LONGEST: Final = 16
"""Words of the longest pattern."""
_PART: Final = re.compile(r"[()|]|[^()|\s]+")


@dataclass(frozen=True)
class Found:
    """A pattern at words ``first`` to ``last`` of a text: what it is about, and what it says of it."""

    topic: str
    role: str
    first: int
    last: int

    def near(self, others: Sequence[Found], words: int) -> Iterator[Found]:
        """Those of ``others``, in order of their first words, within so many words."""
        at = bisect_left(others, self.first - words - _LONGEST, key=_first)
        end = bisect_right(others, self.last + words, key=_first)
        return (other for other in others[at:end] if self.first - other.last <= words)


def _first(found: Found) -> int:
    return found.first


class Patterns:
    """Runs of words, by their first word. Each is given with its topic and role."""

    def __init__(self, patterns: Iterable[tuple[str, str, tuple[str, ...]]]) -> None:
        self.by_first: dict[str, dict[tuple[str, ...], set[tuple[str, str]]]] = defaultdict(dict)
        for topic, role, words in patterns:
            if len(words) > _LONGEST:
                raise ValueError(f"more than {_LONGEST} words: {' '.join(words)}")
            self.by_first[words[0]].setdefault(words, set()).add((topic, role))
        self._lengths = {
            first: sorted({*map(len, some)}, reverse=True) for first, some in self.by_first.items()
        }

    def found(self, words: Sequence[str]) -> Iterator[Found]:
        """In order of their first words, the longest first; of one topic and role the longest alone."""
        covered = -1
        for i, word in enumerate(words):
            if i <= covered or word not in self._lengths:
                continue
            here = self.by_first[word]
            met: set[tuple[str, str]] = set()
            for length in self._lengths[word]:
                if i + length > len(words):
                    continue
                for topic, role in here.get(tuple(words[i : i + length]), ()):
                    if role == EXCEPT:
                        covered = i + length - 1
                    elif i > covered and (topic, role) not in met:
                        met.add((topic, role))
                        yield Found(topic, role, i, i + length - 1)


def expanded(pattern: str) -> set[tuple[str, ...]]:
    """Every run of words that a pattern stands for; choices within choices are allowed."""
    parts = _PART.findall(pattern)
    runs, rest = _choices(parts, 0)
    if rest != len(parts):
        raise ValueError(f"a bracket is closed that was not opened: {pattern}")
    return runs - {()}


def _choices(parts: Sequence[str], at: int) -> tuple[set[tuple[str, ...]], int]:
    """Runs of the choices from part ``at`` to the bracket that closes them, and where that stands."""
    whole: set[tuple[str, ...]] = set()
    runs: set[tuple[str, ...]] = {()}
    while at < len(parts) and parts[at] != ")":
        if parts[at] == "|":
            whole |= runs
            runs = {()}
        elif parts[at] == "(":
            inner, at = _choices(parts, at + 1)
            runs = {run + more for run in runs for more in inner}
        else:
            runs = {(*run, parts[at]) for run in runs}
        at += 1
    return whole | runs, at
