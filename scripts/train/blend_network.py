"""The network of `face_blends`: fixed measurements of each place of a face, a few learnt layers over them.

A crop of 208 pixels becomes a grid of 26 × 26 places. Of each the logarithm of the energy of several high-
pass filters (first and second differences, a 3 × 3 and a 5 × 5 residual as in steganalysis, both at half
the size too, one for each colour difference), and the mean colour. Each measurement is taken against its
mean over the crop: how sharp, grainy or bright a picture is as a whole says nothing. The learnt layers see
where in the aligned face a place lies.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

SIDE: Final = 208
"""The middle of a crop of 256: the unit square of 128 and 0.3125 of it on each side."""
CELL: Final = 8
GRID: Final = SIDE // CELL
LEAST: Final = 0.05
"""Added to energies before their logarithm: what rounding to whole numbers leaves."""

_YCC: Final = np.array([[0.299, 0.587, 0.114], [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]], np.float32)
_KB: Final = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]], np.float32) / 4
_KV: Final = (
    np.array(
        [[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]],
        np.float32,
    )
    / 12
)


def _filters() -> np.ndarray:
    """``[6, 1, 5, 5]``."""
    made = np.zeros((6, 5, 5), np.float32)
    made[0, 2, 2:4] = -1, 1
    made[1, 2:4, 2] = -1, 1
    made[2, 2, 1:4] = 1, -2, 1
    made[3, 1:4, 2] = 1, -2, 1
    made[4, 1:4, 1:4] = _KB
    made[5] = _KV
    return made[:, np.newaxis]


FILTERS: Final = _filters()
CHANNELS: Final = 6 + 6 + 2 + 3


class FaceBlends(nn.Module):
    """``float32 [N, 3, 208, 208]`` RGB in 0..255 → one margin a face: above 0 blended."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ycc", torch.from_numpy(_YCC[:, :, None, None]))
        self.register_buffer("filters", torch.from_numpy(FILTERS))
        self.register_buffer("scale", torch.ones(1, CHANNELS, 1, 1))
        self.place = nn.Parameter(torch.zeros(1, 32, GRID, GRID))
        self.first = nn.Conv2d(CHANNELS, 32, 3, padding=1)
        self.second = nn.Conv2d(32, 32, 3, padding=1)
        self.third = nn.Conv2d(32, 48, 3, padding=1)
        self.fourth = nn.Conv2d(48, 64, 3, padding=1)
        self.drop = nn.Dropout(0.3)
        self.last = nn.Linear(128, 1)

    def seen(self, x: torch.Tensor) -> torch.Tensor:
        """The measurements, ``[N, 17, 26, 26]``, each against its mean over the crop."""
        functional = nn.functional
        colours = functional.conv2d(x, self.ycc)
        luma, chroma = colours[:, :1], colours[:, 1:]
        fine = functional.conv2d(luma, self.filters, padding=2)
        half = functional.conv2d(functional.avg_pool2d(luma, 2), self.filters, padding=2)
        tints = torch.cat(
            [functional.conv2d(chroma[:, i : i + 1], self.filters[4:5], padding=2) for i in range(2)], 1
        )
        energies = [
            functional.avg_pool2d(fine**2, CELL),
            functional.avg_pool2d(half**2, CELL // 2),
            functional.avg_pool2d(tints**2, CELL),
        ]
        measured = torch.cat(
            [torch.log(torch.cat(energies, 1) + LEAST), functional.avg_pool2d(colours, CELL) / 32], 1
        )
        return measured - measured.mean(dim=(2, 3), keepdim=True)

    def seen_in_batches(self, pictures: np.ndarray) -> torch.Tensor:
        """Of ``uint8 [N, 208, 208, 3]``."""
        with torch.inference_mode():
            parts = [
                self.seen(torch.from_numpy(pictures[i : i + 64]).permute(0, 3, 1, 2).float())
                for i in range(0, len(pictures), 64)
            ]
        return torch.cat(parts).clone()

    def normalise(self, seen: torch.Tensor) -> None:
        """Bring each measurement to a spread of 1."""
        self.scale = 1 / seen.std(dim=(0, 2, 3), keepdim=True)

    def margins(self, seen: torch.Tensor) -> torch.Tensor:
        """``[N]`` from what was :meth:`seen`."""
        functional = nn.functional
        x = functional.max_pool2d(functional.relu(self.first(seen * self.scale) + self.place), 2)
        x = functional.relu(self.second(x))
        x = functional.max_pool2d(functional.relu(self.third(x)), 2)
        x = functional.relu(self.fourth(x))
        x = torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], 1)
        margins: torch.Tensor = self.last(self.drop(x))[:, 0]
        return margins

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.margins(self.seen(x))


def to_onnx(network: FaceBlends) -> onnx.ModelProto:
    """Input ``input`` ``[N, 3, 208, 208]``, RGB in 0..255; output ``scores`` ``[N, 2]``: blended, not."""
    state = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, value: Any) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def emit(op: str, inputs: list[str], **attributes: object) -> str:
        result = f"v{len(nodes)}"
        nodes.append(helper.make_node(op, inputs, [result], **attributes))
        return result

    def conv(x: str, weight: str, bias: str | None = None, pad: int = 0) -> str:
        return emit("Conv", [x, weight, *([] if bias is None else [bias])], pads=[pad] * 4)

    def pooled(x: str, side: int) -> str:
        return emit("AveragePool", [x], kernel_shape=[side, side], strides=[side, side])

    def layer(x: str, name: str, place: str | None = None) -> str:
        parts = [constant(f"{name}.{part}", state[f"{name}.{part}"]) for part in ("weight", "bias")]
        x = conv(x, *parts, pad=1)
        return emit("Relu", [x if place is None else emit("Add", [x, place])])

    ycc = constant("ycc", state["ycc"])
    filters = constant("filters", state["filters"])
    tint = constant("tint", state["filters"][4:5])
    planes = [constant(f"ycc_{i}", state["ycc"][i : i + 1]) for i in range(3)]
    luma, blue, red = (conv("input", plane) for plane in planes)
    measured = [
        pooled(emit("Mul", [fine, fine]), side)
        for fine, side in (
            (conv(luma, filters, pad=2), CELL),
            (conv(pooled(luma, 2), filters, pad=2), CELL // 2),
            (conv(blue, tint, pad=2), CELL),
            (conv(red, tint, pad=2), CELL),
        )
    ]
    energies = emit("Concat", measured, axis=1)
    energies = emit("Log", [emit("Add", [energies, constant("least", np.float32(LEAST))])])
    colours = emit("Div", [pooled(conv("input", ycc), CELL), constant("tone", np.float32(32))])
    x = emit("Concat", [energies, colours], axis=1)
    x = emit("Sub", [x, emit("GlobalAveragePool", [x])])
    x = emit("Mul", [x, constant("scale", state["scale"])])
    halving = {"kernel_shape": [2, 2], "strides": [2, 2]}
    x = emit("MaxPool", [layer(x, "first", constant("place", state["place"]))], **halving)
    x = emit("MaxPool", [layer(layer(x, "second"), "third")], **halving)
    x = layer(x, "fourth")
    both = [emit(f"Global{kind}Pool", [x]) for kind in ("Average", "Max")]
    x = emit("Flatten", [emit("Concat", both, axis=1)], axis=1)
    # Both classes, the blended one first.
    weight, bias = state["last.weight"], state["last.bias"]
    last = [
        constant("last.weight", np.concatenate([weight, -weight])),
        constant("last.bias", np.concatenate([bias, -bias])),
    ]
    nodes.append(helper.make_node("Sigmoid", [emit("Gemm", [x, *last], transB=1)], ["scores"]))
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "face_blends",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 2])],
            constants,
        ),
        opset_imports=[helper.make_opsetid("", 13)],
        producer_name="hivescan",
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    return model
