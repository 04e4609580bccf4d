"""Versions of what was trained: folders with numbers for names, each written once and never changed."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from hivescan.automl.home import split_reference
from hivescan.errors import TrainingError

MODEL_FILE: Final = "model.json"
"""What a version says of itself."""


def versions_in(folder: Path) -> list[int]:
    """The finished versions, ascending."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def names_in(folder: Path) -> list[str]:
    """The folders in this one that have a version: a training that failed may leave one without."""
    return sorted(path.name for path in folder.iterdir() if versions_in(path)) if folder.is_dir() else []


def find_version(reference: str, folder: Path, what: str) -> tuple[str, int]:
    """Name and number of ``NAME@N``, or of the newest version of ``NAME``, of those in ``folder``.

    Raises :class:`TrainingError` where there is none; ``what`` is what it is called there.
    """
    name, version = split_reference(reference, "model")
    versions = versions_in(folder / name)
    if not versions:
        known = ", ".join(names_in(folder)) or "none"
        raise TrainingError(f"no {what} is called {name!r}; there are {known}")
    if version is not None and version not in versions:
        raise TrainingError(f"model {name} has no version {version}; it has {', '.join(map(str, versions))}")
    return name, version or versions[-1]


@contextmanager
def new_version(folder: Path) -> Iterator[Path]:
    """An empty folder to be filled, which lies beside its place; :func:`settle` moves it there.

    It goes where something fails. Raises :class:`TrainingError` where it cannot be written.
    """
    made = folder / f".new-{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made.mkdir(mode=0o700)
        yield made
    except BaseException as error:
        shutil.rmtree(made, ignore_errors=True)
        if isinstance(error, OSError):
            raise TrainingError(f"{folder}: cannot be written: {error.strerror or error}") from error
        raise


def settle(made: Path, about: Mapping[str, object]) -> int:
    """Write down what the version is and move it to the next free number."""
    text = json.dumps(about, ensure_ascii=False, indent=2)
    (made / MODEL_FILE).write_text(text + "\n", encoding="utf-8")
    return place(made)


def place(made: Path) -> int:
    """Move a finished folder to the next free number beside it: two commands may end at once."""
    folder = made.parent
    while True:
        number = max(versions_in(folder), default=0) + 1
        try:
            os.rename(made, folder / str(number))  # noqa: PTH104  Path.rename is the same
        except OSError:
            if not (folder / str(number)).exists():
                raise
            continue
        return number


@contextmanager
def read_version(folder: Path, newest: int) -> Iterator[dict[str, Any]]:
    """What a version says of itself; what goes wrong with it in the body is told as a damaged file.

    ``newest`` is the format that is known. Raises :class:`TrainingError`.
    """
    path = folder / MODEL_FILE
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if about.pop("format") > newest:
            raise TrainingError(f"{path}: was written by a newer hivescan; update hivescan to use it")
        yield about
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read: {error.strerror}") from None
    except (AttributeError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path}: is damaged: {error}") from None
