"""What is said of a thing in English: whether it is denied, quoted or answered, by words around it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from hivescan.words.tokens import Token

REVISION: Final = 1
"""Raised when the same text is told otherwise."""

INSULTS: Final = Path(__file__).with_name("data") / "insults_en.txt"

_NEGATIONS: Final = frozenset(
    [
        "not",
        "no",
        "never",
        "none",
        "nobody",
        "nothing",
        "neither",
        "nor",
        "without",
        "stop",
        "quit",
        "dont",
        "doesnt",
        "didnt",
        "wont",
        "wouldnt",
        "cant",
        "cannot",
        "couldnt",
        "isnt",
        "arent",
        "wasnt",
        "werent",
        "aint",
        "havent",
        "hasnt",
        "hadnt",
        "shouldnt",
        "hardly",
        "refuse",
        "refuses",
        "refused",
        "against",
    ]
)
_BEFORE: Final = 4
"""Words within which a negation counts."""
_REPORTING: Final = frozenset(
    [
        "said",
        "says",
        "say",
        "saying",
        "called",
        "calls",
        "call",
        "calling",
        "wrote",
        "writes",
        "write",
        "writing",
        "written",
        "told",
        "tells",
        "tell",
        "shouted",
        "shouts",
        "yelled",
        "yells",
        "tweeted",
        "tweets",
        "posted",
        "posts",
        "post",
        "quote",
        "quoted",
        "quotes",
        "word",
        "words",
        "term",
        "phrase",
        "headline",
        "slogan",
        "lyrics",
        "comment",
        "comments",
        "message",
        "claimed",
        "claims",
        "claim",
        "claiming",
        "reads",
        "read",
        "titled",
    ]
)
_QUOTED: Final = re.compile(r"[\"“„«]([^\"“”„«»]{1,300})[\"”»]|(?<![^\W_])['‘]([^'‘’]{2,300})['’](?![^\W_])")
_REPORT_WITHIN: Final = 12
"""Words between a quotation and who is said to have said it."""
_DENIALS: Final = frozenset(["not", "isnt", "arent", "wasnt", "werent", "aint", "never", "no"])
_BETWEEN: Final = frozenset(
    [
        "a",
        "an",
        "the",
        "so",
        "that",
        "such",
        "really",
        "very",
        "all",
        "any",
        "even",
        "as",
        "being",
        "be",
        "been",
        "is",
        "are",
        "was",
        "were",
        "am",
        "at",
        "total",
    ]
)
_ANSWERS: Final = re.compile(
    r"\b(?:(?:whoever|anyone who|anybody who|everyone who|people who|those who|somebody who|someone who)\s+"
    r"(?:\w+\s+){0,2}?(?:says?|thinks?|claims?|calls?|believes?|writes?|insults?|hates?)"
    r"|(?:please\s+)?stop\s+(?:insulting|calling|attacking|hating|bullying|harassing|mocking|abusing|spreading)"
    r"|(?:calling|saying|claiming|hating|insulting|bullying|mocking|to (?:say|claim|call))\b.{1,120}?"
    r"\b(?:is|are|was)\s+(?:\w+\s+)?(?:wrong|racist|sexist|homophobic|unfair|unacceptable|false|a lie|hurtful"
    r"|not (?:ok|okay|acceptable|right|funny|true))"
    r"|it(?:'s| is| was)\s+(?:\w+\s+)?(?:wrong|racist|unfair|false|a lie|not true|not okay)\s+(?:that|to)"
    r"|(?:nobody|no one|no-one)\s+(?:should|deserves|has the right)"
    r"|(?:do not|don't|does not|doesn't|did not|didn't|never|nobody|no one)\s+(?:\w+\s+){0,2}?"
    r"(?:think|thinks|believe|believes|said)\s+(?:that|you|he|she|they|we|it)"
    r"|hate speech|(?:fight|against|end|condemn\w*|denounc\w*)\s+"
    r"(?:racism|hate|hatred|sexism|homophobia|bullying))\b"
)
_REPORTS: Final = re.compile(
    r"\b(?:(?:was|were|got|been|is|are)\s+(?:\w+\s+)?(?:fined|banned|fired|arrested|suspended|reported|removed"
    r"|condemned|sentenced|sued|asked to apologi[sz]e)"
    r"|(?:he|she|they|someone|somebody|a (?:\w+ )?(?:man|woman|boy|girl|guy|stranger|user|poster|student)"
    r"|the (?:\w+ )?(?:man|woman|boy|girl|guy|stranger|user|poster|headline|sign|article|paper))\s+"
    r"(?:once\s+|just\s+|then\s+|had\s+)?(?:said|wrote|shouted|yelled|called|told|claimed|tweeted|posted|read)\b)"
)


def is_negated(words: Sequence[Token], first: int) -> bool:
    """Whether a negation stands within a few words before the word number ``first``."""
    return any(token.word in _NEGATIONS for token in words[max(0, first - _BEFORE) : first])


def is_quoted(text: str, words: Sequence[Token], first: int, last: int) -> bool:
    """Whether the words ``first`` to ``last`` stand between quotation marks, with a word of speech near."""
    start, end = words[first].start, words[last].end
    for match in _QUOTED.finditer(text):
        if match.start() < start and end < match.end():
            outside = [
                token.word
                for token in words[max(0, first - _REPORT_WITHIN) : last + _REPORT_WITHIN]
                if not match.start() < token.start < match.end()
            ]
            return any(word in _REPORTING for word in outside)
    return False


def is_answered(text: str) -> bool:
    """Whether a text, folded, speaks against what it repeats: who says so is wrong, stop calling …"""
    return _ANSWERS.search(text) is not None


def is_reported(text: str) -> bool:
    """Whether a text, folded, tells what somebody else said or was held to account for."""
    return _REPORTS.search(text) is not None


def is_denied(words: Sequence[Token], at: int) -> bool:
    """Whether the word number ``at``, an insult, is denied of somebody: "is not a …", "never was a …"."""
    for i in range(at - 1, max(-1, at - 1 - _BEFORE), -1):
        if words[i].word in _DENIALS:
            return True
        if words[i].word not in _BETWEEN and words[i].word not in insults():
            return False
    return False


def denies_insults(text: str, words: Sequence[Token], known: Collection[str]) -> bool:
    """Whether a text, folded, has insults, of :func:`insults` or ``known``, and each is denied or quoted."""
    places = [i for i, token in enumerate(words) if token.word in insults() or token.word in known]
    return bool(places) and all(is_denied(words, i) or is_quoted(text, words, i, i) for i in places)


@lru_cache(maxsize=1)
def insults() -> frozenset[str]:
    """Milder words for people than those of the list of profanity; they tell what a denial is about."""
    return frozenset(INSULTS.read_text(encoding="utf-8").split())
