"""The head ``fight``: from clips of fights and of other scenes to weights/fight.

    python scripts/train/fight.py ../shared/data/video/fights --store STORE [--write]

What is learnt is small, because clips are few: how frames look, along the 16 directions in which the clips
differ most; how much that and the change from frame to frame count, by a logistic regression of two numbers
on what the first one says of clips whose videos it did not see. Every group of videos counts alike, however
many clips it has. Nothing is chosen by what comes out: scripts/bench/fight.py measures.

--write puts the head beside its card and writes its sha256, size and space into the card.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from card_lines import replace_lines
from fight_clips import RATES, Clips, read_clips
from sklearn.linear_model import LogisticRegression

from hivescan.models.cards import bundled_folder, find_card
from hivescan.models.moving_head import MovingHead, changes_of, save_moving_head
from hivescan.models.network import space_of

NETWORK = "clip_vit_b16_int8"
DIRECTIONS = 16
LOOK_STRENGTH, BOTH_STRENGTH = 0.1, 1.0
"""The inverse of the penalties, in scikit-learn's measure."""
RATE = 2
SPAN_MS = 2000

Numbers = npt.NDArray[np.float64]


def units(vectors: npt.NDArray[np.float16]) -> Numbers:
    wide = vectors.astype(np.float64)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True))


def weights_of(data: Clips) -> Numbers:
    """Each class counts alike, and within it each group of videos."""
    found = np.zeros(len(data.fights))
    for kind in (True, False):
        groups = np.unique(data.groups[data.fights == kind])
        for group in groups:
            clips = (data.fights == kind) & (data.groups == group)
            found[clips] = 1 / clips.sum() / len(groups)
    return found * len(found) / found.sum()


def fit_look(looks: Numbers, data: Clips) -> tuple[Numbers, float]:
    """Weights and bias on the mean vectors of clips, ``[N, D]``."""
    mean = looks.mean(axis=0)
    _, _, directions = np.linalg.svd(looks - mean, full_matrices=False)
    directions = directions[:DIRECTIONS].T
    spread = ((looks - mean) @ directions).std(axis=0)
    inputs = (looks - mean) @ directions / spread
    model = LogisticRegression(C=LOOK_STRENGTH, max_iter=2000)
    model.fit(inputs, data.fights, sample_weight=weights_of(data))
    weights = directions / spread @ model.coef_[0]
    return weights, float(model.intercept_[0] - mean @ weights)


def exponent_of(data: Clips) -> float:
    """How changes grow with the time between two frames: the slope of their mean logarithms."""
    means = [
        np.mean([changes_of(units(v), t, 0.0).mean() for v, t in data.at(r) if len(t) > 1]) for r in RATES
    ]
    return float(np.polyfit(np.log([1 / rate for rate in RATES]), means, 1)[0])


def largest_step(data: Clips) -> float:
    return max(
        float(np.exp(changes_of(units(v), t, 0.0).max())) for r in RATES for v, t in data.at(r) if len(t) > 1
    )


def fit(data: Clips) -> MovingHead:
    exponent = exponent_of(data)
    seen = [(units(v), t) for v, t in data.at(RATE)]
    looks = np.stack([u.mean(axis=0) for u, _ in seen])
    changes = np.array([changes_of(u, t, exponent).mean() for u, t in seen])
    said = np.zeros(len(looks))
    for group in np.unique(data.groups):
        others = data.groups != group
        weights, bias = fit_look(looks[others], data.only(others))
        said[~others] = looks[~others] @ weights + bias
    both = np.stack([said, changes], axis=1)
    mean, spread = both.mean(axis=0), both.std(axis=0)
    model = LogisticRegression(C=BOTH_STRENGTH)
    model.fit((both - mean) / spread, data.fights, sample_weight=weights_of(data))
    look, motion = model.coef_[0] / spread
    weights, bias = fit_look(looks, data)
    return MovingHead(
        name="fight",
        labels=("yes_fight", "no_fight"),
        weights=(weights * look).astype(np.float32),
        bias=float((bias - mean[0]) * look - mean[1] * motion + model.intercept_[0]),
        motion=float(motion),
        exponent=exponent,
        cut=largest_step(data),
        span_ms=SPAN_MS,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--store", type=Path, required=True, help="for the vectors")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    head = fit(read_clips(options.clips, options.store))
    print(f"motion {head.motion:.3f}, exponent {head.exponent:.3f}, bias {head.bias:.3f}")
    if options.write:
        write(head)


def write(head: MovingHead) -> None:
    folder = bundled_folder() / head.name
    path = folder / f"{head.name}.head.safetensors"
    sha256 = save_moving_head(head, path)
    lines = {
        "space": f'"{space_of(find_card(NETWORK))}"',
        "sha256": f'"{sha256}"',
        "size": str(path.stat().st_size),
    }
    replace_lines(folder / "card.toml", lines)


if __name__ == "__main__":
    warnings.simplefilter("error")
    main()
