"""The lines that every card of an adopted folder has, whatever the model is."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from hivescan.errors import CatalogueError
from hivescan.models.card_parts import CARD_FILE
from hivescan.models.parse import read_card
from hivescan.models.schema import Card
from hivescan.models.toml_table import toml_string

RESAMPLE: Final = {1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "area"}
"""Pillow's numbers, which preprocessor_config.json uses."""

CONFIG: Final = "config.json"
WEIGHTS: Final = "model.safetensors"

_TOP: Final = 5
_MANY: Final = 20
"""Heads of more classes keep the best few only."""


def folder_with(folder: Path, files: Sequence[str]) -> Path:
    """The folder's own path, from the root on; :class:`CatalogueError` where one of ``files`` is missing."""
    folder = folder.resolve()
    for needed in files:
        if not (folder / needed).is_file():
            hint = "; pickled weights are not read" if needed == WEIGHTS else ""
            raise CatalogueError(f"{folder}: has no {needed}{hint}")
    return folder


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object in a file, or :class:`CatalogueError`."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CatalogueError(f"{path}: cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise CatalogueError(f"{path}: is not a JSON object")
    return value


def number_in(value: object, where: str) -> float:
    """A finite number, or :class:`CatalogueError` that begins with ``where``: folder, file and field."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CatalogueError(f"{where}: {value!r} is not a number")
    return float(value)


def pixels_in(value: object, where: str) -> int:
    """A number of pixels, 1 or more, or :class:`CatalogueError` that begins with ``where``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise CatalogueError(f"{where}: {value!r} is not a number of pixels")
    return value


def rgb_in(value: object, where: str, *, positive: bool = False) -> list[float]:
    """Three numbers, or :class:`CatalogueError` that begins with ``where``."""
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise CatalogueError(f"{where}: {value!r} is not three numbers")
    numbers = [number_in(v, where) for v in value]
    if positive and min(numbers) <= 0:
        raise CatalogueError(f"{where}: {value!r} are not all above 0")
    return numbers


def check_free(target: Path, name: str) -> None:
    """Raises :class:`CatalogueError` where ``target`` has a card of this name."""
    if (target / name / CARD_FILE).exists():
        raise CatalogueError(f"{target / name / CARD_FILE} exists already; choose another name or edit it")


def write_card(
    target: Path,
    name: str,
    lines: Sequence[str],
    labels: Sequence[str] = (),
    read: Callable[[Path], Card] = read_card,
) -> Card:
    """Write ``target/<name>/card.toml`` and, of a classifier, ``classes.txt`` beside it; read it back.

    A card that cannot be read (:class:`CatalogueError`) is not left there.
    """
    home = target / name
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".adopting-", dir=target) as scratch:
            trial = Path(scratch) / name
            trial.mkdir()
            if labels:
                (trial / "classes.txt").write_text(
                    "".join(f"{label}\n" for label in labels), encoding="utf-8"
                )
            (trial / CARD_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
            try:
                read(trial / CARD_FILE)
            except CatalogueError as error:
                raise CatalogueError(str(error).replace(str(trial), str(home))) from None
            home.mkdir(exist_ok=True)
            for file in sorted(trial.iterdir(), key=lambda path: path.name == CARD_FILE):  # the card last
                file.replace(home / file.name)
    except OSError as error:
        raise CatalogueError(f"{home}: cannot be written: {error.strerror or error}") from None
    return read(home / CARD_FILE)


def head_lines(folder: Path, name: str, task: str, consumes: str, *more: str) -> list[str]:
    """Who the model is and its licence, as far as a folder tells. ``consumes`` is a TOML array; ``more``
    are further keys of the card itself."""
    return [
        f"name = {toml_string(name)}",
        f"title = {toml_string(folder.name)}",
        f"task = {toml_string(task)}",
        "revision = 1",
        f"consumes = {consumes}",
        *more,
        'intended_use = "As its makers say; not written down yet."',
        'weaknesses = ["Not known: this card was made from the model\'s folder alone."]',
        "",
        "[licence]",
        'spdx = "NOASSERTION"',
        f"url = {toml_string(folder.as_uri())}",
        'notice = "See the model\'s own README."',
        "",
    ]


def file_lines(path: Path) -> list[str]:
    """A file of the model, which stays where it is, with its sha256."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return [
        "[[files]]",
        f"name = {toml_string(path.name)}",
        f'sha256 = "{digest}"',
        f"size = {path.stat().st_size}",
        f'source = {{ kind = "local", path = {toml_string(path)} }}',
        "",
    ]


def input_lines(scale: float, mean: Sequence[float], std: Sequence[float]) -> list[str]:
    """How pixels become numbers; ``mean`` and ``std`` in the order of RGB."""
    return [
        "[input]",
        'layout = "NCHW"',
        'channels = "RGB"',
        f"scale = {scale!r}",
        f"mean = {[float(v) for v in mean]}",
        f"std = {[float(v) for v in std]}",
        "",
    ]


def view_lines(name: str, size: tuple[int, int], resize: str, resize_to: int, resample: str) -> list[str]:
    """The one view of an adopted model, of ``size`` (width, height)."""
    return [
        "[[views]]",
        f"name = {toml_string(name)}",
        f"width = {size[0]}",
        f"height = {size[1]}",
        f"resize = {toml_string(resize)}",
        f"resize_to = {resize_to}",
        f"resample = {toml_string(resample)}",
        "",
    ]


def classifier_lines(labels: Sequence[str], ai_classes: Sequence[str], folder: Path) -> list[str]:
    """The head of a classifier: its own classes, all descriptive, or ``ai_generated`` where some are named
    that mean AI-made."""
    if not ai_classes:
        return [
            "[[heads]]",
            'name = "classes"',
            'group = "custom"',
            'output = "logits"',
            'activation = "softmax"',
            'polarity = "descriptive"',
            *([f"top = {_TOP}"] if len(labels) > _MANY else []),
        ]
    for name in ai_classes:
        if name not in labels:
            raise CatalogueError(f"{folder}: has no class {name!r}; there are {', '.join(labels[:20])}")
    if len(set(ai_classes)) == len(labels):
        raise CatalogueError(f"{folder}: all of its classes are to mean AI-made: none is left for real ones")
    named = ", ".join(map(toml_string, dict.fromkeys(ai_classes)))
    return [
        "[[heads]]",
        'name = "ai_generated"',
        'group = "authenticity"',
        'output = "logits"',
        'activation = "softmax"',
        "classes = [",
        '  { label = "ai_generated", polarity = "descriptive" },',
        '  { label = "not_ai_generated", polarity = "benign" },',
        "]",
        f"mapping = {{ ai_generated = [{named}] }}",
        'rest = "not_ai_generated"',
    ]
