"""Put the heads that ``text_heads.sh`` trained beside their card in ``weights/``; those on the vectors of
MiniLM are put there by ``text_fit.py``.

    python scripts/train/text_heads_card.py weights

The words of a card stay as they are; files, classes and figures of the test part are written anew.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hivescan.automl.trained import TrainedHead, TrainedModel, open_model
from hivescan.models.vector_head import load_head, save_head

MODELS = ("text_heads_e5",)
FIGURES = {
    "roc_auc": "AUC, mean of each class against the rest",
    "balanced_accuracy": "mean recall of the classes",
    "macro_f1": "mean F1 of the classes",
}
DATA = {
    "text_hate": "offensive tweets, toxiGen, implicitHate, toxic_spans: test part",
    "text_bullying": "toxic_spans, offensive tweets, toxiGen: test part",
    "text_gibberish": "made of texts of ai_vs_human and tweets: test part with kinds of its own",
    "text_spam": "mails of SpamAssassin's corpus, SMS Spam Collection, harmless texts: test part",
    "text_abuse": "MLMA in French and Arabic: test part",
}
_MARK = "# ---- made by scripts/train/text_heads_card.py ----"


NAMES = {"gibberish": "text_gibberish", "abuse": "text_abuse", "spam": "text_spam"}


def label_of(trained: str) -> str:
    """The class as the field has it: a severity, or yes and no."""
    name, _, severity = trained.rpartition("_")
    if name not in NAMES:
        return trained
    return f"{'yes' if severity == '1' else 'no'}_{NAMES[name]}"


def placed(model: TrainedModel, head: TrainedHead, folder: Path) -> tuple[str, int]:
    """Write a head with its classes so named; its sha256 and size."""
    path = folder / f"{head.name}.safetensors"
    read = load_head(model.folder / head.file, head.sha256)
    digest = save_head(replace(read, labels=tuple(map(label_of, read.labels))), path)
    return digest, path.stat().st_size


def made_lines(model: TrainedModel, folder: Path) -> Iterator[str]:
    yield from (
        "[base]",
        f'card = "{model.base.card}"',
        "own = false",
        f'space = "{model.base.space}"',
        "",
    )
    for head in model.heads:
        digest, size = placed(model, head, folder)
        yield from (
            "[[files]]",
            f'name = "{head.name}.safetensors"',
            f'sha256 = "{digest}"',
            f"size = {size}",
        )
        yield from (
            f'source = {{ kind = "local", path = "{head.name}.safetensors" }}',
            "",
        )
    for head in model.heads:
        yield from head_lines(head)
    for head in model.heads:
        yield from figure_lines(head)


def head_lines(head: TrainedHead) -> Iterator[str]:
    yield from (
        "[[heads]]",
        f'name = "{head.name}"',
        'group = "text"',
        "validated = true",
    )
    yield f'file = "{head.name}.safetensors"'
    yield "classes = ["
    for label in head.labels:  # in the order of the head's own columns
        yield f'  {{ label = "{label_of(label)}", polarity = "{polarity(label)}" }},'
    yield from ("]", "")


def polarity(label: str) -> str:
    name, _, severity = label.rpartition("_")
    if severity == "0":
        return "benign"
    if name == "gibberish":
        return "descriptive"
    return "descriptive" if severity == "1" and name not in ("abuse", "spam") else "harmful"


def figure_lines(head: TrainedHead) -> Iterator[str]:
    test = head.metrics.get("test", {})
    for name, title in FIGURES.items():
        value = test.get(name)
        if isinstance(value, float):
            yield from (
                "[[quality]]",
                f'head = "{head.name}"',
                f'metric = "{title}"',
            )
            yield from (
                f"value = {value:.4f}",
                f'data = "{DATA[head.name]}"',
                f"n = {test['n']}",
            )
            yield from ('command = "scripts/train/text_heads.sh DATA WORK"', "")


def main() -> None:
    parser = argparse.ArgumentParser(description="Put trained text heads into the catalogue.")
    parser.add_argument("weights", type=Path)
    asked = parser.parse_args()
    for name in MODELS:
        model = open_model(name)
        folder = asked.weights / name
        card = folder / "card.toml"
        words = re.split(re.escape(_MARK), card.read_text(encoding="utf-8"))[0]
        card.write_text(
            words + _MARK + "\n\n" + "\n".join(made_lines(model, folder)).rstrip() + "\n",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
