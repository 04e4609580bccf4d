"""A model that writes down what is said: Whisper on CTranslate2, through the faster-whisper library.

An utterance is one window of the network. It is encoded once, its language is read off that, and it is
decoded with a beam of five and no chance in it: where the text repeats itself or is unlikely, once more, with
repetitions forbidden. The network sees one utterance at a time in each of its threads, so that what is
written depends on nothing else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import RLock
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.errors import CatalogueError
from hivescan.media.voice import network_path
from hivescan.models import golden
from hivescan.models.backends.base import Placement, Tensor
from hivescan.models.fetch import ensure
from hivescan.models.schema import Card
from hivescan.models.speech_card import GOLDEN_LANGUAGES, LANGUAGES
from hivescan.types import Word

REVISION: Final = 1
"""Raised when the same sound becomes another text."""
MOST_COMPRESSED: Final = 2.4
"""Bytes of a text to those of its zlib stream; more says that it repeats itself. As in Whisper."""
LEAST_LIKELY: Final = -1.0
"""Mean logarithm of the likelihood of a text's tokens; less is guessing. As in Whisper."""

_BEAM: Final = 5
_NO_SPEECH: Final = 0.6
_PATIENT: Final[Mapping[str, Any]] = {"repetition_penalty": 1.0, "no_repeat_ngram_size": 0}
_STRICT: Final[Mapping[str, Any]] = {"repetition_penalty": 1.2, "no_repeat_ngram_size": 3}
_WINDOW: Final = 3_000
"""Frames of 10 ms that the encoder takes at most. It was trained on windows that silence fills up, and takes
shorter ones: behind a sentence or more three seconds of silence were measured to do as well as all. Of a word
or two it tells the language better in a whole window."""
_SENTENCE: Final = 500
_SILENCE_BEHIND: Final = 300
_WINDOW_STEP: Final = 100
_LEAST_SOUND: Final = 1_600
_GOLDEN_SAMPLES: Final = 48_000
_CODES: Final[Mapping[str, str]] = {"jw": "jv"}
"""Whisper's codes that are not those of ISO 639."""
_LIBRARIES: Final = {"faster_whisper": "faster-whisper", "ctranslate2": "ctranslate2"}
_ON_CPU: Final = Placement()


@dataclass(frozen=True)
class Said:
    """One segment: a sentence or so. Times are milliseconds after the utterance's start.

    ``log_probability`` is the mean over the tokens of its window, ``no_speech`` from 0 to 1 how likely it is
    that nobody speaks there, ``compression`` see :data:`MOST_COMPRESSED`.
    """

    text: str
    start_ms: int
    end_ms: int
    words: tuple[Word, ...]
    log_probability: float
    no_speech: float
    compression: float


@dataclass(frozen=True)
class Transcript:
    """What is said in one utterance. ``language`` is a code of ISO 639, ``certainty`` 0..1 is of that."""

    language: str
    certainty: float
    segments: tuple[Said, ...]


def library_missing() -> str | None:
    """One line why no model of speech can run here; None where the libraries are there."""
    for module, package in _LIBRARIES.items():
        if find_spec(module) is None:
            return f"{package} is not installed: pip install faster-whisper"
    if network_path() is None:
        return "the installed faster-whisper has not the network for voice activity of version 1.2.1"
    return None


def open_speech_tower(card: Card, placement: Placement = _ON_CPU) -> SpeechTower:
    """Open a model of speech and check it against its golden outputs. Fetches what is not in the cache.

    Raises ``ModelUnhealthyError`` where the outputs drifted, :class:`CatalogueError` where ``card`` is no
    model of speech or cannot be opened.
    """
    if card.speech is None:
        raise CatalogueError(f"model {card.name}: does not write down speech")
    if (reason := library_missing()) is not None:
        raise CatalogueError(f"model {card.name}: {reason}")
    tower = SpeechTower(card, ensure(card), placement)
    for name in {wanted.input for wanted in card.golden}:
        sound = golden.golden_sound(name, _GOLDEN_SAMPLES)
        golden.check_sounds(card, tower, name, {LANGUAGES: tower.languages(sound)})
    return tower


class SpeechTower:
    """Made by :func:`open_speech_tower`. It runs on the CPU with 8-bit weights, an utterance a thread."""

    runtime = "ctranslate2"
    device = "cpu"

    def __init__(self, card: Card, files: Mapping[str, Path], placement: Placement) -> None:
        self.card = card
        self.threads = max(1, placement.threads)
        self._model = _open(card, files, self.threads)

    def transcripts(self, sounds: Sequence[npt.NDArray[np.float32]]) -> list[Transcript]:
        """For each utterance, ``float32 [n]`` mono at 16 kHz of at most 30 s, what is said in it."""
        if self.threads == 1 or len(sounds) < 2:
            return [self._transcript(sound) for sound in sounds]
        with ThreadPoolExecutor(self.threads, "hivescan-speech") as pool:
            return list(pool.map(self._transcript, sounds))

    def languages(self, sound: npt.NDArray[np.float32]) -> Tensor:
        """``float32 [10]``: how likely each of the golden languages is; of English alone, 1 and zeros."""
        _, encoded = self._encoded(sound)
        likely = dict(self._ranking(encoded))
        return np.array([likely.get(name, 0.0) for name in GOLDEN_LANGUAGES], np.float32)

    def _encoded(self, sound: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], Any]:
        """The log-mel spectrum, and what the encoder makes of it in a window of 30 s or less."""
        from faster_whisper.audio import pad_or_trim

        spectrum = self._model.feature_extractor(sound)
        frames = spectrum.shape[-1]
        wanted = -(-(frames + _SILENCE_BEHIND) // _WINDOW_STEP) * _WINDOW_STEP
        window = _WINDOW if frames < _SENTENCE else min(_WINDOW, wanted)
        return spectrum, self._model.encode(pad_or_trim(spectrum[:, :-1], window))

    def _ranking(self, encoded: Any) -> list[tuple[str, float]]:
        """Languages by Whisper's codes, the likeliest first."""
        network = self._model.model
        if not network.is_multilingual:
            return [("en", 1.0)]
        return [(token[2:-2], float(p)) for token, p in network.detect_language(encoded)[0]]

    def _transcript(self, sound: npt.NDArray[np.float32]) -> Transcript:
        if len(sound) < _LEAST_SOUND:  # the spectrum needs some
            sound = np.pad(sound, (0, _LEAST_SOUND - len(sound)))
        spectrum, encoded = self._encoded(sound)
        language, certainty = self._ranking(encoded)[0]
        segments = self._segments(spectrum, encoded, language, _PATIENT)
        if any(is_unlikely(said) for said in segments):
            again = self._segments(spectrum, encoded, language, _STRICT)
            segments = max((segments, again), key=_merit)
        return Transcript(_CODES.get(language, language), certainty, segments)

    def _segments(
        self, spectrum: npt.NDArray[np.float32], encoded: Any, language: str, manner: Mapping[str, Any]
    ) -> tuple[Said, ...]:
        from faster_whisper.tokenizer import Tokenizer

        multilingual = self._model.model.is_multilingual
        tokenizer = Tokenizer(self._model.hf_tokenizer, multilingual, task="transcribe", language=language)
        options = _options(tokenizer, manner)
        return tuple(_said(self._model.generate_segments(spectrum, tokenizer, options, False, encoded)))


def is_unlikely(said: Said) -> bool:
    """Whether Whisper's own measures say that a text is a loop or a guess; NaN is."""
    return not (said.compression <= MOST_COMPRESSED and said.log_probability >= LEAST_LIKELY)


def _merit(segments: tuple[Said, ...]) -> tuple[float, float]:
    """Of two readings the better: with the smaller share of unlikely segments, then the likelier."""
    if not segments:
        return (0.0, float("-inf"))
    unlikely = sum(is_unlikely(said) for said in segments) / len(segments)
    mean = sum(said.log_probability for said in segments) / len(segments)
    return (-unlikely, mean if np.isfinite(mean) else float("-inf"))


def _options(tokenizer: Any, manner: Mapping[str, Any]) -> Any:
    from faster_whisper.transcribe import TranscriptionOptions, get_suppressed_tokens

    return TranscriptionOptions(
        **manner,
        beam_size=_BEAM,
        best_of=1,
        patience=1.0,
        length_penalty=1.0,
        log_prob_threshold=LEAST_LIKELY,
        no_speech_threshold=_NO_SPEECH,
        compression_ratio_threshold=MOST_COMPRESSED,
        condition_on_previous_text=False,
        prompt_reset_on_temperature=0.5,
        temperatures=[0.0],
        initial_prompt=None,
        prefix=None,
        suppress_blank=True,
        suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
        without_timestamps=False,
        max_initial_timestamp=1.0,
        word_timestamps=True,
        prepend_punctuations="\"'“¿([{-",
        append_punctuations="\"'.。,，!！?？:：”)]}、",
        multilingual=False,
        max_new_tokens=None,
        clip_timestamps="0",
        hallucination_silence_threshold=None,
        hotwords=None,
    )


def _said(segments: Any) -> Iterator[Said]:
    for found in segments:
        words = tuple(
            Word(w.word.strip(), round(1000 * w.start), round(1000 * w.end), float(w.probability))
            for w in found.words or ()
            if w.word.strip()
        )
        yield Said(
            text=found.text.strip(),
            start_ms=round(1000 * found.start),
            end_ms=round(1000 * found.end),
            words=words,
            log_probability=float(found.avg_logprob),
            no_speech=float(found.no_speech_prob),
            compression=float(found.compression_ratio),
        )


def _open(card: Card, files: Mapping[str, Path], threads: int) -> Any:
    from faster_whisper import WhisperModel
    from tqdm import tqdm

    # The library's progress bar is never shown; its lock between processes would outlive a killed one.
    tqdm.set_lock(RLock())
    # Fetched files lie in folders of their own; the library wants one folder with its own names.
    with tempfile.TemporaryDirectory(prefix="hivescan-speech-") as folder:
        for name, path in files.items():
            (Path(folder) / name).symlink_to(path.resolve())
        try:
            return WhisperModel(
                folder,
                device="cpu",
                compute_type="int8",
                cpu_threads=1,
                num_workers=threads,
                local_files_only=True,
            )
        except Exception as error:  # ctranslate2 and tokenizers raise classes that share no base
            reason = str(error).partition("\n")[0].replace(folder, card.name)
            raise CatalogueError(f"model {card.name}: cannot be opened by CTranslate2: {reason}") from None
