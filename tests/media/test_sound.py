"""Sound of files and videos as clips: all of it, at its times, mono at 16 kHz."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import numpy as np
import pytest

from hivescan.errors import DecodeError, LimitError, MediaError
from hivescan.media.sound import CLIP_SAMPLES, SAMPLE_RATE, STEP_SAMPLES, clips
from hivescan.types import Clip, Limits


def listen(path: Path) -> list[Clip]:
    return list(clips(path, Limits()))


def joined(found: list[Clip]) -> np.ndarray:
    """The sound that the clips were cut from."""
    pieces = [clip.samples[:STEP_SAMPLES] for clip in found[:-1]] + [found[-1].samples]
    whole = np.concatenate(pieces)
    return whole[~np.isnan(whole)]


def write_sound(path: Path, seconds: float, rate: int, codec: str, layout: str = "stereo") -> None:
    """A tone of 440 Hz that is left at half the loudness of right."""
    at = np.arange(int(seconds * rate)) / rate
    tone = np.sin(2 * np.pi * 440 * at).astype(np.float32)
    channels = np.stack([0.3 * tone, 0.6 * tone]) if layout == "stereo" else tone[np.newaxis]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        for start in range(0, channels.shape[1], 1024):
            piece = np.ascontiguousarray(channels[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(("seconds", "rate"), [(0.5, 44_100), (3.0, 16_000), (3.375, 16_000), (10.0, 8_000)])
def test_all_of_a_sound_is_in_clips_at_their_times(seconds: float, rate: int, tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", seconds, rate, "pcm_s16le")
    found = listen(tmp_path / "a.wav")
    assert [clip.index for clip in found] == list(range(len(found)))
    assert [clip.start_ms for clip in found] == [2880 * i for i in range(len(found))]
    assert found[-1].end_ms == pytest.approx(1000 * seconds, abs=5)
    assert all(len(clip.samples) == CLIP_SAMPLES for clip in found)
    sound = joined(found)
    assert len(sound) == pytest.approx(seconds * SAMPLE_RATE, abs=64)
    spectrum = np.abs(np.fft.rfft(sound))
    assert np.argmax(spectrum) * SAMPLE_RATE / len(sound) == pytest.approx(440, abs=3)


def test_clips_stand_on_one_grid(data: Path) -> None:
    found = listen(data / "speech" / "jfk.flac")
    assert len(found) > 3
    for before, after in itertools.pairwise(found):
        assert np.array_equal(before.samples[STEP_SAMPLES:], after.samples[: CLIP_SAMPLES - STEP_SAMPLES])
        assert before.end_ms == after.start_ms


def test_the_sound_of_a_video_is_heard(data: Path) -> None:
    with_sound = data / "video" / "variety"
    heard = 0
    for path in sorted(with_sound.glob("*.mp4"))[:4]:
        try:
            heard += len(listen(path))
        except MediaError:
            continue
    assert heard


def test_a_video_without_sound_has_no_clips(tmp_path: Path) -> None:
    from tests.scan.scenes import make_clip

    make_clip(tmp_path / "clip.mp4")
    assert listen(tmp_path / "clip.mp4") == []


def test_sound_before_damage_comes_first(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.m4a", 20.0, 44_100, "aac", "mono")
    whole = bytearray((tmp_path / "a.m4a").read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 2_000] = b"\xff" * 2_000
    (tmp_path / "b.m4a").write_bytes(bytes(whole))
    found = []
    with pytest.raises(DecodeError):
        for clip in clips(tmp_path / "b.m4a", Limits()):
            found.append(clip)
    assert len(found) >= 3


def test_a_short_sound_with_damage_is_heard_all_the_same(tmp_path: Path) -> None:
    """All that could be decoded fits into the last clip."""
    write_sound(tmp_path / "a.m4a", 2.5, 44_100, "aac", "mono")
    whole = bytearray((tmp_path / "a.m4a").read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 1_000] = b"\xff" * 1_000
    (tmp_path / "b.m4a").write_bytes(bytes(whole))
    found = []
    with pytest.raises(DecodeError):
        for clip in clips(tmp_path / "b.m4a", Limits()):
            found.append(clip)
    assert len(found) == 1 and found[0].end_ms > 1_000


def test_sound_that_is_longer_than_allowed_ends_there(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", 8.0, 16_000, "pcm_s16le")
    with pytest.raises(LimitError, match="more sound than the limit of 4 seconds"):
        list(clips(tmp_path / "a.wav", Limits(max_duration_s=4.0)))


def test_what_is_no_number_is_silence(tmp_path: Path) -> None:
    samples = np.full((1, 16_000), np.nan, np.float32)
    samples[0, 8_000:] = np.inf
    with av.open(str(tmp_path / "a.wav"), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples, format="flt", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (only,) = listen(tmp_path / "a.wav")
    assert np.all(only.samples[:8_000] == 0) and np.all(only.samples[8_000:16_000] == 1)
    assert np.isnan(only.samples[16_000:]).all()
