"""What the compiled form of a list was made of, and of which files it consists: ``stamp.json``."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from hivescan.matching.entry_rows import Block
from hivescan.matching.info import KnownInfo

NAME: Final = "stamp.json"
_FORMAT: Final = 1


@dataclass(frozen=True)
class FileState:
    """What tells a changed file from one that was not touched, without reading it."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def state_of(handle: BinaryIO) -> FileState:
    """The state of an open file."""
    stat = os.fstat(handle.fileno())
    return FileState(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


@dataclass(frozen=True)
class SegmentStamp:
    """A segment: the name of its file, and the rows of the list that it is of, the last not with them."""

    name: str
    first: int
    end: int
    count: int


@dataclass(frozen=True)
class AlgorithmStamp:
    """The hashes of one algorithm: how many rows, the largest distance that one of them asks for (-1: none
    does), and their segments.
    """

    rows: int
    largest: int
    segments: tuple[SegmentStamp, ...]


@dataclass(frozen=True)
class Stamp:
    """``rows`` and ``marks`` are names of files in the same folder."""

    state: FileState
    info: KnownInfo
    rows: str
    blocks: tuple[Block, ...]
    seal: Mapping[str, Any]
    marks: str
    algorithms: Mapping[str, AlgorithmStamp]

    @property
    def files(self) -> frozenset[str]:
        """All files that the compiled form consists of."""
        segments = (segment.name for each in self.algorithms.values() for segment in each.segments)
        return frozenset({NAME, self.rows, self.marks, *segments})


def read_stamp(folder: Path, path: Path) -> Stamp | None:
    """The stamp in ``folder`` of the list in ``path``; None where there is none that can be used."""
    try:
        found = json.loads((folder / NAME).read_text(encoding="utf-8"))
        if found.pop("format") != _FORMAT:
            return None
        info = found["info"]
        for name in ("hash_sets", "match_types"):
            info[name] = tuple(info[name])
        return Stamp(
            state=FileState(**found["state"]),
            info=KnownInfo(**info, path=path),
            rows=str(found["rows"]),
            blocks=tuple((int(a), int(b), int(c)) for a, b, c in found["blocks"]),
            seal=dict(found["seal"]),
            marks=str(found["marks"]),
            algorithms={
                name: AlgorithmStamp(
                    int(each["rows"]),
                    int(each["largest"]),
                    tuple(SegmentStamp(**segment) for segment in each["segments"]),
                )
                for name, each in found["algorithms"].items()
            },
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_stamp(folder: Path, stamp: Stamp) -> None:
    """Put the stamp in its place, whole. Raises :class:`OSError`."""
    found = asdict(replace(stamp, info=replace(stamp.info, path=Path())))
    del found["info"]["path"]
    made = folder / f".{NAME}-{secrets.token_hex(4)}"
    try:
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            json.dump({"format": _FORMAT, **found}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        made.replace(folder / NAME)
    finally:
        made.unlink(missing_ok=True)
