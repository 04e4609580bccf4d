"""How a language model is surprised by a text: the graph against sums written out, the card, the tower."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hivescan.errors import CatalogueError
from hivescan.models.backends.onnx import open_session
from hivescan.models.cards import find_card, load_cards
from hivescan.models.llama_graph import WORDS, Shape, surprise_graph
from hivescan.models.surprise_card import parse_surprise_card

SHAPE = Shape(heads=4, groups=2, head_width=8, epsilon=1e-5)
WIDTH, INNER, WORDS_KNOWN, LAYERS, LENGTH = 24, 40, 60, 2, 9


def toy_weights() -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(7)

    def of(*shape: int) -> np.ndarray[Any, Any]:
        return (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)

    inner, keys = SHAPE.heads * SHAPE.head_width, SHAPE.groups * SHAPE.head_width
    weights = {WORDS: of(WORDS_KNOWN, WIDTH) * 4, "model.norm.weight": 1 + of(WIDTH)}
    for layer in range(LAYERS):
        name = f"model.layers.{layer}"
        weights |= {
            f"{name}.input_layernorm.weight": 1 + of(WIDTH),
            f"{name}.post_attention_layernorm.weight": 1 + of(WIDTH),
            f"{name}.self_attn.q_proj.weight": of(inner, WIDTH),
            f"{name}.self_attn.k_proj.weight": of(keys, WIDTH),
            f"{name}.self_attn.v_proj.weight": of(keys, WIDTH),
            f"{name}.self_attn.o_proj.weight": of(WIDTH, inner),
            f"{name}.mlp.gate_proj.weight": of(INNER, WIDTH),
            f"{name}.mlp.up_proj.weight": of(INNER, WIDTH),
            f"{name}.mlp.down_proj.weight": of(WIDTH, INNER),
        }
    return weights


def turns() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rates = 1 / 100.0 ** (np.arange(0, SHAPE.head_width, 2) / SHAPE.head_width)
    angles = np.tile(np.arange(LENGTH)[:, None] * rates, 2)
    return np.cos(angles), np.sin(angles)


def softmax(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    powers = np.exp(values - values.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def logits_written_out(w: dict[str, np.ndarray[Any, Any]], ids: list[int]) -> np.ndarray[Any, Any]:
    """The network place by place and head by head, in double precision."""
    cosines, sines = turns()

    def norm(x: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + SHAPE.epsilon) * w[f"{name}.weight"]

    def turned(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        half = SHAPE.head_width // 2
        return x * cosines + np.concatenate([-x[:, half:], x[:, :half]], axis=1) * sines

    x = w[WORDS][ids].astype(np.float64)
    for layer in range(LAYERS):
        name = f"model.layers.{layer}"
        seen = norm(x, f"{name}.input_layernorm")
        q, k, v = (seen @ w[f"{name}.self_attn.{part}_proj.weight"].T for part in "qkv")
        mixed = []
        for head in range(SHAPE.heads):
            at = slice(head * SHAPE.head_width, (head + 1) * SHAPE.head_width)
            group = head // (SHAPE.heads // SHAPE.groups)
            of = slice(group * SHAPE.head_width, (group + 1) * SHAPE.head_width)
            scores = turned(q[:, at]) @ turned(k[:, of]).T / np.sqrt(SHAPE.head_width)
            scores[np.triu_indices(LENGTH, 1)] = -np.inf
            mixed.append(softmax(scores) @ v[:, of])
        x = x + np.concatenate(mixed, axis=1) @ w[f"{name}.self_attn.o_proj.weight"].T
        seen = norm(x, f"{name}.post_attention_layernorm")
        gate = seen @ w[f"{name}.mlp.gate_proj.weight"].T
        inner = gate / (1 + np.exp(-gate)) * (seen @ w[f"{name}.mlp.up_proj.weight"].T)
        x = x + inner @ w[f"{name}.mlp.down_proj.weight"].T
    return norm(x, "model.norm") @ w[WORDS].T


def test_the_graph_says_what_the_network_written_out_says() -> None:
    weights = toy_weights()
    graph, beside = surprise_graph(weights, SHAPE)
    session = open_session(graph, "cpu", beside=beside)
    ids = [3, 41, 7, 7, 0, 59, 12, 30, 5]
    targets = [*ids[1:], 8]
    cosines, sines = (values.astype(np.float32) for values in turns())
    (got,) = session.run(
        None,
        {
            "embeddings": weights[WORDS][ids],
            "cosines": cosines,
            "sines": sines,
            "mask": np.triu(np.full((LENGTH, LENGTH), -1e9, np.float32), 1),
            "targets": np.array(targets)[:, None],
        },
    )
    logits = logits_written_out(weights, ids)
    chances = softmax(logits)
    logs = np.log(chances)
    own = logs[np.arange(LENGTH), targets]
    mean = (chances * logs).sum(1)
    expected = np.stack(
        [own, (logs > own[:, None]).sum(1), mean, (chances * logs**2).sum(1) - mean**2], axis=1
    )
    assert np.abs(got - expected).max() < 1e-3
    assert expected[:, 1].max() > 1


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(CatalogueError, match=r"lack 'model\.layers\.0"):
        surprise_graph({WORDS: np.zeros((4, 4), np.float32)}, SHAPE)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"card": "minilm_l6"}, "no language model"),
        ({"undecided": [1.0, -1.0]}, "behind its end"),
        ({"least_words": 0}, "at least 1"),
        ({"wings": 2}, "wings"),
    ],
)
def test_a_wrong_card_is_answered_with_file_key_and_reason(change: dict[str, object], told: str) -> None:
    card = find_card("ai_text")
    values: dict[str, Any] = {
        "name": card.name,
        "title": card.title,
        "task": card.task,
        "revision": 1,
        "consumes": ["text"],
        "intended_use": "x",
        "weaknesses": ["x"],
        "licence": {"spdx": "MIT", "url": "https://example.org", "notice": "x"},
        "files": [
            {"name": "h", "sha256": "0" * 64, "size": 1, "source": {"kind": "local", "path": "h"}},
        ],
        "heads": [
            {
                "name": "ai_text",
                "group": "text",
                "file": "h",
                "classes": [{"label": "a", "polarity": "benign"}, {"label": "b", "polarity": "benign"}],
            }
        ],
        "surprise": {
            "card": "smollm2_135m",
            "mark": "<|endoftext|>",
            "max_tokens": 64,
            "least_words": 50,
            "sure_words": 150,
            "undecided": [-1.0, 1.0],
        },
    }
    path = Path("weights/ai_text/card.toml")
    assert parse_surprise_card(path, values, load_cards()).base is find_card("smollm2_135m")
    values["surprise"] |= change
    with pytest.raises(CatalogueError, match=told) as raised:
        parse_surprise_card(path, values, load_cards())
    assert str(raised.value).startswith(f"{path}: ")
