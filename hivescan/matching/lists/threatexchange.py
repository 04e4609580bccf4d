"""ThreatExchange: deltas of key and record or null, pages of its API, and vPDQ hashes of a video.

Shapes as in Meta's ``python-threatexchange`` (``exchanges/fetch_state.py``, ``clients/fb_threatexchange``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from hivescan.matching.lists.batch import Refused, Rows, Words, rows_of
from hivescan.matching.lists.cleaning import algorithm_of
from hivescan.matching.lists.json_stream import read_members, read_values, shape_of
from hivescan.matching.lists.opening import opened_text
from hivescan.matching.lists.plain import BATCH_ROWS

SOURCE: Final = "ThreatExchange"
_OPINIONS: Final = {
    "negative_class": "negative", "investigation_seed": "seed", "positive_class": "positive",
    "negative": "negative", "seed": "seed", "positive": "positive", "disputed": "disputed",
    "0": "negative", "1": "seed", "2": "positive", "3": "disputed",
    "malicious": "positive", "non_malicious": "negative",
}  # fmt: skip
_NO_HASHES: Final = (
    "uri",
    "raw_uri",
    "url",
    "raw_text",
    "text",
    "trend_query",
    "debug_string",
    "domain",
    "ip_address",
)

Pair = tuple[Any, Any]
"""The key of a delta and its record; None for a key that is part of the record."""


def read_threatexchange(path: Path, checkpoint: Callable[[str], None]) -> Iterator[Rows]:
    """The records of a delta ``{"updates": {"pdq:<hex>": {"opinions": […]} or null}}`` (or of its updates
    alone), or of pages of ``threat_updates``.

    null and ``should_delete`` become tombstones. Opinions that agree are the polarity, the strongest of
    them where none is negative, else ``disputed``.
    """
    numbered = enumerate(_pairs(path, checkpoint), 1)
    while batch := list(islice(numbered, BATCH_ROWS // 4)):
        records: list[tuple[int, Words]] = []
        refused: list[Refused] = []
        for number, (key, record) in batch:
            try:
                records.append((number, _row(key, record)))
            except ValueError as error:
                refused.append(Refused(number, str(error), {"key": key, "record": record}))
        yield rows_of(records, refused)


def _pairs(path: Path, checkpoint: Callable[[str], None]) -> Iterator[Pair]:
    shape = shape_of(path)
    if shape == "document" or (shape == "lines" and _is_delta(path)):
        for name, value in read_members(path, frozenset({"updates", "data"})):
            if name == "checkpoint":
                checkpoint(json.dumps(value, sort_keys=True))
            elif name == "updates" and isinstance(value, tuple):
                yield value
            elif name in ("updates", "data"):
                yield None, value
            elif name not in ("paging", "version"):
                yield name, value
        return
    for value in read_values(path):
        if isinstance(value, dict) and isinstance(value.get("data"), list):
            yield from ((None, record) for record in value["data"])
        elif isinstance(value, dict) and isinstance(value.get("updates"), dict):
            yield from value["updates"].items()
        elif isinstance(value, list) and len(value) == 2:
            yield value[0], value[1]
        else:
            yield None, value


def _is_delta(path: Path) -> bool:
    """Whether the one document of a file is itself the mapping, or holds it."""
    values = list(islice(read_values(path), 2))
    return len(values) == 1 and isinstance(values[0], dict) and "indicator" not in values[0]


def _row(key: Any, record: Any) -> Words:
    if key is None:
        if not isinstance(record, dict):
            raise ValueError("no record")
        kind, value = (
            record.get("type") or record.get("signal_type"),
            record.get("indicator") or record.get("hash"),
        )
    else:
        kind, value = _key(key)
    if not isinstance(kind, str) or not isinstance(value, str):
        raise ValueError("the type or the hash is missing")
    if kind.lower() in _NO_HASHES:
        raise ValueError(f"an indicator of type {kind.lower()}, no hash")
    if record is not None and not isinstance(record, dict):
        raise ValueError("no record")
    found: dict[str, Any] = record or {}
    descriptors = found.get("descriptors")
    listed = descriptors.get("data") if isinstance(descriptors, dict) else descriptors
    opinions = found.get("opinions") or listed
    opinions = [o for o in opinions if isinstance(o, dict)] if isinstance(opinions, list) else []
    gone = (
        record is None
        or bool(found.get("should_delete"))
        or ("should_delete" in found and "descriptors" not in found)
    )
    own_id = found.get("id") or found.get("entry_id")
    stamp = found.get("last_updated") or found.get("updated_at")
    return {
        "algorithm": algorithm_of(kind),
        "hash": value,
        "entry_id": None if key is not None or own_id is None else str(own_id),
        "source": SOURCE,
        "polarity": _polarity(opinions),
        "tags": _tags(opinions) or None,
        "provided_at": None if stamp is None else str(stamp),
        "deleted": gone,
    }


def _key(key: Any) -> tuple[Any, Any]:
    """``pdq:<hex>``, ``HASH_PDQ <hex>``, or ``["pdq", "<hex>"]`` as a list or as its text."""
    if isinstance(key, str) and key.startswith("["):
        try:
            key = json.loads(key)
        except (ValueError, RecursionError):
            raise ValueError("the key is not understood") from None
    if isinstance(key, list):
        if len(key) != 2:
            raise ValueError("the key is not understood")
        return key[0], key[1]
    kind, found, value = str(key).replace(" ", ":", 1).partition(":")
    if not found:
        raise ValueError("the key names no type")
    return kind, value


def _polarity(opinions: list[dict[str, Any]]) -> str:
    said = {
        _OPINIONS.get(str(o.get("category", o.get("status", ""))).lower().rpartition(".")[2], "seed")
        for o in opinions
    }
    if "disputed" in said or ("negative" in said and len(said) > 1):
        return "disputed"
    return next((word for word in ("negative", "positive", "seed") if word in said), "seed")


def _tags(opinions: list[dict[str, Any]]) -> list[str]:
    tags: dict[str, None] = {}
    for opinion in opinions:
        listed = opinion.get("tags")
        if isinstance(listed, dict):
            listed = listed.get("data")
        for tag in listed if isinstance(listed, list) else ():
            text = tag.get("text") if isinstance(tag, dict) else tag
            if isinstance(text, str):
                tags[text] = None
    return sorted(tags)


def read_vpdq(path: Path) -> Iterator[Rows]:
    """Hashes of the frames of one video as vPDQ writes them: ``frame,quality,hash,seconds`` a line.

    Each is a scene of a known video that has the name of the file.
    """
    video = path.name.removesuffix(".gz").rpartition(".")[0] or path.name
    with opened_text(path) as file:
        numbered = enumerate(iter(lambda: file.readline(1 << 16), ""), 1)
        while lines := list(islice(numbered, BATCH_ROWS // 4)):
            records: list[tuple[int, Words]] = []
            refused: list[Refused] = []
            for number, line in lines:
                cells = [cell.strip() for cell in line.split(",")]
                if cells == [""]:
                    continue
                try:
                    frame, quality, value, seconds = cells
                    start = str(round(float(seconds) * 1000))
                except (ValueError, OverflowError):
                    refused.append(
                        Refused(number, "not frame, quality, hash and seconds", {"line": line.strip()})
                    )
                    continue
                records.append(
                    (
                        number,
                        {
                            "entry_id": f"{video}.{frame}",
                            "parent_id": video,
                            "algorithm": "pdq",
                            "hash": value,
                            "quality": quality,
                            "scene_start_ms": start,
                            "scene_end_ms": start,
                        },
                    )
                )
            yield rows_of(records, refused)
