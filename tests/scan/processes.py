"""What a scan leaves behind: processes of its session, files in temporary folders."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """All processes below one, parents before children; empty where it has ended."""
    found: list[int] = []
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    for child in map(int, children):
        found += [child, *descendants(child)]
    return found


def is_open_below(pid: int, name: str) -> bool:
    """Whether a process below ``pid`` has a file open whose path contains ``name``."""
    for child in descendants(pid):
        try:
            links = [link.readlink() for link in Path(f"/proc/{child}/fd").iterdir()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(name in str(path) for path in links):
            return True
    return False


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def of_session(leader: int) -> list[int]:
    """Living processes of the session that ``leader`` began, orphans included."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            state, _, _, session = (folder / "stat").read_text().rsplit(")", 1)[1].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(session) == leader and state != "Z":
            found.append(int(folder.name))
    return found


def orphans(leader: int, patience: float = 10.0) -> list[int]:
    """Processes of the session that are still there after a while; a dead parent's children need a moment."""
    end = time.monotonic() + patience
    while (left := of_session(leader)) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def named(pids: list[int]) -> Iterator[str]:
    """Their command lines, for messages."""
    for pid in pids:
        try:
            yield (
                Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:120]
            )
        except (FileNotFoundError, ProcessLookupError):
            continue


def own_temp(folder: Path) -> Mapping[str, str]:
    """An environment whose temporary files go to a folder of their own, made here."""
    folder.mkdir(parents=True, exist_ok=True)
    return os.environ | {"TMPDIR": str(folder), "TMP": str(folder), "TEMP": str(folder)}


def left_in(folder: Path) -> list[str]:
    """What lies in a temporary folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
