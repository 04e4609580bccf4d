"""Measure the text heads on test parts that nothing was trained on: by head, set, language; and how fast.

    python scripts/train/text_heads.py DATA TABLES       # the tables; no training
    python scripts/train/spam_texts.py DATA MAILS TABLES
    python scripts/bench/text_heads.py quality TABLES DATA
    python scripts/bench/text_heads.py untrained DATA
    python scripts/bench/text_heads.py speed TABLES
    python scripts/bench/text_heads.py many TABLES --texts 200000

``quality`` prints tables in Markdown, ``--json FILE`` keeps the figures. A severity head's score is the sum
of its harmful classes, 3 and 2; the class 1 counts neither as found nor as missed. Intervals are not given:
sets differ from each other by more than chance does within them.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from hivescan.analyzers import registry, text_rules
from hivescan.analyzers.classifiers import read_heads
from hivescan.models.backends.base import Placement
from hivescan.models.cards import find_card
from hivescan.models.text_tower import open_text_tower
from hivescan.words import entities
from hivescan.words.reading import as_read

Row = dict[str, str]
HARMFUL = {
    "hate": ("3", "2"),
    "bullying": ("3", "2"),
    "violence": ("3",),
    "gibberish": ("1",),
    "spam": ("1",),
    "abuse": ("1",),
}
HARMLESS = ("0",)
HAM, NEWS = 1_000, 300
_AT_ONCE = 256


def table(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def analyzer(threads: int = 2) -> Any:
    return registry.load("text_heads", Placement(threads=threads))


def scored(model: Any, texts: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
    """By head, the sum of the harmful classes of each text; NaN where the head does not know the language."""
    polarity = {
        (head.name, c.label): c.polarity.value
        for heads in model.spec.heads.values()
        for head in heads
        for c in head.classes
    }
    parts: dict[str, list[npt.NDArray[np.float32]]] = {}
    for start in range(0, len(texts), _AT_ONCE):
        view = np.empty(len(texts[start : start + _AT_ONCE]), object)
        view[:] = list(texts[start : start + _AT_ONCE])
        for head in model.infer({"text": view}).scores:
            named = head.head == "text_gibberish"
            harmful = [
                i
                for i, label in enumerate(head.labels)
                if polarity[head.head, label] == "harmful" or (named and label == "yes_text_gibberish")
            ]
            score = head.scores[:, harmful].sum(axis=1)
            score[head.scores[:, head.labels.index("unsupported")] > 0.5] = np.nan
            parts.setdefault(head.head, []).append(score)
    return {name: np.concatenate(found) for name, found in parts.items()}


def figures(yes: npt.NDArray[np.bool_], score: npt.NDArray[np.float32]) -> dict[str, float | int | None]:
    """What a head is worth on rows that it knows."""
    known = ~np.isnan(score)
    yes, score = yes[known], score[known]
    said = score >= 0.5
    found, missed = int((said & yes).sum()), int((~said & yes).sum())
    false, quiet = int((said & ~yes).sum()), int((~said & ~yes).sum())
    recall = found / (found + missed) if found + missed else None
    specificity = quiet / (quiet + false) if quiet + false else None
    both = recall is not None and specificity is not None
    return {
        "n": len(yes),
        "yes": found + missed,
        "unsupported": int((~known).sum()),
        "auc": float(roc_auc_score(yes, score)) if both else None,
        "f1": 2 * found / (2 * found + false + missed) if found + missed else None,
        "balanced_accuracy": (recall + specificity) / 2 if both else None,  # type: ignore[operator]
        "recall": recall,
        "false_positive_rate": 1 - specificity if specificity is not None else None,
        "false_positive_rate_at_0.9": float((score[~yes] >= 0.9).mean()) if (~yes).any() else None,
    }


def quality(tables: Path, data: Path, only: str | None = None) -> dict[str, dict[str, Any]]:
    """By head, by part of its test table."""
    model = analyzer()
    made: dict[str, dict[str, Any]] = {}
    for head, harmful in HARMFUL.items():
        path = tables / f"{head}_test.csv"
        if not path.exists() or only not in (None, head):
            continue
        rows = table(path)
        score = scored(model, [row["text"] for row in rows]).get(f"text_{head}")
        if score is None:
            continue
        severity = np.array([row["label"].rpartition("_")[2] for row in rows])
        yes, no = np.isin(severity, harmful), np.isin(severity, HARMLESS)
        kinds = {"all": np.ones(len(rows), bool)}
        for column in ("source", "language"):
            values = np.array([row[column].partition(",")[0] for row in rows])
            if len(set(values)) > 1 and head != "gibberish":
                kinds |= {value: values == value for value in sorted(set(values))}
        made[head] = {
            name: figures(yes[chosen & (yes | no)], score[chosen & (yes | no)])
            for name, chosen in kinds.items()
        }
        middle = ~yes & ~no & ~np.isnan(score)
        if middle.any():
            made[head]["all"]["of_severity_1_at_0.5"] = float((score[middle] >= 0.5).mean())
        if head == "gibberish":
            sources = np.array([row["source"] for row in rows])
            for kind in sorted(set(sources[yes])):
                made[head][kind] = figures(yes[no | (sources == kind)], score[no | (sources == kind)])
    return made if only else made | _outside(model, data)


def _outside(model: Any, data: Path) -> dict[str, dict[str, Any]]:
    """Sets that no head was trained on."""
    found: dict[str, dict[str, Any]] = {}
    toxicity = table(data / "toxicity_en.csv")
    score = scored(model, [row["text"] for row in toxicity])
    yes = np.array([row["is_toxic"] == "Toxic" for row in toxicity])
    either = np.fmax(np.fmax(score["text_hate"], score["text_bullying"]), score["text_profanity"])
    for name in ("text_hate", "text_bullying", "text_violence", "text_profanity"):
        found.setdefault("toxicity_en", {})[name] = figures(yes, score[name])
    found["toxicity_en"]["the highest of hate, bullying, profanity"] = figures(yes, either)
    with (data / "sms_spam" / "spam.csv").open(encoding="latin-1", newline="") as stream:
        ham = [row["v2"] for row in csv.DictReader(stream) if row["v1"] == "ham"][:HAM]
    found["false positives on private messages (sms_spam, ham)"] = {
        name: figures(np.zeros(len(ham), bool), s) for name, s in scored(model, ham).items()
    }
    news = []
    for path in sorted((data / "ai_vs_human").glob("*xsum*.json")):
        news += json.loads(path.read_text(encoding="utf-8"))["original"]
    news = [text[:1_000] for text in sorted(set(news))][:NEWS]
    found["false positives on news (xsum)"] = {
        name: figures(np.zeros(len(news), bool), s) for name, s in scored(model, news).items()
    }
    return found


def untrained(data: Path) -> dict[str, dict[str, Any]]:
    """The head of French and Arabic on Portuguese (ToLD-Br, a set for tests alone), which it never saw: texts
    that two of three readers marked and texts that none did."""
    card = find_card("text_heads_e5")
    assert card.base is not None
    head = read_heads(card)["text_abuse"]
    rows = table(data / "told_br" / "ToLD-BR.csv")
    kinds = [name for name in rows[0] if name != "text"]
    votes = np.array([max(float(row[kind]) for kind in kinds) for row in rows])
    chosen = np.flatnonzero((votes == 0) | (votes >= 2))[::60]
    texts = [as_read(rows[i]["text"]) for i in chosen]
    vectors = open_text_tower(card.base, Placement(threads=2)).vectors(texts).astype(np.float16)
    score = head.probabilities(vectors)[:, head.labels.index("yes_text_abuse")]
    return {"told_br, Portuguese": {"text_abuse": figures(votes[chosen] >= 2, score)}}


COLUMNS = (
    "n", "yes", "unsupported", "auc", "f1", "balanced_accuracy", "recall", "false_positive_rate",
    "false_positive_rate_at_0.9",
)  # fmt: skip


def printed(made: dict[str, dict[str, Any]]) -> Iterator[str]:
    for title, parts in made.items():
        yield f"\n**{title}**\n"
        yield f"| | {' | '.join(c.replace('_', ' ') for c in COLUMNS)} |"
        yield f"| --- |{' ---: |' * len(COLUMNS)}"
        for name, values in parts.items():
            cells = [values[c] for c in COLUMNS]
            told = ["" if v is None else f"{v:.3f}" if isinstance(v, float) else f"{v:,}" for v in cells]
            yield f"| {name} | {' | '.join(told)} |"


def speed(tables: Path) -> None:
    """Texts a CPU second by batch, of short ones (tweets) and longer ones (comments), in one thread.

    What else the machine does counts little in CPU seconds.
    """
    model = analyzer(1)
    rows = [row["text"] for row in table(tables / "hate_test.csv") if row["source"] == "offensive_tweets"][
        :256
    ]
    long = [row["text"] for row in table(tables / "bullying_test.csv") if row["source"] == "toxic_spans"][
        :128
    ]
    print("| texts | characters | batch | texts a CPU second |\n| --- | ---: | ---: | ---: |")
    for name, texts in (("tweets", rows), ("comments", long)):
        length = sum(map(len, texts)) / len(texts)
        for batch in (1, 16, 128):
            start = time.process_time()
            for at in range(0, len(texts), batch):
                view = np.empty(len(texts[at : at + batch]), object)
                view[:] = texts[at : at + batch]
                model.infer({"text": view})
            print(f"| {name} | {length:.0f} | {batch} | {len(texts) / (time.process_time() - start):.0f} |")
    for name, look in (("rules and word list", text_rules.look), ("entities", entities.find)):
        start = time.process_time()
        for text in rows:
            look(text)
        print(f"| tweets, {name} alone | | | {len(rows) / (time.process_time() - start):.0f} |")


def many(tables: Path, count: int, threads: int, *, with_networks: bool) -> None:
    """So many short texts, and the highest memory after each tenth."""
    model = analyzer(threads) if with_networks else None
    texts = [row["text"][:80] for row in table(tables / "hate_train.csv")]
    start = time.process_time()
    for done in range(0, count, _AT_ONCE):
        view = np.empty(_AT_ONCE, object)
        view[:] = [f"{texts[(done + i) % len(texts)]} {done + i}" for i in range(_AT_ONCE)]
        if model is not None:
            model.infer({"text": view})
        else:
            text_rules.scores([text_rules.look(text) for text in view])
        for text in view:
            entities.find(text, "en")
        if done % (count // 10) < _AT_ONCE:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            rate = (done + _AT_ONCE) / (time.process_time() - start)
            print(f"{done + _AT_ONCE:,} texts, {rate:.0f} a CPU second, {peak:,} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the text heads.")
    parser.add_argument("what", choices=("quality", "untrained", "speed", "many"))
    parser.add_argument("tables", type=Path)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--head", choices=tuple(HARMFUL), help="quality: of this head's test part alone")
    parser.add_argument("--texts", type=int, default=200_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rules", action="store_true", help="many: what needs no network alone")
    asked = parser.parse_args()
    if asked.what == "speed":
        speed(asked.tables)
    elif asked.what == "untrained":
        print("\n".join(printed(untrained(asked.tables))))
    elif asked.what == "many":
        many(asked.tables, asked.texts, asked.threads, with_networks=not asked.rules)
    else:
        made = quality(asked.tables, asked.data, asked.head)
        if asked.json is not None:
            asked.json.write_text(json.dumps(made, indent=1))
        print("\n".join(printed(made)))


if __name__ == "__main__":
    main()
