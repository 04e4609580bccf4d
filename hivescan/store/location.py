"""Where a store is: a folder of this machine, or a URI of another file system."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from hivescan.errors import StoreError
from hivescan.filesystems import scrubbed

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.:-]+://")
_FLATTENED_URI = re.compile(r"^([A-Za-z][A-Za-z0-9+.:-]+):/(?=[^/])")


@dataclass(frozen=True)
class StoreLocation:
    """``path`` is the absolute folder, None where the store is elsewhere; ``uri`` is then its address."""

    uri: str
    path: Path | None

    def __str__(self) -> str:
        return scrubbed(self.uri)


def locate(given: str | Path | StoreLocation) -> StoreLocation:
    """What a user named as a store. ``StoreError`` for a URI that names no folder."""
    if isinstance(given, StoreLocation):
        return given
    text = str(given)
    if isinstance(given, Path):
        # A Path has made one slash of the two of a URI. No folder of this machine is called "s3:".
        text = _FLATTENED_URI.sub(r"\1://", text, count=1) if not given.is_absolute() else text
    if not _URI.match(text):
        # resolve() would follow links
        folder = Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100
        return StoreLocation(str(folder), folder)
    if text.startswith("file://"):
        return locate(Path(unquote(text.removeprefix("file://").removeprefix("localhost"))))
    if "::" in text:
        raise StoreError(f"{scrubbed(text)}: a store cannot lie behind a chain of file systems; name its own")
    scheme, _, rest = text.partition("://")
    if not rest.strip("/"):
        raise StoreError(f"{scrubbed(text)} names no folder: a store is {scheme}://bucket/folder")
    return StoreLocation(f"{scheme.lower()}://{rest.rstrip('/')}", None)
