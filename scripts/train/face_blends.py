"""Train `face_blends`, the head that sees blended faces, from unchanged faces alone.

    python scripts/train/collect_faces.py faces.npz --set portraits=FOLDER ...
    python scripts/train/face_blends.py --seed 1 make faces.npz pairs1.npz --pairs 1000
    python scripts/train/face_blends.py --seed 2 make faces.npz pairs2.npz --pairs 1000
    python scripts/train/face_blends.py fit pairs1.npz pairs2.npz weights/face_blends/face_blends.onnx

Fakes are made by :mod:`self_blending`, each with the face that it was made from. What the network sees is
fixed (:mod:`blend_network`): how strong and how fine the grain, the edges and the colours are, place by
place, against the rest of the same crop. What it learns is which pattern of that is a blended face. One
face in eight, by file, is held out: the best epoch is chosen on those, and a scale and shift that make
probabilities of the logits. The test (scripts/bench/deepfakes.py) has other sources and other kinds of
fakes.
"""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path

import numpy as np
import torch
from blend_network import SIDE, FaceBlends, to_onnx
from self_blending import pair
from sklearn.metrics import roc_auc_score
from torch import nn


def make(options: argparse.Namespace) -> None:
    """Write ``fakes`` and ``faces``, uint8 [N, 208, 208, 3], pair by pair, and ``held``, bool [N]."""
    data = dict(np.load(options.faces))
    rng = np.random.default_rng(options.seed)
    held = np.array([zlib.crc32(name.encode()) % 8 == 0 for name in data["files"]])
    rows = np.concatenate([rng.permutation(len(held)) for _ in range(1 + options.pairs // len(held))])
    rows = rows[: options.pairs]
    edge = (data["faces"].shape[1] - SIDE) // 2
    made = np.empty((2, len(rows), SIDE, SIDE, 3), np.uint8)
    for i, row in enumerate(rows):
        for half, picture in enumerate(pair(data["faces"][row], data["landmarks"][row], rng)):
            made[half, i] = picture[edge : edge + SIDE, edge : edge + SIDE]
        if (i + 1) % 500 == 0:
            print(f"{i + 1} pairs", flush=True)
    np.savez(options.target, faces=made[0], fakes=made[1], held=held[rows])


def fit(options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    parts = [dict(np.load(path)) for path in options.pairs]
    held = torch.from_numpy(np.concatenate([part["held"] for part in parts]))
    network = FaceBlends()
    fakes, faces = (
        torch.cat([network.seen_in_batches(part[name]) for part in parts]) for name in ("fakes", "faces")
    )
    network.normalise(torch.cat([fakes[~held], faces[~held]]))
    print(f"{len(held)} pairs, {int(held.sum())} of them of held-out faces", flush=True)
    rows = torch.nonzero(~held)[:, 0]
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)
    steps = options.epochs * (len(rows) // 32)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    best, kept = 0.0, {name: value.clone() for name, value in network.state_dict().items()}
    for epoch in range(options.epochs):
        network.train()
        lost = 0.0
        for chosen in rows[torch.randperm(len(rows))][: len(rows) // 32 * 32].split(32):
            margins = network.margins(torch.cat([fakes[chosen], faces[chosen]]))
            target = torch.cat([torch.ones(32), torch.zeros(32)])
            loss = nn.functional.binary_cross_entropy_with_logits(margins, target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            lost += loss.item() * 32 / len(rows)
        margins, target = held_out(network, fakes[held], faces[held])
        area = float(roc_auc_score(target.numpy(), margins.numpy()))
        print(f"epoch {epoch + 1}  loss {lost:.3f}  held out: AUC {area:.3f}", flush=True)
        if area > best:
            best, kept = area, {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(kept)
    calibrate(network, *held_out(network, fakes[held], faces[held]), options.prior)
    options.target.parent.mkdir(parents=True, exist_ok=True)
    options.target.write_bytes(to_onnx(network).SerializeToString(deterministic=True))
    print(f"{options.target}: {options.target.stat().st_size:,} bytes, held out: AUC {best:.3f}")


def held_out(
    network: FaceBlends, fakes: torch.Tensor, faces: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    network.eval()
    with torch.inference_mode():
        margins = torch.cat([network.margins(part) for part in torch.cat([fakes, faces]).split(256)])
    return margins.clone(), torch.cat([torch.ones(len(fakes)), torch.zeros(len(faces))])


def calibrate(network: FaceBlends, margins: torch.Tensor, target: torch.Tensor, prior: float) -> None:
    """Platt's scaling, taken into the last layer: probabilities where ``prior`` of all faces are fakes."""
    scale, shift = torch.ones((), requires_grad=True), torch.zeros((), requires_grad=True)
    optimiser = torch.optim.LBFGS([scale, shift], max_iter=100)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(margins * scale + shift, target)
        loss.backward()
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        network.last.weight *= scale
        network.last.bias *= scale
        network.last.bias += shift + np.log(prior / (1 - prior))
    print(f"scale {scale.item():.2f}, shift {shift.item():.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    steps = parser.add_subparsers(required=True)
    making = steps.add_parser("make", help="make fakes, each with its face")
    making.add_argument("faces", type=Path)
    making.add_argument("target", type=Path)
    making.add_argument("--pairs", type=int, default=1000)
    making.set_defaults(run=make)
    fitting = steps.add_parser("fit", help="train and write the network")
    fitting.add_argument("pairs", type=Path, nargs="+")
    fitting.add_argument("target", type=Path)
    fitting.add_argument("--epochs", type=int, default=15)
    fitting.add_argument("--prior", type=float, default=0.05, help="the share of fakes to expect")
    fitting.set_defaults(run=fit)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
