"""The server that decode workers are forked from: where it listens, what it loads, when it starts."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from multiprocessing import forkserver, util
from multiprocessing.context import ForkServerContext

from hivescan.analyzers import in_worker, registry
from hivescan.media.folder import STORE_MARKER
from hivescan.scan.config import ScanConfig
from hivescan.scan.start import starting
from hivescan.store.location import locate

_LONGEST_TEMP = 60
_SHORT_TEMP = "/tmp"  # noqa: S108


def server_context(analyzers: Sequence[str]) -> ForkServerContext:
    """Processes made with this are forked from the server, which has loaded the libraries of these analyzers.

    One that runs already has loaded what it was started for.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hivescan.scan.forkserver", *in_worker.libraries_of(analyzers)])
    _keep_socket_names_short()
    return context


def start_ahead(config: ScanConfig) -> None:
    """Start the server for a scan into a new store, where there is something to decode.

    It loads its libraries, half a second of CPU time, while the caller loads those of the scan itself. What
    is wrong with the config is told by the scan.
    """
    store = locate(config.store).path
    if store is None or (store / STORE_MARKER).exists():
        return
    analyzers = config.analyzers or registry.PROFILES.get(config.profile, ())
    server_context(analyzers)
    with starting(threads=1):
        forkserver.ensure_running()


def _keep_socket_names_short() -> None:
    """Where TMPDIR is long, have the fork server listen below /tmp: a socket's name has at most 107 bytes."""
    if len(os.fsencode(tempfile.gettempdir())) <= _LONGEST_TEMP or not os.access(_SHORT_TEMP, os.W_OK):
        return
    before, tempfile.tempdir = tempfile.tempdir, _SHORT_TEMP
    try:
        util.get_temp_dir()  # made once a process, and deleted with it
    finally:
        tempfile.tempdir = before
