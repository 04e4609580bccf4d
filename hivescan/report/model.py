"""A report as plain values. Times are integer milliseconds of presentation time, scores 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any

from hivescan.queries.coverage import Coverage
from hivescan.queries.escalation import Guess
from hivescan.queries.spans import Span


@dataclass(frozen=True)
class AlgorithmMatch:
    """The best match of one algorithm: ``distance`` ≤ ``max_distance`` bits, on ``samples`` samples.

    ``transformation`` is what was done to the file's picture before it was compared, ``known_transformation``
    to the known one.
    """

    algorithm: str
    distance: int
    max_distance: int
    samples: int
    transformation: str | None = None
    known_transformation: str | None = None


@dataclass(frozen=True)
class MatchedInterval:
    """A part of the file that shows a part of the known video, milliseconds in each."""

    start_ms: int
    end_ms: int
    known_start_ms: int
    known_end_ms: int


@dataclass(frozen=True)
class Match:
    """One file and one known entry. All frames that match it are in one row; ``spans`` says where, and of two
    videos ``intervals`` where in both. ``lists`` are the ids of the versions of lists that it was found with.
    """

    uri: str
    content_id: str
    media_type: str | None
    status: str
    entry_id: str
    source: str | None
    hash_set: str | None
    match_type: str | None
    classification: str | None
    polarity: str | None
    algorithms: tuple[AlgorithmMatch, ...]
    spans: tuple[Span, ...]
    intervals: tuple[MatchedInterval, ...] = ()
    lists: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quarantined:
    """A known work that all at once matched very many files: its matches are kept back."""

    entry_id: str
    hash_set: str | None
    files: int


@dataclass(frozen=True)
class EscalatedFile:
    """One file that must go to a person and nowhere else, and what the models said.

    ``action`` is ``escalate``, for programs that look at nothing else.
    """

    uri: str
    content_id: str
    media_type: str | None
    status: str
    action: str
    why: str
    guesses: tuple[Guess, ...]


@dataclass(frozen=True)
class LabelScore:
    label: str
    score: float


@dataclass(frozen=True)
class ModelScore:
    """What one model says of a file: the head's score, and the file's score of its single labels."""

    model: str
    score: float
    labels: tuple[LabelScore, ...]


@dataclass(frozen=True)
class Finding:
    """One file flagged by one head.

    ``threshold`` is the one that was reached. ``score`` is that of the model that says most;
    ``disagreement`` the distance between the models that say most and least, None where one model speaks.
    ``label`` is the class with the highest score. ``spans`` are where a model that flags the file reaches
    the threshold.
    """

    uri: str
    content_id: str
    media_type: str | None
    status: str
    head: str
    label: str
    score: float
    threshold: float
    disagreement: float | None
    models: tuple[ModelScore, ...]
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class LabelCount:
    """How many flagged files have this label as their highest."""

    label: str
    files: int


@dataclass(frozen=True)
class ClassThreshold:
    """A class that has a threshold of its own, and is not in its head's sum."""

    label: str
    threshold: float


@dataclass(frozen=True)
class HeadFindings:
    """The files that one head flags, the highest score first.

    ``polarity`` is ``harmful`` where the head's harmful classes were added up; with all classes there
    are further sections, of single labels that are benign, descriptive or undeclared. ``files`` counts
    all flagged files, ``findings`` may be fewer by the limit.
    """

    head: str
    polarity: str
    threshold: float
    validated: bool
    models: tuple[str, ...]
    files: int
    labels: tuple[LabelCount, ...]
    findings: tuple[Finding, ...]
    family: str
    """The head of the field that it belongs to (``gun`` for ``gun_any``); its own name where it is one."""
    class_thresholds: tuple[ClassThreshold, ...] = ()


@dataclass(frozen=True)
class HeadScore:
    """What one head says of a file that it flags."""

    family: str
    head: str
    label: str
    score: float


@dataclass(frozen=True)
class GroupFinding:
    """One file flagged by heads of one group; ``heads`` has the highest first."""

    uri: str
    content_id: str
    media_type: str | None
    status: str
    score: float
    heads: tuple[HeadScore, ...]


@dataclass(frozen=True)
class FamilyCount:
    """How many files the heads of one family flag: ``gun`` by ``gun_any``."""

    family: str
    heads: tuple[str, ...]
    files: int


@dataclass(frozen=True)
class GroupFindings:
    """The files that the heads of one group flag (sexual, violence …), each once.

    Harmful classes of a head are added up; across heads the highest counts. ``validated``: all of the heads
    that flag are. ``files`` counts all, ``findings`` may be fewer by the limit.
    """

    group: str
    files: int
    validated: bool
    families: tuple[FamilyCount, ...]
    findings: tuple[GroupFinding, ...]


@dataclass(frozen=True)
class EvidenceCount:
    """How many files hold this piece of evidence of where they come from, and what it speaks for."""

    says: str
    kind: str
    name: str
    files: int


@dataclass(frozen=True)
class EntityCount:
    """How many files name entities of a kind, how many different ones, and how many of these stand in several
    different files. The values themselves are in no report."""

    kind: str
    files: int
    values: int
    shared: int


@dataclass(frozen=True)
class Group:
    """Counts of files by one value of a column. ``value`` None: the column is empty.

    ``matched`` is None where no hash list was matched, ``flagged`` None where no head ran.
    """

    value: str | None
    files: int
    matched: int | None
    flagged: int | None
    not_fully_seen: int


@dataclass(frozen=True)
class Groups:
    column: str
    total: int
    rows: tuple[Group, ...]


@dataclass(frozen=True)
class Question:
    """What the report was asked, as text where an object stood."""

    store: str
    threshold: float
    head_thresholds: dict[str, float]
    heads: tuple[str, ...]
    ignored: tuple[str, ...]
    all_classes: bool
    by_group: bool
    since: datetime | None
    where: str | None
    group_by: str | None
    aggregate: str
    limit: int | None


@dataclass(frozen=True)
class Report:
    """``matched_files`` and ``flagged_files`` count files of the whole selection, each once.

    They are None, not 0, where that was never looked at: no hash list matched, no head run.
    ``escalated_files`` counts files that are to be escalated, None where no model could say (of
    ``escalation_checked`` files one could); ``escalated`` are they, never fewer by the limit. ``match_rows``
    is the number of matches before the limit; ``harmless_matches`` those with entries known to be harmless
    (benign, negative), which are listed with all classes only. ``retracted_matches`` do not stand any more,
    of files and entries, each pair once; ``quarantined`` are entries that match too much, with the files of
    the selection.
    """

    question: Question
    created_at: datetime
    escalated_files: int | None
    escalation_checked: int
    escalated: tuple[EscalatedFile, ...]
    matched_files: int | None
    match_rows: int
    harmless_matches: int
    matches: tuple[Match, ...]
    retracted_matches: int
    quarantined: tuple[Quarantined, ...]
    flagged_files: int | None
    heads: tuple[HeadFindings, ...]
    head_groups: tuple[GroupFindings, ...]
    groups: Groups | None
    evidence: tuple[EvidenceCount, ...]
    entities: tuple[EntityCount, ...]
    coverage: Coverage

    @property
    def has_findings(self) -> bool:
        return bool(self.escalated or self.matched_files or self.flagged_files)

    @property
    def verdict(self) -> str:
        """``3 matched, 12 flagged``: what was never looked for is said to be so, not counted as none."""
        matched, flagged = self.matched_files, self.flagged_files
        return ", ".join(
            (
                *((f"{len(self.escalated):,} to escalate",) if self.escalated else ()),
                "not matched with any hash list" if matched is None else f"{matched:,} matched",
                "not classified" if flagged is None else f"{flagged:,} flagged",
            )
        )

    @property
    def has_failures(self) -> bool:
        return self.coverage.failed + self.coverage.partial > 0


def plain(value: Any) -> Any:
    """Dataclasses, tuples and times as what JSON has. Properties are left out."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value
