"""How well fights are told from other scenes, in clips of videos never seen: tables in Markdown.

    python scripts/bench/fight.py ../shared/data/video/fights [--store STORE]

The clips are scanned once, four frames a second, for their vectors (kept with --store). Every group of source
videos is held out in turn; all that is learnt, is learnt from the others (scripts/train/fight.py). A clip has
the highest score of its frames, as reports have it. ``as shipped`` is the whole head; ``looks`` and
``change`` are its two halves alone; ``one frame`` is a linear head of ``hivescan train`` on single frames.
Intervals are 95 % of 2,000 bootstrap draws of whole groups of videos, by class.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hivescan.automl.evaluation.bootstrap import resamples
from hivescan.automl.evaluation.curves import curve_of
from hivescan.automl.heads.fit import FitOptions, fit_head
from hivescan.models.moving_head import MovingHead, changes_of

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))
from fight import RATE, fit, units
from fight_clips import RATES, Clips, read_clips

DRAWS = 2000
SHIPPED = "as shipped"
PROBABLE = (SHIPPED, "one frame")
"""Ways whose logits are those of probabilities."""
AT_90 = float(np.log(0.9 / 0.1))
Numbers = npt.NDArray[np.float64]


def ways(head: MovingHead, data: Clips) -> dict[str, MovingHead]:
    """The head, and its halves: looks with the mean change of what was learnt from, and change alone."""
    changes = [changes_of(units(v), t, head.exponent).mean() for v, t in data.at(RATE)]
    usual = head.motion * float(np.mean(changes))
    return {
        SHIPPED: head,
        "looks": replace(head, motion=0.0, bias=head.bias + usual),
        "change": replace(head, weights=np.zeros_like(head.weights), motion=1.0, bias=0.0),
    }


def held_out(data: Clips) -> dict[tuple[str, int], Numbers]:
    """By way and rate: the logit of each clip, from heads that saw nothing of its videos."""
    said: dict[tuple[str, int], Numbers] = {}
    for group in np.unique(data.groups):
        inside = data.groups == group
        rest = data.only(~inside)
        head = fit(rest)
        for rate in RATES:
            frames = data.at(rate)
            for name, way in ways(head, rest).items():
                scores = said.setdefault((name, rate), np.zeros(len(inside)))
                for i in np.flatnonzero(inside):
                    scores[i] = np.nanmax(way.logits(*frames[i]))
        linear = one_frame(rest)
        scores = said.setdefault(("one frame", 2), np.zeros(len(inside)))
        for i in np.flatnonzero(inside):
            found = linear.head.probabilities(data.at(2)[i][0]).astype(np.float64)
            scores[i] = np.log(found[:, 1] / found[:, 0]).max()
    return said


def one_frame(data: Clips):  # noqa: ANN201
    frames = [vectors for vectors, _ in data.at(2)]
    owner = np.repeat(np.arange(len(frames)), [len(vectors) for vectors in frames])
    targets = data.fights.astype(np.intp)[owner]
    labels = ("no_fight", "yes_fight")
    return fit_head(
        "fight", labels, np.concatenate(frames), targets, groups=data.groups[owner], options=FitOptions()
    )


def area(fights: npt.NDArray[np.bool_], scores: Numbers) -> float | None:
    return curve_of(fights, scores.astype(np.float32)).roc_auc


def interval(data: Clips, scores: Numbers) -> tuple[float, float]:
    """Whole groups of videos are drawn again."""
    numbers = np.unique(data.groups, return_inverse=True)[1]
    areas = []
    for weights in resamples(data.fights.astype(np.intp), numbers, DRAWS, seed=0):
        for column in weights.T:
            drawn = np.repeat(np.arange(len(scores)), column)
            areas.append(area(data.fights[drawn], scores[drawn]))
    low, high = np.quantile([a for a in areas if a is not None], [0.025, 0.975])
    return float(low), float(high)


def row(data: Clips, name: str, rate: int, scores: Numbers) -> str:
    yes, no = np.sort(scores[data.fights])[::-1], scores[~data.fights]
    at_90 = yes[int(np.ceil(0.9 * len(yes))) - 1]
    hits, alarms = int((yes >= at_90).sum()), int((no >= at_90).sum())
    low, high = interval(data, scores)
    cells = (
        f"{name}, {rate} fps",
        f"{area(data.fights, scores):.3f}",
        f"{low:.3f} to {high:.3f}",
        f"{hits / (hits + alarms):.3f}",
        f"{(yes > no.max()).mean():.3f}",
        f"{int((yes >= AT_90).sum())} of {len(yes)}" if name in PROBABLE else "",
        f"{int((no >= AT_90).sum())} of {len(no)}" if name in PROBABLE else "",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--store", type=Path, help="keep the vectors here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = read_clips(options.clips, options.store or Path(scratch) / "store")
    said = held_out(data)
    counts = [int(data.fights.sum()), int((~data.fights).sum())]
    groups = [len(set(data.groups[data.fights == kind])) for kind in (True, False)]
    print(f"{counts[0]} fights from {groups[0]} groups of videos, {counts[1]} others from {groups[1]}.\n")
    columns = ("", "AUC", "95 % interval", "precision at 90 % recall", "recall without a false alarm")
    print(f"| {' | '.join((*columns, 'fights at 0.9', 'others at 0.9'))} |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: |")
    for (name, rate), scores in sorted(said.items()):
        print(row(data, name, rate, scores))
    shipped = said[SHIPPED, 2]
    curve = curve_of(data.fights, shipped.astype(np.float32))
    print(f"\nThe curve of {SHIPPED}, 2 fps:\n\n| recall | precision | score from |\n| ---: | ---: | ---: |")
    for recall in np.linspace(0.1, 1.0, 10):
        found = curve.at(point := int(np.argmax(curve.tp >= recall * curve.positives - 1e-9)))
        precision = found.tp / (found.tp + found.fp)
        score = 1 / (1 + np.exp(-curve.thresholds[point]))
        print(f"| {found.tp / curve.positives:.2f} | {precision:.3f} | {score:.2f} |")


if __name__ == "__main__":
    main()
