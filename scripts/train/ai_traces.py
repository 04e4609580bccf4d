"""Train `ai_traces`, which tells AI-made pictures from others by what they are made of, whatever they show.

    python scripts/train/trace_pictures.py WORK --packages FOLDER --photos clothing=FOLDER ...
    python scripts/train/ai_traces.py features WORK --weights efficientnet-lite2-9656183e.pth
    python scripts/train/ai_traces.py ship WORK weights/ai_traces/card.toml --weights efficientnet-…

Of each picture --pieces pieces are worn (:mod:`trace_patches`), and their features computed
(:mod:`trace_network`). What ships is a logistic regression of them; every source weighs by the number of its
pieces, up to 600.

``ship`` scales the margins so that two places of the score are the same for every head: 0.9 is the margin
that --share of the pictures of the worst real source reach, 0.1 that which 5 % of the AI-made ones do not.
Both are taken from heads that did not learn from the source: sources are held out in five parts. A source of
fewer than 40 pictures does not count: its edge is not known.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
from presence_head import pinned
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from trace_network import Linear, Scale, feature_model, to_onnx
from trace_patches import worn

ACROSS = 3
"""Tiles in a row of the analyzer's view."""
EDGE = float(np.log(9))
"""The logit of 0.9."""
MOST, LEAST = 600, 40
FOLDS = 5
BATCH = 32
Texts = np.ndarray


def rows_of(work: Path) -> list[list[str]]:
    lines = (work / "pictures.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines]


def features(options: argparse.Namespace) -> None:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    network = onnxruntime.InferenceSession(feature_model(options.weights).SerializeToString(), settings)

    def pieces() -> Iterator[tuple[np.ndarray, tuple[str, ...]]]:
        for made, source, thumbnail, array, file in rows_of(options.work):
            picture = np.load(options.work / "pictures" / array)
            for number in range(options.pieces):
                chance = random.Random(f"{file} {array} {number}")
                yield worn(picture, thumbnail == "1", chance), (made, source, array)

    found: list[np.ndarray] = []
    batch: list[np.ndarray] = []
    about: list[tuple[str, ...]] = []
    began = time.monotonic()

    def flush() -> None:
        x = np.stack(batch).transpose(0, 3, 1, 2).astype(np.float32)
        found.append(network.run(None, {"input": x})[0])
        batch.clear()

    for piece, told in pieces():
        batch.append(piece)
        about.append(told)
        if len(batch) == BATCH:
            flush()
        if len(about) % 1000 == 0:
            print(f"{len(about)} pieces, {time.monotonic() - began:.0f} s", flush=True)
    if batch:
        flush()
    np.savez(options.work / "features.npz", features=np.concatenate(found), about=np.array(about))


def learnt(values: np.ndarray, truth: np.ndarray, sources: Texts, strength: float) -> Linear:
    mean, spread = values.mean(axis=0), values.std(axis=0) + 1e-6
    start = Linear(mean, spread, np.eye(values.shape[1], dtype=np.float32), 0.0)
    weights = weights_of(truth, sources)
    model = LogisticRegression(C=strength, max_iter=500)
    model.fit(start.margins(values).astype(np.float64), truth, sample_weight=weights)
    coefficients = model.coef_[0].astype(np.float32)
    return Linear(mean, spread, coefficients, float(model.intercept_[0]))


def weights_of(truth: np.ndarray, sources: Texts) -> np.ndarray:
    """Real and AI-made ones weigh the same; so do, within each, pieces, but of a large source less."""
    weights = np.zeros(len(truth))
    for made in (False, True):
        for source in np.unique(sources[truth == made]):
            of = (truth == made) & (sources == source)
            weights[of] = min(of.sum(), MOST) / of.sum()
        weights[truth == made] /= weights[truth == made].sum()
    return weights * len(truth) / 2


def held_out(values: np.ndarray, truth: np.ndarray, sources: Texts, strength: float) -> np.ndarray:
    """Margins by heads that did not learn from the piece's source."""
    margins = np.zeros(len(truth), np.float32)
    parts: list[list[tuple[bool, str]]] = [[] for _ in range(FOLDS)]
    for made in (False, True):
        for number, source in enumerate(np.unique(sources[truth == made])):
            parts[number % FOLDS].append((made, str(source)))
    for part in parts:
        out = np.any([(truth == made) & (sources == source) for made, source in part], axis=0)
        margins[out] = learnt(values[~out], truth[~out], sources[~out], strength).margins(values[out])
    return margins


def means_by(margins: np.ndarray, names: Texts) -> tuple[np.ndarray, np.ndarray]:
    """The mean of each name's margins, and where in the rows each name stands first."""
    _, first, inverse = np.unique(names, return_index=True, return_inverse=True)
    return np.bincount(inverse, margins) / np.bincount(inverse), first


def ship(options: argparse.Namespace) -> None:
    data = np.load(options.work / "features.npz")
    values, (made, sources, names) = data["features"], data["about"].T
    truth = made == "ai"
    margins = held_out(values, truth, sources, options.strength)
    means, first = means_by(margins, names)
    of_ai, by_source = truth[first], sources[first]
    print(f"held out by source: AUC {roc_auc_score(of_ai, means):.3f}")
    picture = edges_of(means, of_ai, by_source, 1 - options.share, print_them=True)
    tile = edges_of(margins, truth, sources, 1 - options.share / 2, print_them=False)
    linear = learnt(values, truth, sources, options.strength)
    model = to_onnx(options.weights, linear, ACROSS, picture, tile)
    path = options.card.parent / "ai_traces.onnx"
    path.write_bytes(model.SerializeToString(deterministic=True))
    pinned(path, options.card)
    print(f"{path}: {path.stat().st_size:,} bytes")


def edges_of(margins: np.ndarray, truth: np.ndarray, sources: Texts, share: float, print_them: bool) -> Scale:
    """0.9 for the worst real source's quantile, 0.1 for that of 5 % of the AI-made ones."""
    say: Callable[[str], None] = print if print_them else lambda _: None
    edges = []
    for source in np.unique(sources[~truth]):
        of = margins[~truth & (sources == source)]
        edge = float(np.quantile(of, share))
        counts = len(of) >= LEAST
        edges += [edge] * counts
        say(f"{source}: {len(of)}, middle {np.median(of):.2f}, edge {edge:.2f}{'' if counts else ' (few)'}")
    high, low = max(edges), float(np.quantile(margins[truth], 0.05))
    found = (margins[truth] >= high).mean()
    for source in np.unique(sources[truth]):
        of = margins[truth & (sources == source)]
        say(f"{source} (AI): {len(of)}, middle {np.median(of):.2f}, found {(of >= high).mean():.0%}")
    print(f"0.9 is {high:.2f}, 0.1 is {low:.2f}; {found:.0%} of AI-made reach 0.9")
    slope = 2 * EDGE / (high - low)
    return Scale(slope, EDGE - slope * high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = parser.add_subparsers(required=True)
    making, shipping = steps.add_parser("features"), steps.add_parser("ship")
    for step in (making, shipping):
        step.add_argument("work", type=Path)
    making.add_argument("--pieces", type=int, default=4, help="of each picture")
    making.set_defaults(run=features)
    shipping.add_argument("card", type=Path)
    shipping.add_argument("--share", type=float, default=0.04, help="of the worst source, that 0.9 is for")
    shipping.add_argument("--strength", type=float, default=0.02, help="C of the regression")
    shipping.set_defaults(run=ship)
    for step in (making, shipping):
        step.add_argument("--weights", type=Path, required=True, help="efficientnet-lite2-9656183e.pth")
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
