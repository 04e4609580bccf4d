"""Sound in a scan: every clip of files and videos, beside what is seen in them."""

from __future__ import annotations

import multiprocessing
import shutil
import sys
import threading
import wave
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hivescan.models.cards import find_card
from hivescan.models.fetch import obstacle
from hivescan.scan.arena import Arena
from hivescan.scan.messages import (
    Finished,
    Job,
    Layout,
    Lease,
    Probed,
    Proceed,
    SampleReady,
    Started,
    Stream,
)
from hivescan.scan.payload import packed_sound, unpacked_sound
from hivescan.scan.worker import DecodeWorker
from hivescan.types import Clip, Level, Limits, Sampling, SoundView, Status
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


def test_utterances_are_streamed_each_padded_to_the_view(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What finds them is loaded when the first is wanted; they come behind the clips."""
    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.arange(16_000, dtype=np.int16).tobytes())
    said = [Clip(0, 100, 400, np.full(4_800, 0.5, np.float32)), Clip(1, 500, 600, np.zeros(8, np.float32))]
    fake = SimpleNamespace(utterances=lambda path, limits, alive: iter(said))
    monkeypatch.setitem(sys.modules, "hivescan.media.utterances", fake)  # type: ignore[arg-type]
    view = SoundView(480_000)
    arena = Arena.create(2 * view.nbytes)
    ours, theirs = multiprocessing.Pipe()
    thread = threading.Thread(target=DecodeWorker(theirs, arena, Limits()).run)
    thread.start()
    ours.send(Job(0, str(tmp_path / "tone.wav")))
    assert isinstance(ours.recv(), Started) and isinstance(ours.recv(), Probed)
    ours.send(Proceed(0, (Stream(Level.UTTERANCE, (), Layout.of((view,))),), (), 0, Sampling()))
    ours.send(Lease(0, view.nbytes, Level.UTTERANCE))
    first, second, end = (ours.recv() for _ in range(3))
    ours.send(None)
    thread.join()
    samples = [unpacked_sound(arena.view(at, view.nbytes)) for at in (0, view.nbytes)]
    arena.close()
    assert (first.level, first.index, first.start_ms, first.end_ms) == (Level.UTTERANCE, 0, 100, 400)
    assert isinstance(second, SampleReady) and second.start_ms == 500
    assert isinstance(end, Finished) and end.end.status is Status.DONE
    assert [int(np.isfinite(heard).sum()) for heard in samples] == [4_800, 8]
    assert samples[0][:4_800].min() == 0.5


def test_a_sound_that_is_longer_than_its_view_is_refused() -> None:
    with pytest.raises(ValueError, match="5 samples, and 4 are the most"):
        packed_sound(np.zeros(5, np.float32), SoundView(4))
