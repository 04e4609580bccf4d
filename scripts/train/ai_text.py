"""The head ``ai_text``: from texts that a language model has read to weights/ai_text.

    python scripts/train/ai_text.py WORK [--write]

WORK is the folder of ``ai_text_rows.py`` and ``ai_text_read.py``. A logistic regression of the numbers of
:mod:`hivescan.analyzers.authorship`. Machines and people count alike; of machines each generator (four times
where people talk with it), of people each kind of text. Each text is seen whole and in two shorter
beginnings, so that short passages are known too.

The bounds of what is undecided come from texts that the head did not see. The upper one: of no kind of
people's texts are more than 2 in 100 called a machine's, by heads that were trained without that kind. The
lower one: 1 in 20 texts of machines is called a person's, by heads that were trained without its generator
and its prompt.

--write puts the head beside its card and writes its sha256, size and bounds into the card.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ai_text_rows import HUMAN, LICENCES
from card_lines import replace_lines
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from hivescan.analyzers import authorship
from hivescan.analyzers.ai_text import log_odds
from hivescan.models.cards import bundled_folder, find_card
from hivescan.models.fetch import ensure
from hivescan.models.vector_head import VectorHead, save_head
from hivescan.words import style
from hivescan.words.plain_letters import plain_letters

STRENGTH = 0.1
"""The inverse of the penalty, in scikit-learn's measure."""
CHATS = ("gpt-4", "gpt-3.5-turbo", "chatgpt")
CHAT_WEIGHT = 4.0
"""Texts that are met today come from such generators more than from those that write on."""
MOST_FALSE = 0.02
MOST_MISSED = 0.05
LEAST_WORDS, SURE_WORDS = 50, 150
"""As the card has them."""
SHARES = (1.0, 0.67, 0.4)
"""Of each text, beginnings that are learned from; shorter than :data:`LEAST_WORDS` none is."""
FOLDS = 5
NOT_LEARNED = ("manuals", LICENCES)
"""Texts of many licences: they take part in the bounds alone, or not even there."""
LABELS = ("ai_written", "human_written")

Strings = npt.NDArray[np.str_]
Numbers = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Texts:
    """N texts, or beginnings of them. ``numbers`` is float16 [N, D]; ``fold`` is that of the prompt;
    ``whole`` tells texts from beginnings."""

    texts: Strings
    source: Strings
    writer: Strings
    part: npt.NDArray[np.int64]
    group: Strings
    fold: npt.NDArray[np.int64]
    words: npt.NDArray[np.int64]
    whole: Mask
    numbers: npt.NDArray[np.float16]

    @property
    def machine(self) -> Mask:
        return np.asarray(self.writer != HUMAN)

    def only(self, chosen: Mask) -> Texts:
        return replace(self, **{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})


@cache
def tokenizer() -> object:
    from tokenizers import Tokenizer

    base = find_card("ai_text").base
    assert base is not None
    return Tokenizer.from_file(str(ensure(base)["tokenizer.json"]))


def beginning(
    text: str, surprises: npt.NDArray[np.float32], words: int
) -> tuple[str, npt.NDArray[np.float32]]:
    """The first ``words`` words: what a token surprises does not depend on those behind it."""
    places = [found.end() for found in re.finditer(r"\S+", text)]
    cut = text if len(places) <= words else text[: places[words - 1]]
    if cut == text:
        return text, surprises
    return cut, surprises[: len(tokenizer().encode(cut, add_special_tokens=False).ids)]  # type: ignore[attr-defined]


def read_texts(work: Path, lengths: tuple[int, ...] = ()) -> Texts:
    """All that has been read so far: whole texts and :data:`SHARES` of them, or their first ``lengths``
    words."""
    made: dict[str, list[object]] = {name: [] for name in Texts.__dataclass_fields__}
    for row in json.loads((work / "rows.json").read_text(encoding="utf-8")):
        path = work / "read" / f"{row['name']}.npy"
        if not path.exists():
            continue
        text, surprises = plain_letters(row["text"]), np.load(path)
        count = len(text.split())
        wanted = lengths or tuple(round(count * share) for share in SHARES)
        for words in wanted:
            if lengths and count < words:
                continue
            if not lengths and words != count and words < LEAST_WORDS:
                continue
            cut, read = beginning(text, surprises, words)
            values = {
                "texts": cut,
                "source": row["source"],
                "writer": row["writer"],
                "part": row["part"],
                "group": f"{row['source']} {row['group']}",
                "fold": sum(row["group"].encode()) % FOLDS,
                "words": len(style.words_of(cut)),
                "whole": cut == text,
                "numbers": authorship.numbers_of(cut, read),
            }
            for name, value in values.items():
                made[name].append(value)
    return Texts(**{name: np.array(values) for name, values in made.items()})


def weights_of(data: Texts) -> Numbers:
    """Each class counts alike, within it each generator or kind of text, and within that each row; generators
    that people talk with count :data:`CHAT_WEIGHT` times."""
    found = np.zeros(len(data.writer))
    for machine, kinds in ((True, data.writer), (False, data.source)):
        of_class = data.machine == machine
        for kind in np.unique(kinds[of_class]):
            rows = of_class & (kinds == kind)
            found[rows] = (CHAT_WEIGHT if kind in CHATS else 1.0) / rows.sum()
        found[of_class] /= found[of_class].sum()
    return found * len(found) / found.sum()


def fit(data: Texts) -> VectorHead:
    data = data.only(~np.isin(data.source, NOT_LEARNED))
    numbers = data.numbers.astype(np.float64)
    mean, spread = numbers.mean(axis=0), numbers.std(axis=0) + 1e-6
    model = LogisticRegression(C=STRENGTH, max_iter=2000)
    model.fit((numbers - mean) / spread, data.machine, sample_weight=weights_of(data))
    half = model.coef_[0] / 2
    bias = float(model.intercept_[0]) / 2
    layer = (np.stack([half, -half]).astype(np.float32), np.array([bias, -bias], np.float32))
    return VectorHead(
        name="ai_text",
        labels=LABELS,
        mean=mean.astype(np.float32),
        scale=(1 / spread).astype(np.float32),
        members=((layer,),),
        normalise="none",
    )


def odds(head: VectorHead, data: Texts) -> Numbers:
    """The log odds of a machine as the analyzer has them, ``float64 [N]``."""
    return log_odds(head.probabilities(data.numbers)[:, 0], data.words, SURE_WORDS)


def without_source(data: Texts) -> Numbers:
    """The odds of each text by a head that saw no text of its source."""
    found = np.full(len(data.source), np.nan)
    for source in np.unique(data.source):
        rows = data.source == source
        found[rows] = odds(fit(data.only(~rows)), data.only(rows))
    return found


def without_writer(data: Texts) -> Numbers:
    """The odds of each machine's text by a head that saw neither its generator nor its prompt; NaN of
    people's."""
    found = np.full(len(data.source), np.nan)
    for writer in np.unique(data.writer[data.machine]):
        for fold in range(FOLDS):
            rows = (data.writer == writer) & (data.fold == fold)
            if rows.any():
                head = fit(data.only((data.writer != writer) & (data.fold != fold)))
                found[rows] = odds(head, data.only(rows))
    return found


def temperature_of(scores: Numbers, data: Texts) -> float:
    """By what odds of unseen texts are divided to be as sure as they are right (Guo et al. 2017)."""
    weights, machine = weights_of(data), data.machine

    def loss(log: float) -> float:
        losses = np.logaddexp(0, np.where(machine, -scores, scores) / np.exp(log))
        return float(np.average(losses, weights=weights))

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 3.0), method="bounded").x))


def upper_bound(scores: Numbers, sources: Strings, most: float = MOST_FALSE) -> float:
    """The lowest score that no more than a share ``most`` of any source's texts reaches, or one of them."""
    worst = -np.inf
    for source in np.unique(sources):
        ranked = np.sort(scores[sources == source])[::-1]
        worst = max(worst, float(ranked[max(1, int(most * len(ranked)))]))
    return float(np.nextafter(worst, np.inf))


def trained(data: Texts) -> tuple[VectorHead, tuple[float, float]]:
    """The head, and what is undecided, in its log odds: see above. Bounds are of whole texts."""
    unseen = without_source(data)
    temperature = temperature_of(unseen, data)
    people, machines = data.whole & ~data.machine, data.whole & data.machine
    upper = upper_bound(unseen[people], data.source[people]) / temperature
    lower = float(np.quantile(without_writer(data)[machines], MOST_MISSED)) / temperature
    return replace(fit(data), temperature=temperature), (min(lower, upper), upper)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the head ai_text.")
    parser.add_argument("work", type=Path)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    data = read_texts(asked.work)
    data = data.only((data.words >= LEAST_WORDS) & (data.source != LICENCES))
    head, undecided = trained(data)
    print(f"{int(data.whole.sum())} texts, temperature {head.temperature:.3f},", end=" ")
    print(f"undecided from {undecided[0]:.3f} to {undecided[1]:.3f}")
    ((weights, _),) = head.members[0]
    for place in np.argsort(-np.abs(weights[0])):
        print(f"{authorship.NAMES[place]:24} {2 * weights[0][place]:+.2f}")
    if asked.write:
        write(head, undecided)


def write(head: VectorHead, undecided: tuple[float, float]) -> None:
    folder = bundled_folder() / head.name
    path = folder / f"{head.name}.safetensors"
    sha256 = save_head(head, path)
    lines = {
        "undecided": f"[{undecided[0]:.3f}, {undecided[1]:.3f}]",
        "sha256": f'"{sha256}"',
        "size": str(path.stat().st_size),
    }
    replace_lines(folder / "card.toml", lines)


if __name__ == "__main__":
    main()
