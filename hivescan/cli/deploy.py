"""``hivescan deploy``, ``undeploy``, ``rescore``: trained models in the catalogue, and on stored vectors."""

from __future__ import annotations

from typing import Annotated

import typer

from hivescan.cli.options import DEFAULT_STORE, JsonOption, QuietOption, StoreOption
from hivescan.cli.output import emit, emit_json
from hivescan.wording import count, printable


def register(app: typer.Typer) -> None:
    app.command("deploy")(deploy)
    app.command("undeploy")(undeploy)
    app.command("rescore")(rescore)


def deploy(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A trained model: NAME, or NAME@VERSION.")],
    as_json: JsonOption = False,
) -> None:
    """Put a trained model into the catalogue, so that scans run it."""
    from hivescan.automl.deploy import deploy as run
    from hivescan.automl.deploy import deployed_version
    from hivescan.models.describe import card_values

    card = run(model)
    version = deployed_version(card.name)
    if as_json:
        emit_json({"name": card.name, "version": version, "card": card_values(card)})
        return
    emit(f"{card.name}@{version} is deployed: {', '.join(head.name for head in card.heads)}")
    emit(f"card: {printable(str(card.folder / 'card.toml'))}")
    emit(f"`hivescan classify` runs it from now on; `hivescan rescore {card.name}` scores what is stored")


def undeploy(
    model: Annotated[str, typer.Argument(metavar="NAME", help="A deployed model.")],
    as_json: JsonOption = False,
) -> None:
    """Take a deployed model out of the catalogue; its trained versions stay."""
    from hivescan.automl.deploy import undeploy as run

    version = run(model)
    if as_json:
        emit_json({"name": model, "version": version})
        return
    emit(f"{model}@{version} is no longer deployed; `hivescan deploy {model}@{version}` brings it back")


def rescore(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A deployed model.")],
    store: StoreOption = DEFAULT_STORE,
    again: Annotated[bool, typer.Option("--again", help="Also where its scores are stored already.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Score stored vectors with a deployed model; no file is opened."""
    from dataclasses import asdict

    from hivescan.cli.progress import CountProgress
    from hivescan.scan.rescore import rescore as run
    from hivescan.store.store import open_store

    with CountProgress("vectors", quiet=quiet) as progress:
        summary = run(open_store(store), model, again=again, on_progress=progress)
    if as_json:
        emit_json(asdict(summary))
        return
    emit(
        f"{count(summary.vectors, 'vector')} of {count(summary.contents, 'content')} scored with {model}"
        f" in {summary.seconds:.1f} s; {summary.left:,} had their scores"
    )
