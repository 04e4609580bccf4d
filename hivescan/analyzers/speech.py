"""Speech: what is said in sound files and in videos, with its language, its times and its words.

Each sentence or so is a row of ``texts`` and a passage for models of text. Of what is not to be believed
(:mod:`hivescan.analyzers.transcripts`) the row has confidence 0 and no language, and no model of text sees
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.analyzers import spoken_languages, transcripts
from hivescan.analyzers.base import AnalyzerSpec, HostAnalyzer
from hivescan.errors import CatalogueError
from hivescan.media import utterances
from hivescan.media.sound import SAMPLE_RATE
from hivescan.media.voice import network_digest
from hivescan.models import speech_tower
from hivescan.models.backends.base import Placement, Precision
from hivescan.models.network import TEXT_VIEW, Networks, SpeechNetwork
from hivescan.models.schema import Card
from hivescan.models.speech_tower import Said, SpeechTower, Transcript
from hivescan.types import Derived, Findings, Level, SoundView, Text, Word

NAME: Final = "speech"
MODELS: Final = ("whisper_base",)
REVISION: Final = 1
ORIGIN: Final = "speech"

_VIEW: Final = "utterance"
_LEAST_CERTAIN: Final = 0.5
"""A language that is less likely is not named."""


def spec(cards: Sequence[Card], precision: Precision = "auto", name: str = NAME) -> AnalyzerSpec:
    """What the engine plans with. ``name`` differs from ``speech`` for models other than the usual one."""
    (card,) = cards
    return AnalyzerSpec(
        name=name,
        consumes=card.consumes,
        runs_in="host",
        revision=REVISION,
        weights=card.weights,
        views={_VIEW: SoundView(utterances.PAYLOAD_SAMPLES)},
        settings=(
            ("model", f"revision {card.revision}"),
            ("utterances", str(utterances.REVISION)),
            ("voice", network_digest()),
            ("decoding", str(speech_tower.REVISION)),
            ("belief", str(transcripts.REVISION)),
            ("languages", str(spoken_languages.REVISION)),
        ),
        level=Level.UTTERANCE,
        derives=Level.PASSAGE,
    )


class Speech:
    """A :class:`~hivescan.analyzers.base.HostAnalyzer`."""

    def __init__(
        self, cards: Sequence[Card], placement: Placement, networks: Networks, name: str = NAME
    ) -> None:
        (card,) = cards
        self.spec = spec(cards, name=name)
        network = networks.open(card, placement)
        if not isinstance(network, SpeechNetwork):
            raise CatalogueError(f"model {card.name} does not write down speech")
        self._tower: SpeechTower = network.tower

    @property
    def batch_size(self) -> int:
        return self._tower.threads

    def infer(self, views: Mapping[str, npt.NDArray[Any]]) -> Findings:
        """``views["utterance"]`` is ``float32 [N, 480001]`` as :mod:`hivescan.media.utterances` makes it.

        Texts of one utterance are in the order of time, those that are not believed behind the others, so
        that the ordinals of the passages are those of their texts.
        """
        payloads = views[_VIEW]
        sounds = [utterances.sound_of(payload) for payload in payloads]
        texts: list[tuple[Text, ...]] = []
        passages: list[tuple[int, Text]] = []
        for i, transcript in enumerate(self._tower.transcripts(sounds)):
            track = utterances.track_of(payloads[i])
            believed, doubted = _texts(transcript, len(sounds[i]) * 1000 // SAMPLE_RATE, track)
            texts.append((*believed, *doubted))
            passages += [(i, text) for text in believed]
        return Findings(texts=tuple(texts), derived=_derived(passages))


def _texts(transcript: Transcript, lasts_ms: int, track: int) -> tuple[list[Text], list[Text]]:
    """Those that are believed, and those that are not."""
    believed: list[Text] = []
    doubted: list[Text] = []
    for said in transcript.segments:
        if said.start_ms >= lasts_ms:  # in the silence that fills the window up
            continue
        start_ms, end_ms = said.start_ms, max(said.start_ms + 1, min(said.end_ms, lasts_ms))
        if transcripts.is_garbage(said):
            doubted.append(
                Text(ORIGIN, said.text, confidence=0.0, start_ms=start_ms, end_ms=end_ms, track=track)
            )
            continue
        certain = transcript.certainty >= _LEAST_CERTAIN
        believed.append(
            Text(
                ORIGIN,
                said.text,
                language=transcript.language if certain else None,
                confidence=_confidence(said),
                start_ms=start_ms,
                end_ms=end_ms,
                words=tuple(_within(word, lasts_ms) for word in said.words),
                track=track,
            )
        )
    return believed, doubted


def _confidence(said: Said) -> float:
    """The mean of its words', above 0; of a text without words, of its tokens."""
    known = [word.confidence for word in said.words if word.confidence is not None]
    mean = float(np.mean(known)) if known else float(np.exp(min(0.0, said.log_probability)))
    return round(max(0.001, mean), 3)


def _within(word: Word, lasts_ms: int) -> Word:
    end_ms = min(word.end_ms, lasts_ms)
    confidence = None if word.confidence is None else round(word.confidence, 3)
    return Word(word.text, min(word.start_ms, end_ms), end_ms, confidence)


def _derived(passages: Sequence[tuple[int, Text]]) -> Derived:
    strings = np.empty(len(passages), object)
    strings[:] = [text.text for _, text in passages]
    return Derived(
        Level.PASSAGE,
        np.array([parent for parent, _ in passages], np.intp),
        {TEXT_VIEW: strings},
        tuple((text.start_ms or 0, text.end_ms or 0) for _, text in passages),
    )


def load(cards: Sequence[Card], placement: Placement, networks: Networks, name: str = NAME) -> HostAnalyzer:
    """The analyzer with its model open and healthy."""
    return Speech(cards, placement, networks, name)
