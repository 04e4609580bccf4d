"""5,000 damaged copies of good files of every type: each ends with a row and a reason, the scan with 0."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import hivescan
from hivescan.analyzers import registry
from hivescan.store.check import check_store
from tests.scan.good_files import good_files
from tests.scan.mutations import MUTATIONS, mutated, write_mutated
from tests.scan.processes import left_in, named, orphans, own_temp
from tests.scan.reasons import complaints, documented

COUNT = 5_000
SEED = 20
MEGABYTE = 1 << 20

SCAN = """
import json, sys
from pathlib import Path
from hivescan.scan.config import ScanConfig
from hivescan.scan.run import run_scan
from hivescan.types import Limits, Sampling

memory = []

def tell(progress):
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    memory.append((progress.finished_files, resident))

folder, store, analyzers = sys.argv[1:]
summary = run_scan(
    ScanConfig(
        sources=(folder,),
        store=Path(store),
        analyzers=tuple(analyzers.split(",")),
        workers=2,
        sampling=Sampling(fps=5),
        limits=Limits(file_timeout_s=20, worker_memory=2 << 30, max_pixels=20_000_000, max_frames=2_000),
        commit_seconds=5,
    ),
    tell,
)
print(json.dumps({"summary": summary.as_json(), "memory": memory}))
"""


def scan(folder: Path, store: Path, temp: Path, analyzers: str) -> dict[str, list[tuple[int, int]]]:
    """One real scan in processes of its own; checks what it leaves behind."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCAN, str(folder), str(store), analyzers],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=own_temp(temp),
        start_new_session=True,
    )
    told, trouble = process.communicate(timeout=280)
    assert process.returncode == 0, trouble.decode()
    assert trouble == b""
    assert list(named(orphans(process.pid))) == []
    assert left_in(temp) == []
    result: dict[str, list[tuple[int, int]]] = json.loads(told)
    return result


def check_outcomes(store: Path, count: int) -> Counter[str]:
    """Every file has one row, and every row that is not whole a reason that a person understands."""
    opened = hivescan.open(store)
    rows = opened.sql("SELECT uri, status, reason FROM items").to_pylist()
    assert len(rows) == count
    misunderstood = {}
    for row in rows:
        if row["status"] in {"done", "not_analyzed"}:
            assert row["reason"] is None, row
        else:
            assert row["status"] in {"partial", "failed", "unopened"}, row
            if wrong := complaints(row["reason"]):
                misunderstood.setdefault(row["reason"], (Path(row["uri"]).name, wrong))
    assert misunderstood == {}
    assert [problem for problem in check_store(opened) if not problem.harmless] == []
    return Counter(row["status"] for row in rows)


@pytest.mark.slow
def test_every_damaged_file_ends_with_a_reason_and_the_scan_with_zero(tmp_path: Path) -> None:
    write_mutated(tmp_path / "bad", good_files(), COUNT, SEED)
    result = scan(tmp_path / "bad", tmp_path / "store", tmp_path / "temp", "hashes")
    counts = check_outcomes(tmp_path / "store", COUNT)
    assert min(counts[status] for status in ("done", "partial", "failed", "unopened")) > 200, counts
    memory = result["memory"]
    half = max(resident for files, resident in memory if files <= COUNT // 2)
    most = max(resident for _, resident in memory)
    assert most - half < 64 * MEGABYTE, (half, most)


@pytest.mark.slow
def test_damaged_files_go_through_a_real_model(tmp_path: Path) -> None:
    if why := registry.missing("nsfw"):
        pytest.skip(why)
    good = good_files()
    count = 2 * len(good)  # each of them twice, damaged in two ways
    write_mutated(tmp_path / "bad", good, count, SEED + 1)
    scan(tmp_path / "bad", tmp_path / "store", tmp_path / "temp", "hashes,nsfw")
    check_outcomes(tmp_path / "store", count)
    unlike = hivescan.open(tmp_path / "store").sql(
        "SELECT content_id FROM analyses WHERE chain IN ('hashes', 'nsfw')"
        " GROUP BY content_id HAVING count(DISTINCT (status, reason, samples)) > 1"
    )
    assert unlike.num_rows == 0, "both analyzers saw the same pictures"


def test_the_same_seed_makes_the_same_copies() -> None:
    good = {"a": bytes(range(256)) * 3, "b": b"text " * 50}
    made = list(mutated(good, 50, 7))
    assert made == list(mutated(good, 50, 7))
    assert made != list(mutated(good, 50, 8))
    assert {name.split()[1] for name, _ in made} == set(MUTATIONS)


@pytest.mark.parametrize(
    "reason",
    [
        "damaged: ValueError: invalid literal",
        "no video or sound can be read: error number -1094995529",
        "damaged: <PIL.Image object at 0x7f30c0ffee00>",
        "cannot be read: /proc/self/fd/7",
        "truncated: the end is missing\n",
        "something else altogether",
        "damaged: " + "x" * 300,
        "",
    ],
)
def test_the_rule_notices_reasons_that_help_nobody(reason: str) -> None:
    assert complaints(reason)


def test_the_rule_takes_documented_reasons() -> None:
    assert len(documented()) > 30
    for reason in (
        "damaged: 3 frames could not be decoded; the rest of the 0.7 seconds was scanned",
        "163840 frames at 5 a second, over the limit of 100000",
        "page 3: truncated: the end of the picture is missing",
        "archive: its contents were not looked at",
    ):
        assert complaints(reason) == []
