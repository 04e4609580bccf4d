"""Texts → vectors: the towers of the catalogue."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivescan.errors import CatalogueError
from hivescan.models.backends.base import Placement, open_backend
from hivescan.models.cards import find_card
from hivescan.models.fetch import ensure, obstacle
from hivescan.models.text_tower import TextTower, open_text_tower
from hivescan.models.tokens import Tokenizer, spans

TEXTS = (
    "Tomorrow it will rain in the mountains.",
    "It rains tomorrow up in the mountains.",
    "The train leaves at noon from the second platform.",
    "",
    "?!",
    "ein kurzer Satz",
    "lone surrogate \ud800 here",
)


def _tower(name: str) -> TextTower:
    card = find_card(name)
    reason = obstacle(card)
    if reason is not None:
        pytest.skip(f"{name}: {reason}")
    return open_text_tower(card)


@pytest.fixture(scope="module")
def minilm() -> TextTower:
    return _tower("minilm_l6")


@pytest.fixture(scope="module")
def e5() -> TextTower:
    return _tower("e5_small")


@pytest.mark.parametrize("name", ["minilm_l6", "e5_small"])
def test_a_vector_is_the_same_whatever_stands_beside_it(name: str, request: pytest.FixtureRequest) -> None:
    tower: TextTower = request.getfixturevalue("minilm" if name == "minilm_l6" else "e5")
    long = " ".join(f"word{n % 91}" for n in range(700))
    texts = [*TEXTS, long]
    together = tower.vectors(texts).astype(np.float16)
    alone = np.concatenate([tower.vectors([text]) for text in texts]).astype(np.float16)
    assert np.array_equal(together, alone)
    shuffled = list(range(len(texts)))
    random.Random(1).shuffle(shuffled)
    mixed = tower.vectors([texts[i] for i in shuffled]).astype(np.float16)
    assert np.array_equal(mixed, together[shuffled])
    threaded = TextTower(tower.card, ensure(tower.card), Placement("cpu", 3)).vectors(texts)
    assert np.array_equal(threaded.astype(np.float16), together)


def test_vectors_have_length_one_and_tell_what_is_alike(minilm: TextTower) -> None:
    vectors = minilm.vectors(TEXTS)
    assert vectors.shape == (len(TEXTS), 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.8 > 0.4 > vectors[0] @ vectors[2]


def test_a_long_text_is_seen_to_its_end(minilm: TextTower) -> None:
    start = "A quiet day by the sea with nothing to tell. " * 60
    end = "Suddenly a dragon burned the harbour down. "
    vectors = minilm.vectors([start, start + end * 6, start + end * 60, end])
    assert vectors[0] @ vectors[3] < vectors[1] @ vectors[3] < vectors[2] @ vectors[3]


def test_the_vectors_are_those_of_transformers(minilm: TextTower) -> None:
    from hivescan.models.torchvision_remedy import import_torchvision

    import_torchvision()
    import torch
    from transformers import BertConfig, BertModel

    from hivescan.models.text_tower import read_weights

    card = minilm.card
    files = ensure(card)
    weights = read_weights(card, files[card.backend.file])
    network = BertModel(
        BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536),
        add_pooling_layer=False,
    ).eval()
    state = {
        name: torch.from_numpy(np.array(values))
        for name, values in weights.items()
        if name in network.state_dict()
    }
    network.load_state_dict(state, strict=True)
    (windows,) = Tokenizer(card, files).windows([TEXTS[0]])
    with torch.inference_mode():
        expected = network(torch.tensor([windows[0]])).last_hidden_state[0].mean(dim=0).numpy()
    expected /= np.linalg.norm(expected)
    assert np.allclose(minilm.vectors([TEXTS[0]])[0], expected, atol=2e-6)


def test_the_multilingual_tower_brings_languages_together(e5: TextTower) -> None:
    """Figures of the model's own four-bit runtime: translations .86 to .96, unrelated texts at most .844."""
    texts = [
        "I will come to your house and hurt you.",
        "Ich werde zu deinem Haus kommen und dir wehtun.",
        "Je vais venir chez toi et te faire du mal.",
        "Iré a tu casa y te haré daño.",
        "Я приду к тебе домой и причиню тебе боль.",
        "我会去你家伤害你。",
        "The recipe needs two eggs, flour and a pinch of salt.",
        "Die Bibliothek öffnet um neun Uhr.",
    ]
    vectors = e5.vectors(texts)
    cosines = vectors @ vectors[0]
    assert (cosines[1:6] > 0.86).all()
    assert (cosines[6:] < 0.844).all()


@given(length=st.integers(0, 3000), room=st.integers(8, 500), share=st.integers(0, 2))
def test_windows_cover_a_text_and_overlap(length: int, room: int, share: int) -> None:
    overlap = share * room // 4
    found = spans(length, room, overlap)
    assert found[0][0] == 0
    assert found[-1][1] == length
    assert all(stop - start <= room for start, stop in found)
    assert all(b[0] + overlap <= a[1] for a, b in pairwise(found))
    fewest = 1 if length <= room else -(-(length - overlap) // (room - overlap))
    assert len(found) == fewest


def test_a_tower_is_no_network_of_pictures(minilm: TextTower) -> None:
    with pytest.raises(CatalogueError, match="takes texts"):
        open_backend(minilm.card, {})
    with pytest.raises(CatalogueError, match="not at texts"):
        open_text_tower(find_card("opennsfw"))


def test_a_broken_tokenizer_is_told(minilm: TextTower, tmp_path: Path) -> None:
    files = dict(ensure(minilm.card))
    broken = tmp_path / "tokenizer.json"
    broken.write_text(json.dumps({"version": "1.0"}))
    files["tokenizer.json"] = broken
    with pytest.raises(CatalogueError, match="is no tokenizer"):
        Tokenizer(minilm.card, files)
