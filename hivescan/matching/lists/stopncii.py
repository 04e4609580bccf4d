"""Answers of StopNCII's service (JSON): hashes that people gave so that their pictures are recognised.

Fields as in Meta's client (facebook/ThreatExchange, ``exchanges/clients/stopncii``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from hivescan.matching.lists.batch import Refused, Rows, Words, rows_of
from hivescan.matching.lists.json_stream import read_members, read_values, shape_of
from hivescan.matching.lists.plain import BATCH_ROWS

SOURCE: Final = "StopNCII"
_GONE: Final = ("withdrawn", "deleted")
_LIVE: Final = ("received", "active", "unknown")
_NO_HASHES: Final = ("Text", "URL", "Unknown")


def read_stopncii(path: Path, checkpoint: Callable[[str], None]) -> Iterator[Rows]:
    """The records of a page, of a list of pages or records, or of one a line.

    A withdrawn or deleted record becomes a tombstone. Feedback tells the polarity: reviewed and blocked is
    ``positive``, not blocked ``negative``, both ``disputed``, none ``seed``.
    """
    numbered = enumerate(_records(path, checkpoint), 1)
    while batch := list(islice(numbered, BATCH_ROWS // 4)):
        records: list[tuple[int, Words]] = []
        refused: list[Refused] = []
        for number, record in batch:
            try:
                records.append((number, _row(record)))
            except ValueError as error:
                refused.append(Refused(number, str(error), {"record": record}))
        yield rows_of(records, refused)


def _records(path: Path, checkpoint: Callable[[str], None]) -> Iterator[Any]:
    if shape_of(path) == "document":
        for name, value in read_members(path, frozenset({"hashRecords"})):
            if name == "hashRecords":
                yield value
            elif name == "nextSetTimestamp":
                checkpoint(str(value))
        return
    for value in read_values(path):
        if isinstance(value, dict) and isinstance(value.get("hashRecords"), list):
            yield from value["hashRecords"]
            if "nextSetTimestamp" in value:
                checkpoint(str(value["nextSetTimestamp"]))
        else:
            yield value


def _row(record: Any) -> Words:
    if not isinstance(record, dict):
        raise ValueError("no record")
    signal, value = record.get("signalType"), record.get("hashValue")
    if not isinstance(signal, str) or not isinstance(value, str):
        raise ValueError("signalType or hashValue is missing")
    if signal in _NO_HASHES:
        raise ValueError(f"a signal of type {signal}, no hash")
    status = str(record.get("hashStatus") or "Unknown").lower()
    if status not in (*_GONE, *_LIVE):
        raise ValueError("hashStatus is not understood")
    stamp = record.get("lastModtimestamp")
    feedback = record.get("CSPFeedbacks")
    feedback = [f for f in feedback if isinstance(f, dict)] if isinstance(feedback, list) else []
    tags = dict.fromkeys(str(tag) for f in feedback for tag in f.get("tags") or () if isinstance(tag, str))
    return {
        "algorithm": signal,
        "hash": value,
        "source": SOURCE,
        "hash_set": SOURCE,
        "match_type": "NCII",
        "polarity": _polarity({str(f.get("feedbackValue")) for f in feedback}),
        "provided_at": None if stamp is None else str(stamp),
        "deleted": status in _GONE,
        "tags": list(tags) or None,
    }


def _polarity(said: set[str]) -> str:
    if "Blocked" in said:
        return "disputed" if "NotBlocked" in said else "positive"
    return "negative" if "NotBlocked" in said else "seed"
