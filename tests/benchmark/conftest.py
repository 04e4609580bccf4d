"""Sources made on the spot, and a detector of which all is known: bright pictures are AI-made ones to it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CARD = """
name = "brightness"
title = "Brightness"
task = "a toy"
revision = 1
consumes = ["image"]
intended_use = "Tests."
weaknesses = ["Takes bright pictures for AI-made ones."]

[licence]
spdx = "CC0-1.0"
url = "https://example.org/licence"
notice = "Nobody's."

[input]
layout = "NCHW"
channels = "RGB"
scale = 0.00392156862745098
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]

[backend]
kind = "onnx"
file = "brightness.onnx"
outputs = ["logits"]

[[views]]
name = "small"
width = 8
height = 8
resize = "stretch"
resize_to = 8
resample = "area"

[[files]]
name = "brightness.onnx"
sha256 = "{sha256}"
size = {size}
source = {{ kind = "local", path = "brightness.onnx" }}

[[heads]]
name = "ai_generated"
group = "authenticity"
output = "logits"
activation = "softmax"
classes = [
  {{ label = "ai_generated", polarity = "descriptive" }},
  {{ label = "not_ai_generated", polarity = "benign" }},
]
"""


@pytest.fixture
def brightness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an analyzer whose probability of AI is σ(20 (mean brightness − ½))."""
    import onnx
    from onnx import TensorProto, helper

    weights = np.array([[20 / 3, 0]] * 3, np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["pictures"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["means"]),
            helper.make_node("Gemm", ["means", "weights", "bias"], ["logits"]),
        ],
        "brightness",
        [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [
            helper.make_tensor("weights", TensorProto.FLOAT, (3, 2), weights.ravel()),
            helper.make_tensor("bias", TensorProto.FLOAT, (2,), [-10, 0]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = model.SerializeToString()
    onnx.checker.check_model(model)
    folder = tmp_path / "models" / "brightness"
    folder.mkdir(parents=True)
    (folder / "brightness.onnx").write_bytes(data)
    card = CARD.format(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    (folder / "card.toml").write_text(card)
    monkeypatch.setenv("HIVESCAN_MODELS", str(tmp_path / "models"))
    return "brightness"


def plain(folder: Path, brightness: list[int], size: tuple[int, int] = (90, 80)) -> Path:
    """A source: pictures of one colour with a little noise, one a brightness."""
    folder.mkdir(parents=True)
    for number, value in enumerate(brightness):
        noise = np.random.default_rng([number, value]).integers(-3, 4, (size[1], size[0], 3))
        Image.fromarray(np.clip(value + noise, 0, 255).astype(np.uint8)).save(folder / f"{number:03}.png")
    return folder


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Two real sources and two generators, one easy and one hard of each, and hybrids."""
    home = tmp_path / "sources"
    plain(home / "real" / "dim", [20, 40, 60, 80])
    plain(home / "real" / "sunny", [90, 110, 150, 170])
    plain(home / "ai" / "glow", [200, 210, 220, 230])
    plain(home / "ai" / "murk", [70, 100, 160, 180])
    plain(home / "hybrid" / "patch", [145, 165])
    return home
