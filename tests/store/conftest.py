"""Copies of parts that tests make stay in the tests' own folders."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def store_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIVESCAN_STORE_CACHE", str(tmp_path_factory.getbasetemp() / "store-cache"))
