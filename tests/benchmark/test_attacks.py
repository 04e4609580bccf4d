"""Perturbations made against a network, here a small one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hivescan.benchmark import attacks, standard
from hivescan.types import Pixels
from tests.automl.made_networks import picture_card


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture_card(tmp_path / "models")
    monkeypatch.setenv("HIVESCAN_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(attacks, "NETWORK", "toy_net")


@pytest.fixture
def picture(photos: Path) -> Pixels:
    return standard.standardised(standard.read_whole(photos / "astronaut.png"), standard.Form(side=96))


def moved_by(first: Pixels, second: Pixels, which: int) -> float:
    """How far apart the features of two pictures are: the embedding (0), the maps within (1)."""
    features = attacks._extractor("toy_net")[which]
    return float((features(attacks._tensor(first)) - features(attacks._tensor(second))).square().mean())


def test_an_attack_moves_the_embedding_further_than_noise_of_the_same_bound(
    network: None, picture: Pixels
) -> None:
    attacked = attacks.pushed_away(picture, np.random.default_rng(0))
    assert np.abs(attacked.astype(int) - picture).max() <= 4
    signs = np.random.default_rng(0).choice([-4, 4], picture.shape)
    noisy = np.clip(picture + signs, 0, 255).astype(np.uint8)
    assert moved_by(picture, attacked, 0) > 3 * moved_by(picture, noisy, 0)


def test_a_cloak_brings_features_nearer_to_those_of_the_painted_picture(
    network: None, picture: Pixels
) -> None:
    cloaked = attacks.cloaked(picture, np.random.default_rng(0))
    assert np.abs(cloaked.astype(int) - picture).max() <= 8
    painted = attacks.painted(picture)
    assert moved_by(cloaked, painted, 1) < 0.9 * moved_by(picture, painted, 1)


def test_painting_flattens_and_keeps_edges() -> None:
    rng = np.random.default_rng(0)
    picture = np.full((40, 40, 3), 60, np.uint8)
    picture[:, 20:] = 180
    noisy = np.clip(picture + rng.normal(0, 10, picture.shape), 0, 255).astype(np.uint8)
    painted = attacks.painted(noisy).astype(float)
    assert painted[:, :18, 1].std() < 0.5 * noisy[:, :18, 1].std()
    assert painted[:, 21:, 1].mean() - painted[:, :19, 1].mean() > 110
