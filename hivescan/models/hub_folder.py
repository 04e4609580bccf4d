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
    RESAMPLE,
    classifier_lines,
    file_lines,
    head_lines,
    input_lines,
    read_json,
    view_lines,
)
from hivescan.models.card_parts import CARD_FILE
from hivescan.models.parse import read_card
from hivescan.models.schema import Card
from hivescan.models.toml_table import toml_string

_FILES: Final = ("config.json", "model.safetensors")


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
    folder = folder.resolve()
    for needed in (*_FILES, "preprocessor_config.json"):
        if not (folder / needed).is_file():
            hint = "; pickled weights are not read" if needed == "model.safetensors" else ""
            raise CatalogueError(f"{folder}: has no {needed}{hint}")
    config, settings = (read_json(folder / file) for file in ("config.json", "preprocessor_config.json"))
    labels = _labels(config, folder)
    if face_padding is not None and not labels:
        raise CatalogueError(f"{folder}: is no classifier: vectors of faces are never kept")
    if ai_classes and not labels:
        raise CatalogueError(f"{folder}: is no classifier: it has no classes that could mean AI-made")
    heads = classifier_lines(labels, ai_classes, folder) if labels else _tower_lines(config, name)
    home = target / name
    if (home / CARD_FILE).exists():
        raise CatalogueError(f"{home / CARD_FILE} exists already; choose another name or edit it")
    home.mkdir(parents=True, exist_ok=True)
    if labels:
        (home / "classes.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    text = "\n".join(
        [
            *head_lines(
                folder,
                name,
                "image classification" if labels else "image embedding",
                '["image", "video"]',
                *(['vocabulary = "classes.txt"'] if labels else []),
            ),
            *_input_lines(settings, folder, name, of_faces=face_padding is not None),
            *([] if face_padding is None else ["[crop]", f"padding = {face_padding!r}", ""]),
            *_backend_lines(labels),
            *(line for file in _FILES for line in file_lines(folder / file)),
            *heads,
        ]
    )
    (home / CARD_FILE).write_text(text + "\n", encoding="utf-8")
    return read_card(home / CARD_FILE)


def _labels(config: Mapping[str, Any], folder: Path) -> list[str]:
    """The classes of a classifier in order; none for a tower."""
    architectures = " ".join(config.get("architectures") or [])
    if "ForImageClassification" not in architectures:
        if "vision_config" in config:
            return []
        raise CatalogueError(f"{folder}: {architectures or 'its network'} is no image classifier and no CLIP")
    if config.get("problem_type") == "multi_label_classification":
        raise CatalogueError(f"{folder}: its classes do not exclude one another, which is not supported")
    named = config.get("id2label") or {}
    labels = [" ".join(str(named[key]).split()) for key in sorted(named, key=int)]
    if not labels or len(set(labels)) != len(labels) or not all(labels):
        raise CatalogueError(f"{folder}: config.json does not name its classes one by one (id2label)")
    return labels


def _input_lines(settings: Mapping[str, Any], folder: Path, name: str, *, of_faces: bool) -> list[str]:
    size = settings.get("size")
    crop = settings.get("crop_size") if settings.get("do_center_crop") else None
    if not settings.get("do_resize", True) or size is None:
        raise CatalogueError(f"{folder}: preprocessor_config.json does not say a size")
    if isinstance(size, int):
        size = {"shortest_edge": size} if crop is not None else {"height": size, "width": size}
    if "shortest_edge" in size:
        resize, resize_to = "cover", int(size["shortest_edge"])
    elif "height" in size and size["height"] == size.get("width"):
        resize, resize_to = "stretch", int(size["height"])
    else:
        raise CatalogueError(f"{folder}: preprocessor_config.json resizes to {size}, which is not supported")
    width = height = resize_to
    if isinstance(crop, int):
        width = height = crop
    elif crop is not None:
        width, height = int(crop["width"]), int(crop["height"])
    if of_faces:  # square already, and cut as the card says
        resize, resize_to = "stretch", width
    resample = RESAMPLE.get(int(settings.get("resample", 2)))
    if resample is None:
        raise CatalogueError(f"{folder}: preprocessor_config.json asks for another filter than Pillow's")
    scale = float(settings.get("rescale_factor", 1 / 255)) if settings.get("do_rescale", True) else 1.0
    normalize = settings.get("do_normalize", True)
    mean = [float(v) for v in settings["image_mean"]] if normalize else [0.0] * 3
    std = [float(v) for v in settings["image_std"]] if normalize else [1.0] * 3
    return [
        *input_lines(scale, mean, std),
        *view_lines(name, (width, height), resize, resize_to, resample),
    ]


def _backend_lines(labels: list[str]) -> list[str]:
    output = "logits" if labels else "image_embeds"
    return [
        "[backend]",
        'kind = "transformers"',
        'file = "model.safetensors"',
        f"outputs = [{toml_string(output)}]",
        "",
    ]


def _tower_lines(config: Mapping[str, Any], name: str) -> list[str]:
    vision = config["vision_config"]
    dimensions = config.get("projection_dim") or vision.get("projection_dim") or vision["hidden_size"]
    return [
        "[embedding]",
        f"space = {toml_string(f'{name}/1')}",
        f"dimensions = {int(dimensions)}",
        'output = "image_embeds"',
    ]
