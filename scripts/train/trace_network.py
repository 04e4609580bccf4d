"""The network of `ai_traces`: fixed high-pass filters, then a few convolutions; it sees no content.

What it is given are residuals: each colour against the mean of its 3 × 3 neighbours, the 3 × 3 and 5 × 5
residuals of steganalysis on brightness (Fridrich and Kodovský 2012), and each pixel against the first of its
2 × 2 cell (Tan et al. 2024, "Rethinking the up-sampling operations").
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

functional = nn.functional
SIDE: Final = 128
STRONGEST: Final = 3.0
"""Of a residual, in units of its own spread over the tile: how grainy or soft it is as a whole says
nothing."""
LEAST: Final = 0.25
"""Added to the square of that: what rounding to whole numbers leaves."""

_KB = torch.tensor([[-1.0, 2, -1], [2, -4, 2], [-1, 2, -1]]) / 4
_KV = (
    torch.tensor(
        [[-1.0, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]]
    )
    / 12
)
_LUMA = torch.tensor([0.299, 0.587, 0.114])


def fixed() -> torch.Tensor:
    """``[5, 3, 5, 5]``: the filters that are not learnt."""
    made = torch.zeros(5, 3, 5, 5)
    for colour in range(3):
        made[colour, colour, 1:4, 1:4] = -1 / 9
        made[colour, colour, 2, 2] += 1
    made[3, :, 1:4, 1:4] = _LUMA[:, None, None] * _KB
    made[4] = _LUMA[:, None, None] * _KV
    return made


class TraceNetwork(nn.Module):
    """``float32 [N, 3, S, S]`` RGB in 0..255 → one margin a piece: above 0 generated."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fixed", fixed())
        widths = (
            (8, 32, 5, 2),
            (32, 32, 3, 1),
            (32, 64, 3, 2),
            (64, 64, 3, 1),
            (64, 96, 3, 2),
            (96, 96, 3, 1),
        )
        layers: list[nn.Module] = []
        for inputs, outputs, kernel, stride in widths:
            layers += [
                nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers)
        self.drop = nn.Dropout(0.2)
        self.last = nn.Linear(96, 1)

    def seen(self, x: torch.Tensor) -> torch.Tensor:
        corners = functional.interpolate(x[:, :, ::2, ::2], scale_factor=2, mode="nearest")
        seen = torch.cat([functional.conv2d(x, self.fixed, padding=2), x - corners], 1)
        spread = torch.sqrt((seen * seen).mean(dim=(2, 3), keepdim=True) + LEAST)
        return (seen / spread).clamp(-STRONGEST, STRONGEST)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layers(self.seen(x)).float().mean(dim=(2, 3))
        margins: torch.Tensor = self.last(self.drop(y))[:, 0]
        return margins


def to_onnx(network: TraceNetwork, side: int, scale: float, shift: float) -> onnx.ModelProto:
    """Input ``input`` ``[N, 3, side, side]``, RGB in 0..255, tiles of 128 pixels side by side. Outputs:
    ``scores`` ``[N, 2]``, generated and not, from the mean of the tiles' margins; ``tiles`` ``[N, T]``, each
    tile's own score, row by row. Margins are scaled and shifted first."""
    across = side // SIDE
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(value: Any) -> str:
        name = f"c{len(constants)}"
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def emit(op: str, inputs: list[str], **attributes: object) -> str:
        result = f"v{len(nodes)}"
        nodes.append(helper.make_node(op, inputs, [result], **attributes))
        return result

    def whole(*numbers: int) -> str:
        return constant(np.array(numbers, np.int64))

    x = emit("Reshape", ["input", whole(-1, 3, across, SIDE, across, SIDE)])
    x = emit("Transpose", [x], perm=[0, 2, 4, 1, 3, 5])
    x = emit("Reshape", [x, whole(-1, 3, SIDE, SIDE)])
    residuals = emit("Conv", [x, constant(network.fixed.numpy())], pads=[2] * 4)
    corners = emit("Conv", [x, constant(np.eye(3, dtype=np.float32)[:, :, None, None])], strides=[2, 2])
    cell = constant(np.ones((3, 1, 2, 2), np.float32))
    corners = emit("ConvTranspose", [corners, cell], strides=[2, 2], group=3)
    x = emit("Concat", [residuals, emit("Sub", [x, corners])], axis=1)
    power = emit("ReduceMean", [emit("Mul", [x, x])], axes=[2, 3], keepdims=1)
    x = emit("Div", [x, emit("Sqrt", [emit("Add", [power, constant(np.float32(LEAST))])])])
    x = emit("Clip", [x, constant(np.float32(-STRONGEST)), constant(np.float32(STRONGEST))])
    layers = list(network.layers)
    for conv, norm in zip(layers[0::3], layers[1::3], strict=True):
        assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        weight, bias = folded(conv, norm)
        pad, stride = int(conv.padding[0]), conv.stride[0]
        x = emit("Conv", [x, constant(weight), constant(bias)], pads=[pad] * 4, strides=[stride] * 2)
        x = emit("Relu", [x])
    x = emit("Flatten", [emit("GlobalAveragePool", [x])], axis=1)
    weight, bias = (value.detach().numpy() for value in (network.last.weight, network.last.bias))
    margins = emit("Gemm", [x, constant(weight * scale), constant(bias * scale + shift)], transB=1)
    margins = emit("Reshape", [margins, whole(-1, across * across)])
    nodes.append(helper.make_node("Sigmoid", [margins], ["tiles"]))
    mean = emit("ReduceMean", [margins], axes=[1], keepdims=1)
    both = emit("Mul", [mean, constant(np.array([[1, -1]], np.float32))])
    nodes.append(helper.make_node("Sigmoid", [both], ["scores"]))
    outputs = {"scores": 2, "tiles": across * across}
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "ai_traces",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, side, side])],
            [
                helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", width])
                for n, width in outputs.items()
            ],
            constants,
        ),
        opset_imports=[helper.make_opsetid("", 13)],
        producer_name="hivescan",
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias of a convolution that does what both do."""
    assert norm.running_mean is not None and norm.running_var is not None
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weight = conv.weight * gain[:, None, None, None]
    bias = norm.bias - norm.running_mean * gain
    return weight.detach().numpy(), bias.detach().numpy()
