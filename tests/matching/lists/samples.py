"""Small sources in the shapes of the field's formats; hashes are made of names, of no picture."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow.parquet as pq

NCMEC_HEAD = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<queryResult xmlns="https://hashsharing.ncmec.org/hashsharing/v2">\n'
)


def md5(name: str) -> str:
    return hashlib.md5(name.encode()).hexdigest()


def sha1(name: str) -> str:
    return hashlib.sha1(name.encode()).hexdigest()


def sha256(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def pdq(name: str) -> str:
    """A hash of which half of the bits are set, as of PDQ's."""
    half = hashlib.sha256(name.encode()).digest()[:16]
    return (half + bytes(255 - b for b in half)).hex()


def ncmec_entry(
    name: str, when: str, *, kind: str = "image", prints: str | None = None, more: str = ""
) -> str:
    told = f"<md5>{md5(name)}</md5><pdq>{pdq(name)}</pdq>" if prints is None else prints
    return (
        f'<{kind}><member id="42">Example Member</member><timestamp>{when}</timestamp><id>{name}</id>'
        f"<classification>A1</classification><fingerprints>{told}</fingerprints>{more}</{kind}>"
    )


def ncmec_deletion(name: str, when: str, kind: str = "deletedImage") -> str:
    member = '<member id="42">Example Member</member>'
    return f"<{kind}>{member}<id>{name}</id><timestamp>{when}</timestamp></{kind}>"


def ncmec_page(*entries: str, until: str = "2026-01-31T00:00:00Z") -> str:
    return (
        f'{NCMEC_HEAD}<images count="{len(entries)}" maxTimestamp="{until}">{"".join(entries)}</images>'
        "<paging><next>/v2/entries?from=2026&amp;start=2</next></paging></queryResult>"
    )


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def rows_of(path: Path) -> list[dict[str, object]]:
    """The rows of a list in their order, hashes as hex."""
    rows = pq.read_table(path).to_pylist()
    return [row | {"hash": row["hash"].hex()} for row in rows]


def told(path: Path, *names: str) -> list[tuple[object, ...]]:
    return [tuple(row[name] for name in names) for row in rows_of(path)]
