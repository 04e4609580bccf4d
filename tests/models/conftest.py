"""Fixtures of the catalogue's tests: small cards, an empty cache, a loopback server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from toys import CardMaker, FileServer


@pytest.fixture
def make_card(tmp_path: Path) -> CardMaker:
    return CardMaker(tmp_path / "cards")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own, and no mirror."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("HIVESCAN_WEIGHTS", str(folder))
    monkeypatch.delenv("HIVESCAN_MIRROR", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return folder


@pytest.fixture
def server() -> Iterator[FileServer]:
    running = FileServer()
    yield running
    running.close()


@pytest.fixture
def index(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    """The loopback server as the only index that pip and npm know. Fill it with :func:`publish`."""
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple/")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("npm_config_registry", f"{server.url}/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    return server
