"""The server of decode workers starts early where it will be needed, and goes with its scan."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hivescan.store.store import open_store
from tests.scan.processes import orphans

_CODE = """
import sys
from pathlib import Path
from hivescan.scan.config import ScanConfig
from hivescan.scan.server import start_ahead
start_ahead(ScanConfig(sources=("x",), store=sys.argv[1], profile=sys.argv[2]))
children = Path("/proc/self/task").glob("*/children")
pids = [pid for each in children for pid in each.read_text().split()]
print(sum(b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes through /proc")
@pytest.mark.parametrize("store", ["new", "there", "memory://elsewhere"])
def test_only_a_scan_into_a_new_store_starts_it(tmp_path: Path, store: str) -> None:
    open_store(tmp_path / "there", create=True)
    place = store if "://" in store else str(tmp_path / store)
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE, place, "fast"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=tmp_path,
    )
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.strip() == ("1" if store == "new" else "0")
    assert not orphans(process.pid)


def test_what_is_wrong_with_a_scan_is_told_by_the_scan(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CODE, str(tmp_path / "new"), "nonsense"], capture_output=True, check=False
    )
    assert done.returncode == 0
