"""Networks of `ai_traces` side by side on whole sources, and how fast the shipped one is.

    python scripts/bench/trace_networks.py sources A.pt B.pt --real NAME=FOLDER ... --ai NAME=FOLDER ...
    python scripts/bench/trace_networks.py speed --real NAME=FOLDER

``sources``: for each state that scripts/train/ai_traces.py wrote, the AUC of each generator against real
sources, pictures as they are: the mean over these, and that against the source that looks most generated.
``speed``: pictures a CPU second of the analyzer, of its network alone and of the CLIP that other analyzers
stand on. Of a folder at most --most files are taken, always the same.
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

import torch  # noqa: E402
from ai_traces import VIEW, margins_of, tiles_of_picture  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402
from trace_network import TraceNetwork  # noqa: E402

from hivescan.analyzers import registry  # noqa: E402
from hivescan.analyzers.base import SIZES  # noqa: E402
from hivescan.benchmark.standard import read_whole  # noqa: E402
from hivescan.errors import MediaError  # noqa: E402
from hivescan.media.views import make_views  # noqa: E402
from hivescan.models.backends.base import Placement  # noqa: E402
from hivescan.models.cards import find_card  # noqa: E402
from hivescan.models.network import Network, Networks  # noqa: E402
from hivescan.types import Pixels  # noqa: E402

LEAST = VIEW.resize_to


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


def sources(options: argparse.Namespace) -> None:
    networks = {}
    for path in options.states:
        networks[path.stem] = TraceNetwork()
        networks[path.stem].load_state_dict(torch.load(path, weights_only=True))
    margins: dict[str, dict[str, np.ndarray]] = {name: {} for name in networks}
    for name, folder in (*options.real, *options.ai):
        found: dict[str, list[float]] = {network: [] for network in networks}
        for pixels in pictures(folder, options.most):
            tiles = tiles_of_picture(pixels)
            for network, values in found.items():
                values.append(float(margins_of(networks[network], tiles).mean()))
        for network, values in found.items():
            margins[network][name] = np.array(values)
        print(f"<!-- {name}: {len(values)} pictures -->", flush=True)
    print("| network | generator | pictures | AUC | against the worst source | which |")
    print("| --- | --- | ---: | ---: | ---: | --- |")
    for network, by_source in margins.items():
        for name, _ in options.ai:
            areas = {real: area(by_source[real], by_source[name]) for real, _ in options.real}
            worst = min(areas, key=lambda real: areas[real])
            mean = np.mean(list(areas.values()))
            row = (network, name, len(by_source[name]), f"{mean:.3f}", f"{areas[worst]:.3f}", worst)
            print("| " + " | ".join(str(cell) for cell in row) + " |")


def area(real: np.ndarray, generated: np.ndarray) -> float:
    truth = np.repeat([0, 1], (len(real), len(generated)))
    return float(roc_auc_score(truth, np.concatenate([real, generated])))


def speed(options: argparse.Namespace) -> None:
    ((_, folder),) = options.real
    seen = list(pictures(folder, options.most))
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


def named(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    return name, Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = parser.add_subparsers(required=True)
    comparing, timing = steps.add_parser("sources"), steps.add_parser("speed")
    for step in (comparing, timing):
        step.add_argument("--real", type=named, action="append", required=True, metavar="NAME=FOLDER")
        step.add_argument("--most", type=int, default=60, help="pictures of a source")
    comparing.add_argument("--ai", type=named, action="append", required=True, metavar="NAME=FOLDER")
    comparing.add_argument("states", type=Path, nargs="+")
    comparing.set_defaults(run=sources)
    timing.set_defaults(run=speed)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.run(options)


if __name__ == "__main__":
    main()
