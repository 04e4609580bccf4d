"""Networks that are trained further with their heads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load_file

from hivescan.automl.networks.augmentation import Augmentation
from hivescan.automl.networks.finetune import TuneOptions, fine_tune
from hivescan.automl.progress import TrainingProgress
from hivescan.errors import TrainingError
from hivescan.models.network import open_network, space_of
from hivescan.models.schema import Card
from hivescan.models.text_tower import open_text_tower
from tests.automl.made_datasets import text_items
from tests.automl.made_networks import coloured, picture_card, picture_items, text_card

HEADS = {"colour": ("cold", "warm"), "light": ("bright", "dark")}
QUICK = TuneOptions(
    max_epochs=2, early_stopping=None, batch_size=8, learning_rate=3e-3, threads=1, device="cpu", seed=3
)


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return picture_card(tmp_path_factory.mktemp("card"))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[pa.Table, pa.Table]:
    """Train and validation; half of the training items have no label for the second head."""
    folder = tmp_path_factory.mktemp("pictures")
    paths, colours, lights = coloured(folder, 32)
    half = [light if i < 16 else None for i, light in enumerate(lights)]
    train = picture_items(paths, {"colour": colours, "light": half})
    paths, colours, lights = coloured(folder, 12, seed=1)
    return train, picture_items(paths, {"colour": colours, "light": lights})


def test_a_network_learns_several_heads_and_is_run_like_any_other(
    card: Card, parts: tuple[pa.Table, pa.Table], tmp_path: Path
) -> None:
    told: list[TrainingProgress] = []
    options = replace(QUICK, max_epochs=12)
    tuned = fine_tune(
        *parts, HEADS, "image", card, options=options, checkpoint=tmp_path, on_progress=told.append
    )
    for head in HEADS:
        assert tuned.validation[head]["balanced_accuracy"] >= 0.9
        assert tuned.validation[head]["n"] == 12
    network = open_network(tuned.card)  # its golden outputs are checked
    assert tuned.card.backend.outputs == ("features",)
    assert space_of(tuned.card) != space_of(card)
    assert tuned.base.space == space_of(tuned.card)
    assert tuned.base.own
    vectors = tuned.vectors(parts[1], device="cpu")
    assert vectors.shape == (12, 256)
    assert network.backend.runtime == "timm"
    said = tuned.heads["colour"].probabilities(vectors).argmax(axis=1)
    assert [HEADS["colour"][i] for i in said] == parts[1].column("head:colour").to_pylist()
    training = [entry for entry in told if entry.stage == "training"]
    assert training[-1].step == training[-1].steps == 12 * 4
    assert training[-1].loss is not None
    assert training[-1].rate is not None
    assert tuned.history.best_epoch >= 1
    assert len(tuned.history.epochs) == 12


def test_the_backbone_can_be_copied_to_where_a_model_is_kept(
    card: Card, parts: tuple[pa.Table, pa.Table], tmp_path: Path
) -> None:
    tuned = fine_tune(*parts, HEADS, "image", card, options=QUICK, checkpoint=tmp_path / "work")
    target = tmp_path / "backbone"
    target.mkdir()
    tuned.write_backbone(target)
    assert sorted(path.name for path in (target / tuned.card.name).iterdir()) == [
        "card.toml",
        "weights.safetensors",
    ]


def test_the_same_seed_gives_the_same_network_and_another_seed_another(
    card: Card, parts: tuple[pa.Table, pa.Table], tmp_path: Path
) -> None:
    def train(name: str, seed: int) -> str:
        options = replace(QUICK, max_epochs=1, seed=seed)
        return fine_tune(*parts, HEADS, "image", card, options=options, checkpoint=tmp_path / name).card.name

    first = train("a", 3)
    assert train("b", 3) == first  # the name has the sha256 of the weights in it
    assert train("c", 4) != first


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", [2, 6])
def test_a_training_that_was_killed_ends_as_if_it_had_not_been(
    card: Card, parts: tuple[pa.Table, pa.Table], tmp_path: Path, at: int
) -> None:
    options = replace(QUICK, checkpoint_every=1)
    whole = fine_tune(*parts, HEADS, "image", card, options=options, checkpoint=tmp_path / "whole")
    steps: list[int] = []

    def kill(progress: TrainingProgress) -> None:
        if progress.stage == "training" and progress.step == at:
            raise Killed

    def watch(progress: TrainingProgress) -> None:
        if progress.stage == "training":
            steps.append(progress.step)

    place = tmp_path / "killed"
    with pytest.raises(Killed):
        fine_tune(*parts, HEADS, "image", card, options=options, checkpoint=place, on_progress=kill)
    resumed = fine_tune(*parts, HEADS, "image", card, options=options, checkpoint=place, on_progress=watch)
    assert steps[0] == at  # of the step in which it was killed nothing was kept
    assert resumed.card.name == whole.card.name
    assert resumed.history == whole.history
    for head in HEADS:
        ours, theirs = (t.heads[head].members[0][0] for t in (resumed, whole))
        assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_checkpoint_of_other_settings_is_not_gone_on_with(
    card: Card, parts: tuple[pa.Table, pa.Table], tmp_path: Path
) -> None:
    fine_tune(*parts, HEADS, "image", card, options=replace(QUICK, max_epochs=1), checkpoint=tmp_path)
    steps: list[int] = []
    fine_tune(
        *parts,
        HEADS,
        "image",
        card,
        options=replace(QUICK, max_epochs=1, learning_rate=1e-3),
        checkpoint=tmp_path,
        on_progress=lambda p: steps.append(p.step) if p.stage == "training" else None,
    )
    assert steps[0] == 1


def test_low_rank_training_changes_products_alone_and_is_merged(
    card: Card, parts: tuple[pa.Table, pa.Table], tmp_path: Path
) -> None:
    options = replace(QUICK, method="lora", max_epochs=12)
    tuned = fine_tune(*parts, HEADS, "image", card, options=options, checkpoint=tmp_path)
    before = load_file(card.folder / "toy.safetensors")
    after = load_file(tuned.card.folder / "weights.safetensors")
    assert set(after) <= set(before)  # the base's classifier is left out
    changed = {name for name in after if not np.array_equal(before[name], after[name])}
    assert changed
    assert all(before[name].shape[2:] == (1, 1) for name in changed)
    assert tuned.validation["colour"]["balanced_accuracy"] >= 0.9


def test_items_that_cannot_be_read_take_no_part_and_are_told(
    card: Card, parts: tuple[pa.Table, pa.Table], tmp_path: Path
) -> None:
    missing = picture_items([tmp_path / "gone.png"], {"colour": ["warm"], "light": ["dark"]})
    train = pa.concat_tables([parts[0], missing])
    tuned = fine_tune(
        train, parts[1], HEADS, "image", card, options=replace(QUICK, max_epochs=1), checkpoint=tmp_path
    )
    assert list(tuned.reasons["train"]) == [32]
    assert "No such file" in tuned.reasons["train"][32]


def test_training_ends_early_where_nothing_gets_better(
    card: Card, parts: tuple[pa.Table, pa.Table], tmp_path: Path
) -> None:
    options = replace(QUICK, max_epochs=8, early_stopping=1, learning_rate=1e-9)
    tuned = fine_tune(*parts, HEADS, "image", card, options=options, checkpoint=tmp_path)
    assert len(tuned.history.epochs) < 8


def test_the_epoch_is_chosen_by_the_measure_that_is_named(
    card: Card, parts: tuple[pa.Table, pa.Table], tmp_path: Path
) -> None:
    options = replace(QUICK, max_epochs=3, select_by="recall", select_label="warm")
    tuned = fine_tune(*parts, HEADS, "image", card, options=options, checkpoint=tmp_path)
    recalls = [row["recall"] for row in tuned.history.epochs]
    assert tuned.history.best_score == max(recalls)
    assert recalls[tuned.history.best_epoch - 1] == max(recalls)


def test_a_head_of_one_class_is_refused(card: Card, tmp_path: Path) -> None:
    paths, colours, _ = coloured(tmp_path, 8)
    items = picture_items(paths, {"colour": ["warm" if c == "warm" else None for c in colours]})
    with pytest.raises(TrainingError, match="there are: warm"):
        fine_tune(
            items, items, {"colour": HEADS["colour"]}, "image", card, options=QUICK, checkpoint=tmp_path
        )


def test_a_quantised_network_is_refused_with_what_to_do(tmp_path: Path) -> None:
    from hivescan.models.cards import find_card

    paths, colours, _ = coloured(tmp_path, 8)
    items = picture_items(paths, {"colour": colours})
    with pytest.raises(TrainingError, match="train a head on its vectors"):
        fine_tune(
            items,
            items,
            {"colour": HEADS["colour"]},
            "image",
            find_card("clip_vit_b16_int8"),
            options=QUICK,
            checkpoint=tmp_path,
        )


def test_a_tower_of_texts_learns_too(tmp_path: Path) -> None:
    card = text_card(tmp_path / "card")
    good, bad, things = ("good", "fine", "great"), ("bad", "poor", "awful"), ("film", "meal", "day", "trip")
    texts = [f"the {thing} was very {word}" for word in (*good, *bad) for thing in things]
    labels = ["yes" if any(word in text for word in good) else "no" for text in texts]
    items = text_items(texts, {"liked": labels})
    options = replace(QUICK, max_epochs=8, learning_rate=1e-2)
    tuned = fine_tune(
        items, items, {"liked": ("no", "yes")}, "text", card, options=options, checkpoint=tmp_path / "work"
    )
    assert tuned.validation["liked"]["balanced_accuracy"] >= 0.95
    tower = open_text_tower(tuned.card)  # its golden outputs are checked
    vectors = tower.vectors(texts).astype(np.float16)
    assert np.array_equal(vectors, tuned.vectors(items, device="cpu"))
    lora = fine_tune(
        items,
        items,
        {"liked": ("no", "yes")},
        "text",
        card,
        options=replace(options, method="lora", max_epochs=24),
        checkpoint=tmp_path / "lora",
    )
    assert lora.validation["liked"]["balanced_accuracy"] >= 0.9


def test_without_augmentation_pictures_are_seen_as_a_scan_sees_them(
    card: Card, parts: tuple[pa.Table, pa.Table]
) -> None:
    from hivescan.automl.networks.readers import PictureReader

    uris = parts[0].column("uri").to_pylist()
    plain = PictureReader(uris, card, Augmentation(False, False, False))
    varied = PictureReader(uris, card, Augmentation())

    def draw(row: int) -> np.random.Generator:
        return np.random.default_rng(row)

    first, _ = plain.read([0, 1], draw)
    assert np.array_equal(first.numpy(), varied.read([0, 1], None)[0].numpy())
    once, again = varied.read([0, 1], draw)[0], varied.read([0, 1], draw)[0]
    assert np.array_equal(once.numpy(), again.numpy())
    assert not np.array_equal(once.numpy(), first.numpy())


KILLED = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
import pyarrow.parquet as pq
from hivescan.automl.networks.finetune import fine_tune
from hivescan.models.cards import read_card
from tests.automl.test_finetune import HEADS, QUICK

def kill(progress):
    if progress.stage == "training" and progress.step == 5:
        os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
fine_tune(
    pq.read_table(folder / "train.parquet"),
    pq.read_table(folder / "validation.parquet"),
    HEADS,
    "image",
    read_card(Path(sys.argv[2])),
    options=replace(QUICK, checkpoint_every=2),
    checkpoint=folder / "killed",
    on_progress=kill,
)
"""


@pytest.mark.slow
def test_after_kill_9_the_result_is_that_of_an_undisturbed_training(
    card: Card, parts: tuple[pa.Table, pa.Table], tmp_path: Path
) -> None:
    import signal
    import subprocess
    import sys

    import pyarrow.parquet as pq

    for name, part in zip(("train", "validation"), parts, strict=True):
        pq.write_table(part, tmp_path / f"{name}.parquet")
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(card.folder / "card.toml")]
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run(command, cwd=root, check=False).returncode == -signal.SIGKILL
    steps: list[int] = []
    options = replace(QUICK, checkpoint_every=2)
    resumed = fine_tune(
        *parts,
        HEADS,
        "image",
        card,
        options=options,
        checkpoint=tmp_path / "killed",
        on_progress=lambda p: steps.append(p.step) if p.stage == "training" else None,
    )
    whole = fine_tune(*parts, HEADS, "image", card, options=options, checkpoint=tmp_path / "whole")
    assert steps[0] == 5  # four steps were kept
    assert resumed.card.name == whole.card.name
    assert resumed.history == whole.history


@pytest.mark.slow
def test_the_fast_backbone_of_the_catalogue_is_trained(tmp_path: Path) -> None:
    from hivescan.models.cards import find_card
    from hivescan.models.fetch import obstacle

    card = find_card("efficientnet_lite2")
    if (reason := obstacle(card)) is not None:
        pytest.skip(reason)
    paths, colours, _ = coloured(tmp_path / "pictures", 16)
    items = picture_items(paths, {"colour": colours})
    heads = {"colour": HEADS["colour"]}
    for method in ("finetune", "lora"):
        options = replace(QUICK, method=method, max_epochs=1, learning_rate=None)  # type: ignore[arg-type]
        tuned = fine_tune(items, items, heads, "image", card, options=options, checkpoint=tmp_path / method)
        assert tuned.card.embedding is not None
        assert tuned.card.embedding.dimensions == 1280
        assert tuned.validation["colour"]["n"] == 16
