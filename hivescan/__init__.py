"""hivescan: scan media in bulk, on your own machines.

>>> import hivescan
>>> hivescan.classify(["./media"])  # doctest: +SKIP
>>> hivescan.open("hivescan-results").sql("SELECT * FROM items")  # doctest: +SKIP
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hivescan.audit.hash_matches import HashMatches
    from hivescan.matching.options import MatchOptions
    from hivescan.scan.config import RunSummary
    from hivescan.store.store import Store

__version__ = "0.1.0"
__all__ = ["__version__", "classify", "hash_match", "open"]

# Libraries that tell their makers of their use (ONNX Runtime from 1.29 on: names of models, too) are told
# not to, before any of them is loaded, in this process and in those that it starts.
for _switch in (
    "ORT_DISABLE_TELEMETRY",
    "ORT_TELEMETRY_DISABLED",
    "HF_HUB_DISABLE_TELEMETRY",
    "DO_NOT_TRACK",
):
    os.environ.setdefault(_switch, "1")


def open(path: str | Path = "hivescan-results") -> Store:
    """The store at ``path``, a folder or a URI (``s3://bucket/prefix``).

    Raises :class:`hivescan.errors.StoreError` where there is none.
    """
    from hivescan.store.store import open_store

    return open_store(path)


def classify(
    sources: Sequence[str | Path], *, store: str | Path = "hivescan-results", **settings: Any
) -> RunSummary:
    """Scan ``sources`` into ``store``; ``settings`` are the fields of ``hivescan.scan.config.ScanConfig``.

    Raises what :func:`hivescan.scan.run.run_scan` raises.
    """
    from hivescan.scan.config import ScanConfig
    from hivescan.scan.server import start_ahead

    named = tuple(str(source) for source in sources)
    config = ScanConfig(sources=named, store=store, command="python", **settings)
    start_ahead(config)
    from hivescan.scan.run import run_scan

    return run_scan(config)


def hash_match(
    lists: Sequence[str | Path],
    paths: Sequence[str | Path] = (),
    *,
    store: str | Path = "hivescan-results",
    max_distance: int | None = None,
    options: MatchOptions | None = None,
    **settings: Any,
) -> HashMatches:
    """Match known lists with all that ``store`` has, or with the files of ``paths``, which are hashed first.

    ``options`` say how near and what else counts; ``max_distance`` is one of them. ``settings`` are the
    fields of ``hivescan.scan.config.ScanConfig``, for ``paths``. Raises what
    :func:`hivescan.audit.match_paths.match_paths` raises.
    """
    from dataclasses import replace

    from hivescan.audit.match_paths import match_known, match_paths
    from hivescan.errors import UsageError
    from hivescan.matching.options import MatchOptions
    from hivescan.scan.config import ScanConfig

    listed = [Path(path) for path in lists]
    options = options or MatchOptions()
    if max_distance is not None:
        options = replace(options, max_distance=max_distance)
    if paths:
        named = tuple(str(path) for path in paths)
        scan = ScanConfig(sources=named, store=store, command="python", **settings)
        return match_paths(listed, scan, options)
    if settings:
        raise UsageError(f"{', '.join(settings)}: these settings say how paths are hashed; name paths")
    return match_known(listed, store, options)
