"""Whisper for CTranslate2 in a folder of its own: any size becomes an analyzer."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hivescan.analyzers import registry
from hivescan.cli.main import app
from hivescan.errors import CatalogueError
from hivescan.models.cards import find_card, models_folder
from hivescan.models.speech_folder import adopt_speech_folder
from hivescan.types import Level

FILES = ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HIVESCAN_MODELS", str(tmp_path / "own"))
    made = tmp_path / "faster-whisper-tiny"
    made.mkdir()
    for name in FILES:
        (made / name).write_bytes(name.encode())
    return made


def test_an_adopted_size_is_an_analyzer_of_its_own(folder: Path) -> None:
    done = CliRunner().invoke(app, ["models", "adopt", str(folder), "--name", "tiny_ears"])
    assert done.exit_code == 0 and "--analyzers tiny_ears" in done.stdout
    card = find_card("tiny_ears")
    assert {file.name for file in card.files} == set(FILES) and card.speech is not None
    spec = registry.available()["tiny_ears"]
    assert (spec.name, spec.level, spec.derives) == ("tiny_ears", Level.UTTERANCE, Level.PASSAGE)
    assert registry.missing("tiny_ears") is None
    usual = registry.available()["speech"]
    assert spec.fingerprint(None) != usual.fingerprint(None)
    (folder / "model.bin").write_bytes(b"another")
    assert "the sha256 is" in (registry.missing("tiny_ears") or "")


def test_weights_that_are_no_model_are_one_clear_line(folder: Path) -> None:
    adopt_speech_folder(folder, "broken", models_folder())
    with pytest.raises(CatalogueError, match="model broken: cannot be opened by CTranslate2"):
        registry.load("broken")


@pytest.mark.parametrize(
    ("absent", "words"), [("tokenizer.json", "has no tokenizer.json"), ("vocabulary.txt", "has neither")]
)
def test_a_folder_that_lacks_a_file_is_refused(folder: Path, absent: str, words: str) -> None:
    (folder / absent).unlink()
    with pytest.raises(CatalogueError, match=words):
        adopt_speech_folder(folder, "lacking", models_folder())


def test_an_analyzers_own_name_is_not_to_be_had(folder: Path) -> None:
    adopt_speech_folder(folder, "speech", models_folder())
    with pytest.raises(CatalogueError, match="the name is taken by an analyzer"):
        registry.available()


def test_large_models_are_fetched_by_name_only() -> None:
    from hivescan.cli.models import _chosen

    everything = {card.name for card in _chosen([], None, True)}
    assert "whisper_base" in everything and not {"whisper_small", "whisper_large_v3"} & everything
    assert {"whisper_small"} == {card.name for card in _chosen(["whisper_small"], None, False)}
