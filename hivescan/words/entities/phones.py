"""Telephone numbers that are valid in a country's plan, by the metadata of libphonenumber."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from hivescan.types import Entity
from hivescan.words.entities.kinds import PHONE

_REGIONS: Final = {
    "en": ("US", "GB", "AU", "IN"),
    "es": ("ES", "MX", "AR", "CO", "US"),
    "pt": ("BR", "PT"),
    "fr": ("FR", "BE", "CA"),
    "de": ("DE", "AT", "CH"),
    "hi": ("IN",),
    "ar": ("EG", "SA", "AE"),
    "it": ("IT",),
    "nl": ("NL",),
    "pl": ("PL",),
    "ru": ("RU",),
    "tr": ("TR",),
}
"""Where a number without a country code may be from, by the text's language; the largest first."""
_ANYWHERE: Final = ("US", "GB", "DE", "FR", "ES", "BR", "IN")

_CANDIDATE: Final = re.compile(
    r"(?<![\w.,/:=#-])(?:\+|00)?\s?\(?\d(?:[\s\-.·/()\[\]_*]{0,3}\d){6,16}(?![\w/]|[.,:-]\d|@)"
)
_INTERNATIONAL: Final = re.compile(r"\s*(?:\+|00)")
_CUE: Final = re.compile(
    r"(?:\b(?:tele?(?:phone|fon[eo]?|f)?|phone|mobile|mob|cell|call|text|txt|ring|dial|sms|fax|whats?app|wa|signal|viber"
    r"|telegram|hotline|handy|rufen?|llam[ae]|m[oó]vil|celular|ligue|liga|zap|appele[rz]?|t[eé]l|num[eé]ro|n[uú]mero"
    r"|nummer|number|no|nr|contact|reach)\b|फ़?ोन|कॉल|هاتف|اتصل|واتساب|☎|📞|📱)[^\d\n]{0,25}$",
    re.IGNORECASE,
)
_WRITTEN_AS_ONE: Final = re.compile(
    r"\(\d{2,5}\)\s?\d[\d\s.-]{5,}|\d{2,4}([-. ])\d{2,4}\1\d{2,4}(?:\1\d{2,4})?|0\d{2,4}[ /-]\d[\d ]{4,}"
)
_DATE: Final = re.compile(
    r"\s*(?:\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{2,4})(?:\D.*)?\s*", re.DOTALL
)
_FIGURE_BY_FIGURE: Final = re.compile(r"(?:\d[\s\-.·_*]+){5}\d")
_LEAST_FIGURES: Final = 7


def phones(text: str, language: str | None) -> Iterator[Entity]:
    """Numbers with a country code that are valid, and national ones that are written or announced as such."""
    if sum(c.isdigit() for c in text) < _LEAST_FIGURES:
        return
    for found in _CANDIDATE.finditer(text):
        written = found[0]
        if _DATE.fullmatch(written):
            continue
        if _INTERNATIONAL.match(written):
            number = _read("+" + re.sub(r"\D", "", written).removeprefix("00"), None)
        elif _CUE.search(text[max(0, found.start() - 40) : found.start()]):
            number = _national(written, _REGIONS.get(language or "", _ANYWHERE))
        elif _WRITTEN_AS_ONE.fullmatch(written.strip()):
            number = _national(written, _REGIONS.get(language or "", ()))
        else:
            number = None
        if number is not None:
            start = found.start() + len(written) - len(written.lstrip())
            yield Entity(PHONE, number, start, found.end(), bool(_FIGURE_BY_FIGURE.search(written)))


def _national(written: str, regions: tuple[str, ...]) -> str | None:
    figures = re.sub(r"\D", "", written)
    return next((n for n in (_read(figures, region) for region in regions) if n is not None), None)


@lru_cache(maxsize=4_096)
def _read(figures: str, region: str | None) -> str | None:
    """The number as E.164 has it; None where no plan has it."""
    library: Any = _library()
    try:
        number = library.parse(figures, region)
    except library.NumberParseException:
        return None
    if not library.is_valid_number(number):
        return None
    if region is not None and not library.is_valid_number_for_region(number, region):
        return None
    formatted: str = library.format_number(number, library.PhoneNumberFormat.E164)
    return formatted


@lru_cache(maxsize=1)
def _library() -> Any:
    import phonenumbers

    return phonenumbers
