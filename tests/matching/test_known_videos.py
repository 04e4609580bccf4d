"""Real videos against a list made of one of them: the same scene, edited, moment by moment."""

from __future__ import annotations

from pathlib import Path

import pytest

import hivescan
from hivescan.audit.build_known import build_known


@pytest.mark.slow
def test_an_edited_video_is_found_moment_by_moment(data: Path, tmp_path: Path) -> None:
    videos = data / "hash_reference" / "videos"
    known = tmp_path / "known.parquet"
    build_known([str(videos / "chair-orig-22-sd-bar.mp4")], known)
    uploads = [videos / "chair-22-sd-grey-bar.mp4", data / "video/torchcodec/nasa_13013.mp4"]
    found = hivescan.hash_match([known], [str(path) for path in uploads], store=tmp_path / "store")
    (match,) = [each for each in found.files if each.algorithm == "pdq"]
    assert Path(match.uri).name == "chair-22-sd-grey-bar.mp4"
    (interval,) = match.intervals
    assert interval.start_ms == 0
    assert interval.end_ms >= 21_000
    assert abs(interval.known_start_ms - interval.start_ms) <= 1_000
    assert abs(interval.known_end_ms - interval.end_ms) <= 1_000
    assert interval.speed == pytest.approx(1, abs=0.02)
    assert (match.coverage or 0) > 0.9
    assert (match.known_coverage or 0) > 0.9
    assert (match.frames_matched or 0) > 0.8
    assert (match.known_frames_matched or 0) > 0.8
