"""A downloaded hub folder of a timm classifier → a card, to scan with.

Reads ``config.json`` as timm writes it for a hub (``architecture``, ``pretrained_cfg``, ``label_names``);
pictures are prepared as timm does when it evaluates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hivescan.errors import CatalogueError
from hivescan.models.adopted_card import (
    CONFIG,
    RESAMPLE,
    WEIGHTS,
    check_free,
    classifier_lines,
    file_lines,
    folder_with,
    head_lines,
    input_lines,
    number_in,
    pixels_in,
    read_json,
    rgb_in,
    view_lines,
    write_card,
)
from hivescan.models.backends.timm import is_architecture
from hivescan.models.schema import Card
from hivescan.models.toml_table import toml_string

_KEPT: Final = ("num_classes", "in_chans", "global_pool")
"""Arguments of a network that are looked at here; others change it."""
_LEAST_CROP: Final = 0.1


def is_timm_folder(folder: Path) -> bool:
    """Whether the folder holds a model as timm puts it on a hub."""
    try:
        config = read_json(folder / CONFIG)
    except CatalogueError:
        return False
    return isinstance(config.get("architecture"), str) and isinstance(config.get("pretrained_cfg"), dict)


def adopt_timm_folder(folder: Path, name: str, target: Path, *, ai_classes: Sequence[str] = ()) -> Card:
    """Write the card of the model in ``folder`` to ``target/<name>/card.toml`` and read it back.

    Classes without names are ``class 0``, ``class 1`` …. With ``ai_classes``, those that mean AI-made, its
    head is ``ai_generated``. The weights stay where they are. Raises ``CatalogueError`` where the folder is
    not one that the timm backend can run.
    """
    folder = folder_with(folder, (CONFIG, WEIGHTS))
    config = read_json(folder / CONFIG)
    if not isinstance(config.get("pretrained_cfg"), dict):
        raise CatalogueError(f"{folder}: {CONFIG}: pretrained_cfg is not an object")
    _check_network(config, folder)
    labels = _labels(config, folder)
    heads = classifier_lines(labels, ai_classes, folder)
    prepared = _input_lines(config["pretrained_cfg"], folder, name)
    check_free(target, name)
    lines = [
        *head_lines(folder, name, "image classification", '["image", "video"]', 'vocabulary = "classes.txt"'),
        *prepared,
        "[backend]",
        'kind = "timm"',
        f"file = {toml_string(WEIGHTS)}",
        f"architecture = {toml_string(config['architecture'])}",
        'outputs = ["logits"]',
        "",
        *file_lines(folder / WEIGHTS),
        *heads,
    ]
    return write_card(target, name, lines, labels)


def _check_network(config: Mapping[str, Any], folder: Path) -> None:
    """Refuse what is not the architecture as timm has it: the weights would not tell."""
    arguments = config.get("model_args") or {}
    if not isinstance(arguments, dict):
        raise CatalogueError(f"{folder}: {CONFIG}: model_args is not an object")
    changes = [name for name in arguments if name not in _KEPT]
    if changes or arguments.get("in_chans", 3) != 3:
        raise CatalogueError(
            f"{folder}: {CONFIG} has model_args ({', '.join(changes or ['in_chans'])}):"
            " a changed network is not supported"
        )
    architecture = config.get("architecture")
    if not is_architecture(architecture):
        raise CatalogueError(f"{folder}: {CONFIG}: architecture: timm has no network called {architecture!r}")
    import timm
    import torch

    try:
        with torch.device("meta"):
            network = timm.create_model(architecture, pretrained=False)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise CatalogueError(f"{folder}: {CONFIG}: architecture {architecture!r}: {reason}") from None
    pool = getattr(network, "global_pool", None) or getattr(network.get_classifier(), "global_pool", None)
    usual = pool if isinstance(pool, str) else getattr(pool, "pool_type", None)
    asked = arguments.get("global_pool", config.get("global_pool"))
    if usual is not None and asked is not None and asked != usual:
        raise CatalogueError(
            f"{folder}: {CONFIG} has the global_pool {asked}: a changed network is not supported"
        )


def _labels(config: Mapping[str, Any], folder: Path) -> list[str]:
    """The classes in the order of the output."""
    settings = config["pretrained_cfg"]
    number = config.get("num_classes", settings.get("num_classes"))
    if isinstance(number, bool) or not isinstance(number, int) or number < 2:
        raise CatalogueError(f"{folder}: {CONFIG} tells of {number} classes; a classifier has two or more")
    named = config.get("label_names") or settings.get("label_names") or None
    if isinstance(named, dict):
        named = [named.get(str(i), f"class {i}") for i in range(number)]
    if named is not None and not isinstance(named, list):
        raise CatalogueError(f"{folder}: {CONFIG}: label_names is no list of names")
    labels = [" ".join(str(label).split()) for label in named or [f"class {i}" for i in range(number)]]
    if len(labels) != number or len(set(labels)) != number or not all(labels):
        raise CatalogueError(f"{folder}: {CONFIG} does not name its classes one by one (label_names)")
    return labels


def _input_lines(settings: Mapping[str, Any], folder: Path, name: str) -> list[str]:
    """As timm's ``transforms_imagenet_eval`` has it."""

    def given(*fields: str, default: object) -> tuple[Any, str]:
        """The first of these fields that is there, and where it stands."""
        field = next((f for f in fields if settings.get(f) is not None), fields[-1])
        value = settings.get(field)
        return default if value is None else value, f"{folder}: {CONFIG}: {field}"

    size, where = given("test_input_size", "input_size", default=None)
    if not isinstance(size, list | tuple) or len(size) != 3 or size[0] != 3 or size[1] != size[2]:
        raise CatalogueError(f"{where}: {size!r} is not supported: only three colours and a square are")
    side = pixels_in(size[1], where)
    crop, where = given("test_crop_pct", "crop_pct", default=0.875)
    crop = number_in(crop, where)
    if not _LEAST_CROP <= crop <= 1:
        raise CatalogueError(f"{where}: {crop:g} is not supported: it is a share from {_LEAST_CROP} to 1")
    resize = {"center": "cover", "squash": "stretch"}.get(str(settings.get("crop_mode") or "center"))
    resample = str(settings.get("interpolation") or "bilinear")
    if resize is None or resample not in RESAMPLE.values():
        raise CatalogueError(
            f"{folder}: {CONFIG} prepares pictures by {settings.get('crop_mode')}, {resample}: not supported"
        )
    return [
        *input_lines(
            1 / 255,
            rgb_in(*given("mean", default=(0.485, 0.456, 0.406))),
            rgb_in(*given("std", default=(0.229, 0.224, 0.225)), positive=True),
        ),
        *view_lines(name, (side, side), resize, math.floor(side / crop), resample),
    ]
