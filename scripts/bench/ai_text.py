"""Measure the head ``ai_text`` on generators, topics and kinds of people's texts that it never saw.

    python scripts/bench/ai_text.py WORK        WORK: see scripts/train/ai_text_rows.py and ai_text_read.py
    python scripts/bench/ai_text.py WORK speed

Nothing is measured on what was learned from: for every row a head is trained again without the generator,
topic or kind of text that it is about, and without the prompts. What it is measured beside has no trained
part, but a threshold, which is chosen by the same rule; compression also has texts of machines to compress
with, of the same part as the head learns from. What a table says of a kind of people's texts is by bounds
chosen without that kind.
"""

from __future__ import annotations

import argparse
import lzma
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from sklearn.metrics import roc_auc_score

from hivescan.analyzers import authorship

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))
from ai_text import (
    CHATS,
    FOLDS,
    LEAST_WORDS,
    MOST_MISSED,
    Mask,
    Numbers,
    Texts,
    fit,
    odds,
    read_texts,
    temperature_of,
    upper_bound,
    weights_of,
)
from ai_text_rows import LICENCES

METHODS = ("ai_text", "curvature", "perplexity", "compression")
"""The head; Fast-DetectGPT's curvature, and the plain log probability, of the same model; compression."""
TOPICS = ("xsum", "squad", "writing", "pubmed", "essays")
LENGTHS = (30, 50, 75, 100, 150)
PRELUDE = 40_000
LEARNERS = "essays"
"""Texts of people who learn English: essays for a test of it."""

Scores = dict[str, Numbers]


def by_compression(machines: list[str]) -> Callable[[str], float]:
    """As zippy (thinkst, 2023) has it: the better a text is compressed behind texts of machines, the
    higher."""
    prelude = " ".join(machines).encode()[:PRELUDE]

    def size(data: bytes) -> int:
        return len(lzma.compress(data, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": 2}]))

    start = size(prelude)
    return lambda text: -(size(prelude + b" " + text.encode()) - start) / len(text)


def scored(data: Texts, learn: Mask, rows: Mask) -> Scores:
    """What each method says of ``rows``, higher for a machine; ``learn`` is what may be learned from."""
    seen, asked = data.only(learn), data.only(rows)
    whole = seen.only(seen.machine & seen.whole)
    order = np.random.default_rng(1).permutation(len(whole.texts))
    measure = by_compression([str(whole.texts[i]) for i in order])
    numbers = asked.numbers.astype(np.float64)
    return {
        "ai_text": odds(fit(seen), asked),
        "curvature": numbers[:, authorship.NAMES.index("curvature_by_length")],
        "perplexity": numbers[:, authorship.NAMES.index("log_probability")],
        "compression": np.array([measure(str(text)) for text in asked.texts]),
    }


@dataclass(frozen=True)
class Seen:
    """Scores of rows by heads that saw nothing of them: people's without their kind of text, machines'
    without their generator, and for each generator people's of its topics without its prompts."""

    data: Texts
    without_source: Scores
    generators: dict[str, tuple[npt.NDArray[np.bool_], Scores]]


def look(everything: Texts) -> Seen:
    """``everything`` is whole texts and beginnings, of which heads learn; only whole ones are measured."""
    asked = everything.whole & (everything.part == 0)
    data = everything.only(asked)
    by_source: Scores = {method: np.full(len(data.source), np.nan) for method in METHODS}
    for source in np.unique(data.source):
        rows = data.source == source
        found = scored(everything, everything.source != source, asked & (everything.source == source))
        for method in METHODS:
            by_source[method][rows] = found[method]
        print(f"without {source}", file=sys.stderr)
    generators = {}
    for writer in np.unique(data.writer[data.machine]):
        own = np.unique(data.source[data.writer == writer])
        machine, parts = [], []
        for fold in range(FOLDS):
            rows = asked & (everything.fold == fold) & np.isin(everything.source, own)
            rows &= (everything.writer == writer) | ~everything.machine
            if rows.any():
                learn = (everything.writer != writer) & (everything.fold != fold)
                parts.append(scored(everything, learn, rows))
                machine.append(everything.machine[rows])
        every = {method: np.concatenate([part[method] for part in parts]) for method in METHODS}
        generators[str(writer)] = (np.concatenate(machine), every)
        print(f"without {writer}", file=sys.stderr)
    return Seen(data, by_source, generators)


def bounds(seen: Seen, method: str, without: str = "") -> float:
    """The upper bound of ``method`` by people's texts of all kinds but one."""
    people = ~seen.data.machine & (seen.data.source != without)
    return upper_bound(seen.without_source[method][people], seen.data.source[people])


def lower_bound(seen: Seen) -> float:
    machines = np.concatenate([scores["ai_text"][machine] for machine, scores in seen.generators.values()])
    return float(np.quantile(machines, MOST_MISSED))


def interval(hits: int, count: int) -> tuple[float, float]:
    """Wilson's, 95 %."""
    z = 1.96
    share = hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def told(hits: int, count: int) -> str:
    low, high = interval(hits, count)
    return f"{hits / count:.3f} ({low:.3f} to {high:.3f})"


def header(*columns: str) -> Iterator[str]:
    """The first column's title is on the left, the others' over figures."""
    yield f"| {' | '.join(columns)} |"
    yield f"| --- |{' ---: |' * (len(columns) - 1)}"


def line(*cells: str | int | float) -> str:
    return f"| {' | '.join(f'{c:.3f}' if isinstance(c, float) else str(c) for c in cells)} |"


BESIDE = ("curvature", "perplexity", "compression")


def generators(seen: Seen) -> Iterator[str]:
    upper = {method: bounds(seen, method) for method in METHODS}
    lower = lower_bound(seen)
    order = sorted(seen.generators, key=lambda writer: (writer not in CHATS, writer))
    columns = ("AUC", *BESIDE, "found", "undecided", "called a person's")
    yield from header("generator, held out", "texts", *columns)
    areas = []
    for writer in order:
        machine, scores = seen.generators[writer]
        areas.append([float(roc_auc_score(machine, scores[method])) for method in METHODS])
        own = scores["ai_text"][machine]
        found, lost = float((own >= upper["ai_text"]).mean()), float((own < lower).mean())
        yield line(writer, int(machine.sum()), *areas[-1], found, 1 - found - lost, lost)
    yield line("mean", "", *np.mean(areas, axis=0).tolist(), "", "", "")
    yield ""
    yield from header("generator, held out", "balanced accuracy", *BESIDE, "false positives")
    for writer in order:
        machine, scores = seen.generators[writer]
        said = {method: scores[method] >= upper[method] for method in METHODS}
        balanced = [float(s[machine].mean() + 1 - s[~machine].mean()) / 2 for s in said.values()]
        false = told(int(said["ai_text"][~machine].sum()), int((~machine).sum()))
        yield line(writer, *balanced, false)


def people(everything: Texts, seen: Seen) -> Iterator[str]:
    lower = lower_bound(seen)
    yield from header("people's texts, kind held out", "texts", "called a machine's", "undecided", *BESIDE)
    totals = np.zeros(len(METHODS), int)
    count = 0
    for source in np.unique(seen.data.source):
        rows = ~seen.data.machine & (seen.data.source == source)
        scores = [seen.without_source[method][rows] for method in METHODS]
        tops = [bounds(seen, method, str(source)) for method in METHODS]
        hits = np.array([int((s >= top).sum()) for s, top in zip(scores, tops, strict=True)])
        n = int(rows.sum())
        between = float(((scores[0] < tops[0]) & (scores[0] >= lower)).mean())
        totals, count = totals + hits, count + n
        yield line(source, n, told(int(hits[0]), n), between, *(hits[1:] / n).tolist())
    licences = everything.only(everything.whole & (everything.source == LICENCES))
    if len(licences.source):
        scores = odds(fit(everything.only(everything.source != LICENCES)), licences)
        hits = int((scores >= bounds(seen, "ai_text")).sum())
        yield line("licences, not heeded", len(scores), told(hits, len(scores)), "", "", "", "")
    yield line(
        "all but those" if len(licences.source) else "all",
        count,
        told(int(totals[0]), count),
        "",
        *(totals[1:] / count).tolist(),
    )


def topics(seen: Seen) -> Iterator[str]:
    yield from header("topic, held out", "texts", "AUC", *BESIDE, "found", "balanced accuracy")
    for topic in TOPICS:
        rows = seen.data.source == topic
        machine = seen.data.machine[rows]
        scores = {method: seen.without_source[method][rows] for method in METHODS}
        areas = [float(roc_auc_score(machine, scores[m])) for m in METHODS]
        said = scores["ai_text"] >= bounds(seen, "ai_text", topic)
        found = float(said[machine].mean())
        yield line(topic, len(machine), *areas, found, (found + 1 - float(said[~machine].mean())) / 2)


def learners(seen: Seen) -> Iterator[str]:
    """False positives on people who learn English: at each method's own bound, and where each finds the same
    share of ChatGPT's essays."""
    rows = seen.data.source == LEARNERS
    machine = seen.data.machine[rows]
    scores = {method: seen.without_source[method][rows] for method in METHODS}
    said = {method: scores[method] >= bounds(seen, method, LEARNERS) for method in METHODS}
    wanted = float(said["ai_text"][machine].mean())
    yield from header(
        "essays of learners, all essays held out",
        "false positives",
        "found",
        f"false positives where {wanted:.3f} are found",
        "where half of GPT-4's and GPT-3.5's other texts are found",
    )
    chats = np.isin(seen.data.writer, CHATS) & ~rows
    people = int((~machine).sum())
    for method in METHODS:
        level = np.sort(scores[method][machine])[::-1][max(0, round(wanted * machine.sum()) - 1)]
        even = told(int((scores[method][~machine] >= level).sum()), people)
        own = told(int(said[method][~machine].sum()), people)
        half = float(np.median(seen.without_source[method][chats]))
        others = told(int((scores[method][~machine] >= half).sum()), people)
        yield line(method, own, float(said[method][machine].mean()), even, others)


def lengths(work: Path, everything: Texts, seen: Seen) -> Iterator[str]:
    """First words of texts, by heads that did not see the topic."""
    upper = bounds(seen, "ai_text")
    yield from header("first words", "texts", "AUC", *BESIDE[:2], "found", "false positives")
    for words in LENGTHS:
        data = read_texts(work, (words,))
        data = data.only((data.part == 0) & np.isin(data.source, TOPICS))
        score = np.empty(len(data.source))
        for topic in TOPICS:
            rows = data.source == topic
            score[rows] = odds(fit(everything.only(everything.source != topic)), data.only(rows))
        machine, numbers = data.machine, data.numbers.astype(np.float64)
        beside = [numbers[:, authorship.NAMES.index(n)] for n in ("curvature", "log_probability")]
        areas = [float(roc_auc_score(machine, values)) for values in (score, *beside)]
        said = score >= upper
        false = told(int(said[~machine].sum()), int((~machine).sum()))
        yield line(words, len(machine), *areas, float(said[machine].mean()), false)


def documents(everything: Texts, seen: Seen) -> Iterator[str]:
    """Essays of several passages: the mean over passages, as ``--aggregate mean`` has it, beside others."""
    essays = everything.only(everything.whole & (everything.source == LEARNERS))
    score = odds(fit(everything.only(everything.source != LEARNERS)), essays)
    chance = 1 / (1 + np.exp((bounds(seen, "ai_text", LEARNERS) - score) / temperature(seen, LEARNERS)))
    names = np.array([f"{w} {g}" for w, g in zip(essays.writer, essays.group, strict=True)])
    counts = {name: int((names == name).sum()) for name in np.unique(names)}
    several = [name for name, count in counts.items() if count > 1]
    if not several:
        return
    yes = np.array([bool(essays.machine[names == name][0]) for name in several])
    yield from header("essays of two and more passages", "essays", "AUC", "found", "false positives")
    for title, joined in (("first passage", lambda c: c[0]), ("mean", np.mean), ("highest", np.max)):
        of_each = []
        for name in several:
            rows = np.flatnonzero(names == name)
            of_each.append(float(joined(chance[rows[np.argsort(essays.part[rows])]])))
        values = np.array(of_each)
        said = values >= 0.5
        false = told(int(said[~yes].sum()), int((~yes).sum()))
        yield line(title, len(yes), float(roc_auc_score(yes, values)), float(said[yes].mean()), false)


def temperature(seen: Seen, without: str) -> float:
    rows = seen.data.source != without
    return temperature_of(seen.without_source["ai_text"][rows], seen.data.only(rows))


def calibration(seen: Seen) -> Iterator[str]:
    """How often a machine wrote what is called so likely to be a machine's, where both are as frequent."""
    chance = np.empty(len(seen.data.source))
    for source in np.unique(seen.data.source):
        rows = seen.data.source == source
        scores = seen.without_source["ai_text"][rows] / temperature(seen, str(source))
        chance[rows] = 1 / (1 + np.exp(-scores))
    weights = weights_of(seen.data)
    yield from header("chance of a machine, source held out", "texts", "mean chance", "machines among them")
    edges = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.001)
    error = 0.0
    for low, high in pairwise(edges):
        rows = (chance >= low) & (chance < high)
        if not rows.any():
            continue
        said = float(np.average(chance[rows], weights=weights[rows]))
        true = float(np.average(seen.data.machine[rows], weights=weights[rows]))
        error += abs(said - true) * weights[rows].sum() / weights.sum()
        yield line(f"{low:.1f} to {min(high, 1.0):.1f}", int(rows.sum()), said, true)
    yield f"\nExpected calibration error {error:.3f}."


def speed(work: Path) -> None:
    from hivescan.analyzers import registry
    from hivescan.models.backends.base import Placement

    texts = read_texts(work)
    chosen = [str(text) for text in texts.texts[texts.whole][:40]]
    start = time.process_time()
    analyzer = registry.load("ai_text", Placement(threads=1))
    opened = time.process_time() - start
    view = np.empty(len(chosen), object)
    view[:] = chosen
    start = time.process_time()
    analyzer.infer({"text": view})
    spent = time.process_time() - start
    length = sum(map(len, chosen)) / len(chosen)
    print(f"opened in {opened:.1f} CPU seconds; {length:.0f} characters a passage,", end=" ")
    print(f"{len(chosen) / spent:.2f} passages a CPU second")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the head ai_text.")
    parser.add_argument("work", type=Path)
    parser.add_argument("what", nargs="?", choices=("quality", "speed"), default="quality")
    asked = parser.parse_args()
    versions = f"Python {platform.python_version()}, onnxruntime {onnxruntime.__version__}"
    print(f"{platform.machine()}, {os.cpu_count()} cores, {versions}\n")
    if asked.what == "speed":
        speed(asked.work)
        return
    everything = read_texts(asked.work)
    everything = everything.only(everything.words >= LEAST_WORDS)
    others = everything.only(everything.source != LICENCES)
    seen = look(others)
    tables = (generators(seen), people(everything, seen), topics(seen), learners(seen), calibration(seen))
    for table in (*tables, lengths(asked.work, others, seen), documents(others, seen)):
        print("\n".join(table), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
