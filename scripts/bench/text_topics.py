"""What the word lists of topics say of texts: threats found, and how often they speak of harmless texts.

    python scripts/bench/text_topics.py DATA

Nothing was trained or tuned on these texts. Threats are comments in which most readers of toxic_spans marked
one; of drugs, weapons and self-harm no labelled texts are at hand, so that only false alarms can be told:
comments in which nobody marked a threat, private messages (ham of the SMS Spam Collection), news (XSum).
Each row says how many texts have severity 1, 2 and 3.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))

from text_heads import THREAT, comments

from hivescan.analyzers.text_rules import look
from hivescan.words.topics import TOPICS

MOST = 3_000


def texts_of(data: Path) -> Iterator[tuple[str, list[str]]]:
    read = list(comments(data))
    yield "comments with a threat, by most readers", [c.text for c in read if c.share.get(THREAT, 0.0) >= 0.5]
    yield "comments with a threat, by some", [c.text for c in read if 0 < c.share.get(THREAT, 0.0) < 0.5]
    yield "comments without", sorted(c.text for c in read if not c.share.get(THREAT))[::5][:MOST]
    with (data / "sms_spam" / "spam.csv").open(encoding="latin-1", newline="") as stream:
        yield "private messages", [row["v2"] for row in csv.DictReader(stream) if row["v1"] == "ham"][:MOST]
    news: set[str] = set()
    for path in sorted((data / "ai_vs_human").glob("*xsum*.json")):
        news |= {text[:1_000] for text in json.loads(path.read_text(encoding="utf-8"))["original"]}
    yield "news", sorted(news)[:MOST]


def row(topic: str, name: str, severities: Sequence[int]) -> str:
    counts = Counter(severities)
    cells = " | ".join(f"{counts[n]:,}" for n in (1, 2, 3))
    flagged = (counts[2] + counts[3]) / len(severities)
    return f"| `text_{topic}` | {name} | {len(severities):,} | {cells} | {flagged:.1%} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the word lists of topics.")
    parser.add_argument("data", type=Path)
    asked = parser.parse_args()
    read = [(name, [look(text) for text in texts]) for name, texts in texts_of(asked.data)]
    print("| head | texts | n | 1 | 2 | 3 | flagged (2 or 3) |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for topic in TOPICS:
        for name, passages in read:
            if topic == "violence" or "with a threat" not in name:
                print(row(topic, name, [passage.severity(topic) for passage in passages]))


if __name__ == "__main__":
    main()
