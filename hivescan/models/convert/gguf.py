"""A language model in GGUF (llama.cpp's format) → the files that transformers has for it.

Weights packed in a few bits each become float16, which keeps all that they say. The library reads the file;
nothing in it is run.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

from hivescan.errors import CatalogueError


def to_safetensors(path: Path) -> bytes:
    """The weights by transformers' names, float16."""
    import torch

    # The library draws a bar on standard error whatever it is told.
    with _opened(path) as (transformers, folder), redirect_stderr(StringIO()):
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=path.name, local_files_only=True, dtype=torch.float32
        )
        # The library does not save what it read from GGUF; a network made anew from the same weights it does.
        plain = type(model)(model.config)
        plain.load_state_dict(model.state_dict())
        made = Path(folder) / "made"
        plain.to(torch.float16).save_pretrained(made, max_shard_size="100GB")
        return (made / "model.safetensors").read_bytes()


def to_config(path: Path) -> bytes:
    """``config.json``."""
    with _opened(path) as (transformers, folder):
        config = transformers.AutoConfig.from_pretrained(folder, gguf_file=path.name, local_files_only=True)
    architecture = transformers.AutoModelForCausalLM._model_mapping[type(config)].__name__
    values: dict[str, Any] = {**config.to_dict(), "architectures": [architecture], "dtype": "float16"}
    # Names that begin with an underscore are the library's own, such as where the file lay.
    kept = {name: value for name, value in values.items() if not name.startswith("_")}
    return json.dumps(kept, indent=2, default=str).encode()


def to_tokenizer(path: Path) -> bytes:
    """``tokenizer.json``."""
    with _opened(path) as (transformers, folder):
        tokenizer = _tokenizer(transformers, folder, path)
    text: str = tokenizer.backend_tokenizer.to_str()
    return text.encode()


def to_tokenizer_config(path: Path) -> bytes:
    """``tokenizer_config.json``: special tokens, and the template of conversations where there is one."""
    with _opened(path) as (transformers, folder):
        tokenizer = _tokenizer(transformers, folder, path)
    values = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokenizer.bos_token,
        "eos_token": tokenizer.eos_token,
        "unk_token": tokenizer.unk_token,
        "pad_token": tokenizer.pad_token,
        "chat_template": tokenizer.chat_template,
        "clean_up_tokenization_spaces": False,
    }
    return json.dumps({k: v for k, v in values.items() if v is not None}, indent=2).encode()


def _tokenizer(transformers: Any, folder: str, path: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(folder, gguf_file=path.name, local_files_only=True)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, str]]:
    """The library, and a folder that holds nothing but the file."""
    from hivescan.models.torchvision_remedy import import_torchvision

    import_torchvision()
    import transformers

    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory(prefix="hivescan-gguf-") as folder:
        (Path(folder) / path.name).symlink_to(path.resolve())
        try:
            yield transformers, folder
        except (OSError, ValueError, KeyError, ImportError) as error:
            reason = str(error).partition("\n")[0].replace(folder, "")
            raise CatalogueError(f"{path.name}: cannot be read as GGUF: {reason}") from None
