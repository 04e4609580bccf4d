"""Where datasets and trained models of this user lie, and what they may be called."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from hivescan.errors import UsageError
from hivescan.models.cards import home_folder

__all__ = [
    "checked_name",
    "datasets_folder",
    "home_folder",
    "split_reference",
    "trained_folder",
    "vectors_store",
]

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_]*")
"""The same as for models of the catalogue, because a trained model may become one."""


def datasets_folder() -> Path:
    return home_folder() / "datasets"


def trained_folder() -> Path:
    return home_folder() / "trained"


def vectors_store() -> Path:
    """A store that keeps the vectors of training items, so that none is computed twice."""
    return home_folder() / "vectors"


def checked_name(name: str, what: str) -> str:
    """``name`` as it is, or :class:`UsageError`: ``what`` is ``dataset`` or ``model``."""
    if not NAME.fullmatch(name):
        raise UsageError(f"{what} {name!r}: a name may have only a-z, 0-9 and _")
    return name


def split_reference(reference: str, what: str) -> tuple[str, int | None]:
    """``clothing@3`` → ("clothing", 3), ``clothing`` → ("clothing", None)."""
    name, at, number = reference.partition("@")
    checked_name(name, what)
    if not at:
        return name, None
    if not number.isdecimal() or number.startswith("0"):
        raise UsageError(f"{what} {reference!r}: what follows @ is not a number from 1")
    return name, int(number)
