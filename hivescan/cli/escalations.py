"""``hivescan escalations``: what must go to a person, and what that person decided. No content is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from hivescan.cli.options import DEFAULT_STORE, JsonOption, StoreOption
from hivescan.cli.output import emit, emit_json

if TYPE_CHECKING:
    from hivescan.automl.escalations import Decided
    from hivescan.queries.escalation import Review

ItemsArgument = Annotated[
    list[str], typer.Argument(metavar="ITEM...", help="Uris, or content ids (8 digits or more of one).")
]
WhyOption = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, kept with the decision.")]
ByOption = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who decided (default: your login name).")
]


def register(app: typer.Typer) -> None:
    escalations = typer.Typer(
        no_args_is_help=True,
        help="List what must go to a person, and write down what that person decides.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    escalations.command("list", help="List contents that are to be escalated; shows none of them.")(list_)
    escalations.command("clear", help="A person looked: these are not what the rule is for.")(clear)
    escalations.command("confirm", help="A person looked: these stay on the list, or come onto it.")(confirm)
    app.add_typer(escalations, name="escalations")


def list_(
    store: StoreOption = DEFAULT_STORE,
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="open, confirmed or cleared; may be repeated (default: open and confirmed).",
        ),
    ] = None,
    since: Annotated[
        bool,
        typer.Option("--said-since", help="Cleared ones that models which looked later name again."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    from hivescan.errors import UsageError
    from hivescan.queries.escalation import STATES, reviews
    from hivescan.store.store import open_store

    for name in state or ():
        if name not in STATES:
            raise UsageError(f"--state takes {', '.join(STATES)}, not {name!r}")
    if since and state:
        raise UsageError("--said-since lists cleared ones alone: leave --state out")
    wanted = state or (["cleared"] if since else ["open", "confirmed"])
    found = [
        review
        for review in reviews(open_store(store))
        if review.state in wanted and (review.since is not None or not since)
    ]
    if as_json:
        emit_json([_described(review) for review in found])
    else:
        _emit(found)


def clear(
    items: ItemsArgument,
    why: WhyOption,
    by: ByOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    from hivescan.automl import escalations
    from hivescan.store.store import open_store

    _emit_decided(escalations.clear(open_store(store), items, why=why, by=by), "cleared", as_json=as_json)


def confirm(
    items: ItemsArgument,
    why: WhyOption,
    by: ByOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    from hivescan.automl import escalations
    from hivescan.store.store import open_store

    _emit_decided(escalations.confirm(open_store(store), items, why=why, by=by), "confirmed", as_json=as_json)


def _described(review: Review) -> dict[str, object]:
    from dataclasses import asdict

    at = review.decided_at
    return asdict(review) | {"why": review.said, "decided_at": None if at is None else at.isoformat()}


def _emit(found: Sequence[Review]) -> None:
    from hivescan.cli.blocks import emit_blocks
    from hivescan.report.blocks import Column, Table
    from hivescan.wording import count

    columns = (
        *(Column(name) for name in ("state", "content", "why", "decided by", "reason", "said since")),
        Column("file", path=True),
    )
    rows = tuple(
        (
            *(review.state, review.content_id[:12], "" if review.said == review.reason else review.said),
            *(review.decided_by or "", review.reason or "", review.since or "", ", ".join(review.uris)),
        )
        for review in found
    )
    if found:
        emit_blocks([Table(columns, rows).without_empty_columns()])
    else:
        emit(f"{count(0, 'content')}: what is not listed is not cleared")


def _emit_decided(decided: Sequence[Decided], word: str, *, as_json: bool) -> None:
    from dataclasses import asdict

    from hivescan.wording import printable

    if as_json:
        emit_json([asdict(one) | {"decided_at": one.decided_at.isoformat()} for one in decided])
        return
    for one in decided:
        emit(printable(f"{word} by {one.decided_by}: {one.content_id[:12]} {', '.join(one.uris)}"))
