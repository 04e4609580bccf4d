"""EfficientNet-lite weights of the PyTorch port (``efficientnet-lite*.pth``) → ONNX: the network, or what its
early layers have in the mean.

The file holds weights alone; the graph is built here from the paper's table for lite networks (no
squeeze-and-excitation, ReLU6, stem and head unscaled), with batch normalisation folded into the
convolutions. Padding is TensorFlow's SAME: the odd pixel goes right and below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
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
"""TensorFlow's batch normalisation in EfficientNet."""
_STAGE_STRIDES: Final = (1, 2, 2, 2, 1, 2, 1)
_STAGE_KERNELS: Final = (3, 3, 5, 3, 5, 5, 3)

TEXTURE_STAGES: Final = 5
"""Whose last blocks are looked at: the earlier a layer, the less of it is about what is shown."""

Arrays = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Block:
    """One inverted bottleneck: its stage, from 0, the stride of its depthwise convolution, and whether it
    expands."""

    index: int
    stage: int
    stride: int
    expands: bool


def weights_to_onnx(path: Path) -> onnx.ModelProto:
    """Input ``input`` ``[N, 3, H, W]``; outputs ``logits`` ``[N, classes]``, ``features`` ``[N, 1280]``."""
    return build(read_arrays(path))


def weights_to_textures(path: Path) -> onnx.ModelProto:
    """Input ``input`` ``[N, 3, H, W]``; output ``textures`` ``[N, 592]`` (of lite2): see
    :func:`build_textures`."""
    return build_textures(read_arrays(path))


def read_arrays(path: Path) -> Arrays:
    """The weights by name. Raises :class:`CatalogueError`."""
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: value.numpy() for name, value in state.items()}
    except Exception as error:  # torch raises whatever its reader met
        raise CatalogueError(f"{path.name}: is no file of weights: {error}") from error


def blocks_of(arrays: Arrays) -> Iterator[Block]:
    """The blocks in order. A stage begins where the channels, or the kernel's size, change."""
    count = 1 + max(int(name.split(".")[1]) for name in arrays if name.startswith("_blocks."))
    stage, channels, kernel = -1, 0, 0
    for index in range(count):
        prefix = f"_blocks.{index}"
        size = arrays[f"{prefix}._depthwise_conv.weight"].shape[2]
        out = arrays[f"{prefix}._project_conv.weight"].shape[0]
        starts = (out, size) != (channels, kernel)
        stage, channels, kernel = stage + starts, out, size
        if stage >= len(_STAGE_STRIDES) or kernel != _STAGE_KERNELS[stage]:
            raise CatalogueError(f"block {index} is not one of an EfficientNet-lite")
        stride = _STAGE_STRIDES[stage] if starts else 1
        yield Block(index, stage, stride, f"{prefix}._expand_conv.weight" in arrays)


def build(arrays: Arrays) -> onnx.ModelProto:
    """The graph of the network whose weights these are."""
    graph = _Graph(arrays)
    *_, (_, value) = graph.blocks()
    value = graph.convolve(value, "_conv_head", "_bn1")
    pooled = graph.emit("GlobalAveragePool", [value], "pooled")
    features = graph.emit("Flatten", [pooled], "features", axis=1)
    classifier = [graph.constant(f"_fc.{part}", arrays[f"_fc.{part}"]) for part in ("weight", "bias")]
    graph.emit("Gemm", [features, *classifier], "logits", transB=1)
    classes, width = arrays["_fc.weight"].shape
    return graph.finished("efficientnet_lite", {"logits": classes, "features": width})


def build_textures(arrays: Arrays) -> onnx.ModelProto:
    """Of the network whose weights these are, what the last blocks of its first five stages have in the mean
    over all places, and how far they depart from it (standard deviation): for each block the means of its
    channels, then their deviations. Where something is in the picture is lost, how it is made stays."""
    graph = _Graph(arrays)
    blocks = list(blocks_of(arrays))
    taps = {
        block.index
        for block, after in pairwise(blocks)
        if block.stage < TEXTURE_STAGES and after.stage > block.stage
    }
    parts: list[str] = []
    width = 0
    for block, value in graph.blocks(max(taps) + 1):
        if block.index in taps:
            parts += graph.mean_and_deviation(value, f"_blocks.{block.index}")
            width += 2 * arrays[f"_blocks.{block.index}._project_conv.weight"].shape[0]
    graph.emit("Concat", parts, "textures", axis=1)
    return graph.finished("efficientnet_lite_textures", {"textures": width})


class _Graph:
    """Nodes and constants of a network in the making; values go by their names."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._bounds = [self.constant("zero", np.float32(0)), self.constant("six", np.float32(6))]

    def constant(self, name: str, value: npt.NDArray[Any] | np.generic) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def emit(self, op: str, inputs: Sequence[str], result: str, **attributes: object) -> str:
        self._nodes.append(helper.make_node(op, list(inputs), [result], **attributes))
        return result

    def convolve(
        self, value: str, convolution: str, norm: str, stride: int = 1, *, relu6: bool = True
    ) -> str:
        weights, bias = _folded(self._arrays, convolution, norm)
        groups = weights.shape[0] if "depthwise" in convolution else 1
        constants = [self.constant(f"{convolution}.weight", weights)]
        constants.append(self.constant(f"{convolution}.bias", bias))
        result = self.emit(
            "Conv",
            [value, *constants],
            f"{convolution}.out",
            kernel_shape=list(weights.shape[2:]),
            strides=[stride, stride],
            group=groups,
            auto_pad="SAME_UPPER",
        )
        return self.emit("Clip", [result, *self._bounds], f"{convolution}.relu6") if relu6 else result

    def blocks(self, count: int | None = None) -> Iterator[tuple[Block, str]]:
        """Stem and blocks, the first ``count`` of them; each block with what comes out of it."""
        value = self.convolve("input", "_conv_stem", "_bn0", 2)
        channels = self._arrays["_conv_stem.weight"].shape[0]
        for block in list(blocks_of(self._arrays))[:count]:
            prefix = f"_blocks.{block.index}"
            before, value_in = channels, value
            if block.expands:
                value = self.convolve(value, f"{prefix}._expand_conv", f"{prefix}._bn0")
            value = self.convolve(value, f"{prefix}._depthwise_conv", f"{prefix}._bn1", block.stride)
            value = self.convolve(value, f"{prefix}._project_conv", f"{prefix}._bn2", relu6=False)
            channels = self._arrays[f"{prefix}._project_conv.weight"].shape[0]
            if block.stride == 1 and channels == before:
                value = self.emit("Add", [value, value_in], f"{prefix}.sum")
            yield block, value

    def mean_and_deviation(self, value: str, prefix: str) -> list[str]:
        """Over all places: two values of ``[N, channels]``."""
        places = [2, 3]
        centre = self.emit("ReduceMean", [value], f"{prefix}.centre", axes=places, keepdims=1)
        mean = self.emit("Flatten", [centre], f"{prefix}.mean", axis=1)
        apart = self.emit("Sub", [value, centre], f"{prefix}.apart")
        squared = self.emit("Mul", [apart, apart], f"{prefix}.squared")
        variance = self.emit("ReduceMean", [squared], f"{prefix}.variance", axes=places, keepdims=0)
        return [mean, self.emit("Sqrt", [variance], f"{prefix}.deviation")]

    def finished(self, name: str, outputs: Mapping[str, int]) -> onnx.ModelProto:
        """The whole graph; ``outputs`` are widths by name."""
        model = helper.make_model(
            helper.make_graph(
                self._nodes,
                name,
                [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, "H", "W"])],
                [
                    helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", width])
                    for output, width in outputs.items()
                ],
                self._constants,
            ),
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="hivescan",
            ir_version=IR_VERSION,
        )
        onnx.checker.check_model(model)
        return model


def _folded(
    arrays: Arrays, convolution: str, norm: str
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """A convolution's weights and bias with the batch normalisation after it taken in, in float64."""
    try:
        weights = arrays[f"{convolution}.weight"].astype(np.float64)
        gamma, beta, mean, variance = (
            arrays[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
    except KeyError as error:
        raise CatalogueError(f"the weights of an EfficientNet-lite lack {error}") from None
    scale = gamma / np.sqrt(variance + EPSILON)
    folded = weights * scale[:, np.newaxis, np.newaxis, np.newaxis]
    return folded.astype(np.float32), (beta - mean * scale).astype(np.float32)
