"""Speech: what is said is written down, the same whatever is said beside it; garbage is marked."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from hivescan.analyzers import registry
from hivescan.analyzers.base import HostAnalyzer
from hivescan.analyzers.transcripts import is_garbage, repeats_itself
from hivescan.media.utterances import utterances
from hivescan.models.backends.base import Placement
from hivescan.models.cards import find_card
from hivescan.models.fetch import obstacle
from hivescan.models.speech_tower import Said
from hivescan.types import Findings, Level, Limits, Text, Word
from tests.media.speech_files import Sound, sentence, silence, write


@pytest.fixture(scope="module")
def analyzer() -> HostAnalyzer:
    reason = obstacle(find_card("whisper_base"))
    if reason is not None:
        pytest.skip(f"whisper_base: {reason}")
    return registry.load("speech", Placement(threads=2))


def payloads(path: Path) -> Sound:
    return np.stack([clip.samples for clip in utterances(path, Limits())])


def texts(findings: Findings) -> list[list[Text]]:
    assert findings.texts is not None
    return [[text for text in found if text is not None] for found in findings.texts]


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


@pytest.fixture(scope="module")
def said(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """Three utterances, the second of two sentences, of two tracks."""
    folder = tmp_path_factory.mktemp("speech")
    first = np.concatenate(
        [sentence(data, 2), silence(3.0), sentence(data, 4), silence(0.6), sentence(data, 6), silence(1.0)]
    )
    second = np.concatenate([silence(2.0), sentence(data, 7), silence(1.0)])
    return payloads(write(folder / "a.mka", [first, second]))


@pytest.fixture(scope="module")
def found(said: Sound, analyzer: HostAnalyzer) -> Findings:
    return analyzer.infer({"utterance": said})


def test_sentences_are_written_down_with_their_times(data: Path, said: Sound, found: Findings) -> None:
    spoken = {
        line.split("|")[0]: line.split("|")[1]
        for line in (data / "speech" / "ljspeech" / "metadata.csv").read_text().splitlines()
    }
    rows = texts(found)
    assert len(rows) == len(said) == 3
    everything = sorted(words(" ".join(text.text for row in rows for text in row)))
    wanted = sorted(words(" ".join(spoken[f"LJ001-{n:04d}"] for n in (2, 4, 6, 7))))
    missing = [w for w in set(wanted) if wanted.count(w) > everything.count(w)]
    assert len(missing) <= 0.2 * len(wanted), missing
    for row in rows:
        for text in row:
            assert text.origin == "speech" and text.language == "en" and text.track in {0, 1}
            assert text.confidence is not None and 0.5 < text.confidence <= 1
            assert text.start_ms is not None and text.end_ms is not None and text.words
            assert words(" ".join(w.text for w in text.words)) == words(text.text)
            times = [t for w in text.words for t in (w.start_ms, w.end_ms)]
            assert times == sorted(times) and min(times) >= 0
            assert text.start_ms - 300 <= times[0] and times[-1] <= text.end_ms + 300
    assert sorted({text.track for row in rows for text in row}) == [0, 1]


def test_every_believed_text_is_a_passage(found: Findings) -> None:
    assert found.derived is not None and found.derived.level is Level.PASSAGE
    rows = texts(found)
    assert [(i, t.text, (t.start_ms, t.end_ms)) for i, row in enumerate(rows) for t in row] == [
        (int(parent), text, times)
        for parent, text, times in zip(
            found.derived.parents, found.derived.views["text"], found.derived.times or (), strict=True
        )
    ]


def test_an_utterance_says_the_same_whatever_stands_beside_it(
    said: Sound, found: Findings, analyzer: HostAnalyzer
) -> None:
    """To the last digit of a word's confidence."""
    together = texts(found)
    assert texts(analyzer.infer({"utterance": said[:1]})) == together[:1]
    assert texts(analyzer.infer({"utterance": said[:0:-1]})) == together[:0:-1]


def test_silence_hiss_and_music_give_no_text_that_is_believed(data: Path, analyzer: HostAnalyzer) -> None:
    from tests.media.speech_files import read

    hiss = np.random.default_rng(5).normal(0, 0.02, 5 * 16_000).astype(np.float32)
    music = np.concatenate([read(p) for p in sorted((data / "sounds" / "music").iterdir())[:8]])
    stack = np.full((3, 480_001), np.nan, np.float32)
    for row, sound in zip(stack, (silence(6.0), hiss, music), strict=True):
        row[: len(sound)] = sound
        row[-1] = 0
    found = analyzer.infer({"utterance": stack})
    assert found.derived is not None
    believed = list(found.derived.views["text"])
    assert sum(len(words(text)) for text in believed) <= 3, believed
    for row in texts(found):
        for text in row:
            if text.confidence == 0:
                assert text.language is None and text.words is None


def said_as(text: str, **others: float | int) -> Said:
    known = {"log_probability": -0.2, "no_speech": 0.01, "compression": 1.2, **others}
    return Said(
        text,
        int(known.pop("start_ms", 0)),
        int(known.pop("end_ms", 10_000)),
        (Word("a", 0, 1, 0.9),),
        **known,
    )


@pytest.mark.parametrize(
    "said",
    [
        said_as("!!!!!!!!!!!!!!!!"),
        said_as("... ♪ ..."),
        said_as(""),
        said_as("thank you thank you thank you thank you thank you"),
        said_as("So we go on. " * 9),
        said_as("no no no no no no no no"),
        said_as("A sentence.", log_probability=float("nan")),
        said_as("A sentence.", log_probability=-1.4),
        said_as("A sentence.", compression=3.0),
        said_as("A sentence.", compression=float("nan")),
        said_as("A sentence.", no_speech=0.95, log_probability=-0.9),
        said_as("Thirty seconds of talk that nobody could say in so short a time.", end_ms=600),
    ],
)
def test_garbage_is_told(said: Said) -> None:
    assert is_garbage(said)


@pytest.mark.parametrize(
    "text",
    [
        "No, no, no!",
        "42",
        "Да.",
        "你好",
        "Very, very, very good, he said, and went on to the next of them.",
        "Ha ha ha ha",
    ],
)
def test_what_people_say_is_not(text: str) -> None:
    assert not is_garbage(said_as(text))


def test_only_what_is_mostly_repetition_repeats_itself() -> None:
    song = ["la"] * 5
    assert repeats_itself(song)
    assert repeats_itself(["i", "know", "you", "know"] * 4)
    assert not repeats_itself([*song, "and", "then", "a", "sentence", "about", "another", "thing"])
    assert not repeats_itself([])
