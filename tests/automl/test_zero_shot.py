"""Heads from words, on a tiny CLIP made here: every figure has transformers itself as its oracle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hivescan.analyzers import registry
from hivescan.automl.deploy import deploy
from hivescan.automl.heads.zero_shot import zero_shot
from hivescan.automl.trained import open_model
from hivescan.cli.main import app
from hivescan.errors import CatalogueError, UsageError
from hivescan.models.cards import find_card, models_folder
from hivescan.models.field import field_heads
from hivescan.models.head_states import State, head_states
from hivescan.models.hub_folder import adopt_folder
from hivescan.models.network import open_network
from hivescan.models.preprocess import to_input
from hivescan.models.prompts import read_prompts
from hivescan.models.torchvision_remedy import import_torchvision

WORDS = ("a", "photo", "of", "gun", "cat", "dog", "toy", ".")
PROMPTS = """
templates = ["a photo of {}", "{}"]
[heads.thing]
group = "custom"
classes = [{ label = "gun", polarity = "harmful" }, { label = "pet", polarity = "benign" }]
gun = ["gun", "toy gun"]
pet = ["cat", "dog"]
[heads.marijuana]
yes_marijuana = ["toy"]
no_marijuana = ["dog"]
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub's folder with both towers and a tokenizer."""
    import_torchvision()
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

    torch.manual_seed(2)
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    vocabulary = {"<pad>": 0, "<start>": 1, "<end>": 49, **{word: i + 3 for i, word in enumerate(WORDS)}}
    text = {"vocab_size": 50, "eos_token_id": 49, "bos_token_id": 1, "pad_token_id": 0}
    config = CLIPConfig(
        text_config={**small, **text, "max_position_embeddings": 12},
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=12,
    )
    folder = tmp_path_factory.mktemp("hub") / "tiny-clip"
    CLIPModel(config).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<end>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    marks = [("<start>", 1), ("<end>", 49)]
    tokenizer.post_processor = processors.TemplateProcessing(single="<start> $A <end>", special_tokens=marks)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>")
    fast.save_pretrained(folder)
    settings = {
        "do_resize": True, "size": {"shortest_edge": 32}, "do_center_crop": True,
        "crop_size": {"height": 32, "width": 32}, "resample": 3, "do_rescale": True,
        "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.25] * 3,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture
def prompts(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of prompts, in a home where the tiny CLIP is in the catalogue."""
    monkeypatch.setenv("HIVESCAN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HIVESCAN_MODELS", raising=False)
    adopt_folder(hub, "tiny_clip", models_folder())
    path = tmp_path / "prompts.toml"
    path.write_text(PROMPTS)
    return path


def pictures() -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)


def test_scores_are_those_that_transformers_gives(hub: Path, prompts: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    made = zero_shot("words", base="tiny_clip", folder=hub, prompts=prompts, heads=["marijuana"])
    card = find_card("tiny_clip")
    vectors = open_network(card).run({"tiny_clip": pictures()})["image_embeds"].astype(np.float16)
    got = made.probabilities(vectors)["marijuana"]

    model, tokenizer = AutoModel.from_pretrained(hub).eval(), AutoTokenizer.from_pretrained(hub)
    with torch.inference_mode():
        rows = []
        for word in ("toy", "dog"):
            batch = tokenizer([f"a photo of {word}", word], return_tensors="pt", padding=True)
            found = model.get_text_features(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
            )
            found = getattr(found, "pooler_output", found)
            rows.append((found / found.norm(dim=1, keepdim=True)).mean(dim=0))
        classes = torch.stack(rows)
        classes /= classes.norm(dim=1, keepdim=True)
        seen = model.get_image_features(pixel_values=torch.from_numpy(to_input(pictures(), card.input)))
        seen = getattr(seen, "pooler_output", seen)
        seen = seen / seen.norm(dim=1, keepdim=True)
        expected = (model.logit_scale.exp() * seen @ classes.T).softmax(dim=1).numpy()
    assert np.allclose(got, expected, atol=2e-3)
    assert np.ptp(got[:, 0]) > 0


def test_deployed_they_run_in_scans_and_say_that_nothing_was_measured(hub: Path, prompts: Path) -> None:
    zero_shot("words", base="tiny_clip", folder=hub, prompts=prompts)
    card = deploy("words")
    assert "not trained" in card.title
    assert not any(head.validated for head in card.heads)
    assert [head.group for head in card.heads] == ["custom", "drugs_and_vice"]
    found = registry.load("words").infer({"tiny_clip": pictures()})
    vectors = open_network(find_card("tiny_clip")).run({"tiny_clip": pictures()})["image_embeds"]
    expected = open_model("words").probabilities(vectors.astype(np.float16))
    for scores in found.scores:
        assert np.array_equal(scores.scores, expected[scores.head])
    (marijuana,) = [s for s in head_states(group="drugs_and_vice") if s.head.name == "marijuana"]
    assert marijuana.state is State.BACKED
    assert [(b.model, b.evidence) for b in marijuana.backings] == [("words", "unvalidated")]


def test_another_checkpoint_is_refused(hub: Path, prompts: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(hub, other)
    with (other / "model.safetensors").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(CatalogueError, match=r"is not that of model tiny_clip.*same checkpoint alone"):
        zero_shot("words", base="tiny_clip", folder=other, prompts=prompts)
    (other / "tokenizer.json").unlink()
    with pytest.raises(CatalogueError, match=r"has no tokenizer\.json"):
        zero_shot("words", base="tiny_clip", folder=other, prompts=prompts)


def test_a_head_that_the_file_lacks_is_refused(hub: Path, prompts: Path) -> None:
    with pytest.raises(UsageError, match="has no head 'gun'; it has thing, marijuana"):
        zero_shot("words", base="tiny_clip", folder=hub, prompts=prompts, heads=["gun"])


def test_a_prompt_that_is_too_long_is_named(hub: Path, prompts: Path) -> None:
    prompts.write_text(PROMPTS.replace('["toy"]', f'["{"toy " * 12}"]'))
    with pytest.raises(
        CatalogueError, match=r"takes 12 tokens, and the prompt 'a photo of toy toy .* has 17"
    ):
        zero_shot("words", base="tiny_clip", folder=hub, prompts=prompts)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "heads: is missing"),
        ('templates = ["a photo"]\n[heads]', "does not have {} once"),
        ("[heads]", "heads: is empty"),
        ('[heads.gun]\ngun_in_hand = ["x"]', "heads.gun.gun_not_in_hand: is missing"),
        ('[heads.marijuana]\nyes_marijuana = ["x"]', "heads.marijuana.no_marijuana: is missing"),
        ('[heads.gun]\ngun_in_hands = ["x"]', "heads.gun.gun_in_hand: is missing"),
        ('[heads.mine]\na = ["x"]', "heads.mine.classes: is missing"),
    ],
)
def test_a_wrong_file_of_prompts_names_file_and_key(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(CatalogueError, match=told):
        read_prompts(path)


def test_the_prompts_that_come_along_are_for_all_heads_of_pictures_but_child_safety() -> None:
    shipped = {head.name: head for head in read_prompts().heads}
    assert set(shipped) == {head.name for head in field_heads() if head.group != "text"} - {"child_safety"}
    for head in field_heads():
        if head.name in shipped:
            assert set(shipped[head.name].prompts) == set(head.labels)
            # CLIP takes 77 tokens; a word has seldom more than two.
            assert all(len(p.split()) < 30 for texts in shipped[head.name].prompts.values() for p in texts)


def test_the_commands_adopt_and_make(
    hub: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HIVESCAN_HOME", str(tmp_path / "another"))
    run = CliRunner()
    assert run.invoke(app, ["models", "adopt", str(hub), "--name", "clip"]).exit_code == 0
    taken = run.invoke(app, ["models", "adopt", str(hub), "--name", "clip"])
    assert isinstance(taken.exception, UsageError)
    words = ["zero-shot", "words", "--base", "clip", "--folder", str(hub), "--prompts", str(prompts)]
    made = run.invoke(app, [*words, "--head", "thing", "--json"])
    assert made.exit_code == 0
    assert (json.loads(made.stdout)["model"], json.loads(made.stdout)["heads"]) == ("words@1", ["thing"])
    said = run.invoke(app, words).stdout
    assert "words@2: thing, marijuana; unvalidated, nothing was measured" in said


def test_there_are_prompts_for_every_head_of_pictures_but_one() -> None:
    """Nothing may be gathered to test child_safety on."""
    of_pictures = {head.name for head in field_heads() if head.group != "text"}
    assert len(of_pictures) == 54
    assert of_pictures - {head.name for head in read_prompts().heads} == {"child_safety"}
