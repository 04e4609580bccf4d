"""Real scans, disturbed at random moments: nothing is lost, nothing is there twice, nothing is left behind.

``scripts/faults.py --kills 100`` is the same at length, and prints the table of docs/faults.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import faults

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are found through /proc"),
]

SEED = 20
EVERY = 3
"""A third of the files: a scan has its start, its commits and its end with them as well."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[faults.Bench]:
    yield faults.Bench(tmp_path_factory.mktemp("faults"), faults.choose_analyzers(), SEED, EVERY)


def check(fault: faults.Fault, runs: int) -> None:
    assert fault.notes == []
    assert fault.is_harmless
    assert fault.runs == runs


@pytest.mark.parametrize(
    ("kind", "runs"),
    [("coordinator", 4), ("decode worker", 2), ("inference host", 2), ("fork server", 2)],
)
def test_ten_kills_lose_nothing(bench: faults.Bench, kind: str, runs: int) -> None:
    if kind == "inference host" and "nsfw" not in bench.analyzers:
        pytest.skip("no model can run here")
    fault = faults.killed(bench, kind, runs)
    check(fault, runs)
    if kind != "coordinator":
        assert fault.went_on == runs, "a scan goes on without any one of its helpers"


@pytest.mark.parametrize("kind", ["coordinator", "decode worker", "inference host"])
def test_who_is_stopped_for_a_while_fails_no_file(bench: faults.Bench, kind: str) -> None:
    if kind == "inference host" and "nsfw" not in bench.analyzers:
        pytest.skip("no model can run here")
    check(faults.paused(bench, kind, 1), 1)


def test_a_scan_that_is_told_to_end_is_finished_by_the_next(bench: faults.Bench) -> None:
    check(faults.terminated(bench, 1), 1)


def test_two_scans_at_once_write_what_one_writes(bench: faults.Bench) -> None:
    check(faults.two_at_once(bench, 1), 1)


def test_files_that_change_meanwhile_are_right_after_the_next_scan(bench: faults.Bench) -> None:
    check(faults.changing_files(bench, 1), 1)


def test_the_comparison_notices_what_is_missing_and_what_is_too_much(bench: faults.Bench) -> None:
    other = {view: rows.copy() for view, rows in bench.expected.items()}
    gone = next(iter(other["hashes"]))
    del other["hashes"][gone]
    other["items"]["something else"] += 1
    assert faults.compared(bench.expected, other) == ({"hashes": 1}, {"items": 1})


def test_victims_are_told_apart(bench: faults.Bench, tmp_path: Path) -> None:
    process = bench.start(bench.new_store())
    seen: set[str] = set()
    while process.poll() is None:
        seen |= {kind for kind, pids in faults.victims(process.pid).items() if pids}
    expected = set(faults.VICTIMS)
    assert seen == (expected if "," in bench.analyzers else expected - {"inference host"})
