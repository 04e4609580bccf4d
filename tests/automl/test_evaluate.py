"""Evaluations of predictions that are there: what is measured, what is left out, how it is told."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pytest
from sklearn import metrics

from hivescan.automl.datasets.snapshot import Snapshot
from hivescan.automl.evaluation.decide import Rule
from hivescan.automl.evaluation.evaluate import evaluate_predictions
from hivescan.automl.evaluation.evaluation import EvaluateOptions, Evaluation
from hivescan.automl.evaluation.evaluation_layout import evaluation_blocks, evaluation_csv, evaluation_json
from hivescan.automl.heads.predict import Predictions
from hivescan.errors import UsageError
from hivescan.report.plaintext import plain_text
from tests.automl.evaluation_cases import LABELS, items_of, random_case

FAST = EvaluateOptions(resamples=50)


def snapshot_of(
    heads: Mapping[str, Sequence[str | None]],
    columns: Mapping[str, Sequence[str | None]] | None = None,
) -> Snapshot:
    return Snapshot(
        name="pets",
        number=1,
        id="ab" * 32,
        kind="image",
        heads={name: tuple(sorted({v for v in labels if v})) for name, labels in heads.items()},
        columns=tuple(columns or ()),
        items=items_of(heads, columns),
        created_at="2026-01-01T00:00:00+00:00",
    )


def predicted(
    scores: npt.NDArray[np.float32], labels: Sequence[str] = LABELS, head: str = "animal"
) -> Predictions:
    reasons = {int(i): "cannot be decoded" for i in np.flatnonzero(np.isnan(scores).any(axis=1))}
    return Predictions("pets_model@3", {head: (tuple(labels), scores)}, reasons)


@pytest.fixture(autouse=True)
def _home(home: object) -> None:
    """No trained model of this machine is met."""


def evaluated(items: int = 300, seed: int = 0, options: EvaluateOptions = FAST) -> Evaluation:
    truth, scores = random_case(items, 4, seed)
    return evaluate_predictions(
        snapshot_of({"animal": [LABELS[t] for t in truth]}), predicted(scores), options
    )


def test_figures_are_those_of_scikit_learn() -> None:
    truth, scores = random_case(300, 4, seed=0)
    (head,) = evaluated().heads
    said = scores.argmax(axis=1)
    report = metrics.classification_report(
        truth, said, labels=range(4), target_names=LABELS, output_dict=True
    )
    for part in head.classes:
        expected = report[part.label]
        assert part.measures["precision"].value == pytest.approx(expected["precision"])
        assert part.measures["recall"].value == pytest.approx(expected["recall"])
        assert part.measures["f1"].value == pytest.approx(expected["f1-score"])
        assert part.items == expected["support"]
        assert part.confusion.precision == part.measures["precision"].value
    assert head.overall["f1"].value == pytest.approx(report["macro avg"]["f1-score"])
    assert head.overall["accuracy"].value == pytest.approx(report["accuracy"])
    assert head.matrix.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(truth, said))
    assert [list(row[:-1]) for row in head.matrix.counts] == metrics.confusion_matrix(truth, said).tolist()
    for measured in head.overall.values():
        assert measured.low is not None and measured.value is not None and measured.high is not None
        assert measured.low <= measured.value <= measured.high


def test_rows_without_scores_are_counted_with_their_reason_and_not_measured() -> None:
    truth, scores = random_case(60, 4, seed=1)
    scores[:10] = np.nan
    labels = [LABELS[t] for t in truth]
    labels[20:25] = [None] * 5  # type: ignore[list-item]
    (head,) = evaluate_predictions(snapshot_of({"animal": labels}), predicted(scores), FAST).heads
    assert (head.labelled, head.scored) == (55, 45)
    assert head.unscored == {"cannot be decoded": 10}
    assert head.matrix.items == 45


def test_classes_without_items_are_null_and_said() -> None:
    truth, scores = random_case(80, 4, seed=2)
    truth[truth == 3] = 0
    made = evaluate_predictions(snapshot_of({"animal": [LABELS[t] for t in truth]}), predicted(scores), FAST)
    (head,) = made.heads
    dog = head.classes[3]
    assert (dog.items, dog.measures["recall"].value, dog.measures["average_precision"].value) == (
        0,
        None,
        None,
    )
    assert any("classes without items" in note and "dog" in note for note in head.notes)
    written = json.loads(json.dumps(evaluation_json(made), allow_nan=False))
    assert written["heads"][0]["classes"][3]["measures"]["recall"] == {
        "value": None,
        "low": None,
        "high": None,
    }


def test_classes_that_the_head_does_not_have_are_misses_and_said() -> None:
    truth, scores = random_case(60, 3, seed=3)
    labels = [LABELS[t] for t in truth]
    labels[:6] = ["emu"] * 6
    made = evaluate_predictions(snapshot_of({"animal": labels}), predicted(scores, LABELS[:3]), FAST)
    (head,) = made.heads
    emu = head.classes[-1]
    assert (emu.label, emu.known, emu.items, emu.measures["recall"].value) == ("emu", False, 6, 0.0)
    assert any("does not have" in note and "emu (6 items)" in note for note in head.notes)
    assert evaluation_json(made)["heads"][0]["classes"][-1]["curve"] is None


def test_a_threshold_moves_what_is_said() -> None:
    (at_half,) = evaluated(options=EvaluateOptions(rule=Rule(0.5), resamples=0)).heads
    truth, scores = random_case(300, 4, seed=0)
    reached = scores.max(axis=1) >= 0.5
    assert sum(row[-1] for row in at_half.matrix.counts) == (~reached).sum()
    (own,) = evaluated(options=EvaluateOptions(rule=Rule(by_class={"bee": 0.2}), resamples=0)).heads
    bee = own.classes[1].confusion
    flagged = scores[:, 1] >= 0.2
    assert (bee.tp, bee.fp) == (flagged[truth == 1].sum(), flagged[truth != 1].sum())


def test_groups_widen_the_intervals_of_items_that_err_together() -> None:
    generator = np.random.default_rng(9)
    right = np.repeat(generator.random(40) < 0.7, 10)
    truth = np.repeat(np.arange(40) % 2, 10)
    said = np.where(right, truth, 1 - truth)
    scores = np.where(np.arange(2) == said[:, None], 0.9, 0.1).astype(np.float32)
    clips = [f"clip {i}" for i in range(40) for _ in range(10)]
    snapshot = snapshot_of({"animal": [LABELS[t] for t in truth]}, {"clip": clips})

    def width(group_by: str | None) -> float:
        options = EvaluateOptions(group_by=group_by, resamples=400)
        (head,) = evaluate_predictions(snapshot, predicted(scores, LABELS[:2]), options).heads
        found = head.overall["balanced_accuracy"]
        assert found.low is not None and found.high is not None
        return found.high - found.low

    assert width("clip") > 2 * width(None)
    with pytest.raises(UsageError, match="no such column; it has clip"):
        width("film")


def test_the_worst_mistakes_come_first() -> None:
    (head,) = evaluated(options=EvaluateOptions(mistakes=5, resamples=0)).heads
    truth, scores = random_case(300, 4, seed=0)
    wrong = scores.argmax(axis=1) != truth
    assert head.wrong == wrong.sum()
    assert [m.score for m in head.mistakes] == pytest.approx(
        sorted(scores.max(axis=1)[wrong].tolist(), reverse=True)[:5]
    )
    worst = head.mistakes[0]
    assert (worst.truth, worst.uri) == (LABELS[truth[worst.row - 1]], f"/photos/{worst.row - 1}.jpg")
    assert worst.truth_score == pytest.approx(scores[worst.row - 1, truth[worst.row - 1]])


def test_one_seed_gives_one_evaluation() -> None:
    first, second = evaluation_json(evaluated()), evaluation_json(evaluated())
    assert {**first, "evaluated_at": ""} == {**second, "evaluated_at": ""}


def test_without_items_nothing_is_measured_and_that_is_said() -> None:
    made = evaluate_predictions(
        snapshot_of({"animal": ["ant", "bee"]}), predicted(np.full((2, 4), np.nan, np.float32)), FAST
    )
    (head,) = made.heads
    assert all(measured.value is None for measured in head.overall.values())
    assert "Nothing was measured." in plain_text(evaluation_blocks(made))
    json.dumps(evaluation_json(made), allow_nan=False)


def test_heads_that_are_not_shared_are_told_apart() -> None:
    truth, scores = random_case(30, 4, seed=4)
    snapshot = snapshot_of({"animal": [LABELS[t] for t in truth]})
    with pytest.raises(UsageError, match="no head of the same name"):
        evaluate_predictions(snapshot, predicted(scores, head="colour"), FAST)
    with pytest.raises(UsageError, match="--head colour"):
        evaluate_predictions(snapshot, predicted(scores), EvaluateOptions(heads=("colour",)))
    with pytest.raises(UsageError, match="no such class; it has ant, bee, cat, dog"):
        evaluate_predictions(snapshot, predicted(scores), EvaluateOptions(rule=Rule(by_class={"emu": 0.5})))


def test_labels_of_which_the_head_has_none_are_refused() -> None:
    truth, scores = random_case(30, 2, seed=4)
    snapshot = snapshot_of({"animal": [("Ant", "Bee")[t] for t in truth]})
    with pytest.raises(UsageError, match="the classes ant, bee, the items Ant, Bee: none is in both"):
        evaluate_predictions(snapshot, predicted(scores, LABELS[:2]), FAST)


def test_the_table_has_a_row_a_class_and_one_for_the_head() -> None:
    rows = list(csv.DictReader(io.StringIO(evaluation_csv(evaluated()))))
    assert [row["class"] for row in rows] == ["", *LABELS]
    (head,) = evaluated().heads
    assert float(rows[0]["balanced_accuracy"]) == pytest.approx(head.overall["balanced_accuracy"].value)
    assert float(rows[1]["f1_low"]) == pytest.approx(head.classes[0].measures["f1"].low, rel=1e-5)
    assert rows[2]["tp"] == str(head.classes[1].confusion.tp)


def test_names_that_a_spreadsheet_would_run_do_not_reach_the_table_as_formulas() -> None:
    truth, scores = random_case(30, 2, seed=5)
    labels = ("=cmd()", "plain")
    made = evaluate_predictions(
        snapshot_of({"animal": [labels[t] for t in truth]}), predicted(scores, labels), FAST
    )
    assert "\n=cmd" not in evaluation_csv(made)
    assert ",=cmd" not in evaluation_csv(made)


def test_the_curves_of_the_document_end_at_all_items() -> None:
    (head,) = evaluation_json(evaluated())["heads"]
    curve = head["classes"][0]["curve"]
    assert curve["recall"][-1] == 1.0
    assert curve["false_positive_rate"][-1] == 1.0
    assert curve["threshold"] == sorted(curve["threshold"], reverse=True)


def test_people_are_shown_figures_confusions_and_calibration() -> None:
    told = plain_text(evaluation_blocks(evaluated()))
    for expected in ("pets_model@3 on pets@1", "balanced accuracy", "true \\ said", "ECE", "temperature"):
        assert expected in told
