"""hivescan: scan media in bulk, on your own machines.

>>> import hivescan
>>> hivescan.classify(["./media"])  # doctest: +SKIP
>>> hivescan.open("hivescan-results").sql("SELECT * FROM items")  # doctest: +SKIP
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hivescan.scan.config import RunSummary
    from hivescan.store.store import Store

__version__ = "0.1.0"
__all__ = ["__version__", "classify", "open"]


def open(path: str | Path = "hivescan-results") -> Store:
    """The store at ``path``. Raises :class:`hivescan.errors.StoreError` where there is none."""
    from hivescan.store.store import open_store

    return open_store(path)


def classify(
    sources: Sequence[str | Path], *, store: str | Path = "hivescan-results", **settings: Any
) -> RunSummary:
    """Scan ``sources`` into ``store``; ``settings`` are the fields of ``hivescan.scan.config.ScanConfig``.

    Raises what :func:`hivescan.scan.run.run_scan` raises.
    """
    from hivescan.scan.config import ScanConfig
    from hivescan.scan.run import run_scan

    named = tuple(str(source) for source in sources)
    return run_scan(ScanConfig(sources=named, store=Path(store), command="python", **settings))
