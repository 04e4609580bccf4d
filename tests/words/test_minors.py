"""What names minors and sexual things in one breath. Wording is harmless: lessons, reports, advice."""

from __future__ import annotations

import pytest

from hivescan.words.mapped import Mapped
from hivescan.words.minors import exploitation_phrases, in_one_breath, minors_named, sexual_words
from hivescan.words.normalise import folded, normalise

FAR = "The weather was fine all week, and nobody had anything else to say about it. " * 3


def together(text: str, language: str | None = "en") -> bool:
    seen = folded(normalise(text))
    return bool(in_one_breath(minors_named(seen, language), sexual_words(seen, language)))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Talking to children about sexual health", "en"),
        ("A nude statue, and the kids laughed", "en"),
        ("She is 12 years old and asked about sex education", "en"),
        ("educación sexual para niños", "es"),
        ("educação sexual para crianças", "pt"),
        ("éducation sexuelle des enfants", "fr"),
        ("sexuelle Aufklärung für Kinder", "de"),
        ("c h i l d r e n and n.u.d.i.t.y in painting", "en"),
        ("ch\u200bildren, sеxual health", "en"),  # a Cyrillic letter
    ],
)
def test_both_in_one_breath_are_told(text: str, language: str) -> None:
    assert together(text, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Children play in the garden", "en"),
        ("A lecture on sexual selection in birds", "en"),
        (f"The children went home. {FAR} A lecture on sexual selection", "en"),
        ("It was very kind of you to lend me the book on sexual selection", "en"),  # German for a child
        ("She is 42 years old", "en"),
    ],
)
def test_one_without_the_other_is_not(text: str, language: str) -> None:
    assert not together(text, language)


def test_a_name_for_such_material_is_told_whoever_speaks_of_it() -> None:
    text = "The police report on CSAM was published."
    ((start, end),) = exploitation_phrases(folded(normalise(text)))
    assert text[start:end] == "CSAM"
    assert exploitation_phrases(Mapped.same("the cp of the exam is due on monday")) == ()
