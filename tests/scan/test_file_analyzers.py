"""Analyzers of whole files beside analyzers of pictures: neither costs the other anything."""

from __future__ import annotations

import multiprocessing
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hivescan.analyzers import in_worker, registry
from hivescan.analyzers.base import AnalyzerSpec
from hivescan.scan.arena import Arena
from hivescan.scan.contents import ChainState, ContentRun
from hivescan.scan.messages import (
    Ending,
    FileSeen,
    Finished,
    Job,
    Probed,
    Proceed,
    SampleReady,
    Started,
    Stream,
    StreamOver,
)
from hivescan.scan.plan import Planner
from hivescan.scan.rows import ResultRows, file_key
from hivescan.scan.worker import DecodeWorker
from hivescan.types import (
    Digests,
    Evidence,
    Findings,
    Level,
    Limits,
    MediaInfo,
    MediaType,
    Sampling,
    Says,
    Status,
)
from tests.scan.scenes import comparable, make_clip, make_mixed, rows, scan

BOTH = ("hashes", "provenance")


@pytest.fixture
def folder(tmp_path: Path, photos: Path, data: Path) -> Path:
    made = make_mixed(tmp_path / "media", photos)
    shutil.copy(data / "c2pa" / "jpeg" / "adobe-20220124-CAICAI.jpg", made / "signed.jpg")
    shutil.copy(data / "ai_images" / "comfyui" / "hidream__hidream_e1_example.png", made / "generated.png")
    shutil.copy(next((data / "sounds" / "music").iterdir()), made / "music.wav")
    return made


def test_both_kinds_write_the_same_with_any_number_of_workers(folder: Path, tmp_path: Path) -> None:
    first = scan(tmp_path / "a", folder, analyzers=BOTH, workers=1)
    assert first.failed == 1
    scan(tmp_path / "b", folder, analyzers=BOTH, workers=3)
    assert comparable(tmp_path / "a") == comparable(tmp_path / "b")
    told = rows(tmp_path / "a", "SELECT says, kind, name, level FROM evidence WHERE says = 'ai_generated'")
    assert told == [{"says": "ai_generated", "kind": "generator", "name": "ComfyUI", "level": "file"}]
    assert scan(tmp_path / "a", folder, analyzers=BOTH).analyzed == 0


def test_evidence_added_later_opens_no_picture_and_keeps_what_is_known(folder: Path, tmp_path: Path) -> None:
    scan(tmp_path / "a", folder)
    before = rows(tmp_path / "a", "SELECT * FROM contents ORDER BY content_id")
    later = scan(tmp_path / "a", folder, analyzers=BOTH)
    assert later.samples == 0
    assert rows(tmp_path / "a", "SELECT * FROM contents ORDER BY content_id") == before
    scan(tmp_path / "b", folder, analyzers=BOTH)
    query = "SELECT * EXCLUDE (run_id) FROM evidence ORDER BY ALL"
    assert rows(tmp_path / "a", query) == rows(tmp_path / "b", query)


def test_other_frames_are_no_reason_to_look_at_the_file_again(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    make_clip(tmp_path / "media" / "clip.mp4")
    scan(tmp_path / "store", tmp_path / "media", analyzers=BOTH)
    scan(tmp_path / "store", tmp_path / "media", analyzers=BOTH, sampling=Sampling(2.0))
    runs = rows(tmp_path / "store", "SELECT chain, count(*) AS n FROM raw.analyses GROUP BY 1 ORDER BY 1")
    assert [(r["chain"], r["n"]) for r in runs] == [("hashes", 2), ("probe", 1), ("provenance", 1)]


def test_sound_of_which_only_metadata_were_read_is_not_called_looked_at(folder: Path, tmp_path: Path) -> None:
    scan(tmp_path / "a", folder, analyzers=BOTH)
    found = {Path(r["uri"]).name: r["status"] for r in rows(tmp_path / "a", "SELECT uri, status FROM items")}
    assert (found["music.wav"], found["signed.jpg"]) == ("not_analyzed", "done")
    assert found["cut.jpg"] == "partial"


class Broken:
    """A file analyzer that a file's metadata are too much for."""

    spec = AnalyzerSpec(
        "provenance", frozenset({MediaType.IMAGE}), runs_in="decoder", revision=1, level=Level.FILE
    )

    def infer(self, *arguments: object) -> Findings:
        raise RuntimeError("hostile")


def test_a_file_analyzer_that_fails_leaves_the_pictures_alone(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_worker, "load_file_analyzer", lambda name: Broken())
    ours, theirs = multiprocessing.Pipe()
    arena = Arena.create(4096)
    thread = threading.Thread(target=DecodeWorker(theirs, arena, Limits()).run)
    thread.start()
    ours.send(Job(0, str(photos / "coffee.png")))
    assert isinstance(ours.recv(), Started)
    assert isinstance(ours.recv(), Probed)
    ours.send(Proceed(0, (Stream(Level.FRAME, ("null",)),), ("provenance",), None, Sampling()))
    heard = [ours.recv() for _ in range(4)]
    ours.send(None)
    thread.join()
    arena.close()
    assert [type(message) for message in heard] == [SampleReady, StreamOver, FileSeen, Finished]
    assert heard[1].end.status is heard[3].end.status is Status.DONE
    assert list(heard[2].trouble) == ["provenance"] and not heard[2].findings


def content() -> ContentRun:
    chains = {"hashes": ChainState("f"), "provenance": ChainState("f", Level.FILE)}
    return ContentRun(Digests("0" * 32, "1" * 40, "2" * 64), MediaInfo(MediaType.IMAGE, "image/jpeg"), chains)


def ledger(run: ContentRun) -> dict[str, tuple[str, str | None]]:
    kept = ResultRows("run")
    run.write(kept, "run", datetime.now(UTC))
    return {row["chain"]: (row["status"], row["reason"]) for row in kept.take()["analyses"].to_pylist()}


def test_a_worker_that_dies_on_the_file_costs_the_pictures_nothing() -> None:
    run = content()
    run.found("hashes", [run.key(0, None, None)], Findings())
    run.endings[Level.FRAME] = Ending(Status.DONE, decoder="pillow")
    run.end = Ending(Status.FAILED, "the decoder crashed (SIGSEGV)", retryable=True)
    assert ledger(run) == {
        "hashes": ("done", None),
        "provenance": ("failed", "the decoder crashed (SIGSEGV)"),
    }
    assert run.decoder == "pillow"


def test_pictures_that_are_damaged_cost_the_file_nothing() -> None:
    run = content()
    said = Evidence("generator", "ComfyUI", Says.AI_GENERATED, {})
    run.found("provenance", [file_key(run.content_id)], Findings(evidence=((said,),)))
    run.endings[Level.FRAME] = run.end = Ending(Status.FAILED, "damaged")
    assert ledger(run) == {"hashes": ("failed", "damaged"), "provenance": ("done", None)}


def test_file_analyzers_want_no_frames() -> None:
    planner = Planner({"provenance": registry.spec_of("provenance")}, Sampling(5.0))
    other = Planner({"provenance": registry.spec_of("provenance")}, Sampling(1.0))
    assert planner.wanted(MediaType.VIDEO, timed=True) == other.wanted(MediaType.VIDEO, timed=True)
    assert planner.views_for(["provenance"]) == ()
