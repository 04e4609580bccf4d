"""Heads on vectors: what they compute, and that files come back as they were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hivescan.errors import CatalogueError, WeightsCorruptError
from hivescan.models.vector_head import VectorHead, load_head, save_head


def made(seed: int = 0, *, dimensions: int = 24, classes: int = 3, members: int = 2) -> VectorHead:
    random = np.random.default_rng(seed)

    def layer(inputs: int, outputs: int) -> tuple[np.ndarray, np.ndarray]:
        weights = random.normal(size=(outputs, inputs)).astype(np.float32)
        return weights, random.normal(size=outputs).astype(np.float32)

    return VectorHead(
        name="shade",
        labels=tuple(f"class {i}" for i in range(classes)),
        mean=random.normal(size=dimensions).astype(np.float32),
        scale=random.uniform(0.5, 2, size=dimensions).astype(np.float32),
        members=tuple((layer(dimensions, 8), layer(8, classes)) for _ in range(members)),
        temperature=1.7,
    )


def by_hand(head: VectorHead, vector: np.ndarray) -> np.ndarray:
    """One vector after the other, in the words of the docstring."""
    x = vector.astype(np.float64)
    x = x / np.linalg.norm(x) if head.normalise == "l2" else x
    x = (x - head.mean) * head.scale
    found = []
    for layers in head.members:
        value = x
        for weights, bias in layers[:-1]:
            value = np.maximum(weights.astype(np.float64) @ value + bias, 0)
        weights, bias = layers[-1]
        logits = (weights.astype(np.float64) @ value + bias) / head.temperature
        found.append(np.exp(logits) / np.exp(logits).sum())
    return np.mean(found, axis=0)


def test_probabilities_are_those_of_the_formula() -> None:
    head = made()
    vectors = np.random.default_rng(1).normal(size=(700, 24)).astype(np.float16)
    got = head.probabilities(vectors)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, [by_hand(head, v) for v in vectors], atol=1e-6)
    np.testing.assert_allclose(got.sum(axis=1), 1, atol=1e-6)


@given(st.integers(1, 600), st.integers(0, 2**32 - 1))
def test_a_vector_has_the_same_bits_in_any_company(count: int, seed: int) -> None:
    head = made()
    vectors = np.random.default_rng(seed).normal(size=(count, 24)).astype(np.float16)
    whole = head.probabilities(vectors)
    at = seed % count
    assert (head.probabilities(vectors[at : at + 1])[0] == whole[at]).all()
    assert (head.probabilities(vectors[::-1])[count - 1 - at] == whole[at]).all()


@given(hnp.arrays(np.float16, (4, 24), elements=st.floats(-60000, 60000, width=16)))
def test_finite_vectors_give_finite_probabilities(vectors: np.ndarray) -> None:
    assert np.isfinite(made().probabilities(vectors)).all()


def test_a_head_is_read_as_it_was_written(tmp_path: Path) -> None:
    head = made()
    digest = save_head(head, tmp_path / "h.safetensors")
    read = load_head(tmp_path / "h.safetensors", digest)
    vectors = np.random.default_rng(2).normal(size=(9, 24)).astype(np.float16)
    assert (read.probabilities(vectors) == head.probabilities(vectors)).all()
    assert (read.labels, read.temperature, read.normalise) == (head.labels, 1.7, "l2")


def test_a_changed_head_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "h.safetensors"
    digest = save_head(made(), path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsCorruptError, match="sha256 differs"):
        load_head(path, digest)


@pytest.mark.parametrize("data", [b"", b"\x80\x04N.", b"\xff" * 64, b"\x02\0\0\0\0\0\0\0{}"])
def test_what_is_no_head_is_said_in_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "h.safetensors"
    path.write_bytes(data)
    with pytest.raises(CatalogueError, match="is not a head") as caught:
        load_head(path)
    assert "\n" not in str(caught.value)


def test_vectors_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="takes vectors of 24"):
        made().probabilities(np.zeros((2, 23), np.float16))
