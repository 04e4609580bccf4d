"""The catalogue: every model card that hivescan finds, by name.

Cards lie in ``weights/<name>/card.toml`` of a checkout, or in ``hivescan/_weights`` of an installed
wheel. Models that a user deploys lie in the user's model folder, in the same layout.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from hivescan.errors import CatalogueError, UnknownModelError
from hivescan.models.card_parts import CARD_FILE, read_toml
from hivescan.models.heads_card import BASE, parse_heads_card
from hivescan.models.language_card import LANGUAGE, parse_language_card
from hivescan.models.parse import parse_card, read_card
from hivescan.models.schema import (
    BackendSpec,
    Card,
    DerivedFile,
    DetectorSpec,
    EmbeddingSpec,
    Golden,
    HeadReading,
    InputSpec,
    Licence,
    Quality,
    WeightFile,
)
from hivescan.models.speech_card import SPEECH, parse_speech_card
from hivescan.models.surprise_card import SURPRISE, parse_surprise_card

__all__ = [
    "BackendSpec",
    "Card",
    "DerivedFile",
    "DetectorSpec",
    "EmbeddingSpec",
    "Golden",
    "HeadReading",
    "InputSpec",
    "Licence",
    "Quality",
    "WeightFile",
    "bundled_folder",
    "find_card",
    "home_folder",
    "load_cards",
    "models_folder",
    "read_card",
]


def bundled_folder() -> Path:
    """Where hivescan's own cards lie: inside an installed wheel, or at the root of a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_weights"
    return installed if installed.is_dir() else package.parent / "weights"


def home_folder() -> Path:
    """What is the user's own: ``HIVESCAN_HOME``, else the platform's folder for user data."""
    named = os.environ.get("HIVESCAN_HOME")
    if named:
        return Path(named).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "hivescan"
    data = os.environ.get("XDG_DATA_HOME")
    # The XDG specification has relative paths ignored.
    base = Path(data) if data and Path(data).is_absolute() else Path.home() / ".local" / "share"
    return base / "hivescan"


def models_folder() -> Path:
    """Where a user's own models lie: ``HIVESCAN_MODELS``, else ``models`` in :func:`home_folder`."""
    named = os.environ.get("HIVESCAN_MODELS")
    return Path(named).expanduser() if named else home_folder() / "models"


def load_cards() -> dict[str, Card]:
    """All cards by name, sorted. A file that changed is read again; a wrong one is a ``CatalogueError``."""
    found: dict[str, Card] = {}
    on_others: list[Path] = []
    for folder in (bundled_folder(), models_folder()):
        for path in sorted(folder.glob(f"*/{CARD_FILE}")):
            card = _read_once(path, path.stat().st_mtime_ns)
            if card is None:
                on_others.append(path)
            else:
                _add(found, card, path)
    networks = dict(found)
    for path in on_others:
        _add(found, _heads_card(path, networks), path)
    return dict(sorted(found.items()))


def _add(found: dict[str, Card], card: Card, path: Path) -> None:
    if card.name in found:
        raise CatalogueError(
            f"{path}: name: {card.name!r} is taken by {found[card.name].folder / CARD_FILE};"
            " rename the folder and the card"
        )
    found[card.name] = card


def find_card(name: str) -> Card:
    """The card of one model, or :class:`UnknownModelError` with the names that exist."""
    cards = load_cards()
    if name not in cards:
        raise UnknownModelError(f"no model is called {name!r}; there are {', '.join(cards) or 'none'}")
    return cards[name]


def _heads_card(path: Path, networks: Mapping[str, Card]) -> Card:
    """The card of heads in ``path``, read again where it or what it stands on has changed."""
    mtime_ns = path.stat().st_mtime_ns
    before = _HEADS.get(path)
    if before is not None and before[0] == mtime_ns:
        card = before[1]
        assert card.base is not None
        if card.base.folder.is_relative_to(card.folder) or card.base is networks.get(card.base.name):
            return card
    values = read_toml(path)
    parse = parse_surprise_card if SURPRISE in values else parse_heads_card
    card = parse(path, values, networks)
    _HEADS[path] = (mtime_ns, card)
    return card


_HEADS: Final[dict[Path, tuple[int, Card]]] = {}


@lru_cache(maxsize=256)
def _read_once(path: Path, mtime_ns: int) -> Card | None:
    """The card; None where it is one of heads that stand on another card."""
    values = read_toml(path)
    if LANGUAGE in values:
        return parse_language_card(path, values)
    if SPEECH in values:
        return parse_speech_card(path, values)
    return None if BASE in values or SURPRISE in values else parse_card(path, values)
