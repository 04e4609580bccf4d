"""The command line as a whole: one line an error, exit codes, defaults from a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hivescan.cli import main as command_line
from hivescan.store.store import open_store


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["hivescan", *words])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["clasify"], "classify"),
        (["classify", "--profil", "fast", "x"], "see `hivescan classify -h`"),
        (["classify", "x", "--fps", "0"], "--fps takes 0.01 or more, not '0'; see `hivescan classify -h`"),
        (["classify", "x", "--fps", "fast"], "--fps takes a number, not 'fast'"),
        (["items", "--limit", "x"], "--limit takes a whole number, not 'x'; see `hivescan items -h`"),
        (["classify", "x", "--worker-memory", "9"], "--worker-memory takes 536870912 or more, not '9'"),
        (["classify", "x", "--analyzers", "hashes,,nsfw"], "'hashes,,nsfw' has an empty name"),
        (["classify", "x", "--analyzers", " "], "' ' has an empty name"),
        (["distill", "small", "--teachers", "a,", "--data", "."], "'a,' has an empty name"),
        (["sweep"], "--head"),
        (["store", "export"], "TARGET"),
        (["classify"], "nothing to scan"),
        (["report", "--store", "nowhere"], "there is no store at"),
    ],
)
def test_a_wrong_command_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    words: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("hivescan: ")
    assert error.count("\n") == 1
    assert told in error


@pytest.mark.parametrize("words", [[], ["store"], ["known"], ["models"]])
def test_a_command_without_its_word_shows_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert run(monkeypatch, *words) == 2
    assert "Usage: hivescan" in capsys.readouterr().err


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return open_store(tmp_path / "store", create=True).path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[report]\nlimt = 1", "[report] limt: no such option"),
        ("[reprt]", "[reprt] is no command"),
        ('[report]\nlimit = "many"', "[report] limit: takes a whole number, not 'many'"),
        ("[report]\nlimit = [1]", "takes one value, not a list"),
        ('[report]\nstrict = "yes"', "neither true nor false"),
        ("[report]\naggregate = true", "takes a value, not true"),
        ("colour = 1", "'colour' is neither"),
        ("limit = ", "Invalid value"),
    ],
)
def test_a_wrong_config_names_the_file_and_the_key(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    text: str,
    told: str,
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(text)
    assert run(monkeypatch, "--config", str(config), "report") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith(f"hivescan: {config}: ")
    assert told in error


def test_a_config_gives_defaults_that_options_override(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, store: Path
) -> None:
    config = tmp_path / "c.toml"
    # One value where several may be given, and a number where text is read:
    config.write_text(f'store = "{store}"\n[report]\nthreshold = 2\nhead = "nsfw"\n[items]\nlimit = 3')
    assert run(monkeypatch, "--config", str(config), "items") == 0
    assert run(monkeypatch, "--config", str(config), "report") == 2
    assert "--threshold '2'" in capsys.readouterr().err
    assert run(monkeypatch, "--config", str(config), "store", "info") == 0
    assert run(monkeypatch, "--config", str(config), "items", "--store", str(tmp_path / "other")) == 2


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), RuntimeError("Query interrupted")])
def test_an_interrupted_command_says_so(
    raised: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """DuckDB has words of its own for Ctrl-C."""

    def interrupted(path: Path) -> None:
        raise raised

    monkeypatch.setattr("hivescan.matching.known.check_known", interrupted)
    assert run(monkeypatch, "known", "check", "known.parquet") == 130
    assert capsys.readouterr().err == "hivescan: interrupted\n"


def test_a_reader_that_leaves_early_is_no_error(store: Path) -> None:
    code = "from hivescan.cli.main import main; main()"
    sql = "SELECT * FROM range(200000)"
    words = [sys.executable, "-c", code, "query", sql, "--format", "csv", "--store", str(store)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        started.stdout.read(10)
        started.stdout.close()
        assert started.wait(60) == 0
        assert started.stderr.read() == b""


def test_arrow_keeps_no_memory_that_was_freed() -> None:
    """Its own pool would keep 8 MB from the first commit of a scan on; it is chosen as Arrow is loaded."""
    code = """if True:
        import sys
        from hivescan.cli.main import main
        sys.argv = ["hivescan", "--version"]
        try:
            main()
        except SystemExit:
            import pyarrow
            print(pyarrow.default_memory_pool().backend_name)
    """
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split()[-1] == "system"
