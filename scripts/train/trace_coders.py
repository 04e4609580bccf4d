"""Small autoencoders of several kinds, and TAEF2: what makes traces of generators in real pictures.

A latent generator's last step is a decoder; a GAN's are convolutions with upsampling between. Both leave
traces that do not depend on what is shown. Each coder here takes ``float32 [N, 3, S, S]`` in 0..1, S a
multiple of 8, and gives the like back. Our own are trained for a minute each, from noise, on crops of real
pictures.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

functional = nn.functional


@dataclass(frozen=True)
class Kind:
    """``way`` how the decoder enlarges: nearest, bilinear, transposed (kernel 4), transposed3 or shuffle.
    ``steps`` halvings; ``latent`` channels of the code."""

    way: str
    steps: int
    latent: int

    @property
    def name(self) -> str:
        return f"{self.way}_{self.steps}_{self.latent}"


WIDTH: Final = 32
KINDS: Final = (
    Kind("nearest", 2, 20),
    Kind("transposed", 2, 12),
    Kind("nearest", 3, 48),
    Kind("transposed3", 2, 20),
    Kind("shuffle", 2, 20),
    Kind("bilinear", 2, 20),
)


class Coder(nn.Module):
    def __init__(self, kind: Kind) -> None:
        super().__init__()
        down: list[nn.Module] = []
        channels = 3
        for _ in range(kind.steps):
            down += [nn.Conv2d(channels, WIDTH, 4, 2, 1), nn.LeakyReLU(0.2)]
            down += [nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.LeakyReLU(0.2)]
            channels = WIDTH
        down.append(nn.Conv2d(WIDTH, kind.latent, 1))
        up: list[nn.Module] = [nn.Conv2d(kind.latent + 3, WIDTH, 3, padding=1), nn.LeakyReLU(0.2)]
        for _ in range(kind.steps):
            up += [*enlarging(kind.way), nn.LeakyReLU(0.2)]
            up += [nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.LeakyReLU(0.2)]
        up.append(nn.Conv2d(WIDTH, 3, 3, padding=1))
        self.cell = 2**kind.steps
        self.down, self.up = nn.Sequential(*down), nn.Sequential(*up)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The mean colours of its cells reach the decoder as they are, all else through the code."""
        base = functional.avg_pool2d(x, self.cell)
        y: torch.Tensor = self.up(torch.cat([self.down(x * 2 - 1), base * 2 - 1], 1))
        return y + functional.interpolate(base, scale_factor=self.cell, mode="bilinear")


def enlarging(way: str) -> list[nn.Module]:
    if way in ("nearest", "bilinear"):
        return [nn.Upsample(scale_factor=2, mode=way), nn.Conv2d(WIDTH, WIDTH, 3, padding=1)]
    if way == "transposed":
        return [nn.ConvTranspose2d(WIDTH, WIDTH, 4, 2, 1)]
    if way == "transposed3":
        return [nn.ConvTranspose2d(WIDTH, WIDTH, 3, 2, 1, output_padding=1)]
    return [nn.Conv2d(WIDTH, 4 * WIDTH, 3, padding=1), nn.PixelShuffle(2)]


class Judge(nn.Module):
    """Tells pieces of real pictures from decoded ones: what makes a coder's texture sharp."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 24, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(24, 48, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(48, 48, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(48, 1, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layers(x * 2 - 1)
        return y


def fitted(kind: Kind, crops: np.ndarray, sides: np.ndarray, steps: int) -> Coder:
    """``crops`` uint8 [N, 256, 256, 3]. From the middle on the judge has a say."""
    torch.manual_seed(hash_of(kind.name))
    rng = np.random.default_rng(hash_of(kind.name))
    coder = Coder(kind).to(memory_format=torch.channels_last)
    judge = Judge().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(coder.parameters(), 2e-3, betas=(0.8, 0.95))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    judging = torch.optim.AdamW(judge.parameters(), 1e-3, betas=(0.5, 0.9))
    lost = 0.0
    for step in range(steps):
        x = pieces(crops, sides, 8, 64, rng)
        y = coder(x)
        loss = functional.l1_loss(y, x) + functional.l1_loss(edges(y), edges(x))
        if step >= steps * 2 // 3:
            margins = functional.relu(1 - judge(x)).mean() + functional.relu(1 + judge(y.detach())).mean()
            judging.zero_grad()
            margins.backward()
            judging.step()
            loss = loss - 0.004 * judge(y).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        lost = 0.98 * lost + 0.02 * float(functional.mse_loss(y.detach(), x))
    print(f"{kind.name}: {-10 * np.log10(lost):.1f} dB", flush=True)
    return coder.eval()


def hash_of(text: str) -> int:
    import zlib

    return zlib.crc32(text.encode()) % 1000


def edges(x: torch.Tensor) -> torch.Tensor:
    return x - functional.avg_pool2d(x, 3, 1, 1)


def pieces(crops: np.ndarray, sides: np.ndarray, count: int, side: int, rng: Any) -> torch.Tensor:
    made = np.empty((count, side, side, 3), np.uint8)
    for i, row in enumerate(rng.integers(len(crops), size=count)):
        top, left = rng.integers(sides[row] - side + 1, size=2)
        made[i] = crops[row, top : top + side, left : left + side]
    return to_tensor(made)


def to_tensor(pictures: np.ndarray) -> torch.Tensor:
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    return x.contiguous(memory_format=torch.channels_last)


def to_pictures(x: torch.Tensor) -> np.ndarray:
    return np.asarray((x.float().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous())


class Taef2:
    """The tiny autoencoder of FLUX.2's latents (madebyollin/taesd, MIT), in bfloat16 but for its last
    layer."""

    _DOWN: Final = (0, "1", 2, "3", "4", "5", 6, "7", "8", "9", 10, "11", "12", "13", 14)
    _UP: Final = ("3", "4", "5", -7, "8", "9", "10", -12, "13", "14", "15", -17, "18")

    def __init__(self, folder: Path) -> None:
        self._halves = []
        for half in ("encoder", "decoder"):
            state = torch.load(folder / f"taef2_{half}.pth", map_location="cpu", weights_only=True)
            self._halves.append({name: value.bfloat16() for name, value in state.items()})

    def mutated(self, amount: float, rng: torch.Generator) -> Taef2:
        """One whose decoder's weights each differ by about this share."""
        made = copy.copy(self)
        made._halves = [
            self._halves[0],
            {
                name: value * (1 + amount * torch.randn(value.shape, generator=rng)).bfloat16()
                for name, value in self._halves[1].items()
            },
        ]
        return made

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """``float32 [N, 3, S, S]`` in 0..1 → ``float32 [N, 32, S / 8, S / 8]``."""
        with torch.inference_mode():
            return self._run(0, x.bfloat16(), self._DOWN).float()

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            z = (torch.tanh(z / 3) * 3).bfloat16().contiguous(memory_format=torch.channels_last)
            x = self._run(1, torch.relu(self._convolution(1, "1", z)), self._UP)
            state = self._halves[1]
            return functional.conv2d(
                x.float(), state["19.weight"].float(), state["19.bias"].float(), padding=1
            )

    def _run(self, half: int, x: torch.Tensor, layers: tuple[int | str, ...]) -> torch.Tensor:
        """Numbers are convolutions, negative ones with an upsampling before, strings are blocks."""
        for layer in layers:
            if isinstance(layer, str):
                x = self._block(half, layer, x)
                continue
            if layer < 0:
                x = functional.interpolate(x, scale_factor=2)
            x = self._convolution(half, str(abs(layer)), x, stride=2 if layer in (2, 6, 10) else 1)
        return x

    def _block(self, half: int, name: str, x: torch.Tensor) -> torch.Tensor:
        state = self._halves[half]
        if f"{name}.pool.0.weight" in state:
            wide = functional.conv2d(x, state[f"{name}.pool.0.weight"])
            wide = functional.group_norm(
                wide, 4, state[f"{name}.pool.1.weight"], state[f"{name}.pool.1.bias"]
            )
            x = x + functional.conv2d(functional.relu(wide), state[f"{name}.pool.3.weight"])
        y = x
        for step in (0, 2, 4):
            y = self._convolution(half, f"{name}.conv.{step}", y)
            y = functional.relu(y) if step < 4 else y
        return functional.relu(x + y)

    def _convolution(self, half: int, name: str, x: torch.Tensor, stride: int = 1) -> torch.Tensor:
        state = self._halves[half]
        return functional.conv2d(
            x, state[f"{name}.weight"], state.get(f"{name}.bias"), stride=stride, padding=1
        )
