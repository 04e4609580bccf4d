"""How well fights are told from other scenes, on source videos never seen: tables in Markdown.

    python scripts/bench/fight.py ../shared/data/video/fights [--store STORE]

The clips are scanned once, four frames a second, for their vectors (kept with --store). Ways to look at a
clip, each at 1, 2 and 4 frames a second:

- ``frames``: a head on the vector of one frame; a clip is the mean of its frames' logits, or the highest;
- ``mean``: a head on the mean of a clip's vectors;
- ``mean and change``: on that mean, and beside it how much every number changes from one frame to the next,
  in the mean;
- ``change``: on the second half alone.

Groups of source videos are held out in turn, in five folds, and a head is fitted on the other groups alone,
its penalty chosen among them (``hivescan.automl.heads.fit``). This is repeated with other folds (--repeats),
and the scores of a clip, as it was held out, are averaged as logits. Intervals of the area under the ROC
curve are 95 % of 2,000 bootstrap draws of whole groups of videos, by class.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import hivescan
from hivescan.automl.evaluation.bootstrap import resamples
from hivescan.automl.evaluation.curves import curve_of
from hivescan.automl.heads.fit import FitOptions, fit_head
from hivescan.automl.heads.folds import folds_of
from hivescan.scan.config import ScanConfig
from hivescan.scan.run import run_scan
from hivescan.types import Sampling

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))
from fight_frames import clips

RATES = (1, 2, 4)
FOLDS = 5
DRAWS = 2000
LABELS = ("no_fight", "yes_fight")
COLUMNS = (
    "a clip is",
    "AUC",
    "95 % interval",
    "of single repeats",
    "precision at 90 % recall",
    "recall without a false alarm",
)

Vectors = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Clips:
    """``vectors[i]`` are those of clip i, ``[T, D]`` at the highest rate; ``times`` are in milliseconds."""

    names: list[str]
    targets: npt.NDArray[np.intp]
    groups: npt.NDArray[np.intp]
    vectors: list[Vectors]
    times: list[npt.NDArray[np.int64]]

    def at(self, rate: int) -> list[Vectors]:
        return [v[t % (1000 // rate) == 0] for v, t in zip(self.vectors, self.times, strict=True)]


def read_clips(folder: Path, where: Path) -> Clips:
    found = clips(folder)
    files = tuple(str(path.resolve()) for path, _, _ in found)
    run_scan(
        ScanConfig(sources=files, store=where, analyzers=("embedding",), sampling=Sampling(fps=max(RATES)))
    )
    rows = (
        hivescan.open(where)
        .sql(
            "SELECT uri, start_ms, vector FROM items JOIN embeddings USING (content_id)"
            " ORDER BY uri, start_ms"
        )
        .to_pylist()
    )
    by_file: dict[str, list[tuple[int, Vectors]]] = {}
    for row in rows:
        by_file.setdefault(row["uri"], []).append((row["start_ms"], np.array(row["vector"], np.float32)))
    names = sorted({group for _, _, group in found})
    return Clips(
        names=[path.stem for path, _, _ in found],
        targets=np.array([LABELS.index(label) for _, label, _ in found]),
        groups=np.array([names.index(group) for _, _, group in found]),
        vectors=[np.stack([v for _, v in by_file[file]]) for file in files],
        times=[np.array([t for t, _ in by_file[file]]) for file in files],
    )


def unit(vectors: Vectors) -> Vectors:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def of_mean(frames: Vectors) -> Vectors:
    return unit(frames).mean(axis=0)


def of_change(frames: Vectors) -> Vectors:
    steps = np.abs(np.diff(unit(frames), axis=0))
    return steps.mean(axis=0) if len(steps) else np.zeros(frames.shape[1], np.float32)


def of_both(frames: Vectors) -> Vectors:
    """Both halves as long as each other, so that neither is drowned."""
    change = of_change(frames)
    length = np.linalg.norm(change)
    return np.concatenate([unit(of_mean(frames)), change / length if length else change])


Way = Callable[[Vectors], Vectors]
WAYS: dict[str, Way] = {"mean": of_mean, "mean and change": of_both, "change": of_change}


def logit(scores: npt.NDArray[np.float32]) -> Numbers:
    table = np.log(np.clip(scores.astype(np.float64), 1e-7, 1))
    return np.asarray(table[:, 1] - table[:, 0])


def held_out(data: Clips, seed: int) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Clips that are fitted on, and clips of other groups that are held out."""
    folds = folds_of(data.targets, data.groups, FOLDS, seed)
    assert folds is not None
    for fold in range(int(folds.max()) + 1):
        yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)


def by_frames(data: Clips, rate: int, seed: int) -> dict[str, Numbers]:
    """The logit of each clip, from a head on single frames."""
    frames = data.at(rate)
    said = {"frames, mean": np.empty(len(frames)), "frames, highest": np.empty(len(frames))}
    for train, test in held_out(data, seed):
        owner = np.concatenate([[i] * len(frames[i]) for i in train])
        fitted = fit_head(
            "fight",
            LABELS,
            np.concatenate([frames[i] for i in train]),
            data.targets[owner],
            groups=data.groups[owner],
            options=FitOptions(seed=seed),
        )
        for i in test:
            found = logit(fitted.head.probabilities(frames[i].astype(np.float16)))
            said["frames, mean"][i], said["frames, highest"][i] = found.mean(), found.max()
    return said


def by_clip(data: Clips, way: Way, rate: int, seed: int) -> Numbers:
    """The logit of each clip, from a head on what ``way`` makes of its frames."""
    features = np.stack([way(frames) for frames in data.at(rate)]).astype(np.float16)
    said = np.empty(len(features))
    for train, test in held_out(data, seed):
        fitted = fit_head(
            "fight",
            LABELS,
            features[train],
            data.targets[train],
            groups=data.groups[train],
            options=FitOptions(seed=seed),
        )
        said[test] = logit(fitted.head.probabilities(features[test]))
    return said


def area(data: Clips, said: Numbers) -> float:
    found = curve_of(data.targets == 1, said.astype(np.float32)).roc_auc
    assert found is not None
    return found


def interval(data: Clips, said: Numbers) -> tuple[float, float]:
    """Whole groups of videos are drawn again."""
    areas = []
    for weights in resamples(data.targets, data.groups, DRAWS, seed=0):
        for column in weights.T:
            drawn = np.repeat(np.arange(len(said)), column)
            found = curve_of(data.targets[drawn] == 1, said[drawn].astype(np.float32)).roc_auc
            if found is not None:
                areas.append(found)
    low, high = np.quantile(areas, [0.025, 0.975])
    return float(low), float(high)


def strict_figures(data: Clips, said: Numbers) -> str:
    """Precision at 90 % recall, and recall at no false alarm at all (of 30, 1 % is less than one)."""
    yes, no = np.sort(said[data.targets == 1])[::-1], said[data.targets == 0]
    at_90 = yes[int(np.ceil(0.9 * len(yes))) - 1]
    hits, alarms = int((yes >= at_90).sum()), int((no >= at_90).sum())
    return f"{hits / (hits + alarms):.3f} | {float((yes > no.max()).mean()):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--store", type=Path, help="keep the vectors here")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--curve", metavar="WAY", help="print the precision-recall curve of this way, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = read_clips(options.clips, options.store or Path(scratch) / "store")
    seeds = range(options.repeats)
    said: dict[str, Numbers] = {}
    spread: dict[str, list[float]] = {}
    for rate in RATES:
        runs: dict[str, list[Numbers]] = {}
        for seed in seeds:
            for name, found in by_frames(data, rate, seed).items():
                runs.setdefault(f"{name}, {rate} fps", []).append(found)
            for name, way in WAYS.items():
                runs.setdefault(f"{name}, {rate} fps", []).append(by_clip(data, way, rate, seed))
        said |= {name: np.mean(found, axis=0) for name, found in runs.items()}
        spread |= {name: [area(data, one) for one in found] for name, found in runs.items()}
    fights, others = np.bincount(data.targets, minlength=2)[::-1]
    groups = [len(set(data.groups[data.targets == t])) for t in (1, 0)]
    print(f"{fights} clips of fights from {groups[0]} groups of videos, {others} others from {groups[1]}.\n")
    print(f"| {' | '.join(COLUMNS)} |")
    print("| --- | ---: | --- | --- | ---: | ---: |")
    for name, found in said.items():
        low, high = interval(data, found)
        ends = f"{min(spread[name]):.3f} to {max(spread[name]):.3f}"
        cells = (name, f"{area(data, found):.3f}", f"{low:.3f} to {high:.3f}", ends)
        print(f"| {' | '.join(cells)} | {strict_figures(data, found)} |")
    if options.curve:
        chosen = said[options.curve]
        curve = curve_of(data.targets == 1, chosen.astype(np.float32))
        print("\n| recall | precision | score from |\n| ---: | ---: | ---: |")
        for recall in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
            point = int(np.argmax(curve.tp >= recall * curve.positives))
            precision = curve.tp[point] / (curve.tp[point] + curve.fp[point])
            score = 1 / (1 + np.exp(-curve.thresholds[point]))
            print(f"| {curve.tp[point] / curve.positives:.2f} | {precision:.3f} | {score:.2f} |")


if __name__ == "__main__":
    main()
