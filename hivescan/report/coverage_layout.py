"""The coverage as blocks: what was looked at, what was not, and by which heads and lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hivescan.queries.coverage import ChainCoverage, Coverage, ListMatched
from hivescan.report.blocks import Block, Column, Heading, Line, Table, Tone, listing
from hivescan.report.cells import moment
from hivescan.wording import count

_MEANINGS = {
    "done": "every chain that was asked for ran to its end",
    "partial": "cut short: what came before was looked at",
    "failed": "could not be read or decoded",
    "unopened": "archives, documents and unknown types: not looked into",
    "skipped": "left out by a setting, or an empty cell of a table",
    "not_analyzed": "only metadata or words were read",
}


def coverage_blocks(seen: Coverage) -> Iterator[Block]:
    """The sections that every report ends with."""
    whole = "" if seen.items == seen.in_store else f", of {seen.in_store:,} in the store"
    yield Heading("Coverage", f"{count(seen.items, 'file')} scanned{whole}")
    if seen.items:
        counts = [(status, getattr(seen, status)) for status in _MEANINGS]
        yield Table(
            (Column("status"), Column("files", number=True), Column("meaning")),
            tuple((s.replace("_", " "), f"{n:,}", _MEANINGS[s]) for s, n in counts if n or s in _ALWAYS),
        )
        for reason in seen.reasons[:5]:
            yield Line(f"{reason.items:,} {reason.status}: {reason.reason}", Tone.QUIET)
        if len(seen.reasons) > 5:
            yield Line("further reasons: hivescan items --errors", Tone.QUIET)
    if seen.gone:
        yield Line(f"{count(seen.gone, 'file')} no longer there, not in this report", Tone.QUIET)
    if seen.unfinished_runs:
        yield Line(
            f"{count(seen.unfinished_runs, 'scan')} did not end (running, interrupted or killed): "
            "there may be files that were never reached",
            Tone.ALERT,
        )
    if seen.items:
        yield from _heads(seen)
        yield from _lists(seen.lists)


_ALWAYS = ("done", "partial", "failed", "unopened")


def _heads(seen: Coverage) -> Iterator[Block]:
    if not seen.chains:
        yield Line("No head has ever run here: no file was classified.", Tone.ALERT)
        return
    types = sorted({reach.media_type for chain in seen.chains for reach in chain.reach})
    yield Heading("Heads", "files looked at, of those there are")
    yield Table(
        (
            Column("model"),
            *(Column(_plural(media_type), number=True) for media_type in types),
            Column("failed", number=True),
            Column("not run", number=True),
            Column("heads (* unvalidated)"),
        ),
        tuple(_chain_row(chain, types) for chain in seen.chains),
    )
    for chain in seen.chains:
        if chain.ran == 0:
            yield Line(f"{chain.model} did not run on any of these files", Tone.ALERT)
    for analyzer, reason in seen.off.items():
        yield Line(f"{analyzer} was off in the last scan: {reason}", Tone.ALERT)
    if seen.undeclared:
        names = listing([f"{u.head}:{u.label}" for u in seen.undeclared])
        yield Line(
            f"{count(len(seen.undeclared), 'label')} without a declared meaning, "
            f"listed with --all-classes: {names}"
        )


def _plural(media_type: str) -> str:
    return {"image": "images", "video": "videos"}.get(media_type, media_type)


def _chain_row(chain: ChainCoverage, types: Sequence[str]) -> tuple[str, ...]:
    reach = {r.media_type: r for r in chain.reach}
    heads = [head + ("*" if head in chain.unvalidated else "") for head in chain.heads]
    return (
        chain.model,
        *(f"{reach[t].ran:,}/{reach[t].items:,}" if t in reach else "" for t in types),
        f"{sum(r.failed for r in chain.reach):,}",
        f"{sum(r.not_run for r in chain.reach):,}",
        ", ".join(heads),
    )


def _lists(lists: Sequence[ListMatched]) -> Iterator[Block]:
    if not lists:
        yield Heading("Hash lists", "none was matched")
        return
    yield Heading("Hash lists", f"{len(lists):,} matched")
    for known in lists:
        name = f"{known.name} ({known.list_id[:12]})" if known.name else known.list_id[:12]
        entries = "" if known.entries is None else f", {count(known.entries, 'entry')}"
        yield Line(f"{name}{entries}, matched {moment(known.matched_at)}")
        if not known.complete:
            yield Line("this run did not reach its end: not all files were compared", Tone.ALERT)
        if known.selective:
            yield Line("only some of the files were compared with it", Tone.ALERT)
        if known.later:
            yield Line(f"{count(known.later, 'file')} unread or read later: not compared with it", Tone.ALERT)
