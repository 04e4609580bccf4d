"""A benchmark for people, as blocks, and for programs, as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from hivescan.automl.evaluation.bootstrap import Estimate
from hivescan.benchmark.ai_images import Benchmark, Measured
from hivescan.benchmark.differences import SourceTraits
from hivescan.benchmark.figures import Figures, Verdicts
from hivescan.benchmark.perturbations import ALL, NONE
from hivescan.benchmark.sources import Kind
from hivescan.report.blocks import Block, Column, Heading, Line, Table, Tone, listing
from hivescan.wording import count

_KINDS = {Kind.REAL: "real", Kind.AI: "AI", Kind.HYBRID: "hybrid"}
_MOSTLY = 0.5
"""From this share of undecided pictures on, a line says so: few errors may be few answers."""


def benchmark_blocks(made: Benchmark) -> tuple[Block, ...]:
    """The sources, each detector over all, each detector by source, and what perturbations do.

    Where no picture has a score there are the sources alone, and why."""
    if not _has_scores(made):
        return tuple(source_blocks(made))
    return (
        *source_blocks(made),
        *detector_blocks(made),
        *by_source_blocks(made),
        *(perturbed_blocks(made) if any(m.perturbation != NONE for m in made.measured) else ()),
    )


def benchmark_json(made: Benchmark) -> dict[str, Any]:
    """All figures; what is not defined is null."""
    settings = made.settings
    return {
        "form": asdict(settings.form),
        "verdicts": asdict(settings.verdicts),
        "draws": settings.draws,
        "sources": [
            {
                **{k: v for k, v in asdict(source).items() if k != "formats"},
                "formats": dict(source.formats),
                "left_out": dict(made.left_out.get(source.source, {})),
                "bad_masks": dict(made.bad_masks.get(source.source, {})),
            }
            for source in made.sources
        ],
        "differences": [asdict(difference) for difference in made.differences],
        "measured": [
            {
                "detector": m.detector,
                "perturbation": m.perturbation,
                **asdict(m.figures),
                "same_pictures_as_they_are": asdict(m.before),
            }
            for m in made.measured
        ],
    }


def warnings(made: Benchmark) -> list[str]:
    """What a reader must know of the sources, a line each."""
    told = []
    if made.differences:
        traits = ", ".join(f"{d.trait} (AUC {d.auc:.2f})" for d in made.differences)
        told.append(
            f"AI files differ from real ones before anybody looks at them, in: {traits}."
            " All are brought to one form, but traces of what was done to them before may stay"
        )
    for name, reasons in made.left_out.items():
        told += [f"source {name}: {count(n, 'picture')} left out: {why}" for why, n in reasons.items()]
    for name, reasons in made.bad_masks.items():
        told += [f"source {name}: {count(n, 'mask')} not compared: {why}" for why, n in reasons.items()]
    if not _has_scores(made):
        why = listing(list(dict.fromkeys(why for reasons in made.left_out.values() for why in reasons)))
        told.append(f"no picture got a score: {why}")
    return told


def _has_scores(made: Benchmark) -> bool:
    return any(entry.figures.sources for entry in made.measured)


def source_blocks(made: Benchmark) -> Iterator[Block]:
    """What the sources are as files, and what a reader must know of them."""
    yield Heading("Sources", f"every picture as: {made.settings.form.text}, no metadata")
    columns = (
        Column("source"),
        Column("kind"),
        Column("pictures", number=True),
        Column("left out", number=True),
        Column("format"),
        Column("short side", number=True),
        Column("JPEG quality", number=True),
    )
    yield Table(columns, tuple(_source_row(made, source) for source in made.sources))
    for line in warnings(made):
        yield Line(line, Tone.ALERT)


def _source_row(made: Benchmark, source: SourceTraits) -> tuple[str, ...]:
    left_out = sum(made.left_out.get(source.source, {}).values())
    return (
        source.source,
        _KINDS[source.kind],
        f"{source.files:,}",
        f"{left_out:,}" if left_out else "",
        ", ".join(name for name, _ in source.formats[:3]),
        "" if source.short_side is None else f"{source.short_side:,.0f}",
        "" if source.quality is None else f"{source.quality:.0f}",
    )


def detector_blocks(made: Benchmark) -> Iterator[Block]:
    """A row a detector, over all pictures as they are."""
    yield Heading("Detectors", verdicts_text(made.settings.verdicts))
    columns = (
        Column("detector"),
        *_numbers("real", "AI", "ACC", "FPR", "FNR", "ADSR", "undecided", "AUC", "mean AUC of generators"),
        Column("recall at 1 % FPR", number=True),
        Column("most false positives"),
    )
    plain = [m for m in made.measured if m.perturbation == NONE]
    yield Table(columns, tuple(map(_detector_row, plain))).without_empty_columns()
    for entry in plain:
        undecided = entry.figures.undecided.value
        if undecided is not None and undecided >= _MOSTLY:
            yield Line(
                f"{entry.detector} leaves {100 * undecided:.1f} % of the pictures undecided:"
                " its error rates speak of the rest",
                Tone.ALERT,
            )


def verdicts_text(verdicts: Verdicts) -> str:
    """When a picture is called AI."""
    note = f"AI from {verdicts.ai_from:g} on"
    if verdicts.real_below < verdicts.ai_from:
        note += f", real below {verdicts.real_below:g}, undecided between"
    return f"as each detector answers; where it does not, {note}" if verdicts.own else note


def _detector_row(entry: Measured) -> tuple[str, ...]:
    f = entry.figures
    worst = "" if f.worst_real is None else f"{f.worst_real} {_percent(f.worst_real_rate)}"
    return (
        entry.detector,
        f"{f.real:,}",
        f"{f.ai:,}",
        _percent(f.accuracy),
        _percent(f.false_positive_rate),
        _percent(f.false_negative_rate),
        _percent(f.success_rate),
        _percent(f.undecided) if f.undecided.value else "",
        _area(f.auc),
        _area(f.mean_auc),
        _percent(f.recall_at_1),
        worst,
    )


def by_source_blocks(made: Benchmark) -> Iterator[Block]:
    """A row a detector and source, pictures as they are."""
    if not _has_scores(made):
        return
    yield Heading("By source", "AUC: a generator against all real pictures, a real source against all AI")
    columns = (
        Column("detector"),
        Column("source"),
        Column("kind"),
        *_numbers("n", "ACC", "FPR", "FNR", "ADSR", "undecided", "AUC", "recall at 1 % FPR"),
        *_numbers("flagged area that is generated", "generated area that is flagged"),
    )
    rows = [
        (
            entry.detector,
            s.source,
            _KINDS[s.kind],
            f"{s.n:,}",
            _percent(s.accuracy),
            _percent(s.false_positive_rate),
            _percent(s.false_negative_rate),
            _percent(s.success_rate),
            _percent(s.undecided) if s.undecided.value else "",
            _area(s.auc),
            _percent(s.recall_at_1),
            "" if s.region_precision is None else f"{100 * s.region_precision:.0f} %",
            "" if s.region_recall is None else f"{100 * s.region_recall:.0f} %",
        )
        for entry in made.measured
        if entry.perturbation == NONE
        for s in entry.figures.sources
    ]
    yield Table(columns, tuple(rows)).without_empty_columns()


def perturbed_blocks(made: Benchmark) -> Iterator[Block]:
    """A row a detector and perturbation."""
    columns = (
        Column("detector"),
        Column("perturbation"),
        Column("what it does"),
        *_numbers("real", "AI", "ACC", "FPR", "FNR", "ADSR", "mean AUC before", "mean AUC after"),
        Column("most false positives"),
    )
    rows = []
    for entry in made.measured:
        f = entry.figures
        if entry.perturbation == NONE or not (f.real or f.ai):
            continue
        rows.append(
            (
                entry.detector,
                entry.perturbation,
                ALL[entry.perturbation].does,
                f"{f.real:,}",
                f"{f.ai:,}",
                *(
                    _percent(rate, short=True)
                    for rate in (
                        f.accuracy,
                        f.false_positive_rate,
                        f.false_negative_rate,
                        f.success_rate,
                    )
                ),
                _area(entry.before.mean_auc),
                _area(f.mean_auc),
                _worst(f),
            )
        )
    if not rows:
        return
    yield Heading("After perturbations", "real and AI pictures alike; before: the same pictures as they are")
    yield Table(columns, tuple(rows)).without_empty_columns()


def _worst(figures: Figures) -> str:
    if figures.worst_real is None or not figures.worst_real_rate.value:
        return ""
    return f"{figures.worst_real} {_percent(figures.worst_real_rate, short=True)}"


def _numbers(*titles: str) -> tuple[Column, ...]:
    return tuple(Column(title, number=True) for title in titles)


def _percent(rate: Estimate, *, short: bool = False) -> str:
    """``12.5 % (9.1 to 16.4)``."""
    if rate.value is None:
        return ""
    told = f"{100 * rate.value:.1f} %"
    if short or rate.low is None or rate.high is None:
        return told
    return f"{told} ({100 * rate.low:.1f} to {100 * rate.high:.1f})"


def _area(area: Estimate) -> str:
    if area.value is None:
        return ""
    if area.low is None or area.high is None:
        return f"{area.value:.3f}"
    return f"{area.value:.3f} ({area.low:.3f} to {area.high:.3f})"
