"""One file over HTTP, resumed where it was cut, never larger than it should be."""

from __future__ import annotations

import errno
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from hivescan.errors import WeightsCorruptError, WeightsMissingError

CHUNK = 1 << 18
TRIES = 4
TIMEOUT_S = 60.0
PAUSE_S = 1.0
"""Before the second try; doubled before each further one."""
FINAL = frozenset({400, 401, 403, 404, 405, 410, 451})
"""Answers that another try does not change."""
DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
"""Of this machine, not of the network."""


def download(
    url: str,
    part: Path,
    size: int,
    progress: Callable[[int], None],
    *,
    token: str | None = None,
) -> None:
    """Fill ``part`` up to ``size`` bytes. Bytes that it already has are kept and the rest is asked for.

    ``progress`` is told how many bytes of the file are there. ``token`` goes to the first host only,
    never along with a redirect. Raises ``WeightsMissingError`` when the file cannot be had, after
    which ``part`` keeps what came; ``WeightsCorruptError`` when the server has more bytes than ``size``.
    """
    problem = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE_S * 2 ** (attempt - 1))
        try:
            _get(url, part, size, progress, token)
        except urllib.error.HTTPError as error:
            problem = f"the server says {error.code} {error.reason}"
            error.close()
            if error.code in FINAL:
                break
            if error.code == 416:
                part.unlink(missing_ok=True)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in DISK_ERRORS:
                raise
            problem = str(getattr(error, "reason", error)) or type(error).__name__
        else:
            if part.stat().st_size == size:
                return
            problem = f"it ended after {part.stat().st_size:,} of {size:,} bytes"
    raise WeightsMissingError(f"{url} could not be fetched: {problem}")


def _get(url: str, part: Path, size: int, progress: Callable[[int], None], token: str | None) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have == size:
        progress(have)
        return
    if have > size:
        part.unlink()
        have = 0
    request = urllib.request.Request(url, headers={"User-Agent": "hivescan"})  # noqa: S310
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        resumed = answer.status == 206 and _starts_at(answer.headers.get("Content-Range"), have)
        have = have if resumed else 0
        with part.open("ab" if resumed else "wb") as stream:
            while block := answer.read(CHUNK):
                have += len(block)
                if have > size:
                    stream.close()
                    part.unlink()
                    raise WeightsCorruptError(f"{url} has more than the card's {size:,} bytes: refused")
                stream.write(block)
                progress(have)


def _starts_at(content_range: str | None, start: int) -> bool:
    return content_range is not None and content_range.strip().startswith(f"bytes {start}-")
