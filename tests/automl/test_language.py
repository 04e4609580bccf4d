"""Language models trained on the spot, from a network of two layers."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from hivescan.automl.language.base import find_base, load_base
from hivescan.automl.language.data import Columns, Example, Message
from hivescan.automl.language.models import generate, is_language_model, open_language_model, open_writer
from hivescan.automl.language.steps import foretell
from hivescan.automl.language.tokens import IGNORED, Encoder, logits_of_targets
from hivescan.automl.language.training import LanguageOptions, train_language
from hivescan.automl.progress import TrainingProgress
from hivescan.errors import DatasetError, TrainingError, UsageError
from tests.automl.made_networks import language_folder

QUICK = LanguageOptions(
    test_split=0.2,
    max_epochs=3,
    batch_size=4,
    learning_rate=2e-2,
    rank=8,
    max_tokens=64,
    seed=1,
    device="cpu",
    threads=1,
)


@pytest.fixture(autouse=True)
def _home(home: object) -> None:
    """Nothing of these tests is kept."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return language_folder(tmp_path_factory.mktemp("language") / "toy")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """The completion names the letter of the prompt."""
    path = tmp_path / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("prompt", "completion"))
        for number in range(40):
            letter = "abcd"[number % 4]
            writer.writerow((f"say {letter} {number}", f"({letter})"))
    return path


def options_of(folder: Path, **changes: Any) -> LanguageOptions:
    return replace(QUICK, base=str(folder), **changes)


def test_training_lowers_the_loss_on_rows_that_it_did_not_see(folder: Path, rows: Path) -> None:
    told: list[TrainingProgress] = []
    made = train_language("letters", rows, options_of(folder, max_epochs=12), told.append)
    before, after = made.metrics["before"], made.metrics["after"]
    assert after["loss"] < before["loss"] - 0.1
    assert after["token_accuracy"] > before["token_accuracy"] + 0.1
    assert before["examples"] == after["examples"] == made.data["test"] == 8
    assert made.data["train"] + made.data["validation"] == 32  # type: ignore[operator]
    assert len(made.history) == 12
    stages = {entry.stage for entry in told}
    assert "training" in stages
    assert open_language_model("letters") == made
    assert is_language_model("letters@1")


def test_what_is_exported_whole_and_as_an_adapter_answers_the_same(folder: Path, rows: Path) -> None:
    whole = train_language("whole", rows, options_of(folder, export="merged"))
    adapter = train_language("adapter", rows, options_of(folder, export="adapter"))
    assert sorted(p.name for p in (whole.folder / "model").iterdir() if p.suffix == ".safetensors") == [
        "model.safetensors"
    ]
    assert (adapter.folder / "adapter" / "adapter_model.safetensors").is_file()
    for prompt in ("say a 3", "say c 99"):
        answers = [generate(name, prompt, max_tokens=8, device="cpu") for name in ("whole", "adapter")]
        assert answers[0] == answers[1]


def test_a_whole_model_can_be_trained_further(folder: Path, rows: Path) -> None:
    first = train_language("letters", rows, options_of(folder))
    second = train_language("letters", rows, replace(QUICK, base="letters", max_epochs=1))
    assert second.reference == "letters@2"
    assert second.base == "letters@1"
    assert second.metrics["before"]["loss"] == pytest.approx(first.metrics["after"]["loss"], rel=0.05)


def test_an_adapter_on_another_base_is_refused(folder: Path, rows: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    for path in folder.iterdir():
        (base / path.name).write_bytes(path.read_bytes())
    train_language("letters", rows, options_of(base, export="adapter", max_epochs=1))
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"rope_theta": 5.0}))
    with pytest.raises(TrainingError, match="not the model it was trained from"):
        generate("letters", "say a")


class KilledError(BaseException):
    pass


@pytest.mark.parametrize("at", [3, 10])
def test_a_training_that_was_killed_ends_as_if_it_had_not_been(
    folder: Path, rows: Path, home: Path, at: int
) -> None:
    options = options_of(folder, export="adapter", max_epochs=2, checkpoint_every=1)
    whole = train_language("whole", rows, options)

    def kill(progress: TrainingProgress) -> None:
        if progress.stage == "training" and progress.step == at:
            raise KilledError

    steps: list[int] = []

    def watch(progress: TrainingProgress) -> None:
        assert progress.stage != "measuring the base on the test rows"  # that was kept
        if progress.stage == "training":
            steps.append(progress.step)

    with pytest.raises(KilledError):
        train_language("killed", rows, options, kill)
    resumed = train_language("killed", rows, options, watch)
    assert steps[0] == at
    assert resumed.metrics == whole.metrics
    files = [m.folder / "adapter" / "adapter_model.safetensors" for m in (resumed, whole)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert not list((home / "unfinished").iterdir())


def test_conversations_are_put_into_the_words_of_the_template(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [
        {
            "messages": [
                {"role": "system", "content": "Answer."},
                {"role": "user", "content": f"say {letter} {number}"},
                {"role": "assistant", "content": f"({letter})"},
            ]
        }
        for number, letter in enumerate("abcd" * 5)
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    made = train_language("talker", path, options_of(folder, kind="chat", max_epochs=1, max_tokens=128))
    assert made.metrics["after"]["loss"] < made.metrics["before"]["loss"]
    writer = open_writer("talker", device="cpu")
    assert isinstance(writer("say a 1", system="Answer.", max_tokens=4), str)
    model, tokenizer = load_base(find_base(str(folder)))
    tokens = Encoder(tokenizer, "chat").tokens(Example(1, (Message("user", "hi"),), "(a)"))
    assert tokenizer.decode(tokens.ids[: tokens.start]) == "<s>user\nhi</s>\n<s>assistant\n"
    assert tokenizer.decode(tokens.ids[tokens.start :]) == "(a)</s>"
    assert model.config.num_hidden_layers == 2


def test_the_loss_is_of_the_completion_alone(folder: Path) -> None:
    """Against a plain computation over each example alone, without filling."""
    model, tokenizer = load_base(find_base(str(folder)))
    encoder = Encoder(tokenizer, "text")
    examples = [
        encoder.tokens(Example(1, (Message("user", "a longer prompt than the other"),), "(b)")),
        encoder.tokens(Example(2, (Message("user", "short"),), "(another completion)")),
    ]
    found = foretell(model, encoder, examples, batch_size=2)
    losses, right, whole = [], 0, 0
    with torch.inference_mode():
        for example in examples:
            logits = model(torch.tensor([example.ids])).logits[0, example.start - 1 : -1]
            wanted = torch.tensor(example.ids[example.start :])
            losses.append(torch.nn.functional.cross_entropy(logits, wanted, reduction="none"))
            hits = logits.argmax(dim=1) == wanted
            right += int(hits.sum())
            whole += bool(hits.all())
    every = torch.cat(losses)
    assert found.tokens == len(every)
    assert found.loss == pytest.approx(every.mean().item(), rel=1e-4)
    assert found.token_accuracy == right / len(every)
    assert found.whole == whole / 2
    batch = encoder.batch(examples)
    assert logits_of_targets(model, batch).shape[:2] == batch.targets.shape
    assert (batch.targets != IGNORED).sum() == found.tokens


def test_rows_that_are_too_long_are_told(folder: Path, rows: Path) -> None:
    with rows.open("a", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerow(("x" * 80, "(a)"))
    with pytest.raises(DatasetError, match="has more than 64 tokens: row 41; raise --max-tokens"):
        train_language("letters", rows, options_of(folder))
    made = train_language("letters", rows, options_of(folder, on_invalid="drop", max_epochs=1))
    assert made.data["rows"] == 41
    assert sum(int(made.data[part]) for part in ("train", "validation", "test")) == 40  # type: ignore[call-overload]


def test_prompts_of_the_test_file_must_not_be_trained_on(folder: Path, rows: Path, tmp_path: Path) -> None:
    test = tmp_path / "test.csv"
    test.write_text("prompt,completion\nsay a 0,(a)\nsay d 100,(d)\n", encoding="utf-8")
    options = options_of(folder, test=test, max_epochs=1)
    with pytest.raises(DatasetError, match=r"asks what a row of .*test\.csv asks: row 1"):
        train_language("letters", rows, options)
    made = train_language("letters", rows, replace(options, on_invalid="drop"))
    assert made.data["test"] == 2
    assert int(made.data["train"]) + int(made.data["validation"]) == 39  # type: ignore[call-overload]


def test_other_columns_can_be_named(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("in,out\n" + "".join(f"say {n},({n})\n" for n in range(12)), encoding="utf-8")
    options = options_of(folder, columns=Columns("in", "out"), max_epochs=1)
    assert train_language("letters", path, options).data["rows"] == 12


def test_what_is_no_model_is_refused(folder: Path, rows: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a folder nor a language model"):
        train_language("letters", rows, replace(QUICK, base="nothing_like_it"))
    with pytest.raises(TrainingError, match=r"has no config.json"):
        train_language("letters", rows, replace(QUICK, base=str(tmp_path)))
    with pytest.raises(UsageError, match="may have only"):
        train_language("../letters", rows, options_of(folder))
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text("{}")
    (pickled / "pytorch_model.bin").write_bytes(b"\x80")
    with pytest.raises(TrainingError, match=r"has no .safetensors file"):
        train_language("letters", rows, replace(QUICK, base=str(pickled)))


def test_the_commands_train_and_answer(folder: Path, rows: Path) -> None:
    import typer

    from hivescan.cli import train_llm, try_model

    app = typer.Typer()
    train_llm.register(app)
    try_model.register(app)

    def run(*arguments: str) -> str:
        return CliRunner().invoke(app, list(arguments), catch_exceptions=False).stdout

    shown = run(
        *("train-llm", "letters", "--data", str(rows), "--base", str(folder), "--max-epochs", "1"),
        *("--batch-size", "4", "--test-split", "0.2", "--device", "cpu", "-q"),
    )
    assert [line.split()[0] for line in shown.splitlines()[1:3]] == ["before", "after"]
    assert "letters@1: 29 train, 3 validation, 8 test rows; merged" in shown
    answer = run("try", "letters", "say a 1", "--max-tokens", "5", "--device", "cpu")
    assert answer.rstrip("\n") == generate("letters", "say a 1", max_tokens=5, device="cpu").rstrip("\n")
    told = json.loads(run("try", "letters", "say b 1", "--max-tokens", "5", "--json"))
    assert told[0]["prompt"] == "say b 1"


@pytest.mark.slow
def test_the_small_model_of_the_catalogue_is_converted_and_learns(tmp_path: Path) -> None:
    from hivescan.models.cards import find_card
    from hivescan.models.fetch import obstacle

    if (reason := obstacle(find_card("smollm2_135m"))) is not None:
        pytest.skip(reason)
    model, tokenizer = load_base(find_base("smollm2_135m"))
    assert sum(p.numel() for p in model.parameters()) == 134_515_008
    encoder = Encoder(tokenizer, "chat")
    assert tokenizer.decode(encoder.prompt([Message("user", "Hi")])).endswith(
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    ids = torch.tensor([tokenizer("The capital of France is")["input_ids"]])
    with torch.inference_mode():
        said = model(ids).logits[0, -1].argmax().item()
    assert tokenizer.decode([said]).strip() == "Paris"
