"""Words for minors, and for sexual things in plain language, in seven languages.

What names both in one breath is passed on to a person. Nothing was learned from any material: these are words
that people use when they speak of children, and of sexuality.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from hivescan.words.mapped import Mapped
from hivescan.words.normalise import folded, normalise

REVISION: Final = 1
"""Raised when the same text is told otherwise."""

Places = tuple[tuple[int, int], ...]
"""Stretches of a text, from and to, in their order."""

NEAR: Final = 100
"""Characters between two words that count as one breath: a sentence or so."""

_MINORS: Final[Mapping[str, str]] = {
    "en": """
        child children kid kids kiddo minor minors underage under-age preteen preteens pre-teen toddler
        toddlers infant infants schoolgirl schoolgirls schoolboy schoolboys teen teens teenage teenager
        teenagers loli lolis shota jailbait""",
    "es": "niño niña niños niñas menor menores bebé bebés colegiala colegialas adolescente adolescentes",
    "pt": "criança crianças menino menina meninos meninas bebê bebês menor menores adolescente adolescentes",
    "fr": """
        enfant enfants mineur mineure mineurs mineures fillette fillettes garçonnet bébé bébés écolière ado
        ados""",
    "de": """
        kind kinder minderjährig minderjährige minderjähriger minderjährigen kleinkind mädchen junge jungen
        schulmädchen säugling""",
    "hi": "बच्चा बच्चे बच्ची बच्चों नाबालिग",
    "ar": "طفل طفلة أطفال الأطفال قاصر قاصرة رضيع صبي",
}
_SEXUAL: Final[Mapping[str, str]] = {
    "en": """
        sex sexual sexually sexy nude nudes nudity naked porn porno pornography pornographic erotic erotica
        fetish orgasm masturbate masturbating masturbation intercourse genitals genitalia topless undress
        undressed horny lewd lewds nsfw hentai xxx""",
    "es": """
        sexo sexual desnudo desnuda desnudos desnudas pornografía porno erótico erótica masturbar
        masturbación""",
    "pt": "sexo sexual nu nua nus nuas pelado pelada pornografia pornô erótico erótica masturbar masturbação",
    "fr": "sexe sexuel sexuelle nue nus nues pornographie porno érotique masturber masturbation",
    "de": "sex sexuell sexuelle nackt nackte nackter nacktbilder pornografie pornos erotik erotisch",
    "hi": "सेक्स नंगा नंगी अश्लील",
    "ar": "جنس جنسي جنسية عاري عارية إباحي إباحية",
}
LANGUAGES: Final = frozenset(_MINORS)

_CHILDLIKE: Final = r"(?:little|young|small|tiny)\s+(?:girls?|boys?|daughters?|sons?|ones?)"
_OLD: Final = (
    r"y\s?/?\s?o|yrs?[ -]?old|years?[ -]?old|year[ -]?olds?|anos|ans|jahre\s+alt|jahrige?[rns]?|साल|سنة|سنوات"
)
_AGE: Final = re.compile(rf"(?<!\d)(?:[1-9]|1[0-7])\s?-?\s?(?:{_OLD})(?![^\W_])")
_PHRASES: Final = re.compile(
    r"(?<![^\W_])(?:child\s?porn\w*|kiddie\s?porn\w*|cp\s(?:links?|trade|trading|vids?|videos?|pics?|packs?|mega)"
    r"|(?:trade|trading|selling|buy|buying|send|got)\scp|csam|csem|pornografia infantil"
    r"|pedopornographi\w*|kinderporno\w*)(?![^\W_])"
)


@lru_cache(maxsize=64)
def _any_of(of_languages: str, language: str | None, more: str = "") -> re.Pattern[str]:
    """Words of ``language`` and of English, which is mixed into all; None: of English alone."""
    table = {"minors": _MINORS, "sexual": _SEXUAL}[of_languages]
    words = f"{table['en']} {table.get(language or 'en', '')}".split()
    plain = sorted({folded(normalise(word)).text for word in words}, key=len, reverse=True)
    choices = "|".join([*map(re.escape, plain), *([more] if more else [])])
    return re.compile(rf"(?<![^\W_])(?:{choices})(?![^\W_])")


def minors_named(seen: Mapped, language: str | None = None) -> Places:
    """Where a text names minors, by a word of its ``language`` or of English, or by an age under 18.

    ``seen`` is the text normalised and folded, here and below; places are those of its original.
    """
    return _places(seen, _any_of("minors", language, _CHILDLIKE), _AGE)


def sexual_words(seen: Mapped, language: str | None = None) -> Places:
    """Where a text has plain words for sexual things, of its ``language`` or of English."""
    return _places(seen, _any_of("sexual", language))


def exploitation_phrases(seen: Mapped) -> Places:
    """Where a text names material of abuse as such, whoever speaks of it."""
    return _places(seen, _PHRASES)


def in_one_breath(some: Places, others: Places) -> Places:
    """Stretches of the text from one of ``some`` to one of ``others`` that is at most :data:`NEAR` away."""
    return tuple(
        (min(a[0], b[0]), max(a[1], b[1]))
        for a in some
        for b in others
        if max(a[0], b[0]) - min(a[1], b[1]) <= NEAR
    )


def _places(seen: Mapped, *patterns: re.Pattern[str]) -> Places:
    found = [seen.original(match.start(), match.end()) for p in patterns for match in p.finditer(seen.text)]
    return tuple(sorted(set(found)))
