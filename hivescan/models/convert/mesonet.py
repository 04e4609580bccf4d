"""MesoNet's weights (Afchar et al., WIFS 2018), Keras HDF5 → ONNX: Meso4 and MesoInception-4.

The files hold weights alone, under the names that Keras gave its layers; which of the two networks it is
shows in how many convolutions there are. The graph is built here. Keras computes on ``[N, H, W, C]``, the
graph on ``[N, C, H, W]``; only the flattening before the dense layers depends on that. Each convolution has
its ReLU before batch normalisation, so the latter cannot be folded into it. Every layer keeps the name that
it has in the file.

The last layer's sigmoid is the probability that the face is real (the classes were folders in the order of
the alphabet). The output has both classes, the fake first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from hivescan.errors import CatalogueError

OPSET: Final = 13
IR_VERSION: Final = 8
EPSILON: Final = 1e-3
"""Keras's own in batch normalisation."""
SLOPE: Final = 0.1
"""Of the leaky ReLU between the dense layers."""
POOLS: Final = (2, 2, 2, 4)
"""Sides of the windows of max pooling behind the four stages: 256 pixels become 8."""
BRANCHES: Final = ((1,), (1, 1), (1, 2), (1, 3))
"""Dilations of the convolutions of each branch of an inception layer."""
_NAME: Final = re.compile(r"(conv2d|batch_normalization|dense)_(\d+)")

Array = npt.NDArray[np.float32]
Layers = Mapping[str, Mapping[str, Array]]
"""Weights by layer (``conv2d_5``) and part (``kernel``, ``bias``, ``gamma`` …)."""


def weights_to_onnx(path: Path) -> onnx.ModelProto:
    """Input ``input`` ``[N, 3, 256, 256]``, RGB in 0..1; output ``scores`` ``[N, 2]``: fake, real.

    Raises :class:`CatalogueError` where the file is not one of MesoNet's.
    """
    return build(read_layers(path))


def read_layers(path: Path) -> dict[str, dict[str, Array]]:
    """The layers with weights of a Keras file, by name."""
    import h5py

    layers: dict[str, dict[str, Array]] = {}
    try:
        with h5py.File(path, "r") as file:
            for name in map(_text, file.attrs["layer_names"]):
                group = file[name]
                parts = {_text(part): group[part][()] for part in group.attrs["weight_names"]}
                if parts:
                    layers[name] = {
                        part.rsplit("/", 1)[-1].partition(":")[0]: np.asarray(value, np.float32)
                        for part, value in parts.items()
                    }
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise CatalogueError(f"{path.name}: is no file of Keras weights: {error}") from None
    return layers


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def build(layers: Layers) -> onnx.ModelProto:
    """The graph of the network whose weights these are."""
    convolutions, norms, dense = (_of_kind(layers, k) for k in ("conv2d", "batch_normalization", "dense"))
    inception = len(convolutions) == 2 * sum(map(len, BRANCHES)) + 2
    if (not inception and len(convolutions) != 4) or len(norms) != 4 or len(dense) != 2:
        raise CatalogueError(
            f"the weights have {len(convolutions)} convolutions, {len(norms)} batch normalisations and"
            f" {len(dense)} dense layers: neither a Meso4 nor a MesoInception-4"
        )
    graph = _Graph(layers)
    left = iter(convolutions)
    value = "input"
    for stage, (norm, pool) in enumerate(zip(norms, POOLS, strict=True)):
        if inception and stage < 2:
            value = graph.concatenated([graph.chain(value, left, branch) for branch in BRANCHES], stage)
        else:
            value = graph.convolution(value, next(left))
        value = graph.pooled(graph.normalised(value, norm), pool, stage)
    value = graph.flattened(value)
    value = graph.emit("LeakyRelu", [graph.dense(value, dense[0])], "leaky", alpha=SLOPE)
    real = graph.emit("Sigmoid", [graph.dense(value, dense[1])], "real")
    fake = graph.emit("Sub", [graph.constant("one", np.ones(1, np.float32)), real], "fake")
    graph.emit("Concat", [fake, real], "scores", axis=1)
    return graph.model()


def _of_kind(layers: Layers, kind: str) -> list[str]:
    """The names of the layers of a kind, in the order in which they were made: the file has another."""
    found = []
    for name in layers:
        match = _NAME.fullmatch(name)
        if match is not None and match[1] == kind:
            found.append((int(match[2]), name))
    return [name for _, name in sorted(found)]


@dataclass
class _Graph:
    """Nodes and constants so far; each method adds a layer and gives the name of its result."""

    layers: Layers
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def emit(self, op: str, inputs: Sequence[str], result: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, list(inputs), [result], **attributes))
        return result

    def part(self, layer: str, part: str, axes: int) -> Array:
        value = self.layers[layer].get(part)
        if value is None or value.ndim != axes:
            raise CatalogueError(f"the weights of MesoNet lack {layer}/{part} of {axes} axes")
        return value

    def convolution(self, value: str, layer: str, dilation: int = 1) -> str:
        """With its ReLU. Strides are 1, so ``same`` padding is the same on both sides."""
        kernel = self.part(layer, "kernel", 4)
        height, width = kernel.shape[:2]
        pads = [dilation * (side // 2) for side in (height, width)]
        weights = self.constant(f"{layer}/kernel", kernel.transpose(3, 2, 0, 1))
        bias = self.constant(f"{layer}/bias", self.part(layer, "bias", 1))
        result = self.emit(
            "Conv",
            [value, weights, bias],
            f"{layer}/sum",
            kernel_shape=[height, width],
            dilations=[dilation, dilation],
            pads=[*pads, *pads],
        )
        return self.emit("Relu", [result], layer)

    def chain(self, value: str, names: Iterator[str], dilations: Sequence[int]) -> str:
        for dilation in dilations:
            value = self.convolution(value, next(names), dilation)
        return value

    def concatenated(self, values: Sequence[str], stage: int) -> str:
        return self.emit("Concat", values, f"concatenate_{stage + 1}", axis=1)

    def normalised(self, value: str, layer: str) -> str:
        parts = [
            self.constant(f"{layer}/{part}", self.part(layer, part, 1))
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        ]
        return self.emit("BatchNormalization", [value, *parts], layer, epsilon=EPSILON)

    def pooled(self, value: str, side: int, stage: int) -> str:
        """The sides of what is pooled are multiples of the window's, so there is no padding."""
        return self.emit(
            "MaxPool", [value], f"pool_{stage + 1}", kernel_shape=[side, side], strides=[side, side]
        )

    def flattened(self, value: str) -> str:
        turned = self.emit("Transpose", [value], "turned", perm=[0, 2, 3, 1])
        return self.emit("Flatten", [turned], "flat", axis=1)

    def dense(self, value: str, layer: str) -> str:
        kernel = self.constant(f"{layer}/kernel", self.part(layer, "kernel", 2))
        return self.emit(
            "Gemm", [value, kernel, self.constant(f"{layer}/bias", self.part(layer, "bias", 1))], layer
        )

    def model(self) -> onnx.ModelProto:
        side = 256
        model = helper.make_model(
            helper.make_graph(
                self.nodes,
                "mesonet",
                [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, side, side])],
                [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 2])],
                self.constants,
            ),
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="hivescan",
            ir_version=IR_VERSION,
        )
        try:
            onnx.checker.check_model(model, full_check=True)
        except Exception as error:  # the checker has classes of its own
            reason = str(error).partition("\n")[0]
            raise CatalogueError(f"the weights make no MesoNet: {reason}") from None
        return model
