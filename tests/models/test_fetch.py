"""Weights of repositories, mirrors and local folders; the cache, its locks and its stamps."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from toys import COMMIT, CardMaker, FileServer, sha256, wheel

from hivescan.errors import (
    CatalogueError,
    LicenceNotAcceptedError,
    UsageError,
    WeightsCorruptError,
    WeightsMissingError,
)
from hivescan.models import download
from hivescan.models.cards import Card, read_card
from hivescan.models.fetch import ensure, obstacle
from hivescan.models.licences import accept

WEIGHTS = bytes(range(256)) * 4000
GITHUB = f'{{ kind = "github", repository = "some/one", commit = "{COMMIT}", path = "a b/net.bin" }}'
GITHUB_PATH = f"/some/one/raw/{COMMIT}/a%20b/net.bin"
HUB = f'{{ kind = "hub", repository = "some/one", revision = "{COMMIT}", path = "net.bin" }}'
HUB_PATH = f"/some/one/resolve/{COMMIT}/net.bin"

pytestmark = pytest.mark.usefixtures("repositories")


@pytest.fixture
def repositories(cache: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    """The loopback server in the place of both kinds of repositories; no waiting between tries."""
    monkeypatch.setenv("HIVESCAN_GITHUB", server.url)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setattr(download, "PAUSE_S", 0.0)
    return server


def kept(cache: Path) -> list[str]:
    """The cache's files that are weights or on their way to be."""
    return [p.name for p in sorted(cache.rglob("*")) if p.is_file() and not p.name.startswith(".")]


@pytest.mark.parametrize(("source", "path"), [(GITHUB, GITHUB_PATH), (HUB, HUB_PATH)])
def test_a_file_of_a_repository_comes_at_its_commit(
    server: FileServer, make_card: CardMaker, source: str, path: str
) -> None:
    server.files[path] = WEIGHTS
    assert ensure(make_card({"net.bin": (WEIGHTS, source)}))["net.bin"].read_bytes() == WEIGHTS


def test_a_cut_download_goes_on_where_it_stopped(server: FileServer, make_card: CardMaker) -> None:
    server.files[GITHUB_PATH] = WEIGHTS
    server.cut_after[GITHUB_PATH] = [300_000, 200_000]
    assert ensure(make_card({"net.bin": (WEIGHTS, GITHUB)}))["net.bin"].read_bytes() == WEIGHTS
    assert [h.get("range") for h in server.asked(GITHUB_PATH)] == [None, "bytes=300000-", "bytes=500000-"]


def test_the_next_run_goes_on_with_what_the_last_one_got(
    cache: Path, server: FileServer, make_card: CardMaker
) -> None:
    server.files[GITHUB_PATH] = WEIGHTS
    server.cut_after[GITHUB_PATH] = [1000, 0, 0, 0]
    card = make_card({"net.bin": (WEIGHTS, GITHUB)})
    with pytest.raises(WeightsMissingError, match=r"1,000 of 1,024,000 bytes"):
        ensure(card)
    assert kept(cache) == [f"{sha256(WEIGHTS)}.part"]
    assert ensure(card)["net.bin"].read_bytes() == WEIGHTS
    assert server.asked(GITHUB_PATH)[-1]["range"] == "bytes=1000-"
    assert kept(cache) == ["net.bin"]


def test_a_server_without_ranges_is_asked_from_the_start(server: FileServer, make_card: CardMaker) -> None:
    server.files[GITHUB_PATH] = WEIGHTS
    server.cut_after[GITHUB_PATH] = [5000]
    server.ranges = False
    assert ensure(make_card({"net.bin": (WEIGHTS, GITHUB)}))["net.bin"].read_bytes() == WEIGHTS


def test_a_wrong_file_of_a_repository_is_refused_and_not_resumed(
    cache: Path, server: FileServer, make_card: CardMaker
) -> None:
    server.files[GITHUB_PATH] = WEIGHTS[::-1]
    card = make_card({"net.bin": (WEIGHTS, GITHUB)})
    with pytest.raises(WeightsCorruptError) as raised:
        ensure(card)
    assert sha256(WEIGHTS) in str(raised.value)
    assert sha256(WEIGHTS[::-1]) in str(raised.value)
    assert kept(cache) == []
    server.files[GITHUB_PATH] = WEIGHTS
    assert ensure(card)["net.bin"].read_bytes() == WEIGHTS


def test_a_server_that_sends_too_much_is_refused(
    cache: Path, server: FileServer, make_card: CardMaker
) -> None:
    server.files[GITHUB_PATH] = WEIGHTS + b"more"
    with pytest.raises(WeightsCorruptError, match="more than the card's 1,024,000 bytes"):
        ensure(make_card({"net.bin": (WEIGHTS, GITHUB)}))
    assert kept(cache) == []


def test_a_file_that_is_gone_is_one_line_and_not_asked_again(
    server: FileServer, make_card: CardMaker
) -> None:
    with pytest.raises(WeightsMissingError, match="the server says 404") as raised:
        ensure(make_card({"net.bin": (WEIGHTS, GITHUB)}))
    assert "\n" not in str(raised.value)
    assert len(server.asked(GITHUB_PATH)) == 1


def test_a_token_opens_the_hub_and_is_not_handed_on(
    server: FileServer, make_card: CardMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    server.redirects[HUB_PATH] = f"{server.url}/elsewhere"
    server.files["/elsewhere"] = WEIGHTS
    ensure(make_card({"net.bin": (WEIGHTS, HUB)}))
    assert server.asked(HUB_PATH)[0]["authorization"] == "Bearer secret"
    assert "authorization" not in server.asked("/elsewhere")[0]


def test_a_mirror_is_asked_before_the_source(
    server: FileServer, make_card: CardMaker, tmp_path: Path
) -> None:
    where = tmp_path / "mirror" / "any" / "folder"
    where.mkdir(parents=True)
    (where / "net.bin").write_bytes(WEIGHTS)
    (where.parent / "net.bin").write_bytes(b"another model's file of that name")
    path = ensure(make_card({"net.bin": (WEIGHTS, GITHUB)}), mirror=tmp_path / "mirror")["net.bin"]
    assert path.read_bytes() == WEIGHTS
    assert not path.is_relative_to(tmp_path / "mirror")
    assert server.seen == []


def test_the_environment_can_name_the_mirror(
    server: FileServer, make_card: CardMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "net.bin").write_bytes(WEIGHTS)
    monkeypatch.setenv("HIVESCAN_MIRROR", str(tmp_path / "mirror"))
    ensure(make_card({"net.bin": (WEIGHTS, GITHUB)}))
    assert server.seen == []


def test_a_mirror_may_hold_whole_packages(make_card: CardMaker, tmp_path: Path) -> None:
    _, archive = wheel("toy-weights", "1.0", {"toy/net.bin": WEIGHTS})
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "renamed.whl").write_bytes(archive)
    source = (
        '{ kind = "pypi", package = "toy-weights", version = "1.0", member = "toy/net.bin",'
        f' archive_sha256 = "{sha256(archive)}", archive_size = {len(archive)} }}'
    )
    card = make_card({"net.bin": (WEIGHTS, source)})
    assert ensure(card, mirror=tmp_path / "mirror")["net.bin"].read_bytes() == WEIGHTS


def test_a_wrong_file_in_the_mirror_is_named_when_the_source_does_not_help(
    cache: Path, make_card: CardMaker, tmp_path: Path
) -> None:
    (tmp_path / "net.bin").write_bytes(WEIGHTS[::-1])
    with pytest.raises(WeightsCorruptError) as raised:
        ensure(make_card({"net.bin": (WEIGHTS, GITHUB)}), mirror=tmp_path)
    for part in (str(tmp_path / "net.bin"), sha256(WEIGHTS), sha256(WEIGHTS[::-1])):
        assert part in str(raised.value)
    assert kept(cache) == []


def test_a_mirror_that_is_no_folder_is_said(make_card: CardMaker, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the mirror is not a folder"):
        ensure(make_card({"net.bin": (WEIGHTS, GITHUB)}), mirror=tmp_path / "nowhere")


def test_real_weights_come_from_the_shared_mirror(
    server: FileServer, make_card: CardMaker, shared: Path
) -> None:
    mirror = shared / "weights"
    data = (mirror / "yunet" / "yunet_n_640_640.onnx").read_bytes()
    card = make_card({"yunet_n_640_640.onnx": (data, GITHUB)})
    assert ensure(card, mirror=mirror)["yunet_n_640_640.onnx"].read_bytes() == data
    assert server.seen == []


def test_a_local_file_stays_where_it_is(make_card: CardMaker) -> None:
    folder = make_card.folder / "toy"
    folder.mkdir(parents=True)
    (folder / "head.safetensors").write_bytes(WEIGHTS)
    source = '{ kind = "local", path = "head.safetensors" }'
    card = make_card({"head.safetensors": (WEIGHTS, source)})
    assert ensure(card) == {"head.safetensors": folder / "head.safetensors"}
    (folder / "head.safetensors").write_bytes(WEIGHTS[::-1])
    with pytest.raises(WeightsCorruptError, match="the card says"):
        ensure(card)
    (folder / "head.safetensors").unlink()
    assert "does not exist" in str(obstacle(card))
    with pytest.raises(WeightsMissingError, match="does not exist"):
        ensure(card)


def test_a_changed_file_in_the_cache_is_fetched_again(server: FileServer, make_card: CardMaker) -> None:
    server.files[GITHUB_PATH] = WEIGHTS
    card = make_card({"net.bin": (WEIGHTS, GITHUB)})
    path = ensure(card)["net.bin"]
    path.write_bytes(WEIGHTS[::-1])
    os.utime(path, (1, 1))
    assert ensure(card)["net.bin"].read_bytes() == WEIGHTS
    assert len(server.asked(GITHUB_PATH)) == 2


def test_an_unchanged_file_is_not_hashed_again(
    server: FileServer, make_card: CardMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files[GITHUB_PATH] = WEIGHTS
    card = make_card({"net.bin": (WEIGHTS, GITHUB)})
    ensure(card)

    def never(path: Path) -> str:
        raise AssertionError(f"{path} was hashed")

    monkeypatch.setattr("hivescan.models.cache.sha256_of", never)
    ensure(card)


def test_a_file_put_into_the_cache_by_hand_is_hashed_once(cache: Path, make_card: CardMaker) -> None:
    card = make_card({"net.bin": (WEIGHTS, GITHUB)})
    path = cache / "toy" / sha256(WEIGHTS)[:16] / "net.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(WEIGHTS)
    assert ensure(card) == {"net.bin": path}


DERIVED = (
    '\n[[derived]]\nname = "net.onnx"\nconversion = "double"\nrevision = {revision}\ninputs = ["net.bin"]\n'
)


def test_a_conversion_is_made_once_for_each_revision(
    server: FileServer, make_card: CardMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files[GITHUB_PATH] = WEIGHTS
    calls = []

    def double(conversion: str, inputs: Mapping[str, Path], target: Path) -> None:
        calls.append((conversion, list(inputs)))
        target.write_bytes(inputs["net.bin"].read_bytes() * 2)

    monkeypatch.setattr("hivescan.models.convert.convert", double)
    card = make_card({"net.bin": (WEIGHTS, GITHUB)}, more=DERIVED.format(revision=1))
    first = ensure(card)["net.onnx"]
    assert first.read_bytes() == WEIGHTS * 2
    ensure(card)
    assert calls == [("double", ["net.bin"])]
    later = make_card({"net.bin": (WEIGHTS, GITHUB)}, more=DERIVED.format(revision=2))
    assert ensure(later)["net.onnx"] != first
    assert len(calls) == 2
    assert len(server.asked(GITHUB_PATH)) == 1


def test_a_conversion_that_fails_leaves_nothing(
    cache: Path, server: FileServer, make_card: CardMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files[GITHUB_PATH] = WEIGHTS

    def half(conversion: str, inputs: Mapping[str, Path], target: Path) -> None:
        target.write_bytes(b"half")
        raise ValueError("no such layer")

    monkeypatch.setattr("hivescan.models.convert.convert", half)
    with pytest.raises(ValueError, match="no such layer"):
        ensure(make_card({"net.bin": (WEIGHTS, GITHUB)}, more=DERIVED.format(revision=1)))
    assert kept(cache) == ["net.bin"]


def test_a_full_disk_is_one_line_and_leaves_nothing_whole(
    cache: Path, server: FileServer, make_card: CardMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files[GITHUB_PATH] = WEIGHTS

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hivescan.models.fetch.settle", full)
    with pytest.raises(CatalogueError, match="No space left on device; HIVESCAN_WEIGHTS"):
        ensure(make_card({"net.bin": (WEIGHTS, GITHUB)}))
    assert kept(cache) == [f"{sha256(WEIGHTS)}.part"]


def test_a_licence_is_agreed_to_before_anything_is_fetched(server: FileServer, make_card: CardMaker) -> None:
    server.files[GITHUB_PATH] = WEIGHTS
    card = make_card({"net.bin": (WEIGHTS, GITHUB)}, must_accept=True)
    assert "was not agreed to" in str(obstacle(card))
    with pytest.raises(LicenceNotAcceptedError, match=r"CC0-1\.0"):
        ensure(card)
    assert server.seen == []
    accept(card)
    assert obstacle(card) is None
    assert ensure(card)["net.bin"].read_bytes() == WEIGHTS


def test_an_agreement_holds_for_the_licence_as_it_read(server: FileServer, make_card: CardMaker) -> None:
    accept(make_card({"net.bin": (WEIGHTS, GITHUB)}, must_accept=True))
    path = make_card.folder / "toy" / "card.toml"
    path.write_text(path.read_text().replace("Nobody's.", "Somebody's."))
    with pytest.raises(LicenceNotAcceptedError):
        ensure(read_card(path))


FETCH = """
import pathlib, sys
from hivescan.models.cards import read_card
from hivescan.models.fetch import ensure
ensure(read_card(pathlib.Path(sys.argv[1])))
"""


def fetcher(card: Card) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-W", "error", "-c", FETCH, str(card.folder / "card.toml")])


def test_two_processes_fetch_a_file_once(server: FileServer, make_card: CardMaker) -> None:
    server.files[GITHUB_PATH] = WEIGHTS
    server.stalled.add(GITHUB_PATH)
    card = make_card({"net.bin": (WEIGHTS, GITHUB)})
    with fetcher(card) as first, fetcher(card) as second:
        wait_until(lambda: len(server.seen) >= 1)
        time.sleep(0.3)
        server.stall.set()
        assert (first.wait(60), second.wait(60)) == (0, 0)
    assert len(server.asked(GITHUB_PATH)) == 1


def test_a_killed_fetch_leaves_nothing_whole_and_the_next_goes_on(
    cache: Path, server: FileServer, make_card: CardMaker
) -> None:
    server.files[GITHUB_PATH] = WEIGHTS
    server.stalled.add(GITHUB_PATH)
    card = make_card({"net.bin": (WEIGHTS, GITHUB)})
    part = cache / "toy" / ".partial" / f"{sha256(WEIGHTS)}.part"
    with fetcher(card) as process:
        wait_until(lambda: part.exists() and part.stat().st_size > 0)
        process.send_signal(signal.SIGKILL)
    assert kept(cache) == [part.name]
    server.stalled.clear()
    server.stall.set()
    assert ensure(card)["net.bin"].read_bytes() == WEIGHTS
    assert server.asked(GITHUB_PATH)[-1]["range"].startswith("bytes=")
    assert not part.parent.exists()


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it never came")
