"""Heads of text that need no network: word lists, and what names minors and sexual things in one breath."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from hivescan.types import Entity, HeadClass, HeadScores, HeadSpec, Polarity
from hivescan.words import context, minors
from hivescan.words.clauses import Clauses
from hivescan.words.languages import language_of
from hivescan.words.minors import Places
from hivescan.words.normalise import folded, normalise
from hivescan.words.promotions import Cue, promotions_in
from hivescan.words.reading import read_plain
from hivescan.words.topics import TOPICS, TopicHit, english_topics
from hivescan.words.word_list import SEVERE, SEXUAL, SLURS, STRONG, Hit, english, expletives

MODEL: Final = "text_rules"
GROUP: Final = "text"
CHILD_GROUP: Final = "child"
"""What its heads find must go to a person: see :mod:`hivescan.store.escalations`."""
UNSUPPORTED: Final = "unsupported"
"""The class of a head that says: not known in this language. It is the -1 of services in this field."""
WORD: Final = "word"
"""The kind of an entity that is a word of the list."""

_NO_LETTERS: Final = re.compile(r"[\W_]+")
_LATIN_LETTERS: Final = 0.9


@dataclass(frozen=True)
class Passage:
    """A passage and what words alone say of it.

    ``language`` None: too little to tell. ``read`` is what networks see. ``hits`` and ``topics`` are those of
    the English lists, none where the passage is in another language. ``minors``, ``sexual`` and ``phrases``
    are places. ``promotions`` are the cues by which it is an advert, None where no list knows its language.
    ``is_answer``: it speaks against what it repeats, or tells what somebody said; ``is_denial``: it denies or
    quotes the insults that are in it.
    """

    text: str
    language: str | None
    read: str
    is_english: bool
    hits: tuple[Hit, ...]
    topics: tuple[TopicHit, ...]
    promotions: tuple[Cue, ...] | None
    is_answer: bool
    is_denial: bool
    minors: Places
    sexual: Places
    phrases: Places

    @property
    def has_slur(self) -> bool:
        """Whether it has a severe word that is aimed at what somebody is."""
        return any(hit.term.rating >= SEVERE and hit.term.kinds & SLURS for hit in self.hits)

    def severity(self, topic: str) -> int:
        """0 to 3. Who speaks of wanting to die speaks of violence, too."""
        own = max((hit.severity for hit in self.topics if hit.topic == topic), default=0)
        if topic == "violence" and self.severity("self_harm") > 1:
            return max(own, 2)
        return own


def look(text: str) -> Passage:
    """Read one passage. Short texts of Latin letters whose language cannot be told are taken as English."""
    language = language_of(text)
    is_english = language == "en" or (language is None and _is_latin(text))
    words = english()
    plain = normalise(text, _known_words() if is_english else ())
    seen = folded(plain)
    said = Clauses(seen)
    adverts = promotions_in("en" if is_english else language)
    return Passage(
        text=text,
        language=language,
        read=read_plain(plain.text),
        is_english=is_english,
        hits=words.hits_in(seen) if is_english else (),
        topics=english_topics().hits(seen, said) if is_english else (),
        promotions=None if adverts is None else adverts.cues(text, seen, said),
        is_answer=is_english and (context.is_answered(seen.text) or context.is_reported(seen.text)),
        is_denial=is_english and context.denies_insults(said, words.words),
        minors=minors.minors_named(seen, language),
        sexual=minors.sexual_words(seen, language),
        phrases=minors.exploitation_phrases(seen),
    )


@lru_cache(maxsize=1)
def _known_words() -> frozenset[str]:
    """By these doubtful figures of English texts are read."""
    return english().words | english_topics().words


def _is_latin(text: str) -> bool:
    letters = [c for c in text if c.isalpha()]
    return bool(letters) and sum(ord(c) < 0x250 for c in letters) >= _LATIN_LETTERS * len(letters)


def severities(name: str) -> tuple[HeadClass, ...]:
    """The classes of a head with four severities, the most serious first."""
    polarities = (Polarity.HARMFUL, Polarity.HARMFUL, Polarity.DESCRIPTIVE, Polarity.BENIGN)
    return tuple(HeadClass(f"{name}_{3 - i}", polarity) for i, polarity in enumerate(polarities))


PROFANITY: Final = HeadSpec(
    "text_profanity",
    (
        HeadClass("yes_text_profanity", Polarity.HARMFUL),
        HeadClass("mild_text_profanity", Polarity.DESCRIPTIVE),
        HeadClass("no_text_profanity", Polarity.BENIGN),
        HeadClass(UNSUPPORTED, Polarity.DESCRIPTIVE),
    ),
    GROUP,
    description="Words of the list that people rated strong or severe, or mild; English.",
)
SEXUAL_HEAD: Final = HeadSpec(
    "text_sexual",
    (
        # No word tells intent or nudity by itself: there is no 2.
        *(c for c in severities("sexual") if c.label != "sexual_2"),
        HeadClass(UNSUPPORTED, Polarity.DESCRIPTIVE),
    ),
    GROUP,
    description="By words: 3 crude ones that are strong or severe, 1 mild or plain ones; English.",
)
PROMOTIONS: Final = HeadSpec(
    "text_promotions",
    (
        HeadClass("yes_text_promotions", Polarity.DESCRIPTIVE),
        HeadClass("no_text_promotions", Polarity.BENIGN),
        HeadClass(UNSUPPORTED, Polarity.DESCRIPTIVE),
    ),
    GROUP,
    description="Adverts, by what they say: offers, calls to act, codes; ar, de, en, es, fr, pt.",
)
CHILD: Final = HeadSpec(
    "text_child_exploitation",
    (
        HeadClass("yes_text_child_exploitation", Polarity.HARMFUL),
        HeadClass("no_text_child_exploitation", Polarity.BENIGN),
        HeadClass(UNSUPPORTED, Polarity.DESCRIPTIVE),
    ),
    CHILD_GROUP,
    description="Minors and sexual things in one breath, or such material by name: for a person to see.",
)
TOPIC_HEADS: Final = {
    topic: HeadSpec(
        f"text_{topic}",
        (*severities(topic), HeadClass(UNSUPPORTED, Polarity.DESCRIPTIVE)),
        GROUP,
        description="By words and what stands near: 1 where the thing is named, 2 and 3 for more; English.",
    )
    for topic in TOPICS
}
HEADS: Final = (PROFANITY, SEXUAL_HEAD, CHILD, *TOPIC_HEADS.values(), PROMOTIONS)


def scores(passages: Sequence[Passage]) -> tuple[HeadScores, ...]:
    """One class a passage has all of the score; N rows a head."""
    return (
        _one_hot(PROFANITY, [_profanity(p) for p in passages]),
        _one_hot(SEXUAL_HEAD, [_sexual(p) for p in passages]),
        _one_hot(CHILD, [_child(p) for p in passages]),
        *(_one_hot(head, [_topic(p, topic) for p in passages]) for topic, head in TOPIC_HEADS.items()),
        _one_hot(PROMOTIONS, [_promotions(p) for p in passages]),
    )


def words_found(passage: Passage) -> tuple[Entity, ...]:
    """Where the words stand that the heads go by; the value is the kind of word, never the word. Of topics it
    is the head with the severity, of adverts what the words are for; disguises are not told apart there."""
    return (
        *(
            Entity(WORD, _kind(hit), hit.start, hit.end, disguised=_is_disguised(passage.text, hit))
            for hit in passage.hits
        ),
        *(
            Entity(WORD, f"{hit.topic} {hit.severity}", hit.start, hit.end, disguised=False)
            for hit in passage.topics
        ),
        *(
            Entity(WORD, f"promotions {cue.role}", cue.start, cue.end, disguised=False)
            for cue in passage.promotions or ()
        ),
    )


def _kind(hit: Hit) -> str:
    rating = "severe" if hit.term.rating >= SEVERE else "strong" if hit.term.rating >= STRONG else "mild"
    kind = "slur" if hit.term.kinds & SLURS else "sexual" if _is_sexual(hit) else "profane"
    return f"{rating} {kind}"


def _is_disguised(text: str, hit: Hit) -> bool:
    written = _NO_LETTERS.sub(" ", text[hit.start : hit.end].casefold())
    return written != " ".join(hit.term.words)


def _is_sexual(hit: Hit) -> bool:
    return SEXUAL in hit.term.kinds and hit.term.root not in expletives()


def _profanity(passage: Passage) -> str:
    if not passage.is_english:
        return UNSUPPORTED
    rating = max((hit.term.rating for hit in passage.hits), default=0.0)
    return ("yes" if rating >= STRONG else "mild" if rating else "no") + "_text_profanity"


def _sexual(passage: Passage) -> str:
    if not passage.is_english:
        return UNSUPPORTED
    ratings = [hit.term.rating for hit in passage.hits if _is_sexual(hit)]
    if max(ratings, default=0.0) >= STRONG:
        return "sexual_3"
    return "sexual_1" if ratings or passage.sexual else "sexual_0"


def _child(passage: Passage) -> str:
    crude = tuple((hit.start, hit.end) for hit in passage.hits if _is_sexual(hit))
    if passage.phrases or minors.in_one_breath(passage.minors, (*passage.sexual, *crude)):
        return "yes_text_child_exploitation"
    known = passage.is_english or passage.language in minors.LANGUAGES
    return "no_text_child_exploitation" if known else UNSUPPORTED


def _promotions(passage: Passage) -> str:
    if passage.promotions is None:
        return UNSUPPORTED
    return "yes_text_promotions" if passage.promotions else "no_text_promotions"


def _topic(passage: Passage, topic: str) -> str:
    return f"{topic}_{passage.severity(topic)}" if passage.is_english else UNSUPPORTED


def _one_hot(head: HeadSpec, labels: Sequence[str]) -> HeadScores:
    columns = [head.labels.index(label) for label in labels]
    table: npt.NDArray[np.float32] = np.eye(len(head.labels), dtype=np.float32)[columns]
    return HeadScores(MODEL, head.name, head.labels, table.reshape(-1, len(head.labels)))
