"""Some of a batch's samples, and where those stand that were found within others."""

from __future__ import annotations

from collections.abc import Sequence

from hivescan.types import Findings, Hashes, HeadScores, SampleKey, TopLabels, Vectors


def pick(findings: Findings, rows: Sequence[int]) -> Findings:
    """The findings of some of a batch's samples; without what was derived from them."""
    at = list(rows)
    return Findings(
        scores=tuple(HeadScores(s.model, s.head, s.labels, s.scores[at]) for s in findings.scores),
        top=tuple(TopLabels(t.model, t.head, tuple(t.rows[i] for i in at)) for t in findings.top),
        vectors=tuple(Vectors(v.space, v.vectors[at]) for v in findings.vectors),
        hashes=tuple(
            Hashes(
                h.algorithm,
                tuple(h.hashes[i] for i in at),
                tuple(h.quality[i] for i in at),
                h.transformation,
            )
            for h in findings.hashes
        ),
        regions=None if findings.regions is None else tuple(findings.regions[i] for i in at),
        evidence=None if findings.evidence is None else tuple(findings.evidence[i] for i in at),
        texts=None if findings.texts is None else tuple(findings.texts[i] for i in at),
        entities=None if findings.entities is None else tuple(findings.entities[i] for i in at),
    )


def within(sample: SampleKey, start_ms: int | None, end_ms: int | None) -> tuple[int | None, int | None]:
    """Times in the file of what lies within a sample, given in milliseconds after the sample's start.

    What has no times of its own, and what lies in a sample without any, has those of the sample.
    """
    if sample.start_ms is None or start_ms is None or end_ms is None:
        return sample.start_ms, sample.end_ms
    return sample.start_ms + start_ms, sample.start_ms + end_ms
