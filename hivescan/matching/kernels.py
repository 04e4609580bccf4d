"""The inner loops of the multi-index, compiled by numba: no Python object in them, the GIL released.

Look-ups wait for memory, not for arithmetic: a query touches some ten thousand places that lie nowhere near
each other. So every place is asked for (prefetched) a few dozen steps before it is read, and the processor
fetches many at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

AHEAD = 24
"""How many probes ahead a place is asked for: more than a core can have under way gains nothing."""

BATCH = 256
"""Buckets, and candidates, that are asked for before the first of them is looked at."""


@intrinsic
def _popcount(typing: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def prefetch(typing: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of ``array[index]``; nothing is read, a place out of bounds does no harm."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        data = context.make_array(kind)(context, builder, arguments[0]).data
        place = builder.gep(data, [arguments[1]])
        pointer = ir.IntType(8).as_pointer()
        number = ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", [pointer], ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        )
        # For reading, to be kept in all caches, data.
        builder.call(function, [builder.bitcast(place, pointer), number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


@njit(nogil=True, cache=True, inline="always")
def chunk_of(words: Any, row: int, first: int, bits: int) -> Any:
    """``bits`` (at most 32) of a hash from bit ``first`` on, as a number."""
    at, shift = first >> 6, np.uint64(first & 63)
    value = words[row, at] >> shift
    if (first & 63) + bits > 64:
        value |= words[row, at + 1] << (np.uint64(64) - shift)
    return value & ((np.uint64(1) << np.uint64(bits)) - np.uint64(1))


@njit(nogil=True, cache=True)
def permuted(hashes: Any, table: Any, out: Any) -> None:
    """``hashes`` are ``uint8 [N, B]``; bits of byte ``i`` of value ``v`` go where ``table[i, v]`` says."""
    for row in range(len(hashes)):
        for word in range(out.shape[1]):
            out[row, word] = 0
        for at in range(hashes.shape[1]):
            value = hashes[row, at]
            for word in range(out.shape[1]):
                out[row, word] |= table[at, value, word]


@njit(nogil=True, cache=True, inline="always")
def _distance(words: Any, row: int, queries: Any, query: int, most: int) -> int:
    """Bits in which they differ; anything above ``most`` once it is more than that."""
    total = 0
    for at in range(words.shape[1]):
        total += int(_popcount(words[row, at] ^ queries[query, at]))
        if total > most:
            break
    return total


@njit(nogil=True, cache=True)
def _seen_before(
    words: Any, row: int, queries: Any, query: int, chunk: int, firsts: Any, bits: Any, radii: Any
) -> bool:
    """Whether an earlier chunk finds this pair as well."""
    for c in range(chunk):
        differing = chunk_of(words, row, firsts[c], bits[c]) ^ chunk_of(queries, query, firsts[c], bits[c])
        if np.int64(_popcount(differing)) <= radii[c]:
            return True
    return False


@njit(nogil=True, cache=True)
def _scan(words: Any, queries: Any, query: int, most: int, found: Any, distances: Any, count: int) -> int:
    """Compare a query with every row; as :func:`search`, and -1 where the room does not suffice."""
    for row in range(len(words)):
        distance = _distance(words, row, queries, query, most)
        if distance <= most:
            if count == len(found):
                return -1
            found[count] = row
            distances[count] = distance
            count += 1
    return count


@njit(nogil=True, cache=True)
def _probe(
    words: Any,
    offsets: Any,
    ids: Any,
    copied: Any,
    plan: Any,
    masks: Any,
    queries: Any,
    query: int,
    most: int,
    enough: int,
    found: Any,
    distances: Any,
    count: int,
    begins: Any,
    ends: Any,
    candidates: Any,
) -> int:
    """Look a query up; -1 where the room does not suffice, -2 where comparing all would be quicker."""
    firsts, bits, radii, probes, masks_at, table_at = plan[0], plan[1], plan[2], plan[3], plan[4], plan[5]
    rows = len(words)
    # Hashes of one word stand in each table, and need not be fetched from elsewhere.
    short = len(copied) > 0
    met = 0
    for c in range(plan.shape[1]):
        value = np.int64(chunk_of(queries, query, firsts[c], bits[c]))
        table, mask, last = table_at[c], masks_at[c], probes[c] - 1
        # The hashes stand in the order of the first chunk: its buckets are rows, the others' are of ids.
        direct = c == 0
        for j in range(min(AHEAD, probes[c])):
            prefetch(offsets, table + (value ^ np.int64(masks[mask + j])))
        buckets = 0
        for j in range(probes[c]):
            if j + AHEAD <= last:
                prefetch(offsets, table + (value ^ np.int64(masks[mask + j + AHEAD])))
            key = table + (value ^ np.int64(masks[mask + j]))
            # Never beyond the arrays, even where a file is damaged.
            begin, end = int(offsets[key]), min(int(offsets[key + 1]), rows)
            if end > begin:
                met += int(end - begin)
                if met > enough:
                    return -2
                if direct:
                    begins[buckets] = begin
                    ends[buckets] = end
                    prefetch(words, begin * words.shape[1])
                else:
                    begins[buckets] = (c - 1) * rows + begin
                    ends[buckets] = (c - 1) * rows + end
                    if short:
                        prefetch(copied, begins[buckets])
                    else:
                        prefetch(ids, begins[buckets])
                buckets += 1
            if buckets < BATCH and j < last:
                continue
            waiting = 0
            for b in range(buckets):
                for at in range(begins[b], ends[b]):
                    if short and not direct:
                        if int(_popcount(copied[at] ^ queries[query, 0])) <= most:
                            candidates[waiting] = min(int(ids[at]), rows - 1)
                            waiting += 1
                    elif direct:
                        candidates[waiting] = at
                        waiting += 1
                    else:
                        candidates[waiting] = min(int(ids[at]), rows - 1)
                        prefetch(words, candidates[waiting] * words.shape[1])
                        waiting += 1
                    if waiting < BATCH and (b < buckets - 1 or at < ends[b] - 1):
                        continue
                    for k in range(waiting):
                        row = candidates[k]
                        distance = _distance(words, row, queries, query, most)
                        if distance > most:
                            continue
                        if _seen_before(words, row, queries, query, c, firsts, bits, radii):
                            continue
                        if count == len(found):
                            return -1
                        found[count] = row
                        distances[count] = distance
                        count += 1
                    waiting = 0
            buckets = 0
    return count


@njit(nogil=True, cache=True)
def search(
    words: Any,
    offsets: Any,
    ids: Any,
    copied: Any,
    plan: Any,
    masks: Any,
    queries: Any,
    first: int,
    most: int,
    enough: int,
    found: Any,
    distances: Any,
    counts: Any,
) -> int:
    """Rows within ``most`` bits of the queries from ``first`` on, until the room in ``found`` is used up.

    ``counts[q]`` becomes how many rows query ``q`` has; returns the first query that is not answered.
    """
    begins = np.empty(BATCH, np.int64)
    ends = np.empty(BATCH, np.int64)
    candidates = np.empty(BATCH, np.int64)
    total = 0
    for query in range(first, len(queries)):
        after = _probe(
            words,
            offsets,
            ids,
            copied,
            plan,
            masks,
            queries,
            query,
            most,
            enough,
            found,
            distances,
            total,
            begins,
            ends,
            candidates,
        )
        if after == -2:
            after = _scan(words, queries, query, most, found, distances, total)
        if after < 0:
            return query
        counts[query] = after - total
        total = after
    return len(queries)
