"""``hivescan known import``, ``merge``, ``diff`` and ``export``: lists of others, and lists for others."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hivescan.cli import list_options as lo
from hivescan.cli.options import JsonOption, QuietOption
from hivescan.cli.output import emit, emit_json, emit_table, say
from hivescan.cli.progress import LiveLine
from hivescan.errors import UsageError
from hivescan.wording import count, printable

if TYPE_CHECKING:
    from hivescan.matching.lists.diffing import KnownDiff
    from hivescan.matching.lists.importing import ImportEvents, ImportSummary

_COUNTS = {
    "added": "added",
    "changed": "changed",
    "withdrawn": "withdrawn",
    "revived": "brought back after a withdrawal",
    "unchanged": "unchanged",
    "older": "older than what the list has",
    "kept_withdrawn": "withdrawn before, still so",
    "tombstones": "withdrawn that the list never had",
    "repeated": "repeated in the sources",
    "rejected": "rejected",
}
_NAMED = 20

ListArgument = Annotated[Path, typer.Argument(metavar="LIST", help="A hash list such as known.parquet.")]


def register(known: typer.Typer) -> None:
    known.command("import", help="Bring lists of others into a list of known material.")(import_)
    known.command("merge", help="Merge lists into one.")(merge)
    known.command("diff", help="Say what differs between two lists.")(diff)
    known.command("export", help="Write a list as CSV, JSON Lines, text or a ThreatExchange delta.")(export)


def import_(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE",
            help="CSV, TSV, JSON, JSON Lines, text, NCMEC XML, StopNCII or ThreatExchange JSON, NSRL, vPDQ "
            "hashes or another known.parquet; told by content.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The list, a new or an existing one.")
    ] = Path("known.parquet"),
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="WORD",
            help="csv, tsv, text, json, sqlite, nsrl, ncmec, stopncii, threatexchange, vpdq or known.",
        ),
    ] = None,
    mapping: lo.MapOption = None,
    save_map: Annotated[
        Path | None, typer.Option("--save-map", metavar="FILE", help="Write the mapping that was used.")
    ] = None,
    algorithm: Annotated[
        str | None,
        typer.Option("--algorithm", metavar="WORD", help="Of hashes that do not say it: md5, pdq …"),
    ] = None,
    source: lo.ListSourceOption = None,
    hash_set: lo.HashSetOption = None,
    match_type: lo.MatchTypeOption = None,
    classification: lo.ClassificationOption = None,
    polarity: lo.PolarityOption = None,
    max_distance: lo.ListDistanceOption = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="WORD", help="A tag of the entries; may be repeated.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="TIME",
            help="When sources without times were stated: 2026-01-31T12:00:00Z, or now.",
        ),
    ] = None,
    rejected: Annotated[
        Path | None,
        typer.Option(
            "--rejected", metavar="FILE", help="Where bad rows are kept; else <list>.rejected.jsonl."
        ),
    ] = None,
    keep_rejected: Annotated[
        bool,
        typer.Option("--keep-rejected/--drop-rejected", help="Keep bad rows in a file, or only count them."),
    ] = True,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    from hivescan.matching.labels import ListLabels
    from hivescan.matching.lists.importing import import_known

    tags = tuple(tag or ())
    labels = ListLabels(source, hash_set, match_type, classification, polarity, max_distance, tags)
    with _RowProgress(quiet=quiet or json) as progress:
        summary = import_known(
            sources,
            out,
            labels=labels,
            algorithm=algorithm,
            mapping=mapping,
            save_mapping_to=save_map,
            format=format_,
            as_of=_time(as_of),
            rejected=rejected,
            keep_rejected=keep_rejected,
            events=_events(out, progress),
        )
    _tell(summary, json=json, quiet=quiet)


def merge(
    lists: Annotated[list[Path], typer.Argument(metavar="LIST", help="Lists; rows of the first come first.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The list to write; may be one of them.")
    ],
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    from hivescan.matching.lists.importing import merge_known

    with _RowProgress(quiet=quiet or json) as progress:
        summary = merge_known(lists, out, events=_events(out, progress))
    _tell(summary, json=json, quiet=quiet)


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A hash list.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Another, or a later version of it.")],
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="How many changes of each kind are named.")
    ] = _NAMED,
    json: JsonOption = False,
) -> None:
    from hivescan.matching.lists.diffing import diff_known

    found = diff_known(old, new, limit=limit)
    if json:
        emit_json(asdict(found))
        return
    emit(_diff_line(found))
    if found.changes:
        rows = [
            [c.kind, c.hash_set or c.source, c.entry_id, c.algorithm, c.row, ", ".join(c.columns)]
            for c in found.changes
        ]
        emit_table(["change", "set", "entry", "algorithm", "row", "what"], rows)


def export(
    known: ListArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The file to write; replaced if there.")
    ],
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="WORD",
            help="csv, jsonl, text or threatexchange; else by the ending .csv, .jsonl, .txt or .json.",
        ),
    ] = None,
    algorithm: Annotated[
        str | None, typer.Option("--algorithm", metavar="WORD", help="Only rows of this algorithm.")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Leave tombstones out.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    from hivescan.matching.lists.exporting import export_known

    summary = export_known(known, out, format=format_, algorithm=algorithm, live=live)
    if json:
        emit_json(asdict(summary))
    elif not quiet:
        repeated = f"; {summary.repeated:,} with the hash of another left out" if summary.repeated else ""
        emit(printable(f"{summary.path}: {count(summary.rows, 'row')} as {summary.format}{repeated}"))


class _RowProgress(LiveLine):
    """Rows that were read or written."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._rows = 0

    def __call__(self, rows: int) -> None:
        self._rows += rows
        self.show(lambda: f"{self._rows:,} rows · {self._rows / self.elapsed:,.0f} rows/s")


def _events(out: Path, progress: _RowProgress) -> ImportEvents:
    from hivescan.matching.lists.importing import ImportEvents

    return ImportEvents(progress, lambda: say(waiting_for(out)))


def waiting_for(out: Path) -> str:
    """What is said while another process holds the lock of a list."""
    return f"{out}: another command changes it; waiting for that"


def _time(text: str | None) -> datetime | None:
    if text is None or text == "now":
        return datetime.now(UTC) if text else None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--as-of {text}: a time such as 2026-01-31T12:00:00Z is meant, or now") from None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when


def _tell(summary: ImportSummary, *, json: bool, quiet: bool) -> None:
    if json:
        emit_json(imported_json(summary))
        return
    say_exceptions(summary)
    for path, used in {} if quiet else summary.formats.items():
        say(f"{path}: read as {used}")
    if not quiet:
        emit(imported_line(summary))


def imported_json(summary: ImportSummary) -> dict[str, object]:
    """What an import or merge did, as printed with ``--json``."""
    told = {name: getattr(summary, name) for name in _PRINTED}
    told["first_rejected"] = [asdict(row) for row in summary.first_rejected]
    return {"path": summary.path} | told


def say_exceptions(summary: ImportSummary) -> None:
    """Name the first rows that were rejected, or brought back after a withdrawal."""
    for row in summary.first_rejected:
        say(f"rejected: {row}")
    more = summary.rejected - len(summary.first_rejected)
    if more > 0:
        say(f"rejected: {count(more, 'more row')}: {_reasons(summary)}")
    if summary.rejected_file is not None:
        say(f"rejected rows are in {summary.rejected_file}")
    if summary.revived:
        named = ", ".join(dict.fromkeys(summary.revived_ids))
        more_of_them = " …" if summary.revived > len(summary.revived_ids) else ""
        say(f"brought back after a withdrawal: {named}{more_of_them}")


def imported_line(summary: ImportSummary) -> str:
    """What became of the rows, in one line."""
    counts = {word: getattr(summary, name) for name, word in _COUNTS.items()}
    line = ", ".join(f"{n:,} {word}" for word, n in counts.items() if n)
    left = "" if summary.written else "; left as it was"
    return printable(f"{summary.path}: {count(summary.rows, 'row')}; {line or 'nothing to do'}{left}")


_PRINTED = (
    "formats", "rows", *_COUNTS, "revived_ids", "rejected_file", "first_rejected", "reasons", "updated_at",
    "written", "checkpoints",
)  # fmt: skip


def _reasons(summary: ImportSummary) -> str:
    ranked = sorted(summary.reasons.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{n:,} × {reason}" for reason, n in ranked[:3]) + (" …" if len(ranked) > 3 else "")


def _diff_line(found: KnownDiff) -> str:
    counts = {name: getattr(found, name) for name in ("added", "changed", "withdrawn", "removed", "revived")}
    told = ", ".join(f"{n:,} {name}" for name, n in counts.items() if n)
    return f"{told or 'no difference'}; {count(found.unchanged, 'live row')} as before"
