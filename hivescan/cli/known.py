"""``hivescan known``: build, inspect and check lists of known material; see ``known_lists`` for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hivescan.cli import known_lists, known_update
from hivescan.cli import list_options as lo
from hivescan.cli.options import JsonOption, QuietOption
from hivescan.cli.output import emit, emit_json, say
from hivescan.cli.progress import ScanProgress
from hivescan.errors import ExitCode
from hivescan.wording import count, printable

if TYPE_CHECKING:
    from hivescan.matching.build import BuildSummary
    from hivescan.matching.known import KnownInfo

_NAMED = 10

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A hash list such as known.parquet.")]


def register(app: typer.Typer) -> None:
    known = typer.Typer(
        no_args_is_help=True,
        help="Build, import, merge, compare, export and check lists of known material.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    known.command("build", help="Hash pictures and videos into a list of known material.")(build)
    known_lists.register(known)
    known.command("info", help="Say what a list holds.")(info)
    known.command("check", help="Check every row of a list; exit code 2 where something is wrong.")(check)
    known_update.register(known)
    app.add_typer(known, name="known")


def build(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE", help="Files, folders, wildcards, @manifest or URIs to hash."),
    ],
    out: lo.NewListOption = Path("known.parquet"),
    match_type: lo.MatchTypeOption = None,
    hash_set: lo.HashSetOption = None,
    source: lo.ListSourceOption = None,
    classification: lo.ClassificationOption = None,
    polarity: lo.PolarityOption = None,
    max_distance: lo.ListDistanceOption = None,
    fps: Annotated[
        float, typer.Option("--fps", metavar="N", min=0.001, help="Frames a second taken of videos.")
    ] = 8.0,
    crops: Annotated[
        bool,
        typer.Option("--crops", help="Hash 25 crops of each picture too: cropped copies match."),
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    from hivescan.audit.build_known import build_known
    from hivescan.matching.labels import ListLabels
    from hivescan.types import Sampling

    labels = ListLabels(source, hash_set, match_type, classification, polarity, max_distance)
    with ScanProgress(quiet=quiet or json) as progress:
        summary = build_known(
            sources,
            out,
            labels,
            sampling=Sampling(fps=fps),
            crops=crops,
            on_progress=progress,
            on_wait=lambda: say(known_lists.waiting_for(out)),
        )
    if json:
        emit_json(_built_json(summary))
        return
    if summary.unread is not None:
        say(
            f"replaced what could not be read: {summary.unread}; stores that met that list take this one for "
            "another"
        )
    for uri, reason in summary.skipped[:_NAMED]:
        say(f"skipped: {uri}: {reason}")
    if len(summary.skipped) > _NAMED:
        say(f"skipped: {count(len(summary.skipped) - _NAMED, 'more file')} (--json names all)")
    for uri, reason in summary.cut_short:
        say(f"only the frames before the damage: {uri}: {reason}")
    if not quiet:
        emit(printable(_built_line(summary)))


def _built_line(summary: BuildSummary) -> str:
    rows = ", ".join(f"{n:,} {algorithm}" for algorithm, n in summary.rows.items())
    notes = [
        (summary.duplicates, "duplicate", "duplicates"),
        (len(summary.skipped), "skipped", "skipped"),
        (len(summary.cut_short), "cut short", "cut short"),
        (summary.low_quality, "PDQ hash too featureless to match", "PDQ hashes too featureless to match"),
    ]
    if summary.transformed:
        rows += f" ({summary.transformed:,} of them without borders or cropped)"
    told = "".join(f"; {n:,} {one if n == 1 else many}" for n, one, many in notes if n)
    return f"{summary.path}: {count(summary.files, 'file')}, {rows}{told}"


def _built_json(summary: BuildSummary) -> dict[str, object]:
    return {
        "path": str(summary.path),
        "files": summary.files,
        "rows": dict(summary.rows),
        "duplicates": summary.duplicates,
        "low_quality": summary.low_quality,
        "transformed": summary.transformed,
        "unread": summary.unread,
        "skipped": [{"uri": uri, "reason": reason} for uri, reason in summary.skipped],
        "cut_short": [{"uri": uri, "reason": reason} for uri, reason in summary.cut_short],
    }


def info(file: FileArgument, json: JsonOption = False) -> None:
    from hivescan.matching.known import read_known

    with read_known(file) as known:
        found = known.info
    if json:
        emit_json(_info_json(found))
        return
    for line in _info_lines(found):
        emit(printable(line))


def check(file: FileArgument, json: JsonOption = False) -> None:
    from hivescan.matching.known import check_known

    found, problems = check_known(file)
    if json:
        listed = [{"problem": p.text, "rows": p.rows, "first_row": p.row} for p in problems]
        emit_json(_info_json(found) | {"problems": listed})
    elif problems:
        for problem in problems:
            emit(str(problem))
    else:
        emit(printable(f"{file}: {count(found.rows, 'row')}, all in order"))
    if problems:
        raise typer.Exit(int(ExitCode.USAGE))


def _info_json(found: KnownInfo) -> dict[str, object]:
    return {
        "path": str(found.path),
        "list_id": found.list_id,
        "lineage": found.lineage,
        "version": found.version,
        "size": found.size,
        "rows": found.rows,
        "entries": dict(found.entries),
        "unmatched": dict(found.unmatched),
        "deleted": found.deleted,
        "vetoing": found.vetoing,
        "low_quality": found.low_quality,
        "hash_sets": list(found.hash_sets),
        "match_types": list(found.match_types),
        "made_with": dict(found.made_with),
    }


def _info_lines(found: KnownInfo) -> list[str]:
    entries = ", ".join(f"{n:,} {algorithm}" for algorithm, n in found.entries.items())
    unmatched = ", ".join(f"{n:,} {algorithm}" for algorithm, n in found.unmatched.items())
    lines = [
        ("list id", found.list_id),
        ("rows", f"{found.rows:,}"),
        ("entries", entries or "none that can match"),
        ("not matched", unmatched and f"{unmatched} (carried, no such matcher)"),
        ("low quality", found.low_quality and f"{found.low_quality:,} too featureless to match"),
        ("deleted", found.deleted and f"{found.deleted:,}"),
        ("negative or benign", found.vetoing and f"{found.vetoing:,} (never reported as matches)"),
        ("hash sets", ", ".join(found.hash_sets)),
        ("match types", ", ".join(found.match_types)),
        ("next fetch from", _checkpoints(found)),
    ]
    return [str(found.path), *(f"  {name + ':':<20}{value}" for name, value in lines if value)]


def _checkpoints(found: KnownInfo) -> str:
    """Where providers said at the last import that the next fetch begins."""
    kept = found.made_with.get("checkpoints")
    return ", ".join(f"{name} {at}" for name, at in kept.items()) if isinstance(kept, dict) else ""
