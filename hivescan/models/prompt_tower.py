"""The text tower of a CLIP-like model in a hub's folder: what it makes of prompts, beside its own pictures.

Reads ``config.json``, ``model.safetensors`` and the tokenizer's files; no code of the folder is run, nothing
is fetched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.errors import CatalogueError
from hivescan.models.schema import Card

_NEEDED: Final = ("config.json", "model.safetensors", "tokenizer.json")
_WEIGHTS: Final = "model.safetensors"


@dataclass(frozen=True)
class TextSide:
    """An opened text tower. ``scale`` is what the model multiplies cosines by before a softmax."""

    folder: Path
    scale: float
    _model: Any
    _tokenizer: Any
    _most_tokens: int
    _padded: bool
    """Whether it was trained on texts padded to their full length (SigLIP)."""

    def vectors(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """``float64 [N, D]`` of length 1, in the space of the model's pictures.

        Raises :class:`CatalogueError` for a text of more tokens than the tower takes.
        """
        import torch

        for text in texts:
            tokens = len(self._tokenizer(text)["input_ids"])
            if tokens > self._most_tokens:
                raise CatalogueError(
                    f"{self.folder}: takes {self._most_tokens} tokens, and the prompt {text!r} has {tokens}"
                )
        padding: dict[str, Any] = {"padding": True}
        if self._padded:
            padding = {"padding": "max_length", "max_length": self._most_tokens}
        batch = self._tokenizer(list(texts), return_tensors="pt", **padding)
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask") if name in batch}
        if self._padded:
            inputs.pop("attention_mask", None)
        with torch.inference_mode():
            found = self._model.get_text_features(**inputs)
        rows = getattr(found, "pooler_output", found).double().numpy()
        unit: npt.NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit


def open_text_side(folder: Path, card: Card) -> TextSide:
    """The text tower of the very model whose picture tower is ``card``.

    Raises :class:`CatalogueError` where the folder has no text tower, or other weights than the card: vectors
    of another build lie elsewhere, and prompts among them would mean nothing.
    """
    folder = folder.expanduser().resolve()
    for needed in _NEEDED:
        if not (folder / needed).is_file():
            raise CatalogueError(f"{folder}: has no {needed}")
    _check_same_weights(folder, card)
    from hivescan.models.torchvision_remedy import import_torchvision

    import_torchvision()
    import transformers

    try:
        model, report = transformers.AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_fast=True
        )
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise CatalogueError(f"{folder}: cannot be opened by transformers: {reason}") from None
    text = getattr(model.config, "text_config", None)
    if not hasattr(model, "get_text_features") or not hasattr(model, "logit_scale") or text is None:
        raise CatalogueError(f"{folder}: {type(model).__name__} has no text tower beside that of pictures")
    if report["missing_keys"]:
        raise CatalogueError(
            f"{folder}: {_WEIGHTS} lacks weights such as {sorted(report['missing_keys'])[0]}"
        )
    return TextSide(
        folder=folder,
        scale=float(model.logit_scale.detach().exp()),
        _model=model.eval(),
        _tokenizer=tokenizer,
        _most_tokens=int(text.max_position_embeddings),
        _padded=str(model.config.model_type).startswith("siglip"),
    )


def _check_same_weights(folder: Path, card: Card) -> None:
    if card.embedding is None:
        raise CatalogueError(f"model {card.name} gives no vectors of pictures")
    with (folder / _WEIGHTS).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest not in {file.sha256 for file in card.files}:
        raise CatalogueError(
            f"{folder}: its {_WEIGHTS} is not that of model {card.name}; "
            "prompts are compared with vectors of the same checkpoint alone"
        )
