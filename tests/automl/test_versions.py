"""Versions of models: numbered folders that appear whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hivescan.automl.versions import (
    MODEL_FILE,
    find_version,
    names_in,
    new_version,
    read_version,
    settle,
    versions_in,
)
from hivescan.errors import TrainingError


def made(folder: Path, **about: object) -> int:
    with new_version(folder) as empty:
        return settle(empty, {"format": 1, **about})


def test_numbers_go_on_after_the_highest(tmp_path: Path) -> None:
    assert [made(tmp_path / "spam") for _ in range(2)] == [1, 2]
    (tmp_path / "spam" / "7").mkdir()
    assert made(tmp_path / "spam") == 8
    assert versions_in(tmp_path / "spam") == [1, 2, 7, 8]
    assert find_version("spam", tmp_path, "model") == ("spam", 8)
    assert find_version("spam@2", tmp_path, "model") == ("spam", 2)


def test_a_training_that_failed_leaves_no_model(tmp_path: Path) -> None:
    told = pytest.raises(TrainingError, match="cannot be written: disk full")
    with told, new_version(tmp_path / "spam") as empty:
        (empty / "part").write_bytes(b"half")
        raise OSError("disk full")
    with pytest.raises(KeyboardInterrupt), new_version(tmp_path / "spam"):
        raise KeyboardInterrupt
    (tmp_path / "killed" / ".new-0000").mkdir(parents=True)
    assert names_in(tmp_path) == []
    assert list((tmp_path / "spam").iterdir()) == []
    with pytest.raises(TrainingError, match="there are none"):
        find_version("spam", tmp_path, "model")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ("{}", "damaged"),
        ('{"format": "x"}', "damaged"),
        ('{"format": 2}', "newer"),
        (None, "cannot be read"),
    ],
)
def test_a_broken_description_is_told_in_one_line(tmp_path: Path, text: str | None, told: str) -> None:
    if text is not None:
        (tmp_path / MODEL_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(TrainingError, match=told), read_version(tmp_path, 1):
        pass


def test_a_description_that_lacks_something_is_damaged(tmp_path: Path) -> None:
    (tmp_path / MODEL_FILE).write_text(json.dumps({"format": 1}), encoding="utf-8")
    with pytest.raises(TrainingError, match="damaged: 'kind'"), read_version(tmp_path, 1) as about:
        about["kind"]
