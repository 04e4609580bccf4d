"""Examples as tokens: which of them are given, and which are learned."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch
from torch import Tensor

from hivescan.automl.language.data import Example, LanguageKind, Message
from hivescan.errors import TrainingError

SEPARATOR: Final = "\n"
"""Between prompt and completion, where they are no conversation."""
IGNORED: Final = -100


@dataclass(frozen=True)
class Tokens:
    """``ids`` of prompt and completion; the completion's, with the end of the text, begin at ``start``."""

    row: int
    ids: tuple[int, ...]
    start: int


@dataclass(frozen=True)
class Batch:
    """Filled up on the left, so that all completions end together.

    ``ids``, ``mask`` ``int64 [N, L]``; ``targets`` ``int64 [N, K]`` are the last K tokens of each, with
    :data:`IGNORED` where a token belongs to the prompt.
    """

    ids: Tensor
    mask: Tensor
    targets: Tensor


class Encoder:
    """What a model's tokenizer makes of prompts and completions."""

    def __init__(self, tokenizer: Any, kind: LanguageKind) -> None:
        if kind == "chat" and not getattr(tokenizer, "chat_template", None):
            raise TrainingError("this model's tokenizer has no template for conversations; use --type text")
        self._tokenizer = tokenizer
        self._kind = kind
        self.pad = int(tokenizer.pad_token_id)
        self.end = int(tokenizer.eos_token_id)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The tokens after which the model is to answer."""
        if self._kind == "text":
            return self._ids(messages[-1].content + SEPARATOR, special=True)
        return self._ids(self._template(messages, prompt=True), special=False)

    def tokens(self, example: Example) -> Tokens:
        """Prompt and completion are cut into tokens apart, as they are when the model answers."""
        given = self.prompt(example.prompt)
        if self._kind == "text":
            learned = [*self._ids(example.completion, special=False), self.end]
        else:
            before = self._template(example.prompt, prompt=True)
            answer = Message("assistant", example.completion)
            whole = self._template((*example.prompt, answer), prompt=False)
            if not whole.startswith(before):
                raise TrainingError(
                    "the model's template changes what came before an answer; use --type text"
                )
            learned = self._ids(whole[len(before) :].rstrip("\n"), special=False)
        return Tokens(example.row, (*given, *learned), len(given))

    def decode(self, ids: Iterable[int]) -> str:
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def batch(self, examples: Sequence[Tokens]) -> Batch:
        length = max(len(e.ids) for e in examples)
        answers = max(len(e.ids) - e.start for e in examples)
        ids, mask = torch.full((2, len(examples), length), 0)
        ids.fill_(self.pad)
        targets = torch.full((len(examples), answers), IGNORED)
        for i, example in enumerate(examples):
            ids[i, length - len(example.ids) :] = torch.tensor(example.ids)
            mask[i, length - len(example.ids) :] = 1
            learned = torch.tensor(example.ids[example.start :])
            targets[i, answers - len(learned) :] = learned
        return Batch(ids, mask, targets)

    def _ids(self, text: str, *, special: bool) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=special)["input_ids"]
        return ids

    def _template(self, messages: Sequence[Message], *, prompt: bool) -> str:
        text: str = self._tokenizer.apply_chat_template(
            [asdict(message) for message in messages], tokenize=False, add_generation_prompt=prompt
        )
        return text


def logits_of_targets(model: Any, batch: Batch) -> Tensor:
    """What the model says of ``batch.targets``: ``float32 [N, K, vocabulary]``.

    The product with the vocabulary, which is much of a small model's work, is made for these tokens alone.
    """
    needed = batch.targets.shape[1] + 1  # the token before the first target says it
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    known = inspect.signature(inner.forward).parameters
    inputs: dict[str, Any] = {"input_ids": batch.ids, "attention_mask": batch.mask}
    if "position_ids" in known:
        inputs["position_ids"] = (batch.mask.cumsum(dim=1) - 1).clamp(min=0)
    if "logits_to_keep" in known:
        inputs["logits_to_keep"] = needed
    logits: Tensor = model(**inputs, use_cache=False).logits
    return logits[:, -needed:-1].float()


def place(batch: Batch, device: torch.device) -> Batch:
    return Batch(batch.ids.to(device), batch.mask.to(device), batch.targets.to(device))
