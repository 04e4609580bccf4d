"""What a scan makes of its surroundings: odd arguments, odd callers, decoders that end oddly."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hivescan.analyzers import registry
from hivescan.errors import SourceError, UsageError
from hivescan.media.sources import SourceDone, SourceOptions
from hivescan.scan import coordinator as coordinator_module
from hivescan.scan import run as run_module
from hivescan.scan import walker as walker_module
from hivescan.scan import worker as worker_module
from hivescan.scan.arena import Arena
from hivescan.scan.config import Progress, ScanConfig, Verify
from hivescan.scan.messages import Finished, Job, Probed, Proceed, Started, Stream
from hivescan.scan.run import run_scan
from hivescan.scan.start import starting
from hivescan.scan.walker import Walker
from hivescan.scan.worker import DecodeWorker
from hivescan.types import Frame, Level, Limits, Observation, Sampling, Status
from tests.scan.scenes import make_clip, rows, scan


@pytest.fixture
def folder(tmp_path: Path, photos: Path) -> Path:
    folder = tmp_path / "media"
    (folder / "sub").mkdir(parents=True)
    for name in ("coffee.png", "page.png"):
        shutil.copy(photos / name, folder / name)
    shutil.copy(photos / "camera.png", folder / "sub" / "camera.png")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_a_decoder_that_raises_eof_fails_its_file_and_not_its_worker(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(*arguments: object, **named: object) -> Iterator[Frame]:
        raise EOFError("the stream ended")
        yield

    monkeypatch.setattr(worker_module, "pictures", ended)
    ours, theirs = multiprocessing.Pipe()
    arena = Arena.create(4096)
    thread = threading.Thread(target=DecodeWorker(theirs, arena, Limits()).run)
    thread.start()
    ours.send(Job(0, str(folder / "coffee.png")))
    assert isinstance(ours.recv(), Started)
    assert isinstance(ours.recv(), Probed)
    ours.send(Proceed(0, (Stream(Level.FRAME, ("null",)),), (), None, Sampling()))
    end = ours.recv()
    ours.send(None)
    thread.join()
    arena.close()
    assert isinstance(end, Finished) and end.end.status is Status.FAILED
    assert str(end.end.reason).startswith("the decoder gave up")


def test_an_arena_that_holds_no_picture_is_an_error_and_no_endless_wait(
    folder: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "missing", lambda name: None)
    with pytest.raises(UsageError, match="arena_bytes"):
        scan(store, folder, analyzers=("embedding",), arena_bytes=65_536)
    assert not store.exists()


def test_a_source_that_does_not_exist_fetches_nothing_and_makes_no_store(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[object] = []
    monkeypatch.setattr(run_module, "fetch_weights", lambda *a: fetched.append(a) or {})
    with pytest.raises(SourceError, match="nowhere"):
        scan(store, tmp_path / "nowhere")
    assert not store.exists() and not fetched


def test_no_analyzer_at_all_is_told_in_one_clear_line(folder: Path, store: Path) -> None:
    with pytest.raises(UsageError, match=r"^no analyzer is named; there are hashes, "):
        scan(store, folder, analyzers=())
    assert not store.exists()


def test_no_files_are_no_error(tmp_path: Path, store: Path) -> None:
    (tmp_path / "empty").mkdir()
    summary = scan(store, tmp_path / "empty")
    assert (summary.status, summary.files) == ("done", 0)


def test_a_touched_file_is_unchanged_and_not_another_name(folder: Path, store: Path) -> None:
    scan(store, folder)
    os.utime(folder / "coffee.png", ns=(1, 1))
    again = scan(store, folder)
    assert (again.unchanged, again.duplicates, again.samples) == (3, 0, 0)
    assert scan(store, folder).bytes_read == 0, "its new time was written down"


def test_reading_all_again_writes_no_row_of_what_is_the_same(folder: Path, store: Path) -> None:
    scan(store, folder)
    before = rows(store, "SELECT * FROM raw.files")
    again = scan(store, folder, verify=Verify.CONTENT)
    assert (again.unchanged, again.duplicates) == (3, 0) and again.bytes_read > 0
    assert rows(store, "SELECT * FROM raw.files") == before


def test_a_file_that_can_no_longer_be_identified_fails_with_a_reason(folder: Path, store: Path) -> None:
    scan(store, folder)
    narrow = Limits(max_pixels=100)
    second = scan(store, folder, analyzers=("hashes", "null"), limits=narrow)
    assert second.failed == 3
    found = rows(store, "SELECT status, reason, width, media_type FROM items")
    assert {row["status"] for row in found} == {"failed"}
    assert all("pixels" in row["reason"] and row["width"] and row["media_type"] == "image" for row in found)
    assert scan(store, folder, analyzers=("hashes", "null")).unchanged == 3
    assert scan(store, folder, analyzers=("hashes", "null"), retry_errors=True).analyzed == 3
    assert rows(store, "SELECT DISTINCT status FROM items") == [{"status": "done"}]


def test_one_source_named_twice_is_walked_once(folder: Path, store: Path) -> None:
    summary = scan(store, folder, folder, f"{folder}/")
    assert (summary.files, summary.analyzed, summary.duplicates) == (3, 3, 0)


def test_the_same_file_under_two_sources_is_analyzed_once_and_gone_once(folder: Path, store: Path) -> None:
    summary = scan(store, folder, folder / "sub", rescan=True)
    assert summary.samples == 3
    assert len(rows(store, "SELECT * FROM items")) == 3
    (folder / "sub" / "camera.png").unlink()
    assert scan(store, folder, folder / "sub").gone == 1
    assert len(rows(store, "SELECT * FROM items")) == 2


def test_a_file_first_seen_under_a_subfolder_is_gone_for_the_whole_folder(folder: Path, store: Path) -> None:
    scan(store, folder / "sub")
    scan(store, folder)
    (folder / "sub" / "camera.png").unlink()
    assert scan(store, folder).gone == 1


def test_counts_add_up_to_the_files(folder: Path, store: Path) -> None:
    (folder / "broken").symlink_to(folder / "nowhere")
    (folder / "empty.jpg").touch()
    shutil.copy(folder / "coffee.png", folder / "copy.png")
    for settings in ({}, {"retry_errors": True}, {"rescan": True}, {"verify": Verify.CONTENT}):
        last: list[Progress] = []
        config = ScanConfig(sources=(str(folder),), store=store, analyzers=("hashes",), workers=1, **settings)
        run_scan(config, last.append)
        assert last[-1].finished_files == last[-1].files == last[-1].total_files == 6, settings


def test_a_second_signal_in_the_same_moment_counts_once(tmp_path: Path, store: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    for i in range(6):
        make_clip(folder / f"{i}.mp4", seconds=20)
    sent = False

    def tell(progress: Progress) -> None:
        nonlocal sent
        if progress.samples and not sent:
            sent = True
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    summary = run_scan(
        ScanConfig(sources=(str(folder),), store=store, analyzers=("hashes",), workers=1), tell
    )
    assert summary.status == "interrupted" and summary.failed == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_a_signal_ends_a_walk_over_unchanged_files(
    folder: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(store, folder)
    monkeypatch.setattr(coordinator_module, "_CHUNK", 1)

    def tell(progress: Progress) -> None:
        if progress.files == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    summary = run_scan(ScanConfig(sources=(str(folder),), store=store, analyzers=("hashes",)), tell)
    assert (summary.status, summary.files, summary.unchanged, summary.gone) == ("interrupted", 1, 1, 0)


def test_a_slow_list_of_files_does_not_keep_those_waiting_that_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slow(*arguments: object) -> Iterator[Observation | SourceDone]:
        for n in range(3):
            yield Observation(f"/{n}.png", "-", 1, 1)
        yield SourceDone("-", complete=False)

    monkeypatch.setattr(walker_module, "walk", slow)
    monkeypatch.setattr(walker_module, "_LONGEST_CHUNK_S", -1.0)
    walker = Walker(("-",), SourceOptions())
    assert [len(walker.chunk(1_000)) for _ in range(4)] == [1, 1, 1, 0]
    assert walker.exhausted and walker.complete == []


def test_what_a_progress_callback_raises_ends_the_scan_and_its_processes(folder: Path, store: Path) -> None:
    def tell(progress: Progress) -> None:
        if progress.samples:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_scan(ScanConfig(sources=(str(folder),), store=store, analyzers=("hashes",), workers=1), tell)
    assert not [c for c in multiprocessing.active_children() if c.name.startswith("hivescan")]


def test_an_interactive_session_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    main = sys.modules["__main__"]
    monkeypatch.delattr(main, "__file__", raising=False)
    environment = dict(os.environ)
    with starting(threads=3):
        assert os.environ["OMP_NUM_THREADS"] == "3"
    assert not hasattr(main, "__file__")
    assert dict(os.environ) == environment


def write_manifest(path: Path, *rows: str) -> str:
    path.write_text("\n".join(("path,who", *rows)) + "\n")
    return f"@{path}"


def test_of_several_rows_for_one_file_the_last_counts_and_nothing_alternates(
    folder: Path, store: Path, tmp_path: Path
) -> None:
    manifest = write_manifest(
        tmp_path / "m.csv", "media/coffee.png,ann", "media/page.png,eve", "./media/../media/coffee.png,bob"
    )
    for _ in range(3):
        assert scan(store, manifest).files == 2
        assert rows(store, "SELECT who FROM items ORDER BY uri") == [{"who": "bob"}, {"who": "eve"}]
    assert rows(store, "SELECT count(*) AS n FROM raw.files") == [{"n": 2}]
    write_manifest(tmp_path / "m.csv", "media/coffee.png,bob", "media/page.png,eve", "media/coffee.png,ann")
    assert scan(store, manifest).samples == 0
    assert rows(store, "SELECT who FROM items ORDER BY uri") == [{"who": "ann"}, {"who": "eve"}]


def test_a_folder_takes_no_columns_away_that_a_manifest_gave(
    folder: Path, store: Path, tmp_path: Path
) -> None:
    manifest = write_manifest(tmp_path / "m.csv", "media/coffee.png,ann")
    scan(store, manifest)
    for sources in ((folder, manifest), (folder,), (manifest, folder)):
        scan(store, *sources)
        assert rows(store, "SELECT who FROM items WHERE uri LIKE '%coffee.png'") == [{"who": "ann"}]
    assert rows(store, "SELECT count(*) AS n FROM raw.files WHERE uri LIKE '%coffee.png'") == [{"n": 1}]
    shutil.copy(folder / "page.png", folder / "coffee.png")
    scan(store, folder)
    assert rows(store, "SELECT who FROM items WHERE uri LIKE '%coffee.png'") == [{"who": "ann"}]
