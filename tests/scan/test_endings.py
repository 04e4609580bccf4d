"""Helpers that hang, cannot be ended or turn out not to be trusted: what a scan then does and keeps."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, cast

import pytest

from hivescan.analyzers import registry
from hivescan.errors import ModelUnhealthyError
from hivescan.models.backends.base import Placement
from hivescan.scan import ending, host_process
from hivescan.scan.arena import Arena
from hivescan.scan.config import Progress, ScanConfig
from hivescan.scan.contents import ChainState, ContentRun
from hivescan.scan.costs import Bill
from hivescan.scan.host import HostConfig
from hivescan.scan.host_process import Waiting
from hivescan.scan.hosting import Hosting
from hivescan.scan.looking import Failures
from hivescan.scan.messages import Batch, BatchDone, HostFailed, HostReady, Layout, Load, Piece, Placed
from hivescan.scan.run import run_scan
from hivescan.types import ContentId, Digests, Findings, MediaInfo, MediaType, Sampling, View
from tests.scan.good_files import good_files
from tests.scan.processes import alive, descendants
from tests.scan.reasons import complaints
from tests.scan.scenes import make_clip, rows, scan

LAYOUT = Layout.of((View(8, 8, "stretch", 8),))


def answering(pipe: Connection, batch: Batch) -> None:
    pipe.send(
        BatchDone(batch.batch, {n: [Piece(at, Findings())] for n, at in batch.work.items()}, {}, Bill())
    )


def sleepy_host(pipe: Connection, arena: Arena, config: HostConfig) -> None:
    """Falls asleep for ever over a sample of width 13, which the next host can do nothing about either."""
    assert isinstance(pipe.recv(), Load)
    pipe.send(HostReady(Bill(), 1))
    while (batch := pipe.recv()) is not None:
        if any(sample.width == 13 for sample in batch.samples):
            time.sleep(10_000)
        answering(pipe, batch)


def bad_host(pipe: Connection, arena: Arena, config: HostConfig) -> None:
    """Answers two batches, then says that one of its analyzers gave no numbers."""
    assert isinstance(pipe.recv(), Load)
    pipe.send(HostReady(Bill(), 1))
    for _ in range(2):
        answering(pipe, pipe.recv())
    pipe.recv()
    time.sleep(1)  # the workers say meanwhile that they are through with those pictures
    error = ModelUnhealthyError("analyzer nsfw gave nan, expected finite scores")
    error.analyzer = "nsfw"
    pipe.send(HostFailed(error))


@pytest.fixture
def arena() -> Iterator[Arena]:
    made = Arena.create(1 << 16)
    yield made
    made.close()


def waiting(width: int) -> Waiting:
    info = MediaInfo(MediaType.IMAGE, "image/png", 8, 8, frame_count=1)
    run = ContentRun(Digests("", "", ContentId("a" * 64)), info, {"looker": ChainState("f")}, pending=1)
    return Waiting(run, run.key(0, None, None), Placed(0, LAYOUT, width, 8), ("looker",))


def test_a_host_that_hangs_is_replaced_and_its_picture_given_up(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_process, "host_main", sleepy_host)
    monkeypatch.setattr(host_process, "LONGEST_FIRST_S", 0.3)
    monkeypatch.setattr(host_process, "SHORTEST_LIMIT_S", 0.3)
    hosting = Hosting(HostConfig(("looker",), frozenset(), Placement(batch_size=2)), arena)
    samples = [waiting(width) for width in (8, 8, 13, 8)]
    for sample in samples:
        hosting.put(sample)
    served = []
    while hosting.waiting:
        hosting.feed(more_coming=False)
        for pipe in wait(hosting.pipes, timeout=0.1):
            served += hosting.receive(cast(Connection, pipe))
        served += hosting.replace_overdue()
    hosting.close()
    assert {id(sample) for sample in served} == {id(sample) for sample in samples}
    troubles = [sample.content.chains["looker"].trouble for sample in samples]
    assert [trouble is None for trouble in troubles] == [True, True, False, True]


def test_a_pause_of_the_coordinator_is_not_the_silence_of_a_host(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_process, "host_main", sleepy_host)
    monkeypatch.setattr(host_process, "LONGEST_LOAD_S", 0.1)
    hosting = Hosting(HostConfig(("looker",), frozenset(), Placement(batch_size=2)), arena)
    hosting.put(waiting(13))
    hosting.feed(more_coming=False)
    try:
        time.sleep(0.2)
        hosting.forgive(1000)
        assert hosting.replace_overdue() == []
    finally:
        hosting.close()


def test_of_an_unhealthy_model_nothing_is_kept_and_of_all_others_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why := registry.missing("nsfw"):
        pytest.skip(why)
    monkeypatch.setattr(host_process, "host_main", bad_host)
    media = tmp_path / "media"
    media.mkdir()
    pictures = [name for name in good_files() if name.endswith((".jpg", ".png", ".gif"))]
    for name in [*pictures, "plain.txt"]:
        (media / name).write_bytes(good_files()[name])
    store = tmp_path / "store"
    with pytest.raises(ModelUnhealthyError, match="nan"):
        scan(store, media, analyzers=("hashes", "nsfw"), batch_size=2)
    ledger = rows(store, "SELECT chain, status FROM raw.analyses")
    assert {row["chain"] for row in ledger} == {"probe", "hashes"}
    assert any(row["chain"] == "hashes" for row in ledger), "those of the first two batches"
    assert rows(store, "SELECT * FROM items WHERE media_type = 'text'")


def test_what_a_second_ctrl_c_meets_finished_is_kept(tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    for name, data in good_files().items():
        (media / name).write_bytes(data)

    def tell(progress: Progress) -> None:
        if progress.analyzed > 30:
            raise KeyboardInterrupt

    config = ScanConfig(sources=(str(media),), store=tmp_path / "store", analyzers=("hashes",), workers=1)
    with pytest.raises(KeyboardInterrupt):
        run_scan(config, tell)
    assert len(rows(tmp_path / "store", "SELECT * FROM analyses WHERE chain = 'hashes'")) > 10


class Stuck:
    """A process in the kernel's hands, as one that reads from a disk that is gone."""

    exitcode = None
    closed = False

    def kill(self) -> None:
        pass

    def join(self, timeout: float | None = None) -> None:
        assert timeout is not None, "would wait for ever"
        time.sleep(timeout)

    def close(self) -> None:
        raise ValueError("Cannot close a process while it is still running")


def test_a_process_that_cannot_be_ended_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "PATIENCE_S", 0.2)
    stuck = cast(BaseProcess, Stuck())
    children: set[Any] = vars(multiprocessing.process)["_children"]
    children.add(stuck)
    started = time.monotonic()
    ending.end_all([stuck, stuck, stuck])
    assert stuck not in children, "Python would wait for it at its end"
    assert ending.end(stuck) is None
    assert time.monotonic() - started < 20


def test_a_worker_killed_twice_with_a_file_costs_that_file_alone(tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    make_clip(media / "clip.mp4", seconds=60, fps=20)
    (media / "plain.jpg").write_bytes(good_files()["plain.jpg"])
    killed: list[int] = []
    seen_at = [0]

    def tell(progress: Progress) -> None:
        # One that has delivered since the last was killed: it is in the middle of the clip.
        if progress.samples <= seen_at[-1] or len(killed) == 2:
            return
        for pid in descendants(os.getpid()):
            with contextlib.suppress(OSError):
                is_worker = b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes()
                if is_worker and pid not in killed and not descendants(pid) and not is_server(pid):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                    seen_at.append(progress.samples)
                    return

    settings: Mapping[str, Any] = {"analyzers": ("hashes",), "workers": 1, "sampling": Sampling(fps=20)}
    summary = run_scan(ScanConfig(sources=(str(media),), store=tmp_path / "store", **settings), tell)
    assert len(killed) == 2 and not any(map(alive, killed))
    assert summary.status == "done" and summary.unfinished == 0
    found = {
        Path(row["uri"]).name: row
        for row in rows(tmp_path / "store", "SELECT uri, status, reason FROM items")
    }
    assert found["plain.jpg"]["status"] == "done"
    assert found["clip.mp4"]["status"] in {"partial", "failed"}
    assert found["clip.mp4"]["reason"] == "the decoder was killed twice, most likely for want of memory"


def is_server(pid: int) -> bool:
    """Whether it is a child of ours, and not a worker, whose parent is the fork server."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]) == os.getpid()


def test_what_a_runtime_says_is_a_warning_of_the_run_and_no_reason_of_a_file() -> None:
    failures = Failures()
    failures.see("nsfw", RuntimeError("[Error] : 6 :\n  broken kernel"))
    failures.see("nsfw", ValueError("another"))
    assert failures.warnings() == [
        "analyzer nsfw failed on 2 samples, on the first with RuntimeError: [Error] : 6 : broken kernel"
    ]
    assert complaints("the model failed on it") == []


def test_of_an_error_about_texts_no_more_than_its_kind_is_told() -> None:
    failures = Failures()
    failures.see("text_heads", TypeError("invoked with 'what it said'"), of_texts=True)
    assert failures.warnings() == ["analyzer text_heads failed on 1 sample, on the first with TypeError"]
