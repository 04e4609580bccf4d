"""Sound in a scan: every clip of files and videos, beside what is seen in them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hivescan.models.cards import find_card
from hivescan.models.fetch import obstacle
from hivescan.types import Sampling
from tests.scan.scenes import comparable, make_clip, rows, scan


@pytest.fixture
def folder(tmp_path: Path, data: Path, photos: Path) -> Path:
    reason = obstacle(find_card("yamnet"))
    if reason is not None:
        pytest.skip(f"yamnet: {reason}")
    made = tmp_path / "media"
    made.mkdir()
    shutil.copy(data / "speech" / "jfk.flac", made)
    for name in ("music", "silence"):
        shutil.copy(sorted((data / "sounds" / name).iterdir())[0], made / f"{name}.wav")
    shutil.copy(photos / "coffee.png", made)
    make_clip(made / "mute.mp4")
    return made


def test_clips_of_sound_are_scored_at_their_times(folder: Path, tmp_path: Path) -> None:
    both = ("hashes", "sounds")
    summary = scan(tmp_path / "a", folder, analyzers=both, workers=1)
    assert (summary.failed, summary.partial) == (0, 0)
    speech = rows(
        tmp_path / "a",
        "SELECT level, index, start_ms, end_ms, score FROM scores JOIN items USING (content_id) "
        "WHERE uri LIKE '%jfk.flac' AND label = 'yes_speech' ORDER BY index",
    )
    assert [r["start_ms"] for r in speech] == [2880 * i for i in range(len(speech))]
    assert speech[-1]["end_ms"] == pytest.approx(11_000, abs=5) and speech[0]["level"] == "clip"
    assert all(r["score"] > 0.5 for r in speech)
    assert {r["status"] for r in rows(tmp_path / "a", "SELECT status FROM items")} == {"done"}
    scan(tmp_path / "b", folder, analyzers=("sounds", "hashes"), workers=3, batch_size=2)
    assert comparable(tmp_path / "a") == comparable(tmp_path / "b")
    again = scan(tmp_path / "a", folder, analyzers=both, sampling=Sampling(2.0))
    chains = rows(tmp_path / "a", "SELECT DISTINCT chain FROM analyses WHERE run_id = '" + again.run_id + "'")
    assert chains == [{"chain": "hashes"}], "sound knows no frames a second"
