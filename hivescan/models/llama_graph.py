"""A Llama network as an ONNX graph that says how it is surprised by each token of a text.

Word vectors are looked up outside, as for :mod:`~hivescan.models.bert_graph`. What is made of the
distribution over all tokens, some 50,000 numbers at each place, is made inside the graph: four numbers a
place come out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from hivescan.errors import CatalogueError

OPSET: Final = 17
IR_VERSION: Final = 8
EMBEDDINGS: Final = "embeddings"
COSINES: Final = "cosines"
SINES: Final = "sines"
MASK: Final = "mask"
TARGETS: Final = "targets"
OUTPUT: Final = "surprise"
WORDS: Final = "model.embed_tokens.weight"

Array = npt.NDArray[Any]
Weights = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Shape:
    """What the weights do not tell: heads of queries, and of keys and values, and the norm's epsilon."""

    heads: int
    groups: int
    head_width: int
    epsilon: float


def surprise_graph(weights: Weights, shape: Shape) -> tuple[bytes, dict[str, Array]]:
    """Inputs for a text of L tokens behind a mark: ``embeddings`` ``[L, D]`` of the mark and all tokens but
    the last, ``cosines`` and ``sines`` ``[L, W]`` of their places (Su et al. 2021, "RoFormer"), ``mask``
    ``[L, L]`` (0, or far below it where a place must not look), ``targets`` int64 ``[L, 1]``, the tokens.

    Output ``surprise`` ``[L, 4]``: the log probability of the token (nats), how many tokens were likelier,
    the mean of the log probability over the distribution (its entropy, negated), and its variance.

    The graph's own weights are given beside it: half a gigabyte need not be put into a message and out of it.
    Raises :class:`CatalogueError` where a weight is missing.
    """
    try:
        return _Graph(weights, shape).build()
    except KeyError as error:
        raise CatalogueError(f"the weights of a Llama network lack {error}") from None


class _Graph:
    def __init__(self, weights: Weights, shape: Shape) -> None:
        self._weights = weights
        self._shape = shape
        self._width = weights[WORDS].shape[1]
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._beside: dict[str, Array] = {}

    def build(self) -> tuple[bytes, dict[str, Array]]:
        groups, of_each = self._shape.groups, self._shape.heads // self._shape.groups
        self._constant("shape.queries", np.array([0, groups, of_each, self._shape.head_width], np.int64))
        self._constant("shape.keys", np.array([0, groups, 1, self._shape.head_width], np.int64))
        self._constant("shape.joined", np.array([0, self._shape.heads * self._shape.head_width], np.int64))
        self._constant("scale", np.float32(1 / np.sqrt(self._shape.head_width)))
        self._constant("epsilon", np.float32(self._shape.epsilon))
        self._constant("axes.heads", np.array([1, 2], np.int64))
        self._constant("axis.last", np.array([1], np.int64))
        for name in (COSINES, SINES):
            self._emit("Unsqueeze", [name, "axes.heads"], f"{name}.wide")
        value, layer = EMBEDDINGS, 0
        while f"model.layers.{layer}.self_attn.q_proj.weight" in self._weights:
            value = self._layer(value, f"model.layers.{layer}")
            layer += 1
        if not layer:
            raise KeyError("model.layers.0.self_attn.q_proj.weight")
        self._surprise(self._norm(value, "model.norm"))
        return self._model().SerializeToString(deterministic=True), self._beside

    def _layer(self, value: str, name: str) -> str:
        attended = self._attention(self._norm(value, f"{name}.input_layernorm"), f"{name}.self_attn")
        middle = self._emit("Add", [value, attended], f"{name}.middle")
        seen = self._norm(middle, f"{name}.post_attention_layernorm")
        gate = self._linear(seen, f"{name}.mlp.gate_proj")
        gate = self._emit("Mul", [gate, self._emit("Sigmoid", [gate], f"{gate}.sigmoid")], f"{gate}.silu")
        wide = self._emit("Mul", [gate, self._linear(seen, f"{name}.mlp.up_proj")], f"{name}.mlp.wide")
        return self._emit("Add", [middle, self._linear(wide, f"{name}.mlp.down_proj")], f"{name}.end")

    def _attention(self, value: str, name: str) -> str:
        query, key, values = (
            self._emit("Reshape", [self._linear(value, f"{name}.{part}_proj"), shape], f"{name}.{part}.heads")
            for part, shape in (("q", "shape.queries"), ("k", "shape.keys"), ("v", "shape.keys"))
        )
        query = self._emit("Mul", [self._turned(query), "scale"], f"{name}.q.scaled")
        query = self._emit("Transpose", [query], f"{name}.q.ready", perm=[1, 2, 0, 3])
        key = self._emit("Transpose", [self._turned(key)], f"{name}.k.ready", perm=[1, 2, 3, 0])
        values = self._emit("Transpose", [values], f"{name}.v.ready", perm=[1, 2, 0, 3])
        scores = self._emit(
            "Add", [self._emit("MatMul", [query, key], f"{name}.scores"), MASK], f"{name}.seen"
        )
        shares = self._emit("Softmax", [scores], f"{name}.shares", axis=3)
        mixed = self._emit("MatMul", [shares, values], f"{name}.mixed")
        mixed = self._emit("Transpose", [mixed], f"{name}.back", perm=[2, 0, 1, 3])
        joined = self._emit("Reshape", [mixed, "shape.joined"], f"{name}.joined")
        return self._linear(joined, f"{name}.o_proj")

    def _turned(self, value: str) -> str:
        """Turned by its place: pairs are a half of the width apart, as in transformers."""
        halves = [f"{value}.first", f"{value}.second"]
        self._nodes.append(helper.make_node("Split", [value], halves, axis=3))
        other = self._emit(
            "Concat",
            [self._emit("Neg", [halves[1]], f"{value}.negated"), halves[0]],
            f"{value}.other",
            axis=3,
        )
        return self._emit(
            "Add",
            [
                self._emit("Mul", [value, f"{COSINES}.wide"], f"{value}.along"),
                self._emit("Mul", [other, f"{SINES}.wide"], f"{value}.across"),
            ],
            f"{value}.turned",
        )

    def _surprise(self, value: str) -> None:
        self._weight("words", self._weights[WORDS].T)
        logits = self._emit("MatMul", [value, "words"], "logits.raw")
        # Less the highest, so that squares stay small.
        highest = self._emit("ReduceMax", [logits], "logits.highest", axes=[1], keepdims=1)
        logits = self._emit("Sub", [logits, highest], "logits")
        own = self._emit("GatherElements", [logits, TARGETS], "own", axis=1)
        likelier = self._emit("Cast", [self._emit("Greater", [logits, own], "above")], "likelier", to=1)
        rank = self._emit("ReduceSum", [likelier, "axis.last"], "rank", keepdims=1)
        powers = self._emit("Exp", [logits], "powers")
        total = self._emit("ReduceSum", [powers, "axis.last"], "total", keepdims=1)
        norm = self._emit("Log", [total], "norm")
        weighted = self._emit("Mul", [powers, logits], "weighted")
        first = self._emit("ReduceSum", [weighted, "axis.last"], "first.sum", keepdims=1)
        first = self._emit("Div", [first, total], "first")
        squares = self._emit("Mul", [weighted, logits], "squares")
        second = self._emit("ReduceSum", [squares, "axis.last"], "second.sum", keepdims=1)
        second = self._emit("Div", [second, total], "second")
        variance = self._emit("Sub", [second, self._emit("Mul", [first, first], "first.squared")], "variance")
        parts = [
            self._emit("Sub", [own, norm], "log_probability"),
            rank,
            self._emit("Sub", [first, norm], "mean"),
            variance,
        ]
        self._emit("Concat", parts, OUTPUT, axis=1)

    def _linear(self, value: str, name: str) -> str:
        self._weight(f"{name}.weight", self._weights[f"{name}.weight"].T)
        return self._emit("MatMul", [value, f"{name}.weight"], f"{name}.product")

    def _norm(self, value: str, name: str) -> str:
        """Root mean square (Zhang and Sennrich 2019)."""
        self._constant(f"{name}.weight", self._weights[f"{name}.weight"])
        squares = self._emit("Mul", [value, value], f"{name}.squares")
        mean = self._emit("ReduceMean", [squares], f"{name}.mean", axes=[1], keepdims=1)
        root = self._emit("Sqrt", [self._emit("Add", [mean, "epsilon"], f"{name}.added")], f"{name}.root")
        divided = self._emit("Div", [value, root], f"{name}.divided")
        return self._emit("Mul", [divided, f"{name}.weight"], f"{name}.result")

    def _constant(self, name: str, value: npt.NDArray[Any] | np.generic) -> None:
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))

    def _weight(self, name: str, value: Array) -> None:
        stub = onnx.TensorProto(name=name, data_type=TensorProto.FLOAT, dims=value.shape)
        stub.data_location = TensorProto.EXTERNAL
        stub.external_data.add(key="location", value="beside")
        self._constants.append(stub)
        self._beside[name] = np.ascontiguousarray(value, np.float32)

    def _emit(self, op: str, inputs: Sequence[str], result: str, **attributes: object) -> str:
        self._nodes.append(helper.make_node(op, list(inputs), [result], **attributes))
        return result

    def _model(self) -> onnx.ModelProto:
        floats = {
            EMBEDDINGS: ["L", self._width],
            COSINES: ["L", self._shape.head_width],
            SINES: ["L", self._shape.head_width],
            MASK: ["L", "L"],
        }
        inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in floats.items()]
        inputs.append(helper.make_tensor_value_info(TARGETS, TensorProto.INT64, ["L", 1]))
        output = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["L", 4])
        return helper.make_model(
            helper.make_graph(self._nodes, "llama_surprise", inputs, [output], self._constants),
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="hivescan",
            ir_version=IR_VERSION,
        )
