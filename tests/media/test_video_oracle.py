"""Every sampled frame and time, compared with the list of frames that ffmpeg's own program decodes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import ffmpeg_oracle
import numpy as np
import pytest
from video_clips import DERIVED, RECIPES, ClipMaker

from hivescan.errors import MediaError, UnsupportedError
from hivescan.media import video_container, video_decord
from hivescan.media.video import probe_video, video_frames
from hivescan.media.video_course import Course
from hivescan.media.video_packets import Pace
from hivescan.media.video_pyav import picked, sampled_frames
from hivescan.types import Decoder, Frame, Limits, MediaType, Sampling

LIMITS = Limits()
RATES = (0.5, 1.0, 5.0)
NO_VIDEO = {"cover_only.m4a"}
SIZE_CHANGES = {"smaller_later.ts"}
ESSENTIAL = [
    "h264_closed.mp4",
    "h264_open.mp4",
    "h264_open.mkv",
    "h264_open.ts",
    "h264_refresh.mp4",
    "h264_long_group.mp4",
    "h264_fragmented.mp4",
    "h264_interlaced.ts",
    "h264.avi",
    "h264.mpg",
    "varied_rate.mkv",
    "late_start.ts",
    "hevc_open.mp4",
    "hevc_layers.mp4",
    "vp8.webm",
    "vp9.webm",
    "av1.mp4",
    "mpeg2.mpg",
    "mpeg2.ts",
    "mpeg4.avi",
    "mjpeg.mov",
    "prores.mov",
    "wmv2.wmv",
    "odd.mp4",
    "one_frame.mp4",
    "full_range.mp4",
    "edit_list_open.mp4",
    "cut_in_group.ts",
    "turned_90.mp4",
    "turned_mirrored.mp4",
    "with_cover.mp4",
    "longer_sound.mp4",
]
DECORD_RIGHT = [
    "h264_closed.mp4",
    "h264_open.mp4",
    "h264_refresh.mkv",
    "hevc_open.mp4",
    "vp9.webm",
    "mjpeg.mov",
    "mpeg2.mov",
    "turned_90.mp4",
]
DECORD_REFUSED = [
    "h264_open.ts",
    "h264.avi",
    "mpeg2.mpg",
    "av1.mp4",
    "edit_list.mp4",
    "h264_interlaced.mp4",
    "mirrored.mp4",
    "qtrle.mov",
]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ClipMaker:
    pytest.importorskip("imageio_ffmpeg", reason="ffmpeg's program comes with the development extras")
    return ClipMaker(tmp_path_factory.mktemp("clips"))


def collect(frames: object) -> tuple[list[Frame], MediaError | None]:
    """All frames, and the error that came after them, if one did."""
    got: list[Frame] = []
    try:
        got.extend(frames)  # type: ignore[arg-type]
    except MediaError as error:
        return got, error
    return got, None


def assert_as_ffmpeg_shows(path: Path, decoder: Decoder = "auto") -> None:
    """Times, number and pictures of the samples are those of ffmpeg's list of frames."""
    info = probe_video(path, LIMITS)
    with video_container.open_container(path, LIMITS) as container:
        video = video_container.choose_video_stream(container)
        stream, deep = video.index, "p10" in (video.codec_context.pix_fmt or "")
    shown = ffmpeg_oracle.frame_list(path, stream)
    if not shown:
        frames, error = collect(video_frames(path, info, Sampling(1.0), LIMITS))
        assert not frames and error is not None
        return
    last = max(shown, key=lambda frame: frame.time)
    end = last.time + last.duration
    assert info.duration_ms == pytest.approx(float(end) * 1000, abs=40)
    numbers = {fps: ffmpeg_oracle.expected(shown, fps, end) for fps in RATES}
    wanted = sorted({n for chosen in numbers.values() for n in chosen})
    chroma = "left" if deep and info.codec in {"h264", "hevc"} else "auto"
    raw = ffmpeg_oracle.pictures(path, stream, wanted, shown_size(path), chroma)
    pictures = dict(zip(wanted, raw, strict=True))
    if decoder == "auto":
        for fps, chosen in numbers.items():
            assert checksums(path, Sampling(fps)) == [shown[number].checksum for number in chosen], fps
    for fps, chosen in numbers.items():
        frames, _ = collect(video_frames(path, info, Sampling(fps, decoder), LIMITS))
        step = 1000 / Fraction(str(fps))
        assert [frame.index for frame in frames] == list(range(len(chosen)))
        assert [frame.start_ms for frame in frames] == [int(k * step) for k in range(len(chosen))]
        assert [frame.end_ms for frame in frames[:-1]] == [frame.start_ms for frame in frames[1:]]
        end_ms = min(int(len(chosen) * step), int(end * 1000))
        assert frames[-1].end_ms == max(end_ms, int((len(chosen) - 1) * step) + 1)
        for frame, number in zip(frames, chosen, strict=True):
            assert_same_picture(frame, pictures[number], f"{path.name} at {fps} fps, sample {frame.index}")


def checksums(path: Path, sampling: Sampling) -> list[int]:
    """Those of the decoded pictures that are picked, which tell also frames apart that look alike."""
    course = Course(path, LIMITS, Pace.FAST)
    found: list[int] = []
    try:
        found.extend(ffmpeg_oracle.checksum(pick.frame) for pick in picked(course, sampling))
    except MediaError:
        pass
    finally:
        course.close()
    return found


def shown_size(path: Path) -> tuple[int, int]:
    first = next(iter(video_frames(path, probe_video(path, LIMITS), Sampling(1.0), LIMITS)))
    height, width = first.pixels.shape[:2]
    return width, height


def assert_same_picture(frame: Frame, expected: np.ndarray, what: str) -> None:
    """Equal but for the rounding of two builds; the next frame of the test pattern differs by 3 to 20."""
    assert frame.pixels.flags.c_contiguous and frame.pixels.dtype == np.uint8
    difference = np.abs(frame.pixels.astype(np.int16) - expected.astype(np.int16))
    assert difference.mean() <= 0.5, what


@pytest.mark.parametrize("name", ESSENTIAL)
def test_samples_are_the_frames_that_ffmpeg_shows_at_those_times(clip: ClipMaker, name: str) -> None:
    assert_as_ffmpeg_shows(clip(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*RECIPES, *DERIVED} - set(ESSENTIAL) - NO_VIDEO - SIZE_CHANGES))
def test_samples_of_rarer_kinds_are_the_frames_that_ffmpeg_shows(clip: ClipMaker, name: str) -> None:
    assert_as_ffmpeg_shows(clip(name))


@pytest.mark.parametrize("pace", list(Pace))
@pytest.mark.parametrize("name", ["h264_open.mkv", "hevc_layers.mp4", "varied_rate.mp4", "vp9.webm"])
def test_every_pace_gives_the_same_frames(clip: ClipMaker, name: str, pace: Pace) -> None:
    path = clip(name)
    reference = list(sampled_frames(path, Sampling(7.0), LIMITS, Pace.SEQUENCE))
    paced = list(sampled_frames(path, Sampling(7.0), LIMITS, pace))
    assert [f.start_ms for f in paced] == [f.start_ms for f in reference]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(paced, reference, strict=True))


@pytest.mark.skipif(not video_decord.available(), reason="decord has no wheel for this machine")
@pytest.mark.parametrize("name", DECORD_RIGHT)
def test_decord_where_it_serves_gives_the_frames_that_ffmpeg_shows(clip: ClipMaker, name: str) -> None:
    assert_as_ffmpeg_shows(clip(name), "decord")


@pytest.mark.skipif(not video_decord.available(), reason="decord has no wheel for this machine")
@pytest.mark.parametrize("name", DECORD_REFUSED)
def test_decord_refuses_with_a_reason_what_it_would_get_wrong(clip: ClipMaker, name: str) -> None:
    path = clip(name)
    stream = video_frames(path, probe_video(path, LIMITS), Sampling(1.0, "decord"), LIMITS)
    with pytest.raises(MediaError, match="--decoder auto"):
        next(stream)
    assert stream.decoder == "decord"


def test_frames_keep_their_own_size_when_it_changes_on_the_way(clip: ClipMaker, tmp_path: Path) -> None:
    joined = tmp_path / "joined.ts"
    joined.write_bytes(clip("late_start.ts").read_bytes() + clip("smaller_later.ts").read_bytes())
    frames, error = collect(video_frames(joined, probe_video(joined, LIMITS), Sampling(5.0), LIMITS))
    assert error is None
    assert [frame.pixels.shape[:2] for frame in frames] == [(120, 160)] * 15 + [(60, 80)] * 15


@pytest.mark.parametrize("name", ["late_start.ts", "mpeg2.ts", "mpeg2.mpg"])
def test_two_recordings_joined_play_one_after_the_other(clip: ClipMaker, tmp_path: Path, name: str) -> None:
    one = clip(name)
    joined = tmp_path / name
    joined.write_bytes(one.read_bytes() * 2)
    info, single = probe_video(joined, LIMITS), probe_video(one, LIMITS)
    assert info.duration_ms is not None and single.duration_ms is not None
    assert info.duration_ms == pytest.approx(2 * single.duration_ms, abs=2)
    once, _ = collect(video_frames(one, single, Sampling(1.0), LIMITS))
    twice, error = collect(video_frames(joined, info, Sampling(1.0), LIMITS))
    assert error is None
    assert len(twice) == 2 * len(once)
    assert np.abs(twice[len(once)].pixels.astype(int) - once[0].pixels.astype(int)).mean() < 2


def shared_videos(data: Path) -> list[Path]:
    folders = ("variety", "torchcodec", "decord", "fights/fight", "fights/no_fight")
    files = (p for folder in folders for p in sorted((data / "video" / folder).iterdir()))
    # The two long ones are six minutes of AV1: minutes of CPU in the oracle alone.
    return [p for p in files if p.suffix not in {".json", ".txt"} and not p.name.startswith("mp4__long_")]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_shared_clip_gives_the_frames_that_ffmpeg_shows(data: Path) -> None:
    pytest.importorskip("imageio_ffmpeg", reason="ffmpeg's program comes with the development extras")
    compared = 0
    for path in shared_videos(data):
        try:
            is_video = probe_video(path, LIMITS).media_type is MediaType.VIDEO
        except MediaError:
            continue
        if is_video:
            assert_as_ffmpeg_shows(path)
            compared += 1
    assert compared > 120


def test_a_cover_picture_is_no_video(clip: ClipMaker) -> None:
    path = clip("cover_only.m4a")
    info = probe_video(path, LIMITS)
    assert (info.media_type, info.codec, info.mime) == (MediaType.AUDIO, "aac", "audio/mp4")
    with pytest.raises(UnsupportedError, match="no video"):
        next(video_frames(path, info, Sampling(), LIMITS))
