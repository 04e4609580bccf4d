"""Trained models into the catalogue and out of it, with a card that says what they are worth."""

from __future__ import annotations

import contextlib
import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hivescan.analyzers.classifiers import read_heads
from hivescan.automl.home import checked_name, trained_folder
from hivescan.automl.trained import BACKBONE, ZERO_SHOT, TrainedHead, TrainedModel, open_model, versions_of
from hivescan.errors import TrainingError, UnknownModelError
from hivescan.models.card_parts import CARD_FILE, read_toml
from hivescan.models.cards import find_card, load_cards, models_folder
from hivescan.models.heads_card import BASE, check_space, parse_heads_card
from hivescan.models.network import space_of
from hivescan.models.schema import Card
from hivescan.models.toml_table import toml_string
from hivescan.types import Polarity

DEPLOYMENTS: Final = "deployments.jsonl"

_FEW: Final = 100
"""Examples of a class under which its card says that they are few."""
_SHARES: Final = frozenset(
    {"balanced_accuracy", "accuracy", "macro_f1", "average_precision", "roc_auc", "ece"}
)
"""Metrics that a card tells of: numbers whose name says what they are."""


@dataclass(frozen=True)
class Deployment:
    """One step in a model's history; ``action`` is ``deployed`` or ``undeployed``."""

    version: int
    action: str
    at: str
    folder: str


@dataclass(frozen=True)
class HistoryEntry:
    """One version of a trained model, oldest first, and what became of it."""

    version: int
    created_at: str
    heads: tuple[TrainedHead, ...]
    deployed: bool
    deployments: tuple[Deployment, ...]


def deploy(reference: str) -> Card:
    """Put a trained version into the catalogue and return its card; ``NAME`` alone is the newest.

    A version of the same model that is deployed now is replaced. Scans of the profiles ``standard`` and
    ``full`` run it from then on, :func:`hivescan.scan.rescore.rescore` scores what is stored.

    Raises :class:`TrainingError` where the name is taken by a model of another kind, or the vectors that
    the heads were trained on are no longer to be had.
    """
    model = open_model(reference)
    target = models_folder() / model.name
    others = load_cards()
    before = others.pop(model.name, None)
    if before is not None and (before.base is None or before.folder != target):
        raise TrainingError(
            f"the catalogue has another model called {model.name!r}; train under another name"
        )
    check_space(_as_card(model), space_of(model.card))
    with _disk_errors(target):
        _put(model, target, others)
        _record(model.name, Deployment(model.version, "deployed", _now(), str(target)))
    return find_card(model.name)


def _put(model: TrainedModel, target: Path, others: Mapping[str, Card]) -> None:
    """Make the model's folder beside its place, read it back, and move it there."""
    with _scratch(target.parent) as scratch:
        made, before = scratch / model.name, scratch / "before"
        made.mkdir()
        for head in model.heads:
            shutil.copyfile(model.folder / head.file, made / head.file)
        if model.base.own:
            shutil.copytree(model.folder / BACKBONE, made / BACKBONE)
        (made / CARD_FILE).write_text("\n".join(_card_lines(model)) + "\n", encoding="utf-8")
        read_heads(parse_heads_card(made / CARD_FILE, read_toml(made / CARD_FILE), others))
        if not target.exists():
            made.rename(target)
            return
        target.rename(before)
        try:
            made.rename(target)
        except OSError:
            before.rename(target)
            raise


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder for a while, one level deeper than cards are looked for: nobody reads what is half made."""
    scratch = folder / ".deploying" / uuid.uuid4().hex
    scratch.mkdir(parents=True)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def _disk_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or target
        raise TrainingError(
            f"{where}: {error.strerror or error}; mend the cause and run the same command again"
        ) from None


def undeploy(name: str) -> int:
    """Take a deployed model out of the catalogue and return its version. Its trained versions stay.

    Raises :class:`UnknownModelError` where no such model is deployed.
    """
    version = deployed_version(checked_name(name, "model"))
    if version is None:
        raise UnknownModelError(
            f"no model {name!r} is deployed; `hivescan models list` names those there are"
        )
    target = models_folder() / name
    with _disk_errors(target):
        with _scratch(target.parent) as scratch:
            target.rename(scratch / name)
        _record(name, Deployment(version, "undeployed", _now(), str(target)))
    return version


def deployed_version(name: str) -> int | None:
    """Which trained version the catalogue has under this name; None where there is none."""
    path = models_folder() / name / CARD_FILE
    if not path.is_file():
        return None
    base = read_toml(path).get(BASE)
    version = base.get("version") if isinstance(base, dict) else None
    return version if isinstance(version, int) else None


def history(name: str) -> list[HistoryEntry]:
    """All versions of a trained model and their deployments. Raises :class:`TrainingError`."""
    versions = versions_of(checked_name(name, "model")) or [open_model(name).version]
    steps = _deployments(name)
    now = deployed_version(name)
    return [
        HistoryEntry(
            version=version,
            created_at=model.created_at,
            heads=model.heads,
            deployed=version == now,
            deployments=tuple(step for step in steps if step.version == version),
        )
        for version in versions
        for model in (open_model(f"{name}@{version}"),)
    ]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _record(name: str, step: Deployment) -> None:
    folder = trained_folder() / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / DEPLOYMENTS).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(asdict(step), ensure_ascii=False) + "\n")


def _deployments(name: str) -> list[Deployment]:
    path = trained_folder() / name / DEPLOYMENTS
    if not path.is_file():
        return []
    steps = []
    for line in path.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError, TypeError):  # half a line, of a process that was killed
            steps.append(Deployment(**json.loads(line)))
    return steps


def _as_card(model: TrainedModel) -> Card:
    """Enough of a card to compare spaces by."""
    return replace(model.card, name=model.name, base=model.card, base_space=model.base.space)


def _card_lines(model: TrainedModel) -> Iterator[str]:
    base = model.card
    heads = ", ".join(head.name for head in model.heads)
    notice = f"Of the network {base.name}: {base.licence.notice} The heads are your own."
    reads = ["image", "video"] if model.kind == "image" else ["text"]
    yield from (
        f"name = {toml_string(model.name)}",
        f"title = {toml_string(f'{heads}: {_origin(model)}, version {model.version}')}",
        'task = "heads on vectors"',
        "revision = 1",
        f"consumes = {json.dumps(reads)}",
        f"intended_use = {toml_string(_intended_use(model))}",
        f"weaknesses = {json.dumps(list(_weaknesses(model, base)), ensure_ascii=False)}",
        "",
        "[licence]",
        f"spdx = {toml_string(base.licence.spdx)}",
        f"url = {toml_string(base.licence.url)}",
        f"notice = {toml_string(notice)}",
        "",
        f"[{BASE}]",
        f"card = {toml_string(model.base.card)}",
        f"own = {json.dumps(model.base.own)}",
        f"space = {toml_string(model.base.space)}",
        f"version = {model.version}",
        "",
    )
    for head in model.heads:
        size = (model.folder / head.file).stat().st_size
        yield from (
            "[[files]]",
            f"name = {toml_string(head.file)}",
            f"sha256 = {toml_string(head.sha256)}",
            f"size = {size}",
            f'source = {{ kind = "local", path = {toml_string(head.file)} }}',
            "",
        )
    for head in model.heads:
        yield from _head_lines(head)
    for head in model.heads:
        yield from _quality_lines(model, head)


def _head_lines(head: TrainedHead) -> Iterator[str]:
    yield from (
        "[[heads]]",
        f"name = {toml_string(head.name)}",
        f"group = {toml_string(head.group)}",
        f"validated = {json.dumps('test' in head.metrics)}",
        f"file = {toml_string(head.file)}",
        f"description = {toml_string(_description(head))}",
    )
    for label in head.labels:
        polarity = Polarity(head.polarity.get(label, Polarity.DESCRIPTIVE.value))
        yield from (
            "",
            "[[heads.classes]]",
            f"label = {toml_string(label)}",
            f'polarity = "{polarity.value}"',
        )
    yield ""


def _quality_lines(model: TrainedModel, head: TrainedHead) -> Iterator[str]:
    for part, metrics in head.metrics.items():
        n = metrics.get("n")
        for name, value in metrics.items():
            if name not in _SHARES or not isinstance(value, float) or not isinstance(n, int):
                continue
            data = metrics.get("data", f"{part} part of {head.snapshot}")
            yield from (
                "[[quality]]",
                f"head = {toml_string(head.name)}",
                f"metric = {toml_string(f'{head.name}: ' + name.replace('_', ' '))}",
                f"value = {value!r}",
                f"data = {toml_string(f'{data} ({part})' if part not in str(data) else data)}",
                f"n = {n}",
                f"command = {toml_string(_command(model, head))}",
                "",
            )


def _command(model: TrainedModel, head: TrainedHead) -> str:
    return str(head.recipe.get("command") or f"hivescan train {model.name} --snapshot {head.snapshot}")


def _description(head: TrainedHead) -> str:
    if head.method == ZERO_SHOT:
        return f"Made {head.trained_at[:10]} from the words of {head.snapshot} ({head.snapshot_id[:12]})."
    return f"Trained {head.trained_at[:10]} on {head.snapshot} ({head.snapshot_id[:12]}), {head.method}."


def _origin(model: TrainedModel) -> str:
    from_words = all(head.method == ZERO_SHOT for head in model.heads)
    return "from prompts, not trained" if from_words else "trained on your own data"


def _intended_use(model: TrainedModel) -> str:
    what = "pictures and video frames" if model.kind == "image" else "texts"
    if all(head.method == ZERO_SHOT for head in model.heads):
        return (
            f"Finds {what} that fit the words of its classes, for a first look: measure it before it decides."
        )
    return f"Sorts {what} like those that it was trained on, for whoever collected and labelled them."


def _weaknesses(model: TrainedModel, base: Card) -> Iterator[str]:
    for head in model.heads:
        test = head.metrics.get("test")
        if test is None:
            yield f"{head.name}: not measured on data it never saw, so no figure here tells what it will do."
        else:
            recalls = test.get("recall")
            if isinstance(recalls, dict) and recalls:
                worst = min(recalls, key=lambda label: recalls[label] if recalls[label] is not None else 1.0)
                if recalls[worst] is not None:
                    yield f"{head.name}: weakest at {worst}, of which it finds {recalls[worst]:.0%}."
        counts = head.metrics.get("train", {}).get("counts")
        if isinstance(counts, dict):
            few = sorted(label for label, count in counts.items() if count < _FEW)
            if few:
                yield f"{head.name}: few examples (under {_FEW}) of {', '.join(few)}."
    yield "Says one of its classes of everything, also of what is none of them."
    yield f"Sees what {base.name} sees:"
    yield from base.weaknesses
