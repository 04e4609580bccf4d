"""The list of adverts: what is one, what only speaks of offers, and where it stands."""

from __future__ import annotations

import csv

import pytest

from hivescan.analyzers.text_rules import look
from hivescan.words.normalise import folded, normalise
from hivescan.words.promotions import FILE, LANGUAGES, ROLES, promotions_in


def cues(text: str, language: str = "en") -> list[tuple[str, str]]:
    listed = promotions_in(language)
    assert listed is not None
    return [(cue.role, text[cue.start : cue.end]) for cue in listed.cues(text, folded(normalise(text)))]


def test_every_row_has_a_language_and_a_role_that_are_known() -> None:
    with FILE.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["language"] for row in rows} == LANGUAGES
    assert {row["role"] for row in rows} == ROLES
    for language in LANGUAGES:
        assert {row["role"] for row in rows if row["language"] == language} >= ROLES - {"except"}, language
    assert promotions_in("hi") is None
    assert promotions_in(None) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Get 20% off everything, today only!", [("offer", "off")]),
        ("Fr\u200bee sh1pping on all orders", [("phrase", "Fr\u200bee sh1pping")]),
        ("Big news: special offer, call now", [("offer", "special offer"), ("act", "call now")]),
        (
            "Try it at https://a.example/?ref=jo, free trial",
            [("link", "https://a.example/?ref=jo"), ("offer", "free trial")],
        ),
        ("Don't miss our summer sale", [("phrase", "summer sale")]),
    ],
)
def test_what_makes_an_advert_is_found_where_it_stands(text: str, found: list[tuple[str, str]]) -> None:
    assert set(found) <= set(cues(text))


@pytest.mark.parametrize(
    ("advert", "mention", "language"),
    [
        ("Free shipping to your island", "There is no free shipping to our island", "en"),
        ("We give 20% off", "I got 20% off", "en"),
        ("Buy now!", 'The banner said "buy now!"', "en"),
        ("A discount for students, sign up here", "Is there a discount for students? Sign up here", "en"),
        ("The best prices, visit our shop", "They said: the best prices. We left.", "en"),
        ("Envío gratis a las islas", "No hay envío gratis a las islas", "es"),
        ("Sapatos com 30% de desconto", "Ontem comprei sapatos com 30% de desconto", "pt"),
        ("Livraison gratuite pour les îles", "Il n'y a pas de livraison gratuite pour les îles", "fr"),
        ("Schuhe mit 30 % Rabatt", "Gestern habe ich Schuhe mit 30 % Rabatt gekauft", "de"),
        ("خصم للطلاب، اطلب الآن", "هل يوجد خصم للطلاب؟", "ar"),
    ],
)
def test_what_is_negated_quoted_asked_or_told_is_no_advert(advert: str, mention: str, language: str) -> None:
    assert cues(advert, language)
    assert not cues(mention, language)


def test_one_cue_is_no_advert_and_neither_are_two_that_stand_apart() -> None:
    assert not cues("A discount was what the cat wanted")
    far = " ".join(["and so on"] * 10)
    assert not cues(f"Discounts {far} call now")
    assert cues("Discounts, call now")


def test_a_passage_in_a_language_without_a_list_is_left_open() -> None:
    assert look("Eine kostenlose Lieferung ist immer etwas Schönes für unsere Kunden.").promotions
    assert look("यह किताब मुझे बहुत पसंद आई और मैं इसे फिर पढ़ूंगा").promotions is None
