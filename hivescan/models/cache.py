"""The user's cache of weights: where files lie, whether they are intact, who may write.

::

    <cache>/<card>/<first 16 digits of the sha256>/<file>       fetched, read-only by habit
    <cache>/<card>/<first 16 digits of the sha256>/.<file>.stamp   its size and time when last hashed
    <cache>/<card>/<conversion>-<revision>-<key>/<file>          made here from fetched files
    <cache>/<card>/.partial/                                     downloads on their way
    <cache>/<card>/.lock                                         held while something is fetched

Folders have mode 0700. A file gets its final name only after its hash was right.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hivescan.errors import CatalogueError
from hivescan.models.schema import Card, DerivedFile, LocalSource, WeightFile

CHUNK = 1 << 20


def cache_folder() -> Path:
    """``HIVESCAN_WEIGHTS``, else ``hivescan/weights`` in the platform's folder for caches."""
    named = os.environ.get("HIVESCAN_WEIGHTS")
    if named:
        return Path(named).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "hivescan" / "weights"
    cache = os.environ.get("XDG_CACHE_HOME")
    # The XDG specification has relative paths ignored.
    base = Path(cache) if cache and Path(cache).is_absolute() else Path.home() / ".cache"
    return base / "hivescan" / "weights"


def file_path(card: Card, file: WeightFile) -> Path:
    """Where a fetched file lies, or will lie. A local source's file stays where it is."""
    if isinstance(file.source, LocalSource):
        return file.source.path
    return cache_folder() / card.name / file.sha256[:16] / file.name


def derived_path(card: Card, derived: DerivedFile) -> Path:
    """Where a converted file lies, or will lie: another path for other inputs or another revision."""
    inputs = {f.name: f.sha256 for f in card.files}
    key = hashlib.sha256("".join(inputs[name] for name in derived.inputs).encode()).hexdigest()[:16]
    folder = f"{derived.conversion}-{derived.revision}-{key}"
    return cache_folder() / card.name / folder / derived.name


def private_folder(path: Path) -> Path:
    """Make a folder and its missing parents, mode 0700."""
    try:
        for folder in (*reversed(path.parents), path):
            if not folder.is_dir():
                folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise CatalogueError(
            f"{path}: cannot be made: {error.strerror}; HIVESCAN_WEIGHTS names another folder for weights"
        ) from None
    return path


def sha256_of(path: Path) -> str:
    """Lower-case hex digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class Stamp:
    """What was found when a file was last hashed; a file of another size or time is hashed again."""

    sha256: str
    size: int
    mtime_ns: int


def _stamp_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.stamp")


def write_stamp(stamp_for: Path, file: Path, sha256: str) -> None:
    """Remember that ``file`` has that sha256. The stamp lies beside ``stamp_for``, a place in the cache.

    A cache that cannot be written (a shared, read-only one) just goes without.
    """
    about = file.stat()
    stamp = {"sha256": sha256, "size": about.st_size, "mtime_ns": about.st_mtime_ns}
    target = _stamp_path(stamp_for)
    scratch = target.with_name(f"{target.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        scratch.write_text(json.dumps(stamp))
        scratch.replace(target)


def forget_stamp(stamp_for: Path) -> None:
    """Have the file hashed again at its next use."""
    with contextlib.suppress(OSError):
        _stamp_path(stamp_for).unlink(missing_ok=True)


def read_stamp(stamp_for: Path) -> Stamp | None:
    """The stamp beside ``stamp_for``, None where there is none that can be read."""
    try:
        values = json.loads(_stamp_path(stamp_for).read_text())
        return Stamp(str(values["sha256"]), int(values["size"]), int(values["mtime_ns"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def stamped_sha256(stamp_for: Path, file: Path) -> str | None:
    """The remembered sha256 of ``file``, None where it changed since or was never hashed."""
    stamp = read_stamp(stamp_for)
    try:
        about = file.stat()
    except OSError:
        return None
    if stamp is None or (about.st_size, about.st_mtime_ns) != (stamp.size, stamp.mtime_ns):
        return None
    return stamp.sha256


def stamp_place(card: Card, file: WeightFile) -> Path:
    """The path in the cache beside which a file's stamp lies, also for files that lie elsewhere."""
    return cache_folder() / card.name / file.sha256[:16] / file.name


def is_intact(card: Card, file: WeightFile) -> bool:
    """Whether a file is there with the right bytes; hashed only if it changed since the last look."""
    path, place = file_path(card, file), stamp_place(card, file)
    try:
        if path.stat().st_size != file.size:
            return False
    except OSError:
        return False
    known = stamped_sha256(place, path)
    if known is None:
        known = sha256_of(path)
        if known == file.sha256:
            with contextlib.suppress(CatalogueError):
                private_folder(place.parent)
            write_stamp(place, path, known)
    return known == file.sha256


def is_derived(card: Card, derived: DerivedFile) -> bool:
    """Whether a conversion's result is there and unchanged since it was made."""
    path = derived_path(card, derived)
    return stamped_sha256(path, path) is not None


@contextlib.contextmanager
def locked(card: Card) -> Iterator[Path]:
    """Hold the card's lock (waiting for another process that fetches); gives the folder for partial files.

    The lock goes with its process, so one that was killed leaves none behind. Its leavings in the
    partial folder are removed, except for the ``*.part`` files, which a download can go on with.
    """
    folder = private_folder(cache_folder() / card.name)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        partial = private_folder(folder / ".partial")
        for leaving in partial.iterdir():
            if leaving.is_dir():
                shutil.rmtree(leaving, ignore_errors=True)
            elif leaving.suffix != ".part":
                leaving.unlink(missing_ok=True)
        try:
            yield partial
        finally:
            with contextlib.suppress(OSError):
                partial.rmdir()  # succeeds only when nothing is left to go on with


def settle(scratch: Path, target: Path, sha256: str) -> None:
    """Give a checked file its final name, on disk for good, and its stamp."""
    private_folder(target.parent)
    scratch.chmod(0o600)
    with scratch.open("rb") as stream:
        os.fsync(stream.fileno())
    scratch.replace(target)
    write_stamp(target, target, sha256)
