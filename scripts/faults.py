"""Kills, stops and races against real scans, and what they cost: the fault table of docs/faults.md.

    python scripts/faults.py --kills 100 --seed 20

Every run scans the same folder (pictures, clips, sound, text, damaged files) with hashes and, where its
weights are at hand, a real model, and is disturbed once at a random moment. Afterwards its tables, run ids
and times aside, are compared with those of an undisturbed scan. Processes, shared memory and temporary
files that are left behind are counted. Nothing is killed but what the script has started. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

import hivescan  # noqa: E402
from hivescan.analyzers import registry  # noqa: E402
from hivescan.store.check import check_store  # noqa: E402
from hivescan.store.schema import TABLES  # noqa: E402
from tests.scan.good_files import good_files  # noqa: E402
from tests.scan.mutations import mutated  # noqa: E402
from tests.scan.processes import descendants, left_in, orphans, own_temp  # noqa: E402
from tests.scan.scenes import make_clip  # noqa: E402

SCAN = """
import sys
from pathlib import Path
from hivescan.scan.config import ScanConfig
from hivescan.scan.run import run_scan
from hivescan.types import Limits, Sampling
folder, store, analyzers = sys.argv[1:]
summary = run_scan(ScanConfig(
    sources=(folder,), store=Path(store), analyzers=tuple(analyzers.split(",")), workers=2,
    sampling=Sampling(fps=4), limits=Limits(file_timeout_s=60), commit_seconds=0.5,
))
sys.exit(0 if summary.status == "done" else 130)
"""
"""Commits twice a second, so that kills meet commits."""

COMPARED = (
    *("items", "contents", "analyses", "scores", "hashes", "regions", "embeddings", "evidence", "texts"),
    "entities",
)
VICTIMS = ("coordinator", "decode worker", "inference host", "fork server")
_NOT_COMPARED = [
    "run_id",
    "observed_at",
    "created_at",
    "finished_at",
    "recorded_at",
    "started_at",
    "ended_at",
    "last_seen",
]
_LONGEST_RUN_S = 600
_SHARED_MEMORY = Path("/dev/shm")

Rows = dict[str, Counter[str]]


@dataclass
class Fault:
    """One row of the table."""

    kind: str
    runs: int = 0
    went_on: int = 0
    """Runs that ended by themselves, with exit code 0."""
    finished_later: int = 0
    """Runs that the next scan of the same folder finished."""
    lost: int = 0
    duplicates: int = 0
    left_behind: int = 0
    """Processes, files in TMPDIR and pieces of shared memory."""
    notes: list[str] = field(default_factory=list)

    @property
    def is_harmless(self) -> bool:
        return not (self.lost or self.duplicates or self.left_behind or self.notes)


class Bench:
    """A folder of media, ``every`` nth of all there are, and what an undisturbed scan makes of it."""

    def __init__(self, work: Path, analyzers: str, seed: int, every: int = 1) -> None:
        self.work = work
        self.analyzers = analyzers
        self.rng = random.Random(seed)
        self.media = work / "media"
        make_media(self.media, seed, every)
        self._number = 0
        started = time.monotonic()
        store = self.new_store()
        if code := self.finish(self.start(store)):
            raise SystemExit(f"the undisturbed scan ended with {code}")
        self.seconds = time.monotonic() - started
        self.expected = current(store)

    def new_store(self) -> Path:
        self._number += 1
        return self.work / f"store-{self._number}"

    def start(self, store: Path, media: Path | None = None) -> subprocess.Popen[bytes]:
        with (self.work / f"{store.name}.err").open("ab") as told:
            return subprocess.Popen(
                [sys.executable, "-c", SCAN, str(media or self.media), str(store), self.analyzers],
                env={**own_temp(self.work / f"temp-{store.name}"), "PYTHONPATH": str(REPOSITORY)},
                stdout=subprocess.DEVNULL,
                stderr=told,
                start_new_session=True,
            )

    def finish(self, process: subprocess.Popen[bytes]) -> int:
        try:
            return process.wait(_LONGEST_RUN_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return -1000

    def left_behind(self, process: subprocess.Popen[bytes], store: Path) -> list[str]:
        """What is still there after a scan has ended, however it did."""
        left = [f"process {pid}" for pid in orphans(process.pid)]
        left += [f"TMPDIR/{name}" for name in left_in(self.work / f"temp-{store.name}")]
        return left + [f"/dev/shm/{name}" for name in shared_memory()]

    def moment(self) -> float:
        """Seconds after the start at which to strike: from the first import to the last commit."""
        return self.rng.uniform(0.2, self.seconds)

    def judge(self, fault: Fault, store: Path, expected: Rows) -> None:
        """Compare a store with what it should hold."""
        lost, doubled = compared(expected, current(store))
        twice = rewritten(store)
        fault.lost += sum(lost.values())
        fault.duplicates += sum(doubled.values()) + sum(twice.values())
        if lost or doubled or twice:
            fault.notes.append(f"{store.name}: lost {lost}, too many {doubled}, twice {twice}")
        if harm := [str(p) for p in check_store(hivescan.open(store)) if not p.harmless]:
            fault.notes.append(f"{store.name}: {harm}")


def make_media(folder: Path, seed: int, every: int = 1) -> None:
    """Files of every type, whole and damaged, a copy, and clips of some seconds; ``every`` nth of them."""
    folder.mkdir(parents=True)
    good = good_files()
    for name in {*list(good)[::every], "plain.jpg"}:
        (folder / name).write_bytes(good[name])
    for name, data in list(mutated(good, 60, seed))[::every]:
        (folder / name).write_bytes(data)
    shutil.copy(folder / "plain.jpg", folder / "the same again.jpg")
    for number in range(0, 6, every):
        make_clip(folder / f"clip {number}.mp4", seconds=5 + number)


def current(store: Path) -> Rows:
    """What the views show, run ids and times aside, as a multiset of rows."""
    if not store.exists():  # killed before it was made
        return {view: Counter() for view in COMPARED}
    opened = hivescan.open(store)
    tables = {}
    for view in COMPARED:
        table = opened.sql(f'SELECT * FROM "{view}"')
        kept = [name for name in table.column_names if name not in _NOT_COMPARED]
        tables[view] = Counter(json.dumps(row, default=str) for row in table.select(kept).to_pylist())
    return tables


def compared(expected: Rows, got: Rows) -> tuple[dict[str, int], dict[str, int]]:
    """Rows that are missing, and rows that there are too many of, by view."""
    lost = {view: (rows - got[view]).total() for view, rows in expected.items()}
    doubled = {view: (got[view] - rows).total() for view, rows in expected.items()}
    return {v: n for v, n in lost.items() if n}, {v: n for v, n in doubled.items() if n}


def rewritten(store: Path) -> dict[str, int]:
    """Rows that a run wrote although an earlier one had committed the same."""
    opened = hivescan.open(store)
    found = {}
    for name in ("contents", "analyses", "scores", "hashes", "regions", "embeddings", "evidence", "texts"):
        kept = [c for c in TABLES[name].names if c not in _NOT_COMPARED]
        table = opened.table(name).select(kept).to_pylist()
        rows = Counter(json.dumps(row, default=str) for row in table)
        if extra := rows.total() - len(rows):
            found[name] = extra
    return found


def shared_memory() -> list[str]:
    """Named pieces that one of ours could have left."""
    if not _SHARED_MEMORY.is_dir():
        return []
    return sorted(
        p.name for p in _SHARED_MEMORY.iterdir() if p.name.startswith(("hivescan", "psm_", "torch_"))
    )


def victims(coordinator: int) -> dict[str, list[int]]:
    """The processes of a scan by what they do."""
    found: dict[str, list[int]] = {kind: [] for kind in VICTIMS}
    found["coordinator"] = [coordinator]
    for pid in descendants(coordinator):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"resource_tracker" in line:
            continue
        if b"spawn_main" in line:
            found["inference host"].append(pid)
        elif parent == coordinator and b"forkserver" in line:
            found["fork server"].append(pid)
        elif b"forkserver" in line:
            found["decode worker"].append(pid)
    return found


def strike(bench: Bench, process: subprocess.Popen[bytes], kind: str, blow: Callable[[int], None]) -> bool:
    """Hit one process of a kind at a random moment; False when the scan was over before."""
    moment = time.monotonic() + bench.moment()
    while time.monotonic() < moment:
        if process.poll() is not None:
            return False
        time.sleep(0.005)
    while process.poll() is None:
        if targets := victims(process.pid)[kind]:
            try:
                blow(bench.rng.choice(targets))
            except ProcessLookupError:
                continue
            return True
        time.sleep(0.005)
    return False


def killed(bench: Bench, kind: str, runs: int) -> Fault:
    """kill -9 of one process, once a run."""
    return _disturbed(bench, f"kill -9: {kind}", kind, lambda pid: os.kill(pid, signal.SIGKILL), runs)


def paused(bench: Bench, kind: str, runs: int) -> Fault:
    """SIGSTOP, and SIGCONT some seconds later: a laptop that sleeps, a user's Ctrl-Z."""

    def pause(pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(bench.rng.uniform(1, 5))
        os.kill(pid, signal.SIGCONT)

    return _disturbed(bench, f"stopped for seconds: {kind}", kind, pause, runs)


def terminated(bench: Bench, runs: int) -> Fault:
    """SIGTERM to the scan, as a service manager sends it."""
    return _disturbed(bench, "SIGTERM", "coordinator", lambda pid: os.killpg(pid, signal.SIGTERM), runs)


def _disturbed(bench: Bench, title: str, kind: str, blow: Callable[[int], None], runs: int) -> Fault:
    fault = Fault(title)
    misses = 0
    while fault.runs < runs and misses < 10 * runs:
        store = bench.new_store()
        process = bench.start(store)
        struck = strike(bench, process, kind, blow)
        code = bench.finish(process)
        left = bench.left_behind(process, store)
        if not struck:
            misses += 1
            continue
        fault.runs += 1
        if code == 0:
            fault.went_on += 1
        elif title.startswith("kill") and kind != "coordinator":
            fault.notes.append(f"{store.name}: the scan did not go on: {code}")
        if code != 0:
            again = bench.start(store)
            if later := bench.finish(again):
                fault.notes.append(f"{store.name}: the next scan ended with {later}")
            else:
                fault.finished_later += 1
            left += bench.left_behind(again, store)
        _note_left(fault, store, left)
        bench.judge(fault, store, bench.expected)
        _forget(bench, store, fault)
    return fault


def two_at_once(bench: Bench, runs: int) -> Fault:
    """Two scans of one folder into one store."""
    fault = Fault("two scans at once")
    for _ in range(runs):
        store = bench.new_store()
        first = bench.start(store)
        time.sleep(bench.rng.uniform(0, 2))
        second = bench.start(store)
        codes = [bench.finish(first), bench.finish(second)]
        fault.runs += 1
        fault.went_on += codes == [0, 0]
        if codes != [0, 0]:
            fault.notes.append(f"{store.name}: {codes}")
        _note_left(fault, store, bench.left_behind(second, store))
        bench.judge(fault, store, bench.expected)
        _forget(bench, store, fault)
    return fault


def changing_files(bench: Bench, runs: int) -> Fault:
    """Files that grow, shrink, change and vanish under the scan; the next one sees what they became."""
    fault = Fault("files change under the scan")
    for _ in range(runs):
        store, media = bench.new_store(), bench.work / "changing"
        shutil.copytree(bench.media, media)
        process = bench.start(store, media)
        _change_files(bench.rng, media, process)
        code = bench.finish(process)
        left = bench.left_behind(process, store)
        fault.runs += 1
        fault.went_on += code == 0
        again = bench.start(store, media)
        fault.finished_later += bench.finish(again) == 0
        left += bench.left_behind(again, store)
        fresh = bench.new_store()
        bench.finish(bench.start(fresh, media))
        expected, got = current(fresh), current(store)
        for rows in (expected, got):  # contents that were seen for a moment stay known, and do no harm
            for view in COMPARED[1:]:
                rows.pop(view)
        lost, doubled = compared(expected, got)
        fault.lost += sum(lost.values())
        fault.duplicates += sum(doubled.values())
        if lost or doubled or code:
            fault.notes.append(f"{store.name}: exit code {code}, lost {lost}, too many {doubled}")
        _note_left(fault, store, left)
        shutil.rmtree(media)
        for each in (fresh, store):
            _forget(bench, each, fault)
    return fault


def _change_files(rng: random.Random, media: Path, process: subprocess.Popen[bytes]) -> None:
    names = sorted(media.iterdir())
    while process.poll() is None:
        time.sleep(rng.uniform(0, 0.02))
        path = rng.choice(names)
        if not path.exists():
            continue
        way = rng.choice(("grow", "shrink", "vanish", "replace", "move"))
        data = path.read_bytes()
        if way == "grow":
            with path.open("ab") as file:
                file.write(data[:1000])
        elif way == "shrink":
            os.truncate(path, len(data) // 2)
        elif way == "vanish":
            path.unlink()
        elif way == "replace":
            path.with_name("new").write_bytes(data[: rng.randrange(1, len(data) + 1)] if data else b"")
            path.with_name("new").replace(path)
        else:
            path.replace(path.with_name(f"moved {path.name}"))


def _note_left(fault: Fault, store: Path, left: Sequence[str]) -> None:
    fault.left_behind += len(left)
    if left:
        fault.notes.append(f"{store.name}: left behind: {', '.join(left)}")


def _forget(bench: Bench, store: Path, fault: Fault) -> None:
    """Delete what a harmless run wrote; what went wrong is kept to be looked at."""
    if not any(note.startswith(f"{store.name}:") for note in fault.notes):
        shutil.rmtree(store, ignore_errors=True)


def table(bench: Bench, kills: int, other: int) -> Iterator[Fault]:
    """All faults; ``kills`` are shared out among the victims, every ``other`` fault has as many runs."""
    kinds = [k for k in VICTIMS if k != "inference host" or "nsfw" in bench.analyzers]
    for i, kind in enumerate(kinds):
        runs = kills // len(kinds) + (i < kills % len(kinds))
        if runs:
            yield killed(bench, kind, runs)
    if other:
        for kind in kinds[:-1]:
            yield paused(bench, kind, other)
        yield terminated(bench, other)
        yield two_at_once(bench, other)
        yield changing_files(bench, other)


def choose_analyzers() -> str:
    """Hashes, and a real model where it can run."""
    return "hashes,provenance,passages" + ("" if registry.missing("nsfw") else ",nsfw")


def machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, hivescan {hivescan.__version__}"


_COLUMNS = ("runs", "went on", "finished by the next scan", "lost rows", "duplicate rows", "left behind")


def as_markdown(fault: Fault) -> str:
    numbers = (
        fault.runs, fault.went_on, fault.finished_later, fault.lost, fault.duplicates, fault.left_behind
    )  # fmt: skip
    return f"| {fault.kind} | {' | '.join(map(str, numbers))} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100, help="kill -9, shared out among the processes")
    parser.add_argument("--other", type=int, default=5, help="runs of every other fault")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--analyzers", default=None, help="default: hashes, and nsfw where its models are")
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    arguments = parser.parse_args()
    analyzers = arguments.analyzers or choose_analyzers()
    with tempfile.TemporaryDirectory(prefix="hivescan-faults-") as folder:
        bench = Bench(Path(folder), analyzers, arguments.seed)
        rows = sum(rows.total() for rows in bench.expected.values())
        if not arguments.json:
            print(f"{machine()}; {analyzers}; seed {arguments.seed}; an undisturbed scan of")
            print(
                f"{bench.expected['items'].total()} files takes {bench.seconds:.1f} s and gives {rows} rows\n"
            )
            print(f"| fault | {' | '.join(_COLUMNS)} |\n|---|{'---:|' * len(_COLUMNS)}")
        faults: list[dict[str, Any]] = []
        harmless = True
        for fault in table(bench, arguments.kills, arguments.other):
            harmless &= fault.is_harmless
            faults.append(asdict(fault))
            if not arguments.json:
                print(as_markdown(fault), flush=True)
                for note in fault.notes:
                    print(f"  ! {note}", file=sys.stderr, flush=True)
        if arguments.json:
            report = {"machine": machine(), "analyzers": analyzers, "seed": arguments.seed}
            print(json.dumps({**report, "rows": rows, "faults": faults}, indent=1))
    return 0 if harmless else 1


if __name__ == "__main__":
    sys.exit(main())
