"""``hivescan known update``: bring a list, and the matches of a store with it, up to date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hivescan.cli import list_options as lo
from hivescan.cli.known_lists import imported_json, imported_line, say_exceptions
from hivescan.cli.options import DEFAULT_STORE, JsonOption, QuietOption, StoreOption
from hivescan.cli.output import emit, emit_json
from hivescan.errors import ExitCode
from hivescan.wording import count

if TYPE_CHECKING:
    from hivescan.matching.update import UpdateSummary


def register(known: typer.Typer) -> None:
    known.command("update", help="Import sources, then match what the list gained with all stored hashes.")(
        update
    )


def update(
    file: Annotated[Path, typer.Argument(metavar="LIST", help="A hash list such as known.parquet.")],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="Files of providers to import first, as `known import` takes them; without any, only what "
            "the list gained since the store last met it is matched.",
            show_default=False,
        ),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    map_: lo.MapOption = None,
    source_format: Annotated[
        str | None,
        typer.Option(
            "--source-format", metavar="NAME", help="The format of the sources, else it is recognised."
        ),
    ] = None,
    source: lo.ListSourceOption = None,
    hash_set: lo.HashSetOption = None,
    match_type: lo.MatchTypeOption = None,
    polarity: lo.PolarityOption = None,
    fail_on_findings: Annotated[
        bool, typer.Option("--fail-on-findings", help="Exit with 1 where something new matched.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    from hivescan.matching.labels import ListLabels
    from hivescan.matching.update import update_known
    from hivescan.store.store import open_store

    labels = ListLabels(source=source, hash_set=hash_set, match_type=match_type, polarity=polarity)
    summary = update_known(
        file, sources or (), open_store(store), labels=labels, mapping=map_, format=source_format
    )
    if json:
        emit_json(_as_json(summary))
    else:
        if summary.imported is not None:
            say_exceptions(summary.imported)
        for line in [] if quiet else _lines(summary):
            emit(line)
    if fail_on_findings and summary.matches.added:
        raise typer.Exit(int(ExitCode.FINDINGS))


def _lines(summary: UpdateSummary) -> list[str]:
    lines, matches = [], summary.matches
    if summary.imported is not None:
        lines.append(imported_line(summary.imported))
    if summary.since is None:
        lines.append(
            f"the store had not met this list: {count(matches.contents, 'content')} compared with all of it"
        )
    else:
        lines.append(
            f"since {summary.since:%Y-%m-%d %H:%M} UTC: "
            f"{count(summary.entries, 'row')} of the list new or changed, "
            f"{count(summary.contents, 'content')} of the store"
        )
    held = f", {count(len(matches.quarantined), 'entry')} in quarantine" if matches.quarantined else ""
    lines.append(
        f"{count(matches.added, 'new match')}, {count(matches.retracted, 'earlier match')} retracted{held}"
    )
    return lines


def _as_json(summary: UpdateSummary) -> dict[str, object]:
    matches = summary.matches
    return {
        "run_id": matches.run_id,
        "store": str(matches.store),
        "list_id": matches.list_ids[0],
        "lineage": matches.lineages[0],
        "since": summary.since.isoformat() if summary.since else None,
        "imported": None if summary.imported is None else imported_json(summary.imported),
        "entries": summary.entries,
        "contents": summary.contents,
        "compared": dict(matches.compared),
        "found": matches.found,
        "added": matches.added,
        "vetoed": len(matches.vetoed),
        "retracted": matches.retracted,
        "quarantined": len(matches.quarantined),
    }
