"""Making ``known.parquet`` from pictures and videos in one call: hashed as in a scan, then written down."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from hivescan.errors import KnownListError, RunInterruptedError
from hivescan.matching.build import KNOWN_FPS, BuildSummary, add_entries, made_with
from hivescan.matching.labels import ListLabels
from hivescan.matching.lists.lock import list_lock
from hivescan.matching.lists.stored import open_stored
from hivescan.matching.writing import write_known
from hivescan.media.sources import SourceOptions
from hivescan.scan.config import Progress, ScanConfig
from hivescan.scan.run import run_scan
from hivescan.store.store import open_store
from hivescan.types import Limits, Sampling


def build_known(
    sources: Sequence[str],
    out: Path,
    labels: ListLabels | None = None,
    *,
    options: SourceOptions | None = None,
    sampling: Sampling | None = None,
    limits: Limits | None = None,
    workers: int = 0,
    crops: bool = False,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_wait: Callable[[], None] = lambda: None,
) -> BuildSummary:
    """Hash every picture and video under the sources into a list at ``out``, which is replaced at once.

    A list that was there is replaced by its next version: stores that met it retract what it no longer
    finds. Where it cannot be read the new one is another list, and the summary says so. Other changes of the
    list wait until this is done, and this for them: ``on_wait`` hears of that.

    Files are decoded in worker processes: one that crashes or hangs its decoder is skipped, and named in
    the summary with the reason, as is all that cannot be read or is neither picture nor video. The hashes
    pass through a store in the temporary folder (``TMPDIR``) that only its owner can read and that is
    gone afterwards. What a file gives says :func:`hivescan.matching.build.add_entries`.

    With ``crops`` the list recognises cropped copies too: each picture gets the further hashes of
    :mod:`hivescan.analyzers.crops`, 25 rows more.

    ``entry_id`` is made from the file's bytes, so that it stays when a list is made again, but shows none
    of its hashes.

    Raises :class:`SourceError` for a source that does not exist, :class:`KnownListError` where the list
    cannot be written or would be empty, :class:`RunInterruptedError` when it was ended early.
    """
    sampling = sampling or Sampling(fps=KNOWN_FPS)
    with list_lock(out, on_wait):
        lineage, unread = _lineage_of(out)
        # The list is opened first: who may not write there hears it before anything is hashed.
        with (
            tempfile.TemporaryDirectory(prefix="hivescan-known-") as scratch,
            write_known(out, made_with(sampling), lineage=lineage) as writer,
        ):
            scan = ScanConfig(
                sources=tuple(sources),
                store=Path(scratch) / "store",
                analyzers=("hashes", "crops") if crops else ("hashes",),
                source_options=options or SourceOptions(),
                sampling=sampling,
                limits=limits or Limits(),
                workers=workers,
                command="known build",
            )
            if run_scan(scan, on_progress).status == "interrupted":
                raise RunInterruptedError(f"interrupted; {out} is as it was before")
            summary = add_entries(writer, open_store(scan.store), labels or ListLabels(), out)
            return replace(summary, unread=unread)


def _lineage_of(path: Path) -> tuple[str | None, str | None]:
    """What names the list at ``path`` through its versions, and why it cannot be read; None where there is
    none, or nothing is wrong.
    """
    if not path.exists():
        return None, None
    try:
        with open_stored(path) as stored:
            return stored.lineage, None
    except KnownListError as error:
        return None, str(error)
