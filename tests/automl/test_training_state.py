"""What a training keeps to go on after a kill."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
import torch

from hivescan.automl.networks.training_state import STATE_FILE, forget_training, read_state, write_state
from hivescan.errors import TrainingError


def test_what_was_kept_is_read_again(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(4.0), "step": torch.tensor(7.0)}
    about = {"loss": 0.1 + 0.2, "best": float("-inf"), "rows": [{"epoch": 1}]}
    write_state(tmp_path, "key", about, tensors)
    found = read_state(tmp_path, "key")
    assert found is not None
    assert found[0] == about
    assert all(torch.equal(found[1][name], tensor) for name, tensor in tensors.items())


def test_the_state_of_another_training_is_none(tmp_path: Path) -> None:
    write_state(tmp_path, "key", {}, {"a": torch.zeros(1)})
    assert read_state(tmp_path, "other") is None
    assert read_state(tmp_path / "nowhere", "key") is None


def test_a_damaged_state_is_none(tmp_path: Path) -> None:
    write_state(tmp_path, "key", {}, {"a": torch.zeros(100)})
    path = tmp_path / STATE_FILE
    path.write_bytes(path.read_bytes()[:-8])
    assert read_state(tmp_path, "key") is None


def test_a_state_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    write_state(tmp_path, "key", {"step": 1}, {"a": torch.zeros(1)})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))  # as a full disk
    try:
        with pytest.raises(TrainingError, match="cannot be written"):
            write_state(tmp_path, "key", {"step": 2}, {"a": torch.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    kept = read_state(tmp_path, "key")
    assert kept is not None
    assert kept[0] == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]


def test_tensors_that_share_memory_are_kept_apart(tmp_path: Path) -> None:
    shared = torch.arange(3.0)
    write_state(tmp_path, "key", {}, {"a": shared, "b": shared})
    found = read_state(tmp_path, "key")
    assert found is not None
    assert torch.equal(found[1]["b"], shared)


def test_a_finished_training_leaves_nothing(tmp_path: Path) -> None:
    write_state(tmp_path / "work", "key", {}, {"a": torch.zeros(1)})
    forget_training(tmp_path / "work")
    assert not (tmp_path / "work").exists()
