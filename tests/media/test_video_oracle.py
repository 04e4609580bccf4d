"""Every sampled frame and time, compared with the list of frames that ffmpeg's own program decodes."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import ffmpeg_oracle
import numpy as np
import pytest
from video_clips import DERIVED, EDITS, MPEG2, PATTERN, RARE, RECIPES, VP9, ClipMaker, with_edits

from hivescan.errors import MediaError, UnsupportedError
from hivescan.media import video_container, video_decord
from hivescan.media.video import probe_video, video_frames
from hivescan.media.video_course import Course
from hivescan.media.video_packets import Pace
from hivescan.media.video_picks import picked
from hivescan.media.video_pyav import sampled_frames
from hivescan.types import Decoder, Frame, Limits, MediaInfo, MediaType, Pixels, Sampling

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
    "cut_in_group.mkv",
    "turned.mkv",
    "odd.webm",
    "h264_odd_timescale.mp4",
    "h264_422_10.mov",
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


def assert_as_ffmpeg_shows(
    path: Path, decoder: Decoder = "auto", *, spliced: bool = False, rates: tuple[float, ...] = RATES
) -> None:
    """Times, number and pictures of the samples are those of ffmpeg's list of frames."""
    info = probe_video(path, LIMITS)
    with video_container.open_container(path, LIMITS) as container:
        video = video_container.choose_video_stream(container)
        stream, pixel_format = video.index, video.codec_context.pix_fmt or ""
    shown = ffmpeg_oracle.frame_list(path, stream, spliced=spliced)
    if not shown:
        frames, error = collect(video_frames(path, info, Sampling(1.0), LIMITS))
        assert not frames and error is not None
        return
    last = max(shown, key=lambda frame: frame.time)
    end = last.time + last.duration
    if last.duration < Fraction(1, 1000):  # The program does not know either.
        end = Fraction(info.duration_ms or 0, 1000)
    assert info.duration_ms == pytest.approx(float(end) * 1000, abs=40)
    numbers = {fps: ffmpeg_oracle.expected(shown, fps, end) for fps in rates}
    if decoder == "auto":
        for fps, chosen in numbers.items():
            expected = [shown[number].checksum for number in chosen]
            assert [a or b for a, b in zip(checksums(path, Sampling(fps)), expected, strict=True)] == expected
    pictures: dict[int, Pixels] = {}
    if len({frame.nbytes for frame in shown}) == 1:  # The program would scale all to one size.
        wanted = sorted({n for chosen in numbers.values() for n in chosen})
        pictures = dict(zip(wanted, upright_pictures(path, stream, wanted, info, pixel_format), strict=True))
    for fps, chosen in numbers.items():
        frames, _ = collect(video_frames(path, info, Sampling(fps, decoder), LIMITS))
        step = 1000 / Fraction(str(fps))
        assert [frame.index for frame in frames] == list(range(len(chosen)))
        assert [frame.start_ms for frame in frames] == [int(k * step) for k in range(len(chosen))]
        assert [frame.end_ms for frame in frames[:-1]] == [frame.start_ms for frame in frames[1:]]
        end_ms = min(int(len(chosen) * step), int(end * 1000))
        assert frames[-1].end_ms == max(end_ms, int((len(chosen) - 1) * step) + 1)
        for frame, number in zip(frames, chosen, strict=True):
            if pictures:
                what = f"{path.name} at {fps} fps, sample {frame.index}"
                assert_same_picture(frame, pictures[number], what)


def upright_pictures(
    path: Path, stream: int, wanted: list[int], info: MediaInfo, pixel_format: str
) -> list[Pixels]:
    """The numbered frames as ffmpeg's program shows them, with two of its habits set right.

    It forgets where chroma samples lie where the bitstream does not say (the decoders know), which shows
    at more than eight bits, and it turns pictures before their chroma is brought to full size.
    """
    width, height = shown_size(path)
    deep = pixel_format.endswith(("p10le", "p12le"))
    left = (pixel_format.endswith("p10le") and info.codec in {"h264", "hevc"}) or info.codec == "dvvideo"
    chroma = "left" if left else "auto"
    if not (deep and info.rotation):
        return ffmpeg_oracle.pictures(path, stream, wanted, (width, height), chroma)
    turns = info.rotation // 90
    size = (height, width) if turns % 2 else (width, height)
    lying = ffmpeg_oracle.pictures(path, stream, wanted, size, chroma, "-noautorotate")
    return [np.rot90(picture, -turns) for picture in lying]


def checksums(path: Path, sampling: Sampling) -> list[int | None]:
    """Those of the decoded pictures that are picked, which tell also frames apart that look alike."""
    course = Course(path, LIMITS, Pace.FAST)
    found: list[int | None] = []
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
@pytest.mark.parametrize(
    "name", sorted({*RECIPES, *RARE, *DERIVED} - set(ESSENTIAL) - NO_VIDEO - SIZE_CHANGES)
)
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


@pytest.mark.parametrize("edits", EDITS)
@pytest.mark.parametrize("name", ["h264_closed.mp4", "h264_open.mp4", "hevc_open.mp4"])
def test_edit_lists_are_followed(clip: ClipMaker, tmp_path: Path, name: str, edits: str) -> None:
    path = tmp_path / name
    path.write_bytes(with_edits(clip(name).read_bytes(), EDITS[edits]))
    assert_as_ffmpeg_shows(path)


def two_sizes(clip: ClipMaker, folder: Path) -> Path:
    joined = folder / "joined.ts"
    joined.write_bytes(clip("late_start.ts").read_bytes() + clip("smaller_later.ts").read_bytes())
    return joined


def test_frames_keep_their_own_size_when_it_changes_on_the_way(clip: ClipMaker, tmp_path: Path) -> None:
    joined = two_sizes(clip, tmp_path)
    frames, error = collect(video_frames(joined, probe_video(joined, LIMITS), Sampling(5.0), LIMITS))
    assert error is None
    assert [frame.pixels.shape[:2] for frame in frames] == [(120, 160)] * 15 + [(60, 80)] * 15
    assert_as_ffmpeg_shows(joined, spliced=True)


@pytest.mark.parametrize("container", ["mkv", "mp4", "flv", "h264"])
def test_sizes_may_change_in_any_container(clip: ClipMaker, tmp_path: Path, container: str) -> None:
    path = tmp_path / f"sizes.{container}"
    ffmpeg_oracle.make(path, "-i", str(two_sizes(clip, tmp_path)), "-c", "copy")
    assert_as_ffmpeg_shows(path)


def test_sizes_may_change_in_program_streams_and_at_keyframes_of_vp9(clip: ClipMaker, tmp_path: Path) -> None:
    small = tmp_path / "small.mpg"
    ffmpeg_oracle.make(small, *PATTERN, "-vf", "scale=96:64", "-output_ts_offset", "4", *MPEG2)
    joined = tmp_path / "joined.mpg"
    joined.write_bytes(clip("mpeg2.mpg").read_bytes() + small.read_bytes())
    assert_as_ffmpeg_shows(joined, spliced=True)
    later = tmp_path / "later.ivf"
    ffmpeg_oracle.make(later, *PATTERN, "-vf", "scale=96:64", *VP9)
    packets = bytearray(later.read_bytes()[32:])
    place = 0
    while place < len(packets):  # Each packet: its size, its number, its bytes.
        size, number = struct.unpack_from("<IQ", packets, place)
        struct.pack_into("<Q", packets, place + 4, number + 90)
        place += 12 + size
    path = tmp_path / "joined.ivf"
    path.write_bytes(clip("vp9.ivf").read_bytes() + packets)
    assert_as_ffmpeg_shows(path)
    webm = tmp_path / "joined.webm"
    ffmpeg_oracle.make(webm, "-i", str(path), "-c", "copy")
    assert_as_ffmpeg_shows(webm)


@pytest.mark.parametrize("name", ["late_start.ts", "hevc_open.ts", "mpeg2.ts", "mpeg2.mpg"])
def test_two_recordings_joined_play_one_after_the_other(clip: ClipMaker, tmp_path: Path, name: str) -> None:
    one = clip(name)
    joined = tmp_path / name
    joined.write_bytes(one.read_bytes() * 2)
    assert_as_ffmpeg_shows(joined, spliced=True)


@pytest.mark.parametrize("name", ["h264_open.ts", "hevc_open.ts", "mpeg2.mpg"])
def test_a_stream_that_starts_in_the_middle_shows_from_its_first_whole_frame(
    clip: ClipMaker, tmp_path: Path, name: str
) -> None:
    data = clip(name).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[len(data) // 3 // 188 * 188 + 50 :])
    assert_as_ffmpeg_shows(path)


def shared_videos(data: Path) -> list[Path]:
    folders = ("variety", "torchcodec", "decord", "fights/fight", "fights/no_fight")
    files = (p for folder in folders for p in sorted((data / "video" / folder).iterdir()))
    # The two long ones are six minutes of AV1: minutes of CPU in the oracle alone.
    clips = [p for p in files if p.suffix not in {".json", ".txt"} and not p.name.startswith("mp4__long_")]
    # The sixty of fights are of one kind: every fourth.
    alike = [p for p in clips if p.parent.parent.name == "fights"]
    return [p for p in clips if p not in alike[1::4] + alike[2::4] + alike[3::4]]


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
            # Few frames with gaps to pass over, and many: a third rate costs a third of the minute.
            assert_as_ffmpeg_shows(path, rates=(0.5, 5.0))
            compared += 1
    assert compared > 80


def test_a_cover_picture_is_no_video(clip: ClipMaker) -> None:
    path = clip("cover_only.m4a")
    info = probe_video(path, LIMITS)
    assert (info.media_type, info.codec, info.mime) == (MediaType.AUDIO, "aac", "audio/mp4")
    with pytest.raises(UnsupportedError, match="no video"):
        next(video_frames(path, info, Sampling(), LIMITS))
