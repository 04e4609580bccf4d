"""All analyzers by name: what the engine plans with, and how they are loaded.

Planning reads model cards only: no runtime is imported and no weights are needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Final

from hivescan.analyzers import body_parts, embedding, nsfw, objects
from hivescan.analyzers.base import AnalyzerSpec, DecoderAnalyzer, HostAnalyzer
from hivescan.errors import UsageError
from hivescan.models.backends.base import Device, Precision
from hivescan.models.cards import load_cards
from hivescan.models.fetch import obstacle
from hivescan.models.schema import Card

PROFILES: Final[Mapping[str, tuple[str, ...]]] = {
    "fast": ("hashes", "nsfw", "objects"),
    "standard": ("hashes", "nsfw", "objects", "embedding"),
    # All that need no agreement to a licence; like standard until there is more.
    "full": ("hashes", "nsfw", "objects", "embedding"),
}

_HOST: Final[Mapping[str, ModuleType]] = {m.NAME: m for m in (nsfw, objects, embedding, body_parts)}
_DECODER: Final = ("hashes", "null")


def available() -> dict[str, AnalyzerSpec]:
    """What every analyzer is, whether or not it can run now (:func:`missing` says)."""
    specs = {name: _decoder_module(name).spec() for name in _DECODER}
    for name, module in _HOST.items():
        cards = _cards(name)
        if cards:
            specs[name] = module.spec(cards)
    return specs


def missing(name: str) -> str | None:
    """One line why an analyzer cannot run on this machine, as far as can be told without trying."""
    if name in _DECODER:
        return None
    _check(name)
    reasons = {model: _obstacle(model) for model in _HOST[name].MODELS}
    if any(reason is None for reason in reasons.values()):
        return None
    return "; ".join(f"model {model}: {reason}" for model, reason in reasons.items())


def models_off(name: str) -> dict[str, str]:
    """Models that an analyzer of several does without, each with one line why."""
    if name in _DECODER or missing(name) is not None:
        return {}
    reasons = {model: _obstacle(model) for model in _HOST[name].MODELS}
    return {model: reason for model, reason in reasons.items() if reason is not None}


def models_of(name: str) -> tuple[Card, ...]:
    """The cards of the models that an analyzer would load."""
    if name in _DECODER:
        return ()
    _check(name)
    return tuple(_cards(name))


def load(name: str, device: Device = "cpu", threads: int = 1, precision: Precision = "auto") -> HostAnalyzer:
    """A host analyzer, its models fetched where need be, open and checked.

    Raises ``CatalogueError`` leaves (weights) and ``ModelUnhealthyError``.
    """
    _check(name)
    if name in _DECODER:
        raise UsageError(f"analyzer {name} runs in the decode workers")
    analyzer: HostAnalyzer = _HOST[name].load(_cards(name), device, threads, precision)
    return analyzer


def load_decoder(name: str) -> DecoderAnalyzer:
    """An analyzer that runs in the worker that decoded the picture."""
    if name not in _DECODER:
        raise UsageError(f"there is no decoder analyzer {name!r}; there are {', '.join(_DECODER)}")
    analyzer: DecoderAnalyzer = _decoder_module(name).load()
    return analyzer


def _check(name: str) -> None:
    if name not in _HOST and name not in _DECODER:
        names = ", ".join((*_DECODER, *_HOST))
        raise UsageError(f"there is no analyzer {name!r}; there are {names}")


def _decoder_module(name: str) -> ModuleType:
    """Imported late: the hashes bring image libraries that the inference host has no use for."""
    if name == "null":
        from hivescan.analyzers import null

        return null
    from hivescan.analyzers import hashes

    return hashes


def _cards(name: str) -> list[Card]:
    """The cards of an analyzer's models that can be had; all of them where none can."""
    cards = load_cards()
    known = [cards[model] for model in _HOST[name].MODELS if model in cards]
    return [card for card in known if len(known) == 1 or obstacle(card) is None] or known


def _obstacle(model: str) -> str | None:
    cards = load_cards()
    return obstacle(cards[model]) if model in cards else "its card is missing"
