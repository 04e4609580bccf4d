"""Loaded once by the server that decode workers are forked from: their libraries, and a clean end.

The server listens at a socket in a temporary folder, which its parent deletes. A parent that was killed
cannot; the server notices that it has gone, and deletes both before it goes itself.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

# Ctrl-C reaches every process of a terminal: the coordinator ends the others. Before what takes long to load.
signal.signal(signal.SIGINT, signal.SIG_IGN)

import hivescan.media.image  # noqa: E402
import hivescan.media.jpeg  # noqa: E402
import hivescan.media.pillow  # noqa: E402
import hivescan.scan.worker  # noqa: E402, F401  what every worker needs, loaded before they are forked

_MOST_DESCRIPTORS = 64


def _sockets() -> list[Path]:
    """Where this process listens."""
    found = []
    for descriptor in range(3, _MOST_DESCRIPTORS):
        with suppress(OSError):
            listening = socket.socket(fileno=os.dup(descriptor))
            with listening:
                address = listening.getsockname()
                if listening.family == socket.AF_UNIX and str(address).startswith("/"):
                    found.append(Path(address))
    return found


def _delete(sockets: list[Path], server: int) -> None:
    if os.getpid() != server:
        return
    for path in sockets:
        if path.name.startswith("listener-") and path.parent.name.startswith("pymp-"):
            with suppress(OSError):
                path.unlink()
            with suppress(OSError):
                path.parent.rmdir()


def _clean_up_at_exit() -> None:
    if sockets := _sockets():
        atexit.register(_delete, sockets, os.getpid())


_clean_up_at_exit()
