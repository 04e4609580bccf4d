"""Bank accounts (IBAN, ISO 13616) and payment cards (ISO/IEC 7812), by their check digits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from hivescan.types import Entity
from hivescan.words.entities.kinds import CARD, IBAN

_LENGTHS: Final[dict[str, int]] = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU XK MN SO",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ TL OM",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "PT LY ST", 26: "IS TR", 27: "FR GR IT MC MR SM BI DJ",
        28: "AL AZ BY CY DO GT HU LB PL SV NI", 29: "BR EG PS QA UA", 30: "JO KW MU",
        31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
"""Characters of an IBAN by country, from the registry of SWIFT."""

_IBAN: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ \-.]?[A-Za-z0-9]){11,30}")
_CARD: Final = re.compile(r"(?<![\d.,+-])\d(?:[ \-.·]{0,3}\d){11,18}(?![\d]|[.,-]\d)")
_LEAST_FIGURES: Final = 12
_GROUPED: Final = re.compile(r"\d+|(?:\d{4}([ -]))(?:\d{4}\1){2}\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5}")


def ibans(text: str) -> Iterator[Entity]:
    """Account numbers of the right length whose check digits are right."""
    for found in _IBAN.finditer(text):
        length = _LENGTHS.get(found[0][:2].upper())
        places = [i for i, c in enumerate(found[0]) if c.isalnum()]
        if length is None or len(places) < length:
            continue
        end = places[length - 1] + 1
        after = text[found.start() + end : found.start() + end + 1]
        number = "".join(found[0][i] for i in places[:length]).upper()
        if not after.isalnum() and iban_is_right(number):
            gaps = found[0][:end]
            usual = re.fullmatch(r"[A-Z0-9]+|[A-Z0-9]{4}(?: [A-Z0-9]{4})+(?: [A-Z0-9]{1,4})?", gaps)
            yield Entity(
                IBAN, f"{number[:2]} …{number[-4:]}", found.start(), found.start() + end, usual is None
            )


def iban_is_right(number: str) -> bool:
    """Whether an account number in capitals without blanks has its country's length and a remainder of 1."""
    if _LENGTHS.get(number[:2]) != len(number) or not number.isascii():
        return False
    turned = number[4:] + number[:4]
    return int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


def cards(text: str) -> Iterator[Entity]:
    """Card numbers in the ranges of an issuer whose check digit is right; a date may follow."""
    for found in _CARD.finditer(text):
        places = [i for i, c in enumerate(found[0]) if c.isdigit()]
        for length in range(len(places), _LEAST_FIGURES - 1, -1):
            end = places[length - 1] + 1
            if found[0][end : end + 1].isdigit():
                continue
            number = "".join(found[0][i] for i in places[:length])
            issuer = card_issuer(number)
            if issuer is not None and luhn_is_right(number):
                usual = _GROUPED.fullmatch(found[0][:end]) is not None
                yield Entity(CARD, f"{issuer} …{number[-4:]}", found.start(), found.start() + end, not usual)
                break


def luhn_is_right(number: str) -> bool:
    """The check digit of ISO/IEC 7812-1, annex B: every second figure from the right counts twice."""
    total = 0
    for place, figure in enumerate(reversed(number)):
        value = int(figure) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def card_issuer(number: str) -> str | None:
    """The brand whose published ranges and lengths a card number fits; None: of no brand."""
    length, six = len(number), int(number[:6].ljust(6, "0"))
    four, two = six // 100, six // 10_000
    if two // 10 == 4 and length in (13, 16, 19):
        return "visa"
    if (51 <= two <= 55 or 2221 <= four <= 2720) and length == 16:
        return "mastercard"
    if two in (34, 37) and length == 15:
        return "amex"
    if (four == 6011 or 644 <= four // 10 <= 649 or two == 65) and 16 <= length <= 19:
        return "discover"
    if 3528 <= four <= 3589 and 16 <= length <= 19:
        return "jcb"
    if (300 <= four // 10 <= 305 or two in (36, 38, 39)) and 14 <= length <= 19:
        return "diners"
    if two == 62 and 16 <= length <= 19:
        return "unionpay"
    if four in (5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763) and 12 <= length <= 19:
        return "maestro"
    return None
