"""Real processes on a real disk: two writers at once, kill -9 at any moment, a disk that is full."""

from __future__ import annotations

import multiprocessing
import random
import resource
import signal
import subprocess
import sys
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from hivescan.errors import StoreError
from hivescan.store.check import check_store
from hivescan.store.lookup import Lookup
from hivescan.store.merge import merge_small_parts
from hivescan.store.store import Store, open_store
from hivescan.store.writer import StoreWriter
from tests.store import rows

CONTENTS = [f"content-{i}" for i in range(24)]


def add(writer: StoreWriter, content: str) -> None:
    run = writer.run_id
    writer.add("files", rows.file(f"/media/{content}", content, run=run))
    writer.add("contents", rows.content(content, run=run))
    writer.add("analyses", rows.attempt(content, run=run))
    writer.add("scores", rows.scores(content, 0.25, 0.75, run=run))


def write_all(path: Path, run: str, order: list[str], begin: Barrier) -> None:
    store = open_store(path)
    writer = StoreWriter(store, run)
    begin.wait()
    for i, content in enumerate(order):
        add(writer, content)
        if i % 3 == 2:
            writer.commit()
        if i % 12 == 11:
            merge_small_parts(store, run)
    writer.commit()


def assert_everything_is_there_once(store: Store) -> None:
    expected = sorted(map(rows.content_id, CONTENTS))
    for table in ("files", "contents", "analyses"):
        assert sorted(store.table(table).column("content_id").to_pylist()) == expected, table
    assert store.table("scores").num_rows == 2 * len(CONTENTS)
    assert [p for p in check_store(store) if not p.harmless] == []


def test_two_processes_that_write_the_same_contents_leave_each_once(tmp_path: Path) -> None:
    path = tmp_path / "store"
    open_store(path, create=True)
    context = multiprocessing.get_context("spawn")
    begin = context.Barrier(2)
    orders = [CONTENTS, CONTENTS[8:] + CONTENTS[:8]]
    processes = [
        context.Process(target=write_all, args=(path, f"run-{i}", order, begin))
        for i, order in enumerate(orders)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    assert_everything_is_there_once(open_store(path))


WORKER = """
import sys
from pathlib import Path
from tests.store.test_processes import work_off
work_off(Path(sys.argv[1]), sys.argv[2])
"""


def work_off(path: Path, run: str) -> None:
    """What a run does: the plan minus the ledger, a few contents a commit, a line for each commit."""
    store = open_store(path, create=True)
    writer = StoreWriter(store, run)
    with Lookup(store) as lookup:
        done = {content for content, _ in lookup.ledger([rows.content_id(c) for c in CONTENTS])}
    tell("ready")
    for content in CONTENTS:
        if rows.content_id(content) in done:
            continue
        add(writer, content)
        writer.commit()
        tell(content)
    merge_small_parts(store, run)
    tell("end")


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing_that_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "store"
    chance = random.Random(7)
    told: set[str] = set()
    for attempt in range(20):
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(path), f"run-{attempt}"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None
        lines = [process.stdout.readline().strip()]
        if attempt < 6:
            time.sleep(chance.uniform(0, 0.12))
            process.send_signal(signal.SIGKILL)
        lines += process.stdout.read().split()
        process.stdout.close()
        process.wait()
        told |= set(lines) & set(CONTENTS)
        store = open_store(path)
        assert {rows.content_id(c) for c in told} <= set(
            store.table("analyses").column("content_id").to_pylist()
        )
        assert [p for p in check_store(store) if not p.harmless] == []
        if "end" in lines:
            break
    assert_everything_is_there_once(open_store(path))


def test_a_full_disk_is_one_line_and_the_next_commit_works(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store", create=True)
    writer = StoreWriter(store, "r1")
    add(writer, CONTENTS[0])
    writer.commit()
    for content in CONTENTS[1:]:
        add(writer, content)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(StoreError, match=r"File too large; what was committed before is safe"):
            writer.commit()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert store.table("analyses").num_rows == 1
    assert check_store(store) == []
    writer.commit()
    assert_everything_is_there_once(store)
