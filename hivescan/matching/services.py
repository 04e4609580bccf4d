"""Matches of a file in the form that services of this field return, so that a switch costs little.

One object a file::

    uri, fileType image|video, reasons ["matched"] or [],
    hashes: [{hashType, matchTypes, sources: [{hashSet, matches: [{sourceId, matchDistance, matchMetadata,
        matchTransformations}]}], isLetterboxed, startTimestamp, endTimestamp, frameIndex}]

There is one element of ``hashes`` for each hash of the file that matched: its bytes, its picture, or each
scene of it. Times are milliseconds of presentation time in the file, null where the whole file or a picture
matched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hivescan.matching.found import MatchedFile
from hivescan.media.pdq import UNBORDERED

_Place = tuple[str, bool, int | None, int | None, int | None]
"""Algorithm, whether borders were cut off, start, end, frame."""


def as_services(
    files: Iterable[tuple[str, str | None]], matches: Sequence[MatchedFile]
) -> Iterator[dict[str, object]]:
    """An object for each of the ``files`` (uri and media type), in their order, whether it matched or not."""
    of_file: dict[str, list[MatchedFile]] = {}
    for match in matches:
        of_file.setdefault(match.uri, []).append(match)
    for uri, media_type in files:
        found = of_file.get(uri, [])
        yield {
            "uri": uri,
            "fileType": media_type,
            "reasons": ["matched"] if found else [],
            "hashes": _hashes(found),
        }


def _hashes(found: Sequence[MatchedFile]) -> list[dict[str, Any]]:
    places: dict[_Place, list[MatchedFile]] = {}
    for match in found:
        for place in _places(match):
            places.setdefault(place, []).append(match)
    return [
        {
            "hashType": algorithm,
            "matchTypes": sorted({match.match_type for match in here if match.match_type}),
            "sources": _sources(here),
            "isLetterboxed": letterboxed,
            "startTimestamp": start,
            "endTimestamp": end,
            "frameIndex": frame,
        }
        for (algorithm, letterboxed, start, end, frame), here in places.items()
    ]


def _places(match: MatchedFile) -> list[_Place]:
    letterboxed = UNBORDERED in (match.transformation or "")
    if match.intervals:
        return [(match.algorithm, letterboxed, i.start_ms, i.end_ms, None) for i in match.intervals]
    if match.spans:
        return [(match.algorithm, letterboxed, s.start_ms, s.end_ms, s.first) for s in match.spans]
    return [(match.algorithm, letterboxed, None, None, None)]


def _sources(here: Sequence[MatchedFile]) -> list[dict[str, Any]]:
    sets: dict[str | None, list[MatchedFile]] = {}
    for match in here:
        sets.setdefault(match.hash_set or match.source, []).append(match)
    return [
        {
            "hashSet": name,
            "matches": [
                {
                    "sourceId": match.entry_id,
                    "matchDistance": match.distance,
                    "matchMetadata": _metadata(match),
                    "matchTransformations": [
                        word
                        for words in (match.transformation, match.known_transformation)
                        if words
                        for word in words.split(", ")
                    ],
                }
                for match in of_set
            ],
        }
        for name, of_set in sets.items()
    ]


def _metadata(match: MatchedFile) -> dict[str, object]:
    known = {
        "source": match.source,
        "classification": match.classification,
        "polarity": match.polarity,
        "maxDistance": match.max_distance,
        "knownStartTimestamp": match.known_start_ms,
        "knownEndTimestamp": match.known_end_ms,
        "coverage": match.coverage,
        "knownCoverage": match.known_coverage,
    }
    return {name: value for name, value in known.items() if value is not None}
