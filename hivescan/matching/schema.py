"""``known.parquet``: a list of known material, one row a hash.

====================  ==================  ==================================================================
column                type                meaning
====================  ==================  ==================================================================
entry_id              string, required    the provider's id; hashes of one file may share it
source                string              who gave the entry
hash_set              string              which of the provider's sets it belongs to
algorithm             string, required    md5, sha1, sha256, pdq, phash, dhash; others are carried unmatched
hash                  binary, required    the bytes, not hex; PDQ in the order of the published hex strings
quality               int16               0 to 100, where the algorithm has one
match_type            string              what a match means: CSAM, NCII, TVEC …
classification        string              the provider's class: A1, B2 …
polarity              string, required    positive, seed or disputed match; negative and benign do not
max_distance          int32               the distance that applies to this entry, in bits
parent_id             string              the known video that this entry is a scene of
scene_start_ms        int64               where in the known video the scene is, presentation time
scene_end_ms          int64
tags                  list of string
created_at            timestamp, UTC
updated_at            timestamp, UTC      when this list last changed the row (tombstones: was made)
deleted               bool, required      a tombstone: kept, never matched
transformation        string              what was done to the picture first: a crop, borders cut off
provided_at           timestamp, UTC      when the provider last stated the entry, where that is known
====================  ==================  ==================================================================

The file's key-value metadata carry ``hivescan.known.version`` and, as JSON, ``hivescan.known.made_with``.
Columns are only added, nullable. A version of a list is named by its ``list_id``, the sha256 of its bytes;
the list through all its versions by ``hivescan.known.lineage``, made when it is first written.
"""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

KNOWN_VERSION: Final = 1
"""The major version of the layout. A list written by a newer one is refused."""

VERSION_KEY: Final = b"hivescan.known.version"
MADE_WITH_KEY: Final = b"hivescan.known.made_with"
LINEAGE_KEY: Final = b"hivescan.known.lineage"

POLARITIES: Final = ("positive", "seed", "disputed", "negative", "benign")
MATCHED_POLARITIES: Final = ("positive", "seed", "disputed")

_word = pa.dictionary(pa.int32(), pa.string())
_time = pa.timestamp("us", tz="UTC")

KNOWN: Final = pa.schema(
    [
        pa.field("entry_id", pa.string(), nullable=False),
        pa.field("source", _word),
        pa.field("hash_set", _word),
        pa.field("algorithm", _word, nullable=False),
        pa.field("hash", pa.binary(), nullable=False),
        pa.field("quality", pa.int16()),
        pa.field("match_type", _word),
        pa.field("classification", _word),
        pa.field("polarity", _word, nullable=False),
        pa.field("max_distance", pa.int32()),
        pa.field("parent_id", pa.string()),
        pa.field("scene_start_ms", pa.int64()),
        pa.field("scene_end_ms", pa.int64()),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("created_at", _time),
        pa.field("updated_at", _time),
        pa.field("deleted", pa.bool_(), nullable=False),
        pa.field("transformation", _word),
        pa.field("provided_at", _time),
    ]
)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """That of the words themselves, where a column holds numbers of a dictionary."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def conformed(rows: Any, schema: pa.Schema) -> Any:
    """A table or record batch with exactly the columns of ``schema``: absent ones are null, others left out.

    Raises :class:`pa.ArrowInvalid` where a column cannot be cast.
    """
    columns = [
        rows.column(field.name).cast(field.type)
        if field.name in rows.schema.names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return type(rows).from_arrays(columns, schema=schema)
