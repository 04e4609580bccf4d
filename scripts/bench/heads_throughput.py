"""What further heads on the same vectors cost: throughput with 20 heads on the embedding ÷ with one.

    python scripts/bench/heads_throughput.py ../shared/data/clothing/train --pictures 150 --rounds 3

Real pictures are scanned into fresh stores by the whole engine, from its start to its end: with one head on
the vectors of CLIP, with twenty heads of one model, and with twenty models of one head each, in turns; the
best time of each counts, because other programs can only add to it, and the least CPU time, which they touch
little. Then the vectors of such a store are
scored (``hivescan rescore``) with one and with twenty heads. The heads' weights are random and thrown away:
the work is the same.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from itertools import islice
from pathlib import Path

import numpy as np

from hivescan.automl.deploy import deploy, undeploy
from hivescan.automl.trained import Base, TrainedHead, save_version
from hivescan.models.cards import find_card
from hivescan.models.network import space_of
from hivescan.models.vector_head import VectorHead
from hivescan.scan.config import ScanConfig
from hivescan.scan.rescore import rescore
from hivescan.scan.run import run_scan
from hivescan.store.store import open_store

NETWORK = "clip_vit_b16_int8"
PICTURES = {".jpg", ".jpeg", ".png"}
MANY = 20
SETTINGS = {
    "one head": (1,),
    f"{MANY} heads of one model": (MANY,),
    f"{MANY} models of one head": (1,) * MANY,
}


def model(name: str, heads: int) -> str:
    """A model of so many heads of two classes, deployed."""
    random = np.random.default_rng(heads)
    labels = ("yes", "no")
    made = {}
    for number in range(heads):
        layer = (random.normal(size=(2, 512)).astype(np.float32), np.zeros(2, np.float32))
        scale = np.ones(512, np.float32)
        head = VectorHead(f"{name}_{number}", labels, np.zeros(512, np.float32), scale, ((layer,),))
        record = TrainedHead(head.name, labels, "", "", "none@1", "0" * 64, "2026-01-01", "random", 0)
        made[head.name] = (head, record)
    save_version(name, "image", Base(NETWORK, space_of(find_card(NETWORK))), made)
    deploy(name)
    return name


@contextmanager
def deployed(counts: tuple[int, ...]) -> Iterator[tuple[str, ...]]:
    names = tuple(model(f"bench{number}", count) for number, count in enumerate(counts))
    yield names
    for name in names:
        undeploy(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found = (p for p in sorted(options.folder.rglob("*")) if p.suffix.lower() in PICTURES)
    files = tuple(str(p.resolve()) for p in islice(found, options.pictures))
    seconds: dict[str, list[float]] = {name: [] for name in SETTINGS}
    cpu: dict[str, list[float]] = {name: [] for name in SETTINGS}
    with tempfile.TemporaryDirectory() as work:
        os.environ |= {"HIVESCAN_HOME": f"{work}/home", "HIVESCAN_MODELS": f"{work}/home/models"}
        for number in range(options.rounds):
            for setting, counts in SETTINGS.items():
                with deployed(counts) as names:
                    store = Path(work) / f"{number} {setting}"
                    config = ScanConfig(sources=files, store=store, analyzers=("embedding", *names))
                    summary = run_scan(config)
                    seconds[setting].append(summary.seconds)
                    cpu[setting].append(summary.costs.cpu_seconds)
        stored = {}
        for count in (1, MANY):
            with deployed((count,)) as (name,):
                made = [
                    rescore(open_store(Path(work) / "0 one head"), name, again=True).seconds
                    for _ in range(options.rounds)
                ]
                stored[count] = min(made)
    rates = {name: len(files) / min(times) for name, times in seconds.items()}
    least = {name: min(times) for name, times in cpu.items()}
    columns = ("heads", "pictures", "pictures a second", "÷ with one", "CPU s", "CPU s with one ÷ this")
    print(f"| {' | '.join(columns)} |\n| --- |{' ---: |' * (len(columns) - 1)}")
    for name, rate in rates.items():
        told = f"{rate:.2f} | {rate / rates['one head']:.3f}"
        print(
            f"| {name} | {len(files)} | {told} | {least[name]:.1f} | {least['one head'] / least[name]:.3f} |"
        )
    told = ", ".join(f"{count} in {took:.2f} s" for count, took in stored.items())
    print(f"\nHeads on {len(files)} stored vectors: {told}.")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("hivescan", "onnxruntime", "numpy"))
    print(f"{platform.machine()}, {os.cpu_count()} cores; {versions}")


if __name__ == "__main__":
    main()
