"""Making a report: SQL over the whole store, rows fetched only of what is flagged and shown."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hivescan.errors import UsageError
from hivescan.queries.campaigns import KINDS as ENTITY_KINDS
from hivescan.queries.coverage import coverage
from hivescan.queries.escalation import escalation_checked, escalations
from hivescan.queries.heads import class_rules, create_classes, known_heads
from hivescan.queries.selection import SELECTION, columns_of, create_selection
from hivescan.queries.spans import read_spans
from hivescan.report.model import (
    AlgorithmMatch,
    ClassThreshold,
    EntityCount,
    EscalatedFile,
    EvidenceCount,
    FamilyCount,
    Finding,
    Group,
    GroupFinding,
    GroupFindings,
    Groups,
    HeadFindings,
    HeadScore,
    LabelCount,
    LabelScore,
    Match,
    MatchedInterval,
    ModelScore,
    Quarantined,
    Question,
    Report,
)
from hivescan.report.options import ReportOptions
from hivescan.report.statements import (
    create_flagged,
    create_groups,
    create_matches,
    create_shown,
    quoted,
)
from hivescan.store.escalations import ESCALATE
from hivescan.types import Polarity

if TYPE_CHECKING:
    import duckdb

    from hivescan.store.store import Store


def report(store: Store, options: ReportOptions | None = None) -> Report:
    """What the store says: hash matches, flagged files, coverage.

    Raises UsageError for an unknown head or column, QueryError for a wrong ``where``.
    """
    options = options or ReportOptions()
    connection = store.connect()
    try:
        return _report(connection, options, str(store.location))
    finally:
        connection.close()


def _report(connection: duckdb.DuckDBPyConnection, options: ReportOptions, store: str) -> Report:
    heads = known_heads(connection)
    rules = class_rules(
        heads,
        threshold=options.threshold,
        overrides=options.head_thresholds,
        ignored=options.ignored,
        heads=options.heads,
    )
    column = _column(connection, options.group_by) if options.group_by is not None else None
    create_selection(connection, where=options.where, since=options.since)
    create_classes(connection, name="report_classes", rules=rules)
    create_matches(connection)
    create_flagged(connection, options, rules)
    create_shown(connection, options.limit)
    create_groups(connection)
    checked, escalated = escalation_checked(connection, SELECTION), _escalated(connection)
    seen = coverage(connection, heads, wanted=rules.heads)
    matched, match_rows, harmless, flagged = connection.execute(
        f"""
        SELECT
            (SELECT count(*) FROM {SELECTION} WHERE content_id IN
                (SELECT content_id FROM report_matches WHERE NOT harmless)),
            (SELECT count(*) FROM match_rows WHERE NOT harmless OR $all_classes),
            (SELECT count(*) FROM match_rows WHERE harmless),
            (SELECT count(*) FROM {SELECTION} WHERE content_id IN
                (SELECT content_id FROM flagged WHERE polarity = 'harmful'))
        """,
        {"all_classes": options.all_classes},
    ).fetchone() or (0, 0, 0, 0)
    # Zero is an answer; what was never asked of the files has none.
    hashed = bool(seen.lists or match_rows or harmless)
    classified = any(chain.ran for chain in seen.chains)
    return Report(
        question=Question(
            store=store,
            threshold=options.threshold,
            head_thresholds=dict(options.head_thresholds),
            heads=options.heads,
            ignored=options.ignored,
            all_classes=options.all_classes,
            by_group=options.by_group,
            since=options.since,
            where=options.where,
            group_by=column,
            aggregate=str(options.aggregate),
            limit=options.limit,
        ),
        created_at=datetime.now(UTC),
        escalated_files=len(escalated) if checked or escalated else None,
        escalation_checked=checked,
        escalated=escalated,
        matched_files=matched if hashed else None,
        match_rows=match_rows,
        harmless_matches=harmless,
        matches=_matches(connection, options),
        retracted_matches=_retracted(connection),
        quarantined=_quarantined(connection),
        flagged_files=flagged if classified else None,
        heads=_heads(connection, options.threshold),
        head_groups=_head_groups(connection, options.limit),
        groups=_groups(connection, column, options.limit, hashed=hashed, classified=classified)
        if column is not None
        else None,
        evidence=_evidence(connection),
        entities=_entities(connection),
        coverage=seen,
    )


def _entities(connection: duckdb.DuckDBPyConnection) -> tuple[EntityCount, ...]:
    """What texts name, counted. Words of lists are what heads go by, and no entities."""
    rows = connection.execute(
        f"""
        WITH named AS (
            SELECT e.kind, e.value, e.content_id, uri FROM entities e JOIN {SELECTION} USING (content_id)
            WHERE e.kind IN {ENTITY_KINDS}),
        values_of AS (
            SELECT kind, count(*) AS n, count(*) FILTER (contents > 1) AS shared FROM (
                SELECT kind, value, count(DISTINCT content_id) AS contents FROM named GROUP BY kind, value)
            GROUP BY kind)
        SELECT kind, count(DISTINCT uri), any_value(n), any_value(shared)
        FROM named JOIN values_of USING (kind) GROUP BY kind ORDER BY 2 DESC, kind
        """
    ).fetchall()
    return tuple(EntityCount(*row) for row in rows)


def _escalated(connection: duckdb.DuckDBPyConnection) -> tuple[EscalatedFile, ...]:
    """Whatever heads and thresholds were asked for: nothing narrows this but the choice of files."""
    why = escalations(connection)
    rows = connection.execute(
        f"""SELECT uri, content_id, media_type::VARCHAR, status FROM {SELECTION}
            WHERE list_contains($contents::VARCHAR[], content_id) ORDER BY uri""",
        {"contents": list(why)},
    ).fetchall()
    return tuple(
        EscalatedFile(
            uri=uri,
            content_id=content_id,
            media_type=media_type,
            status=status,
            action=ESCALATE,
            why=why[content_id].why,
            guesses=why[content_id].guesses,
        )
        for uri, content_id, media_type, status in rows
    )


def _evidence(connection: duckdb.DuckDBPyConnection) -> tuple[EvidenceCount, ...]:
    """Evidence, never a finding: it flags no file and clears none."""
    rows = connection.execute(
        f"""
        SELECT says, kind, name, count(DISTINCT uri)
        FROM evidence JOIN {SELECTION} USING (content_id) WHERE says <> 'nothing' OR kind = 'c2pa'
        GROUP BY says, kind, name
        ORDER BY list_position(['ai_generated', 'edited', 'camera', 'nothing'], says), 4 DESC, kind, name
        """
    ).fetchall()
    return tuple(EvidenceCount(*row) for row in rows)


def _column(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    columns = columns_of(connection, "items")
    for column in columns:
        if column.lower() == name.lower():
            return column
    raise UsageError(f"--group-by: items have no column {name!r}: they have {', '.join(columns)}")


def _records(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Any = None
) -> list[dict[str, Any]]:
    cursor = connection.execute(query, parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _matches(connection: duckdb.DuckDBPyConnection, options: ReportOptions) -> tuple[Match, ...]:
    rows = _records(
        connection,
        """
        SELECT r.*, s.spans, m.intervals FROM match_rows r LEFT JOIN match_spans s USING (match_id)
        LEFT JOIN match_intervals m USING (match_id)
        WHERE NOT harmless OR $all_classes
        ORDER BY harmless, hash_set NULLS LAST, classification NULLS LAST, nearness, uri, entry_id
        LIMIT $limit
        """,
        {"all_classes": options.all_classes, "limit": options.limit},
    )
    return tuple(
        Match(
            **{name: row[name] for name in _MATCH_COLUMNS},
            algorithms=tuple(AlgorithmMatch(**a) for a in row["algorithms"]),
            spans=read_spans(row["spans"]),
            intervals=tuple(MatchedInterval(**i) for i in row["intervals"] or ()),
            lists=tuple(row["lists"]),
        )
        for row in rows
    )


def _retracted(connection: duckdb.DuckDBPyConnection) -> int:
    ((number,),) = connection.execute(
        f"""
        SELECT count(DISTINCT (content_id, coalesce(parent_id, entry_id), source, hash_set))
        FROM retractions r
        -- What was vetoed when it was first met never was a match.
        WHERE retracted_at > matched_at AND retracted_why <> 'flood'
            AND content_id IN (SELECT content_id FROM {SELECTION})
            AND NOT EXISTS (
                FROM report_matches m WHERE m.content_id = r.content_id
                    AND m.entry_id = coalesce(r.parent_id, r.entry_id)
                    AND m.source IS NOT DISTINCT FROM r.source
                    AND m.hash_set IS NOT DISTINCT FROM r.hash_set)
        """
    ).fetchall()
    return int(number)


def _quarantined(connection: duckdb.DuckDBPyConnection) -> tuple[Quarantined, ...]:
    rows = connection.execute(
        f"""
        SELECT coalesce(r.parent_id, r.entry_id) AS entry, r.hash_set, count(DISTINCT uri) AS files
        FROM retractions r JOIN {SELECTION} USING (content_id) WHERE r.retracted_why = 'flood'
        GROUP BY entry, r.source, r.hash_set ORDER BY files DESC, entry
        """
    ).fetchall()
    return tuple(Quarantined(*row) for row in rows)


_MATCH_COLUMNS = (
    "uri",
    "content_id",
    "media_type",
    "status",
    "entry_id",
    "source",
    "hash_set",
    "match_type",
    "classification",
    "polarity",
)


def _heads(connection: duckdb.DuckDBPyConnection, threshold: float) -> tuple[HeadFindings, ...]:
    """One section a head and polarity, harmful ones first, then by name."""
    labels: dict[tuple[str, str, str, str], list[LabelScore]] = defaultdict(list)
    for content_id, head, part, model, label, score in connection.execute(
        "SELECT content_id, head, part, model, label, score FROM shown_labels ORDER BY score DESC, label"
    ).fetchall():
        labels[content_id, head, part, model].append(LabelScore(label, score))
    findings: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for row in _records(connection, "SELECT * FROM shown ORDER BY score DESC, uri, label"):
        models = tuple(
            ModelScore(
                m["model"], m["score"], tuple(labels[row["content_id"], row["head"], row["part"], m["model"]])
            )
            for m in row["models"]
        )
        findings[row["head"], row["polarity"]].append(
            Finding(
                uri=row["uri"],
                content_id=row["content_id"],
                media_type=row["media_type"],
                status=row["status"],
                head=row["head"],
                label=row["label"],
                score=row["score"],
                threshold=row["threshold"],
                disagreement=row["disagreement"],
                models=models,
                spans=read_spans(row["spans"]),
            )
        )
    counts: dict[tuple[str, str], list[LabelCount]] = defaultdict(list)
    for head, polarity, label, files in connection.execute(
        f"""SELECT head, polarity, label, count(*) FROM flagged JOIN {SELECTION} USING (content_id)
            GROUP BY ALL ORDER BY 4 DESC, 3"""
    ).fetchall():
        counts[head, polarity].append(LabelCount(label, files))
    own: dict[str, list[ClassThreshold]] = defaultdict(list)
    for head, label, at in connection.execute(
        f"""SELECT DISTINCT head, label, threshold FROM report_classes
            WHERE part <> '' AND polarity = '{Polarity.HARMFUL}' ORDER BY ALL"""
    ).fetchall():
        own[head].append(ClassThreshold(label, at))
    sections = _records(
        connection,
        f"""
        WITH spoken AS (
            SELECT head, list_sort(list(DISTINCT model)) AS models, bool_and(validated) AS validated,
                any_value(family) AS family
            FROM heads GROUP BY head),
        asked AS (SELECT head, max(head_threshold) AS threshold FROM report_classes GROUP BY head)
        SELECT f.head, f.polarity, coalesce(any_value(a.threshold), $threshold) AS threshold,
            coalesce(any_value(s.family), f.head) AS family,
            coalesce(any_value(s.models), []) AS models, coalesce(any_value(s.validated), false) AS validated,
            count(DISTINCT i.uri) AS files
        FROM flagged f JOIN {SELECTION} i USING (content_id) LEFT JOIN spoken s USING (head)
            LEFT JOIN asked a USING (head)
        GROUP BY f.head, f.polarity ORDER BY f.polarity <> '{Polarity.HARMFUL}', f.head, f.polarity
        """,
        {"threshold": threshold},
    )
    return tuple(
        HeadFindings(
            head=section["head"],
            polarity=section["polarity"],
            threshold=section["threshold"],
            validated=section["validated"],
            models=tuple(section["models"]),
            files=section["files"],
            labels=tuple(counts[section["head"], section["polarity"]]),
            findings=tuple(findings[section["head"], section["polarity"]]),
            family=section["family"],
            class_thresholds=tuple(own[section["head"]]) if section["polarity"] == Polarity.HARMFUL else (),
        )
        for section in sections
    )


def _head_groups(connection: duckdb.DuckDBPyConnection, limit: int | None) -> tuple[GroupFindings, ...]:
    """One section a group of heads that flag files, by name."""
    families: dict[str, list[FamilyCount]] = defaultdict(list)
    for group, family, heads, files in connection.execute(
        f"""SELECT heading, h.family, list_sort(list(DISTINCT h.head)), count(DISTINCT i.uri)
            FROM (SELECT content_id, heading, unnest(heads) AS h FROM flagged_groups)
            JOIN {SELECTION} i USING (content_id) GROUP BY ALL ORDER BY 4 DESC, 2"""
    ).fetchall():
        families[group].append(FamilyCount(family, tuple(heads), files))
    findings: dict[str, list[GroupFinding]] = defaultdict(list)
    for row in _records(
        connection,
        f"""SELECT g.heading, i.uri, i.content_id, i.media_type, i.status, g.score, g.heads
            FROM flagged_groups g JOIN {SELECTION} i USING (content_id)
            QUALIFY $limit::BIGINT IS NULL
                OR row_number() OVER (PARTITION BY heading ORDER BY score DESC, uri) <= $limit
            ORDER BY g.score DESC, i.uri""",
        {"limit": limit},
    ):
        heads = tuple(HeadScore(**said) for said in row.pop("heads"))
        findings[row.pop("heading")].append(GroupFinding(**row, heads=heads))
    return tuple(
        GroupFindings(group, files, validated, tuple(families[group]), tuple(findings[group]))
        for group, files, validated in connection.execute(
            f"""SELECT heading, count(DISTINCT uri), bool_and(validated)
                FROM flagged_groups JOIN {SELECTION} USING (content_id) GROUP BY 1 ORDER BY 1"""
        ).fetchall()
    )


def _groups(
    connection: duckdb.DuckDBPyConnection,
    column: str,
    limit: int | None,
    *,
    hashed: bool,
    classified: bool,
) -> Groups:
    rows = connection.execute(
        f"""
        SELECT {quoted(column)}::VARCHAR AS value, count(*) AS files,
            count(*) FILTER (content_id IN (SELECT content_id FROM report_matches WHERE NOT harmless))
                AS matched,
            count(*) FILTER (content_id IN (SELECT content_id FROM flagged WHERE polarity = 'harmful'))
                AS flagged,
            count(*) FILTER (status <> 'done') AS not_fully_seen
        FROM {SELECTION} GROUP BY 1
        ORDER BY matched DESC, flagged DESC, files DESC, value
        """
    ).fetchall()
    return Groups(
        column,
        len(rows),
        tuple(
            Group(value, files, matched if hashed else None, flagged if classified else None, unseen)
            for value, files, matched, flagged, unseen in rows[:limit]
        ),
    )
