"""What is known of picture files: contents, sizes and PDQ hashes, taken once and kept.

The engine hashes files into the store of vectors, in worker processes, whatever the files hold. A file that
has not changed since is not opened again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from hivescan.automl.home import home_folder, vectors_store
from hivescan.errors import DatasetError, RunInterruptedError
from hivescan.media.uri import uri_to_path
from hivescan.store.store import find_store

if TYPE_CHECKING:
    from hivescan.scan.config import Progress

_ANALYZERS: Final = ("hashes",)
_QUERY: Final = """
    WITH first_hash AS (
        SELECT content_id, arg_min(hash, "index") AS pdq, arg_min(quality, "index") AS quality
        FROM hashes WHERE algorithm = 'pdq' AND transformation IS NULL GROUP BY content_id
    ),
    faults AS (
        SELECT content_id, min(reason) AS reason FROM analyses
        WHERE chain IN ('probe', 'hashes') AND status NOT IN ('done', 'skipped') GROUP BY content_id
    )
    SELECT a.uri, f.content_id, f.error, c.media_type::VARCHAR AS media_type, c.mime::VARCHAR AS mime,
        c.width, c.height, h.pdq, h.quality, n.reason
    FROM asked a
    LEFT JOIN files f ON f.uri = a.uri
    LEFT JOIN contents c ON c.content_id = f.content_id
    LEFT JOIN first_hash h ON h.content_id = f.content_id
    LEFT JOIN faults n ON n.content_id = f.content_id
"""


@dataclass(frozen=True)
class PictureFacts:
    """What one file is. ``fault`` says why it cannot be trained on; ``pdq`` is None where it was not hashed.

    ``content_id`` is None where the file could not be read at all; sizes are pixels.
    """

    content_id: str | None
    fault: str | None
    mime: str | None = None
    width: int | None = None
    height: int | None = None
    pdq: bytes | None = None
    quality: int | None = None


def look_at(
    uris: Iterable[str], on_progress: Callable[[Progress], None] = lambda progress: None
) -> dict[str, PictureFacts]:
    """The facts of each of these files, by URI.

    Raises :class:`RunInterruptedError` where the scan was ended early: what was hashed is kept.
    """
    from hivescan.scan.config import ScanConfig
    from hivescan.scan.run import run_scan

    asked = sorted(set(uris))
    if not asked:
        return {}
    try:
        home_folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise DatasetError(f"{home_folder()}: cannot be made: {error.strerror or error}") from None
    # Each list has a name of its own: files of another list are not taken for gone.
    with tempfile.TemporaryDirectory(prefix="hivescan-items-") as folder:
        listed = Path(folder) / f"{Path(folder).name}.list"
        listed.write_bytes(b"\0".join(_as_listed(uri) for uri in asked) + b"\0")
        scan = ScanConfig(
            sources=(f"@{listed}",), store=vectors_store(), analyzers=_ANALYZERS, command="dataset"
        )
        if run_scan(scan, on_progress).status == "interrupted":
            raise RunInterruptedError("interrupted; what was hashed is kept, run the same command to go on")
    return stored_facts(asked)


def stored_facts(uris: Iterable[str]) -> dict[str, PictureFacts]:
    """What the store of vectors knows of these files, without looking at them again."""
    asked = sorted(set(uris))
    store = find_store(vectors_store())
    if store is None:
        return {}
    with closing(store.connect()) as connection:
        connection.register("asked", pa.table({"uri": pa.array(asked, pa.string())}))
        rows = connection.sql(_QUERY).to_arrow_table().to_pylist()
    return {row["uri"]: _facts(row) for row in rows}


def _facts(row: Mapping[str, object]) -> PictureFacts:
    def text(name: str) -> str | None:
        value = row[name]
        return None if value is None else str(value)

    def number(name: str) -> int | None:
        value = row[name]
        return value if isinstance(value, int) else None

    pdq = row["pdq"]
    fault = text("error")
    if fault is None and row["content_id"] is None:
        fault = "could not be read"
    if fault is None and row["media_type"] not in {"image", None}:
        fault = f"is no picture but {row['media_type']}"
    if fault is None and pdq is None:
        fault = text("reason") or "could not be decoded"
    return PictureFacts(
        content_id=text("content_id"),
        fault=fault,
        mime=text("mime"),
        width=number("width"),
        height=number("height"),
        pdq=pdq if isinstance(pdq, bytes) else None,
        quality=number("quality"),
    )


def _as_listed(uri: str) -> bytes:
    data = uri.encode()
    if b"\0" in data:
        raise DatasetError(f"{uri!r}: no file can have a name with a zero byte")
    return data


def local_path(uri: str) -> Path | None:
    """Where a file of this machine lies; None for others."""
    return uri_to_path(uri)
