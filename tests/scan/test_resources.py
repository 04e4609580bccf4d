"""Cores, devices and memory that a scan finds by itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hivescan.cores import available_cores
from hivescan.models import devices
from hivescan.models.devices import cuda_devices
from hivescan.scan.resources import arena_bytes

MIB = 1024**2


@pytest.mark.parametrize(
    ("cpu_max", "cores"),
    [("max 100000", 64), ("200000 100000", 2), ("250000 100000", 3), ("5000 100000", 1), ("nonsense", 64)],
)
def test_a_quota_of_cpu_time_counts_as_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpu_max: str, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    (tmp_path / "cpu.max").write_text(cpu_max + "\n")
    assert available_cores(tmp_path) == cores


def test_a_quota_of_the_older_control_groups_counts_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)
    assert available_cores(tmp_path) == 16
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("400000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert available_cores(tmp_path) == 4
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert available_cores(tmp_path) == 16


def test_devices_are_those_of_the_driver_or_those_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices.metadata, "version", lambda package: "1.0")
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert cuda_devices({"onnx"}, tmp_path) == ("0", "1")
    for value, expected in (
        ("1", ("1",)),
        ("", ()),
        ("-1", ()),
        ("0,-1,1", ("0",)),
        ("GPU-a, 2", ("GPU-a", "2")),
    ):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
        assert cuda_devices({"onnx"}, tmp_path) == expected


def test_a_runtime_without_cuda_has_no_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvidia0").touch()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices.metadata, "version", lambda package: {"torch": "2.13.0+cpu"}[package])
    assert cuda_devices({"timm"}, tmp_path) == ()
    monkeypatch.setattr(devices.metadata, "version", lambda package: {"torch": "2.13.0"}[package])
    assert cuda_devices({"timm"}, tmp_path) == ("0",)
    assert cuda_devices({"openvino"}, tmp_path) == ()


def test_the_room_for_pictures_grows_with_the_gpus_and_stays_within_memory() -> None:
    assert arena_bytes(600_000, 0) == 256 * MIB
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert arena_bytes(600_000, 1) == max(256 * MIB, min(3 * 256 * 600_000, memory // 8))
    assert arena_bytes(600_000, 1000) == max(256 * MIB, memory // 8)
