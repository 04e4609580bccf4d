"""Fit the text heads of ``weights/``: hate, bullying, spam and gibberish on vectors of MiniLM, abuse on E5's.

    python scripts/train/text_heads.py DATA TABLES       # and spam_texts.py for spam
    python scripts/train/text_fit.py TABLES VECTORS bullying spam [--write] [--and spam_sms]
    python scripts/train/text_fit.py TABLES VECTORS abuse --shipped      # measures the head that is there

``TABLES`` has HEAD_train.csv and HEAD_test.csv (text_heads.py, spam_texts.py); ``VECTORS`` is a folder that
vectors are kept in, and gone on with after an end. Folds of the training part choose settings and
temperature, the test part chooses nothing and is printed by set; ``--write`` puts the head beside its card
and its figures into it. ``--and NAME`` trains on NAME_train.csv, too.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hivescan.automl.heads.fit import FitOptions, fit_head
from hivescan.automl.heads.quality import quality_of
from hivescan.models.backends.base import Placement
from hivescan.models.cards import bundled_folder, find_card
from hivescan.models.text_tower import open_text_tower
from hivescan.models.vector_head import VectorHead, load_head, save_head

BASE, MODEL = ("minilm_l6", "text_heads")
OTHERS = {"abuse": ("e5_small", "text_heads_e5")}
"""What gives the vectors of a head, and whose card it stands on."""
KINDS = {"gibberish": "mlp", "hate": "mlp", "abuse": "mlp"}
"""Heads that are small networks; others are linear."""
HARMFUL = {name: (f"{name}_1",) for name in ("spam", "gibberish", "abuse")}
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
_AT_ONCE = 512

Row = dict[str, str]
Half = npt.NDArray[np.float16]


def table(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def key_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Vectors:
    """Vectors of texts, computed once; parts of a few hundred are written as they are done."""

    def __init__(self, folder: Path, base: str) -> None:
        self._base = base
        self._folder = folder = folder / base
        self._known: dict[str, Half] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("s*.npz")):
            part = np.load(path)
            self._known |= dict(zip(part["keys"].tolist(), part["vectors"], strict=True))

    def of(self, texts: Sequence[str]) -> Half:
        """``float16 [N, D]``."""
        lacking = sorted({key_of(text): text for text in texts if key_of(text) not in self._known}.items())
        tower = open_text_tower(find_card(self._base), Placement(threads=1)) if lacking else None
        for start in range(0, len(lacking), _AT_ONCE):
            assert tower is not None
            keys, some = zip(*lacking[start : start + _AT_ONCE], strict=True)
            made = tower.vectors(some).astype(np.float16)
            number = len(list(self._folder.glob("s*.npz")))
            np.savez(self._folder / f"s{number:04}.npz", keys=np.array(keys), vectors=made)
            self._known |= dict(zip(keys, made, strict=True))
            print(f"{start + len(some):,} of {len(lacking):,} vectors", file=sys.stderr)
        return np.stack([self._known[key_of(text)] for text in texts])


def fitted(name: str, rows: Sequence[Row], vectors: Half) -> VectorHead:
    labels = tuple(sorted({row["label"] for row in rows}))
    targets = np.array([labels.index(row["label"]) for row in rows])
    options = FitOptions(method=KINDS.get(name, "linear"), metric="loss")  # type: ignore[arg-type]
    made = fit_head(f"text_{name}", labels, vectors, targets, options=options)
    print(f"{name}: {len(rows):,} texts, {dict(made.recipe)}")
    return made.head


def report(name: str, head: VectorHead, rows: Sequence[Row], vectors: Half) -> dict[str, float]:
    """Print what the head says of each set of the test part; the measures of the whole."""
    scores = head.probabilities(vectors).astype(np.float64)
    targets = np.array([head.labels.index(row["label"]) for row in rows])
    harmful = HARMFUL.get(name, (f"{name}_2", f"{name}_3"))
    said = scores[:, [head.labels.index(label) for label in harmful]].sum(axis=1) >= 0.5
    cells = [(row["source"], row["language"], row["label"]) for row in rows]
    for cell in sorted(set(cells)):
        here = np.array([each == cell for each in cells])
        found = f"{said[here].mean():.1%} of {here.sum():,}"
        print(f"  {', '.join(cell)}: {found} called {' or '.join(harmful)}")
    return quality_of(head.labels, scores, targets)


def label_of(trained: str) -> str:
    """The class as the field has it: a severity, or yes and no."""
    name, _, severity = trained.rpartition("_")
    if name not in HARMFUL:
        return trained
    return f"{'yes' if severity == '1' else 'no'}_text_{name}"


def shipped(name: str) -> VectorHead:
    """The head that lies beside its card, with the labels of the tables."""
    path = folder_of(name) / f"text_{name}.safetensors"
    head = load_head(path, hashlib.sha256(path.read_bytes()).hexdigest())
    if name not in HARMFUL:
        return head
    return replace(head, labels=tuple(f"{name}_{int(label.startswith('yes_'))}" for label in head.labels))


def folder_of(name: str) -> Path:
    return bundled_folder() / OTHERS.get(name, (BASE, MODEL))[1]


def write(name: str, head: VectorHead, quality: dict[str, float], n: int) -> None:
    """The head into its card's folder, its digest and figures into the card, which must name it."""
    folder = folder_of(name)
    file = f"{head.name}.safetensors"
    digest = save_head(replace(head, labels=tuple(map(label_of, head.labels))), folder / file)
    card = folder / "card.toml"
    text = re.sub(
        rf'(name = "{re.escape(file)}"\nsha256 = )".*"\nsize = \d+',
        rf'\g<1>"{digest}"\nsize = {(folder / file).stat().st_size}',
        card.read_text(encoding="utf-8"),
    )
    text = re.sub(rf'\[\[quality\]\]\nhead = "{head.name}"\n(?:.+\n)*\n?', "", text).rstrip() + "\n"
    for measure, title in FIGURES.items():
        value = quality[measure.removeprefix("macro_")]
        text += (
            f'\n[[quality]]\nhead = "{head.name}"\nmetric = "{title}"\nvalue = {value:.4f}\n'
            f'data = "{DATA[head.name]}"\nn = {n}\n'
            f'command = "scripts/train/text_fit.py TABLES VECTORS {name}"\n'
        )
    card.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit text heads on vectors that are kept.")
    parser.add_argument("tables", type=Path)
    parser.add_argument("vectors", type=Path)
    parser.add_argument("heads", nargs="+")
    parser.add_argument("--and", dest="more", action="append", default=[], help="NAME_train.csv, too")
    parser.add_argument("--write", action="store_true", help="put the heads beside their card")
    parser.add_argument("--shipped", action="store_true", help="fit nothing: measure what lies there")
    asked = parser.parse_args()
    if asked.shipped and asked.write:
        parser.error("--shipped measures what is there: there is nothing to write")
    for name in asked.heads:
        kept = Vectors(asked.vectors, OTHERS.get(name, (BASE, MODEL))[0])
        test = table(asked.tables / f"{name}_test.csv")
        if asked.shipped:
            head = shipped(name)
        else:
            parts = [asked.tables / f"{part}_train.csv" for part in (name, *asked.more)]
            train = [row for part in parts for row in table(part)]
            head = fitted(name, train, kept.of([row["text"] for row in train]))
        vectors = kept.of([row["text"] for row in test])
        quality = report(name, head, test, vectors)
        print("  " + ", ".join(f"{m} {v:.4f}" for m, v in quality.items() if isinstance(v, float)))
        if asked.write:
            write(name, head, quality, len(test))


if __name__ == "__main__":
    main()
