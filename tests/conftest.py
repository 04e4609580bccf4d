"""What every test may use: the shared folder of real data, real pictures from scikit-image."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# Timings live in benchmarks: a busy machine must not fail a test.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

# What a user has set for work of their own is not the tests': only where weights and real data lie counts.
for _name in [name for name in os.environ if name.startswith("HIVESCAN_")]:
    if _name not in ("HIVESCAN_SHARED", "HIVESCAN_WEIGHTS"):
        del os.environ[_name]

REPOSITORY = Path(__file__).resolve().parent.parent


def _shared_folder() -> Path | None:
    named = os.environ.get("HIVESCAN_SHARED")
    folder = Path(named) if named else REPOSITORY.parent / "shared"
    return folder if (folder / "data").is_dir() else None


@pytest.fixture(scope="session")
def shared() -> Path:
    """The team's folder of real data; a clone elsewhere has none."""
    folder = _shared_folder()
    if folder is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have the shared data folder beside the checkout")
        pytest.skip("the shared data folder is not beside this checkout (HIVESCAN_SHARED names another)")
    return folder


@pytest.fixture(scope="session")
def data(shared: Path) -> Path:
    """Real media files of the team, see its README."""
    return shared / "data"


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of scikit-image's own photos, installed with the tests' requirements."""
    import skimage

    return Path(skimage.__file__).parent / "data"


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """An S3 server for all tests of this process; skips where moto is not installed."""
    from tests.s3 import s3_server

    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a new bucket, for this process and those that it starts."""
    from tests.s3 import CREDENTIALS, new_bucket

    cache = {"HIVESCAN_STORE_CACHE": str(tmp_path / "store-cache")}
    for name, value in {**CREDENTIALS, **cache, "AWS_ENDPOINT_URL": s3_endpoint}.items():
        monkeypatch.setenv(name, value)
    return new_bucket()
