"""What a scan says of its time and memory."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from hivescan.cli.main import app
from hivescan.scan.costs import Bill, Costs, Spent, Stopwatch


def test_each_moment_counts_for_exactly_one_stage() -> None:
    started = time.perf_counter()
    watch = Stopwatch("first")
    time.sleep(0.02)
    watch.now("second")
    time.sleep(0.01)
    watch.now("first")
    bill = watch.bill()
    passed = time.perf_counter() - started
    assert set(bill.spent) == {"first", "second"}
    assert bill.spent["first"].wall >= 0.02
    assert bill.spent["second"].wall >= 0.01
    assert sum(spent.wall for spent in bill.spent.values()) <= passed
    assert bill.peak_bytes > 1_000_000
    assert watch.bill().spent["first"].wall < passed, "a bill starts anew"


def test_bills_of_a_part_are_added_up_and_the_largest_process_counts() -> None:
    costs = Costs()
    costs.add("decode", Bill({"reading": Spent(1.0, 0.5)}, 300))
    costs.add("decode", Bill({"reading": Spent(2.0, 1.5), "views": Spent(1.0, 1.0)}, 200))
    assert costs.stages == {"decode": {"reading": Spent(3.0, 2.0), "views": Spent(1.0, 1.0)}}
    assert costs.peak_bytes == {"decode": 300}
    assert costs.cpu_seconds == 3.0


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(4):
        Image.new("RGB", (64, 48), (i * 60, 90, 30)).save(folder / f"{i}.png")
    return folder


def test_explain_names_every_stage_that_took_part(pictures: Path, tmp_path: Path) -> None:
    command = ["classify", str(pictures), "--store", str(tmp_path / "store"), "--analyzers", "hashes"]
    told = CliRunner().invoke(app, [*command, "--explain"])
    assert told.exit_code == 0, told.output
    for word in ("starting", "committing", "reading", "decoding", "hashes", "peak memory", "of the machine"):
        assert word in told.stdout


def test_json_tells_the_same_without_being_asked(pictures: Path, tmp_path: Path) -> None:
    command = [
        "classify",
        str(pictures),
        "--store",
        str(tmp_path / "store"),
        "--analyzers",
        "hashes",
        "--json",
    ]
    told = json.loads(CliRunner().invoke(app, command).stdout)
    decode = told["costs"]["decode"]
    assert {"reading", "identifying", "decoding", "hashes", "waiting"} <= set(decode["stages"])
    assert decode["stages"]["hashes"]["cpu_s"] >= 0
    assert decode["peak_bytes"] > 1_000_000
    assert "models" not in told["costs"], "none was loaded"
    assert told["cores"] >= 1
