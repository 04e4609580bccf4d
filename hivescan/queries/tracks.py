"""Faces of a video that are one track speak with one voice: the mean of their scores.

A detector that errs now and then on one of many faces of the same person is quietened by the others, and one
that is sure of the whole track stays sure. What a file is worth is then, as everywhere, the highest of its
samples: the highest of its tracks. Stills and pages have no tracks; each of their faces speaks for itself.

Only heads of :data:`AVERAGED` are taken so. Whether a child may be present is a question for the highest
single face.
"""

from __future__ import annotations

from typing import Final

AVERAGED: Final = ("deepfake",)
"""Heads of faces of which a track's mean counts."""


def along_tracks(scores: str) -> str:
    """A relation with the columns of ``scores``, those of :data:`AVERAGED` the mean of their track.

    ``scores`` names a relation with the columns of the table ``scores``, of things found within samples. A
    score's track is that of the face it is about, in the rows of the analyzer that found it.
    """
    heads = ", ".join(f"'{head}'" for head in AVERAGED)
    return f"""(
        SELECT * FROM {scores} WHERE head NOT IN ({heads})
        UNION ALL BY NAME
        SELECT s.* REPLACE (CASE WHEN f.track IS NULL THEN s.score ELSE (avg(s.score::DOUBLE) OVER (
            PARTITION BY s.content_id, s.chain, s.model, s.head, s.label, f.track))::FLOAT END AS score)
        FROM {scores} s
        LEFT JOIN (SELECT content_id, chain, index, region, track FROM regions WHERE track IS NOT NULL) f
            ON f.content_id = s.content_id AND f.index = s.index AND f.region = s.region
            AND s.chain LIKE f.chain || '>%'
        WHERE s.head IN ({heads}))"""
