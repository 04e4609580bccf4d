"""How a small language model is surprised by each token of a text.

A text is read alone, in one thread, whatever stands beside it, so that its numbers are the same in every
batch. Where it has more tokens than are looked at together, the model begins anew behind them: nothing is
left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.errors import CatalogueError
from hivescan.models import golden
from hivescan.models.backends.base import Placement
from hivescan.models.fetch import ensure
from hivescan.models.llama_graph import (
    COSINES,
    EMBEDDINGS,
    MASK,
    OUTPUT,
    SINES,
    TARGETS,
    WORDS,
    Shape,
    surprise_graph,
)
from hivescan.models.schema import Card
from hivescan.models.text_tower import read_weights

Matrix = npt.NDArray[np.float32]

CONFIG: Final = "config.json"
TOKENIZER: Final = "tokenizer.json"
_ON_CPU: Final = Placement()
_FAR: Final = -1e9


def open_surprise_tower(card: Card, placement: Placement = _ON_CPU) -> SurpriseTower:
    """Open a card with a table ``surprise`` and check it against its golden outputs. Fetches what is missing.

    Raises ``ModelUnhealthyError`` where the numbers drifted, :class:`CatalogueError` where ``card`` is no
    such model.
    """
    if card.surprise is None:
        raise CatalogueError(f"model {card.name}: has no table surprise: it reads no texts token by token")
    tower = SurpriseTower(card, ensure(card), placement)
    numbers = tower.surprises(list(golden.GOLDEN_TEXTS.values()))
    golden.check_texts(card, tower, dict(zip(golden.GOLDEN_TEXTS, numbers, strict=True)))
    return tower


class SurpriseTower:
    """Made by :func:`open_surprise_tower`. It computes in float32 on the CPU."""

    runtime = "onnx"
    device = "cpu"

    def __init__(self, card: Card, files: Mapping[str, Path], placement: Placement) -> None:
        from tokenizers import Tokenizer

        from hivescan.models.backends.onnx import open_session

        assert card.surprise is not None
        self.card = card
        self._spec = spec = card.surprise
        try:
            self._tokenizer: Any = Tokenizer.from_file(str(files[TOKENIZER]))
        except Exception as error:  # the library raises plain exceptions
            reason = str(error).partition("\n")[0]
            raise CatalogueError(f"model {card.name}: {TOKENIZER} is no tokenizer: {reason}") from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        mark = self._tokenizer.token_to_id(spec.mark)
        if mark is None:
            raise CatalogueError(f"model {card.name}: its tokenizer has no token {spec.mark!r}")
        self._mark = int(mark)
        weights = read_weights(card, files[card.backend.file])
        shape, theta = _shape(card, files[CONFIG])
        try:
            graph, beside = surprise_graph(weights, shape)
            self._session: Any = open_session(graph, "cpu", beside=beside)
        except CatalogueError:
            raise
        except Exception as error:  # onnxruntime raises classes of its own that share no base
            reason = str(error).partition("\n")[0]
            raise CatalogueError(f"model {card.name}: cannot be opened by ONNX Runtime: {reason}") from error
        self._words = weights[WORDS]
        self._cosines, self._sines = _turns(spec.max_tokens, shape.head_width, theta)
        self._mask = np.triu(np.full((spec.max_tokens, spec.max_tokens), _FAR, np.float32), 1)
        self._threads = max(1, placement.threads)

    def surprises(self, texts: Sequence[str]) -> list[Matrix]:
        """For each text ``float32 [L, 4]``, a row a token: its log probability (nats), how many tokens were
        likelier, the mean of the log probability over the distribution, and its variance. L may be 0."""
        if self._threads == 1:
            return list(map(self._of_text, texts))
        with ThreadPoolExecutor(self._threads, "hivescan-surprise") as pool:
            return list(pool.map(self._of_text, texts))

    def _of_text(self, text: str) -> Matrix:
        # Lone surrogates, which a manifest may bring, have no bytes in UTF-8.
        text = text.encode("utf-8", "replace").decode()
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        most = self._spec.max_tokens
        parts = [self._of_tokens(ids[start : start + most]) for start in range(0, len(ids), most)]
        return np.concatenate(parts) if parts else np.empty((0, 4), np.float32)

    def _of_tokens(self, ids: Sequence[int]) -> Matrix:
        count = len(ids)
        inputs = {
            EMBEDDINGS: np.asarray(self._words[[self._mark, *ids[:-1]]], np.float32),
            COSINES: self._cosines[:count],
            SINES: self._sines[:count],
            MASK: self._mask[:count, :count],
            TARGETS: np.asarray(ids, np.int64)[:, np.newaxis],
        }
        numbers: Matrix = self._session.run([OUTPUT], inputs)[0]
        return numbers


def _shape(card: Card, path: Path) -> tuple[Shape, float]:
    """The network's heads and epsilon, and the theta of its rotary places, from its config.json."""
    try:
        config = json.loads(path.read_bytes())
        heads = int(config["num_attention_heads"])
        shape = Shape(
            heads=heads,
            groups=int(config["num_key_value_heads"]),
            head_width=int(config.get("head_dim") or config["hidden_size"] // heads),
            epsilon=float(config["rms_norm_eps"]),
        )
        return shape, float(config["rope_parameters"]["rope_theta"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CatalogueError(
            f"model {card.name}: {CONFIG} does not tell the network's shape: {error}"
        ) from None


def _turns(count: int, width: int, theta: float) -> tuple[Matrix, Matrix]:
    """Cosines and sines of rotary places, ``float32 [count, width]``: both halves turn alike."""
    rates = 1.0 / theta ** (np.arange(0, width, 2) / width)
    angles = np.tile(np.arange(count)[:, np.newaxis] * rates, 2)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
