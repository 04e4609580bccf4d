"""What tests of datasets and trained models share: a home folder of their own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of datasets, models and vectors."""
    folder = tmp_path / "home"
    monkeypatch.setenv("HIVESCAN_HOME", str(folder))
    return folder
