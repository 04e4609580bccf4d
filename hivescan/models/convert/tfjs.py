"""TensorFlow.js graph models that come as JavaScript bundles: read as data, no JavaScript is run.

Each bundle (``model.min.js``, ``group1-shard1of2.min.js`` …) is a module loader around one assignment,
``exports={…}`` with the model's JSON, or ``exports="…"`` with base64. The JSON is written as a JavaScript
literal: keys without quotes, ``.5`` for 0.5, ``!0`` for true.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.errors import CatalogueError

_ASSIGNMENT: Final = re.compile(r'\.exports=(?=[{"])|\bexports=(?=[{"])')
_TOKEN: Final = re.compile(
    r"""
    (?P<string>"(?:[^"\\]|\\.)*")
  | (?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<true>!0|true\b) | (?P<false>!1|false\b) | (?P<null>null\b|void\ 0)
  | (?P<word>[A-Za-z_$][\w$]*)
  | (?P<mark>[{}\[\]:,])
  | (?P<space>\s+)
    """,
    re.VERBOSE,
)
_DTYPES: Final = {"float32": np.float32, "int32": np.int32, "uint8": np.uint8, "uint16": np.uint16}


@dataclass(frozen=True)
class TfjsGraph:
    """A graph model: its nodes as in the JSON, its weights by name, its inputs and outputs."""

    nodes: tuple[Mapping[str, Any], ...]
    weights: Mapping[str, npt.NDArray[Any]]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def read_bundles(files: Mapping[str, Path]) -> TfjsGraph:
    """The graph in ``model.min.js`` with the weights of the shards beside it, all given by file name."""
    model = read_object(files["model.min.js"])
    try:
        manifest = model["weightsManifest"]
        nodes = model["modelTopology"]["node"]
        signature = model["userDefinedMetadata"]["signature"]
    except (KeyError, TypeError) as error:
        raise CatalogueError(f"model.min.js: is no TFJS graph model: it has no {error}") from None
    weights: dict[str, npt.NDArray[Any]] = {}
    for group in manifest:
        data = b"".join(read_base64(files[f"{shard}.min.js"]) for shard in group["paths"])
        weights |= unpack_weights(data, group["weights"])
    return TfjsGraph(
        nodes=tuple(nodes),
        weights=weights,
        inputs=tuple(_plain(name) for name in signature["inputs"]),
        outputs=tuple(_plain(name) for name in signature["outputs"]),
    )


def _plain(name: str) -> str:
    """``Identity:0`` names the first result of ``Identity``."""
    return name.removesuffix(":0")


def read_object(path: Path) -> dict[str, Any]:
    """The literal of a bundle, as JSON values."""
    return parse_object(path.read_text(encoding="utf-8"), path.name)


def parse_object(text: str, name: str) -> dict[str, Any]:
    """The object after ``exports=`` in ``text``; ``name`` is for messages."""
    start = _payload(text, "{", name)
    pieces: list[str] = []
    depth, at = 0, start
    while True:
        match = _TOKEN.match(text, at)
        if match is None:
            raise CatalogueError(
                f"{name}: character {at} is no part of a plain literal: {text[at : at + 20]!r}"
            )
        kind, token = match.lastgroup, match.group()
        at = match.end()
        if kind == "mark":
            depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token, 0)
        pieces.append(_as_json(kind, token))
        if depth == 0:
            break
    try:
        value = json.loads("".join(pieces))
    except ValueError as error:
        raise CatalogueError(f"{name}: its literal cannot be read: {error}") from None
    assert isinstance(value, dict)
    return value


def _as_json(kind: str | None, token: str) -> str:
    if kind == "word":
        return f'"{token}"'
    if kind in {"true", "false", "null"}:
        return str(kind)
    if kind == "space":
        return ""
    if kind == "number":
        sign = "-" if token.startswith("-") else ""
        digits = token.removeprefix("-")
        digits = f"0{digits}" if digits.startswith(".") else digits
        return sign + re.sub(r"\.(?=$|[eE])", "", digits)
    return token


def read_base64(path: Path) -> bytes:
    """The bytes of a shard's bundle."""
    text = path.read_text(encoding="utf-8")
    start = _payload(text, '"', path.name) + 1
    end = text.find('"', start)
    try:
        return base64.b64decode(text[start:end], validate=True)
    except binascii.Error as error:
        raise CatalogueError(f"{path.name}: its base64 cannot be read: {error}") from None


def _payload(text: str, first: str, name: str) -> int:
    """Where the value starts: the loader around it assigns no literals, the last assignment is the one."""
    starts = [m.end() for m in _ASSIGNMENT.finditer(text) if text[m.end()] == first]
    if not starts:
        raise CatalogueError(f"{name}: nothing is exported in it")
    return starts[-1]


def unpack_weights(data: bytes, specs: list[Mapping[str, Any]]) -> dict[str, npt.NDArray[Any]]:
    """Arrays from a group's bytes; quantised ones come back as float32: ``q * scale + min``."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    offset = 0
    for spec in specs:
        shape = tuple(int(n) for n in spec["shape"])
        quantization = spec.get("quantization")
        stored = (quantization or spec)["dtype"]
        if stored not in _DTYPES:
            raise CatalogueError(f"weight {spec['name']}: values of type {stored!r} are not supported")
        dtype = np.dtype(_DTYPES[stored]).newbyteorder("<")
        count = int(np.prod(shape, dtype=np.int64))
        if offset + count * dtype.itemsize > len(data):
            raise CatalogueError(f"weight {spec['name']}: the shards end before it")
        values = np.frombuffer(data, dtype, count, offset).reshape(shape)
        offset += count * dtype.itemsize
        if quantization is not None:
            # As TFJS computes it: in double precision, then rounded to float32.
            real = values.astype(np.float64) * quantization["scale"] + quantization["min"]
            arrays[spec["name"]] = real.astype(np.float32)
        else:
            arrays[spec["name"]] = values.astype(np.dtype(_DTYPES[spec["dtype"]]))
    if offset != len(data):
        raise CatalogueError(f"the shards hold {len(data) - offset} bytes more than the weights need")
    return arrays
