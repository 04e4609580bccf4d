"""Studies on vectors made on the spot."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pytest

from hivescan.automl.evaluation.study import Examples, Score, balanced_order, trained_score, with_noise
from hivescan.automl.evaluation.study_layout import (
    check_plot,
    noise_blocks,
    noise_csv,
    plot_noise,
    plot_synthetic,
    study_json,
    synthetic_blocks,
    synthetic_csv,
)
from hivescan.automl.evaluation.study_noise import NoiseStudy, noise_cells
from hivescan.automl.evaluation.study_synthetic import SyntheticStudy, mixture_sizes, mixtures
from hivescan.errors import UsageError
from hivescan.report.plaintext import plain_text

LABELS = ("ant", "bee", "cat")


def blobs(items: int, seed: int, *, shift: float = 0.0) -> Examples:
    """Three clouds that overlap a little; ``shift`` moves them all, as another source of data does."""
    generator = np.random.default_rng(seed)
    centres = np.eye(3, 16) * 2.5
    targets = generator.choice(3, size=items, p=[0.6, 0.3, 0.1])
    vectors = centres[targets] + generator.normal(size=(items, 16)) * 0.9
    vectors[:, 3:6] += shift * np.eye(3)[(targets + 1) % 3]
    return Examples(vectors.astype(np.float16), targets.astype(np.intp))


def noise_study(sizes: list[int], rates: list[float], seeds: int = 2) -> NoiseStudy:
    train, test = blobs(400, 0), blobs(300, 1)
    cells = noise_cells(LABELS, train, test, sizes=sizes, rates=rates, seeds=range(seeds))
    return NoiseStudy(
        data="blobs@1",
        test="blobs_test@1",
        head="shape",
        base="toy",
        method="linear",
        classes=3,
        train_items=400,
        test_items=300,
        seeds=tuple(range(seeds)),
        cells=cells,
    )


@pytest.fixture(scope="module")
def small_noise() -> NoiseStudy:
    return noise_study([30, 60], [0.0, 0.25])


@pytest.fixture(scope="module")
def small_synthetic() -> SyntheticStudy:
    return synthetic_study()


def test_every_beginning_of_the_order_has_the_classes_in_their_shares() -> None:
    targets = blobs(1000, 3).targets
    order = balanced_order(targets, seed=5)
    assert sorted(order) == list(range(1000))
    shares = np.bincount(targets) / 1000
    for size in (50, 100, 333, 800):
        found = np.bincount(targets[order[:size]], minlength=3)
        assert np.abs(found - shares * size).max() <= 1.001
    assert (balanced_order(targets, seed=6) != order).any()


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.2, 0.5])
def test_noise_flips_exactly_its_share_to_another_class(rate: float) -> None:
    targets = blobs(1000, 4).targets
    noisy = with_noise(targets, 3, rate, seed=1)
    assert (noisy != targets).sum() == rate * 1000
    assert set(np.unique(noisy)) <= {0, 1, 2}


def test_more_noise_flips_the_same_labels_and_more() -> None:
    targets = blobs(500, 4).targets
    little, much = (with_noise(targets, 3, rate, seed=1) for rate in (0.1, 0.3))
    flipped = little != targets
    assert (much[flipped] == little[flipped]).all()


def test_wrong_labels_and_few_items_cost_accuracy() -> None:
    study = noise_study([30, 400], [0.0, 0.4], seeds=1)
    clean, noisy = study.at(400, 0.0).mean, study.at(400, 0.4).mean
    few = study.at(30, 0.4).mean
    assert clean is not None and noisy is not None and few is not None
    assert clean > noisy > few
    assert clean > 0.9


def test_the_same_study_gives_the_same_figures() -> None:
    assert noise_study([30], [0.1], seeds=1).cells == noise_study([30], [0.1], seeds=1).cells


def test_too_little_to_train_on_is_null_and_not_zero() -> None:
    one = Examples(np.ones((3, 4), np.float16), np.zeros(3, np.intp))
    assert trained_score(("a", "b"), one, one, method="linear", seed=0) is None
    assert (Score((None, None)).mean, Score((None, 0.5)).mean, Score((None, 0.5)).spread) == (None, 0.5, None)


def test_sizes_and_rates_that_cannot_be_are_refused() -> None:
    train = blobs(40, 0)
    with pytest.raises(UsageError, match="--sizes 41: there are 40 items"):
        noise_cells(LABELS, train, train, sizes=[41], rates=[0.0], seeds=[0])
    with pytest.raises(UsageError, match="--noise 5"):
        noise_cells(LABELS, train, train, sizes=[10], rates=[5.0], seeds=[0])


def test_noise_is_told_as_table_document_and_rows(small_noise: NoiseStudy) -> None:
    study = small_noise
    told = plain_text(noise_blocks(study))
    assert "25 % wrong" in told
    first = study.at(30, 0.0)
    assert first.mean is not None and f"{first.mean:.4f}" in told
    document = study_json(study)
    assert [cell["size"] for cell in document["cells"]] == [30, 30, 60, 60]
    assert document["cells"][0]["score"]["values"] == list(first.values)
    rows = list(csv.DictReader(io.StringIO(noise_csv(study))))
    assert len(rows) == 8
    assert float(rows[0]["balanced_accuracy"]) == first.values[0]


def test_mixtures_are_of_one_size_and_then_of_all_there_is() -> None:
    assert mixture_sizes(100, 40, size=None, shares=[0, 0.5, 1]) == [
        (40, 0),
        (20, 20),
        (0, 40),
        (100, 0),
        (100, 40),
    ]
    with pytest.raises(UsageError, match="100 real and 40 synthetic"):
        mixture_sizes(100, 40, size=80, shares=[1.0])


def synthetic_study() -> SyntheticStudy:
    real, synthetic, test = blobs(60, 0), blobs(200, 1, shift=4.0), blobs(300, 2)
    sizes = mixture_sizes(60, 200, size=None, shares=[0.0, 0.5, 1.0])
    made = mixtures(LABELS, real, synthetic, test, sizes=sizes, seeds=[0, 1])
    return SyntheticStudy(
        real="blobs@1",
        synthetic="made@1",
        test="test@1",
        head="shape",
        base="toy",
        method="linear",
        classes=3,
        test_items=300,
        seeds=(0, 1),
        mixtures=made,
    )


def test_training_on_another_source_alone_is_worse_than_on_a_mixture(
    small_synthetic: SyntheticStudy,
) -> None:
    study = small_synthetic
    means = {(row.real, row.synthetic): row.score.mean or 0.0 for row in study.mixtures}
    assert list(means) == [(60, 0), (30, 30), (0, 60), (60, 200), (0, 200)]
    assert means[60, 0] > means[0, 60]
    assert means[30, 30] > means[0, 60]
    assert "synthetic items" in plain_text(synthetic_blocks(study))
    assert len(study_json(study)["mixtures"]) == 5
    assert len(list(csv.DictReader(io.StringIO(synthetic_csv(study))))) == 10


def test_studies_are_drawn(small_noise: NoiseStudy, small_synthetic: SyntheticStudy) -> None:
    assert b"<svg" in plot_noise(small_noise, Path("noise.svg"))
    assert plot_synthetic(small_synthetic, Path("synthetic.png")).startswith(b"\x89PNG")


def test_a_picture_needs_a_name_and_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="must end in"):
        check_plot(Path("noise.txt"))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match="pip install"):
        check_plot(Path("noise.svg"))
