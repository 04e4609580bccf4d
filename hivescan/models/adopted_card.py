"""The lines that every card of an adopted folder has, whatever the model is."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hivescan.models.toml_table import toml_string


def head_lines(folder: Path, name: str, task: str, consumes: str, *more: str) -> list[str]:
    """Who the model is and its licence, as far as a folder tells. ``consumes`` is a TOML array; ``more``
    are further keys of the card itself."""
    return [
        f"name = {toml_string(name)}",
        f"title = {toml_string(folder.name)}",
        f"task = {toml_string(task)}",
        "revision = 1",
        f"consumes = {consumes}",
        *more,
        'intended_use = "As its makers say; not written down yet."',
        'weaknesses = ["Not known: this card was made from the model\'s folder alone."]',
        "",
        "[licence]",
        'spdx = "NOASSERTION"',
        f"url = {toml_string(folder.as_uri())}",
        'notice = "See the model\'s own README."',
        "",
    ]


def file_lines(path: Path) -> list[str]:
    """A file of the model, which stays where it is, with its sha256."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return [
        "[[files]]",
        f"name = {toml_string(path.name)}",
        f'sha256 = "{digest}"',
        f"size = {path.stat().st_size}",
        f'source = {{ kind = "local", path = {toml_string(path)} }}',
        "",
    ]
