"""All analyzers by name: what the engine plans with, and how they are loaded.

Planning reads model cards only: no runtime is imported and no weights are needed.

Wherever one analyzer is asked about, a chain does as well: ``ocr>spam`` is the analyzer ``spam`` on what
``ocr`` finds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Final

from hivescan.analyzers import (
    ages,
    ai_images,
    ai_text,
    body_parts,
    child_present,
    codes,
    deepfakes,
    embedding,
    entities,
    faces,
    nsfw,
    objects,
    ocr,
    sounds,
    speech,
    tesseract,
    text_heads,
)
from hivescan.analyzers.base import (
    AnalyzerSpec,
    HostAnalyzer,
    upstream_of,
)
from hivescan.analyzers.classifiers import Classifier, classifier_spec
from hivescan.analyzers.face_heads import CropClassifier, crop_spec
from hivescan.analyzers.in_worker import IN_WORKER, worker_module
from hivescan.errors import CatalogueError, UsageError
from hivescan.models.backends.base import Placement, Precision
from hivescan.models.cards import load_cards, models_folder
from hivescan.models.fetch import obstacle
from hivescan.models.network import Networks
from hivescan.models.schema import Card
from hivescan.types import BEHIND, Level, MediaType

_STANDARD: Final = (
    "hashes",
    "nsfw",
    "objects",
    "embedding",
    "drawing",
    "faces",
    "child_present",
    "provenance",
    "passages",
    "text_heads",
    "entities",
    "sounds",
    "codes",
)

PROFILES: Final[Mapping[str, tuple[str, ...]]] = {
    "fast": ("hashes", "nsfw", "objects"),
    "standard": _STANDARD,
    # All that need no agreement to a licence. Speech takes more than ten times as long as sounds, and text
    # in pictures longer than all else that looks at them; fights were learnt from cameras that stand still,
    # and what hand-held ones see looks like them; watermarks stand in files as generators wrote them alone.
    "full": (*_STANDARD, "fight", "speech", "ocr", "watermarks"),
}

_WITH_DEPLOYED: Final = frozenset({"standard", "full"})

_HOST: Final[Mapping[str, ModuleType]] = {
    m.NAME: m
    for m in (
        nsfw,
        objects,
        embedding,
        faces,
        child_present,
        ages,
        ai_text,
        deepfakes,
        ai_images,
        sounds,
        speech,
        text_heads,
        entities,
        body_parts,
        ocr,
        codes,
        tesseract,
    )
}
_OF_FILES_ALONE: Final = frozenset({ai_text.NAME})
"""Readers of what somebody wrote down: what is read in pictures or heard in sound is a machine's writing
already."""
_ON_CPU: Final = Placement()


def profile(name: str) -> tuple[str, ...]:
    """The analyzers of a profile. Heads that a user deployed belong to all but the fastest."""
    if name not in PROFILES:
        raise UsageError(f"there is no profile {name!r}; there are {', '.join(PROFILES)}")
    return PROFILES[name] + (_deployed_heads() if name in _WITH_DEPLOYED else ())


def available(without: Collection[str] = ()) -> dict[str, AnalyzerSpec]:
    """What every analyzer is, whether or not it can run now (:func:`missing` says).

    ``without`` names models that turned out not to be had: an analyzer of several does without them, one
    that has no other is left out.

    A model that a user deployed (:func:`~hivescan.models.cards.models_folder`) is an analyzer of its own,
    under the name of its card; so are the models of speech that ``speech`` does not use, and the heads on
    vectors that ship.
    """
    specs = {name: worker_module(name).spec() for name in IN_WORKER}
    for name in (*_HOST, *_speakers(), *_deployed()):
        cards = _cards(name, without)
        if cards or not _models(name):
            specs[name] = _spec(name, cards)
    return {name: _consuming(spec, specs) for name, spec in specs.items() if spec.upstream in {None, *specs}}


def _consuming(spec: AnalyzerSpec, specs: Mapping[str, AnalyzerSpec]) -> AnalyzerSpec:
    """An analyzer behind another is for the files that that one is for."""
    return spec if spec.upstream is None else replace(spec, consumes=specs[spec.upstream].consumes)


def spec_of(name: str, *, without: Collection[str] = (), precision: Precision = "auto") -> AnalyzerSpec:
    """What one analyzer is when its networks compute in ``precision``; ``without`` as in :func:`available`.

    Raises :class:`UsageError` where one of its models has no such precision.
    """
    before, last = upstream_of(name), _last(name)
    if last in IN_WORKER:
        spec: AnalyzerSpec = worker_module(last).spec()
        return spec
    spec = _spec(last, _cards(last, without), precision)
    if before is not None and spec.upstream is None:
        spec = replace(spec, upstream=before)
    if spec.upstream is None:
        return spec
    return _consuming(spec, {spec.upstream: spec_of(spec.upstream, without=without)})


def behind(specs: Mapping[str, AnalyzerSpec]) -> Iterator[str]:
    """Further chains of analyzers that were chosen: those of texts read what others of them find, but for
    those that are about what stands in files alone.

    ``specs`` are by chain.
    """
    finders = [chain for chain, spec in specs.items() if spec.derives is Level.PASSAGE]
    readers = [
        spec.name
        for spec in specs.values()
        if spec.runs_in == "host" and spec.level is Level.PASSAGE and spec.upstream is None
        if spec.name not in _OF_FILES_ALONE
    ]
    yield from (f"{finder}{BEHIND}{reader}" for finder in finders for reader in readers)


def _last(chain: str) -> str:
    """The analyzer that a chain ends with."""
    return chain.rpartition(BEHIND)[2]


def missing(name: str) -> str | None:
    """One line why an analyzer cannot run on this machine, as far as can be told without trying."""
    if name == tesseract.NAME:
        return tesseract.obstacle()
    reasons = {model: _obstacle(model) for model in _models(name)}
    if reasons and None not in reasons.values():
        return "; ".join(f"model {model}: {reason}" for model, reason in reasons.items())
    before = spec_of(name).upstream
    reason = None if before is None else missing(before)
    return None if reason is None else f"it looks at what {before} finds, and that cannot run: {reason}"


def models_off(name: str) -> dict[str, str]:
    """Models that an analyzer of several does without, each with one line why."""
    reasons = {model: _obstacle(model) for model in _models(name)}
    off = {model: reason for model, reason in reasons.items() if reason is not None}
    return off if len(off) < len(reasons) else {}


def models_of(name: str) -> tuple[Card, ...]:
    """The cards of the models that an analyzer would load."""
    return tuple(_cards(name))


def load(
    name: str,
    placement: Placement = _ON_CPU,
    *,
    without: Collection[str] = (),
    networks: Networks | None = None,
) -> HostAnalyzer:
    """A host analyzer, its models fetched where need be, open and checked; ``without`` as in ``available``.

    Analyzers that are loaded with the same ``networks`` share those that several of them stand on.

    Raises ``CatalogueError`` leaves (weights) and ``ModelUnhealthyError``.
    """
    last = _last(name)
    cards = _cards(last, without)
    if last in IN_WORKER:
        raise UsageError(f"analyzer {last} runs in the decode workers")
    if last in _HOST:
        analyzer: HostAnalyzer = _HOST[last].load(cards, placement, networks or Networks())
        return analyzer
    if last in _speakers():
        return speech.load(cards, placement, networks or Networks(), last)
    reader = CropClassifier if cards[0].crop is not None else Classifier
    return reader(_spec(last, cards, placement.precision), cards, placement, networks or Networks())


def _deployed() -> tuple[str, ...]:
    """Models that are analyzers by themselves: those of the user, and heads on vectors, models of faces and
    vectors of pictures that ship and are no part of another analyzer."""
    of_others = {model for module in _HOST.values() for model in module.MODELS}
    own = [
        card
        for card in load_cards().values()
        if card.folder.parent == models_folder() or (_runs_alone(card) and card.name not in of_others)
    ]
    names = tuple(card.name for card in own if card.heads or card.embedding)
    for name in (*names, *(card.name for card in own if card.speech)):
        if name in _HOST or name in IN_WORKER:
            raise CatalogueError(
                f"{models_folder() / name}: the name is taken by an analyzer; choose another"
            )
    return names


def _runs_alone(card: Card) -> bool:
    gives_vectors = card.embedding is not None and bool(card.views)
    return card.base is not None or card.crop is not None or gives_vectors


def _speakers() -> tuple[str, ...]:
    """Models of speech that are analyzers of their own: larger ones, and those that a user adopted."""
    return tuple(c.name for c in load_cards().values() if c.speech and c.name not in speech.MODELS)


def _deployed_heads() -> tuple[str, ...]:
    """Heads that a user deployed; those that ship are in the profiles by name."""
    seen = {MediaType.IMAGE, MediaType.TEXT}
    folder = models_folder()
    cards = [card for card in load_cards().values() if card.base and card.folder.parent == folder]
    return tuple(card.name for card in cards if seen & card.consumes)


def _models(name: str) -> tuple[str, ...]:
    """The names of an analyzer's models, in the order of its rows."""
    name = _last(name)
    if name in IN_WORKER:
        return ()
    if name in _HOST:
        models: tuple[str, ...] = _HOST[name].MODELS
        return models
    others = (*_speakers(), *_deployed())
    if name not in others:
        raise UsageError(
            f"there is no analyzer {name!r}; there are {', '.join((*IN_WORKER, *_HOST, *others))}"
        )
    return (name,)


def _spec(name: str, cards: Sequence[Card], precision: Precision = "auto") -> AnalyzerSpec:
    if name in _HOST:
        spec: AnalyzerSpec = _HOST[name].spec(cards, precision)
        return spec
    if name in _speakers():
        return speech.spec(cards, precision, name)
    described = crop_spec if cards[0].crop is not None else classifier_spec
    return described(name, 1, cards, precision)


def _cards(name: str, without: Collection[str] = ()) -> list[Card]:
    """The cards of an analyzer's models that can be had; all of them where none can."""
    cards = load_cards()
    known = [cards[model] for model in _models(name) if model in cards and model not in without]
    return [card for card in known if len(known) == 1 or obstacle(card) is None] or known


def _obstacle(model: str) -> str | None:
    cards = load_cards()
    return obstacle(cards[model]) if model in cards else "its card is missing"
