"""Whatever is killed when: nothing committed is lost, nothing appears twice, the next run goes on."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import hivescan
from hivescan.store.check import Problem, check_store
from tests.scan.processes import alive, descendants, is_open_below, left_in, orphans, own_temp
from tests.scan.scenes import comparable, make_clip, make_mixed, rows, scan

SCAN = """
import sys, hivescan
hivescan.classify([sys.argv[1]], store=sys.argv[2], analyzers=("hashes",), workers=2, commit_seconds=0.05)
"""


@pytest.fixture
def folder(tmp_path: Path, photos: Path) -> Path:
    folder = make_mixed(tmp_path / "media", photos)
    for i in range(8):
        make_clip(folder / f"clip {i}.mp4", seconds=4 + i)
    return folder


def make_long_clips(folder: Path, count: int) -> None:
    """Clips of a minute that differ in a box at their end that no decoder looks at."""
    make_clip(folder / "long 0.mp4", seconds=60, fps=25)
    data = (folder / "long 0.mp4").read_bytes()
    for number in range(1, count):
        (folder / f"long {number}.mp4").write_bytes(data + struct.pack(">I4sI", 12, b"free", number))


def wait_for_long_clip(process: subprocess.Popen[Any]) -> None:
    """Until a worker is in the middle of its work: it has the file, and a second to get to its pictures."""
    while not is_open_below(process.pid, "/long ") and process.poll() is None:
        time.sleep(0.05)
    time.sleep(1)


def start(folder: Path, store: Path) -> subprocess.Popen[bytes]:
    """A scan with a temporary folder of its own, beside the store."""
    return subprocess.Popen(
        [sys.executable, "-c", SCAN, str(folder), str(store)],
        env=own_temp(store.with_name(f"{store.name}-temp")),
        start_new_session=True,
    )


def harm(store: Path) -> list[Problem]:
    """What is wrong with a store, but for files that a kill left over and that a later run deletes."""
    return [problem for problem in check_store(hivescan.open(store)) if not problem.harmless]


def current(store: Path) -> dict[str, list[tuple[object, ...]]]:
    """What the views show, run ids and times aside."""
    opened = hivescan.open(store)
    columns = {
        "items": "uri, content_id, size, mtime_ns, status, reason, media_type, duration_ms",
        "analyses": "content_id, chain, fingerprint, status, reason, samples",
        "hashes": "content_id, chain, index, start_ms, end_ms, algorithm, hash, quality",
        "contents": "content_id, md5, sha1, media_type, mime, width, height, decoder",
    }
    return {
        view: sorted(
            (tuple(r.values()) for r in opened.sql(f"SELECT {names} FROM {view}").to_pylist()), key=repr
        )
        for view, names in columns.items()
    }


def test_nothing_outlives_a_killed_coordinator(folder: Path, tmp_path: Path) -> None:
    process = start(folder, tmp_path / "store")
    children: list[int] = []
    while len(children) < 4 and process.poll() is None:
        children = descendants(process.pid)
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert orphans(process.pid, patience=20) == []
    assert not [child for child in children if alive(child)]
    assert left_in(tmp_path / "store-temp") == []


def test_two_scans_at_once_write_nothing_twice(folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    both = [start(folder, store), start(folder, store)]
    assert [process.wait() for process in both] == [0, 0]
    scan(tmp_path / "alone", folder)
    assert current(store) == current(tmp_path / "alone")
    doubled = rows(
        store,
        """
        SELECT content_id FROM raw.analyses WHERE status = 'done'
        GROUP BY content_id, chain, fingerprint HAVING count(*) > 1
        """,
    )
    assert doubled == []
    assert harm(store) == []


def test_ctrl_c_keeps_what_was_finished_and_says_how_to_go_on(folder: Path, tmp_path: Path) -> None:
    make_long_clips(folder, 24)
    store = tmp_path / "store"
    command = [sys.executable, "-m", "hivescan", "classify", str(folder), "--store", str(store)]
    process = subprocess.Popen(
        [*command, "--analyzers", "hashes", "--workers", "1"], stderr=subprocess.PIPE, start_new_session=True
    )
    wait_for_long_clip(process)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.fail("the scan was over before it could be interrupted: make it longer")
    assert process.returncode == 130
    assert b"run the same command to go on" in told
    assert b"left for the next run" in told
    assert b"Traceback" not in told
    scan(store, folder)
    scan(tmp_path / "alone", folder)
    assert current(store) == current(tmp_path / "alone")


def test_a_second_ctrl_c_ends_at_once_with_one_line(folder: Path, tmp_path: Path) -> None:
    make_long_clips(folder, 24)
    command = [sys.executable, "-m", "hivescan", "classify", str(folder), "--store", str(tmp_path / "store")]
    process = subprocess.Popen(
        [*command, "--analyzers", "hashes", "--workers", "1", "--fps", "20"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for_long_clip(process)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.7)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.fail("the scan was over before it could be interrupted: make it longer")
    assert process.returncode == 130
    assert [line for line in told.splitlines() if "interrupted" in line] == [told.splitlines()[-1]]
    assert "Traceback" not in told
    assert orphans(process.pid) == []
    assert harm(tmp_path / "store") == []


def test_a_signal_to_all_processes_fails_no_file(folder: Path, tmp_path: Path) -> None:
    """``timeout`` sends SIGTERM to the process and to its whole group, systemd to the whole service."""
    make_long_clips(folder, 24)
    for name in ("cut.jpg", "bad header.jpg"):
        (folder / name).unlink()
    store = tmp_path / "store"
    command = [sys.executable, "-m", "hivescan", "classify", str(folder), "--store", str(store)]
    process = subprocess.Popen(
        [*command, "--analyzers", "hashes", "--workers", "2"], stderr=subprocess.PIPE, start_new_session=True
    )
    wait_for_long_clip(process)
    os.kill(process.pid, signal.SIGTERM)
    os.killpg(process.pid, signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.fail("the scan was over before it could be interrupted: make it longer")
    assert process.returncode == 130, told
    assert rows(store, "SELECT * FROM items WHERE status IN ('failed', 'partial')") == []


def test_comparable_tables_notice_a_difference(folder: Path, tmp_path: Path) -> None:
    scan(tmp_path / "a", folder)
    scan(tmp_path / "b", folder / "sub")
    assert comparable(tmp_path / "a") != comparable(tmp_path / "b")
