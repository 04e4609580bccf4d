"""Fetch the odd and malformed images of Pillow's own tests, and print the folder that holds them.

They come from the source archive of pillow 11.0.0 in the package registry, through pip, and are kept in
``HIVESCAN_TEST_CACHE`` (default: ``hivescan-tests`` in the user's cache folder). Nothing of the archive is
built or imported into this environment.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "11.0.0"
SHA256 = "72bacbaf24ac003fea9bff9837d1eedb6088758d41e100c1552930151f677739"
IMAGES = f"pillow-{VERSION}/Tests/images/"


def cache_folder() -> Path:
    named = os.environ.get("HIVESCAN_TEST_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hivescan-tests"


def pillow_samples() -> Path:
    """The folder of images, fetched if it is not there yet."""
    folder = cache_folder() / f"pillow-{VERSION}-images"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        archive = _download(Path(work))
        with tarfile.open(archive) as tar:
            members = [m for m in tar.getmembers() if m.name.startswith(IMAGES)]
            tar.extractall(work, members, filter="data")
        try:
            (Path(work) / IMAGES).rename(folder)
        except OSError:
            if not folder.is_dir():  # else another run was faster
                raise
    return folder


def _download(work: Path) -> Path:
    """The source archive. pip asks its build for metadata, in an environment of its own."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "pillow"]
    subprocess.run([*command, "--dest", str(work), f"pillow=={VERSION}"], check=True, stdout=sys.stderr)
    archive = work / f"pillow-{VERSION}.tar.gz"
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{archive.name}: sha256 is {digest}, not {SHA256}")
    return archive


if __name__ == "__main__":
    print(pillow_samples())
