"""Good files made bad, as transfers, disks and enemies do it. The same seed makes the same copies."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

Mutation = Callable[[random.Random, bytes, bytes], bytes]
"""From a good file, and another one to mix in, to a bad one."""

_BLOWN: Final = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


def _span(rng: random.Random, data: bytes, longest: int) -> tuple[int, int]:
    start = rng.randrange(len(data))
    return start, min(len(data), start + rng.randint(1, longest))


def bit_flips(rng: random.Random, data: bytes, other: bytes) -> bytes:
    made = bytearray(data)
    for _ in range(rng.choice((1, 2, 5, 20, 100))):
        made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    return bytes(made)


def header_flips(rng: random.Random, data: bytes, other: bytes) -> bytes:
    made = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        made[rng.randrange(min(len(made), 96))] ^= 1 << rng.randrange(8)
    return bytes(made)


def byte_run(rng: random.Random, data: bytes, other: bytes) -> bytes:
    start, end = _span(rng, data, 64)
    return data[:start] + rng.randbytes(end - start) + data[end:]


def truncation(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def splice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def strange_body(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """The header of one type on the body of another."""
    length = rng.choice((4, 8, 12, 16, 32, 64, 128))
    return data[:length] + other[length:]


def blown_length(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """A field that looks like a length or a size is given an extreme value."""
    made = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        form = rng.choice((">I", "<I", ">H", "<H"))
        width = struct.calcsize(form)
        likely = [
            at
            for at in range(min(len(data), 4096) - width)
            if 0 < struct.unpack_from(form, data, at)[0] <= len(data)
        ]
        if likely:
            struct.pack_into(form, made, rng.choice(likely), rng.choice(_BLOWN) & (256**width - 1))
    return bytes(made)


def zeroed_hole(rng: random.Random, data: bytes, other: bytes) -> bytes:
    start, end = _span(rng, data, max(2, len(data) // 3))
    return data[:start] + bytes(end - start) + data[end:]


def repeated_chunk(rng: random.Random, data: bytes, other: bytes) -> bytes:
    start, end = _span(rng, data, 256)
    return data[:end] + data[start:end] * rng.choice((1, 3, 50)) + data[end:]


def lost_chunk(rng: random.Random, data: bytes, other: bytes) -> bytes:
    start, end = _span(rng, data, max(2, len(data) // 4))
    return data[:start] + data[end:]


def inserted_chunk(rng: random.Random, data: bytes, other: bytes) -> bytes:
    at = rng.randrange(len(data))
    start, end = _span(rng, other, 512)
    return data[:at] + other[start:end] + data[at:]


def swapped_blocks(rng: random.Random, data: bytes, other: bytes) -> bytes:
    size = rng.choice((16, 64, 512))
    blocks = [data[i : i + size] for i in range(0, len(data), size)]
    a, b = rng.randrange(len(blocks)), rng.randrange(len(blocks))
    blocks[a], blocks[b] = blocks[b], blocks[a]
    return b"".join(blocks)


MUTATIONS: Final[Mapping[str, Mutation]] = {
    mutation.__name__: mutation
    for mutation in (
        bit_flips,
        header_flips,
        byte_run,
        truncation,
        splice,
        strange_body,
        blown_length,
        zeroed_hole,
        repeated_chunk,
        lost_chunk,
        inserted_chunk,
        swapped_blocks,
    )
}


def mutated(good: Mapping[str, bytes], count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of ``count`` bad copies: every file in turn, each time in another way."""
    names: Sequence[str] = sorted(good)
    ways = list(MUTATIONS.items())
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        turn, place = divmod(number, len(names))
        name = names[place]
        way, mutation = ways[(turn + place) % len(ways)]
        yield f"{number:05d} {way} {name}", mutation(rng, good[name], good[rng.choice(names)])


def write_mutated(folder: Path, good: Mapping[str, bytes], count: int, seed: int) -> None:
    """The copies as files, a thousand a folder."""
    for number, (name, data) in enumerate(mutated(good, count, seed)):
        inside = folder / f"{number // 1000:02d}"
        inside.mkdir(parents=True, exist_ok=True)
        (inside / name).write_bytes(data)
