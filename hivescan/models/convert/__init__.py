"""Conversions of fetched files into graphs that ONNX Runtime opens, made once on the user's machine.

A card's ``derived`` files name a conversion and its revision, which is raised whenever the graph that it
makes computes something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hivescan.errors import CatalogueError

CONVERSIONS = ("tfjs_to_onnx", "efficientnet_lite_to_onnx")


def convert(name: str, inputs: Mapping[str, Path], target: Path) -> None:
    """Make ``target`` from ``inputs`` (fetched files by name, in the card's order)."""
    if name == "tfjs_to_onnx":
        from hivescan.models.convert.tfjs import read_bundles
        from hivescan.models.convert.tfjs_onnx import graph_to_onnx

        graph = read_bundles(inputs)
        model = graph_to_onnx(graph)
    elif name == "efficientnet_lite_to_onnx":
        from hivescan.models.convert.efficientnet_lite import weights_to_onnx

        (path,) = inputs.values()
        model = weights_to_onnx(path)
    else:
        raise CatalogueError(f"no conversion is called {name!r}; there are {', '.join(CONVERSIONS)}")
    target.write_bytes(model.SerializeToString(deterministic=True))
