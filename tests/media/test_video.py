"""What a probe says of videos and sounds, and what becomes of files that are cut off, damaged or hostile."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from video_clips import ClipMaker

from hivescan.errors import DecodeError, LimitError, MediaError, UnreadableError, UnsupportedError
from hivescan.media import video_decord
from hivescan.media.video import choose_decoder, probe_video, video_frames
from hivescan.media.video_pixels import master_size
from hivescan.types import Decoder, Frame, Limits, MediaInfo, MediaType, Sampling

LIMITS = Limits()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ClipMaker:
    pytest.importorskip("imageio_ffmpeg", reason="ffmpeg's program comes with the development extras")
    return ClipMaker(tmp_path_factory.mktemp("clips"))


def sample(path: Path, fps: float = 5.0) -> tuple[list[Frame], str]:
    """The frames that come, and the reason of the error at their end ('' if none)."""
    got: list[Frame] = []
    try:
        got.extend(video_frames(path, probe_video(path, LIMITS), Sampling(fps), LIMITS))
    except MediaError as error:
        return got, error.reason
    return got, ""


# What a probe says


def test_a_probe_tells_size_length_codec_and_container(data: Path) -> None:
    info = probe_video(data / "video" / "torchcodec" / "nasa_13013.mp4", LIMITS)
    assert info == MediaInfo(
        MediaType.VIDEO, "video/mp4", width=480, height=270, duration_ms=13013, frame_count=390, codec="h264"
    )


@pytest.mark.parametrize(
    ("angle", "size"), [(0, (568, 320)), (90, (320, 568)), (180, (568, 320)), (270, (320, 568))]
)
def test_width_and_height_are_those_of_the_upright_picture(
    data: Path, angle: int, size: tuple[int, int]
) -> None:
    path = data / "video" / "decord" / f"video_{angle}.mov"
    info = probe_video(path, LIMITS)
    assert (info.rotation, (info.width, info.height)) == (angle, size)
    assert sample(path)[0][0].pixels.shape == (size[1], size[0], 3)


@pytest.mark.parametrize(
    ("name", "mime", "codec", "duration_ms"),
    [
        ("flac__bear_with_picture.flac", "audio/flac", "flac", 2741),
        ("mp4__bbb_1ch_8kHz_aac_lc.m4a", "audio/mp4", "aac", 3328),
        ("ogg__bbb_1ch_16kHz_q10_vorbis.ogg", "audio/ogg", "vorbis", 3000),
        ("wav__sample_96khz.wav", "audio/wav", "pcm_s16le", 1000),
        ("mp4__sample_ac4_level4.mp4", "audio/mp4", None, 853),
    ],
)
def test_sound_without_moving_pictures_is_audio(
    data: Path, name: str, mime: str, codec: str | None, duration_ms: int
) -> None:
    info = probe_video(data / "video" / "variety" / name, LIMITS)
    assert (info.media_type, info.mime, info.codec) == (MediaType.AUDIO, mime, codec)
    assert info.duration_ms == pytest.approx(duration_ms, abs=1)


@pytest.mark.parametrize(
    ("name", "error", "reason"),
    [
        ("mp4__sample_fragmented_sgpd_v2.mp4", UnsupportedError, "encrypted"),
        ("mp4__video_dovi_3840x2160_30fps_dav1_10.mp4", UnsupportedError, "codec"),
        ("multi-segment-with-emsg0__segment_init.mp4", DecodeError, "no picture follows"),
        ("ttml-in-mp4__sample.text.mp4", UnsupportedError, "only subtitles"),
        ("ts__sample_dts_uhd.ts", UnsupportedError, "neither video nor sound that can be decoded"),
        ("mp4__sample_fragmented_sideloaded_track.mp4", DecodeError, "one part of a stream"),
    ],
)
def test_what_cannot_be_decoded_says_why(data: Path, name: str, error: type[MediaError], reason: str) -> None:
    with pytest.raises(error, match=reason):
        probe_video(data / "video" / "variety" / name, LIMITS)


def test_size_and_length_are_limited_before_anything_is_decoded(data: Path) -> None:
    path = data / "video" / "torchcodec" / "nasa_13013.mp4"
    with pytest.raises(LimitError, match="480x270 pixels, over the limit of 100000"):
        probe_video(path, Limits(max_pixels=100_000))
    with pytest.raises(LimitError, match="13 seconds long, over the limit of 10"):
        probe_video(path, Limits(max_duration_s=10))


def test_a_missing_file_and_a_folder_are_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="gone"):
        probe_video(tmp_path / "absent.mp4", LIMITS)
    with pytest.raises(UnreadableError, match="folder"):
        probe_video(tmp_path, LIMITS)


def test_a_playlist_that_names_other_files_is_not_followed(clip: ClipMaker, tmp_path: Path) -> None:
    target = clip("h264_open.ts")
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{target}\n#EXT-X-ENDLIST\n")
    with pytest.raises(MediaError):
        probe_video(playlist, LIMITS)
    script = tmp_path / "list.ffconcat"
    script.write_text(f"ffconcat version 1.0\nfile {target}\n")
    with pytest.raises(MediaError):
        probe_video(script, LIMITS)


def test_names_that_look_like_addresses_are_files(clip: ClipMaker, tmp_path: Path) -> None:
    path = tmp_path / "concat:a|b.mp4"
    path.write_bytes(clip("one_frame.mp4").read_bytes())
    assert probe_video(path, LIMITS).media_type is MediaType.VIDEO


# Masters


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1920, 1080), (1920, 1080)),
        ((3840, 2160), (1920, 1080)),
        ((2160, 3840), (1080, 1920)),
        ((1921, 1), (1920, 1)),
        ((64, 48), (64, 48)),
    ],
)
def test_masters_fit_1920_and_small_ones_keep_their_size(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert master_size(*size) == expected


def test_a_clip_shorter_than_a_step_gives_one_frame(clip: ClipMaker) -> None:
    frames, reason = sample(clip("one_frame.mp4"), fps=1.0)
    assert [(f.start_ms, f.end_ms) for f in frames] == [(0, 33)]
    assert reason == ""


def test_more_samples_than_frames_repeat_the_frame_that_is_shown(clip: ClipMaker) -> None:
    frames, _ = sample(clip("half.mp4"), fps=2.0)
    assert len(frames) == 12
    assert all(np.array_equal(frames[k].pixels, frames[k - k % 4].pixels) for k in range(12))
    assert not np.array_equal(frames[3].pixels, frames[4].pixels)


def test_frames_do_not_outlive_their_use(clip: ClipMaker) -> None:
    path = clip("turned_90.mp4")
    gc.collect()
    gc.disable()
    try:
        sample(path, fps=10.0)
        kept = sum(type(thing).__name__ == "VideoFrame" and thing.width > 16 for thing in gc.get_objects())
    finally:
        gc.enable()
    assert kept == 0


# Who decodes


@pytest.mark.parametrize(("asked", "chosen"), [("auto", "pyav"), ("pyav", "pyav"), ("decord", "decord")])
def test_pyav_decodes_unless_decord_is_asked_for(asked: Decoder, chosen: str) -> None:
    assert choose_decoder(Sampling(decoder=asked)) == chosen


def test_decord_asked_for_where_it_is_not_installed_fails_with_a_reason(
    clip: ClipMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_decord, "available", lambda: False)
    path = clip("h264_closed.mp4")
    with pytest.raises(UnsupportedError, match="not installed here"):
        next(video_frames(path, probe_video(path, LIMITS), Sampling(decoder="decord"), LIMITS))
    assert len(list(video_frames(path, probe_video(path, LIMITS), Sampling(), LIMITS))) == 3


# Cut off and damaged


@pytest.mark.parametrize(
    "name",
    [
        "index_first.mp4",
        "h264_open.mkv",
        "vp9.webm",
        "mjpeg.avi",
        "h264.flv",
        "wmv2.wmv",
        "h264_fragmented.mp4",
        "h264_open.ts",
        "mpeg2.mpg",
        "theora.ogv",
    ],
)
def test_a_cut_off_video_keeps_the_frames_before_the_cut_and_says_so(
    clip: ClipMaker, tmp_path: Path, name: str
) -> None:
    whole, reason = sample(clip(name))
    assert reason == ""
    cut = tmp_path / name
    data = clip(name).read_bytes()
    cut.write_bytes(data[: len(data) * 6 // 10 // 188 * 188 + 17])
    frames, reason = sample(cut)
    assert reason.startswith("cut off")
    assert 3 <= len(frames) < len(whole)
    # The last ones may be touched by the cut.
    for kept, known in zip(frames[:-2], whole, strict=False):
        assert np.array_equal(kept.pixels, known.pixels)


def test_a_transport_stream_that_ends_with_a_whole_packet_is_whole(clip: ClipMaker, tmp_path: Path) -> None:
    cut = tmp_path / "cut.ts"
    cut.write_bytes(clip("h264_open.ts").read_bytes()[: 188 * 100])
    frames, reason = sample(cut)
    assert frames and reason == ""


def test_no_reason_is_in_the_words_of_a_library(data: Path) -> None:
    for path in sorted((data / "video" / "variety").iterdir()):
        try:
            probe_video(path, LIMITS)
        except MediaError as error:
            assert "Invalid data" not in error.reason and "errno" not in error.reason.lower()


def test_a_video_cut_before_its_index_is_told_apart(clip: ClipMaker, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip("h264_closed.mp4").read_bytes()[:-3000])
    with pytest.raises(DecodeError, match="cut off before its index"):
        probe_video(cut, LIMITS)


def test_sound_longer_than_the_picture_is_no_cut(clip: ClipMaker) -> None:
    path = clip("longer_sound.mp4")
    assert probe_video(path, LIMITS).duration_ms == 3000
    assert sample(path)[1] == ""


def test_damage_in_the_middle_is_passed_over_and_reported(clip: ClipMaker, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.mkv"
    data = bytearray(clip("h264_open.mkv").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = b"\x55" * 2000
    damaged.write_bytes(data)
    frames, reason = sample(damaged)
    assert "damaged" in reason
    assert frames[-1].end_ms == 3000


# Hostile


def hostile(data: Path) -> list[Path]:
    return sorted(p for p in (data / "hostile").rglob("*") if p.is_file())


def test_hostile_files_end_in_a_media_error_or_are_read(data: Path) -> None:
    for path in hostile(data):
        try:
            info = probe_video(path, LIMITS)
            if info.media_type is MediaType.VIDEO:
                list(video_frames(path, info, Sampling(), LIMITS))
        except MediaError as error:
            assert error.reason and "\n" not in error.reason


def test_mutated_clips_end_in_frames_or_a_media_error(clip: ClipMaker, tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    for name in ("h264_closed.mp4", "h264_open.mkv", "mpeg2.ts", "vp9.webm", "mpeg4.avi", "h264.flv"):
        good = np.frombuffer(clip(name).read_bytes(), np.uint8)
        for turn in range(6):
            bad = good.copy()
            reach = len(bad) if turn % 2 else min(len(bad), 1500)
            bad[random.integers(0, reach, 20)] = random.integers(0, 256, 20)
            path = tmp_path / f"{turn}_{name}"
            path.write_bytes(bad.tobytes())
            try:
                info = probe_video(path, Limits(max_pixels=10_000_000))
                for _ in video_frames(
                    path, info, Sampling(2.0), Limits(max_pixels=10_000_000, max_frames=500)
                ):
                    pass
            except MediaError as error:
                assert error.reason and "\n" not in error.reason


def test_decoders_are_silent_on_the_terminal(data: Path) -> None:
    program = """
import sys
from pathlib import Path
from hivescan.errors import MediaError
from hivescan.media import video_decord
from hivescan.media.video import choose_decoder, probe_video, video_frames
from hivescan.types import Limits, Sampling
for name in sys.argv[1:]:
    for decoder in ("auto", "decord"):
        try:
            info = probe_video(Path(name), Limits())
            list(video_frames(Path(name), info, Sampling(1.0, decoder), Limits()))
        except MediaError:
            pass
"""
    names = (
        "decord/corrupted.mp4",
        "variety/mp4__sample_with_invalid_nalu.mp4",
        "variety/ts__sample_h265.ts",
    )
    files = [str(data / "video" / name) for name in names] + [str(data / "hostile" / "nested_moov_1000.mp4")]
    done = subprocess.run([sys.executable, "-c", program, *files], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
