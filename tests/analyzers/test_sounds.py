"""Sound events: what is heard, the same whatever is heard beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hivescan.analyzers import registry
from hivescan.analyzers.base import HostAnalyzer
from hivescan.media.sound import CLIP_SAMPLES, clips
from hivescan.models.backends.base import Placement
from hivescan.models.cards import find_card
from hivescan.models.fetch import obstacle
from hivescan.models.sound_tower import log_mel
from hivescan.types import Findings, Limits


@pytest.fixture(scope="module")
def analyzer() -> HostAnalyzer:
    reason = obstacle(find_card("yamnet"))
    if reason is not None:
        pytest.skip(f"yamnet: {reason}")
    return registry.load("sounds", Placement(threads=1))


def heard(path: Path) -> np.ndarray:
    return np.stack([clip.samples for clip in clips(path, Limits())])


def scores(findings: Findings) -> dict[str, np.ndarray]:
    return {entry.head: entry.scores[:, 0] for entry in findings.scores}


def test_speech_music_and_silence_are_told_apart(data: Path, analyzer: HostAnalyzer) -> None:
    names = ("speech", "music", "silence")
    right = total = 0
    for name in names:
        for path in sorted((data / "sounds" / name).iterdir()):
            found = scores(analyzer.infer({"sound": heard(path)}))
            right += max(names, key=lambda head: float(found[head].mean())) == name
            total += 1
            assert all(found[h].max() < 0.5 for h in found if h not in names), path.name
    assert total == 60 and right >= 57


def test_a_clip_says_the_same_whatever_stands_beside_it(data: Path, analyzer: HostAnalyzer) -> None:
    long = heard(data / "speech" / "jfk.flac")
    together = analyzer.infer({"sound": long})
    threaded = registry.load("sounds", Placement(threads=3)).infer({"sound": long[::-1]})
    for i in range(len(long)):
        alone = analyzer.infer({"sound": long[i : i + 1]})
        for head, column in scores(alone).items():
            assert column[0] == scores(together)[head][i] == scores(threaded)[head][len(long) - 1 - i]
        assert np.array_equal(alone.vectors[0].vectors[0], together.vectors[0].vectors[i])
    assert together.vectors[0].vectors.shape == (len(long), 1024)


def test_what_comes_after_the_end_is_not_called_silence(data: Path, analyzer: HostAnalyzer) -> None:
    (speech,) = heard(sorted((data / "sounds" / "speech").iterdir())[0])
    assert np.isnan(speech[20_000:]).all()
    found = scores(analyzer.infer({"sound": speech[np.newaxis]}))
    assert found["speech"][0] > 0.5 > found["silence"][0]


def test_a_clip_of_any_length_and_of_nothing_is_heard(analyzer: HostAnalyzer) -> None:
    for length in (0, 1, 399, 15_599, 15_600, CLIP_SAMPLES):
        clip = np.full(CLIP_SAMPLES, np.nan, np.float32)
        clip[:length] = 0
        found = scores(analyzer.infer({"sound": clip[np.newaxis]}))
        assert found["silence"][0] > 0.9, length


def test_the_front_end_is_that_of_the_paper() -> None:
    """A tone is loudest in the band that its frequency lies in, and its frames are 10 ms apart."""
    at = np.arange(16_000) / 16_000
    spectrum = log_mel(np.sin(2 * np.pi * 1_000 * at).astype(np.float32))
    assert spectrum.shape == (98, 64)
    mel = 1127 * np.log1p(np.array([125, 1_000, 7_500]) / 700)
    band = (mel[1] - mel[0]) / (mel[2] - mel[0]) * 65 - 1
    assert np.all(np.abs(spectrum.argmax(axis=1) - band) <= 1)
    assert np.allclose(log_mel(np.zeros(400, np.float32)), np.log(0.001))
