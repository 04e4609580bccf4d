"""An evaluation as one HTML page that needs no network: figures, curves and matrix follow a threshold.

The page carries the scores of all items, so that it can count again at any threshold: whole ten-thousandths,
cut and never rounded up, in columns, compressed (zlib) and in base64. Items are in an order that compresses
well and have no names, but for the mistakes that are listed. Its scripts and its style are named by their
sha256 in the Content-Security-Policy: nothing else is run or fetched.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan import __version__
from hivescan.automl.evaluation.bootstrap import Estimate
from hivescan.automl.evaluation.decide import NOTHING, millionths
from hivescan.automl.evaluation.evaluation import Evaluation, HeadEvaluation, Mistake
from hivescan.automl.evaluation.evaluation_layout import TITLES, calibration_lines, interval, number, place
from hivescan.automl.evaluation.measures import Decisions
from hivescan.automl.evaluation.reliability_diagram import reliability_diagram
from hivescan.wording import count, printable

SCALE: Final = 10_000
_NONE: Final = 65_535
"""What stands for no class in arrays of 16 bits."""


def evaluation_page(
    evaluation: Evaluation,
    *,
    pictures: Mapping[int, bytes] | None = None,
    texts: Mapping[int, str] | None = None,
) -> str:
    """The page. ``pictures`` are small blurred JPEGs and ``texts`` the texts of mistakes, by row."""
    data = _json({"heads": [_head_data(head) for head in evaluation.heads]})
    style, figures, script = (_part(name) for name in ("page.css", "figures.js", "page.js"))
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src {_hash(style)}; script-src {_hash(figures)} {_hash(script)}"
    )
    shown = _Shown(pictures or {}, texts or {})
    parts = {
        "policy": text(policy),
        "title": text(f"{evaluation.model} on {evaluation.snapshot}"),
        "about": text(_about(evaluation)),
        "notes": _notes(evaluation),
        "style": style,
        "heads": "\n".join(_section(i, head, evaluation, shown) for i, head in enumerate(evaluation.heads)),
        "foot": text(_foot(evaluation, len(data))),
        "data": data,
        "figures": figures,
        "script": script,
    }
    # In one pass: what a part holds is never taken for a place of the template.
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _part("page.html"))


def text(value: str) -> str:
    """Text from data as HTML that reads as written: on one line, no markup, no control characters."""
    return html.escape(printable(value), quote=True)


def _part(name: str) -> str:
    return (files("hivescan.automl.evaluation") / "page" / name).read_text(encoding="utf-8")


def _hash(inline: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'"


def _json(value: Any) -> str:
    """JSON that cannot end the script element that it lies in."""
    written = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return written.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _head_data(head: HeadEvaluation) -> dict[str, Any]:
    decisions = head.decisions
    steps, best, second = _ranked(decisions)
    highest = steps[np.arange(len(best)), best] if len(best) else np.empty(0, dtype=np.int64)
    # Neighbours are alike in this order, so that the columns compress several times better.
    order = np.lexsort((highest, second, best, decisions.truth))
    return {
        "head": printable(head.head),
        "classes": [printable(label) for label in decisions.classes],
        "scored": decisions.scored_classes,
        "n": len(decisions.truth),
        "truth": _packed(decisions.truth[order]),
        "best": _packed(best[order]),
        "second": _packed(np.where(second[order] == NOTHING, _NONE, second[order])),
        "scores": _packed(steps[order].T),
        "average_precision": [part.measures["average_precision"].value for part in head.classes],
        "roc_auc": [part.measures["roc_auc"].value for part in head.classes],
        "start": _start(head),
    }


def _ranked(
    decisions: Decisions,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The scores in ten-thousandths, [N, C], and the classes with the highest and second highest, [N]."""
    steps = np.clip(millionths(decisions.scores) // (1_000_000 // SCALE), 0, SCALE)
    items = np.arange(len(decisions.scores))
    best = decisions.scores.argmax(axis=1)
    if decisions.scored_classes == 1:
        return steps, best, np.full(len(items), NOTHING, dtype=np.intp)
    others = decisions.scores.copy()
    others[items, best] = -np.inf
    return steps, best, others.argmax(axis=1)


def _packed(values: npt.NDArray[Any]) -> str:
    return base64.b64encode(zlib.compress(values.astype("<u2").tobytes(), 9)).decode()


def _start(head: HeadEvaluation) -> dict[str, int | None]:
    """Where the page's slider begins: at the rule that was asked for, as near as it can show it."""
    own = [(label, value) for label, value in head.rule.by_class.items()]
    if len(own) == 1 and head.rule.threshold is None:
        ((label, value),) = own
        return {"chosen": head.decisions.classes.index(label), "t": round(value * SCALE)}
    return {"chosen": None, "t": round((head.rule.threshold or 0.0) * SCALE)}


def _about(evaluation: Evaluation) -> str:
    return (
        f"{count(evaluation.items, 'item')}, measured {evaluation.evaluated_at}, "
        f"snapshot {evaluation.snapshot_id[:12]}, hivescan {__version__}"
    )


def _foot(evaluation: Evaluation, size: int) -> str:
    drawn = f"groups of {evaluation.group_by}" if evaluation.group_by is not None else "items"
    intervals = (
        f"Intervals are 95 % bootstrap intervals: {count(evaluation.resamples, 'resample')} of {drawn}, "
        f"stratified by class, seed {evaluation.seed}. "
        if evaluation.resamples
        else ""
    )
    return f"{intervals}Scores embedded in this page: {size:,} bytes, cut to 1/{SCALE:,}."


def _notes(evaluation: Evaluation) -> str:
    several = len(evaluation.heads) > 1
    lines = list(evaluation.notes)
    for head in evaluation.heads:
        start = f"{head.head}: " if several else ""
        lines += [start + note for note in head.notes]
        lines += [
            f"{start}{count(items, 'item')} not measured: {why}" for why, items in head.unscored.items()
        ]
    if not lines:
        return ""
    return '<ul class="notes">' + "".join(f"<li>{text(line)}</li>" for line in lines) + "</ul>"


class _Shown:
    """What of the mistakes may be shown: by the dataset's row."""

    def __init__(self, pictures: Mapping[int, bytes], texts: Mapping[int, str]) -> None:
        self.pictures = pictures
        self.texts = texts

    def cell(self, mistake: Mistake) -> str:
        picture = self.pictures.get(mistake.row)
        if picture is not None:
            encoded = base64.b64encode(picture).decode()
            return f'<img class="blurred" alt="blurred picture" src="data:image/jpeg;base64,{encoded}">'
        words = self.texts.get(mistake.row)
        if words is not None:
            return f"<details><summary>text</summary>{text(words)}</details>"
        return ""

    def any_of(self, mistakes: tuple[Mistake, ...]) -> bool:
        return any(m.row in self.pictures or m.row in self.texts for m in mistakes)


def _section(index: int, head: HeadEvaluation, evaluation: Evaluation, shown: _Shown) -> str:
    title = f"{head.head}: {head.rule.text}" + (", with intervals" if evaluation.resamples else "")
    rows = [
        f'<section data-head="{index}">',
        f"<h2>{text(title)}</h2>",
        f"<p>{head.scored:,} of {count(head.labelled, 'labelled item')} measured.</p>",
        *_figures(head, evaluation.resamples),
        "<h2>Calibration</h2>",
        *(f"<p>{text(line)}</p>" for line in calibration_lines(head.calibration)),
        reliability_diagram(head.calibration),
        *_mistakes(head, shown),
        "</section>",
    ]
    return "\n".join(rows)


def _figures(head: HeadEvaluation, resamples: int) -> Iterator[str]:
    names = [name for name in TITLES if name != "accuracy"]
    yield '<div class="scroll" tabindex="0" role="region" aria-label="Figures with intervals"><table>'
    if resamples:
        yield "<caption>Beneath each value its 95 % interval</caption>"
    titles = "".join(f'<th scope="col">{text(TITLES[name])}</th>' for name in names)
    yield f'<thead><tr><th scope="col">class</th><th scope="col">items</th>{titles}</tr></thead><tbody>'
    accuracy = head.overall["accuracy"]
    yield _figure_row(f"all (accuracy {number(accuracy.value)})", head.scored, head.overall, names)
    for part in head.classes:
        yield _figure_row(part.label, part.items, part.measures, names)
    yield "</tbody></table></div>"


def _figure_row(label: str, items: int, measures: Mapping[str, Estimate], names: list[str]) -> str:
    cells = "".join(
        f"<td>{number(measures[name].value) or '–'}<br>"
        f'<span class="quiet">{interval(measures[name])}</span></td>'
        for name in names
    )
    return f'<tr><th scope="row">{text(label)}</th><td>{items:,}</td>{cells}</tr>'


def _mistakes(head: HeadEvaluation, shown: _Shown) -> Iterator[str]:
    yield "<h2>The worst mistakes</h2>"
    if not head.mistakes:
        yield "<p>No wrong class was said.</p>"
        return
    shown_of = f"{len(head.mistakes):,} of {count(head.wrong, 'wrong item')}"
    yield f"<p>{shown_of}, the most confident first; those of one class where one is chosen above.</p>"
    titles = {"score": "", "said": "text", "true": "text", "score of the true class": "", "row": ""}
    seen = shown.any_of(head.mistakes)
    titles |= {"item": "text"} | ({"shown": "text"} if seen else {})
    yield '<div class="scroll" tabindex="0" role="region" aria-label="Mistakes"><table><thead><tr>'
    columns = (f'<th scope="col" class="{kind}">{title}</th>' for title, kind in titles.items())
    yield "".join(columns) + "</tr></thead><tbody>"
    for mistake in head.mistakes:
        yield (
            f'<tr data-said="{text(mistake.said)}" data-truth="{text(mistake.truth)}">'
            f"<td>{number(mistake.score)}</td>"
            f'<td class="text">{text(mistake.said)}</td><td class="text">{text(mistake.truth)}</td>'
            f"<td>{number(mistake.truth_score) or '–'}</td><td>{mistake.row}</td>"
            f'<td class="path">{text(place(mistake))}</td>'
            + (f'<td class="text">{shown.cell(mistake)}</td>' if seen else "")
            + "</tr>"
        )
    yield "</tbody></table></div>"
