"""How well detectors tell AI-made pictures from real ones, on whole sources that they were not trained on.

>>> from pathlib import Path
>>> from hivescan.benchmark.ai_images import benchmark_ai_images, find_sources
>>> made = benchmark_ai_images(find_sources([Path("held-out")]))  # doctest: +SKIP
>>> made.of("ai_images", "none").mean_auc.value  # doctest: +SKIP
0.91

The protocol: every picture, real or AI, is brought to one form (:mod:`hivescan.benchmark.standard`),
perturbed (:mod:`hivescan.benchmark.perturbations`), saved as a JPEG of one quality without metadata, and
scored by each detector through the way that a scan takes from a file to its score. Only scores are kept.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from hivescan.benchmark.detectors import NO_SCORE, Detector, Speaker, open_detectors
from hivescan.benchmark.differences import Difference, SourceTraits, differences, summary, traits_of
from hivescan.benchmark.figures import Figures, Scored, Verdicts, measure
from hivescan.benchmark.masks import Mask, read_mask, shares
from hivescan.benchmark.perturbations import NONE, Perturbation, chosen, random_for
from hivescan.benchmark.results import Key, Results, Row
from hivescan.benchmark.sources import Kind, PictureFile, Source, find_sources
from hivescan.benchmark.standard import Form, jpeg_bytes, read_whole, standardised
from hivescan.errors import MediaError, RunInterruptedError

__all__ = ["Benchmark", "Form", "Kind", "Settings", "Verdicts", "benchmark_ai_images", "find_sources"]


@dataclass(frozen=True)
class Settings:
    """How a benchmark is made.

    - ``analyzers``: None: all that have the head ``ai_generated`` and can run here;
    - ``perturbations``: names, None: all; the pictures as they are always belong to it;
    - ``limit``, ``limit_perturbed``, ``limit_attacks``: pictures of a source that are scored as they are,
      perturbed, and attacked through a network; 0: all;
    - ``verdicts``: when a picture is called AI, real or undecided;
    - ``results``: a folder in which scores are kept, from which the next run goes on; None: nowhere.
    """

    analyzers: tuple[str, ...] | None = None
    perturbations: tuple[str, ...] | None = None
    form: Form = field(default_factory=Form)
    limit: int = 0
    limit_perturbed: int = 100
    limit_attacks: int = 25
    verdicts: Verdicts = field(default_factory=Verdicts)
    draws: int = 500
    device: str = "auto"
    results: Path | None = None


@dataclass(frozen=True)
class Measured:
    """The figures of one detector under one perturbation.

    ``before`` are those of the same pictures as they are, without intervals of what is ranked.
    """

    detector: str
    perturbation: str
    figures: Figures
    before: Figures


@dataclass(frozen=True)
class Benchmark:
    """What a benchmark says.

    ``left_out``: by source, why pictures of it have no score, each reason with their number; ``bad_masks``:
    by source, why masks of hybrids were not compared (their pictures have scores). ``differences``
    are properties of files by which the sources could be told apart before they were brought to one form.
    """

    settings: Settings
    sources: tuple[SourceTraits, ...]
    differences: tuple[Difference, ...]
    left_out: Mapping[str, Mapping[str, int]]
    bad_masks: Mapping[str, Mapping[str, int]]
    measured: tuple[Measured, ...]

    @property
    def detectors(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(m.detector for m in self.measured))

    def of(self, detector: str, perturbation: str = NONE) -> Figures:
        """The figures of one detector. Raises ``KeyError`` where there are none."""
        for entry in self.measured:
            if (entry.detector, entry.perturbation) == (detector, perturbation):
                return entry.figures
        raise KeyError((detector, perturbation))


def benchmark_ai_images(
    sources: Sequence[Source],
    settings: Settings | None = None,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_kept: Callable[[int], None] = lambda scores: None,
) -> Benchmark:
    """Score all pictures of ``sources`` with every detector, as they are and perturbed, and measure.

    ``on_progress`` is told how many pictures (each perturbation of one is a picture) are done, of how many
    that are not in ``results`` yet; ``on_kept`` is told once, before, how many scores are.

    Raises :class:`UsageError` where an analyzer or a perturbation is unknown or cannot be used,
    ``CatalogueError`` leaves where weights cannot be had, and :class:`RunInterruptedError` on Ctrl-C: with
    ``results`` what was scored is kept.
    """
    settings = settings or Settings()
    perturbations = chosen(settings.perturbations)
    detectors = open_detectors(settings.analyzers, settings.device)
    traits = [(source, traits_of(source)) for source in sources]
    with Results(settings.results) as results, tempfile.TemporaryDirectory(prefix="hivescan-") as scratch:
        scoring = _Scoring(settings, detectors, perturbations, results, Path(scratch) / "picture.jpg")
        try:
            rows = list(scoring.score(sources, on_progress, on_kept))
        except KeyboardInterrupt:
            kept = "; what was scored is kept, run it again to go on" if settings.results else ""
            raise RunInterruptedError(f"interrupted{kept}") from None
    return Benchmark(
        settings=settings,
        sources=tuple(summary(source, found) for source, found in traits),
        differences=differences(traits),
        left_out=scoring.left_out,
        bad_masks=scoring.bad_masks,
        measured=tuple(_measured(rows, sources, detectors, perturbations, settings)),
    )


class _Scoring:
    """Pictures on their way to rows; each is decoded once, and not at all where all its rows are there."""

    def __init__(
        self,
        settings: Settings,
        detectors: Sequence[Detector],
        perturbations: Sequence[Perturbation],
        results: Results,
        scratch: Path,
    ) -> None:
        self._settings = settings
        self._detectors = detectors
        self._speakers = [speaker for detector in detectors for speaker in detector.speakers]
        self._perturbations = perturbations
        self._results = results
        self._scratch = scratch
        self.left_out: dict[str, Counter[str]] = {}
        self.bad_masks: dict[str, Counter[str]] = {}

    def score(
        self,
        sources: Sequence[Source],
        on_progress: Callable[[int, int], None],
        on_kept: Callable[[int], None],
    ) -> Iterator[Row]:
        """The rows of all pictures."""
        work = [
            (source, file, wanted)
            for source in sources
            for number, file in enumerate(source.files)
            if (wanted := self._wanted(number))
        ]
        kept = [[self._missing(source, file, p) for p in wanted] for source, file, wanted in work]
        total, done = sum(bool(missing) for of_file in kept for missing in of_file), 0
        on_kept(sum(len(self._speakers) - missing for of_file in kept for missing in of_file))
        for (source, file, wanted), of_file in zip(work, kept, strict=True):
            rows = self._of_file(source, file, wanted)
            yield from rows
            _count(self.left_out, source, {row.reason for row in rows if row.perturbation == NONE})
            _count(self.bad_masks, source, {row.mask_reason for row in rows})
            if any(of_file):
                done += sum(map(bool, of_file))
                on_progress(done, total)

    def _wanted(self, number: int) -> list[Perturbation]:
        """What the picture of this number within its source is scored as."""
        limits = self._settings

        def within(perturbation: Perturbation) -> bool:
            most = limits.limit_attacks if perturbation.attack else limits.limit_perturbed
            most = limits.limit if perturbation.name == NONE else most
            return (not most or number < most) and (not limits.limit or number < limits.limit)

        return [p for p in self._perturbations if within(p)]

    def _missing(self, source: Source, file: PictureFile, perturbation: Perturbation) -> int:
        """How many detectors' scores of the picture are not kept yet."""
        blank = (self._blank(source, file, perturbation, speaker) for speaker in self._speakers)
        return sum(self._results.get(row.key) is None for row in blank)

    def _of_file(self, source: Source, file: PictureFile, wanted: Sequence[Perturbation]) -> list[Row]:
        made: dict[Key, Row] = {}
        missing = [perturbation for perturbation in wanted if self._missing(source, file, perturbation)]
        if missing:
            try:
                whole = standardised(read_whole(file.path), self._settings.form)
            except MediaError as error:
                _count(self.left_out, source, {error.reason})
                return []
            for perturbation in missing:
                changed = perturbation.make(whole, random_for(file.sha256, perturbation.name))
                self._scratch.write_bytes(jpeg_bytes(changed, self._settings.form.quality))
                rows = list(self._looked_at(source, file, perturbation))
                self._results.add(rows)
                made |= {row.key: row for row in rows}
        keys = (self._blank(source, file, p, speaker).key for p in wanted for speaker in self._speakers)
        found = (self._results.get(key) or made.get(key) for key in keys)
        # One content may stand in several sources, and a source may have got another name since.
        return [replace(row, source=source.name, kind=source.kind.value) for row in found if row is not None]

    def _looked_at(self, source: Source, file: PictureFile, perturbation: Perturbation) -> Iterator[Row]:
        mask, why_not = self._mask(source, file, perturbation)
        for detector in self._detectors:
            rows = [(self._blank(source, file, perturbation, s), s) for s in detector.speakers]
            if all(self._results.get(row.key) for row, _ in rows):
                continue
            try:
                said = detector.look(self._scratch)
            except MediaError as error:
                yield from (replace(row, reason=error.reason) for row, _ in rows)
                continue
            for row, speaker in rows:
                found = said[speaker]
                reason = NO_SCORE if found.score is None else None
                made = replace(
                    row, score=found.score, answer=found.answer, reason=reason, mask_reason=why_not
                )
                if mask is not None and found.regions is not None:
                    flagged, generated, both = shares(mask, found.regions)
                    made = replace(made, flagged=flagged, generated=generated, both=both)
                yield made

    def _mask(
        self, source: Source, file: PictureFile, perturbation: Perturbation
    ) -> tuple[Mask | None, str | None]:
        """The mask of a hybrid as it is, or why it cannot be used; both None where there is none."""
        if file.mask is None or not _has_mask(source, perturbation):
            return None, None
        try:
            return read_mask(file.mask, self._settings.form), None
        except MediaError as error:
            return None, error.reason

    def _blank(self, source: Source, file: PictureFile, perturbation: Perturbation, speaker: Speaker) -> Row:
        return Row(
            speaker.name,
            speaker.fingerprint,
            self._settings.form.text,
            perturbation.name,
            source.kind.value,
            source.name,
            file.name,
            file.sha256,
            None,
            mask=file.mask_sha256 if _has_mask(source, perturbation) else "",
        )


def _has_mask(source: Source, perturbation: Perturbation) -> bool:
    """Whether masks are looked for: perturbations may move what they show."""
    return source.kind is Kind.HYBRID and perturbation.name == NONE


def _count(by_source: dict[str, Counter[str]], source: Source, reasons: Iterable[str | None]) -> None:
    for reason in reasons:
        if reason is not None:
            by_source.setdefault(source.name, Counter())[reason] += 1


def _measured(
    rows: Sequence[Row],
    sources: Sequence[Source],
    detectors: Sequence[Detector],
    perturbations: Sequence[Perturbation],
    settings: Settings,
) -> Iterator[Measured]:
    kinds = {source.name: source.kind for source in sources}
    scored: dict[tuple[str, str], dict[tuple[str, str], Row]] = {}
    for row in rows:
        if row.score is not None:
            scored.setdefault((row.detector, row.perturbation), {})[row.source, row.sha256] = row
    for speaker in (speaker for detector in detectors for speaker in detector.speakers):
        plain = scored.get((speaker.name, NONE), {})
        for perturbation in perturbations:
            found = scored.get((speaker.name, perturbation.name), {})
            same = [row for picture, row in plain.items() if picture in found]
            yield Measured(
                speaker.name,
                perturbation.name,
                measure(_by_source(found.values(), kinds, settings.verdicts), kinds, settings.draws),
                measure(_by_source(same, kinds, settings.verdicts), kinds, 0),
            )


def _by_source(rows: Iterable[Row], names: Iterable[str], verdicts: Verdicts) -> dict[str, Scored]:
    by_source: dict[str, list[tuple[float, Row]]] = {name: [] for name in names}
    for row in rows:
        if row.score is not None:
            by_source[row.source].append((row.score, row))
    return {
        name: Scored(
            np.array([score for score, _ in found], np.float32),
            np.array([verdicts.call(score, row.answer) for score, row in found], np.int8),
            np.array(
                [(r.flagged, r.generated, r.both) for _, r in found if r.flagged is not None], np.float64
            ).reshape(-1, 3),
        )
        for name, found in by_source.items()
    }
