"""Key frames and scenes: which frames are taken, and for which times they stand."""

from __future__ import annotations

import colorsys
from fractions import Fraction
from pathlib import Path

import ffmpeg_oracle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from video_clips import ClipMaker

from hivescan.errors import DecodeError, LimitError, MediaError, UnsupportedError
from hivescan.media import scenes
from hivescan.media.image import image_frames
from hivescan.media.probe import probe
from hivescan.media.video import probe_video, video_frames
from hivescan.media.video_course import Course
from hivescan.media.video_packets import Pace
from hivescan.media.video_picks import picked
from hivescan.media.video_pyav import sampled_frames
from hivescan.types import Frame, Limits, Sampling, SamplingMode

LIMITS = Limits()
KEYFRAMES, SCENES = Sampling(mode="keyframes"), Sampling(mode="scenes")
SHOTS = (("testsrc2", 1.5), ("smptebars", 2.0), ("mandelbrot", 0.8), ("rgbtestsrc", 2.5), ("testsrc", 1.2))
STARTS_MS = [0, 1500, 3500, 4300, 6800]
ENCODERS = {
    "mp4": ("-c:v", "libx264", "-preset", "veryfast", "-g", "250", "-bf", "3", "-sc_threshold", "0"),
    "mkv": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=100"),
    "ts": ("-c:v", "mpeg2video", "-g", "15", "-bf", "2", "-qscale:v", "3"),
    "webm": ("-c:v", "libvpx-vp9", "-g", "60", "-b:v", "1M", "-cpu-used", "8"),
    "avi": ("-c:v", "mpeg4", "-g", "50", "-bf", "2", "-qscale:v", "3"),
    "mov": ("-c:v", "prores_ks"),
}


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ClipMaker:
    pytest.importorskip("imageio_ffmpeg", reason="ffmpeg's program comes with the development extras")
    return ClipMaker(tmp_path_factory.mktemp("clips"))


def film(path: Path, shots: tuple[tuple[str, float], ...], *arguments: str) -> Path:
    """Shots one after the other, each from one of ffmpeg's sources, 320x240 at 30 frames a second."""
    pytest.importorskip("imageio_ffmpeg", reason="ffmpeg's program comes with the development extras")
    inputs: list[str] = []
    for source, seconds in shots:
        joint = ":" if "=" in source else "="
        inputs += ["-f", "lavfi", "-t", str(seconds), "-i", f"{source}{joint}s=320x240:r=30"]
    graph = "".join(f"[{n}]format=yuv420p,setsar=1[v{n}];" for n in range(len(shots)))
    graph += "".join(f"[v{n}]" for n in range(len(shots))) + f"concat=n={len(shots)}"
    ffmpeg_oracle.make(path, *inputs, "-filter_complex", graph, "-threads", "1", *arguments)
    return path


def taken(path: Path, sampling: Sampling) -> list[Frame]:
    return list(video_frames(path, probe_video(path, LIMITS), sampling, LIMITS))


def picks(path: Path, sampling: Sampling, pace: Pace = Pace.FAST) -> list[tuple[Fraction, int | None]]:
    """When each pick starts, and the checksum of its decoded picture."""
    course = Course(path, LIMITS, Pace.SEQUENCE if sampling.mode == "scenes" else pace)
    try:
        return [(pick.start, ffmpeg_oracle.checksum(pick.frame)) for pick in picked(course, sampling)]
    finally:
        course.close()


# What a mode is


def test_every_mode_has_a_key_of_its_own_and_the_rate_keeps_its() -> None:
    assert Sampling(2.5).key() == "fps=2.5"
    keys = {Sampling(fps, mode=mode).key() for fps in (1.0, 2.0) for mode in ("keyframes", "scenes")}
    assert len(keys) == 2 and not any(key.startswith("fps") for key in keys)


@pytest.mark.parametrize("mode", ["keyframes", "scenes"])
def test_decord_serves_a_fixed_rate_only(clip: ClipMaker, mode: SamplingMode) -> None:
    path = clip("h264_closed.mp4")
    with pytest.raises(UnsupportedError, match="--decoder auto"):
        next(video_frames(path, probe_video(path, LIMITS), Sampling(decoder="decord", mode=mode), LIMITS))


@pytest.mark.parametrize("mode", ["keyframes", "scenes"])
@pytest.mark.parametrize(
    "name", ["h264_open.ts", "h264_refresh.mp4", "varied_rate.mkv", "one_frame.mp4", "edit_list_open.mp4",
             "late_start.mkv", "mpeg2.mpg", "mpeg4.avi", "h264_interlaced.ts", "turned_90.mp4"]
)  # fmt: skip
def test_the_times_cover_the_clip_without_a_gap(clip: ClipMaker, name: str, mode: SamplingMode) -> None:
    path = clip(name)
    frames = taken(path, Sampling(mode=mode))
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert frames[0].start_ms == 0
    assert [frame.end_ms for frame in frames[:-1]] == [frame.start_ms for frame in frames[1:]]
    assert frames[-1].end_ms == pytest.approx(probe_video(path, LIMITS).duration_ms, abs=40)


@pytest.mark.parametrize("mode", ["keyframes", "scenes"])
def test_a_cut_off_video_gives_what_is_there_and_then_the_reason(
    clip: ClipMaker, tmp_path: Path, mode: SamplingMode
) -> None:
    cut = tmp_path / "cut.mkv"
    data = clip("h264_open.mkv").read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    stream = video_frames(cut, probe_video(cut, LIMITS), Sampling(mode=mode), LIMITS)
    frames = [next(stream)]
    with pytest.raises(DecodeError, match="cut off"):
        frames.extend(stream)


def test_more_frames_than_the_limit_are_refused(clip: ClipMaker) -> None:
    path = clip("mjpeg.mov")
    limits = Limits(max_frames=10)
    stream = video_frames(path, probe_video(path, limits), KEYFRAMES, limits)
    assert [next(stream).index for _ in range(10)] == list(range(10))
    with pytest.raises(LimitError, match="more than 10 frames"):
        next(stream)


@pytest.mark.parametrize("mode", ["keyframes", "scenes"])
def test_a_long_shot_gives_signs_of_life(clip: ClipMaker, mode: SamplingMode) -> None:
    path, signs = clip("h264_long_group.mp4"), 0

    def alive() -> None:
        nonlocal signs
        signs += 1

    list(video_frames(path, probe_video(path, LIMITS), Sampling(mode=mode), LIMITS, alive))
    assert signs >= 80


# Key frames


@pytest.mark.parametrize(
    "name",
    ["h264_closed.mp4", "h264_open.mp4", "h264_open.mkv", "h264_open.ts", "h264_all_intra.mp4",
     "h264_fragmented.mp4", "h264.flv", "h264.mpg", "h264.avi", "varied_rate.mp4", "late_start.ts",
     "hevc_open.mp4", "hevc_open.ts", "vp8.webm", "vp9.webm", "av1.mp4", "mpeg2.mpg", "mpeg2.ts", "mpeg4.mp4",
     "mpeg4.avi", "mjpeg.mov", "prores.mov", "wmv2.wmv", "h264_interlaced.mp4", "h264_interlaced.ts",
     "mpeg2_interlaced.ts", "edit_list_open.mp4", "turned_90.mp4", "one_frame.mp4"],
)  # fmt: skip
def test_key_frames_are_those_that_ffmpeg_finds(clip: ClipMaker, name: str) -> None:
    path = clip(name)
    shown = ffmpeg_oracle.frame_list(path, 0)
    keys = [frame for frame in ffmpeg_oracle.key_frame_list(path, 0) if frame.time > 0]
    expected = [(Fraction(0), shown[0].checksum), *((frame.time, frame.checksum) for frame in keys)]
    assert picks(path, KEYFRAMES) == expected


@pytest.mark.parametrize("name", ["h264_open.mp4", "hevc_open.mkv", "vp9.webm", "mpeg2.ts", "wmv2.wmv"])
def test_key_frames_are_the_same_when_every_frame_is_decoded(clip: ClipMaker, name: str) -> None:
    path = clip(name)
    assert picks(path, KEYFRAMES) == picks(path, KEYFRAMES, Pace.SEQUENCE)


def test_a_stream_without_key_frames_gives_its_first_frame_and_points_of_recovery(clip: ClipMaker) -> None:
    path = clip("h264_refresh.ts")
    listed = {(frame.time, frame.checksum) for frame in ffmpeg_oracle.frame_list(path, 0)}
    found = picks(path, KEYFRAMES)
    assert found[0][0] == 0 and set(found) <= listed


# Scenes


@pytest.mark.parametrize("container", ENCODERS)
def test_cuts_are_found_to_the_frame(tmp_path: Path, container: str) -> None:
    path = film(tmp_path / f"film.{container}", SHOTS, *ENCODERS[container])
    frames = taken(path, SCENES)
    assert [frame.start_ms for frame in frames] == pytest.approx(STARTS_MS, abs=1)
    assert [frame.end_ms for frame in frames] == pytest.approx([*STARTS_MS[1:], 8000], abs=40)


def test_a_scene_is_stood_for_by_a_frame_from_its_second_quarter(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", SHOTS, *ENCODERS["mp4"])
    times = {frame.checksum: frame.time for frame in ffmpeg_oracle.frame_list(path, 0)}
    bounds = [Fraction(ms, 1000) for ms in (*STARTS_MS, 8000)]
    for (start, checksum), end in zip(picks(path, SCENES), bounds[1:], strict=True):
        assert checksum is not None
        if checksum in times:
            # Shots that do not move hold the same picture many times: `times` has the last.
            assert start + (end - start) / 5 <= times[checksum] < end


def test_a_flash_is_no_scene_and_a_fade_no_cut(tmp_path: Path) -> None:
    flash = (("testsrc2", 1.5), ("color=white", 0.1), ("testsrc2", 1.5))
    frames = taken(film(tmp_path / "flash.mp4", flash, *ENCODERS["mp4"]), SCENES)
    assert [frame.start_ms for frame in frames] == [0, 1500]
    faded = tmp_path / "fade.mp4"
    ffmpeg_oracle.make(
        faded, *("-f", "lavfi", "-i", "smptebars=s=320x240:r=30:d=3,fade=in:0:30,fade=out:60:30"),
        *ENCODERS["mp4"], "-pix_fmt", "yuv420p",
    )  # fmt: skip
    assert [(frame.start_ms, frame.end_ms) for frame in taken(faded, SCENES)] == [(0, 3000)]


def test_motion_within_a_shot_is_no_cut(data: Path) -> None:
    for name in ("fights/fight/fi001.mp4", "fights/no_fight/nofi001.mp4"):
        assert len(taken(data / "video" / name, SCENES)) == 1


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_hue_saturation_and_value_are_those_of_colorsys(colour: tuple[int, int, int]) -> None:
    hsv = scenes.to_hsv(np.array([[colour]], np.uint8))[0, 0].astype(int)
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in colour))
    assert abs((hsv[0] - hue * 180 + 90) % 180 - 90) <= 0.51
    assert abs(hsv[1] - saturation * 255) <= 0.51 and hsv[2] == round(value * 255)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60))
def test_the_frame_that_stands_for_a_scene_lies_between_its_quarter_and_its_middle(gaps: list[int]) -> None:
    finder, picture = scenes.SceneFinder(), np.zeros((2, 2, 3), np.uint8)
    times = [Fraction(sum(gaps[:n]), 100) for n in range(len(gaps))]
    for time in times:
        assert list(finder.see(time, picture, time)) == []
    end = Fraction(sum(gaps), 100)
    scene = finder.last(end)
    assert scene is not None and scene.picture <= end / 2
    # Never before the last frame of the first quarter: no frame between would have been passed over.
    between = [time for time in times if end / 4 <= time <= end / 2]
    assert not between or scene.picture >= end / 8 or end < 1


# Animations


@pytest.mark.parametrize("mode", ["keyframes", "scenes"])
def test_an_animation_gives_one_picture_of_each_scene(tmp_path: Path, mode: SamplingMode) -> None:
    colours = ["red"] * 8 + ["blue"] * 8 + ["white"] * 4
    pictures = [Image.new("RGB", (32, 24), colour) for colour in colours]
    for number, picture in enumerate(pictures):
        picture.putpixel((number, 3), (90, 90, 90))
    path = tmp_path / "film.gif"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=200)
    frames = list(image_frames(path, probe(path, LIMITS), Sampling(mode=mode), LIMITS))
    assert [(frame.start_ms, frame.end_ms) for frame in frames] == [(0, 1600), (1600, 3200), (3200, 4000)]
    assert [tuple(frame.pixels[20, 28]) for frame in frames] == [(255, 0, 0), (0, 0, 255), (255, 255, 255)]


def test_a_cut_animation_gives_its_scenes_before_the_reason(tmp_path: Path) -> None:
    pictures = [Image.effect_noise((64, 64), 90 if n < 6 else 20).convert("RGB") for n in range(12)]
    path = tmp_path / "film.gif"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=200)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    stream = image_frames(path, probe(path, LIMITS), SCENES, LIMITS)
    assert next(stream).start_ms == 0
    with pytest.raises(MediaError):
        list(stream)


def test_both_modes_work_through_the_pace_that_is_asked_for(clip: ClipMaker) -> None:
    path = clip("h264_open.mp4")
    for sampling in (KEYFRAMES, SCENES):
        fast, slow = (
            list(sampled_frames(path, sampling, LIMITS, pace)) for pace in (Pace.FAST, Pace.SEQUENCE)
        )
        assert [f.start_ms for f in fast] == [f.start_ms for f in slow]
        assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(fast, slow, strict=True))
