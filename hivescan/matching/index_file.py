"""A multi-index as a file: written once, mapped into memory by every process that searches it.

The file begins with one page of JSON, which says what list it belongs to and where its arrays lie. Opening
reads that page alone; the system fetches the rest as look-ups come by it, and keeps one copy for all
processes.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from hivescan.errors import KnownListError
from hivescan.matching.hamming import Bytes
from hivescan.matching.multi_index import MultiIndex, build

FORMAT: Final = 1
_MAGIC: Final = b"hivescan-hamming-index\n"
_PAGE: Final = 4096
_ARRAYS: Final = ("words", "offsets", "ids", "members", "starts")


def save_index(index: MultiIndex, path: Path, *, of: str) -> None:
    """Write the index of what ``of`` names; it appears under ``path`` whole or not at all."""
    arrays: dict[str, dict[str, Any]] = {}
    at = _PAGE
    for name in _ARRAYS:
        array = getattr(index, name)
        if array is not None:
            arrays[name] = {"at": at, "shape": list(array.shape), "dtype": array.dtype.str}
            at += -(-array.nbytes // _PAGE) * _PAGE
    about = {"format": FORMAT, "of": of, "bits": index.bits, "chunks": index.chunks, "arrays": arrays}
    head = _MAGIC + json.dumps(about).encode()
    if len(head) > _PAGE:
        raise ValueError("the header of an index takes more than a page")
    made = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(head.ljust(_PAGE, b"\n"))
            for name, place in arrays.items():
                stream.seek(place["at"])
                stream.write(np.ascontiguousarray(getattr(index, name)).data)
            stream.truncate(at)
            stream.flush()
            os.fsync(stream.fileno())
        made.replace(path)
    except BaseException:
        made.unlink(missing_ok=True)
        raise


def open_index(path: Path, *, of: str) -> MultiIndex | None:
    """The index in ``path``, mapped; None where there is none, or one of another list or an older format."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_PAGE)
        if not head.startswith(_MAGIC):
            return None
        about = json.loads(head[len(_MAGIC) :])
        if about["format"] != FORMAT or about["of"] != of:
            return None
        found: dict[str, Any] = dict.fromkeys(_ARRAYS)
        for name, place in about["arrays"].items():
            shape = tuple(place["shape"])
            found[name] = np.memmap(path, place["dtype"], "r", place["at"], shape).view(np.ndarray)
        return MultiIndex(about["bits"], tuple(about["chunks"]), **found)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KnownListError(f"{path}: is damaged ({error}); delete it, and it is made again") from None


def index_beside(path: Path, of: str, hashes: Callable[[], Bytes]) -> MultiIndex:
    """The index that lies in ``path``, made and put there where it is missing.

    ``hashes`` are asked for only then. Where the folder cannot be written, the index serves this process
    alone.
    """
    index = open_index(path, of=of)
    if index is not None:
        return index
    made = build(hashes())
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        save_index(made, path, of=of)
        for old in path.parent.glob(f"*-{path.name.rpartition('-')[2]}"):
            if old != path:
                old.unlink(missing_ok=True)
    except OSError:
        return made
    return open_index(path, of=of) or made
