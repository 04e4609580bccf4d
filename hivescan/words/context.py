"""What is said of a thing in English: whether it is denied, quoted or answered, by words around it."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Final

from hivescan.words.clauses import Clauses

REVISION: Final = 3
"""Raised when the same text is told otherwise."""

INSULTS: Final = Path(__file__).with_name("data") / "insults_en.txt"

_NOT: Final = frozenset(
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
    ]
)
_NEGATIONS: Final = _NOT | frozenset(["stop", "quit", "refuse", "refuses", "refused", "against"])
_BEFORE: Final = 4
"""Words within which a negation counts."""
_SAYING: Final = frozenset(["said", "saying", "wrote", "writing", "claimed", "claiming"])
_THINKING: Final = frozenset(
    ["think", "thinks", "thought", "thinking", "believe", "believes", "believed", "mean", "means", "meant"]
)
_DID_NOT: Final = frozenset(["didnt", "doesnt", "hasnt", "havent", "hadnt"])
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


def is_negated(said: Clauses, first: int) -> bool:
    """Whether a negation stands within a few words before the word number ``first``, in its clause."""
    return _has_before(said, first, _BEFORE, _NEGATIONS)


def is_plainly_negated(said: Clauses, first: int) -> bool:
    """As :func:`is_negated`, by words such as "not" and "no" alone: not "stop", "against"."""
    return _has_before(said, first, _BEFORE, _NOT)


def is_disowned(said: Clauses, first: int) -> bool:
    """Whether what begins at the word number ``first`` is what somebody did not say or does not think.

    The negation stands right before it: "never said (that) …", "do not think …", not "you do not think …".
    """
    words = [t.word for t in said.words[max(0, first - 6) : first]]
    words = words[len(words) - _in_clause(said, first, len(words)) :]
    of_that = bool(words) and words[-1] == "that"
    if of_that:
        words.pop()
        if words and words[-1] == "not":
            return True
    verb = words.pop() if words else ""
    while words and words[-1] in ("ever", "really", "actually", "even"):
        words.pop()
    negation = words.pop() if words else ""
    if negation not in _NOT - {"no", "without", "nothing"}:
        return False
    before = words.pop() if words else ""
    if verb in _SAYING:
        return True
    if verb in ("say", "write", "claim"):
        return negation in _DID_NOT or (negation == "not" and before in ("did", "does"))
    if before in ("do", "did", "does"):
        before = words.pop() if words else ""
    return verb in _THINKING and before not in ("you", "u", "ya")


def _has_before(said: Clauses, first: int, most: int, some: Collection[str]) -> bool:
    near = _in_clause(said, first, most)
    return any(token.word in some for token in said.words[first - near : first])


def _in_clause(said: Clauses, first: int, most: int) -> int:
    """How many of the ``most`` words before the word ``first`` are in its clause."""
    near = 0
    while near < min(most, first) and said.clauses[first - near - 1] == said.clauses[first]:
        near += 1
    return near


def is_quoted(said: Clauses, first: int, last: int) -> bool:
    """Whether the words ``first`` to ``last`` stand between quotation marks, with a word of speech near."""
    words = said.words
    quotation = said.quotation(words[first].start, words[last].end)
    if quotation is None:
        return False
    start, end = quotation
    return any(
        token.word in _REPORTING and not start < token.start < end
        for token in words[max(0, first - _REPORT_WITHIN) : last + _REPORT_WITHIN]
    )


def is_answered(text: str) -> bool:
    """Whether a text, folded, speaks against what it repeats: who says so is wrong, stop calling …"""
    return _ANSWERS.search(text) is not None


def is_reported(text: str) -> bool:
    """Whether a text, folded, tells what somebody else said or was held to account for."""
    return _REPORTS.search(text) is not None


def is_denied(said: Clauses, at: int) -> bool:
    """Whether the word number ``at``, an insult, is denied of somebody: "is not a …", "never was a …".

    Over a comma only from one insult to the next: "not a stupid, ugly …", but not "no, stupid".
    """
    listed = insults()
    for i in range(at - 1, max(-1, at - 1 - _BEFORE), -1):
        word = said.words[i].word
        if said.clauses[i] != said.clauses[i + 1]:
            if said.sentences[i] != said.sentences[i + 1] or word not in listed:
                return False
        elif word in _DENIALS:
            return True
        if word not in _BETWEEN and word not in listed:
            return False
    return False


def denies_insults(said: Clauses, known: Collection[str]) -> bool:
    """Whether a text has insults, of :func:`insults` or ``known``, and each is denied or quoted."""
    listed = insults()
    places = [i for i, token in enumerate(said.words) if token.word in listed or token.word in known]
    return bool(places) and all(is_denied(said, i) or is_quoted(said, i, i) for i in places)


@lru_cache(maxsize=1)
def insults() -> frozenset[str]:
    """Milder words for people than those of the list of profanity; they tell what a denial is about."""
    return frozenset(INSULTS.read_text(encoding="utf-8").split())
