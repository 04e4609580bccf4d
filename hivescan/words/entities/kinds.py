"""What kinds of entities there are."""

from __future__ import annotations

from typing import Final

EMAIL: Final = "email"
PHONE: Final = "phone"
URL: Final = "url"
IBAN: Final = "iban"
CARD: Final = "card"
