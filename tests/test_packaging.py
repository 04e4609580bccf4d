"""What a user installs: the wheel, a quick command line, help everywhere, notices for all that is used."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup
from typer.testing import CliRunner

from hivescan.cli.main import app
from tests.conftest import REPOSITORY

HEAVY = (
    "torch",
    "numpy",
    "pyarrow",
    "duckdb",
    "av",
    "PIL",
    "onnxruntime",
    "onnx",
    "transformers",
    "timm",
    "decord",
)
MODULES_AFTER = """
import sys
from hivescan.cli.main import main
sys.argv = ["hivescan", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("modules:", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def commands() -> dict[str, TyperCommand | TyperGroup]:
    """Every command and group by the words that call it; the root is the empty string."""

    def below(words: str, command: object) -> Iterator[tuple[str, TyperCommand | TyperGroup]]:
        assert isinstance(command, TyperCommand | TyperGroup)
        yield words, command
        if isinstance(command, TyperGroup):
            for name, sub in command.commands.items():
                yield from below(f"{words} {name}".strip(), sub)

    return dict(below("", typer.main.get_command(app)))


@pytest.mark.parametrize("words", sorted(commands()))
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_has_help(words: str, option: str) -> None:
    shown = CliRunner().invoke(app, [*words.split(), option])
    assert shown.exit_code == 0
    assert f"Usage: hivescan {words}".strip() in " ".join(shown.output.split())


def test_every_command_and_option_says_what_it_is_for() -> None:
    for words, command in commands().items():
        assert command.help, words
        for parameter in command.params:
            is_named_by_itself = parameter.param_type_name == "argument"
            assert is_named_by_itself or getattr(parameter, "help", None), f"{words} {parameter.name}"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["classify", "-h"], ["models", "pull", "-h"]]
)
def test_help_loads_no_heavy_library(arguments: list[str]) -> None:
    run = [sys.executable, "-c", MODULES_AFTER, *arguments]
    ended = subprocess.run(run, capture_output=True, text=True, check=True, timeout=120)
    loaded = set(ended.stdout.rpartition("modules:")[2].split())
    assert "hivescan" in loaded
    assert loaded.isdisjoint(HEAVY)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    target = tmp_path_factory.mktemp("wheel")
    here = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") is not None else []
    run = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        *here,
        "--wheel-dir",
        str(target),
        ".",
    ]
    ended = subprocess.run(run, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=280)
    assert ended.returncode == 0, ended.stderr
    (built,) = target.glob("*.whl")
    return zipfile.Path(built)


@pytest.mark.slow
def test_the_wheel_holds_the_package_the_model_cards_and_nothing_foreign(wheel: zipfile.Path) -> None:
    names = [name for name in wheel.root.namelist() if not name.endswith("/")]
    assert "hivescan/py.typed" in names
    assert "hivescan/cli/main.py" in names
    assert "hivescan/audit/example.toml" in names
    cards = {
        f"hivescan/_weights/{card.parent.name}/card.toml" for card in REPOSITORY.glob("weights/*/card.toml")
    }
    assert cards
    assert cards <= set(names)
    foreign = [n for n in names if not re.match(r"hivescan/|hivescan-[\d.]+\.dist-info/", n)]
    assert not foreign
    kinds = {".py", ".typed", ".toml", ".txt", ".md", ".safetensors", ".onnx", ".csv"}
    page = {
        f"hivescan/automl/evaluation/page/{n}" for n in ("figures.js", "page.css", "page.html", "page.js")
    }
    assert page <= set(names)
    assert not [n for n in set(names) - page if n.startswith("hivescan/") and Path(n).suffix not in kinds]


@pytest.mark.slow
def test_the_wheel_carries_its_licence_its_notice_and_its_command(wheel: zipfile.Path) -> None:
    names = wheel.root.namelist()
    (licence,) = [n for n in names if n.endswith("licenses/LICENSE")]
    assert "Apache License" in wheel.root.read(licence).decode()
    assert any(n.endswith("licenses/NOTICE") for n in names)
    (entries,) = [n for n in names if n.endswith("entry_points.txt")]
    assert "hivescan = hivescan.__main__:main" in wheel.root.read(entries).decode()


@pytest.mark.slow
def test_the_wheels_own_cards_are_read_where_there_is_no_repository(
    wheel: zipfile.Path, tmp_path: Path
) -> None:
    wheel.root.extractall(tmp_path)
    listed = "from hivescan.models.cards import load_cards; print(*load_cards())"
    run = [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {listed}"]
    ended = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120)
    assert set(ended.stdout.split()) == {card.parent.name for card in REPOSITORY.glob("weights/*/card.toml")}


def test_every_models_licence_is_among_the_third_party_notices() -> None:
    notices = (REPOSITORY / "THIRD_PARTY.md").read_text()
    rows = {row.split(":")[0].removeprefix("| "): row for row in notices.splitlines() if row.startswith("| ")}
    for path in REPOSITORY.glob("weights/*/card.toml"):
        card = tomllib.loads(path.read_text())
        licence = card["licence"]
        assert f"[{licence['spdx']}]({licence['url']})" in rows[card["name"]]
        for file in card["files"]:
            source = file["source"]
            assert source.get("package", source.get("repository", "")) in rows[card["name"]]


def test_every_library_that_is_required_is_among_the_third_party_notices() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    notices = (REPOSITORY / "THIRD_PARTY.md").read_text()
    extras = [line for extra in project["optional-dependencies"].values() for line in extra]
    for requirement in (*project["dependencies"], *extras):
        name = re.split(r"[^\w-]", requirement)[0]
        assert name == "hivescan" or re.search(rf"\b{re.escape(name)}\b", notices), name
