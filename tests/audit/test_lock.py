"""One audit of a store at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hivescan.audit.lock import LOCK_FILE, audit_lock
from hivescan.errors import ExitCode, LockedError, StoreError
from hivescan.store.store import open_store

HOLDER = """
import sys
from pathlib import Path
from hivescan.audit.lock import audit_lock
from hivescan.store.store import open_store
with audit_lock(open_store(sys.argv[1]), Path("nightly.toml")):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(store: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_second_audit_is_told_who_holds_the_lock_and_since_when(tmp_path: Path) -> None:
    store = open_store(tmp_path, create=True)
    holder = hold(tmp_path)
    try:
        with pytest.raises(LockedError) as refused, audit_lock(store, Path("mine.toml")):
            pytest.fail("two processes held the lock")
    finally:
        end(holder)
    message = str(refused.value)
    assert f"process {holder.pid} on " in message
    assert "nightly.toml" in message
    assert f"store {tmp_path}" in message
    assert "since 20" in message
    assert refused.value.exit_code is ExitCode.USAGE


def test_an_audit_that_was_killed_leaves_no_lock_behind(tmp_path: Path) -> None:
    open_store(tmp_path, create=True)
    end(hold(tmp_path))
    with audit_lock(open_store(tmp_path, create=True), Path("mine.toml")):
        assert str(os.getpid()) in (tmp_path / LOCK_FILE).read_text()


def test_the_lock_can_be_taken_again_and_is_the_owners_alone(tmp_path: Path) -> None:
    for _ in range(2):
        with audit_lock(open_store(tmp_path, create=True), Path("mine.toml")):
            assert (tmp_path / LOCK_FILE).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / LOCK_FILE).read_bytes() == b""


def test_an_error_inside_gives_the_lock_back(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), audit_lock(open_store(tmp_path, create=True), Path("mine.toml")):
        raise RuntimeError
    with audit_lock(open_store(tmp_path, create=True), Path("mine.toml")):
        pass


def test_processes_that_an_audit_starts_do_not_keep_its_lock(tmp_path: Path) -> None:
    with audit_lock(open_store(tmp_path, create=True), Path("mine.toml")):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    try:
        with audit_lock(open_store(tmp_path, create=True), Path("mine.toml")):
            pass
    finally:
        child.kill()
        child.communicate()


def test_a_link_in_the_locks_place_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious.txt"
    target.write_text("precious")
    store = open_store(tmp_path / "store", create=True)
    (store.path / LOCK_FILE).symlink_to(target)
    with pytest.raises(StoreError, match="the lock cannot be opened"), audit_lock(store, Path("m.toml")):
        pass
    assert target.read_text() == "precious"
