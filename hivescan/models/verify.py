"""What of a card's files is in the cache, by a look or by hashing every byte again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hivescan.models.cache import (
    derived_path,
    file_path,
    forget_stamp,
    is_derived,
    is_intact,
    read_stamp,
    sha256_of,
    stamp_place,
    write_stamp,
)
from hivescan.models.schema import Card


class State(StrEnum):
    """How much of a card is at hand."""

    ABSENT = "absent"
    PARTIAL = "partial"
    """Some files are missing or changed."""
    PRESENT = "present"
    """All fetched files; a conversion is still to be made, if the card has one."""
    DERIVED = "derived"
    """All fetched files and what conversions make of them."""


@dataclass(frozen=True)
class FileCheck:
    """One file of a card, hashed. ``problem`` is one line, None where the file is right."""

    card: str
    name: str
    path: Path
    problem: str | None


def state(card: Card) -> State:
    """A quick look: a file is hashed only where its size or time changed since it last was."""
    here = [is_intact(card, file) for file in card.files]
    if not all(here):
        return State.PARTIAL if any(file_path(card, file).exists() for file in card.files) else State.ABSENT
    if card.derived and all(is_derived(card, d) for d in card.derived):
        return State.DERIVED
    return State.PRESENT


def verify(card: Card) -> list[FileCheck]:
    """Hash every file of a card that is there. A card of which nothing is there gives no checks.

    What is found wrong is fetched or made again at the next :func:`hivescan.models.fetch.ensure`.
    """
    if not any(file_path(card, file).exists() for file in card.files):
        return []
    checks = []
    for file in card.files:
        path = file_path(card, file)
        problem = None
        if not path.is_file():
            problem = "is missing"
        elif (found := sha256_of(path)) != file.sha256:
            problem = f"has the sha256 {found}, the card says {file.sha256}"
            forget_stamp(stamp_place(card, file))
        else:
            write_stamp(stamp_place(card, file), path, file.sha256)
        checks.append(FileCheck(card.name, file.name, path, problem))
    for derived in card.derived:
        path = derived_path(card, derived)
        if not path.is_file():
            continue  # made at the first use
        stamp, found = read_stamp(path), sha256_of(path)
        problem = None
        if stamp is None or stamp.sha256 != found:
            was = "unknown" if stamp is None else stamp.sha256
            problem = f"has the sha256 {found}; when it was made here, it was {was}"
            forget_stamp(path)
        checks.append(FileCheck(card.name, derived.name, path, problem))
    return checks
