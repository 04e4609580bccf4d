"""Profane words of English with their kinds and ratings, found in disguise too.

The list is that of surge-ai/profanity (MIT, ``data/profanity_en_licence.txt``): each term with up to three
kinds and the mean of five people's ratings from 1 (mild) to 3 (severe). Whole words count alone, so that a
town whose name has such a word in it does not.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from hivescan.words.mapped import Mapped
from hivescan.words.normalise import folded, normalise

REVISION: Final = 1
"""Raised when the same text has other hits."""

FILE: Final = Path(__file__).with_name("data") / "profanity_en.csv"

EXPLETIVES: Final = FILE.with_name("expletives_en.txt")

SEXUAL: Final = "sexual anatomy / sexual acts"
SLURS: Final = frozenset(
    {
        "racial / ethnic slurs",
        "sexual orientation / gender",
        "religious offense",
        "mental disability",
        "physical disability",
    }
)
"""Kinds of words that are aimed at what somebody is."""

STRONG: Final = 1.6
SEVERE: Final = 2.4
"""Ratings from which the list calls a word strong, and severe."""

_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_MASKED: Final = re.compile(r"(?<![^\W_])[a-z][a-z]?[*#]{1,6}[a-z]{0,8}(?![^\W_*#])")
_TWICE: Final = re.compile(r"(.)\1")
_MOST_WORDS: Final = 5


@dataclass(frozen=True)
class Term:
    """``rating`` is 1 to 3. ``root`` is the plainest form of the word; several terms share one."""

    words: tuple[str, ...]
    kinds: frozenset[str]
    rating: float
    root: str


@dataclass(frozen=True)
class Hit:
    """A term, and characters ``start`` to ``end`` of the text where it stands."""

    term: Term
    start: int
    end: int


class WordList:
    """Terms by their first word. Made by :func:`english`."""

    def __init__(self, terms: Iterator[Term]) -> None:
        self._by_first: dict[str, list[Term]] = defaultdict(list)
        self._by_length: dict[int, list[Term]] = defaultdict(list)
        self.terms = tuple(terms)
        for term in self.terms:
            self._by_first[term.words[0]].append(term)
            if len(term.words) == 1:
                self._by_length[len(term.words[0])].append(term)
        for some in self._by_first.values():
            some.sort(key=lambda term: (-len(term.words), -term.rating))
        self.words = frozenset(
            w for w, terms in self._by_first.items() if any(len(t.words) == 1 for t in terms)
        )
        """Terms of one word, in small letters: by these doubtful figures are read."""

    def hits(self, text: str) -> tuple[Hit, ...]:
        """Where terms stand in ``text``, in order; the longest that fits counts."""
        return self.hits_in(folded(normalise(text, self.words)))

    def hits_in(self, seen: Mapped) -> tuple[Hit, ...]:
        """As :meth:`hits`, of a text normalised by :attr:`words` and folded; places are its original's."""
        found = [(match[0], match.start(), match.end()) for match in _WORD.finditer(seen.text)]
        hits = list(self._in_words(seen, found))
        if "*" in seen.text or "#" in seen.text:
            hits += self._masked(seen)
        return tuple(sorted(hits, key=lambda hit: hit.start))

    def _in_words(self, seen: Mapped, found: list[tuple[str, int, int]]) -> Iterator[Hit]:
        i = 0
        while i < len(found):
            term = self._at(seen, found, i)
            if term is None:
                i += 1
                continue
            last = i + len(term.words) - 1
            yield Hit(term, *seen.original(found[i][1], found[last][2]))
            i = last + 1

    def _at(self, seen: Mapped, found: list[tuple[str, int, int]], i: int) -> Term | None:
        word, start, end = found[i]
        following = tuple(w for w, _, _ in found[i : i + _MOST_WORDS])
        for term in self._by_first.get(word, ()):
            if following[: len(term.words)] == term.words:
                return term
        # Letters repeated for emphasis were left twice: once is tried too, where they were.
        original = seen.original(start, end)
        if original[1] - original[0] > end - start and (once := _TWICE.sub(r"\1", word)) != word:
            return next((t for t in self._by_first.get(once, ()) if len(t.words) == 1), None)
        return None

    def _masked(self, seen: Mapped) -> Iterator[Hit]:
        """Words with stars for letters."""
        for match in _MASKED.finditer(seen.text):
            pattern = re.compile(re.sub(r"[*#]", "[a-z]", match[0]))
            fitting = [t for t in self._by_length[len(match[0])] if pattern.fullmatch(t.words[0])]
            if fitting and sum(c.isalpha() for c in match[0]) > 1:
                yield Hit(max(fitting, key=lambda t: t.rating), *seen.original(match.start(), match.end()))


@lru_cache(maxsize=1)
def expletives() -> frozenset[str]:
    """Roots that are mostly said in anger, though the list calls their first sense sexual."""
    return frozenset(EXPLETIVES.read_text(encoding="utf-8").split())


@lru_cache(maxsize=1)
def english() -> WordList:
    """The list that hivescan brings along."""
    with FILE.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    plain = frozenset(row["text"].casefold() for row in rows if row["text"].isalpha())
    terms: dict[tuple[str, ...], Term] = {}
    for row in rows:
        read = folded(normalise(row["text"], plain)).text
        words = tuple(match[0] for match in _WORD.finditer(read))
        # Of terms with figures or signs those alone count that read as words; others would be found anywhere.
        if (
            not words
            or len(words) > _MOST_WORDS
            or not all(word.replace("'", "").isalpha() for word in words)
        ):
            continue
        kinds = frozenset(row[f"category_{i}"] for i in (1, 2, 3)) - {""}
        term = Term(words, kinds, float(row["severity_rating"]), row["canonical_form_1"].casefold())
        if words not in terms or terms[words].rating < term.rating:
            terms[words] = term
    return WordList(iter(terms.values()))
