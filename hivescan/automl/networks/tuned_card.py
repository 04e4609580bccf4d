"""The card and the weights of a network that was trained here, so that it is run like any other."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from safetensors.torch import save
from torch import Tensor

from hivescan.errors import TrainingError
from hivescan.models import golden
from hivescan.models.backends.base import Placement, open_backend
from hivescan.models.card_parts import CARD_FILE
from hivescan.models.cards import read_card
from hivescan.models.fetch import ensure
from hivescan.models.schema import Card, Quality, TextSpec
from hivescan.models.text_tower import TextTower
from hivescan.models.toml_table import toml_string
from hivescan.types import View

WEIGHTS: Final = "weights.safetensors"
_GOLDEN_VALUES: Final = 16


def write_tuned(
    base: Card,
    state: Mapping[str, Tensor],
    folder: Path,
    *,
    dimensions: int,
    architecture: str | None,
    quality: Sequence[Quality] = (),
) -> Card:
    """Write ``<folder>/<name>/card.toml`` and the weights beside it, and read the card back.

    The name is that of ``base`` and the beginning of the weights' sha256, so that no two networks share one.
    ``architecture`` is timm's; None for a network of texts, whose tokenizer is copied.
    """
    data = save({name: t.detach().cpu().contiguous() for name, t in state.items()})
    digest = hashlib.sha256(data).hexdigest()
    root = base.name.partition("_tuned_")[0]
    name = f"{root}_tuned_{digest[:12]}"
    home = folder / name
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / WEIGHTS).write_bytes(data)
    files = [(WEIGHTS, digest, len(data))]
    if base.text is not None:
        files += [_copied(path, home) for path in _text_files(base, base.text)]
    lines = [
        *_about(base, name),
        *(_picture_lines(base) if base.text is None else _text_lines(base.text)),
        *_backend(architecture),
        *(line for file in files for line in _file(*file)),
        *_table("[embedding]", space=f"{name}/features", dimensions=dimensions, output=_output(architecture)),
        *(line for entry in quality for line in _quality(entry)),
    ]
    path = home / CARD_FILE
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    lines += _golden(read_card(path))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_card(path)


def _output(architecture: str | None) -> str:
    return "vector" if architecture is None else "features"


def _text_files(base: Card, text: TextSpec) -> list[Path]:
    paths = ensure(base)
    return [paths[name] for name in (text.tokenizer, text.replacements) if name is not None]


def _copied(path: Path, home: Path) -> tuple[str, str, int]:
    data = path.read_bytes()
    (home / path.name).write_bytes(data)
    return path.name, hashlib.sha256(data).hexdigest(), len(data)


def _about(base: Card, name: str) -> list[str]:
    licence = base.licence
    consumes = ", ".join(toml_string(kind.value) for kind in sorted(base.consumes))
    return [
        f"name = {toml_string(name)}",
        f"title = {toml_string(f'{base.title}, trained further here')}",
        f"task = {toml_string('text embedding' if base.text is not None else 'image embedding')}",
        "revision = 1",
        f"consumes = [{consumes}]",
        'intended_use = "Gives the vectors that the heads trained with it stand on."',
        "weaknesses = [",
        '  "It was trained for its own heads on their data: for other heads the base may be better.",',
        *(f"  {toml_string(f'Of its base: {weakness}')}," for weakness in base.weaknesses[:3]),
        "]",
        "",
        "[licence]",
        f"spdx = {toml_string(licence.spdx)}",
        f"url = {toml_string(licence.url)}",
        f"notice = {toml_string(f'Trained from {base.name}. {licence.notice}')}",
        *(["must_accept = true"] if licence.must_accept else []),
        "",
    ]


def _picture_lines(base: Card) -> list[str]:
    assert base.input is not None
    spec = base.input
    return [
        *_table(
            "[input]",
            layout=spec.layout,
            channels=spec.channels,
            scale=spec.scale,
            mean=list(spec.mean),
            std=list(spec.std),
        ),
        *(line for name, view in base.views.items() for line in _view(name, view)),
    ]


def _view(name: str, view: View) -> list[str]:
    return _table(
        "[[views]]",
        name=name,
        width=view.width,
        height=view.height,
        resize=view.resize,
        resize_to=view.resize_to,
        resample=view.resample,
        jpeg_quality=view.jpeg_quality,
    )


def _text_lines(text: TextSpec) -> list[str]:
    """As the base's, but that vectors keep their length, which the heads were trained on."""
    return _table(
        "[text]",
        tokenizer=text.tokenizer,
        replacements=text.replacements,
        prefix=text.prefix or None,
        max_tokens=text.max_tokens,
        overlap=text.overlap,
        pooling=text.pooling,
        normalise=False,
        attention_heads=text.attention_heads,
        layer_norm_epsilon=text.layer_norm_epsilon,
    )


def _backend(architecture: str | None) -> list[str]:
    return _table(
        "[backend]",
        kind="bert" if architecture is None else "timm",
        file=WEIGHTS,
        architecture=architecture,
        outputs=[_output(architecture)],
    )


def _file(name: str, sha256: str, size: int) -> list[str]:
    lines = _table("[[files]]", name=name, sha256=sha256, size=size)
    return [*lines[:-1], f'source = {{ kind = "local", path = {toml_string(name)} }}', ""]


def _quality(entry: Quality) -> list[str]:
    return _table(
        "[[quality]]",
        metric=entry.metric,
        value=entry.value,
        data=entry.data,
        n=entry.n,
        command=entry.command,
    )


def _table(header: str, **values: str | float | Sequence[object] | None) -> list[str]:
    """A table of TOML and an empty line after it; what is None is left out."""
    return [header, *(f"{key} = {_value(value)}" for key, value in values.items() if value is not None), ""]


def _value(value: str | float | Sequence[object]) -> str:
    """As TOML, which JSON's strings, truths and lists of them are too; numbers as Python writes them."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool | list) else repr(value)


def _golden(card: Card) -> list[str]:
    """What the network as it will be run gives for the golden inputs."""
    runtime, outputs = _golden_outputs(card)
    lines = []
    for name, values in outputs.items():
        if not np.isfinite(values).all():
            raise TrainingError(
                f"the trained network gives {values[~np.isfinite(values)][0]} for a test input"
            )
        first = ", ".join(f"{value:.7g}" for value in values[:_GOLDEN_VALUES])
        # Rounding differs by CPU and by the size of what is rounded.
        near = max(1e-3, 1e-3 * float(np.abs(values).max()))
        lines += [
            "[[golden]]",
            f"input = {toml_string(name)}",
            f"output = {toml_string(card.backend.outputs[0])}",
            f"expected = [{first}]",
            f'tolerance = {{ {runtime} = {near:.3g}, "{runtime}+cuda" = {10 * near:.3g} }}',
            "",
        ]
    return lines


def _golden_outputs(card: Card) -> tuple[str, dict[str, npt.NDArray[np.float32]]]:
    on_cpu = Placement("cpu")
    if card.text is not None:
        tower = TextTower(card, ensure(card), on_cpu)
        vectors = tower.vectors(list(golden.GOLDEN_TEXTS.values()))
        return tower.runtime, dict(zip(golden.GOLDEN_TEXTS, vectors, strict=True))
    backend = open_backend(card, ensure(card), on_cpu)
    (output,) = card.backend.outputs
    return backend.runtime, {
        name: golden.golden_outputs(card, backend, name)[output].reshape(-1) for name in golden.GOLDEN_INPUTS
    }
