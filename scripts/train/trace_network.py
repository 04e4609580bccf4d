"""The network of `ai_traces`: the early layers of EfficientNet-lite2, and what they see as a whole.

Of each of five early maps of features the mean and the standard deviation over all places are taken: numbers
that say what a picture is made of, as a texture, and nothing of where what is. A linear function of them is
the margin of a tile. The layers are those that ImageNet's classes taught, as they are: trained further on
the few collections of AI-made pictures at hand, they learn the collections.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from hivescan.models.convert.efficientnet_lite import weights_to_onnx

SIDE: Final = 192
TAPS: Final = (
    "_blocks.0._project_conv.out",
    "_blocks.3.sum",
    "_blocks.6.sum",
    "_blocks.10.sum",
    "_blocks.14.sum",
)
CHANNELS: Final = (16, 24, 48, 88, 120)
FEATURES: Final = 2 * sum(CHANNELS)
STRONGEST: Final = 4.0
"""Of a feature, in units of its spread over what was learned from."""
FLOOR: Final = 1e-5
"""Added to variances."""
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Linear:
    """Features are brought to ``(x - mean) / spread`` first, and cut at :data:`STRONGEST`."""

    mean: Floats
    spread: Floats
    weights: Floats
    bias: float

    def margins(self, features: Floats) -> Floats:
        standard = np.clip((features - self.mean) / self.spread, -STRONGEST, STRONGEST)
        return np.asarray(standard @ self.weights + self.bias, np.float32)


@dataclass(frozen=True)
class Scale:
    """Margin to logit."""

    slope: float
    offset: float


class Graph:
    """Nodes and constants of a graph that grows."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def whole(self, *numbers: int) -> str:
        return self.constant(np.array(numbers, np.int64))

    def emit(self, op: str, inputs: list[str], result: str | None = None, **attributes: object) -> str:
        result = result or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [result], **attributes))
        return result


def early_layers(weights: Path, graph: Graph, tiles: str) -> list[str]:
    """Adds them to a graph in which ``tiles`` are ``[N, 3, S, S]``, (RGB - 127) / 128; the maps' names."""
    whole = weights_to_onnx(weights).graph
    made_by = {node.output[0]: node for node in whole.node}
    wanted, needed = list(TAPS), set()
    while wanted:
        name = wanted.pop()
        if name in made_by and name not in needed:
            needed.add(name)
            wanted += made_by[name].input
    for node in whole.node:
        if node.output[0] in needed:
            graph.nodes.append(onnx.NodeProto.FromString(node.SerializeToString()))
            inputs = graph.nodes[-1].input
            inputs[:] = [tiles if name == "input" else name for name in inputs]
    used = {name for node in graph.nodes for name in node.input}
    for constant in whole.initializer:
        if constant.name in used:
            # Half precision on disk: what is added to the features is far below what wear does to them.
            array = numpy_helper.to_array(constant)
            if array.size > 1000:
                half = numpy_helper.from_array(array.astype(np.float16), f"{constant.name}.half")
                graph.constants.append(half)
                cast = helper.make_node("Cast", [half.name], [constant.name], to=TensorProto.FLOAT)
                graph.nodes.insert(0, cast)
            else:
                graph.constants.append(constant)
    return list(TAPS)


def features_of(graph: Graph, maps: list[str]) -> str:
    """``[N, 592]``: of each map the means, then the standard deviations."""
    parts = []
    for name in maps:
        mean = graph.emit("ReduceMean", [name], axes=[2, 3], keepdims=1)
        off = graph.emit("Sub", [name, mean])
        variance = graph.emit("ReduceMean", [graph.emit("Mul", [off, off])], axes=[2, 3], keepdims=1)
        floor = graph.constant(np.float32(FLOOR))
        spread = graph.emit("Sqrt", [graph.emit("Add", [variance, floor])])
        parts += [graph.emit("Flatten", [value], axis=1) for value in (mean, spread)]
    return graph.emit("Concat", parts, axis=1)


def feature_model(weights: Path) -> onnx.ModelProto:
    """``input`` uint8-valued ``[N, 3, S, S]`` in 0..255 → ``features`` ``[N, 592]``."""
    graph = Graph()
    tiles = scaled(graph, "input")
    name = features_of(graph, early_layers(weights, graph, tiles))
    graph.emit("Identity", [name], "features")
    return model_of(graph, {"features": FEATURES}, SIDE)


def scaled(graph: Graph, pixels: str) -> str:
    off = graph.emit("Sub", [pixels, graph.constant(np.float32(127))])
    return graph.emit("Div", [off, graph.constant(np.float32(128))])


def to_onnx(weights: Path, linear: Linear, across: int, picture: Scale, tile: Scale) -> onnx.ModelProto:
    """Input ``input`` ``[N, 3, S, S]``, RGB in 0..255, ``across`` × ``across`` tiles of 192 pixels side by
    side. Outputs: ``scores`` ``[N, 2]``, generated and not, from the mean of the tiles' margins; ``tiles``
    ``[N, T]``, each tile's own score, row by row."""
    graph = Graph()
    x = graph.emit("Reshape", ["input", graph.whole(-1, 3, across, SIDE, across, SIDE)])
    x = graph.emit("Transpose", [x], perm=[0, 2, 4, 1, 3, 5])
    x = graph.emit("Reshape", [x, graph.whole(-1, 3, SIDE, SIDE)])
    x = features_of(graph, early_layers(weights, graph, scaled(graph, x)))
    x = graph.emit(
        "Div", [graph.emit("Sub", [x, graph.constant(linear.mean)]), graph.constant(linear.spread)]
    )
    edges = [graph.constant(np.float32(edge)) for edge in (-STRONGEST, STRONGEST)]
    x = graph.emit("Clip", [x, *edges])
    column = graph.constant(linear.weights[:, np.newaxis])
    x = graph.emit("Add", [graph.emit("MatMul", [x, column]), graph.constant(np.float32(linear.bias))])
    margins = graph.emit("Reshape", [x, graph.whole(-1, across * across)])

    def logits(value: str, scale: Scale) -> str:
        value = graph.emit("Mul", [value, graph.constant(np.float32(scale.slope))])
        return graph.emit("Add", [value, graph.constant(np.float32(scale.offset))])

    graph.emit("Sigmoid", [logits(margins, tile)], "tiles")
    mean = logits(graph.emit("ReduceMean", [margins], axes=[1], keepdims=1), picture)
    both = graph.emit("Mul", [mean, graph.constant(np.array([[1, -1]], np.float32))])
    graph.emit("Sigmoid", [both], "scores")
    return model_of(graph, {"scores": 2, "tiles": across * across}, across * SIDE)


def model_of(graph: Graph, outputs: dict[str, int], side: int) -> onnx.ModelProto:
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "ai_traces",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, side, side])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width])
                for name, width in outputs.items()
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", 13)],
        producer_name="hivescan",
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    return model
