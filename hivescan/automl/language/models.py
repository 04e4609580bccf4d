"""Language models that a user trained: a folder a version, written once and never changed.

``language/<name>/<version>/model.json`` says what the version is; beside it ``model/`` holds the whole model
in the layout of transformers, or ``adapter/`` the low-rank matrices alone in that of peft.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from hivescan.automl.home import checked_name, home_folder
from hivescan.automl.language.data import LanguageKind, Message
from hivescan.automl.trained import versions_of
from hivescan.automl.versions import find_version, new_version, read_version, settle, versions_in
from hivescan.errors import TrainingError

if TYPE_CHECKING:
    from hivescan.automl.language.base import LanguageBase

Export = Literal["merged", "adapter"]
MERGED: Final = "model"
ADAPTER: Final = "adapter"
_FORMAT: Final = 1


@dataclass(frozen=True)
class LanguageModel:
    """One version of a language model.

    ``base`` is what it was trained from and ``base_identity`` what that computed. ``metrics`` are those of
    the test rows, ``before`` and ``after`` training: loss, token_accuracy, whole, tokens, examples.
    """

    name: str
    version: int
    kind: LanguageKind
    base: str
    base_identity: str
    export: Export
    created_at: str
    folder: Path
    recipe: Mapping[str, object] = field(default_factory=dict)
    data: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    history: tuple[Mapping[str, object], ...] = ()

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.version}"


def language_folder() -> Path:
    return home_folder() / "language"


def is_language_model(reference: str) -> bool:
    """Whether ``NAME`` or ``NAME@N`` names a language model."""
    return bool(versions_in(language_folder() / reference.partition("@")[0]))


def open_language_model(reference: str) -> LanguageModel:
    """``NAME@N``, or the newest version of ``NAME``. Raises :class:`TrainingError` where there is none."""
    return _read(*find_version(reference, language_folder(), "language model"))


def check_free(name: str) -> str:
    """The name, unless a model of another kind has it already."""
    checked_name(name, "model")
    if versions_of(name):
        raise TrainingError(f"{name} is a model with heads already; choose another name")
    return name


def save_language_model(
    name: str,
    kind: LanguageKind,
    base: LanguageBase,
    export: Export,
    write: Callable[[Path], None],
    *,
    about: Mapping[str, object],
) -> LanguageModel:
    """Write a new version; ``write`` fills the folder of the model or adapter.

    ``about`` has ``recipe``, ``data``, ``metrics`` and ``history``. A version appears whole or not at all.
    """
    with new_version(language_folder() / check_free(name)) as made:
        inner = made / (MERGED if export == "merged" else ADAPTER)
        inner.mkdir()
        write(inner)
        record = {
            "format": _FORMAT,
            "kind": kind,
            "base": base.reference,
            "base_identity": base.identity,
            "export": export,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            **about,
        }
        return _read(name, settle(made, record))


def generate(
    reference: str,
    prompt: str,
    *,
    system: str | None = None,
    max_tokens: int = 256,
    device: str = "auto",
) -> str:
    """What a model answers to a prompt, always taking the likeliest token, up to its end or ``max_tokens``.

    ``system`` is an instruction for models of conversations.
    """
    return open_writer(reference, device=device)(prompt, system=system, max_tokens=max_tokens)


class Writer:
    """An opened model that answers prompts."""

    def __init__(self, model: Any, tokenizer: Any, kind: LanguageKind) -> None:
        from hivescan.automl.language.tokens import Encoder

        self._model = model.eval()
        self._encoder = Encoder(tokenizer, kind)
        self._kind = kind

    def __call__(self, prompt: str, *, system: str | None = None, max_tokens: int = 256) -> str:
        import torch

        if system is not None and self._kind != "chat":
            raise TrainingError("an instruction (--system) is for models of conversations (--type chat)")
        messages = [Message("user", prompt)]
        if system is not None:
            messages.insert(0, Message("system", system))
        ids = torch.tensor([self._encoder.prompt(messages)], device=next(self._model.parameters()).device)
        with torch.inference_mode():
            made = self._model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=max_tokens,
                do_sample=False,
                pad_token_id=self._encoder.pad,
                eos_token_id=self._encoder.end,
            )
        return self._encoder.decode(made[0, ids.shape[1] :].tolist())


def open_writer(reference: str, *, device: str = "auto") -> Writer:
    """Load a model once, to answer many prompts. Raises :class:`TrainingError`."""
    from hivescan.automl.language.base import find_base, load_base, peft_without_warning
    from hivescan.automl.networks.training_loop import choose_device

    about = open_language_model(reference)
    chosen = choose_device(device)
    if about.export == "merged":
        model, tokenizer = load_base(find_base(str(about.folder / MERGED)))
    else:
        base = find_base(about.base)
        if base.identity != about.base_identity:
            raise TrainingError(f"model {about.reference}: {about.base} is not the model it was trained from")
        model, tokenizer = load_base(base)
        from peft import PeftModel

        with peft_without_warning():
            model = PeftModel.from_pretrained(model, str(about.folder / ADAPTER))
    return Writer(model.to(chosen), tokenizer, about.kind)


def _read(name: str, version: int) -> LanguageModel:
    folder = language_folder() / name / str(version)
    with read_version(folder, _FORMAT) as about:
        history = tuple(about.pop("history", ()))
        return LanguageModel(name=name, version=version, folder=folder, history=history, **about)


def as_record(model: LanguageModel) -> dict[str, object]:
    """The version as plain values, for JSON."""
    return {"reference": model.reference, **asdict(model), "folder": str(model.folder)}
