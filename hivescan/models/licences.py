"""Licences that a user must have seen before a model's first use. The answer is kept in the cache."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

from hivescan.errors import LicenceNotAcceptedError
from hivescan.models.cache import cache_folder, private_folder
from hivescan.models.schema import Card


def is_accepted(card: Card) -> bool:
    """Whether the card's licence needs no answer, or got one. A changed text is asked again."""
    if not card.licence.must_accept:
        return True
    try:
        answer = json.loads((cache_folder() / card.name / "licence.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(answer, dict) and answer.get("text") == _digest(card)


def accept(card: Card) -> None:
    """Remember that the user agreed to the card's licence as it reads now."""
    answer = {
        "licence": card.licence.spdx,
        "text": _digest(card),
        "accepted_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    folder = private_folder(cache_folder() / card.name)
    (folder / "licence.json").write_text(json.dumps(answer, indent=2) + "\n")


def require_accepted(card: Card) -> None:
    """Raise :class:`LicenceNotAcceptedError` unless the licence was agreed to."""
    if not is_accepted(card):
        raise LicenceNotAcceptedError(
            f"{card.name}: its licence ({card.licence.spdx}) must be read and agreed to first:"
            f" hivescan models pull {card.name}"
        )


def _digest(card: Card) -> str:
    text = "\n".join((card.licence.spdx, card.licence.url, card.licence.notice))
    return hashlib.sha256(text.encode()).hexdigest()
