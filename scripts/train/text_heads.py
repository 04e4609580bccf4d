"""Tables to train and test the text heads on, from public sets of labelled texts.

    python scripts/train/text_heads.py DATA OUT

``DATA`` has the sets as their repositories have them: toxic_spans (CC0), safenlp, offensive_tweets and mlma
(MIT), ai_vs_human (MIT, the texts of people alone). ``OUT`` gets ``HEAD_train.csv`` and ``HEAD_test.csv``
with the columns text, label, source and language. A text is in the test part by its own sha256, so the parts
are the same everywhere. Labels are severities as docs/text.md defines them, as far as what people said of the
texts tells them:

    hate       3 hateful tweets, comments with an attack on an identity; 2 implicit hate, machine-made hate
               about a group; 1 harmless sentences about groups; 0 the rest
    bullying   3 an insult in profane words, or a threat; 2 an insult, by most readers; 1 by some; 0 by none
    violence   3 a threat, by most readers; 1 by some; 0 by none (a test of word lists)
    abuse      1 hateful, abusive, offensive or disrespectful; 0 normal (French, Arabic)
    gibberish  1 no text at all, made here in several ways; 0 what people wrote
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import html
import io
import json
import random
import string
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from hivescan.words.reading import as_read

TEST_SHARE = 0.2
MOST_TESTED = 200
MOST_TRAINED = {"bullying": 10_000, "hate": 2_000}
"""Of a label from one set in one language, in a test part and in a training part (else 700): the first by
their sha256, so that heads which are trained on the same set share their texts."""
MOST_CHARS = 1_000


class Row(NamedTuple):
    text: str
    label: str
    source: str
    language: str


def is_test(text: str) -> bool:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF < TEST_SHARE


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def tweets(data: Path) -> Iterator[Row]:
    for row in table(data / "offensive_tweets" / "labeled_data.csv"):
        label = {"0": "hate", "1": "offensive", "2": "neither"}[row["class"]]
        yield Row(html.unescape(row["tweet"]), label, "offensive_tweets", "en")


def safenlp(data: Path, name: str) -> Iterator[Row]:
    for row in json.loads((data / "safenlp" / f"{name}.json").read_text(encoding="utf-8")):
        yield Row(html.unescape(row["text"]), row["label"], name, "en")


class Comment(NamedTuple):
    text: str
    share: dict[str, float]
    """Of its readers: who marked a span of the type, and under ``none`` who found nothing toxic."""


def comments(data: Path) -> Iterator[Comment]:
    folder = data / "toxic_spans" / "data"
    texts = {row["comment_id"]: row["comment_text"] for row in table(folder / "comments.csv")}
    types: dict[str, set[str]] = defaultdict(set)
    for row in table(folder / "spans.csv"):
        types[row["annotation"]].add(row["type"])
    votes: dict[str, list[set[str]]] = defaultdict(list)
    for row in table(folder / "annotations.csv"):
        marked = types[row["annotation"]] | ({"none"} if row["not toxic"] == "True" else set())
        votes[row["comment_id"]].append(marked)
    for key, readers in votes.items():
        kinds = set().union(*readers)
        share = {kind: sum(kind in marked for marked in readers) / len(readers) for kind in kinds}
        yield Comment(texts[key], share)


INSULT, PROFANE, IDENTITY, THREAT = (
    "Insult",
    "Profane/Obscene",
    "Identity based Attack",
    "Threat",
)


def hate(data: Path) -> Iterator[Row]:
    by_label: dict[str, list[Row]] = defaultdict(list)
    for row in tweets(data):
        by_label[row.label].append(row)
    severity = {"hate": "3", "offensive": "0", "neither": "0"}
    for label, rows in by_label.items():
        source = "offensive_tweets" if label != "offensive" else "offensive_tweets, rude"
        yield from (row._replace(label=severity[label], source=source) for row in rows)
    for row in safenlp(data, "toxiGen"):
        yield row._replace(label="2" if row.label == "hate" else "1")
    for row in safenlp(data, "implicitHate"):
        yield row._replace(label="2" if row.label == "hate" else "0")
    for comment in comments(data):
        if comment.share.get(IDENTITY, 0.0) >= 0.5:
            yield Row(comment.text, "3", "toxic_spans", "en")
        elif comment.share.get("none", 0.0) >= 0.5 and not comment.share.get(IDENTITY):
            yield Row(comment.text, "0", "toxic_spans", "en")


def bullying(data: Path) -> Iterator[Row]:
    for comment in comments(data):
        insult, profane = (
            comment.share.get(INSULT, 0.0),
            comment.share.get(PROFANE, 0.0),
        )
        if (insult >= 0.5 and profane >= 0.5) or comment.share.get(THREAT, 0.0) >= 0.5:
            label = "3"
        elif insult >= 0.5:
            label = "2"
        else:
            label = "1" if insult > 0 else "0"
        yield Row(comment.text, label, "toxic_spans", "en")
    yield from (row._replace(label="0") for row in tweets(data) if row.label == "neither")
    yield from (row._replace(label="0") for row in safenlp(data, "toxiGen") if row.label == "neutral")


def violence(data: Path) -> Iterator[Row]:
    for comment in comments(data):
        threat = comment.share.get(THREAT, 0.0)
        yield Row(
            comment.text,
            "3" if threat >= 0.5 else "1" if threat > 0 else "0",
            "toxic_spans",
            "en",
        )


def abuse(data: Path) -> Iterator[Row]:
    archive = zipfile.ZipFile(data / "mlma" / "hate_speech_mlma.zip")
    for language in ("fr", "ar"):
        raw = archive.read(f"hate_speech_mlma/{language}_dataset.csv").decode("utf-8")
        for row in csv.DictReader(io.StringIO(raw, newline="")):
            said = set(row["sentiment"].split("_"))
            if said == {"normal"}:
                yield Row(row["tweet"], "0", "mlma", language)
            elif "normal" not in said and said & {
                "hateful",
                "abusive",
                "offensive",
                "disrespectful",
            }:
                yield Row(row["tweet"], "1", "mlma", language)


def people(data: Path) -> Iterator[str]:
    """Sentences that people wrote, of several kinds and lengths."""
    for path in sorted((data / "ai_vs_human").glob("*.json")):
        for text in json.loads(path.read_text(encoding="utf-8"))["original"]:
            words = text.split()
            for start in range(0, min(len(words), 60), 20):
                yield " ".join(words[start : start + random.Random(len(text) + start).randint(2, 20)])
    yield from (row.text for row in tweets(data) if row.label == "neither")


_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
Maker = Callable[[random.Random, str], str]


def _letters(rng: random.Random, text: str) -> str:
    return " ".join("".join(rng.choices(string.ascii_lowercase, k=rng.randint(3, 12))) for _ in text.split())


def _keys(rng: random.Random, text: str) -> str:
    made = []
    for _ in text.split():
        row = rng.choice(_KEYS)
        at = rng.randrange(len(row))
        made.append("".join(row[(at + rng.randint(-2, 2)) % len(row)] for _ in range(rng.randint(3, 14))))
    return " ".join(made)


def _one_run(rng: random.Random, text: str) -> str:
    row = rng.choice(_KEYS)
    return "".join(rng.choices(row, k=rng.randint(6, 60)))


def _shuffled(rng: random.Random, text: str) -> str:
    return " ".join("".join(rng.sample(word, len(word))) for word in text.split())


def _consonants(rng: random.Random, text: str) -> str:
    return " ".join("".join(rng.choices("bcdfghjklmnpqrstvwxz", k=rng.randint(3, 10))) for _ in text.split())


def _shifted(rng: random.Random, text: str) -> str:
    by = rng.randint(1, 25)
    low = string.ascii_lowercase
    return text.lower().translate(str.maketrans(low, low[by:] + low[:by]))


def _backwards(rng: random.Random, text: str) -> str:
    return text[::-1]


def _mixed(rng: random.Random, text: str) -> str:
    signs = string.ascii_letters + string.digits + ";,.#"
    return "".join(rng.choices(signs, k=rng.randint(10, 80)))


SEEN_KINDS: dict[str, Maker] = {
    "letters": _letters, "keys": _keys, "shuffled": _shuffled, "consonants": _consonants, "mixed": _mixed
}  # fmt: skip
HELD_OUT_KINDS: dict[str, Maker] = {
    "one_run": _one_run,
    "shifted": _shifted,
    "backwards": _backwards,
}
"""Kinds of gibberish that are in the test part alone."""


def gibberish(data: Path) -> Iterator[Row]:
    texts = sorted({text for text in people(data) if text.strip() and text.isascii()})
    rng = random.Random(5)
    rng.shuffle(texts)
    for text in texts[:4_000]:
        yield Row(text, "0", "people", "en")
    for i, text in enumerate(texts[4_000:8_000]):
        kinds = HELD_OUT_KINDS if is_test(as_read(text)) and i % 2 else SEEN_KINDS
        kind = rng.choice(sorted(kinds))
        made = kinds[kind](rng, " ".join(text.split()[: rng.randint(1, 12)]))
        # Where what it was made from is in the test part, so is what was made.
        yield Row(made, "1", f"{kind}|{'test' if is_test(as_read(text)) else 'train'}", "en")


HEADS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "hate": hate, "bullying": bullying, "violence": violence, "abuse": abuse, "gibberish": gibberish
}  # fmt: skip


def first(rows: list[Row], most: int) -> list[Row]:
    """At most so many of each label, set and language."""
    kept: list[Row] = []
    seen: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in sorted(rows, key=lambda row: hashlib.sha256(row.text.encode()).hexdigest()[8:]):
        cell = (row.label, row.source, row.language)
        seen[cell] += 1
        if seen[cell] <= most:
            kept.append(row)
    return kept


def write(path: Path, rows: list[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(Row._fields)
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the tables that text heads are trained and tested on.")
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--head", choices=HEADS, action="append")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for name in asked.head or HEADS:
        parts: dict[bool, dict[str, Row]] = {True: {}, False: {}}
        for row in HEADS[name](asked.data):
            text = as_read(row.text)[:MOST_CHARS]
            source, _, part = row.source.partition("|")
            if text:
                tested = part == "test" if part else is_test(text)
                parts[tested].setdefault(text, Row(text, f"{name}_{row.label}", source, row.language))
        for tested, rows in parts.items():
            kept = [row for text, row in rows.items() if tested or text not in parts[True]]
            if name != "gibberish":
                kept = first(kept, MOST_TESTED if tested else MOST_TRAINED.get(name, 700))
            write(asked.out / f"{name}_{'test' if tested else 'train'}.csv", kept)
            print(name, "test" if tested else "train", len(kept))


if __name__ == "__main__":
    main()
