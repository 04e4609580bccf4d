"""What a training must remember to go on after a kill: one file, replaced as a whole.

The file is safetensors: tensors, and beside them a JSON text in its header. It is written under another name,
brought to disk and renamed, so that there is always a whole one, the old or the new.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hivescan.automl.home import home_folder
from hivescan.errors import TrainingError

UNFINISHED: Final = "unfinished"
STATE_FILE: Final = "state.safetensors"
_FORMAT: Final = "hivescan-training-1"


def checkpoint_folder(name: str, key: str) -> Path:
    """Where the training of a model called ``name`` keeps its state; ``key`` tells it from others."""
    return home_folder() / UNFINISHED / f"{name}-{key[:16]}"


def write_state(folder: Path, key: str, about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Keep the state of the training that ``key`` names. ``about`` holds what JSON can.

    Raises :class:`TrainingError` where it cannot be written; the state before it stays.
    """
    scratch = folder / f".{STATE_FILE}.{os.getpid()}"
    metadata = {"format": _FORMAT, "key": key, "about": json.dumps(about)}
    # Tensors that share memory are refused by safetensors; so each is a copy of its own.
    copies = {name: t.detach().cpu().clone().contiguous() for name, t in tensors.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(copies, scratch, metadata)
        with scratch.open("rb") as stream:
            os.fsync(stream.fileno())
        scratch.replace(folder / STATE_FILE)
    except (OSError, SafetensorError) as error:
        scratch.unlink(missing_ok=True)
        raise TrainingError(f"{folder}: the state of the training cannot be written: {error}") from error


def read_state(folder: Path, key: str) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """``about`` and the tensors; None where there is no state, or that of another training."""
    path = folder / STATE_FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            if metadata.get("format") != _FORMAT or metadata.get("key") != key:
                return None
            return json.loads(metadata["about"]), {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError):
        return None


def forget_training(folder: Path) -> None:
    """Remove what a finished training has no use for."""
    shutil.rmtree(folder, ignore_errors=True)
