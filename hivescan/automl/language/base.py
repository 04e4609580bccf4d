"""Causal language models to start from: those of the catalogue, and local folders."""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from hivescan.automl.language.models import MERGED, is_language_model, open_language_model
from hivescan.errors import TrainingError, UsageError
from hivescan.models.cache import sha256_of
from hivescan.models.cards import load_cards
from hivescan.models.fetch import ensure
from hivescan.models.torchvision_remedy import import_torchvision

DEFAULT_BASE: Final = "smollm2_135m"
CONFIG: Final = "config.json"


@dataclass(frozen=True)
class LanguageBase:
    """``reference`` is the name of a card or the path of a folder; ``files`` are the model's, by the names
    that transformers has for them; ``identity`` is a sha256 that changes with what the model computes."""

    reference: str
    files: Mapping[str, Path]
    identity: str


def find_base(reference: str) -> LanguageBase:
    """The model called ``reference``, or in the folder of that path. Fetches a card's weights.

    Models trained here go before those of the catalogue.

    Raises :class:`UsageError` where there is neither, ``CatalogueError`` leaves where weights cannot be had.
    """
    folder = Path(reference).expanduser()
    if folder.is_dir():
        return _in_folder(folder.resolve())
    if is_language_model(reference):
        return _of_a_version(reference)
    cards = {name: card for name, card in load_cards().items() if card.language is not None}
    if reference not in cards:
        raise UsageError(
            f"{reference!r} is neither a folder nor a language model of the catalogue:"
            f" {', '.join(cards) or 'it has none'}"
        )
    card = cards[reference]
    files = {name: path for name, path in ensure(card).items() if path.suffix != ".gguf"}
    return LanguageBase(card.name, files, _digest("\n".join(card.weights)))


def _of_a_version(reference: str) -> LanguageBase:
    """A model that was trained here, to train further."""
    about = open_language_model(reference)
    if about.export != "merged":
        raise TrainingError(
            f"model {about.reference} is an adapter: only one exported as merged can be trained further"
        )
    return replace(_in_folder(about.folder / MERGED), reference=about.reference)


def _in_folder(folder: Path) -> LanguageBase:
    files = {path.name: path for path in sorted(folder.iterdir()) if path.suffix in {".json", ".safetensors"}}
    for name in ("tokenizer.model", "merges.txt", "chat_template.jinja"):
        if (folder / name).is_file():
            files[name] = folder / name
    if CONFIG not in files:
        raise TrainingError(f"{folder}: has no {CONFIG}: it is no folder of a language model")
    weights = [path for path in files.values() if path.suffix == ".safetensors"]
    if not weights:
        raise TrainingError(f"{folder}: has no .safetensors file; other formats of weights are not read")
    digests = [f"{path.name} {sha256_of(path)}" for path in (*weights, files[CONFIG])]
    return LanguageBase(str(folder), files, _digest("\n".join(digests)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def load_base(base: LanguageBase) -> tuple[Any, Any]:
    """The network in float32 and its tokenizer. No code of the model's folder is run, nothing is fetched.

    Raises :class:`TrainingError` where transformers cannot open it.
    """
    transformers = quiet_transformers()
    import torch

    # Fetched files lie in folders of their own; the library wants one folder with its own names.
    with tempfile.TemporaryDirectory(prefix="hivescan-language-") as folder:
        for name, path in base.files.items():
            (Path(folder) / name).symlink_to(path.resolve())
        try:
            model = transformers.AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
            )
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            reason = str(error).partition("\n")[0].replace(folder, base.reference)
            raise TrainingError(f"{base.reference}: cannot be opened by transformers: {reason}") from None
    model.name_or_path = model.config.name_or_path = base.reference  # not the folder of a moment ago
    if tokenizer.eos_token_id is None:
        raise TrainingError(f"{base.reference}: its tokenizer names no token that ends a text")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


@contextmanager
def peft_without_warning() -> Iterator[None]:
    """peft asks a network for a property under a name that transformers has given up, and both go on."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield


def quiet_transformers() -> Any:
    """The library, with its own bars and hints turned off."""
    import_torchvision()
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    return transformers
