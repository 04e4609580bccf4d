"""Towers of texts as torch modules that can be trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hivescan.automl.networks.backbones import Backbone
from hivescan.automl.networks.readers import Draw
from hivescan.errors import TrainingError
from hivescan.models.fetch import ensure
from hivescan.models.schema import Card, TextSpec
from hivescan.models.text_tower import read_weights
from hivescan.models.tokens import Tokenizer, Window
from hivescan.models.torchvision_remedy import import_torchvision

MOST_TOKENS: Final = 256
"""That are seen of a text in one step: of a longer one a part, another in each epoch."""
_LEFT_OUT: Final = ("pooler.", "embeddings.position_ids")


class MeanOfTokens(nn.Module):
    """A BERT network whose features are the mean over a text's tokens, as a card's ``pooling`` says."""

    def __init__(self, bert: nn.Module) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """``ids`` and ``mask``, ``int64 [N, L]`` → ``[N, D]``."""
        tokens = self.bert(input_ids=inputs["ids"], attention_mask=inputs["mask"]).last_hidden_state
        weights = inputs["mask"].unsqueeze(2).to(tokens.dtype)
        mean: Tensor = (tokens * weights).sum(dim=1) / weights.sum(dim=1)
        return mean


def open_text_backbone(card: Card) -> Backbone:
    """A text model's network with the card's weights. Raises :class:`TrainingError` where they do not fit."""
    assert card.text is not None
    path = ensure(card)[card.backend.file]
    state = {
        name: torch.from_numpy(np.array(values))
        for name, values in read_weights(card, path).items()
        if not name.startswith(_LEFT_OUT)
    }
    bert = _bert(card.text, state)
    try:
        bert.load_state_dict(state, strict=True)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise TrainingError(f"model {card.name}: its weights are not those of a BERT: {reason}") from None
    return Backbone(card, MeanOfTokens(bert), int(bert.config.hidden_size))


def _bert(spec: TextSpec, state: Mapping[str, Tensor]) -> Any:
    """A network of the sizes that the weights have."""
    import_torchvision()
    from transformers import BertConfig, BertModel

    words = state["embeddings.word_embeddings.weight"]
    layers = {name.split(".")[2] for name in state if name.startswith("encoder.layer.")}
    config = BertConfig(
        vocab_size=words.shape[0],
        hidden_size=words.shape[1],
        num_hidden_layers=len(layers),
        num_attention_heads=spec.attention_heads,
        intermediate_size=state["encoder.layer.0.intermediate.dense.bias"].shape[0],
        max_position_embeddings=state["embeddings.position_embeddings.weight"].shape[0],
        type_vocab_size=state["embeddings.token_type_embeddings.weight"].shape[0],
        layer_norm_eps=spec.layer_norm_epsilon,
    )
    return BertModel(config, add_pooling_layer=False)


class TextReader:
    """Texts as tokens. With ``draw`` a long text gives another of its parts each time, else its first."""

    def __init__(self, texts: Sequence[str | None], card: Card, files: Mapping[str, Path]) -> None:
        tokenizer = Tokenizer(card, files)
        self._windows = tokenizer.windows([text or "" for text in texts])
        self._readable = np.array([bool(text and text.strip()) for text in texts], np.bool_)
        self.reasons = {int(row): "has no text" for row in np.flatnonzero(~self._readable)}

    def __len__(self) -> int:
        return len(self._windows)

    def read(self, rows: Sequence[int], draw: Draw | None) -> tuple[Any, npt.NDArray[np.bool_]]:
        """``ids`` and ``mask``, ``int64 [n, L]``."""
        windows = [self._part(row, draw) for row in rows]
        length = max(map(len, windows))
        ids, mask = np.zeros((2, len(rows), length), np.int64)
        for i, window in enumerate(windows):
            ids[i, : len(window)] = window
            mask[i, : len(window)] = 1
        inputs = {"ids": torch.from_numpy(ids), "mask": torch.from_numpy(mask)}
        return inputs, self._readable[list(rows)]

    def _part(self, row: int, draw: Draw | None) -> Window:
        windows = self._windows[row]
        if draw is None:
            window, share = windows[0], 0.0
        else:
            rng = draw(row)
            window, share = windows[int(rng.integers(len(windows)))], float(rng.random())
        if len(window) <= MOST_TOKENS:
            return window
        # The marks at both ends stay.
        start = 1 + round(share * (len(window) - MOST_TOKENS))
        return (window[0], *window[start : start + MOST_TOKENS - 2], window[-1])


def tower_state(module: nn.Module) -> dict[str, Tensor]:
    """The weights by the names that a card's file has."""
    assert isinstance(module, MeanOfTokens)
    return module.bert.state_dict()
