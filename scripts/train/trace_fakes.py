"""Make fakes of crops, each with the crop that it was made from: see scripts/train/ai_traces.py.

    python scripts/train/trace_fakes.py crops.npz FAKES coders             autoencoders of our own
    python scripts/train/trace_fakes.py crops.npz FAKES spectra            enlarged without a network
    python scripts/train/trace_fakes.py crops.npz FAKES taef2 WEIGHTS      TAEF2, its codes disturbed, mutants

Each kind becomes ``FAKES/<kind>.npz``: ``fakes`` uint8 [M, 192, 192, 3], of the crop's upper left corner, and
``rows`` int [M], the crops. A kind that is there already is not made again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn
from trace_coders import KINDS, Taef2, fitted, hash_of, to_pictures, to_tensor

functional = nn.functional
LARGEST: Final = 192
COUNT: Final = 320
COUNTS: Final = {"mutant": 700, "whole": 300}
"""Fakes of a kind."""
Decode = Callable[[torch.Tensor], torch.Tensor]


def made_of(
    data: dict[str, np.ndarray], rows: np.ndarray, through: Decode, target: Path, largest: int = LARGEST
) -> None:
    fakes = np.zeros((len(rows), largest, largest, 3), np.uint8)
    for number, row in enumerate(rows):
        side = min(largest, data["sides"][row])
        crop = data["crops"][row : row + 1, :side, :side]
        with torch.inference_mode():
            fakes[number, :side, :side] = to_pictures(through(to_tensor(crop)))[0]
        if (number + 1) % 50 == 0:
            print(f"{target.stem}: {number + 1}", flush=True)
    np.savez(target, fakes=fakes, rows=rows)


def some(data: dict[str, np.ndarray], count: int, name: str) -> np.ndarray:
    return np.random.default_rng(hash_of(name)).permutation(len(data["crops"]))[:count]


def coders(data: dict[str, np.ndarray], options: argparse.Namespace) -> None:
    for kind in KINDS:
        target = options.fakes / f"{kind.name}.npz"
        if not target.exists():
            coder = fitted(kind, data["crops"], data["sides"], options.steps)
            made_of(data, some(data, COUNT, kind.name), coder, target)


def spectra(data: dict[str, np.ndarray], options: argparse.Namespace) -> None:
    """What enlarging by convolution does to spectra (Durall et al. 2020), without a network: rows and columns
    of zeros filled in by kernels that are not quite smooth, twice in a row; and detail that is a little
    stronger at some places of cells of 2, 4 or 8 pixels than at others."""
    torch.manual_seed(5)

    def enlarged(x: torch.Tensor) -> torch.Tensor:
        line = torch.tensor([1.0, 3, 3, 1]) / 4
        kernel = torch.outer(line, line)[None, None].repeat(3, 1, 1, 1)
        tuned = kernel * (1 + (0.03 + 0.12 * torch.rand(())) * torch.randn(1, 1, 4, 4))
        small = functional.avg_pool2d(x, 2)
        smooth = functional.conv_transpose2d(small, kernel, stride=2, padding=1, groups=3)
        grain = functional.avg_pool2d((x - smooth).abs(), 2)
        painted = grain * torch.randn(len(x), 1, *small.shape[2:]) * (0.3 + 0.7 * torch.rand(()))
        kept = float(torch.rand(())) * 0.5
        made = functional.conv_transpose2d(small + painted, tuned, stride=2, padding=1, groups=3)
        return made + kept * (x - smooth)

    def periodic(x: torch.Tensor) -> torch.Tensor:
        cell = int(torch.tensor([2, 2, 4, 8])[torch.randint(4, ())])
        strength = 1 + (0.08 + 0.25 * torch.rand(())) * torch.randn(1, 1, cell, cell)
        side = x.shape[2] // cell
        base = functional.avg_pool2d(x, 3, 1, 1)
        return base + (x - base) * strength.repeat(1, 1, side, side)

    for name, through in (("enlarged", enlarged), ("periodic", periodic)):
        target = options.fakes / f"{name}.npz"
        if not target.exists():
            made_of(data, some(data, COUNTS.get(name, COUNT), name), through, target)


def taef2(data: dict[str, np.ndarray], options: argparse.Namespace) -> None:
    network = Taef2(options.weights)
    rng = torch.Generator().manual_seed(7)

    def disturbed(x: torch.Tensor) -> torch.Tensor:
        """Codes as a generator gives them are not those of a real picture: noise, smoothing, other
        strengths."""
        z = network.encode(x)
        way = int(torch.randint(4, (), generator=rng))
        amount = float(torch.rand((), generator=rng))
        if way == 0:
            z = z + (0.05 + 0.3 * amount) * torch.randn(z.shape, generator=rng)
        elif way == 1:
            soft = functional.avg_pool2d(functional.pad(z, (1, 1, 1, 1), mode="replicate"), 3, 1)
            z = z + (0.2 + 0.6 * amount) * (soft - z)
        elif way == 2:
            z = z * (0.8 + 0.5 * amount)
        else:
            keep = torch.rand(1, z.shape[1], 1, 1, generator=rng) > 0.1 + 0.2 * amount
            z = torch.where(keep, z, z.mean(dim=(2, 3), keepdim=True))
        return network.decode(z)

    def mutant(x: torch.Tensor) -> torch.Tensor:
        """By a decoder that is nobody's: each weight a little other than in TAEF2, for each picture anew."""
        amount = 0.01 + 0.05 * float(torch.rand((), generator=rng))
        z = network.encode(x)
        if float(torch.rand((), generator=rng)) < 0.5:
            z = z + 0.2 * torch.rand((), generator=rng) * torch.randn(z.shape, generator=rng)
        return network.mutated(amount, rng).decode(z)

    kinds: dict[str, Decode] = {
        "taef2": lambda x: network.decode(network.encode(x)),
        "disturbed": disturbed,
        "mutant": mutant,
        "whole": lambda x: disturbed(x) if torch.rand((), generator=rng) < 0.5 else mutant(x),
    }
    for name, through in kinds.items():
        target = options.fakes / f"{name}.npz"
        if not target.exists():
            # Whole crops, to be reduced to half their size.
            made_of(
                data,
                some(data, COUNTS.get(name, COUNT), name),
                through,
                target,
                256 if name == "whole" else LARGEST,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("crops", type=Path)
    parser.add_argument("fakes", type=Path)
    kinds = parser.add_subparsers(required=True)
    own = kinds.add_parser("coders")
    own.add_argument("--steps", type=int, default=350)
    own.set_defaults(run=coders)
    kinds.add_parser("spectra").set_defaults(run=spectra)
    tiny = kinds.add_parser("taef2")
    tiny.add_argument("weights", type=Path)
    tiny.set_defaults(run=taef2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.fakes.mkdir(parents=True, exist_ok=True)
    options.run(dict(np.load(options.crops)), options)


if __name__ == "__main__":
    main()
