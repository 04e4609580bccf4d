"""Faces of a video that are one track speak with one voice where their head's card says so: their mean.

A detector that errs now and then on one of many faces of the same person is quietened by the others, and one
that is sure of the whole track stays sure. What a file is worth is then, as everywhere, the highest of its
samples: the highest of its tracks. Stills and pages have no tracks; each of their faces speaks for itself.

Whether a child may be present is a question for the highest single face.
"""

from __future__ import annotations

_AVERAGED = "(SELECT model, head FROM heads WHERE over_track = 'mean')"


def along_tracks(scores: str) -> str:
    """A relation with the columns of ``scores``, those whose head says so the mean of their track.

    ``scores`` names a relation with the columns of the table ``scores``, of things found within samples. A
    score's track is that of the face it is about, in the rows of the analyzer that found it.
    """
    return f"""(
        SELECT * FROM {scores} ANTI JOIN {_AVERAGED} USING (model, head)
        UNION ALL BY NAME
        SELECT s.* REPLACE (CASE WHEN f.track IS NULL THEN s.score ELSE (avg(s.score::DOUBLE) OVER (
            PARTITION BY s.content_id, s.chain, s.model, s.head, s.label, f.track))::FLOAT END AS score)
        FROM {scores} s
        LEFT JOIN (SELECT content_id, chain, index, region, track FROM regions WHERE track IS NOT NULL) f
            ON f.content_id = s.content_id AND f.index = s.index AND f.region = s.region
            AND s.chain LIKE f.chain || '>%'
        SEMI JOIN {_AVERAGED} a ON a.model = s.model AND a.head = s.head)"""
