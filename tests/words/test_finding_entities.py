"""Whom and what texts name. All addresses and numbers are examples that nobody has."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivescan.words import entities
from hivescan.words.entities.accounts import card_issuer, iban_is_right, luhn_is_right

CARD_NUMBER = "4111111111111111"
ACCOUNT = "DE89370400440532013000"


def found(text: str, language: str | None = None) -> list[tuple[str, str, bool]]:
    return [(e.kind, e.value, e.disguised) for e in entities.find(text, language)]


@pytest.mark.parametrize(
    ("text", "value", "disguised"),
    [
        ("Write to Jane.Doe+news@Example.co.uk, please.", "jane.doe+news@example.co.uk", False),
        ("jane@example.com", "jane@example.com", False),
        ("jane [at] example [dot] com", "jane@example.com", True),
        ("jane(at)example(dot)com now", "jane@example.com", True),
        ("jane at example dot com", "jane@example.com", True),
        ("jane AT example DOT co DOT uk", "jane@example.co.uk", True),
        ("jane @ example . com", "jane@example.com", True),
        ("jane arroba ejemplo punto es", "jane@ejemplo.es", True),
        ("ja\u200bne@exa\u200bmple.com", "jane@example.com", True),
        ("ｊａｎｅ＠ｅｘａｍｐｌｅ．ｃｏｍ", "jane@example.com", True),
    ],
)
def test_addresses_are_found_plain_and_disguised(text: str, value: str, disguised: bool) -> None:
    assert found(text) == [("email", value, disguised)]


@pytest.mark.parametrize(
    "text",
    [
        "Find us at example dot com",  # a place, no mailbox
        "he sat at a dot on the map",
        "me@localhost and you@nowhere.invalidsuffix",
        "50 @ 3.20 each",
    ],
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert "email" not in [kind for kind, _, _ in found(text)]


@pytest.mark.parametrize(
    ("text", "value", "domain", "disguised"),
    [
        ("see https://Shop.Example.co.uk/a?b=1.", "https://shop.example.co.uk/a?b=1", "example.co.uk", False),
        ("(http://example.com/a_(b))", "http://example.com/a_(b)", "example.com", False),
        ("www.example.com", "http://www.example.com", "example.com", False),
        ("go to example.com now", "http://example.com", "example.com", False),
        ("hxxps://example[.]com/x", "https://example.com/x", "example.com", True),
        ("example dot com", "http://example.com", "example.com", True),
        ("example(dot)com/offer", "http://example.com/offer", "example.com", True),
        ("http://192.0.2.7/login", "http://192.0.2.7/login", "192.0.2.7", False),
        ("https://münchen.example.de", "https://münchen.example.de", "example.de", False),
    ],
)
def test_links_have_a_registered_domain(text: str, value: str, domain: str, disguised: bool) -> None:
    (link,) = entities.find(text)
    assert (link.kind, link.value, link.domain, link.disguised) == ("url", value, domain, disguised)


@pytest.mark.parametrize(
    "text",
    [
        "Take it.It is yours",
        "version 3.11.7 of file.py and README.md",
        "e.g. this, i.e. that, etc.",
        "that is it.In the end",
        "Connect the dot to the line",
    ],
)
def test_dots_in_sentences_make_no_links(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "language", "value"),
    [
        ("+1 202-555-0143", None, "+12025550143"),
        ("+44 (0) 20 7946 0958", None, "+442079460958"),
        ("0044 20 7946 0958", None, "+442079460958"),
        ("call me: 202 555 0143", "en", "+12025550143"),
        ("(202) 555-0143", "en", "+12025550143"),
        ("llama al 612 345 678", "es", "+34612345678"),
        ("Ligue (11) 96123-4567", "pt", "+5511961234567"),
        ("appelez le 06 12 34 56 78", "fr", "+33612345678"),
    ],
)
def test_numbers_that_are_valid_in_their_plan_are_found(text: str, language: str | None, value: str) -> None:
    assert [(kind, v) for kind, v, _ in found(text, language)] == [("phone", value)]


@pytest.mark.parametrize(
    "text",
    (
        *("on 2024-05-01 at 10:30", "order 1234567890123", "10.000.000", "ISBN 978-3-16-148410-0"),
        "1 2 3 4 5 6 7 8 9 10",
    ),
)
def test_other_figures_are_no_telephone_numbers(text: str) -> None:
    assert "phone" not in [kind for kind, _, _ in found(text, "en")]


def test_figures_set_apart_are_a_disguised_number() -> None:
    assert found("call 2 0 2 5 5 5 0 1 4 3", "en") == [("phone", "+12025550143", True)]


@pytest.mark.parametrize("text", [ACCOUNT, "DE89 3704 0044 0532 0130 00"])
def test_accounts_are_told_by_their_last_figures_alone(text: str) -> None:
    assert found(f"IBAN {text}, thank you") == [("iban", "DE …3000", False)]
    assert found(text.replace("89", "88")) == []


def test_a_card_is_found_before_its_date() -> None:
    assert found("4111 1111 1111 1111 12/26") == [("card", "visa …1111", False)]


@pytest.mark.parametrize(
    ("text", "disguised"),
    [("4111 1111 1111 1111", False), (CARD_NUMBER, False), ("4-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1", True)],
)
def test_cards_are_told_by_brand_and_last_figures_alone(text: str, disguised: bool) -> None:
    assert found(f"card {text} ok") == [("card", "visa …1111", disguised)]


def test_a_wrong_check_digit_or_an_unknown_range_is_no_card() -> None:
    assert found("4111 1111 1111 1112") == []
    assert card_issuer("9111111111111111") is None


@given(st.text("0123456789", min_size=12, max_size=19), st.integers(0, 9))
def test_of_ten_last_figures_one_is_right(body: str, other: int) -> None:
    right = [figure for figure in "0123456789" if luhn_is_right(body[:-1] + figure)]
    assert len(right) == 1
    assert luhn_is_right(body[:-1] + str(other)) == (str(other) == right[0])


@given(st.text("0123456789", min_size=18, max_size=18), st.integers(0, 17), st.integers(1, 9))
def test_one_wrong_figure_in_an_account_is_noticed(body: str, place: int, by: int) -> None:
    check = 98 - int(body + "131400") % 97  # D, E as 13, 14
    number = f"DE{check:02}{body}"
    assert iban_is_right(number)
    wrong = body[:place] + str((int(body[place]) + by) % 10) + body[place + 1 :]
    assert not iban_is_right(f"DE{check:02}{wrong}")


_WORDS = st.sampled_from(
    (
        *(
            "jane",
            "@",
            " at ",
            "example",
            ".",
            " dot ",
            "com",
            "[.]",
            "https://",
            "+1 202",
            "555",
            "-",
            "0143",
        ),
        *(ACCOUNT, CARD_NUMBER, "\u200b", "(", ")", "/", " ", "४", "é"),
    )
)


@settings(max_examples=200)
@given(st.one_of(st.text(max_size=80), st.lists(_WORDS, max_size=14).map("".join)))
def test_places_lie_in_the_text_and_never_overlap(text: str) -> None:
    seen = entities.find(text, "en")
    assert all(0 <= e.start < e.end <= len(text) for e in seen)
    assert all(a.end <= b.start for a, b in pairwise(seen))
    assert all(e.kind in entities.KINDS for e in seen)


def test_several_in_one_text_stand_in_their_order() -> None:
    text = f"jane@example.com, +1 202-555-0143, https://example.org and {ACCOUNT}"
    seen = entities.find(text)
    assert [e.kind for e in seen] == ["email", "phone", "url", "iban"]
    assert [text[e.start : e.end] for e in seen][:2] == ["jane@example.com", "+1 202-555-0143"]


def test_long_runs_of_signs_take_no_time_that_grows_with_their_square() -> None:
    for unit in ("a.", "a@", "1 ", "a at a dot ", "(a", "h t t p : / / "):
        entities.find((unit * 1_000)[:1_000], "en")
