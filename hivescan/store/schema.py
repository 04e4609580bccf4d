"""The tables. Columns are only ever added, and new ones are nullable.

Result rows (``scores``, ``hashes``, ``regions``, ``texts``, ``entities``, ``embeddings``, ``evidence``)
belong to one attempt: ``(content_id, chain, run_id)``, the key of one row of ``analyses``, the ledger. The
views that users query show the rows of the attempt that counts: the newest that is done or partial.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

FORMAT_VERSION: Final = 1
"""The major version of the layout. A store written by a newer one is refused."""

_word = pa.dictionary(pa.int32(), pa.string())
_time = pa.timestamp("us", tz="UTC")

_attempt = [
    pa.field("content_id", pa.string(), nullable=False),
    pa.field("chain", _word, nullable=False),
    pa.field("run_id", _word, nullable=False),
]
_sample = [
    pa.field("level", _word, nullable=False),
    pa.field("index", pa.int32(), nullable=False),
    pa.field("start_ms", pa.int64()),
    pa.field("end_ms", pa.int64()),
]
_region = pa.field("region", pa.int32())  # which of the things found in the sample; null: the sample itself

FILES = pa.schema(
    [
        # One row an observation that differs from the one before: new, changed, renamed, gone.
        pa.field("uri", pa.string(), nullable=False),
        pa.field("source", _word, nullable=False),
        pa.field("manifest_row", pa.int64()),
        pa.field("size", pa.int64()),
        pa.field("mtime_ns", pa.int64()),
        pa.field("etag", pa.string()),
        pa.field("content_id", pa.string()),
        pa.field("user", pa.string()),  # JSON object of the manifest's extra columns
        pa.field("error", pa.string()),  # why the file could not be read; content_id is then null
        pa.field("retryable", pa.bool_()),
        pa.field("observed_at", _time, nullable=False),
        pa.field("gone_since", _time),
        pa.field("run_id", _word, nullable=False),
    ]
)

CONTENTS = pa.schema(
    [
        pa.field("content_id", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("md5", pa.string(), nullable=False),
        pa.field("sha1", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("media_type", _word, nullable=False),
        pa.field("mime", _word, nullable=False),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("duration_ms", pa.int64()),
        pa.field("frame_count", pa.int64()),
        pa.field("rotation", pa.int32()),
        pa.field("codec", _word),
        pa.field("decoder", _word),
        pa.field("created_at", _time, nullable=False),
        pa.field("run_id", _word, nullable=False),
    ]
)

ANALYSES = pa.schema(
    [
        *_attempt,
        pa.field("fingerprint", _word, nullable=False),
        pa.field("status", _word, nullable=False),
        pa.field("reason", pa.string()),
        pa.field("retryable", pa.bool_(), nullable=False),
        pa.field("samples", pa.int32(), nullable=False),
        pa.field("finished_at", _time, nullable=False),
    ]
)

SCORES = pa.schema(
    [
        *_attempt,
        *_sample,
        pa.field("model", _word, nullable=False),
        pa.field("head", _word, nullable=False),
        pa.field("label", _word, nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        _region,
    ]
)

HASHES = pa.schema(
    [
        *_attempt,
        *_sample,
        pa.field("algorithm", _word, nullable=False),
        pa.field("hash", pa.binary(), nullable=False),
        pa.field("quality", pa.int16()),
        pa.field("transformation", _word),  # what was done to the picture first; null: nothing
    ]
)

REGIONS = pa.schema(
    [
        *_attempt,
        *_sample,
        pa.field("region", pa.int32(), nullable=False),
        pa.field("model", _word, nullable=False),
        pa.field("kind", _word, nullable=False),
        pa.field("polygon", pa.list_(pa.float32()), nullable=False),
        pa.field("confidence", pa.float32(), nullable=False),
        pa.field("landmarks", pa.list_(pa.float32())),  # as the polygon
        pa.field("track", pa.int32()),  # the same for the same thing in several samples of a file
    ]
)

TEXTS = pa.schema(
    [
        *_attempt,
        *_sample,
        pa.field("origin", _word, nullable=False),  # file, speech, ocr, code
        pa.field("language", _word),
        pa.field("text", pa.string(), nullable=False),
        pa.field("words", pa.string()),  # JSON list of {text, start_ms, end_ms, confidence}
        pa.field("confidence", pa.float32()),
        pa.field("char_start", pa.int64()),  # where it stands among the characters of a text file
        pa.field("char_end", pa.int64()),
        _region,
        pa.field("polygon", pa.list_(pa.float32())),  # where it stands in the picture
        pa.field("track", pa.int32()),  # which sound track of the file
        pa.field("part", pa.int32()),  # page of a document, message of a mailbox, from 1
    ]
)

ENTITIES = pa.schema(
    [
        # Whom and what a passage of text names: places are characters of that passage.
        *_attempt,
        *_sample,
        pa.field("kind", _word, nullable=False),  # email, phone, url, iban, card, word
        pa.field("value", pa.string(), nullable=False),  # of cards the last four figures; of words their kind
        pa.field("domain", pa.string()),  # the registered one of addresses and links
        pa.field("disguised", pa.bool_(), nullable=False),
        pa.field("char_start", pa.int64(), nullable=False),
        pa.field("char_end", pa.int64(), nullable=False),
        _region,
    ]
)

EVIDENCE = pa.schema(
    [
        # What a file says of where it comes from. It never overrides what models or people say.
        *_attempt,
        *_sample,
        pa.field("kind", _word),  # c2pa, digital_source_type, generator, software, camera, quantisation
        pa.field("name", _word),
        pa.field("says", _word),  # ai_generated, edited, camera, nothing
        pa.field("value", pa.string()),  # JSON object
    ]
)

EMBEDDINGS = pa.schema(
    [
        *_attempt,
        *_sample,
        pa.field("space", _word, nullable=False),
        pa.field("vector", pa.list_(pa.float16()), nullable=False),
        _region,
    ]
)

MATCHES = pa.schema(
    [
        pa.field("content_id", pa.string(), nullable=False),
        pa.field("level", _word, nullable=False),
        pa.field("index", pa.int32()),
        pa.field("start_ms", pa.int64()),
        pa.field("end_ms", pa.int64()),
        pa.field("algorithm", _word, nullable=False),
        pa.field("distance", pa.int32(), nullable=False),
        pa.field("max_distance", pa.int32(), nullable=False),
        pa.field("quality", pa.int16()),
        pa.field("known_quality", pa.int16()),
        pa.field("entry_id", pa.string(), nullable=False),
        pa.field("parent_id", pa.string()),  # the known video that the entry is a scene of
        pa.field("source", _word),
        pa.field("hash_set", _word),
        pa.field("match_type", _word),
        pa.field("classification", _word),
        pa.field("polarity", _word),
        pa.field("scene_start_ms", pa.int64()),
        pa.field("scene_end_ms", pa.int64()),
        pa.field("transformation", _word),
        pa.field("list_id", _word, nullable=False),  # sha256 of the list's bytes
        pa.field("matched_at", _time, nullable=False),
        pa.field("run_id", _word, nullable=False),
        pa.field("lineage", pa.string()),  # the list through all its versions
        pa.field("known_transformation", _word),  # what was done to the known picture before it was hashed
        # Of an interval (level clip): how many samples, what share of each video, how fast it runs.
        pa.field("samples", pa.int32()),
        pa.field("coverage", pa.float32()),
        pa.field("known_coverage", pa.float32()),
        pa.field("speed", pa.float32()),
        pa.field("retracted_at", _time),  # taken back: by a withdrawal, a veto or a flood
        pa.field("retracted_why", pa.string()),
    ]
)

DECISIONS = pa.schema(
    [
        pa.field("content_id", pa.string(), nullable=False),
        pa.field("uri", pa.string()),
        pa.field("decision", _word, nullable=False),
        pa.field("reason", pa.string()),
        pa.field("decided_by", _word, nullable=False),
        pa.field("policy", _word),
        pa.field("decided_at", _time, nullable=False),
        pa.field("run_id", _word),
    ]
)

RUNS = pa.schema(
    [
        # Two rows a run: one at its start (status running), one at its end.
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("command", _word, nullable=False),  # classify, hash-match, audit …
        pa.field("status", _word, nullable=False),  # running, done, interrupted, failed
        pa.field("started_at", _time, nullable=False),
        pa.field("recorded_at", _time, nullable=False),
        pa.field("ended_at", _time),
        pa.field("complete_sources", pa.list_(pa.string())),  # walked to the end
        pa.field("files", pa.int64()),
        pa.field("failed", pa.int64()),
        pa.field("details", pa.string()),  # JSON: config, versions, weights, lists, machine
    ]
)

HEADS = pa.schema(
    [
        # What each head's classes mean, as its card said when the rows were written.
        pa.field("model", pa.string(), nullable=False),
        pa.field("head", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("polarity", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("validated", pa.bool_(), nullable=False),
        pa.field("chain", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("recorded_at", _time, nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("family", pa.string()),  # the head that reports group it with; null: itself
        pa.field("over_track", pa.string()),  # mean or highest of the things of one track; null: highest
    ]
)

TABLES: Final[dict[str, pa.Schema]] = {
    "files": FILES,
    "contents": CONTENTS,
    "analyses": ANALYSES,
    "scores": SCORES,
    "hashes": HASHES,
    "regions": REGIONS,
    "texts": TEXTS,
    "entities": ENTITIES,
    "embeddings": EMBEDDINGS,
    "evidence": EVIDENCE,
    "matches": MATCHES,
    "decisions": DECISIONS,
    "runs": RUNS,
    "heads": HEADS,
}

RESULT_TABLES: Final = ("scores", "hashes", "regions", "texts", "entities", "embeddings", "evidence")
"""Tables whose rows belong to an attempt in the ledger."""

PROBE_CHAIN: Final = "probe"
"""The ledger's row for a content as such: could it be read and told what it is."""

_SPEECH: Final = ("speech", "whisper_small", "whisper_large_v3")
CODES: Final = "codes"
_READERS: Final = ("ocr", "tesseract", CODES, *_SPEECH)

METADATA_CHAINS: Final = (PROBE_CHAIN, "provenance", "passages", "entities", *_READERS)
"""Chains that judge no pictures, sound or words: they read, as do ``entities`` behind others. An item with
these alone was not looked at."""

SOUND_CHAINS: Final = ("sounds", *_SPEECH)
"""Chains that listen to sound files and to the sound of videos."""
