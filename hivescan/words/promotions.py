"""Advertising, asked for or not, by what adverts say: offers, calls to act, haste, codes, shops of one's own.

The list (``data/promotions.csv``, our own) has phrases that no other text says ("use my code", "free
shipping"), and cues that are an advert together: an offer, a call to act, haste, a seller, a price, a link
that pays for referrals, two kinds of them within :data:`NEAR` words. What is negated, quoted, asked for or
told of in the same clause ("I got a discount", "no free shipping") is no advert. Nothing was trained.

Arabic, English, French, German, Portuguese and Spanish; :data:`LANGUAGES` says of which the list knows words.
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from hivescan.words.clauses import Clauses
from hivescan.words.mapped import Mapped
from hivescan.words.normalise import folded, normalise
from hivescan.words.patterns import EXCEPT, Found, Patterns, expanded
from hivescan.words.tokens import tokens_of

REVISION: Final = 1
"""Raised when the same text is told otherwise."""

FILE: Final = Path(__file__).with_name("data") / "promotions.csv"
LANGUAGES: Final = frozenset({"ar", "de", "en", "es", "fr", "pt"})

NEAR: Final = 20
"""Words between two cues that are an advert together."""
AROUND: Final = 10
"""Words between a cue and what says that it is only spoken of."""
_BEFORE: Final = 3
"""Words within which a negation counts."""
_QUOTED_WITHIN: Final = 12
"""Words between a quotation and who is said to have said it."""
_AT: Final = 2
"""Words between an amount and what makes it a discount."""

_PHRASE: Final = "phrase"
_CUT: Final = "cut"
_AMOUNT: Final = "amount"
_LINK: Final = "link"
_ACT: Final = "act"
_LEADING: Final = frozenset({"offer", _ACT, "sell"})
"""One of two cues is of these; the other is an amount only beside an offer or a call to act."""
_CUES: Final = _LEADING | {"urge", _AMOUNT, _LINK}
ROLES: Final = frozenset({_PHRASE, _CUT, "offer", _ACT, "urge", "sell", "lower", "not", "say", EXCEPT})

_MONEY: Final = re.compile(
    r"(?:[$£€₹]|\bUSD|\bEUR|R\$|\bRs\.?)\s?\d[\d.,]*|(?<![\d.,])\d[\d.,]*\s?(?:[£€₹%٪]|euros?\b|dollars?\b|reais\b"
    r"|percent\b|prozent\b|por ciento\b|por cento\b|pour cent\b|[pP]\b(?=\W|$))",
    re.IGNORECASE,
)
_LARGE: Final = re.compile(r".*\d{2}[.,\s]?\d{3}")
_MILLIONS: Final = re.compile(r"[\s-]?(?:[mk]\b|bn\b|million|billion|trillion)", re.IGNORECASE)
"""Behind an amount: more than shops ask for, as :data:`_LARGE` is in it."""
_SHORT_CODE: Final = re.compile(
    r"\b(?:text|txt|send|reply|sms)\s+\W?\w{1,12}\W?\s+to\s+(?:no\.?\s*)?\d{4,6}\b", re.IGNORECASE
)
_CALL_A_LINE: Final = re.compile(
    r"\b(?:call|ring|phone|dial)\b(?:\W+\w+){0,3}?\W+"
    r"(?:0[89]\d{2}[\d ]{4,}|1?[ .-]?\(?8(?:00|88|77|66|55)\)?[ .-]?\d{3}[ .-]?\d{4})",
    re.IGNORECASE,
)
"""Lines that cost nothing or much: those of Britain and of America."""
_REFERRAL: Final = re.compile(
    r"https?://\S*[?&](?:ref|referral|refcode|referrer|aff|affid|aff_id|affiliate|promo|promocode|coupon|invite"
    r"|invitecode)=\S+|https?://\S+/(?:ref|referral|invite|affiliate)/\S+",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Cue:
    """What makes a text an advert, at characters ``start`` to ``end``: ``role`` says what it is."""

    role: str
    start: int
    end: int


class PromotionList:
    """Made by :func:`promotions_in`; for one language."""

    def __init__(self, rows: Sequence[tuple[str, str]]) -> None:
        self._patterns = Patterns(
            ("", role, words)
            for role, pattern in rows
            for run in expanded(pattern)
            for words in [_plain(run)]
        )

    def cues(self, text: str, seen: Mapped, said: Clauses | None = None) -> tuple[Cue, ...]:
        """The cues by which ``text`` is an advert, in order; none where it is not one.

        ``seen`` is the text normalised and folded, ``said`` the same where it was cut into clauses already.
        """
        said = said or Clauses(seen)
        words = [token.word for token in said.words]
        found = list(self._patterns.found(words))
        if not any(one.role in _CUES or one.role in (_PHRASE, _CUT) for one in found):
            return ()
        places = [seen.original(token.start, token.end) for token in said.words]
        amounts = list(_in_words(_AMOUNT, _MONEY, text, places))
        found += _in_words(_LINK, _REFERRAL, text, places)
        for pattern in (_SHORT_CODE, _CALL_A_LINE):
            found += _in_words(_ACT, pattern, text, places)
        found = sorted([*found, *amounts], key=lambda one: (one.first, one.last))
        meant = _Meant(said, found)
        good = [one for one in found if (one.role in _CUES or one.role == _PHRASE) and meant.holds(one)]
        cuts = [one for one in found if one.role == _CUT and meant.holds(one)]
        kept = {one for one in good if one.role == _PHRASE}
        for cut in cuts:
            kept |= {cut} if any(cut.near(amounts, _AT)) else set()
        kept |= _together(good)
        return tuple(
            Cue("offer" if one.role == _CUT else one.role, places[one.first][0], places[one.last][1])
            for one in sorted(kept, key=lambda one: (one.first, one.last))
            if not any(_is_within(one, other) for other in kept)
        )


class _Meant:
    """Whether a cue is said by who writes, or negated, quoted or spoken of."""

    def __init__(self, said: Clauses, found: Sequence[Found]) -> None:
        self._said = said
        self._lower = [one for one in found if one.role == "lower"]
        self._say = [one for one in found if one.role == "say"]
        covered = {i for one in found if one.role in _CUES for i in range(one.first, one.last + 1)}
        self._not = {
            i
            for one in found
            if one.role == "not"
            for i in range(one.first, one.last + 1)
            if i not in covered
        }

    def holds(self, one: Found) -> bool:
        return not (self._is_negated(one) or self._is_spoken_of(one) or self._is_quoted(one))

    def _is_negated(self, one: Found) -> bool:
        clauses = self._said.clauses
        return any(
            i in self._not and clauses[i] == clauses[one.first]
            for i in range(max(0, one.first - _BEFORE), one.first)
        )

    def _is_spoken_of(self, one: Found) -> bool:
        clauses = self._said.clauses
        return any(
            clauses[cue.last] >= clauses[one.first] and clauses[cue.first] <= clauses[one.last]
            for cue in one.near(self._lower, AROUND)
        )

    def _is_quoted(self, one: Found) -> bool:
        words = self._said.words
        quotation = self._said.quotation(words[one.first].start, words[one.last].end)
        if quotation is None:
            return False
        start, end = quotation
        return any(not start < words[cue.first].start < end for cue in one.near(self._say, _QUOTED_WITHIN))


def _is_within(one: Found, other: Found) -> bool:
    """Whether the other says the same and more; of two over the same words one is kept."""
    if (one.first, one.last) == (other.first, other.last):
        return other.role < one.role
    return other.first <= one.first and one.last <= other.last


def _together(good: Sequence[Found]) -> set[Found]:
    """Cues of different kinds within :data:`NEAR` words of each other, one of them of :data:`_LEADING`."""
    cues = [one for one in good if one.role in _CUES]
    kept: set[Found] = set()
    for one in cues:
        if one.role not in _LEADING:
            continue
        others = [
            other
            for other in one.near(cues, NEAR)
            if other.role != one.role
            and {one.role, other.role} != {"sell", _AMOUNT}
            and (other.last < one.first or other.first > one.last)
        ]
        kept |= {one, *others} if others else set()
    return kept


def _in_words(
    role: str, pattern: re.Pattern[str], text: str, places: Sequence[tuple[int, int]]
) -> Iterator[Found]:
    """Matches in the text as it was written, by the words that they reach over."""
    starts = [start for start, _ in places]
    for match in pattern.finditer(text):
        if role == _AMOUNT and (_LARGE.match(match[0]) or _MILLIONS.match(text, match.end())):
            continue
        first = max(0, bisect_right(starts, match.start()) - 1)
        if places[first][1] <= match.start():
            first += 1
        last = bisect_right(starts, match.end() - 1) - 1
        if first <= last:
            yield Found("", role, first, last)


def _plain(run: Sequence[str]) -> tuple[str, ...]:
    """The words of a pattern as those of a text are seen."""
    seen = [[token.word for token in tokens_of(folded(normalise(word)))] for word in run]
    if not all(seen):
        raise ValueError(f"no letters or figures: {' '.join(run)}")
    return tuple(word for words in seen for word in words)


@lru_cache(maxsize=1)
def _lists() -> Mapping[str, PromotionList]:
    rows: dict[str, list[tuple[str, str]]] = defaultdict(list)
    with FILE.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            rows[row["language"]].append((row["role"], row["pattern"]))
    return {language: PromotionList(some) for language, some in rows.items()}


def promotions_in(language: str | None) -> PromotionList | None:
    """The list for texts of a language; None where there is none."""
    return _lists().get(language or "")
