"""Pictures of mistakes: blurred, of checked bytes alone, never of known material."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hivescan.automl.datasets.importing import create_dataset
from hivescan.automl.datasets.snapshot import take_snapshot
from hivescan.automl.evaluation.evaluate import evaluate_predictions
from hivescan.automl.evaluation.evaluation import EvaluateOptions, Evaluation
from hivescan.automl.evaluation.mistake_views import mistake_pictures
from hivescan.automl.heads.predict import Predictions
from tests.automl.made_datasets import picture


@pytest.fixture
def wrong(home: Path, tmp_path: Path) -> Evaluation:
    """Six pictures of two classes, all of them mistaken."""
    for n in range(6):
        picture(tmp_path / "pictures" / ("ant" if n < 3 else "bee") / f"{n}.png", seed=n)
    made = create_dataset("insects", tmp_path / "pictures", heads=["insect"])
    snapshot = take_snapshot(made, on_invalid="keep")
    truth = snapshot.items.column("head:insect").to_pylist()
    scores = np.array([[0.2, 0.8] if label == "ant" else [0.9, 0.1] for label in truth], dtype=np.float32)
    said = Predictions("insects@1", {"insect": (("ant", "bee"), scores)}, {})
    return evaluate_predictions(snapshot, said, EvaluateOptions(resamples=0))


def test_pictures_are_small_blurred_and_of_checked_bytes(
    wrong: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    (head,) = wrong.heads
    assert head.wrong == 6
    shown = mistake_pictures(wrong)
    assert set(shown) == {mistake.row for mistake in head.mistakes}
    pixels = np.asarray(Image.open(io.BytesIO(shown[head.mistakes[0].row])).convert("L"), dtype=np.float64)
    assert max(pixels.shape) <= 160
    # What was drawn has hard edges; behind the blur neighbours hardly differ.
    assert np.abs(np.diff(pixels, axis=1)).max() < 12

    known = head.mistakes[0]

    def refused(contents: Sequence[str], **_: object) -> dict[str, str]:
        return {str(known.content_id): "matches known material"}

    with monkeypatch.context() as patched:
        patched.setattr("hivescan.automl.datasets.refusal.refused_contents", refused)
        assert set(mistake_pictures(wrong)) == set(shown) - {known.row}

    picture(Path(str(known.uri)), seed=99)
    assert set(mistake_pictures(wrong)) == set(shown) - {known.row}


def test_without_mistakes_nothing_is_looked_up(home: Path) -> None:
    from tests.automl.test_evaluate import predicted, snapshot_of

    scores = np.array([[0.9, 0.1], [0.2, 0.8]], dtype=np.float32)
    made = evaluate_predictions(
        snapshot_of({"animal": ["ant", "bee"]}),
        predicted(scores, ("ant", "bee")),
        EvaluateOptions(resamples=0),
    )
    assert mistake_pictures(made) == {}
