"""The tower of a text model: texts in, vectors out.

A text's vector is the same whatever stands beside it, and however many threads there are. On a CPU each
window of a text is computed alone, at its own length, in one thread. On CUDA windows are filled up to one of
a few lengths and computed in batches of one size. Long texts are seen in overlapping windows, to their end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.errors import CatalogueError, UsageError
from hivescan.models import golden
from hivescan.models.backends.base import Placement
from hivescan.models.fetch import ensure
from hivescan.models.schema import Card
from hivescan.models.tokens import Tokenizer, Window

Matrix = npt.NDArray[np.float32]

_WORDS: Final = "embeddings.word_embeddings.weight"
_POSITIONS: Final = "embeddings.position_embeddings.weight"
_TYPES: Final = "embeddings.token_type_embeddings.weight"
_LENGTHS: Final = (16, 32, 64, 128, 256, 512)
_CUDA_BATCH: Final = 32
_TEXTS_AT_ONCE: Final = 512
_ON_CPU: Final = Placement()


def open_text_tower(card: Card, placement: Placement = _ON_CPU) -> TextTower:
    """Open a text model and check it against its golden outputs. Fetches what is not in the cache.

    Raises ``ModelUnhealthyError`` where the vectors drifted, :class:`CatalogueError` where ``card`` is no
    model of texts.
    """
    if card.text is None:
        raise CatalogueError(f"model {card.name}: looks at {', '.join(sorted(card.consumes))}, not at texts")
    tower = TextTower(card, ensure(card), placement)
    vectors = tower.vectors(list(golden.GOLDEN_TEXTS.values()))
    golden.check_texts(card, tower, dict(zip(golden.GOLDEN_TEXTS, vectors, strict=True)))
    return tower


class TextTower:
    """Made by :func:`open_text_tower`. Networks compute in float32."""

    runtime = "onnx"

    def __init__(self, card: Card, files: Mapping[str, Path], placement: Placement) -> None:
        from hivescan.models.backends.onnx import choose_device, open_session

        assert card.text is not None and card.embedding is not None
        self.card = card
        self._spec = card.text
        self._tokenizer = Tokenizer(card, files)
        weights = read_weights(card, files[card.backend.file])
        self._words = weights[_WORDS]
        self._places = weights[_POSITIONS][:] + weights[_TYPES][0]
        if card.text.max_tokens > len(self._places):
            raise CatalogueError(
                f"model {card.name}: text.max_tokens is {card.text.max_tokens}, the network has"
                f" {len(self._places)} positions"
            )
        device = choose_device(placement.device)
        try:
            self._session: Any = open_session(self._graph(weights), device)
        except CatalogueError:
            raise
        except Exception as error:  # onnxruntime raises classes of its own that share no base
            reason = str(error).partition("\n")[0]
            raise CatalogueError(f"model {card.name}: cannot be opened by ONNX Runtime: {reason}") from error
        self.device = "cuda" if "CUDAExecutionProvider" in self._session.get_providers() else "cpu"
        if placement.device == "cuda" and self.device == "cpu":
            raise UsageError("--device cuda: onnxruntime finds no CUDA device; use --device cpu")
        self._threads = max(1, placement.threads)

    def _graph(self, weights: Mapping[str, npt.NDArray[Any]]) -> bytes:
        from hivescan.models.bert_graph import encoder_graph

        encoder = {name: np.asarray(values) for name, values in weights.items() if name != _WORDS}
        return encoder_graph(encoder, self._spec.attention_heads, self._spec.layer_norm_epsilon)

    def vectors(self, texts: Sequence[str], on_done: Callable[[int], None] = lambda done: None) -> Matrix:
        """``float32 [N, D]``. ``on_done`` is told how many texts are done, now and then."""
        assert self.card.embedding is not None
        found = np.empty((len(texts), self.card.embedding.dimensions), np.float32)
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            windows = self._tokenizer.windows(texts[start : start + _TEXTS_AT_ONCE])
            pooled = iter(self._pooled([window for of_text in windows for window in of_text]))
            for i, of_text in enumerate(windows):
                parts = np.stack([next(pooled) for _ in of_text]).astype(np.float64)
                lengths = np.array([len(window) for window in of_text], np.float64)
                mean = (parts * (lengths / lengths.sum())[:, np.newaxis]).sum(axis=0)
                if self._spec.normalise:
                    mean /= max(float(np.sqrt((mean * mean).sum())), 1e-12)
                found[start + i] = mean
            on_done(min(start + _TEXTS_AT_ONCE, len(texts)))
        return found

    def _pooled(self, windows: Sequence[Window]) -> Iterable[Matrix]:
        """``float32 [D]`` of each window, in order."""
        if self.device == "cpu":
            return self._one_by_one(windows)
        return self._in_batches(windows)

    def _one_by_one(self, windows: Sequence[Window]) -> Iterator[Matrix]:
        if self._threads == 1:
            yield from map(self._of_one, windows)
            return
        with ThreadPoolExecutor(self._threads, "hivescan-text") as pool:
            yield from pool.map(self._of_one, windows)

    def _of_one(self, window: Window) -> Matrix:
        inputs = self._looked_up([window], len(window))
        vector: Matrix = self._run(inputs, np.ones((1, len(window)), np.float32))[0]
        return vector

    def _in_batches(self, windows: Sequence[Window]) -> list[Matrix]:
        found: list[Matrix] = [np.empty(0, np.float32)] * len(windows)
        by_length: dict[int, list[int]] = {}
        for i, window in enumerate(windows):
            by_length.setdefault(next(n for n in _LENGTHS if len(window) <= n), []).append(i)
        for length, places in by_length.items():
            for start in range(0, len(places), _CUDA_BATCH):
                batch = places[start : start + _CUDA_BATCH]
                # Filled up with copies of the first: every batch has one size.
                rows = [windows[i] for i in batch] + [windows[batch[0]]] * (_CUDA_BATCH - len(batch))
                mask = np.zeros((_CUDA_BATCH, length), np.float32)
                for row, window in enumerate(rows):
                    mask[row, : len(window)] = 1.0
                for i, vector in zip(batch, self._run(self._looked_up(rows, length), mask), strict=False):
                    found[i] = vector
        return found

    def _looked_up(self, windows: Sequence[Window], length: int) -> Matrix:
        """Words and places summed, ``float32 [N, length, D]``."""
        summed = np.empty((len(windows), length, self._words.shape[1]), np.float32)
        summed[:] = self._places[:length]
        for row, window in zip(summed, windows, strict=True):
            row[: len(window)] += self._words[np.asarray(window)]
        return summed

    def _run(self, embeddings: Matrix, mask: Matrix) -> Matrix:
        (vectors,) = self._session.run(["vector"], {"embeddings": embeddings, "mask": mask})
        result: Matrix = vectors
        return result


def read_weights(card: Card, path: Path) -> dict[str, npt.NDArray[Any]]:
    """The tensors of a safetensors file as float32, by their names in transformers' ``BertModel``.

    Those that are float32 in the file are mapped, not read: of the table of words a text needs a few rows.
    """
    try:
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(size))
        header.pop("__metadata__", None)
        return {name.removeprefix("bert."): _tensor(path, 8 + size, entry) for name, entry in header.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise CatalogueError(f"model {card.name}: {path.name} cannot be read: {reason}") from None


_KINDS: Final = {"F32": "<f4", "F16": "<f2", "I64": "<i8", "F64": "<f8"}


def _tensor(path: Path, start: int, entry: Mapping[str, Any]) -> npt.NDArray[Any]:
    kind, (begin, _) = entry["dtype"], entry["data_offsets"]
    shape = tuple(entry["shape"])
    if kind not in _KINDS:
        raise ValueError(f"it has numbers of the kind {kind}")
    if not shape:
        return np.zeros((), np.float32)
    mapped = np.memmap(path, np.dtype(_KINDS[kind]), "r", start + begin, shape)
    return mapped if kind == "F32" else mapped.astype(np.float32)
