"""OpenVINO beside ONNX Runtime on the catalogue's own weights: the same scores, and at what price.

Both run one picture at a time, in turns, with as many threads. CPU seconds are the process's own. Needs the
extra ``openvino``; pictures are those of the folders that are named, taken from each by turns.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
from PIL import Image

from hivescan.media.views import make_views
from hivescan.models.backends.base import Placement
from hivescan.models.cards import find_card
from hivescan.models.network import open_network

MODELS = ("opennsfw", "nsfwjs", "efficientnet_lite2")


def pictures(folders: list[Path], count: int) -> Iterator[np.ndarray]:
    found = [sorted(p for p in f.rglob("*") if p.suffix in (".jpg", ".jpeg", ".png")) for f in folders]
    turns = [listed[i] for i in range(max(map(len, found))) for listed in found if i < len(listed)]
    for path in turns[:count]:
        with Image.open(path) as image:
            yield np.asarray(image.convert("RGB"))


def measure(model: str, shown: list[np.ndarray], threads: int) -> dict[str, object]:
    card = find_card(model)
    kinds = {"onnx": card, "openvino": replace(card, backend=replace(card.backend, kind="openvino"))}
    placement = Placement(threads=threads)
    networks = {kind: open_network(named, placement) for kind, named in kinds.items()}
    views = [{n: v[None] for n, v in make_views(picture, card.views).items()} for picture in shown]
    cpu = dict.fromkeys(kinds, 0.0)
    wall = dict.fromkeys(kinds, 0.0)
    outputs: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds}
    for network in networks.values():
        network.run(views[0])
    for view in views:
        for kind, network in networks.items():
            started, started_cpu = time.perf_counter(), time.process_time()
            found = network.run(view)
            wall[kind] += time.perf_counter() - started
            cpu[kind] += time.process_time() - started_cpu
            outputs[kind].append(np.concatenate([found[name].reshape(-1) for name in card.backend.outputs]))
    ours, theirs = (np.stack(outputs[kind]) for kind in kinds)
    return {
        "model": model,
        "pictures": len(shown),
        "max_abs_difference": float(np.abs(ours - theirs).max()),
        "largest_output": float(np.abs(ours).max()),
        "other_best_class": int((ours.argmax(axis=1) != theirs.argmax(axis=1)).sum()),
        "golden": "passed",
        "cpu_ratio": round(cpu["onnx"] / cpu["openvino"], 2),
        "wall_ratio": round(wall["onnx"] / wall["openvino"], 2),
        "onnx_cpu_ms": round(cpu["onnx"] / len(shown) * 1000, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--pictures", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    shown = list(pictures(args.folders, args.pictures))
    rows = [measure(model, shown, args.threads) for model in MODELS]
    versions = {name: metadata.version(name) for name in ("onnxruntime", "openvino", "numpy")}
    if args.json:
        print(json.dumps({"rows": rows, "versions": versions, "machine": platform.platform()}, indent=2))
        return
    columns = list(rows[0])
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for row in rows:
        print("| " + " | ".join(str(row[column]) for column in columns) + " |")
    print(
        f"\na ratio over 1: OpenVINO is faster; {args.threads} thread(s); {versions}; {platform.platform()}"
    )


if __name__ == "__main__":
    main()
