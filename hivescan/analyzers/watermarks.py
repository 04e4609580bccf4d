"""Invisible watermarks that generators put into their pictures by default, where the decoder is open.

The programs of Stable Diffusion 1 and 2, SDXL (also in diffusers) and FLUX write a message of their own with
the method ``dwtDct`` of invisible-watermark (ShieldMnt, MIT): the colour plane U of YUV at half the size
(Haar) is cut into blocks of 4 × 4. Block n carries bit n modulo the message's length, in the largest
of its values but the first: its remainder by 36 is in the lower half for 0 and in the upper one for 1. The
blocks' votes give each bit.

The message is fixed, so that chance can be told: a picture without it agrees with each bit by a coin's toss.
Evidence is given where so much agreement comes about once in ten million pictures or less. Any change of size
and most crops destroy the mark, so no evidence says nothing; and anybody can write it into any picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import comb
from typing import Final

import numpy as np
import numpy.typing as npt

from hivescan.analyzers.base import AnalyzerSpec
from hivescan.types import Evidence, Findings, MediaType, Pixels, Says

NAME: Final = "watermarks"
REVISION: Final = 1
LIBRARIES: tuple[str, ...] = ()

CHANCE: Final = 1e-7
"""How likely by chance the agreement may be that counts as evidence: each of four messages, in two orders of
colours, is looked for."""

_SCALE: Final = 36
_BLOCK: Final = 4
_LEAST_PIXELS: Final = 256 * 256
"""The encoder marks no smaller picture."""
_MOST_PIXELS: Final = 1 << 24
"""Larger than any of these programs makes."""

Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Message:
    """What a program writes. ``bits`` from the first one on."""

    program: str
    bits: tuple[int, ...]

    @property
    def fewest(self) -> int:
        """Of how many bits the agreement counts as evidence."""
        return next(k for k in range(len(self.bits) + 1) if chance_of(k, len(self.bits)) <= CHANCE)


def _of_text(text: str) -> tuple[int, ...]:
    return tuple(int(bit) for bit in np.unpackbits(np.frombuffer(text.encode(), np.uint8)))


def _of_number(number: int) -> tuple[int, ...]:
    """From its highest 1 on, as these programs make bits of a number: FLUX's 48 become 46."""
    return tuple(int(bit) for bit in f"{number:b}")


MESSAGES: Final = (
    Message("Stable Diffusion 1", _of_text("StableDiffusionV1")),
    Message("Stable Diffusion 2", _of_text("SDV2")),
    Message("SDXL", _of_number(0xB3EC907BB19E)),
    Message("FLUX", _of_number(0x2AFE879CF52E)),
)


def spec() -> AnalyzerSpec:
    """What the engine plans with; loads nothing."""
    return AnalyzerSpec(
        name=NAME,
        consumes=frozenset({MediaType.IMAGE}),
        runs_in="decoder",
        revision=REVISION,
        settings=(("messages", ",".join(message.program for message in MESSAGES)),),
    )


def load() -> Watermarks:
    return Watermarks()


class Watermarks:
    """A :class:`~hivescan.analyzers.base.DecoderAnalyzer`; keeps no state between pictures."""

    def __init__(self) -> None:
        self.spec = spec()

    def infer(self, pictures: Sequence[Pixels]) -> Findings:
        """Evidence of the messages in N pictures, ``uint8 [H, W, 3]`` RGB."""
        return Findings(evidence=tuple(tuple(found_in(picture)) for picture in pictures))


def found_in(picture: Pixels) -> Iterator[Evidence]:
    """A piece of evidence for each message that the picture carries."""
    height, width = picture.shape[:2]
    if not _LEAST_PIXELS <= height * width <= _MOST_PIXELS:
        return
    # Some programs hand their RGB to the encoder, which takes it for BGR.
    votes = [_votes(picture, blue, red) for blue, red in ((2, 0), (0, 2))]
    for message in MESSAGES:
        wanted = np.array(message.bits, np.bool_)
        agreeing = max(int((_bits(v, len(wanted)) == wanted).sum()) for v in votes)
        if agreeing >= message.fewest:
            value: dict[str, object] = {
                "method": "dwtDct",
                "bits": len(wanted),
                "agreeing": agreeing,
                "chance": float(f"{chance_of(agreeing, len(wanted)):.2g}"),
            }
            yield Evidence("watermark", message.program, Says.AI_GENERATED, value)


@cache
def chance_of(agreeing: int, bits: int) -> float:
    """How likely it is that so many of ``bits`` tosses of a coin, or more, come out as asked for."""
    return float(sum(comb(bits, k) for k in range(agreeing, bits + 1)) / 2**bits)


def _bits(votes: Bits, length: int) -> Bits:
    """The bits of a message of ``length``, each by the votes of its blocks; all 0 where a bit has none."""
    if len(votes) < length:
        return np.zeros(length, np.bool_)
    place = np.arange(len(votes)) % length
    ayes = np.bincount(place, votes, length)
    said: Bits = ayes / np.bincount(place, minlength=length) * 255 > 127
    return said


def _votes(picture: Pixels, blue: int, red: int) -> Bits:
    """What each block says, row by row; ``blue`` and ``red`` are the channels taken for them."""
    height, width = (side // 8 * 8 for side in picture.shape[:2])
    # OpenCV's conversion to YUV, in its fixed point.
    channels = picture[:height, :width].astype(np.int32)
    luma = (channels[..., red] * 4899 + channels[..., 1] * 9617 + channels[..., blue] * 1868 + 8192) >> 14
    u = ((channels[..., blue] - luma) * 8061 + (128 << 14) + 8192) >> 14
    np.clip(u, 0, 255, out=u)
    half = (u[::2, ::2] + u[1::2, ::2] + u[::2, 1::2] + u[1::2, 1::2]) / 2
    rows, columns = half.shape[0] // _BLOCK, half.shape[1] // _BLOCK
    blocks = half.reshape(rows, _BLOCK, columns, _BLOCK).swapaxes(1, 2).reshape(rows * columns, _BLOCK**2)
    largest = np.abs(blocks[:, 1:]).max(axis=1)
    votes: Bits = largest % _SCALE > _SCALE / 2
    return votes
