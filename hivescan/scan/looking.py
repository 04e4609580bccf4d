"""One batch on its way through the models of an inference host.

What one analyzer finds within its samples the analyzers behind it see at once, here, where the pixels are:
only rows leave the process.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hivescan.analyzers.base import SIZES, HostAnalyzer, upstream_of
from hivescan.errors import ModelUnhealthyError
from hivescan.models.backends.batches import is_out_of_memory
from hivescan.models.golden import ConstantScores, check_finite
from hivescan.scan.arena import Arena
from hivescan.scan.costs import Stopwatch
from hivescan.scan.deriving import FEWEST_PARENTS, Gathered, Portion
from hivescan.scan.messages import Batch, Piece, Placed
from hivescan.scan.payload import unpacked_sound, unpacked_text
from hivescan.scan.picking import pick
from hivescan.types import Findings, Level, Payload, SoundView, TextView, View
from hivescan.wording import count

Views = Mapping[str, npt.NDArray[Any]]
"""What an analyzer is handed: N rows under each name."""


class Failures:
    """What runtimes said when they failed: words for the summary, where rows have plain ones."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def see(self, analyzer: str, error: Exception, *, of_texts: bool = False) -> None:
        """``of_texts``: the words of such an error may be the text, so that its kind alone is told."""
        self._count[analyzer] += 1
        kind = type(error).__name__
        words = kind if of_texts else " ".join(f"{kind}: {error}".split())[:300]
        self._first.setdefault(analyzer, words)

    def warnings(self) -> list[str]:
        """One line an analyzer."""
        return [
            f"analyzer {name} failed on {count(number, 'sample')}, on the first with {self._first[name]}"
            for name, number in self._count.items()
        ]


@dataclass
class Models:
    """What a host keeps from one batch to the next. ``by_chain`` are the analyzers that were loaded."""

    by_chain: dict[str, HostAnalyzer] = field(default_factory=dict)
    watch: ConstantScores = field(default_factory=ConstantScores)
    failures: Failures = field(default_factory=Failures)


class Looking:
    """What each chain found in a batch, in pieces, and what it failed on: index of the sample → why."""

    def __init__(self, batch: Batch, models: Models, arena: Arena, clock: Stopwatch) -> None:
        self._work = batch.work
        self._models = models
        self._clock = clock
        self._stacks = Stacks(batch, arena)
        self.findings: dict[str, list[Piece]] = {}
        self.trouble: dict[str, dict[int, str]] = {}

    def run(self) -> None:
        """Let every chain see its samples. One that others stand behind runs once for all of them.

        Raises :class:`ModelUnhealthyError`, which names the chain.
        """
        behind: dict[str, dict[str, frozenset[int]]] = {}
        for chain, indices in self._work.items():
            before = upstream_of(chain)
            others = behind.setdefault(before or chain, {})
            if before is not None:
                others[chain] = frozenset(indices)
        for chain, others in behind.items():
            own = self._work.get(chain, ())
            if others:
                self._find(chain, frozenset(own), others)
            else:
                self._keep(chain, self._infer(chain, own))

    def _find(self, chain: str, own: frozenset[int], others: Mapping[str, frozenset[int]]) -> None:
        """Run an analyzer and those that look at what it finds; its own rows are kept for ``own`` samples.

        Where it fails on a sample, they have failed on it, too.
        """
        indices = tuple(sorted(own.union(*others.values())))
        at_once = max(self._models.by_chain[chain].batch_size, FEWEST_PARENTS)
        wanted = frozenset(name for other in others for name in self._models.by_chain[other].spec.views or {})
        gathered = Gathered()
        for start in range(0, len(indices), at_once):
            pieces = self._infer(chain, indices[start : start + at_once], derived_views=wanted)
            for piece in pieces:
                if piece.findings.derived is not None:
                    gathered.add(piece.samples, piece.findings.derived)
            self._keep(chain, [_of(piece, own) for piece in pieces])
            if gathered.is_full:
                self._hand_on(gathered, others)
        self._hand_on(gathered, others)
        lost = self.trouble.pop(chain, {})
        for other, samples in {chain: own, **others}.items():
            for index in samples & lost.keys():
                self.trouble.setdefault(other, {})[index] = lost[index]

    def _hand_on(self, gathered: Gathered, others: Mapping[str, frozenset[int]]) -> None:
        for portion in gathered.take():
            for chain, wanted in others.items():
                seen = portion.within(wanted)
                if len(seen):
                    self._keep(chain, self._infer(chain, seen.samples, seen))

    def _keep(self, chain: str, pieces: Iterable[Piece]) -> None:
        kept = self.findings.setdefault(chain, [])
        for piece in pieces:
            if piece.samples:
                kept.append(replace(piece, findings=replace(piece.findings, derived=None)))

    def _infer(
        self,
        chain: str,
        samples: tuple[int, ...],
        found: Portion | None = None,
        derived_views: Collection[str] = (),
    ) -> list[Piece]:
        """What a chain says of ``samples``, or of what was ``found`` within them; ``derived_views`` are those
        that chains behind it want of what it finds."""
        self._clock.now(chain)
        analyzer = self._models.by_chain[chain]
        everything = slice(0, len(samples))
        try:
            try:
                views = self._views(analyzer, samples, found, everything)
                pieces = [(everything, views, _derived(analyzer.infer(views), derived_views))]
            except ModelUnhealthyError:
                raise
            except Exception:  # one odd sample, or no memory for so many: each alone shows which
                pieces = list(self._one_by_one(chain, analyzer, samples, found, derived_views))
            for _, views, findings in pieces:
                check_finite(chain, findings)
                if analyzer.spec.weights:  # rules may say the same of a thousand texts
                    self._models.watch.see(findings, _marks(analyzer, views))
        except ModelUnhealthyError as error:
            error.analyzer = chain
            raise
        return [
            Piece(samples[rows], findings, None if found is None else found.places.cut(rows))
            for rows, _, findings in pieces
        ]

    def _one_by_one(
        self,
        chain: str,
        analyzer: HostAnalyzer,
        samples: tuple[int, ...],
        found: Portion | None,
        derived_views: Collection[str],
    ) -> Iterator[tuple[slice, Views, Findings]]:
        for row, index in enumerate(samples):
            rows = slice(row, row + 1)
            try:
                views = self._views(analyzer, samples, found, rows)
                yield rows, views, _derived(analyzer.infer(views), derived_views)
            except ModelUnhealthyError:
                raise
            except Exception as error:
                full = is_out_of_memory(error)
                why = f"the model failed on it{': there was not enough memory' if full else ''}"
                self.trouble.setdefault(chain, {}).setdefault(index, why)
                of_texts = analyzer.spec.level is Level.PASSAGE
                self._models.failures.see(chain, error, of_texts=of_texts)

    def _views(
        self, analyzer: HostAnalyzer, samples: tuple[int, ...], found: Portion | None, rows: slice
    ) -> Views:
        if found is None:
            return self._stacks.of(analyzer, samples[rows])
        wanted = {name: found.views[name] for name in analyzer.spec.views or {}}
        if rows == slice(0, len(samples)):
            return wanted  # these very arrays: networks that others run, too, run once over them
        return {name: stack[rows] for name, stack in wanted.items()}


def _derived(findings: Findings, names: Collection[str]) -> Findings:
    """With those views of what was found that somebody wants; making them may be work."""
    if findings.derived is None:
        return findings
    views = {name: findings.derived.views[name] for name in names}
    return replace(findings, derived=replace(findings.derived, views=views))


def _of(piece: Piece, samples: frozenset[int]) -> Piece:
    """The rows of some samples alone."""
    rows = [row for row, index in enumerate(piece.samples) if index in samples]
    if len(rows) == len(piece.samples):
        return piece
    return Piece(tuple(piece.samples[row] for row in rows), pick(piece.findings, rows))


def _marks(analyzer: HostAnalyzer, views: Views) -> list[int]:
    """A checksum of what each sample showed the analyzer, to tell equal inputs from equal scores."""
    first = next(iter(analyzer.spec.views or {}))
    return [
        zlib.crc32(row.encode("utf-8", "replace") if isinstance(row, str) else row.data)
        for row in views[first]
    ]


class Stacks:
    """The samples of one batch as analyzers want them. Two that want the same get the same arrays."""

    def __init__(self, batch: Batch, arena: Arena) -> None:
        self._batch = batch
        self._arena = arena
        self._made: dict[tuple[Payload, tuple[int, ...]], npt.NDArray[Any]] = {}

    def of(self, analyzer: HostAnalyzer, indices: tuple[int, ...]) -> dict[str, npt.NDArray[Any]]:
        """The views that ``analyzer`` wants of these samples, and their sizes."""
        samples = [self._batch.samples[index] for index in indices]
        stacks: dict[str, npt.NDArray[Any]] = {
            SIZES: np.array([(s.width, s.height) for s in samples], dtype=np.int32)
        }
        for name, view in (analyzer.spec.views or {}).items():
            if (view, indices) not in self._made:
                self._made[view, indices] = self._stack(samples, view)
            stacks[name] = self._made[view, indices]
        return stacks

    def _stack(self, samples: list[Placed], view: Payload) -> npt.NDArray[Any]:
        if isinstance(view, TextView):
            texts = np.empty(len(samples), dtype=object)
            texts[:] = [unpacked_text(_bytes(sample, view, self._arena)) for sample in samples]
            return texts
        if isinstance(view, SoundView):
            return np.stack([unpacked_sound(_bytes(sample, view, self._arena)) for sample in samples])
        assert isinstance(view, View)  # numbers come with what was found, never from a decoder
        stack = np.empty((len(samples), view.height, view.width, 3), dtype=np.uint8)
        for row, sample in enumerate(samples):
            stack[row] = _bytes(sample, view, self._arena).reshape(stack.shape[1:])
        return stack


def _bytes(sample: Placed, view: Payload, arena: Arena) -> npt.NDArray[np.uint8]:
    offset = sample.lease + sample.layout.offsets[sample.layout.views.index(view)]
    return arena.view(offset, view.nbytes)
