"""From a trained model to scores: deployed, scanned with, scored from stored vectors, and taken back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import hivescan
from hivescan.analyzers import registry
from hivescan.automl.deploy import deploy, deployed_version, history, undeploy
from hivescan.automl.trained import open_model
from hivescan.cli.main import app
from hivescan.errors import CatalogueError, RunInterruptedError, TrainingError, UnknownModelError, UsageError
from hivescan.models.backends.base import Placement
from hivescan.models.cards import find_card, load_cards, models_folder
from hivescan.models.network import Networks
from hivescan.scan.config import ScanConfig
from hivescan.scan.rescore import rescore
from hivescan.scan.run import run_scan
from hivescan.store.store import Store, open_store
from hivescan.types import Sampling
from tests.automl.made_models import NETWORK, made_head, made_model


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HIVESCAN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HIVESCAN_MODELS", raising=False)
    return tmp_path / "home"


@pytest.fixture
def media(tmp_path: Path, photos: Path, data: Path) -> Path:
    """Three photos and a clip of a few seconds."""
    folder = tmp_path / "media"
    folder.mkdir()
    for name in ("astronaut.png", "coffee.png", "chelsea.png"):
        shutil.copy(photos / name, folder)
    shutil.copy(data / "hash_reference" / "videos" / "chair-20-sd-bar.mp4", folder)
    return folder


def scan(media: Path, store: Path, *analyzers: str, fps: float = 1.0) -> hivescan.scan.config.RunSummary:
    return run_scan(
        ScanConfig(sources=(str(media),), store=store, analyzers=analyzers, sampling=Sampling(fps=fps))
    )


def scores_of(store: Store, model: str) -> list[dict[str, object]]:
    rows = store.sql(
        'SELECT content_id, level, "index", start_ms, end_ms, head, label, score FROM scores WHERE model = ?'
        ' ORDER BY content_id, "index", head, label',
        [model],
    )
    return list(rows.to_pylist())


def test_a_scan_and_a_rescore_write_the_same_rows(media: Path, tmp_path: Path) -> None:
    made_model("toys", made_head("toy"), made_head("size", ("small", "middle", "large"), seed=1))
    deploy("toys")
    scan(media, tmp_path / "scanned", "toys")
    scan(media, tmp_path / "scored", "objects", fps=2)
    scan(media, tmp_path / "scanned2", "toys", fps=2)
    store = open_store(tmp_path / "scored")
    summary = rescore(store, "toys")
    assert summary.contents == 4
    assert scores_of(store, "toys") == scores_of(open_store(tmp_path / "scanned2"), "toys")
    assert len(scores_of(store, "toys")) == summary.vectors * 5
    again = scan(media, tmp_path / "scored", "toys", fps=2)
    assert (again.unchanged, again.samples) == (4, 0), "what was scored here is not analyzed again"
    assert rescore(store, "toys").contents == 0, "and not scored again"
    assert rescore(store, "toys", again=True).contents == 4
    assert len(scores_of(store, "toys")) == summary.vectors * 5
    other = rescore(open_store(tmp_path / "scanned"), "toys")
    assert (other.contents, other.vectors) == (0, 0), "a store without vectors has nothing to score"


def test_classify_scores_stored_vectors_instead_of_decoding(media: Path, tmp_path: Path) -> None:
    made_model("toys", made_head("toy"))
    store = tmp_path / "s"
    scan(media, store, "objects")
    deploy("toys")
    assert scan(media, store, "objects", "toys").samples == 0
    heads = open_store(store).sql(
        "SELECT label, polarity, validated FROM heads WHERE model = 'toys' ORDER BY 1"
    )
    assert heads.to_pylist() == [
        {"label": "no", "polarity": "benign", "validated": True},
        {"label": "yes", "polarity": "harmful", "validated": True},
    ]


def test_a_new_version_is_scored_anew(media: Path, tmp_path: Path) -> None:
    first = made_model("toys", made_head("toy"))
    deploy("toys")
    store = tmp_path / "s"
    scan(media, store, "objects", "toys")
    before = scores_of(open_store(store), "toys")
    made_model("toys", made_head("toy", seed=5), kept_from=first)
    deploy("toys")
    assert deployed_version("toys") == 2
    assert scan(media, store, "objects", "toys").samples == 0
    after = scores_of(open_store(store), "toys")
    assert len(after) == len(before)
    assert after != before


def test_heads_of_one_network_run_it_once(monkeypatch: pytest.MonkeyPatch, photos: Path) -> None:
    made_model("toys", made_head("toy"))
    made_model("boats", made_head("boat", seed=3))
    deploy("toys")
    deploy("boats")
    networks = Networks()
    loaded = [registry.load(name, Placement(), networks=networks) for name in ("objects", "toys", "boats")]
    network = networks.open(find_card(NETWORK), Placement())
    run, seen = network.backend.run, []
    monkeypatch.setattr(network.backend, "run", lambda *given: seen.append(len(given[0])) or run(*given))
    (view,) = find_card(NETWORK).views.values()
    (name,) = find_card(NETWORK).views
    stack = {name: np.full((2, view.height, view.width, 3), 90, np.uint8)}
    for analyzer in loaded:
        analyzer.infer(stack)
    assert seen == [2]


def test_fights_are_scored_over_time_by_scans_and_from_stored_vectors_alike(
    tmp_path: Path, photos: Path, data: Path
) -> None:
    media = tmp_path / "media"
    media.mkdir()
    shutil.copy(photos / "coffee.png", media)
    shutil.copy(data / "video" / "torchcodec" / "av1_video.mkv", media)
    scan(media, tmp_path / "scanned", "fight")
    scan(media, tmp_path / "scored", "embedding")
    store = open_store(tmp_path / "scored")
    rescore(store, "fight")
    found = scores_of(store, "fight")
    assert found == scores_of(open_store(tmp_path / "scanned"), "fight")
    assert len(found) > 4
    assert all(row["start_ms"] is not None for row in found), "of still pictures it says nothing"
    vectors = open_store(tmp_path / "scanned").sql("SELECT count(*) AS n FROM embeddings").to_pylist()
    assert vectors == [{"n": 0}], "vectors are stored by those who are asked for them"
    again = scan(media, tmp_path / "scored", "fight")
    assert (again.unchanged, again.samples) == (2, 0), "what was scored here is not analyzed again"


def test_a_head_over_time_is_not_tried_frame_by_frame() -> None:
    from hivescan.automl.heads.predict import find_model

    with pytest.raises(UsageError, match="classify FILE --analyzers fight"):
        find_model("fight")


def test_profiles_but_the_fastest_run_deployed_heads() -> None:
    made_model("toys", made_head("toy"))
    assert "toys" not in registry.profile("standard")
    deploy("toys")
    assert "toys" in registry.profile("standard")
    assert "toys" in registry.profile("full")
    assert "toys" not in registry.profile("fast")
    undeploy("toys")
    assert "toys" not in registry.profile("standard")


def test_the_card_tells_data_figures_and_weaknesses(home: Path) -> None:
    made_model("toys", made_head("toy"))
    card = deploy("toys@1")
    assert card.base is not None and card.base.name == NETWORK
    assert card.folder == home / "models" / "toys"
    assert {(q.metric, q.value, q.n) for q in card.quality} == {("toy: balanced accuracy", 0.75, 40)}
    told = " ".join(card.weaknesses)
    assert "toy: weakest at yes, of which it finds 60%." in told
    assert "few examples (under 100) of no, yes" in told
    assert "toys@1" in card.heads[0].description
    assert {w in told for w in card.base.weaknesses} == {True}


def test_history_tells_versions_and_deployments() -> None:
    first = made_model("toys", made_head("toy"))
    deploy("toys")
    made_model("toys", made_head("size", seed=1), kept_from=first)
    deploy("toys")
    deploy("toys@1")
    entries = history("toys")
    assert [(e.version, e.deployed, [d.action for d in e.deployments]) for e in entries] == [
        (1, True, ["deployed", "deployed"]),
        (2, False, ["deployed"]),
    ]
    undeploy("toys")
    assert [e.deployed for e in history("toys")] == [False, False]


def test_retraining_one_head_keeps_the_others_bit_for_bit() -> None:
    first = made_model("toys", made_head("toy"), made_head("size", seed=1))
    second = made_model("toys", made_head("size", seed=2), kept_from=first)
    kept, new = second.folder / "toy.head.safetensors", second.folder / "size.head.safetensors"
    assert kept.read_bytes() == (first.folder / "toy.head.safetensors").read_bytes()
    assert new.read_bytes() != (first.folder / "size.head.safetensors").read_bytes()
    assert {h.name for h in open_model("toys").heads} == {"toy", "size"}


def test_what_cannot_be_deployed_is_refused_in_one_line(home: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no trained model is called 'toys'"):
        deploy("toys")
    with pytest.raises(UnknownModelError, match="no model 'toys' is deployed"):
        undeploy("toys")
    with pytest.raises(UnknownModelError, match="no model 'nsfwjs' is deployed"):
        undeploy("nsfwjs")
    made_model("nsfwjs", made_head("toy"))
    with pytest.raises(TrainingError, match="another model called 'nsfwjs'"):
        deploy("nsfwjs")
    model = made_model("toys", made_head("toy"))
    about = json.loads((model.folder / "model.json").read_text())
    about["base"]["space"] = "efficientnet_lite2/1@00000000"
    (model.folder / "model.json").write_text(json.dumps(about))
    with pytest.raises(CatalogueError, match="train them again"):
        deploy("toys")
    assert "toys" not in load_cards()
    made_model("boats", made_head("boat", dimensions=12))
    with pytest.raises(CatalogueError, match="vectors of 12 numbers"):
        deploy("boats")
    assert "boats" not in load_cards()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no head on stored vectors"):
        rescore(open_store(tmp_path / "empty" / "s", create=True), "opennsfw")


@pytest.mark.parametrize("label", ['say "no"', "nicht \\ harmlos", "ü 日本", "\x7f", "a\tb"])
def test_any_label_goes_through_the_card(label: str) -> None:
    made_model("toys", made_head("toy", ("no", label)))
    assert deploy("toys").heads[0].labels == ("no", label)


def test_a_full_disk_leaves_what_was_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    first = made_model("toys", made_head("toy"))
    deploy("toys")
    made_model("toys", made_head("toy", seed=1), kept_from=first)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "toy.head.safetensors")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        with pytest.raises(TrainingError, match="No space left on device") as caught:
            deploy("toys")
    assert "\n" not in str(caught.value)
    assert deployed_version("toys") == 1
    assert not list(models_folder().glob(".deploying/*"))
    deploy("toys")
    assert deployed_version("toys") == 2


def test_half_a_line_of_history_is_passed_over(home: Path) -> None:
    made_model("toys", made_head("toy"))
    deploy("toys")
    with (home / "trained" / "toys" / "deployments.jsonl").open("a") as stream:
        stream.write('{"version": 1, "acti')
    (entry,) = history("toys")
    assert [step.action for step in entry.deployments] == ["deployed"]


def test_a_rescore_that_is_interrupted_says_so_and_goes_on(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_model("toys", made_head("toy"))
    deploy("toys")
    scan(media, tmp_path / "s", "objects")
    store = open_store(tmp_path / "s")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(RunInterruptedError, match="run the same command to go on"):
        rescore(store, "toys", on_progress=stop)
    (row,) = store.sql("SELECT status FROM runs WHERE command = 'rescore'").to_pylist()
    assert row["status"] == "interrupted"
    assert rescore(store, "toys").contents == 4


def test_a_damaged_head_is_refused_before_a_scan() -> None:
    made_model("toys", made_head("toy"))
    card = deploy("toys")
    path = card.folder / "toy.head.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")
    reason = registry.missing("toys")
    assert reason is not None
    assert "sha256" in reason


def test_commands(media: Path, tmp_path: Path) -> None:
    made_model("toys", made_head("toy"))
    run = CliRunner().invoke
    deployed = run(app, ["deploy", "toys"])
    assert deployed.exit_code == 0, deployed.output
    assert deployed.stdout.startswith("toys@1 is deployed: toy\n")
    scan(media, tmp_path / "s", "objects")
    done = run(app, ["rescore", "toys", "--store", str(tmp_path / "s"), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["contents"] == 4
    listed = json.loads(run(app, ["models", "history", "toys", "--json"]).stdout)
    assert [entry["version"] for entry in listed] == [1]
    assert "0.75" in run(app, ["models", "history", "toys"]).stdout
    assert "toys" in run(app, ["models", "list"]).stdout
    assert "heads stand on efficientnet_lite2" in run(app, ["models", "show", "toys"]).stdout
    assert run(app, ["undeploy", "toys"]).exit_code == 0
    assert "toys" not in run(app, ["models", "list"]).stdout
