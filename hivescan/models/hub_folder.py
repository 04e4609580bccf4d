"""A downloaded hub folder (an image classifier or a CLIP-like tower) → a card, to scan with.

Reads ``config.json``, ``preprocessor_config.json`` and the header of ``model.safetensors``. What such a
folder does not tell (what harm its classes mean, where it fails) is for its user to write into the card:
all classes start as descriptive.
"""

from __future__ import annotations

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
from hivescan.models.schema import Card
from hivescan.models.toml_table import toml_string

_PREPARATION: Final = "preprocessor_config.json"


def adopt_folder(
    folder: Path,
    name: str,
    target: Path,
    *,
    face_padding: float | None = None,
    ai_classes: Sequence[str] = (),
) -> Card:
    """Write the card of the model in ``folder`` to ``target/<name>/card.toml`` and read it back.

    With ``face_padding`` (0 to 0.5, see :class:`~hivescan.models.schema.CropSpec`) it looks at faces. With
    ``ai_classes``, those of its classes that mean AI-made, its head is ``ai_generated``. The weights stay
    where they are. Raises ``CatalogueError`` where the folder is not one that transformers can run.
    """
    folder = folder_with(folder, (CONFIG, WEIGHTS, _PREPARATION))
    config, settings = (read_json(folder / file) for file in (CONFIG, _PREPARATION))
    labels = _labels(config, folder)
    if face_padding is not None and not labels:
        raise CatalogueError(f"{folder}: is no classifier: vectors of faces are never kept")
    if ai_classes and not labels:
        raise CatalogueError(f"{folder}: is no classifier: it has no classes that could mean AI-made")
    heads = classifier_lines(labels, ai_classes, folder) if labels else _tower_lines(config, folder, name)
    check_free(target, name)
    lines = [
        *head_lines(
            folder,
            name,
            "image classification" if labels else "image embedding",
            '["image", "video"]',
            *(['vocabulary = "classes.txt"'] if labels else []),
        ),
        *_input_lines(settings, f"{folder}: {_PREPARATION}", name, of_faces=face_padding is not None),
        *([] if face_padding is None else ["[crop]", f"padding = {face_padding!r}", ""]),
        *_backend_lines(labels),
        *(line for file in (CONFIG, WEIGHTS) for line in file_lines(folder / file)),
        *heads,
    ]
    return write_card(target, name, lines, labels)


def _labels(config: Mapping[str, Any], folder: Path) -> list[str]:
    """The classes of a classifier in order; none for a tower."""
    named_networks = config.get("architectures") or []
    if not isinstance(named_networks, list) or not all(isinstance(n, str) for n in named_networks):
        raise CatalogueError(f"{folder}: config.json: architectures is no list of names")
    architectures = " ".join(named_networks)
    if "ForImageClassification" not in architectures:
        if "vision_config" in config:
            return []
        raise CatalogueError(f"{folder}: {architectures or 'its network'} is no image classifier and no CLIP")
    if config.get("problem_type") == "multi_label_classification":
        raise CatalogueError(f"{folder}: its classes do not exclude one another, which is not supported")
    named = config.get("id2label") or {}
    if not isinstance(named, dict) or not all(key.isdecimal() for key in named):
        raise CatalogueError(f"{folder}: config.json: id2label does not number its classes")
    labels = [" ".join(str(named[key]).split()) for key in sorted(named, key=int)]
    if not labels or len(set(labels)) != len(labels) or not all(labels):
        raise CatalogueError(f"{folder}: config.json does not name its classes one by one (id2label)")
    return labels


def _input_lines(settings: Mapping[str, Any], where: str, name: str, *, of_faces: bool) -> list[str]:
    size = settings.get("size")
    crop = settings.get("crop_size") if settings.get("do_center_crop") else None
    if not settings.get("do_resize", True) or size is None:
        raise CatalogueError(f"{where} does not say a size")
    if isinstance(size, int):
        size = {"shortest_edge": size} if crop is not None else {"height": size, "width": size}
    if isinstance(size, dict) and "shortest_edge" in size:
        resize, resize_to = "cover", pixels_in(size["shortest_edge"], f"{where}: size")
    elif isinstance(size, dict) and "height" in size and size["height"] == size.get("width"):
        resize, resize_to = "stretch", pixels_in(size["height"], f"{where}: size")
    else:
        raise CatalogueError(f"{where} resizes to {size}, which is not supported")
    width = height = resize_to
    if isinstance(crop, dict):
        width, height = (pixels_in(crop.get(edge), f"{where}: crop_size") for edge in ("width", "height"))
    elif crop is not None:
        width = height = pixels_in(crop, f"{where}: crop_size")
    if of_faces:  # square already, and cut as the card says
        resize, resize_to = "stretch", width
    number = settings.get("resample", 2)
    resample = RESAMPLE.get(number) if isinstance(number, int) else None
    if resample is None:
        raise CatalogueError(f"{where} asks for another filter than Pillow's")
    scale, mean, std = 1.0, [0.0] * 3, [1.0] * 3
    if settings.get("do_rescale", True):
        scale = number_in(settings.get("rescale_factor", 1 / 255), f"{where}: rescale_factor")
    if settings.get("do_normalize", True):
        mean = rgb_in(settings.get("image_mean"), f"{where}: image_mean")
        std = rgb_in(settings.get("image_std"), f"{where}: image_std", positive=True)
    return [
        *input_lines(scale, mean, std),
        *view_lines(name, (width, height), resize, resize_to, resample),
    ]


def _backend_lines(labels: list[str]) -> list[str]:
    output = "logits" if labels else "image_embeds"
    return [
        "[backend]",
        'kind = "transformers"',
        f"file = {toml_string(WEIGHTS)}",
        f"outputs = [{toml_string(output)}]",
        "",
    ]


def _tower_lines(config: Mapping[str, Any], folder: Path, name: str) -> list[str]:
    vision = config["vision_config"]
    if not isinstance(vision, dict):
        raise CatalogueError(f"{folder}: config.json: vision_config is not an object")
    dimensions = config.get("projection_dim") or vision.get("projection_dim") or vision.get("hidden_size")
    if not isinstance(dimensions, int):
        raise CatalogueError(f"{folder}: config.json does not say how long its vectors are (projection_dim)")
    return [
        "[embedding]",
        f"space = {toml_string(f'{name}/1')}",
        f"dimensions = {dimensions}",
        'output = "image_embeds"',
    ]
