"""The encoder of a BERT network as an ONNX graph, from its weights by the names that Hugging Face gives.

Word vectors are looked up outside (a multilingual table has 400 MB, of which a text needs a few rows), so
the graph begins with their sum with positions and types and ends with the mean over a text's tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from hivescan.errors import CatalogueError

OPSET: Final = 17
IR_VERSION: Final = 8
INPUT: Final = "embeddings"
MASK: Final = "mask"
OUTPUT: Final = "vector"

Weights = Mapping[str, npt.NDArray[np.float32]]


def encoder_graph(weights: Weights, heads: int, epsilon: float) -> bytes:
    """Inputs ``embeddings`` ``[N, L, D]`` and ``mask`` ``[N, L]`` (1 for a token, 0 for filling); output
    ``vector`` ``[N, D]``, not normalised. Raises :class:`CatalogueError` where a weight is missing."""
    try:
        return _Graph(weights, heads, epsilon).build()
    except KeyError as error:
        raise CatalogueError(f"the weights of a BERT encoder lack {error}") from None


class _Graph:
    def __init__(self, weights: Weights, heads: int, epsilon: float) -> None:
        self._weights = weights
        self._heads = heads
        self._epsilon = epsilon
        self._width = len(weights["embeddings.LayerNorm.weight"])
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def build(self) -> bytes:
        self._constant("shape.split", np.array([0, 0, self._heads, self._width // self._heads], np.int64))
        self._constant("shape.joined", np.array([0, 0, self._width], np.int64))
        self._constant("scale", np.float32(1 / np.sqrt(self._width // self._heads)))
        for name, value in (("half", 0.5), ("one", 1.0), ("root", np.sqrt(2.0)), ("far", -1e9)):
            self._constant(name, np.float32(value))
        self._constant("axis.mask", np.array([1, 2], np.int64))
        self._constant("axis.last", np.array([2], np.int64))
        self._constant("axis.tokens", np.array([1], np.int64))
        empty = self._emit("Sub", ["one", MASK], "mask.empty")
        bias = self._emit("Mul", [empty, "far"], "mask.far")
        bias = self._emit("Unsqueeze", [bias, "axis.mask"], "mask.bias")
        value = self._norm(INPUT, "embeddings.LayerNorm", "start")
        layer = 0
        while f"encoder.layer.{layer}.attention.self.query.weight" in self._weights:
            value = self._layer(value, bias, f"encoder.layer.{layer}")
            layer += 1
        if not layer:
            raise KeyError("encoder.layer.0.attention.self.query.weight")
        weighted = self._emit(
            "Mul", [value, self._emit("Unsqueeze", [MASK, "axis.last"], "mask.wide")], "kept"
        )
        total = self._emit("ReduceSum", [weighted, "axis.tokens"], "total", keepdims=0)
        tokens = self._emit("ReduceSum", [MASK, "axis.tokens"], "tokens", keepdims=1)
        self._emit("Div", [total, tokens], OUTPUT)
        return self._model().SerializeToString(deterministic=True)  # type: ignore[no-any-return]

    def _layer(self, value: str, bias: str, name: str) -> str:
        attended = self._attention(value, bias, f"{name}.attention.self")
        attended = self._linear(attended, f"{name}.attention.output.dense")
        summed = self._emit("Add", [attended, value], f"{name}.attention.sum")
        middle = self._norm(summed, f"{name}.attention.output.LayerNorm", f"{name}.middle")
        wide = self._gelu(self._linear(middle, f"{name}.intermediate.dense"), name)
        narrow = self._linear(wide, f"{name}.output.dense")
        summed = self._emit("Add", [narrow, middle], f"{name}.sum")
        return self._norm(summed, f"{name}.output.LayerNorm", f"{name}.end")

    def _attention(self, value: str, bias: str, name: str) -> str:
        # Query, key and value in one product, which is three times as wide and faster.
        parts = ("query", "key", "value")
        weights = np.concatenate([self._weights[f"{name}.{part}.weight"] for part in parts])
        biases = np.concatenate([self._weights[f"{name}.{part}.bias"] for part in parts])
        self._constant(f"{name}.weight", np.ascontiguousarray(weights.T))
        self._constant(f"{name}.bias", biases)
        product = self._emit("MatMul", [value, f"{name}.weight"], f"{name}.product")
        product = self._emit("Add", [product, f"{name}.bias"], f"{name}.added")
        split = [f"{name}.{part}.part" for part in parts]
        self._nodes.append(helper.make_node("Split", [product], split, axis=2))
        orders = {"query": [0, 2, 1, 3], "key": [0, 2, 3, 1], "value": [0, 2, 1, 3]}
        query, key, values = (
            self._emit(
                "Transpose",
                [self._emit("Reshape", [f"{name}.{part}.part", "shape.split"], f"{name}.{part}.heads")],
                f"{name}.{part}.turned",
                perm=orders[part],
            )
            for part in parts
        )
        scores = self._emit("MatMul", [query, key], f"{name}.scores")
        scores = self._emit("Mul", [scores, "scale"], f"{name}.scaled")
        scores = self._emit("Add", [scores, bias], f"{name}.masked")
        shares = self._emit("Softmax", [scores], f"{name}.shares", axis=3)
        mixed = self._emit("MatMul", [shares, values], f"{name}.mixed")
        mixed = self._emit("Transpose", [mixed], f"{name}.back", perm=[0, 2, 1, 3])
        return self._emit("Reshape", [mixed, "shape.joined"], f"{name}.joined")

    def _linear(self, value: str, name: str) -> str:
        self._constant(f"{name}.weight", np.ascontiguousarray(self._weights[f"{name}.weight"].T))
        self._constant(f"{name}.bias", self._weights[f"{name}.bias"])
        product = self._emit("MatMul", [value, f"{name}.weight"], f"{name}.product")
        return self._emit("Add", [product, f"{name}.bias"], f"{name}.added")

    def _gelu(self, value: str, name: str) -> str:
        """The exact form, with the error function."""
        error = self._emit(
            "Erf", [self._emit("Div", [value, "root"], f"{name}.gelu.div")], f"{name}.gelu.erf"
        )
        raised = self._emit("Add", [error, "one"], f"{name}.gelu.add")
        product = self._emit("Mul", [value, raised], f"{name}.gelu.mul")
        return self._emit("Mul", [product, "half"], f"{name}.gelu")

    def _norm(self, value: str, name: str, result: str) -> str:
        for part in ("weight", "bias"):
            self._constant(f"{name}.{part}", self._weights[f"{name}.{part}"])
        inputs = [value, f"{name}.weight", f"{name}.bias"]
        return self._emit("LayerNormalization", inputs, result, axis=-1, epsilon=self._epsilon)

    def _constant(self, name: str, value: npt.NDArray[Any] | np.generic) -> None:
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))

    def _emit(self, op: str, inputs: Sequence[str], result: str, **attributes: object) -> str:
        self._nodes.append(helper.make_node(op, list(inputs), [result], **attributes))
        return result

    def _model(self) -> onnx.ModelProto:
        return helper.make_model(
            helper.make_graph(
                self._nodes,
                "bert_encoder",
                [
                    helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", "L", self._width]),
                    helper.make_tensor_value_info(MASK, TensorProto.FLOAT, ["N", "L"]),
                ],
                [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", self._width])],
                self._constants,
            ),
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="hivescan",
            ir_version=IR_VERSION,
        )
