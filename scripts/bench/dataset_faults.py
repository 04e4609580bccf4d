"""Planted faults in a real dataset of pictures, and which of them hivescan finds.

The dataset is a folder with ``train`` and ``test``, each with a subfolder a class (clothing-dataset-small).
Planted are wrong labels (a share of train, each another class drawn at random), copies of test pictures in
train (half of them byte for byte, half made smaller and saved again), and a class name in other letters.

- Wrong labels: ``dataset audit`` at its own cut. Recall is of the planted ones; precision counts every other
  issue as wrong, though a real dataset has label errors of its own: a second audit of the data as it came
  says how many it names there.
- Copies: ``dataset validate --test``. Others that it names are listed apart, by what they are.

Everything happens in a home folder of its own, which goes afterwards; vectors come from ``--store`` where
it has them. ``--json`` prints figures, settings, machine and versions for machines.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hivescan import __version__
from hivescan.automl.datasets.audit import audit_snapshot
from hivescan.automl.datasets.dataset import Dataset, head_values, open_dataset, relabel_items
from hivescan.automl.datasets.findings import Check
from hivescan.automl.datasets.importing import ImportOptions, create_dataset, import_more
from hivescan.automl.datasets.snapshot import take_snapshot
from hivescan.automl.datasets.validation import validate
from hivescan.versions import installed

HEAD = "garment"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("data", type=Path, help="folder with train/ and test/")
    asked.add_argument("--store", action="append", default=[], help="a store that may have the vectors")
    asked.add_argument("--base", default="clip_vit_b16_int8")
    asked.add_argument("--flips", type=float, default=0.05, help="share of labels that are made wrong")
    asked.add_argument("--copies", type=int, default=20)
    asked.add_argument("--renamed", type=int, default=12, help="labels that get other letters")
    asked.add_argument("--seeds", type=int, default=3, help="how many times labels are made wrong")
    asked.add_argument("--json", action="store_true")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="hivescan-faults-") as folder:
        os.environ["HIVESCAN_HOME"] = folder
        result = run(options, Path(folder))
    if options.json:
        json.dump(result, sys.stdout, indent=2)
        print()
    else:
        print_table(result)


def run(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    clock = time.perf_counter()
    create_dataset("train", options.data / "train", heads=[HEAD])
    create_dataset("test", options.data / "test", heads=[HEAD])
    train, test = open_dataset("train"), open_dataset("test")
    result: dict[str, Any] = {
        "items": train.items.num_rows,
        "test_items": test.items.num_rows,
        "seconds": {"create": round(time.perf_counter() - clock, 1)},
        "settings": {key: str(value) for key, value in vars(options).items()},
        "machine": {"processor": platform.machine(), "cores": os.cpu_count()},
        "versions": {"hivescan": __version__, "python": platform.python_version()}
        | installed(("cleanlab", "scikit-learn", "numpy", "onnxruntime")),
    }
    result["wrong_labels"] = wrong_labels(train, options, result["seconds"])
    result |= copies_and_spelling(train, test, options, scratch, result["seconds"])
    return result


def wrong_labels(train: Dataset, options: argparse.Namespace, seconds: dict[str, float]) -> dict[str, Any]:
    clean = audited(options, seconds)
    rounds = []
    for seed in range(options.seeds):
        planted = flip(train, options.flips, seed)
        named = audited(options, seconds)
        relabel_items("train", HEAD, {row: label for row, (label, _) in planted.items()})
        found = [row for row in named if row in planted]
        rounds.append(
            {
                "planted": len(planted),
                "named": len(named),
                "found": len(found),
                "recall": len(found) / len(planted),
                "precision": len(found) / len(named),
                "suggested_right": sum(named[row] == planted[row][0] for row in found) / max(1, len(found)),
                "also_named_in_data_as_it_came": sum(row in clean for row in named if row not in planted),
            }
        )
    return {"named_in_data_as_it_came": len(clean), "rounds": rounds}


def audited(options: argparse.Namespace, seconds: dict[str, float]) -> dict[int, str]:
    """Rows with a likely label error, each with the label that is suggested."""
    taken = take_snapshot(open_dataset("train"), on_invalid="keep")
    clock = time.perf_counter()
    found = audit_snapshot(taken, base=options.base, stores=options.store)
    seconds["audit"] = round(time.perf_counter() - clock, 1)
    return {issue.row: issue.suggested for issue in found.heads[0].label_issues}


def flip(train: Dataset, share: float, seed: int) -> dict[int, tuple[str, str]]:
    """Row → the true label and the wrong one that it was given."""
    chosen = random.Random(seed)
    rows = train.items.column("row").to_pylist()
    labels = [label or "" for label in head_values(train.items, HEAD)]
    classes = sorted(set(labels))
    planted = {}
    for place in chosen.sample(range(len(rows)), round(share * len(rows))):
        wrong = chosen.choice([label for label in classes if label != labels[place]])
        planted[rows[place]] = (labels[place], wrong)
    relabel_items("train", HEAD, {row: wrong for row, (_, wrong) in planted.items()})
    return planted


def copies_and_spelling(
    train: Dataset, test: Dataset, options: argparse.Namespace, scratch: Path, seconds: dict[str, float]
) -> dict[str, Any]:
    before = validate(train, test=test)
    folder = plant_copies(test, options.copies, scratch / "copies")
    added = import_more("train", folder, ImportOptions(heads={HEAD: None})).dataset
    planted = set(added.items.column("row").to_pylist()) - set(train.items.column("row").to_pylist())
    label = next(iter(train.classes(HEAD)))
    renamed = train.rows_with(HEAD, label)[: options.renamed]
    dataset, _ = relabel_items("train", HEAD, dict.fromkeys(renamed, label.upper()))
    clock = time.perf_counter()
    found = validate(dataset, test=test)
    seconds["validate"] = round(time.perf_counter() - clock, 1)
    exact = {row for finding in found.of(Check.LEAK) for row in finding.rows}
    near = {row for finding in found.of(Check.NEAR_LEAK) for row in finding.rows}
    known = {row for f in (*before.of(Check.LEAK), *before.of(Check.NEAR_LEAK)) for row in f.rows}
    spelled = {row for finding in found.of(Check.SPELLING) for row in finding.rows}
    return {
        "copies": {
            "planted": len(planted),
            "found": len(planted & (exact | near)),
            "found_byte_for_byte": len(planted & exact),
            "found_as_near": len(planted & near),
            "others_named": len((exact | near) - planted),
            "of_these_also_in_data_as_it_came": len(((exact | near) - planted) & known),
        },
        "spelling": {
            "planted": len(renamed),
            "found": len(spelled & set(renamed)),
            "others": len(spelled - set(renamed)),
        },
    }


def plant_copies(test: Dataset, count: int, folder: Path) -> Path:
    """Copies of pictures of test in a folder a class: every second one smaller and saved again."""
    chosen = np.random.default_rng(0).permutation(test.items.num_rows)[:count]
    uris = test.items.column("uri").to_pylist()
    labels = head_values(test.items, HEAD)
    for number, place in enumerate(chosen.tolist()):
        source, target = Path(uris[place]), folder / str(labels[place]) / f"copy-{number}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        if number % 2:
            with Image.open(source) as image:
                width, height = image.size
                image.convert("RGB").resize((width * 4 // 5, height * 4 // 5)).save(target, quality=75)
        else:
            shutil.copyfile(source, target)
    return folder


def print_table(result: dict[str, Any]) -> None:
    print(f"{result['items']:,} items of train, {result['test_items']:,} of test")
    labels, copies, spelling = result["wrong_labels"], result["copies"], result["spelling"]
    print(f"{'fault':<28}{'planted':>8}{'found':>8}{'recall':>9}{'precision':>11}")
    for number, each in enumerate(labels["rounds"]):
        name = f"wrong labels, seed {number}"
        print(
            f"{name:<28}{each['planted']:>8}{each['found']:>8}{each['recall']:>9.3f}{each['precision']:>11.3f}"
            f"   of {each['named'] - each['found']} others "
            f"{each['also_named_in_data_as_it_came']} are named in the data as it came"
        )
    total = copies["found"] + copies["others_named"]
    print(
        f"{'copies of test in train':<28}{copies['planted']:>8}{copies['found']:>8}"
        f"{copies['found'] / copies['planted']:>9.3f}{copies['found'] / total:>11.3f}"
        f"   of {copies['others_named']} others {copies['of_these_also_in_data_as_it_came']} are in the data "
        "as it came"
    )
    print(
        f"{'labels in other letters':<28}{spelling['planted']:>8}{spelling['found']:>8}"
        f"{spelling['found'] / spelling['planted']:>9.3f}"
        f"{spelling['found'] / max(1, spelling['found'] + spelling['others']):>11.3f}"
    )
    print("seconds: " + ", ".join(f"{name} {took}" for name, took in result["seconds"].items()))
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    print(f"{result['machine']['cores']} cores {result['machine']['processor']}; {versions}")


if __name__ == "__main__":
    main()
