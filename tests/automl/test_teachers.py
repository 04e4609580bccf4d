"""What several teachers say, brought together and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivescan.automl.heads.predict import Predictions
from hivescan.automl.networks import teachers as teachers_module
from hivescan.automl.networks.teachers import ask, combined
from hivescan.errors import TrainingError
from tests.automl.made_models import made_head, made_model
from tests.automl.made_networks import coloured, picture_items

NAN = float("nan")


@pytest.fixture(autouse=True)
def _home(home: Path) -> None:
    for name, seed in (("a", 0), ("b", 1)):
        made_model(name, made_head("liked", seed=seed), made_head(f"only_{name}", seed=seed))


def said(reference: str, **heads: tuple[tuple[str, ...], list[list[float]]]) -> Predictions:
    tables = {name: (labels, np.array(rows, np.float32)) for name, (labels, rows) in heads.items()}
    return Predictions(reference, tables, {})


def test_heads_of_one_name_are_averaged_whatever_the_order_of_their_classes() -> None:
    first = said("a@1", liked=(("no", "yes"), [[0.2, 0.8], [0.6, 0.4]]))
    second = said("b@1", liked=(("yes", "no"), [[0.4, 0.6], [NAN, NAN]]))
    taught = combined([first, second])["liked"]
    assert taught.labels == ("no", "yes")
    assert np.allclose(taught.soft, [[0.4, 0.6], [0.6, 0.4]])
    assert taught.teachers == ("a@1", "b@1")
    assert taught.polarity == {"yes": "harmful", "no": "benign"}


def test_heads_of_other_names_stand_side_by_side() -> None:
    first = said("a@1", only_a=(("no", "yes"), [[0.2, 0.8]]))
    second = said("b@1", only_b=(("no", "yes"), [[NAN, NAN]]))
    taught = combined([first, second])
    assert list(taught) == ["only_a", "only_b"]
    assert np.isnan(taught["only_b"].soft).all()


def test_heads_of_one_name_with_other_classes_are_refused() -> None:
    first = said("a@1", liked=(("no", "yes"), [[0.2, 0.8]]))
    second = said("b@1", liked=(("no", "maybe"), [[0.2, 0.8]]))
    with pytest.raises(TrainingError, match="heads of one name must agree"):
        combined([first, second])


def test_specialists_are_joined_by_any_of_them_says_so() -> None:
    """What one alone knows is hidden by a mean and kept by max; the benign class is what is left."""
    first = said("a@1", liked=(("no", "yes"), [[0.1, 0.9], [0.8, 0.2], [NAN, NAN], [NAN, NAN]]))
    second = said("b@1", liked=(("yes", "no"), [[0.0, 1.0], [0.3, 0.7], [0.4, 0.6], [NAN, NAN]]))
    rows = combined([first, second], "max")["liked"].soft
    assert np.allclose(rows[:3], [[0.1, 0.9], [0.7, 0.3], [0.6, 0.4]])
    assert np.isnan(rows[3]).all()
    assert np.allclose(combined([first, second])["liked"].soft[0], [0.55, 0.45])


@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(1, 4))
def test_joined_specialists_are_the_most_that_one_says(seed: int, classes: int, teachers: int) -> None:
    """Beside loops over items, teachers and classes."""
    rng = np.random.default_rng(seed)
    labels = ("no", *(f"kind_{i}" for i in range(1, classes)))
    polarity = {label: "benign" if label == "no" else "harmful" for label in labels}
    made = [rng.dirichlet(np.ones(classes), 3) for _ in range(teachers)]
    for table in made[1:]:
        table[rng.integers(3)] = np.nan
    asked = [said(f"t{i}@1", liked=(labels, table.tolist())) for i, table in enumerate(made)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(teachers_module, "_about", lambda *_: (polarity, "trained"))
        soft = combined(asked, "max")["liked"].soft
    for row, got in enumerate(soft):
        heard = [table[row] for table in made if np.isfinite(table[row]).all()]
        found = [max(float(said[i]) for said in heard) for i in range(1, classes)]
        rest = max(0.0, 1 - sum(found))
        assert np.allclose(got, np.array([rest, *found]) / (rest + sum(found)), atol=1e-6)


def test_a_class_must_say_that_nothing_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (said(f"{name}@1", liked=(("no", "yes"), [[0.2, 0.8]])) for name in "ab")
    monkeypatch.setattr(teachers_module, "_about", lambda *_: ({"yes": "harmful"}, "trained"))
    assert np.allclose(combined([one], "max")["liked"].soft, [[0.2, 0.8]])  # nothing is joined
    with pytest.raises(TrainingError, match=r"head liked: --join max needs one benign class.*--benign"):
        combined([one, other], "max")


def test_a_teacher_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, _, _ = coloured(tmp_path / "pictures", 3)
    asked: list[str] = []

    def predict(reference: str, *_: Any, **__: Any) -> Predictions:
        asked.append(reference)
        rows = [[0.2, 0.8], [0.7, 0.3], [NAN, NAN]]
        return Predictions(
            f"{reference}@1", {"liked": (("no", "yes"), np.array(rows, np.float32))}, {2: "gone"}
        )

    monkeypatch.setattr(teachers_module, "predict", predict)
    items = picture_items(paths, {})
    first = ask(["a", "b"], items, "image")
    again = ask(["a", "b"], items, "image")
    assert asked == ["a", "b"]
    for one, other in zip(first, again, strict=True):
        assert one.reference == other.reference
        assert one.reasons == other.reasons == {2: "gone"}
        assert one.heads["liked"][0] == other.heads["liked"][0]
        assert np.array_equal(one.heads["liked"][1], other.heads["liked"][1], equal_nan=True)
    ask(["a"], items.slice(0, 2), "image")
    assert asked == ["a", "b", "a"]
