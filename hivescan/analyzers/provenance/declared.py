"""What a file declares: its digital source type in XMP, and the program that wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from hivescan.analyzers.provenance.programs import program_named, signed_in_comment
from hivescan.analyzers.provenance.source_types import SOURCE_TYPES, tail
from hivescan.media.exif import IMAGE
from hivescan.media.metadata import Metadata
from hivescan.types import Evidence, Says

_SOURCE_TYPE: Final = re.compile(
    r"DigitalSourceType\s{0,20}(?:=\s{0,20}[\"']|>\s{0,20}|\s{1,20}rdf:resource\s{0,20}=\s{0,20}[\"'])"
    r"([^\"'<>\s]{1,200})",
    re.I,
)
_XMP_FIELD: Final = re.compile(
    r"(?:xmp:CreatorTool|photoshop:Credit|tiff:Software|xmp:Software)\s{0,20}(?:=\s{0,20}[\"']|>\s{0,20})"
    r"([^\"'<>]{1,300})",
)
_SOFTWARE_TAG: Final = 0x0131
_PROCESSING_TAG: Final = 0x000B
_SIGNING_KEYS: Final = frozenset(
    {"software", "creator tool", "creatortool", "encoder", "tool", "generator", "source", "credit"}
    | {"com.apple.quicktime.software", "handler_name", "encoded_by"}
)
_MOST_SHOWN: Final = 200
_MOST_FIELDS: Final = 20


def declared_evidence(metadata: Metadata) -> Iterator[Evidence]:
    """One piece a source type and one a program, in the order in which they stand."""
    types = dict.fromkeys(tail(found) for found in _first(_SOURCE_TYPE, metadata.xmp))
    for name in types:
        value = {"digital_source_type": name, "where": "XMP"}
        yield Evidence("digital_source_type", name, SOURCE_TYPES.get(name, Says.NOTHING), value)
    told: set[str] = set()
    for where, text in _signatures(metadata):
        named = program_named(text)
        name, says = named or ("other", Says.NOTHING)
        if name not in told and (named is not None or where in {"EXIF", "XMP"}):
            told.add(name)
            yield Evidence("software", name, says, {"software": text[:_MOST_SHOWN], "where": where})
    for key, text in metadata.texts[:_MOST_FIELDS]:
        maker = signed_in_comment(text) if key.lower() in {"comment", "description"} else None
        if maker is not None and maker not in told:
            told.add(maker)
            yield Evidence(
                "software", maker, Says.AI_GENERATED, {"software": text[:_MOST_SHOWN], "where": key}
            )


def _signatures(metadata: Metadata) -> Iterator[tuple[str, str]]:
    """Fields in which programs sign: where, and the text."""
    for tag in (_SOFTWARE_TAG, _PROCESSING_TAG):
        written = metadata.exif.get((IMAGE, tag))
        if isinstance(written, str) and written.strip():
            yield "EXIF", written.strip()
    for found in _first(_XMP_FIELD, metadata.xmp):
        if found.strip():
            yield "XMP", found.strip()
    for key, text in metadata.texts[:_MOST_FIELDS]:
        if key.lower() in _SIGNING_KEYS:
            yield key, text


def _first(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    for number, found in enumerate(pattern.finditer(text)):
        if number >= _MOST_FIELDS:
            return
        yield found[1]
