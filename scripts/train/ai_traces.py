"""Train `ai_traces`, which tells pieces of pictures that a decoder painted from those that none did.

    python scripts/train/trace_crops.py crops.npz --packages FOLDER --photos clothing=FOLDER ...
    python scripts/train/trace_fakes.py crops.npz FAKES coders
    python scripts/train/trace_fakes.py crops.npz FAKES spectra
    python scripts/train/trace_fakes.py crops.npz FAKES taef2 WEIGHTS
    python scripts/train/ai_traces.py fit crops.npz FAKES traces.pt --without mutant whole
    python scripts/train/ai_traces.py ship crops.npz FAKES traces.pt weights/ai_traces/card.toml --real …

No picture of a generator is learned from. Each fake is a crop of a real picture that went through a decoder;
it and its crop are worn alike (:mod:`trace_patches`), so that neither content nor quality tells them apart.
One crop in ten, by number, is held out, with all its fakes.

``ship`` scales the margins so that two places of the score are the same for every network: 0.9 is the margin
that --share of the pictures of the worst --real folder reach (sources that were not learned from), 0.1 that
which 5 % of held-out fakes do not. Between them the answer is undecided.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from presence_head import pinned
from sklearn.metrics import roc_auc_score
from torch import nn
from trace_network import SIDE, TraceNetwork, to_onnx
from trace_patches import worn

from hivescan.media.views import make_views, tile_corners
from hivescan.types import View

VIEW = View(512, 512, "tiles", SIDE)
PIECE = 96
"""Pixels of a side while it learns: the network is a mean over places, and smaller ones are cheaper."""
HELD_OUT = 10
SHARES = {"taef2": 3.0, "disturbed": 3.0, "mutant": 3.0, "whole": 4.0, "enlarged": 0.7, "periodic": 0.3}
"""How often a kind of fakes is drawn, against 1 of the others: those of TAEF2 are nearest to what is met."""
EDGE = float(np.log(9))
"""The logit of 0.9."""
functional = nn.functional


class Pairs:
    """Crops and their fakes; pairs of them, worn."""

    def __init__(self, crops: Path, fakes: Path, wear: float = 1, compressed: float = 0) -> None:
        """The higher ``wear``, the less most pairs are worn; ``compressed``: the share that is first."""
        self._wear, self._compressed = wear, compressed
        data = dict(np.load(crops))
        self._crops, self._sides = data["crops"], data["sides"]
        self._fakes, self.rows, self.kinds = [], [], []
        for path in sorted(fakes.glob("*.npz")):
            made = dict(np.load(path))
            self._fakes += list(made["fakes"])
            self.rows += [int(row) for row in made["rows"]]
            self.kinds += [path.stem] * len(made["rows"])

    def of(self, held_out: bool) -> list[int]:
        return [i for i, row in enumerate(self.rows) if (row % HELD_OUT == 0) == held_out]

    def pair(self, number: int, chance: random.Random) -> np.ndarray:
        """``uint8 [2, 128, 128, 3]``: real, fake."""
        row, fake = self.rows[number], self._fakes[number]
        side = min(len(fake), int(self._sides[row]))
        both = [self._crops[row, :side, :side], fake[:side, :side]]
        if self.kinds[number] == "whole":
            # As pictures are that were generated large and are shown small.
            small = max(SIDE, round(side * chance.uniform(0.45, 0.75)))
            way = chance.choice((Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Resampling.BOX))
            both = [np.asarray(Image.fromarray(part).resize((small, small), way)) for part in both]
        return worn(both, chance, chance.random() ** self._wear, self._compressed)

    def piece(self, number: int, chance: random.Random) -> np.ndarray:
        """Less of it, on JPEG's blocks."""
        top, left = (chance.randint(0, (SIDE - PIECE) // 8) * 8 for _ in range(2))
        return self.pair(number, chance)[:, top : top + PIECE, left : left + PIECE]


def to_tensor(pieces: np.ndarray) -> torch.Tensor:
    x = torch.from_numpy(np.ascontiguousarray(pieces)).permute(0, 3, 1, 2).float()
    return x.contiguous(memory_format=torch.channels_last)


def fit(options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    rng, chance = np.random.default_rng(options.seed), random.Random(options.seed)
    pairs = Pairs(options.crops, options.fakes, options.wear, options.compressed)
    rows = [i for i in pairs.of(held_out=False) if pairs.kinds[i] not in options.without]
    shares = np.array([SHARES.get(pairs.kinds[i], 1.0) for i in rows])
    network = TraceNetwork().to(memory_format=torch.channels_last)
    if options.start:
        network.load_state_dict(torch.load(options.start, weights_only=True))
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, options.rate, total_steps=options.steps, pct_start=0.15
    )
    began, mean = time.monotonic(), 0.0
    for step in range(1, options.steps + 1):
        drawn = rng.choice(rows, options.batch, p=shares / shares.sum())
        x = to_tensor(np.concatenate([pairs.piece(i, chance) for i in drawn]))
        with torch.autocast("cpu", torch.bfloat16):
            margins = network(x)
        real, fake = margins.float().reshape(-1, 2).unbind(1)
        # Each for itself, and a fake above the very crop that it was made from.
        losses = (functional.softplus(real), functional.softplus(-fake), functional.softplus(real - fake) / 2)
        loss = torch.stack(losses).sum(0).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        mean += 0.03 * (loss.item() - mean)
        if step % 100 == 0:
            print(f"{step}: {mean:.3f}, {time.monotonic() - began:.0f} s", flush=True)
            torch.save(network.state_dict(), options.state)
    print(areas(network, pairs))


def areas(network: TraceNetwork, pairs: Pairs) -> str:
    """AUC by kind of fake, on held-out crops."""
    margins = held_out(network, pairs)
    kinds = np.array([pairs.kinds[i] for i in pairs.of(held_out=True)])
    found = {str(kind): area(margins[kinds == kind]) for kind in np.unique(kinds)}
    return f"held out: AUC {area(margins):.3f}; " + ", ".join(f"{k} {v:.3f}" for k, v in found.items())


def area(margins: np.ndarray) -> float:
    return float(roc_auc_score(np.tile([0, 1], len(margins)), margins.ravel()))


def held_out(network: TraceNetwork, pairs: Pairs) -> np.ndarray:
    """Margins ``[N, 2]``: of real patches and of their fakes."""
    worn_pairs = (pairs.pair(i, random.Random(i)) for i in pairs.of(held_out=True))
    return np.stack([margins_of(network, pair) for pair in worn_pairs])


def margins_of(network: TraceNetwork, tiles: np.ndarray) -> np.ndarray:
    network.eval()
    with torch.inference_mode():
        return np.asarray(network(to_tensor(tiles)))


def tiles_of(path: Path) -> Iterator[np.ndarray]:
    """``uint8 [N, 128, 128, 3]`` of one picture; nothing of one that cannot be read, or is too small."""
    try:
        with Image.open(path) as image:
            if image.width * image.height > 60_000_000 or min(image.size) < SIDE:
                return
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except (OSError, UnidentifiedImageError, ValueError):
        return
    ground = Image.new("RGBA", upright.size, "white")
    ground.alpha_composite(upright)
    yield tiles_of_picture(np.asarray(ground.convert("RGB")))


def tiles_of_picture(pixels: np.ndarray) -> np.ndarray:
    """``uint8 [N, 128, 128, 3]``: as the analyzer sees them; those that stand one on the other once."""
    view = make_views(pixels, {"tiles": VIEW})["tiles"]
    tiles = view.reshape(4, SIDE, 4, SIDE, 3).transpose(0, 2, 1, 3, 4).reshape(-1, SIDE, SIDE, 3)
    corners = tile_corners((pixels.shape[1], pixels.shape[0]), VIEW)
    return tiles[sorted({corner: number for number, corner in enumerate(corners)}.values())]


def ship(options: argparse.Namespace) -> None:
    network = TraceNetwork()
    network.load_state_dict(torch.load(options.state, weights_only=True))
    pairs = Pairs(options.crops, options.fakes)
    print(areas(network, pairs))
    fakes = held_out(network, pairs)[:, 1]
    edges = []
    for folder in options.real:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        random.Random(0).shuffle(paths)
        means = [
            margins_of(network, tiles).mean() for path in paths[: options.most] for tiles in tiles_of(path)
        ]
        edges.append(float(np.quantile(means, 1 - options.share)))
        middle, most = np.quantile(means, (0.5, 0.975))
        print(f"{folder.name}: {len(means)} pictures; {middle:.2f}, {edges[-1]:.2f}, {most:.2f}", flush=True)
    high = max(edges)
    low = min(float(np.quantile(fakes, 0.05)), high - 0.5)
    scale = 2 * EDGE / (high - low)
    model = to_onnx(network, VIEW.width, scale, EDGE - scale * high)
    path = options.card.parent / "ai_traces.onnx"
    path.write_bytes(model.SerializeToString(deterministic=True))
    pinned(path, options.card)
    print(f"{path}: {path.stat().st_size:,} bytes; 0.9 is {high:.2f}, 0.1 is {low:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = parser.add_subparsers(required=True)
    fitting, shipping = steps.add_parser("fit"), steps.add_parser("ship")
    for step in (fitting, shipping):
        step.add_argument("crops", type=Path)
        step.add_argument("fakes", type=Path)
        step.add_argument("state", type=Path)
    fitting.add_argument("--seed", type=int, default=1)
    fitting.add_argument("--steps", type=int, default=700)
    fitting.add_argument("--batch", type=int, default=24, help="pairs")
    fitting.add_argument("--rate", type=float, default=3e-3)
    fitting.add_argument("--start", type=Path, help="go on from this state")
    fitting.add_argument("--wear", type=float, default=1, help="above 1: most pairs are worn less")
    fitting.add_argument("--compressed", type=float, default=0, help="share compressed before it is worn")
    fitting.add_argument("--without", nargs="*", default=[], help="kinds of fakes to leave out")
    fitting.set_defaults(run=fit)
    shipping.add_argument("card", type=Path)
    shipping.add_argument("--real", type=Path, nargs="+", required=True)
    shipping.add_argument("--share", type=float, default=0.025, help="of the worst source, that 0.9 is for")
    shipping.add_argument("--most", type=int, default=80, help="pictures of a folder")
    shipping.set_defaults(run=ship)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.run(options)


if __name__ == "__main__":
    main()
