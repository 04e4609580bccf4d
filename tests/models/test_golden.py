"""A model that drifted is noticed before anything is written, a dead head during the run."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from hivescan.errors import CatalogueError, ExitCode, ModelUnhealthyError
from hivescan.models import golden
from hivescan.models.cards import find_card, load_cards
from hivescan.models.golden import ConstantScores, check_finite, golden_picture
from hivescan.models.schema import Card, Golden
from hivescan.types import Findings, HeadScores, TopLabels, Vectors


class Fixed:
    """A backend that always gives the same output."""

    runtime = "onnx"
    device = "cpu"
    batch_size = 1

    def __init__(self, values: list[float]) -> None:
        self._values = np.array([values], np.float32)

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        return {"outputs": self._values}


@pytest.fixture
def card() -> Card:
    expected = Golden("balls", "outputs", (0.25, 0.75), {"onnx": 1e-3, "onnx+never_built": 0.5})
    return replace(find_card("opennsfw"), golden=(expected,))


def test_every_card_has_golden_outputs_with_tolerances() -> None:
    for card in load_cards().values():
        if card.language is not None:
            continue  # it writes texts: what it is worth is measured before every training
        if card.speech is not None and card.speech.on_request:
            continue  # from a hub; its files are known by their hashes alone
        if card.reader is not None or card.backend.kind == "library":
            continue  # it has to read a line that is known; a library is pinned as others are
        assert card.network.golden, card.name  # heads stand on a network that has its own
        assert all(g.tolerance for g in card.network.golden)


def test_golden_pictures_never_change() -> None:
    """They are part of every card's expectations."""
    digests = {
        name: hashlib.sha256(golden_picture(name, 224, 160).tobytes()).hexdigest()[:16]
        for name in golden.GOLDEN_INPUTS
    }
    assert digests == {"checks": "94f6b4cfb2af26d5", "balls": "e36ce2daab0a486a"}
    with pytest.raises(CatalogueError, match="no golden input is called 'noise'"):
        golden_picture("noise", 8, 8)


def test_what_is_within_the_tolerance_passes(card: Card) -> None:
    golden.check(card, Fixed([0.2505, 0.7495]))


@pytest.mark.parametrize("values", [[0.26, 0.74], [np.nan, 0.75], [0.25, np.inf], [0.25]])
def test_drift_and_no_numbers_name_model_expected_and_got(card: Card, values: list[float]) -> None:
    with pytest.raises(
        ModelUnhealthyError, match=r"model opennsfw on onnx \(cpu\).*expected \[0.25, 0.75\]"
    ) as e:
        golden.check(card, Fixed(values))
    assert e.value.exit_code == ExitCode.MODEL_UNHEALTHY
    assert "\n" not in str(e.value)


def test_a_tolerance_for_this_cpu_comes_before_the_backends(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golden, "cpu_features", lambda: frozenset({"never_built"}))
    golden.check(card, Fixed([0.5, 0.5]))


def test_vectors_are_compared_by_their_cosine(card: Card) -> None:
    expected = Golden("checks", "outputs", (1.0, 2.0), {"onnx": 0.01}, "cosine")
    card = replace(card, golden=(expected,))
    golden.check(card, Fixed([2.0, 4.0]))
    with pytest.raises(ModelUnhealthyError, match="cosine difference"):
        golden.check(card, Fixed([2.0, 1.0]))
    with pytest.raises(ModelUnhealthyError):
        golden.check(card, Fixed([0.0, 0.0]))


def head(scores: list[list[float]]) -> HeadScores:
    return HeadScores("toy", "nsfw", ("a", "b"), np.array(scores, np.float32))


def test_a_score_that_is_no_number_stops_the_run() -> None:
    check_finite("nsfw", Findings(scores=(head([[0.5, 0.5], [np.nan, np.nan]]),)))  # nothing to say
    for bad in (
        Findings(scores=(head([[0.5, np.nan]]),)),
        Findings(scores=(head([[np.inf, 0.5]]),)),
        Findings(top=(TopLabels("toy", "nsfw", ((("cat", float("nan")),),)),)),
        Findings(vectors=(Vectors("space", np.array([[1, np.inf]], np.float16)),)),
    ):
        with pytest.raises(ModelUnhealthyError, match="analyzer nsfw"):
            check_finite("nsfw", bad)


def test_scores_that_stay_the_same_over_many_inputs_are_noticed() -> None:
    watch = ConstantScores()
    for _ in range(63):
        watch.see(Findings(scores=(head([[0.5, 0.5]]),)))
    assert watch.warnings() == []
    watch.see(Findings(scores=(head([[0.5, 0.5]]),)))
    (line,) = watch.warnings()
    assert "head nsfw of model toy gave the same numbers for 64 different inputs" in line
    watch.see(Findings(scores=(head([[0.6, 0.4]]),)))
    assert watch.warnings() == []


def test_equal_inputs_are_no_sign_of_a_dead_head() -> None:
    watch = ConstantScores()
    for _ in range(100):
        watch.see(Findings(scores=(head([[0.5, 0.5]] * 2),)), inputs=[1, 2])
    assert watch.warnings() == []


def test_constant_vectors_are_noticed() -> None:
    watch = ConstantScores()
    watch.see(Findings(vectors=(Vectors("clip/1@0", np.ones((64, 4), np.float16)),)))
    assert "the vector clip/1@0" in watch.warnings()[0]
