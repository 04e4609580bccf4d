"""Time of an evaluation and size of its page, on made scores: prints a table for docs/evaluation.md.

OMP_NUM_THREADS=1 python scripts/bench/evaluation.py
"""

from __future__ import annotations

import platform
import resource
import time

import numpy as np
import pyarrow as pa

from hivescan.automl.datasets.snapshot import Snapshot
from hivescan.automl.evaluation.evaluate import evaluate_predictions
from hivescan.automl.evaluation.evaluation import EvaluateOptions
from hivescan.automl.evaluation.evaluation_page import evaluation_page
from hivescan.automl.heads.predict import Predictions
from hivescan.automl.items import HEAD, schema
from hivescan.versions import installed

CASES = ((1_000, 2), (10_000, 10), (100_000, 10), (100_000, 50))
RESAMPLES = 1_000


def main() -> None:
    versions = ", ".join(f"{name} {version}" for name, version in installed(["numpy", "scipy"]).items())
    print(f"Python {platform.python_version()}, {versions}; {RESAMPLES:,} resamples, one thread\n")
    print("| items | classes | figures s | intervals s | page s | page MB | highest memory MB |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for items, classes in CASES:
        snapshot, predictions = _case(items, classes)
        started = time.perf_counter()
        evaluate_predictions(snapshot, predictions, EvaluateOptions(resamples=0))
        figures = time.perf_counter()
        made = evaluate_predictions(snapshot, predictions, EvaluateOptions(resamples=RESAMPLES))
        intervals = time.perf_counter()
        page = evaluation_page(made)
        drawn = time.perf_counter()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        print(
            f"| {items:,} | {classes} | {figures - started:.1f} | {intervals - figures:.1f} | "
            f"{drawn - intervals:.1f} | {len(page.encode()) / 1e6:.1f} | {memory:,.0f} |"
        )


def _case(items: int, classes: int) -> tuple[Snapshot, Predictions]:
    """Scores of a head that is right nine times in ten or so."""
    generator = np.random.default_rng(0)
    labels = tuple(f"class {i:02}" for i in range(classes))
    truth = generator.integers(classes, size=items)
    logits = generator.normal(size=(items, classes)).astype(np.float32) * 2
    logits[np.arange(items), truth] += 6
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores = powers / powers.sum(axis=1, keepdims=True)
    table = pa.table(
        {
            "row": np.arange(1, items + 1),
            "uri": [f"/items/{i}.jpg" for i in range(items)],
            "text": pa.nulls(items, pa.string()),
            "content_id": [f"{i:064x}" for i in range(items)],
            "origin": ["made"] * items,
            "origin_row": pa.nulls(items, pa.int64()),
            HEAD + "kind": [labels[t] for t in truth],
        },
        schema=schema(["kind"], []),
    )
    snapshot = Snapshot(
        "made", 1, "0" * 64, "image", {"kind": labels}, (), table, "2026-01-01T00:00:00+00:00"
    )
    return snapshot, Predictions("made@1", {"kind": (labels, scores)}, {})


if __name__ == "__main__":
    main()
