"""Training heads on stored vectors: how good, from how many examples, how long, and beside others.

    python scripts/bench/training.py curve clothing@1 --test clothing_test@1
    python scripts/bench/training.py beside clothing@1 --test clothing_test@1
    python scripts/bench/training.py time clothing@1 --counts 100 3068

``curve`` trains on 10, 30, 100 … examples drawn by class and measures on the test items, which are always the
same; each figure is the mean over several draws. ``beside`` fits scikit-learn's logistic regression on the
same vectors of the same split. ``time`` runs the whole command ``hivescan train``, from start to end. The
recipes in scripts/train make the snapshots; vectors that are stored already are not computed again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

SIZES = (10, 30, 100, 300, 1000)
Row = dict[str, Any]


@dataclass(frozen=True)
class Data:
    """Vectors and the index of the class of each item, to train on and to test on."""

    labels: tuple[str, ...]
    groups: np.ndarray
    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]


def load(options: argparse.Namespace) -> Data:
    from hivescan.automl.datasets.dataset import head_values
    from hivescan.automl.datasets.snapshot import open_snapshot
    from hivescan.automl.datasets.split import groups_of
    from hivescan.automl.heads.train import TrainOptions, parts_of
    from hivescan.automl.heads.vectors import DEFAULT_BASES, vectors_of

    snapshot = open_snapshot(options.snapshot)
    split = None if options.test else 0.2
    parts = parts_of(snapshot, TrainOptions(test=options.test, test_split=split, seed=options.seed))
    base = options.base or DEFAULT_BASES[snapshot.kind]
    head = options.head or next(iter(snapshot.heads))
    labels = snapshot.heads[head]
    sides = []
    for items in (parts.train.items, parts.test_items):
        vectors = vectors_of(items, snapshot.kind, base).vectors
        values = head_values(items, head)
        targets = np.array([-1 if value is None else labels.index(value) for value in values])
        sides.append((vectors, targets))
    numbers = np.empty(parts.train.items.num_rows, np.intp)
    for number, places in enumerate(groups_of(parts.train)):
        numbers[places] = number
    return Data(labels, numbers, sides[0], sides[1])


def mean_recall(said: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([(said[truth == c] == c).mean() for c in np.unique(truth)]))


def against_rest(said: np.ndarray, truth: np.ndarray) -> float:
    """½ (TPR + TNR) of each class against all others; their mean."""
    found = [((said[truth == c] == c).mean() + (said[truth != c] != c).mean()) / 2 for c in np.unique(truth)]
    return float(np.mean(found))


def macro_f1(said: np.ndarray, truth: np.ndarray) -> float:
    found = []
    for c in np.unique(truth):
        hits = ((said == c) & (truth == c)).sum()
        found.append(2 * hits / ((said == c).sum() + (truth == c).sum()))
    return float(np.mean(found))


def drawn(targets: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Places of about ``count`` items, each class in its share, at least one of each."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(targets))
    chosen: list[int] = []
    for c in np.unique(targets):
        of_class = order[targets[order] == c]
        chosen += of_class[: max(1, round(count * len(of_class) / len(targets)))].tolist()
    return np.array(sorted(chosen))


def curve(options: argparse.Namespace) -> list[Row]:
    from hivescan.automl.heads.fit import FitOptions, fit_head

    data = load(options)
    vectors, targets = data.train
    rows = []
    for size in [*SIZES, len(targets)]:
        draws = options.draws if size < len(targets) else 1
        found = []
        for draw in range(draws):
            places = drawn(targets, size, draw) if size < len(targets) else np.arange(size)
            fitted = fit_head(
                "curve",
                data.labels,
                vectors[places],
                targets[places],
                groups=data.groups[places],
                options=FitOptions(method=options.method or "auto", metric=options.select_by, seed=draw),
            )
            said = fitted.head.probabilities(data.test[0]).argmax(axis=1)
            truth = data.test[1]
            found.append(
                (len(places), against_rest(said, truth), mean_recall(said, truth), macro_f1(said, truth))
            )
        sizes, rest, recall, f1 = (np.array(column) for column in zip(*found, strict=True))
        rows.append(
            {
                "examples": int(np.median(sizes)),
                "draws": draws,
                "½(TPR+TNR)": round(float(rest.mean()), 4),
                "lowest": round(float(rest.min()), 4),
                "highest": round(float(rest.max()), 4),
                "mean recall": round(float(recall.mean()), 4),
                "macro F1": round(float(f1.mean()), 4),
            }
        )
    return rows


def beside(options: argparse.Namespace) -> list[Row]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer, StandardScaler

    from hivescan.automl.heads.fit import FitOptions, fit_head

    data = load(options)
    vectors, targets = data.train
    plain = vectors.astype(np.float64)
    unseen = data.test[0].astype(np.float64)

    def ours(method: str) -> Callable[[], np.ndarray]:
        def run() -> np.ndarray:
            chosen = FitOptions(method=method, metric=options.select_by, seed=options.seed)  # type: ignore[arg-type]
            fitted = fit_head("beside", data.labels, vectors, targets, groups=data.groups, options=chosen)
            return fitted.head.probabilities(data.test[0]).argmax(axis=1)

        return run

    def theirs(*steps: Any) -> Callable[[], np.ndarray]:
        def run() -> np.ndarray:
            fitted = make_pipeline(*steps, LogisticRegression(max_iter=5000)).fit(plain, targets)
            return np.asarray(fitted.predict(unseen))

        return run

    contestants = {
        "hivescan, auto": ours("auto"),
        "hivescan, linear": ours("linear"),
        "hivescan, mlp": ours("mlp"),
        "scikit-learn, default": theirs(),
        "scikit-learn, length 1": theirs(Normalizer()),
        "scikit-learn, standardised": theirs(StandardScaler()),
    }
    rows = []
    for name, run in contestants.items():
        started = time.perf_counter()
        said = run()
        seconds = time.perf_counter() - started
        rows.append(
            {
                "contestant": name,
                "½(TPR+TNR)": round(against_rest(said, data.test[1]), 4),
                "mean recall": round(mean_recall(said, data.test[1]), 4),
                "macro F1": round(macro_f1(said, data.test[1]), 4),
                "seconds": round(seconds, 2),
            }
        )
    return rows


def whole_command(options: argparse.Namespace) -> list[Row]:
    from hivescan.automl.datasets.dataset import dataset_names, delete_dataset, new_dataset
    from hivescan.automl.datasets.snapshot import open_snapshot, take_snapshot
    from hivescan.automl.home import trained_folder

    snapshot = open_snapshot(options.snapshot)
    program = [sys.executable, "-m", "hivescan"]
    rows = []
    for count in options.counts:
        name = f"bench_{count}"
        if name in dataset_names():
            delete_dataset(name)
        some = np.random.default_rng(0).permutation(snapshot.items.num_rows)[:count]
        items = snapshot.items.take(np.sort(some))
        take_snapshot(new_dataset(name, snapshot.kind, items), on_invalid="keep")
        command = [*program, "train", name, "--snapshot", f"{name}@1", "--quiet"]
        if options.base:
            command += ["--base", options.base]
        if options.method is not None:
            command += ["--head-kind", options.method]
        times, used = [], []
        for _ in range(options.rounds):
            started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times.append(time.perf_counter() - started)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        shutil.rmtree(trained_folder() / name, ignore_errors=True)
        delete_dataset(name)
        rows.append(
            {
                "examples": items.num_rows,
                "seconds": round(statistics.median(times), 2),
                "slowest": round(max(times), 2),
                "CPU seconds": round(statistics.median(used), 2),
                "rounds": options.rounds,
            }
        )
    return rows


def export(options: argparse.Namespace) -> list[Row]:
    """The same vectors and split for programs of other Pythons."""
    data = load(options)
    arrays = {"train": data.train[0], "test": data.test[0]}
    arrays = {name: vectors.astype(np.float32) for name, vectors in arrays.items()}
    np.savez(options.to, **arrays, train_classes=data.train[1], test_classes=data.test[1])
    return [{"file": str(options.to), "train": len(data.train[1]), "test": len(data.test[1])}]


def machine() -> Row:
    names = ("numpy", "scipy", "scikit-learn", "pyarrow", "duckdb")
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in names},
    }


def markdown(rows: Sequence[Row]) -> Iterable[str]:
    columns = list(rows[0])
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "|".join(" --- " for _ in columns) + "|"
    for row in rows:
        yield "| " + " | ".join(str(row[column]) for column in columns) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["curve", "beside", "time", "export"])
    parser.add_argument("snapshot", metavar="NAME@N")
    parser.add_argument("--test", metavar="NAME@N", help="else a fifth of the snapshot")
    parser.add_argument("--head")
    parser.add_argument("--base")
    parser.add_argument("--method", choices=["linear", "mlp", "auto"], help="else auto")
    parser.add_argument("--select-by", default="balanced_accuracy")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 3068])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", type=Path, default=Path("vectors.npz"), help="of export")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    makers = {"curve": curve, "beside": beside, "time": whole_command, "export": export}
    rows = makers[options.what](options)
    if options.json:
        print(json.dumps({"command": sys.argv[1:], "machine": machine(), "rows": rows}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    print()
    print("\n".join(markdown(rows)))


if __name__ == "__main__":
    main()
