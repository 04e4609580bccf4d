"""A TensorFlow.js graph → ONNX: the operators of convolutional classifiers, nothing else.

TensorFlow's pictures are ``[N, H, W, C]``, ONNX's ``[N, C, H, W]``. The graph keeps TensorFlow's layout at
its input and output and turns pictures once after the input; what is not a picture any more (after the
pooled axes are squeezed) needs no turning.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from hivescan.errors import CatalogueError
from hivescan.models.convert.tfjs import TfjsGraph

OPSET: Final = 13
IR_VERSION: Final = 8
_ELEMENTWISE: Final = {"AddV2": "Add", "Add": "Add", "Mul": "Mul", "Sub": "Sub"}


def graph_to_onnx(graph: TfjsGraph) -> onnx.ModelProto:
    """The same function as an ONNX model with inputs ``input`` … and one output ``scores``."""
    return _Builder(graph).build()


class _Builder:
    """Holds what has been emitted; ``_turned`` are values that lie in ONNX's layout."""

    def __init__(self, graph: TfjsGraph) -> None:
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            raise CatalogueError("a TFJS graph with one input and one output is expected")
        self._graph = graph
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._names: dict[str, str] = {}
        self._turned: set[str] = set()
        self._inputs: list[onnx.ValueInfoProto] = []

    def build(self) -> onnx.ModelProto:
        for node in self._graph.nodes:
            self._add(node)
        result = self._names[self._graph.outputs[0]]
        if result in self._turned:
            raise CatalogueError("a TFJS graph that ends in a picture is not supported")
        self._emit("Identity", [result], "scores")
        model = helper.make_model(
            helper.make_graph(
                self._nodes,
                "tfjs",
                self._inputs,
                [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", None])],
                self._constants,
            ),
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="hivescan",
            ir_version=IR_VERSION,
        )
        onnx.checker.check_model(model)
        return model

    def _add(self, node: Mapping[str, Any]) -> None:
        op, name = node["op"], node["name"]
        inputs = [i.removesuffix(":0") for i in node.get("input", []) if not i.startswith("^")]
        if op == "Const":
            return  # taken from the weights where it is used
        if op == "Placeholder":
            self._placeholder(node)
        elif op == "Identity":
            self._names[name] = self._value(inputs[0])
        elif op in _ELEMENTWISE:
            self._elementwise(node, inputs)
        elif op in {"_FusedConv2D", "Conv2D", "FusedDepthwiseConv2dNative", "DepthwiseConv2dNative"}:
            self._convolution(node, inputs, depthwise="epthwise" in op)
        elif op in {"AvgPool", "MaxPool"}:
            self._pool(node, inputs[0])
        elif op in {"Relu", "Relu6", "Softmax"}:
            self._activation(node, inputs[0])
        elif op == "Squeeze":
            self._squeeze(node, inputs[0])
        elif op == "Mean":
            self._mean(node, inputs)
        elif op in {"_FusedMatMul", "MatMul"}:
            self._matmul(node, inputs)
        else:
            raise CatalogueError(f"the TFJS operator {op!r} (node {name}) is not supported")

    # --- one operator each ------------------------------------------------------------------

    def _placeholder(self, node: Mapping[str, Any]) -> None:
        dims = [int(d["size"]) for d in node["attr"]["shape"]["shape"]["dim"]]
        if len(dims) != 4:
            raise CatalogueError(f"node {node['name']}: a picture is expected, not {len(dims)} axes")
        shape = ["N" if d < 0 else d for d in dims]
        self._inputs.append(helper.make_tensor_value_info("input", TensorProto.FLOAT, shape))
        turned = self._emit("Transpose", ["input"], "input_nchw", perm=[0, 3, 1, 2])
        self._turned.add(turned)
        self._names[node["name"]] = turned

    def _elementwise(self, node: Mapping[str, Any], inputs: Sequence[str]) -> None:
        live = [i for i in inputs if i not in self._graph.weights]
        turned = any(self._value(i) in self._turned for i in live)
        values = [
            self._constant(i, _against_picture(self._graph.weights[i]) if turned else self._graph.weights[i])
            if i in self._graph.weights
            else self._value(i)
            for i in inputs
        ]
        if turned and not all(self._value(i) in self._turned for i in live):
            raise CatalogueError(f"node {node['name']}: mixes a picture with something else")
        self._finish(node, self._emit(_ELEMENTWISE[node["op"]], values), turned=turned)

    def _convolution(self, node: Mapping[str, Any], inputs: Sequence[str], *, depthwise: bool) -> None:
        attributes = node["attr"]
        _check_layout(node)
        kernel = self._graph.weights[inputs[1]]
        height, width = kernel.shape[:2]
        # HWIO → OIHW; depthwise HWIM → (I·M)1HW
        weights = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(3, 2, 0, 1)
        groups = kernel.shape[2] if depthwise else 1
        if depthwise:
            weights = weights.reshape(-1, 1, height, width)
        values = [self._value(inputs[0]), self._constant(inputs[1], weights)]
        fused = _words(attributes.get("fused_ops"))
        if "BiasAdd" in fused:
            values.append(self._constant(inputs[2], self._graph.weights[inputs[2]]))
        result = self._emit(
            "Conv",
            values,
            kernel_shape=[height, width],
            strides=_spatial(attributes["strides"]),
            dilations=_spatial(attributes["dilations"]) if "dilations" in attributes else [1, 1],
            group=groups,
            auto_pad=_padding(node),
        )
        self._finish(node, self._fused(node, result, fused), turned=True)

    def _pool(self, node: Mapping[str, Any], source: str) -> None:
        _check_layout(node)
        result = self._emit(
            "AveragePool" if node["op"] == "AvgPool" else "MaxPool",
            [self._value(source)],
            kernel_shape=_spatial(node["attr"]["ksize"]),
            strides=_spatial(node["attr"]["strides"]),
            auto_pad=_padding(node),
        )
        self._finish(node, result, turned=True)

    def _activation(self, node: Mapping[str, Any], source: str) -> None:
        value = self._value(source)
        turned = value in self._turned
        if node["op"] == "Softmax":
            if turned:
                raise CatalogueError(f"node {node['name']}: softmax over a picture is not supported")
            self._finish(node, self._emit("Softmax", [value], axis=-1), turned=False)
        else:
            self._finish(node, self._fused(node, value, [node["op"]]), turned=turned)

    def _squeeze(self, node: Mapping[str, Any], source: str) -> None:
        axes = [int(i) for i in node["attr"]["squeeze_dims"]["list"]["i"]]
        value = self._value(source)
        if value in self._turned:
            if axes != [1, 2]:
                raise CatalogueError(f"node {node['name']}: squeezes other axes than height and width")
            axes = [2, 3]
        indices = self._constant(f"{node['name']}/axes", np.array(axes, np.int64))
        self._finish(node, self._emit("Squeeze", [value, indices]), turned=False)

    def _mean(self, node: Mapping[str, Any], inputs: Sequence[str]) -> None:
        axes = sorted(int(i) for i in np.asarray(self._graph.weights[inputs[1]]).reshape(-1))
        value = self._value(inputs[0])
        if value not in self._turned or axes != [1, 2]:
            raise CatalogueError(f"node {node['name']}: a mean over other axes than height and width")
        keep = bool(node["attr"].get("keep_dims", {}).get("b", False))
        result = self._emit("ReduceMean", [value], axes=[2, 3], keepdims=int(keep))
        self._finish(node, result, turned=keep)

    def _matmul(self, node: Mapping[str, Any], inputs: Sequence[str]) -> None:
        attributes = node["attr"]
        fused = _words(attributes.get("fused_ops"))
        values = [self._value(inputs[0]), self._constant(inputs[1], self._graph.weights[inputs[1]])]
        if "BiasAdd" in fused:
            values.append(self._constant(inputs[2], self._graph.weights[inputs[2]]))
        result = self._emit(
            "Gemm",
            values,
            transA=int(attributes.get("transpose_a", {}).get("b", False)),
            transB=int(attributes.get("transpose_b", {}).get("b", False)),
        )
        self._finish(node, self._fused(node, result, fused), turned=False)

    # --- what they share --------------------------------------------------------------------

    def _fused(self, node: Mapping[str, Any], value: str, fused: Sequence[str]) -> str:
        for op in fused:
            if op == "BiasAdd":
                continue
            if op == "Relu":
                value = self._emit("Relu", [value])
            elif op == "Relu6":
                bounds = [
                    self._constant("relu6/low", np.float32(0)),
                    self._constant("relu6/high", np.float32(6)),
                ]
                value = self._emit("Clip", [value, *bounds])
            else:
                raise CatalogueError(f"node {node['name']}: the fused operator {op!r} is not supported")
        return value

    def _value(self, name: str) -> str:
        if name in self._names:
            return self._names[name]
        if name in self._graph.weights:
            return self._constant(name, self._graph.weights[name])
        raise CatalogueError(f"the TFJS graph uses {name!r} before it is made")

    def _constant(self, name: str, value: npt.NDArray[Any] | np.generic) -> str:
        if not any(c.name == name for c in self._constants):
            self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _emit(self, op: str, inputs: Sequence[str], name: str | None = None, **attributes: object) -> str:
        result = name or f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, list(inputs), [result], **attributes))
        return result

    def _finish(self, node: Mapping[str, Any], value: str, *, turned: bool) -> None:
        self._names[node["name"]] = value
        if turned:
            self._turned.add(value)


def _against_picture(constant: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A constant that TensorFlow would broadcast against ``[N, H, W, C]``, for ``[N, C, H, W]``."""
    if constant.size == 1:
        return constant.reshape(())
    if constant.ndim == 1:
        return constant.reshape(-1, 1, 1)
    if constant.ndim == 4:
        return constant.transpose(0, 3, 1, 2)
    raise CatalogueError(f"a constant of shape {constant.shape} cannot be set against a picture")


def _spatial(attribute: Mapping[str, Any]) -> list[int]:
    values = [int(v) for v in attribute["list"]["i"]]
    if len(values) != 4 or values[0] != 1 or values[3] != 1:
        raise CatalogueError(f"strides or sizes {values} step over pictures or channels")
    return values[1:3]


def _padding(node: Mapping[str, Any]) -> str:
    padding = base64.b64decode(node["attr"]["padding"]["s"]).decode()
    if padding not in {"SAME", "VALID"}:
        raise CatalogueError(f"node {node['name']}: padding {padding!r} is not supported")
    return "SAME_UPPER" if padding == "SAME" else "VALID"


def _check_layout(node: Mapping[str, Any]) -> None:
    layout = base64.b64decode(node["attr"].get("data_format", {}).get("s", "TkhXQw==")).decode()
    if layout != "NHWC":
        raise CatalogueError(f"node {node['name']}: the layout {layout} is not supported")


def _words(attribute: Mapping[str, Any] | None) -> list[str]:
    """A list of byte strings, which the JSON holds as base64."""
    return [base64.b64decode(word).decode() for word in (attribute or {}).get("list", {}).get("s", [])]
