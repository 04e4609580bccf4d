"""The heads ``drawing`` and ``image_type`` on what scripts/train/drawn_pictures.py made: fitted, written.

    python scripts/train/drawn_heads.py WORK/pictures --store WORK/vectors            # prints tables
    python scripts/train/drawn_heads.py WORK/pictures --store WORK/vectors --write    # into weights/drawing/

A linear head on vectors of length 1. Sources differ in size by thirty times, and a few large ones would tell
what a drawing looks like: each source counts by the square root of its pictures, at most so many of them, and
the classes are even. How many, and the penalty, are chosen by the log loss on sources held out whole, in
turn; the temperature is the one of least loss there. The test part is scored once, at the end.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import hivescan
from hivescan.models.card_parts import CARD_FILE
from hivescan.models.cards import bundled_folder
from hivescan.models.vector_head import VectorHead, save_head

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
from card_figures import write
from head_quality import curve_lines, measured, row

HEADS = {"drawing": ("no_drawing", "yes_drawing"), "image_type": ("animated", "hybrid", "natural")}
MOST = (60, 120, 200, 400)
"""Pictures of a source."""
PENALTIES = (1.0, 3.0, 10.0, 30.0)
TEMPERATURES = np.geomspace(0.25, 4, 60)
FOLDS_OF_HYBRIDS = 6
COMMAND = "sh scripts/train/drawing.sh WORK --photos NAME=FOLDER ..."
DATA = {
    "yes_drawing": "{yes} painted portraits and scenes, game screens, visual novel; {no} photographs of"
    " things, cameras, scikit-image, wallpapers, clips; no source was trained on",
    "natural": "{yes} photographs against {no} drawings and hybrids of sources that were not trained on",
    "animated": "{yes} drawings against {no} photographs and hybrids of sources that were not trained on",
    "hybrid": "{yes} hybrids, made by pasting, against {no} photographs and drawings",
}


@dataclass(frozen=True)
class Items:
    """Unit vectors ``float64 [N, D]``, the place of each class (-1: not told) and the source of each."""

    vectors: npt.NDArray[np.float64]
    raw: npt.NDArray[np.float16]
    targets: npt.NDArray[np.intp]
    sources: npt.NDArray[np.str_]

    def at(self, which: npt.NDArray[np.bool_]) -> Items:
        return Items(self.vectors[which], self.raw[which], self.targets[which], self.sources[which])


def items(folder: Path, part: str, head: str, by_path: dict[str, list[float]]) -> Items:
    with (folder / f"{part}.csv").open(encoding="utf-8", newline="") as stream:
        rows = [
            r for r in csv.DictReader(stream) if r[head] and str((folder / r["path"]).resolve()) in by_path
        ]
    raw = np.array([by_path[str((folder / r["path"]).resolve())] for r in rows], np.float16)
    vectors = raw.astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    targets = np.array([HEADS[head].index(r[head]) for r in rows])
    return Items(vectors, raw, targets, np.array([r["source"] for r in rows]))


def kinds(sources: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    """Hybrids, each named after its number, are of one kind."""
    return np.array([source.split(" ")[0] for source in sources])


def weights(data: Items) -> npt.NDArray[np.float64]:
    of = kinds(data.sources)
    many = Counter(of.tolist())
    found = np.array([many[source] ** -0.5 for source in of.tolist()])
    for target in np.unique(data.targets):
        found[data.targets == target] /= found[data.targets == target].sum()
    return found * len(of) / len(np.unique(data.targets))


def folds(sources: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    """Each source is held out whole; hybrids are parts of two, and go by their numbers."""
    return np.array(
        [
            f"hybrid {int(s.split(' ')[1]) % FOLDS_OF_HYBRIDS}" if s.startswith("hybrid ") else s
            for s in sources.tolist()
        ]
    )


def first(data: Items, most: int) -> npt.NDArray[np.bool_]:
    """The first so many of each source."""
    seen: Counter[str] = Counter()
    kept = []
    for source in kinds(data.sources).tolist():
        seen[source] += 1
        kept.append(seen[source] <= most)
    return np.array(kept)


def fitted(data: Items, penalty: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Weights ``[C, D]`` and biases ``[C]``."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=penalty, max_iter=3000)
    model.fit(data.vectors, data.targets, sample_weight=weights(data))
    if len(model.coef_) == 1:
        return np.concatenate([-model.coef_, model.coef_]) / 2, np.concatenate(
            [-model.intercept_, model.intercept_]
        ) / 2
    return model.coef_, model.intercept_


def loss(logits: npt.NDArray[np.float64], data: Items, temperature: float) -> float:
    scaled = logits / temperature
    highest = scaled.max(axis=1, keepdims=True)
    total = np.log(np.exp(scaled - highest).sum(axis=1)) + highest[:, 0]
    each = total - scaled[np.arange(len(scaled)), data.targets]
    return float(np.average(each, weights=weights(data)))


def chosen(data: Items) -> tuple[int, float, float, float]:
    """Most pictures of a source, penalty, temperature, and the loss held out."""
    best = (0, 0.0, 1.0, np.inf)
    held = folds(data.sources)
    for most in MOST:
        kept = first(data, most)
        for penalty in PENALTIES:
            logits = np.zeros((len(data.targets), len(np.unique(data.targets))))
            for fold in np.unique(held):
                inside = held == fold
                matrix, bias = fitted(data.at(kept & ~inside), penalty)
                logits[inside] = data.vectors[inside] @ matrix.T + bias
            found = [loss(logits, data, t) for t in TEMPERATURES]
            at = int(np.argmin(found))
            if found[at] < best[3]:
                best = (most, penalty, float(TEMPERATURES[at]), found[at])
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--store", type=Path, required=True, help="where the vectors are kept")
    parser.add_argument("--write", action="store_true", help="into weights/drawing/")
    options = parser.parse_args()
    hivescan.classify([options.pictures], store=options.store, analyzers=("embedding",))
    query = "SELECT uri, vector FROM items JOIN embeddings USING (content_id)"
    by_path = {r["uri"]: r["vector"] for r in hivescan.open(options.store).sql(query).to_pylist()}
    card = bundled_folder() / "drawing" / CARD_FILE
    for name, labels in HEADS.items():
        train, test = (items(options.pictures, part, name, by_path) for part in ("train", "test"))
        most, penalty, temperature, held = chosen(train)
        kept = train.at(first(train, most))
        matrix, bias = fitted(kept, penalty)
        print(
            f"\n{name}: {len(kept.targets):,} of {len(train.targets):,} pictures, at most {most} of a source;"
            f" penalty {penalty:g}, temperature {temperature:.2f}, held-out log loss {held:.3f}\n"
        )
        size = train.vectors.shape[1]
        layer = (matrix.astype(np.float32), bias.astype(np.float32))
        zero, one = np.zeros(size, np.float32), np.ones(size, np.float32)
        head = VectorHead(name, labels, zero, one, ((layer,),), "l2", temperature)
        scores = head.probabilities(test.raw)
        for place, label in enumerate(labels):
            if label == "no_drawing":
                continue
            yes, no = (np.sort(scores[of, place]) for of in (test.targets == place, test.targets != place))
            print(row(f"`{name}` {label}", yes, no))
            of = kinds(test.sources)
            if label == "yes_drawing":
                for source in np.unique(of[test.targets == place]):
                    print(row(f"… {source}", np.sort(scores[(of == source), place]), no))
                for source in np.unique(of[test.targets != place]):
                    seen = scores[(of == source) & (test.targets != place), place]
                    print(
                        f"   {source}: {len(seen)}, highest {seen.max():.2f}, {(seen >= 0.5).sum()} from 0.5"
                    )
                print("", *curve_lines(yes, no), "", sep="\n")
            if options.write and label in ("yes_drawing", "hybrid"):
                data = DATA[label].format(yes=len(yes), no=len(no))
                found = measured(yes, no).figures
                write(card, name, found, data=data, n=len(yes) + len(no), command=COMMAND)
        if options.write:
            path = card.parent / f"{name}.head.safetensors"
            digest = save_head(head, path)
            lines = card.read_text(encoding="utf-8").split("\n")
            at = lines.index(f'name = "{path.name}"')
            lines[at + 1 : at + 3] = [f'sha256 = "{digest}"', f"size = {path.stat().st_size}"]
            card.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
