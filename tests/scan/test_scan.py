"""A scan from end to end: what it writes, what it does not do twice, what it makes of trouble."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from hivescan.errors import SourceError, UsageError
from hivescan.media.sources import SourceOptions
from hivescan.scan.config import Progress, ScanConfig, Verify
from hivescan.scan.run import run_scan
from hivescan.types import Limits, Sampling
from tests.scan.scenes import comparable, make_clip, make_mixed, rows, scan

PLAIN_PDQ = "algorithm = 'pdq' AND transformation IS NULL"


@pytest.fixture
def folder(tmp_path: Path, photos: Path) -> Path:
    return make_mixed(tmp_path / "media", photos)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def statuses(store: Path) -> dict[str, str]:
    found = rows(store, "SELECT uri, status FROM items")
    return {Path(row["uri"]).name: row["status"] for row in found}


def test_every_file_becomes_an_item_with_a_status(folder: Path, store: Path) -> None:
    summary = scan(store, folder)
    found = statuses(store)
    assert len(found) == summary.files == sum(len(files) for _, _, files in os.walk(folder))
    assert found["astronaut.png"] == found["clip.mp4"] == found["ünï — 写真 'quoted'.png"] == "done"
    assert found["photo without extension"] == "done"
    assert found["cut.jpg"] == "partial"
    assert found["bad header.jpg"] == "failed"
    assert found["archive.zip"] == "unopened"
    assert found["notes.txt"] == "not_analyzed"
    assert (summary.failed, summary.partial, summary.unopened) == (1, 1, 1)


def test_failed_files_say_why_in_words(folder: Path, store: Path) -> None:
    scan(store, folder)
    for row in rows(store, "SELECT uri, status, reason FROM items WHERE status <> 'done'"):
        if row["status"] != "not_analyzed":
            assert row["reason"] and "Traceback" not in row["reason"] and "/proc/" not in row["reason"], row


def test_what_cannot_be_identified_counts_as_failed_for_every_analyzer(folder: Path, store: Path) -> None:
    scan(store, folder)
    query = "SELECT chain, a.status FROM analyses a JOIN items USING (content_id)"
    assert rows(store, f"{query} WHERE uri LIKE '%bad header.jpg' ORDER BY chain") == [
        {"chain": "hashes", "status": "failed"},
        {"chain": "probe", "status": "failed"},
    ]


def test_same_bytes_under_two_names_are_analyzed_once(folder: Path, store: Path) -> None:
    summary = scan(store, folder)
    assert summary.duplicates == 3
    twice = rows(store, f"SELECT content_id, count(*) AS n FROM hashes WHERE {PLAIN_PDQ} GROUP BY 1, index")
    assert {row["n"] for row in twice} == {1} if twice else False


def test_video_samples_have_times_and_stills_have_none(folder: Path, store: Path) -> None:
    scan(store, folder)
    clip = rows(
        store,
        "SELECT index, start_ms, end_ms FROM hashes JOIN items USING (content_id) "
        f"WHERE uri LIKE '%clip.mp4' AND {PLAIN_PDQ} ORDER BY index",
    )
    assert [(r["index"], r["start_ms"], r["end_ms"]) for r in clip] == [
        (0, 0, 1000),
        (1, 1000, 2000),
        (2, 2000, 3000),
    ]
    still = rows(
        store,
        "SELECT start_ms, end_ms FROM hashes JOIN items USING (content_id) WHERE uri LIKE '%chelsea.png'",
    )
    assert still and all(r["start_ms"] is None and r["end_ms"] is None for r in still)


def test_a_second_run_opens_nothing_and_writes_no_result(folder: Path, store: Path) -> None:
    first = scan(store, folder)
    before = comparable(store)
    again = scan(store, folder)
    assert again.unchanged == again.files == first.files
    assert again.samples == again.bytes_read == 0
    assert comparable(store) == before


def test_verify_content_reads_all_and_decodes_nothing(folder: Path, store: Path) -> None:
    scan(store, folder)
    photo = folder / "astronaut.png"
    before = photo.stat()
    data = bytearray((folder / "chelsea.png").read_bytes())
    data += b"\0" * max(0, before.st_size - len(data))
    photo.write_bytes(bytes(data[: before.st_size]))
    os.utime(photo, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert scan(store, folder).bytes_read == 0, "size and time are the same: not noticed by stat"
    checked = scan(store, folder, verify=Verify.CONTENT)
    assert checked.bytes_read > 0 and checked.samples == 1


def test_a_rename_is_noticed_and_analyzes_nothing(folder: Path, store: Path) -> None:
    scan(store, folder)
    (folder / "chelsea.png").rename(folder / "sub" / "cat.png")
    again = scan(store, folder)
    assert (again.samples, again.duplicates, again.gone) == (0, 1, 1)
    found = statuses(store)
    assert found["cat.png"] == "done" and "chelsea.png" not in found


def test_a_changed_file_shows_its_current_rows_and_keeps_the_old(
    folder: Path, store: Path, photos: Path
) -> None:
    scan(store, folder)
    shutil.copy(photos / "hubble_deep_field.jpg", folder / "rocket.jpg")
    scan(store, folder)
    current = rows(store, "SELECT content_id FROM items WHERE uri LIKE '%rocket.jpg'")
    assert len(current) == 1
    history = rows(store, "SELECT DISTINCT content_id FROM raw.files WHERE uri LIKE '%rocket.jpg'")
    assert len(history) == 2


def test_what_a_pattern_leaves_out_is_not_gone(folder: Path, store: Path) -> None:
    scan(store, folder)
    assert scan(store, folder, source_options=SourceOptions(exclude=("*.png",))).gone == 0
    assert "astronaut.png" in statuses(store)


def test_another_frame_rate_analyzes_clips_only(folder: Path, store: Path) -> None:
    scan(store, folder)
    assert scan(store, folder, sampling=Sampling(fps=2)).samples == 6
    assert len(rows(store, f"SELECT * FROM hashes WHERE {PLAIN_PDQ} AND start_ms IS NOT NULL")) == 6


def test_going_back_to_a_frame_rate_shows_its_rows_again(folder: Path, store: Path) -> None:
    scan(store, folder / "sub")
    scan(store, folder / "sub", sampling=Sampling(fps=2))
    scan(store, folder / "sub")
    assert len(rows(store, f"SELECT * FROM hashes WHERE {PLAIN_PDQ} AND start_ms IS NOT NULL")) == 3


def test_retry_errors_tries_only_what_failed(folder: Path, store: Path, photos: Path) -> None:
    scan(store, folder)
    assert scan(store, folder, retry_errors=True).unchanged == len(statuses(store)) - 2
    assert (
        len(rows(store, "SELECT * FROM hashes JOIN items USING (content_id) WHERE uri LIKE '%cut.jpg'")) == 6
    )


def test_rescan_replaces_every_row(folder: Path, store: Path) -> None:
    first = scan(store, folder)
    count = rows(store, "SELECT count(*) AS n FROM hashes")
    assert scan(store, folder, rescan=True).samples == first.samples
    assert rows(store, "SELECT count(*) AS n FROM hashes") == count


def test_columns_of_a_manifest_can_be_queried_and_change_without_a_decode(
    folder: Path, store: Path, tmp_path: Path
) -> None:
    manifest = tmp_path / "list.jsonl"

    def write(user: str) -> None:
        lines = [{"path": str(folder / n), "user_id": user, "likes": 3} for n in ("coffee.png", "page.png")]
        manifest.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")

    write("007")
    assert scan(store, f"@{manifest}").samples == 2
    assert rows(store, "SELECT DISTINCT user_id, likes + 1 AS n FROM items") == [{"user_id": "007", "n": 4}]
    write("008")
    assert scan(store, f"@{manifest}").bytes_read == 0
    assert rows(store, "SELECT DISTINCT user_id FROM items") == [{"user_id": "008"}]


@pytest.mark.parametrize("workers", [1, 3])
def test_rows_do_not_depend_on_order_or_workers(folder: Path, tmp_path: Path, workers: int) -> None:
    scan(tmp_path / "a", folder, workers=2)
    listed = sorted((str(p) for p in folder.rglob("*") if p.is_file()), reverse=True)
    scan(tmp_path / "b", *listed, workers=workers, arena_bytes=4 * 1024**2)
    one, other = comparable(tmp_path / "a"), comparable(tmp_path / "b")
    for tables in (one, other):
        del tables["files"]  # they name the source that led to them
    assert one == other


def _once(
    action: Callable[[multiprocessing.process.BaseProcess], None], name: str
) -> Callable[[Progress], None]:
    """A progress callback that does something to the first child of that name, when work is under way."""
    done = False

    def tell(progress: Progress) -> None:
        nonlocal done
        children = [c for c in multiprocessing.active_children() if c.name == name]
        if not done and children and progress.samples:
            action(children[0])
            done = True

    return tell


def run_with(store: Path, folder: Path, tell: Callable[[Progress], None], **settings: object):
    return run_scan(
        ScanConfig(sources=(str(folder),), store=store, analyzers=("hashes",), workers=2, **settings), tell
    )


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve clips, each different, that take a while."""
    folder = tmp_path_factory.mktemp("clips")
    for i in range(12):
        make_clip(folder / f"{i:02}.mp4", seconds=20 + i)
    return folder


def test_a_killed_worker_costs_the_file_it_was_on(clips: Path, store: Path) -> None:
    summary = run_with(store, clips, _once(lambda p: os.kill(p.pid, signal.SIGKILL), "hivescan-decode"))
    assert summary.files == 12 and summary.failed + summary.partial <= 1
    for row in rows(store, "SELECT reason FROM items WHERE status <> 'done'"):
        assert "killed" in row["reason"]
    again = scan(store, clips, retry_errors=True)
    assert again.failed == again.partial == 0
    assert set(statuses(store).values()) == {"done"}


@pytest.mark.parametrize(
    ("harm", "reason"), [(signal.SIGSEGV, "crashed"), (signal.SIGSTOP, "no sign of life")]
)
def test_what_comes_behind_the_pictures_is_looked_at_when_their_decoder_is_lost(
    harm: signal.Signals, reason: str, tmp_path: Path, store: Path
) -> None:
    make_clip(tmp_path / "clip.mp4", seconds=60)
    lost: list[int] = []

    def tell(progress: Progress) -> None:
        workers = [c for c in multiprocessing.active_children() if c.name == "hivescan-decode"]
        if not lost and progress.samples:
            lost.append(progress.samples)
            for worker in workers:
                os.kill(worker.pid, harm)

    config = ScanConfig(
        sources=(str(tmp_path / "clip.mp4"),),
        store=store,
        analyzers=("hashes", "provenance"),
        workers=1,
        sampling=Sampling(fps=20),
        limits=Limits(file_timeout_s=5),
    )
    summary = run_scan(config, tell)
    ledger = {r["chain"]: r for r in rows(store, "SELECT chain, status, reason, samples FROM analyses")}
    assert lost and summary.partial == 1
    assert ledger["hashes"]["status"] == "partial" and reason in ledger["hashes"]["reason"]
    assert ledger["provenance"]["status"] == "done"
    count = "SELECT count(*) AS n, count(DISTINCT index) AS d FROM hashes WHERE algorithm = 'pdq'"
    (hashes,) = rows(store, f"{count} AND transformation IS NULL")
    assert hashes["n"] == hashes["d"] == ledger["hashes"]["samples"]
    again = scan(
        store,
        tmp_path / "clip.mp4",
        analyzers=("hashes", "provenance"),
        retry_errors=True,
        sampling=Sampling(fps=20),
    )
    assert again.analyzed == 1
    assert rows(store, "SELECT chain FROM analyses WHERE status <> 'done'") == []


def test_a_hung_worker_is_given_up_and_its_file_can_be_retried(clips: Path, store: Path) -> None:
    stop = _once(lambda p: os.kill(p.pid, signal.SIGSTOP), "hivescan-decode")
    summary = run_with(store, clips, stop, limits=Limits(file_timeout_s=4))
    assert summary.failed + summary.partial <= 1
    for row in rows(store, "SELECT reason FROM items WHERE status <> 'done'"):
        assert "no sign of life" in row["reason"]
    assert scan(store, clips, retry_errors=True).failed == 0


def test_a_file_over_a_limit_is_a_row_with_that_reason(folder: Path, store: Path) -> None:
    summary = scan(store, folder, limits=Limits(max_pixels=100_000))
    assert summary.failed >= 3
    reasons = {r["reason"] for r in rows(store, "SELECT reason FROM items WHERE status = 'failed'")}
    assert any("pixels" in reason for reason in reasons), reasons


def test_no_process_is_left_behind(folder: Path, store: Path) -> None:
    scan(store, folder)
    assert not [c for c in multiprocessing.active_children() if c.name.startswith("hivescan")]


def test_an_unreadable_file_is_a_row_and_is_tried_again_by_itself(folder: Path, store: Path) -> None:
    target = folder / "coffee link.png"
    target.symlink_to(folder / "not there.png")
    scan(store, folder)
    (row,) = rows(store, "SELECT status, reason, content_id FROM items WHERE uri LIKE '%coffee link.png'")
    assert row["status"] == "failed" and row["content_id"] is None and row["reason"]
    shutil.copy(folder / "coffee.png", folder / "not there.png")
    scan(store, folder)
    assert statuses(store)["coffee link.png"] == "done"


def test_names_of_any_bytes_are_scanned(tmp_path: Path, store: Path, photos: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in (b"latin \xe9\xff.png", b"new\nline.png", b"%41.png"):
        shutil.copy(photos / "page.png", folder / os.fsdecode(name))
    assert scan(store, folder).files == 3
    assert set(statuses(store).values()) == {"done"}
    assert scan(store, folder).unchanged == 3


def test_a_source_that_does_not_exist_is_an_error_before_anything_is_written(
    tmp_path: Path, store: Path
) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        scan(store, tmp_path / "nowhere")


def test_an_analyzer_that_does_not_exist_is_named(folder: Path, store: Path) -> None:
    with pytest.raises(UsageError, match="nosuch"):
        scan(store, folder, analyzers=("nosuch",))
    assert not store.exists()


def test_a_scan_never_walks_into_a_store(folder: Path) -> None:
    inside = folder / "results"
    first = scan(inside, folder)
    assert scan(inside, folder).files == first.files


def test_stores_are_for_their_owner_alone(folder: Path, store: Path) -> None:
    scan(store, folder)
    for path in [store, *store.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path
