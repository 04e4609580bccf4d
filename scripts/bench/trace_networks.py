"""What `ai_traces` is made of, and how fast it is.

    python scripts/bench/trace_networks.py ablation WORK
    python scripts/bench/trace_networks.py speed FOLDER

``ablation``: of the features that scripts/train/ai_traces.py wrote into WORK, some alone: the AUC by pictures
when whole sources are held out in turn, and how many AI-made pictures score above 97.5 % of the worst real
source. ``speed``: pictures a CPU second of the analyzer, of its network alone and of the CLIP that other
analyzers stand on, over at most --most pictures of a folder.
"""

from __future__ import annotations

import argparse
import platform
import random
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "train")]

from ai_traces import LEAST as COUNTS_FROM  # noqa: E402
from ai_traces import held_out, means_by  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402
from trace_network import CHANNELS  # noqa: E402

from hivescan.analyzers import registry  # noqa: E402
from hivescan.analyzers.base import SIZES  # noqa: E402
from hivescan.benchmark.standard import read_whole  # noqa: E402
from hivescan.errors import MediaError  # noqa: E402
from hivescan.media.views import make_views  # noqa: E402
from hivescan.models.backends.base import Placement  # noqa: E402
from hivescan.models.cards import find_card  # noqa: E402
from hivescan.models.network import Network, Networks  # noqa: E402
from hivescan.types import Pixels  # noqa: E402

LEAST = 192


def pictures(folder: Path, most: int) -> Iterator[Pixels]:
    """What can be decoded and is no smaller than a tile."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    random.Random(0).shuffle(paths)
    found = 0
    for path in paths:
        if found == most:
            return
        try:
            pixels = read_whole(path)
        except MediaError:
            continue
        if min(pixels.shape[:2]) >= LEAST:
            found += 1
            yield pixels


def ablation(options: argparse.Namespace) -> None:
    data = np.load(options.work / "features.npz")
    values, (made, sources, names) = data["features"], data["about"].T
    truth = made == "ai"
    edges = np.cumsum([0, *(width for channels in CHANNELS for width in (channels, channels))])
    means, spreads = ([np.arange(edges[2 * i + k], edges[2 * i + k + 1]) for i in range(5)] for k in (0, 1))
    kinds = {
        "all": ([*means, *spreads], 0.02),
        "all, a stronger prior (C 0.002)": ([*means, *spreads], 0.002),
        "all, a weaker prior (C 0.2)": ([*means, *spreads], 0.2),
        "standard deviations": (spreads, 0.02),
        "means": (means, 0.02),
        "the first three maps": ([*means[:3], *spreads[:3]], 0.02),
        "the last two maps": ([*means[3:], *spreads[3:]], 0.02),
    }
    print(f"{len(np.unique(names))} pictures, {len(truth)} pieces")
    print("| features | how many | AUC, sources held out | AI-made above the worst real source |")
    print("| --- | ---: | ---: | ---: |")
    for kind, (parts, strength) in kinds.items():
        columns = np.concatenate(parts)
        margins, first = means_by(held_out(values[:, columns], truth, sources, strength), names)
        of_ai, by = truth[first], sources[first]
        real = [margins[~of_ai & (by == source)] for source in np.unique(by[~of_ai])]
        high = max(np.quantile(of, 0.975) for of in real if len(of) >= COUNTS_FROM)
        area = roc_auc_score(of_ai, margins)
        print(f"| {kind} | {len(columns)} | {area:.3f} | {(margins[of_ai] >= high).mean():.0%} |", flush=True)


def speed(options: argparse.Namespace) -> None:
    seen = list(pictures(options.folder, options.most))
    analyzer = registry.load("ai_images", Placement(device="cpu", threads=1))
    views = [make_views(picture, analyzer.spec.views or {}) for picture in seen]
    stacks = [
        {name: view[np.newaxis] for name, view in made.items()}
        | {SIZES: np.array([[p.shape[1], p.shape[0]]])}
        for made, p in zip(views, seen, strict=True)
    ]
    rates = {"cutting tiles": rate(lambda i: make_views(seen[i], analyzer.spec.views or {}), len(seen))}
    rates["analyzer `ai_images`"] = rate(lambda i: analyzer.infer(stacks[i]), len(seen))
    for name in ("ai_traces", "clip_vit_b16_int8"):
        card = find_card(name)
        network = Networks().open(card, Placement(device="cpu", threads=1))
        assert isinstance(network, Network)
        pieces = [make_views(picture, card.views) for picture in seen]
        stacked = [{key: view[np.newaxis] for key, view in made.items()} for made in pieces]
        rates[f"network `{name}` alone"] = rate(lambda i, n=network, s=stacked: n.run(s[i]), len(seen))
    print(f"{platform.processor() or platform.machine()}, one thread, onnxruntime {version('onnxruntime')}")
    print("| what | pictures a CPU second |\n| --- | ---: |")
    for name, value in rates.items():
        print(f"| {name} | {value:.1f} |")


def rate(run, count: int) -> float:  # noqa: ANN001
    run(0)
    began = time.process_time()
    for i in range(count):
        run(i)
    return count / (time.process_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = parser.add_subparsers(required=True)
    comparing, timing = steps.add_parser("ablation"), steps.add_parser("speed")
    comparing.add_argument("work", type=Path)
    comparing.set_defaults(run=ablation)
    timing.add_argument("folder", type=Path)
    timing.add_argument("--most", type=int, default=20, help="pictures")
    timing.set_defaults(run=speed)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
