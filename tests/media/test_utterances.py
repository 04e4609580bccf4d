"""Utterances: all that is said, of every track, at its times, in stretches of 30 seconds at most."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivescan.errors import DecodeError, LimitError, UnsupportedError
from hivescan.media import utterances as module
from hivescan.media.utterances import MOST_SAMPLES, Cutter, sound_of, track_of, utterances
from hivescan.media.voice import FRAME, FRAMES_AT_ONCE
from hivescan.types import Clip, Limits
from tests.media.speech_files import Sound, sentence, silence, write


def heard(path: Path) -> list[Clip]:
    return list(utterances(path, Limits()))


class Loud:
    """Takes every loud frame for a voice: what is cut where can be told in advance."""

    def hear(self, frames: Sound) -> Sound:
        return np.abs(frames).max(axis=1)


def cut(sound: Sound, sizes: list[int] | None = None) -> list[Clip]:
    """The utterances of a sound that comes in pieces of these sizes, again and again."""
    cutter = Cutter(0, 0, Loud())  # type: ignore[arg-type]
    found, start = [], 0
    for size in itertools.cycle(sizes or [len(sound) or 1]):
        if start >= len(sound):
            break
        found += cutter.take(sound[start : start + size])
        start += size
    return [*found, *cutter.end()]


def test_a_pause_ends_an_utterance_and_the_times_are_those_of_the_voice(data: Path, tmp_path: Path) -> None:
    first, second = sentence(data, 2), sentence(data, 4)
    sound = np.concatenate([silence(1.0), first, silence(5.0), second, silence(3.0)])
    one, two = heard(write(tmp_path / "a.mka", [sound]))
    assert (one.index, two.index) == (0, 1)
    assert 0.5 < one.start_ms / 1000 <= 1.1
    behind = 1.0 + len(first) / 16_000
    assert behind - 0.3 < one.end_ms / 1000 < behind + 0.7
    assert behind + 4.4 < two.start_ms / 1000 < behind + 5.3
    for utterance in (one, two):
        start = utterance.start_ms * 16
        assert np.allclose(
            sound_of(utterance.samples)[1_600:9_600], sound[start + 1_600 : start + 9_600], atol=1e-3
        )
        lasts = len(sound_of(utterance.samples)) / 16
        assert utterance.end_ms - utterance.start_ms == pytest.approx(lasts, abs=2)


def test_long_talk_is_cut_at_pauses(data: Path, tmp_path: Path) -> None:
    pieces = []
    for number in (1, 3, 5, 6, 7, 8, 1, 3, 5, 6):
        pieces += [sentence(data, number), silence(0.4)]
    sound = np.concatenate(pieces)
    found = heard(write(tmp_path / "a.mka", [sound]))
    assert len(sound) > 45 * 16_000 and len(found) >= 2
    for clip in found:
        assert len(sound_of(clip.samples)) <= MOST_SAMPLES
    for before, after in itertools.pairwise(found):
        assert 20_000 <= before.end_ms - before.start_ms <= 30_000
        assert before.end_ms <= after.start_ms + 1
        at = before.end_ms * 16
        assert np.abs(sound[at - 800 : at + 800]).max() < 0.1, "in a pause"
    covered = sum(clip.end_ms - clip.start_ms for clip in found)
    assert covered > 0.9 * len(sound) / 16


def test_all_tracks_are_heard_and_named(data: Path, tmp_path: Path) -> None:
    tracks = [
        np.concatenate([sentence(data, 2), silence(6.0)]),
        np.concatenate([silence(4.0), sentence(data, 4), silence(1.0)]),
        silence(5.0),
    ]
    found = heard(write(tmp_path / "a.mkv", tracks, seconds_of_video=5))
    assert sorted(track_of(clip.samples) for clip in found) == [0, 1]
    assert [clip.index for clip in found] == [0, 1]
    starts = {track_of(clip.samples): clip.start_ms for clip in found}
    assert starts[0] < 500 and 3_400 < starts[1] < 4_400


def test_more_tracks_than_are_heard_are_told(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_TRACKS", 1)
    said = np.concatenate([sentence(data, 2), silence(1.0)])
    found = []
    with pytest.raises(UnsupportedError, match="more than 1 sound tracks"):
        for clip in utterances(write(tmp_path / "a.mka", [said, said]), Limits()):
            found.append(clip)
    assert [track_of(clip.samples) for clip in found] == [0]


def test_nobody_speaks_in_silence_and_hiss(data: Path, tmp_path: Path) -> None:
    hiss = np.random.default_rng(3).normal(0, 0.05, 8 * 16_000).astype(np.float32)
    assert heard(write(tmp_path / "a.mka", [np.concatenate([silence(4.0), hiss])])) == []


def test_what_was_said_before_damage_comes_first(data: Path, tmp_path: Path) -> None:
    sound = np.concatenate([sentence(data, 2), silence(4.0), sentence(data, 1), silence(4.0)])
    whole = bytearray(write(tmp_path / "a.mka", [sound]).read_bytes())
    whole[-40_000:-30_000] = bytes(10_000)
    (tmp_path / "b.mka").write_bytes(bytes(whole))
    found = []
    try:
        for clip in utterances(tmp_path / "b.mka", Limits()):
            found.append(clip)
    except DecodeError:
        pass
    assert found and found[0].start_ms < 500


def test_more_sound_than_is_allowed_ends_there(data: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "a.mka", [np.concatenate([sentence(data, 1), silence(1.0)])])
    with pytest.raises(LimitError, match="more sound than the limit of 3 seconds"):
        list(utterances(path, Limits(max_duration_s=3.0)))


voices = st.lists(
    st.tuples(st.sampled_from([0.0, 0.0, 0.4, 0.9]), st.integers(1, 40 * 16_000)), min_size=1, max_size=6
)


@given(voices, st.lists(st.integers(1, 90_000), min_size=1, max_size=3))
@settings(max_examples=40)
def test_any_sound_is_cut_the_same_however_it_is_read(
    stretches: list[tuple[float, int]], sizes: list[int]
) -> None:
    sound = np.concatenate([np.full(n, loud, np.float32) for loud, n in stretches])
    found = cut(sound)
    again = cut(sound, [max(size, 500) for size in sizes])
    assert [(c.start_ms, c.end_ms) for c in again] == [(c.start_ms, c.end_ms) for c in found]
    for clip, other in zip(found, again, strict=True):
        assert np.array_equal(clip.samples, other.samples, equal_nan=True)
    covered = np.zeros(len(sound), bool)
    for clip in found:
        said = sound_of(clip.samples)
        start = clip.start_ms * 16  # a frame has 32 ms
        assert 0 < len(said) <= MOST_SAMPLES
        assert np.array_equal(said, sound[start : start + len(said)])
        assert not covered[start : start + len(said)].any(), "nothing is said twice"
        covered[start : start + len(said)] = True
    loud = sound >= 0.5
    missed = loud & ~covered
    assert missed.sum() <= 4 * FRAME * (1 + len(stretches)), "only clicks are left out"


def test_little_is_held_of_a_long_silence() -> None:
    cutter = Cutter(0, 0, Loud())  # type: ignore[arg-type]
    for _ in range(50):
        assert not list(cutter.take(silence(2.048)))
    assert len(cutter._sound) <= 2 * FRAMES_AT_ONCE * FRAME
