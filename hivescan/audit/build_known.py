"""Making ``known.parquet`` from pictures and videos in one call: hashed as in a scan, then written down."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from hivescan.errors import RunInterruptedError
from hivescan.matching.build import KNOWN_FPS, BuildSummary, KnownLabels, add_entries, made_with
from hivescan.matching.writing import write_known
from hivescan.media.sources import SourceOptions
from hivescan.scan.config import Progress, ScanConfig
from hivescan.scan.run import run_scan
from hivescan.store.store import open_store
from hivescan.types import Limits, Sampling


def build_known(
    sources: Sequence[str],
    out: Path,
    labels: KnownLabels | None = None,
    *,
    options: SourceOptions | None = None,
    sampling: Sampling | None = None,
    limits: Limits | None = None,
    workers: int = 0,
    crops: bool = False,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> BuildSummary:
    """Hash every picture and video under the sources into a list at ``out``, which is replaced at once.

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
    # The list is opened first: who may not write there hears it before anything is hashed.
    with (
        tempfile.TemporaryDirectory(prefix="hivescan-known-") as scratch,
        write_known(out, made_with(sampling)) as writer,
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
        return add_entries(writer, open_store(scan.store), labels or KnownLabels(), out)
