"""How a file is named in the store: an absolute path, or a URI where a path cannot say it.

A local file is its absolute path when that is valid UTF-8. Other names of bytes, which Linux allows,
become a ``file://`` URI with percent-encoded bytes, so that every name fits a column of text and leads
back to the same file. Other file systems keep their own scheme (``s3://``, ``memory://``, ``https://``).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.:-]*://")


def has_scheme(text: str) -> bool:
    """Whether ``text`` is a URI (``s3://bucket/key``, also ``zip://a.jpg::s3://…``) and not a local path."""
    return _SCHEME.match(text) is not None


def path_to_uri(path: bytes | str | os.PathLike[str]) -> str:
    """The URI of a local file. Relative paths are taken from the working folder; links are kept."""
    return name_to_uri(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100 (resolve would follow links)


def name_to_uri(absolute: str) -> str:
    """The URI of a normalised absolute path, as ``os`` gives it (undecodable bytes as surrogates)."""
    if absolute.isascii():
        return absolute
    try:
        absolute.encode()
    except UnicodeEncodeError:
        return "file://" + quote_from_bytes(os.fsencode(absolute))
    return absolute


def uri_to_path(uri: str) -> Path | None:
    """The local path that a URI names; None where it is on another file system."""
    if uri.startswith("file://"):
        rest = uri.removeprefix("file://").removeprefix("localhost")
        return Path(os.fsdecode(unquote_to_bytes(rest)))
    return None if has_scheme(uri) else Path(uri)
