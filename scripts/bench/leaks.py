"""Memory, handles, threads and rate of one long scan: does anything grow with the number of files?

    python scripts/bench/leaks.py --files 20000 --plot docs/leaks.svg

The files are distinct and made on the spot (see scale.py), one in fifty is damaged. Every second the
processes of the scan are looked at through /proc: PSS (a page shared by n processes counts 1/n in each), open
handles, threads. What the third quarter and the last quarter of the files show is compared: a leak grows
between them. Workers that were replaced meanwhile would hide one, so they are counted. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from scale import make, memory_mb, roles

SCAN = """
import sys
from pathlib import Path
from hivescan.scan.config import ScanConfig
from hivescan.scan.run import run_scan
folder, store, analyzers, counted = sys.argv[1:]
file = open(counted, "r+")
def tell(progress):
    file.seek(0)
    file.write(f"{progress.finished_files:10}")
    file.flush()
config = ScanConfig(
    sources=(folder,), store=Path(store), analyzers=tuple(analyzers.split(",")), commit_seconds=20
)
summary = run_scan(config, tell)
assert summary.status == "done" and summary.unfinished == 0, summary
"""
ROLES = ("coordinator", "forkserver", "workers", "host")
COLOURS = dict(zip(ROLES, ("#1f5fa8", "#8a8a8a", "#c8641e", "#3d8b47"), strict=True))
MEASURES = {"pss": "memory (PSS), MB", "handles": "open handles", "threads": "threads"}
EVERY_S = 1.0
ROOM = 0.05
"""Growth of memory from the third to the last quarter that is no leak: caches and heaps breathe."""


@dataclass(frozen=True)
class Look:
    """One moment: ``values[measure][role]`` are sums over the processes of a role."""

    seconds: float
    files: int
    values: dict[str, dict[str, float]]
    pids: frozenset[int]


def look(root: int, started: float, counted: Path) -> Look:
    values: dict[str, dict[str, float]] = {measure: defaultdict(float) for measure in MEASURES}
    found = roles(root)
    for pid, role in found.items():
        values["pss"][role] += memory_mb(pid).get("pss", 0.0)
        try:
            values["handles"][role] += len(os.listdir(f"/proc/{pid}/fd"))
            values["threads"][role] += len(os.listdir(f"/proc/{pid}/task"))
        except OSError:
            continue
    files = int(counted.read_text() or 0)
    return Look(time.monotonic() - started, files, values, frozenset(found))


def damage(folder: Path) -> int:
    """Cut one in fifty files short."""
    damaged = 0
    for number, path in enumerate(sorted(p for p in folder.rglob("*") if p.is_file())):
        if number % 50 == 0:
            os.truncate(path, path.stat().st_size * 2 // 3)
            damaged += 1
    return damaged


def watch(folder: Path, work: Path, analyzers: str) -> list[Look]:
    """One scan from its first to its last file."""
    counted = work / "counted"
    counted.write_text("0")
    looks = []
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", SCAN, str(folder), str(work / "store"), analyzers, str(counted)],
        env=os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system"},  # as the command has it
    )
    while process.poll() is None:
        looks.append(look(process.pid, started, counted))
        time.sleep(EVERY_S)
    if process.returncode:
        raise SystemExit(f"the scan ended with {process.returncode}")
    return [each for each in looks if each.files]


def quarter(looks: Sequence[Look], number: int) -> list[Look]:
    """The looks of one quarter of the files, the first is 1."""
    most = looks[-1].files
    return [each for each in looks if most * (number - 1) / 4 <= each.files <= most * number / 4]


def rate(looks: Sequence[Look]) -> float:
    """Files a second."""
    return (looks[-1].files - looks[0].files) / max(1e-9, looks[-1].seconds - looks[0].seconds)


def median(looks: Sequence[Look], measure: str, role: str) -> float:
    return statistics.median(each.values[measure].get(role, 0.0) for each in looks)


def table(looks: Sequence[Look]) -> list[str]:
    """The table of the docs: medians over the quarters of the files."""
    quarters = [quarter(looks, number) for number in (2, 3, 4)]
    lines = ["| | 2nd quarter | 3rd quarter | last quarter |", "|---|---:|---:|---:|"]
    for measure, title in MEASURES.items():
        for role in ROLES:
            if any(each.values[measure].get(role) for each in looks):
                numbers = (f"{median(part, measure, role):,.0f}" for part in quarters)
                lines.append(f"| {title}: {role} | {' | '.join(numbers)} |")
    lines.append(f"| files a second | {' | '.join(f'{rate(part):.0f}' for part in quarters)} |")
    return lines


def leaks(looks: Sequence[Look]) -> list[str]:
    """What grew from the third to the last quarter by more than it may."""
    third, last = quarter(looks, 3), quarter(looks, 4)
    grown = []
    for measure, title in MEASURES.items():
        for role in ROLES:
            before, after = (median(part, measure, role) for part in (third, last))
            allowed = max(ROOM * before, 8.0) if measure == "pss" else 2.0
            if after - before > allowed:
                grown.append(f"{title}: {role} from {before:,.0f} to {after:,.0f}")
    return grown


# --- the picture ----------------------------------------------------------------------------------

WIDTH, HEIGHT, GAP, LEFT = 380, 150, 62, 56


def panel(x: int, y: int, title: str, lines: dict[str, list[tuple[float, float]]]) -> str:
    """One diagram over the number of files."""
    most_x = max((p[0] for points in lines.values() for p in points), default=1) or 1
    most_y = 1.1 * max((p[1] for points in lines.values() for p in points), default=1) or 1
    parts = [
        f'<text x="{x}" y="{y - 10}" font-weight="bold">{escape(title)}</text>',
        f'<path d="M{x} {y}V{y + HEIGHT}H{x + WIDTH}" fill="none" stroke="#999"/>',
        f'<text x="{x + WIDTH}" y="{y + HEIGHT + 16}" text-anchor="end">{most_x:,.0f} files</text>',
    ]
    for share in (0.0, 0.5, 1.0):
        at = y + HEIGHT - share * HEIGHT
        parts.append(f'<text x="{x - 6}" y="{at + 4}" text-anchor="end">{share * most_y:,.0f}</text>')
    for name, points in lines.items():
        drawn = " ".join(
            f"{x + px / most_x * WIDTH:.1f},{y + HEIGHT - py / most_y * HEIGHT:.1f}" for px, py in points
        )
        colour = COLOURS.get(name, "#333")
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    return "\n".join(parts)


def plot(looks: Sequence[Look], title: str) -> str:
    """The diagrams as SVG."""
    step = max(1, len(looks) // 300)
    shown = looks[::step]
    present = [role for role in ROLES if any(each.values["pss"].get(role) for each in looks)]
    panels = {
        name: {role: [(float(e.files), e.values[measure].get(role, 0.0)) for e in shown] for role in present}
        for measure, name in MEASURES.items()
    }
    wide = max(10, len(looks) // 60)
    pairs = list(zip(looks, looks[wide:], strict=False))[:: max(1, step)]
    panels["files a second"] = {"rate": [(float(b.files), rate((a, b))) for a, b in pairs]}
    body = []
    for number, (name, lines) in enumerate(panels.items()):
        x = LEFT + (number % 2) * (WIDTH + LEFT + 24)
        body.append(panel(x, 76 + (number // 2) * (HEIGHT + GAP), name, lines))
    for number, role in enumerate(present):
        x = LEFT + number * 120
        body.append(f'<rect x="{x}" y="32" width="12" height="12" fill="{COLOURS[role]}"/>')
        body.append(f'<text x="{x + 17}" y="42">{role}</text>')
    width, height = 2 * (WIDTH + LEFT) + 48, 76 + 2 * (HEIGHT + GAP)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="11">\n<rect width="{width}" height="{height}" fill="#fff"/>\n'
        f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>\n' + "\n".join(body) + "\n</svg>\n"
    )


def main() -> int:
    import hivescan
    from hivescan.analyzers import registry

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--analyzers", default=None, help="default: hashes, and nsfw where its models are")
    parser.add_argument("--plot", type=Path, default=None, help="write the diagrams to this SVG file")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    analyzers = arguments.analyzers or ("hashes" if registry.missing("nsfw") else "hashes,nsfw")
    with tempfile.TemporaryDirectory(prefix="hivescan-leaks-") as folder:
        work = Path(folder)
        distinct = make(work / "files", arguments.files)
        damaged = damage(work / "files")
        looks = watch(work / "files", work, analyzers)
    grown = leaks(looks)
    replaced = len(frozenset().union(*(each.pids for each in looks))) - max(len(each.pids) for each in looks)
    facts = {
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "hivescan": hivescan.__version__,
        "analyzers": analyzers,
        "files": arguments.files,
        "distinct_sha256": distinct,
        "damaged": damaged,
        "seconds": round(looks[-1].seconds),
        "processes_replaced": replaced,
        "grown": grown,
    }
    if arguments.plot is not None:
        title = f"One scan of {arguments.files:,} files ({analyzers}), {looks[-1].seconds:,.0f} seconds"
        arguments.plot.write_text(plot(looks, title), encoding="utf-8")
    if arguments.json:
        print(json.dumps(facts | {"table": table(looks)}, indent=1))
    else:
        for name, value in facts.items():
            print(f"{name}: {value}")
        print("\n" + "\n".join(table(looks)))
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
