"""The arena: shared bytes, leased without overlap, all of it usable again when all is returned."""

from __future__ import annotations

import itertools
import multiprocessing

from hypothesis import given
from hypothesis import strategies as st

from hivescan.scan.arena import Arena, Leases

CAPACITY = 64 * 4096


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 20 * 4096)), max_size=60))
def test_leases_never_overlap_and_come_back_whole(steps: list[tuple[bool, int]]) -> None:
    leases, held = Leases(CAPACITY), {}
    for take, size in steps:
        if take or not held:
            offset = leases.take(size)
            if offset is not None:
                held[offset] = size
        else:
            offset = sorted(held)[size % len(held)]
            del held[offset]
            leases.give(offset)
        spans = sorted((o, o + s) for o, s in held.items())
        assert all(a_end <= b for (_, a_end), (b, _) in itertools.pairwise(spans))
        assert all(o >= 0 and end <= CAPACITY for o, end in spans)
    for offset in held:
        leases.give(offset)
    assert leases.used == 0
    assert leases.take(CAPACITY) == 0, "freed neighbours must grow together again"


def test_a_full_arena_says_so_and_serves_again_after_a_return() -> None:
    leases = Leases(3 * 4096)
    first, second = leases.take(4096), leases.take(2 * 4096)
    assert (first, second) == (0, 4096)
    assert leases.take(1) is None
    leases.give(first)
    assert leases.take(1) == 0


def _write(arena: Arena, offset: int, value: int) -> None:
    arena.view(offset, 10)[:] = value


def test_bytes_written_in_another_process_are_seen_here() -> None:
    arena = Arena.create(2 * 4096)
    for method in ("spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        process = context.Process(target=_write, args=(arena, 4096, 77))
        process.start()
        process.join()
        assert process.exitcode == 0
        assert arena.view(4096, 10).tolist() == [77] * 10
        arena.view(4096, 10)[:] = 0
    arena.close()
