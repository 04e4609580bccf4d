"""What models of the head `deepfake` see of manipulations that they were not trained on: tables in Markdown.

    python scripts/train/collect_faces.py test.npz --set photos=FOLDER ...
    python scripts/bench/deepfakes.py test.npz --taef2 FOLDER

Each face of the file becomes a fake of each kind (face_forgeries.py), with another file's face of the same
set for those that need one; fakes and the untouched faces go through the same JPEG. The first table has
the area under the ROC curve, fakes of a kind against the faces themselves, with 95 % intervals of a
bootstrap over files. The second counts real faces at or above 0.5 and 0.9: as they are, compressed,
reduced, with noise. Then the speed, in CPU seconds. --training names sets that a model was trained on: they
are left out for all.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from face_forgeries import Face, Picture, forgeries, jpeg
from PIL import Image
from scipy.stats import binomtest, rankdata

import hivescan
from hivescan.analyzers.face_heads import inner
from hivescan.models.cards import find_card
from hivescan.models.network import Network, open_network

QUALITY = 90
"""Of the JPEG that every picture goes through at the end."""
ROUNDS = 1000

Score = Callable[[Sequence[Picture]], np.ndarray]


def half(picture: Picture) -> Picture:
    side = picture.shape[0]
    small = Image.fromarray(picture).resize((side // 2, side // 2), Image.Resampling.BICUBIC)
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))


def noisy(picture: Picture) -> Picture:
    noise = np.random.default_rng(0).normal(0, 8, picture.shape)
    return np.clip(np.round(picture + noise), 0, 255).astype(np.uint8)


HARMLESS: dict[str, Callable[[Picture], Picture]] = {
    "as it is": lambda picture: picture,
    "JPEG 75": lambda picture: jpeg(picture, 75),
    "JPEG 50": lambda picture: jpeg(picture, 50),
    "JPEG 30": lambda picture: jpeg(picture, 30),
    "half the size": half,
    "noise": noisy,
}


def scorer(network: Network) -> Score:
    """Probabilities of `yes_deepfake` for crops of 256 pixels."""
    card = network.card
    ((name, view),) = card.views.items()
    assert card.crop is not None
    padding = card.crop.padding

    def score(faces: Sequence[Picture]) -> np.ndarray:
        from hivescan.analyzers.readings import read_outputs

        views = {name: inner(np.stack(faces), view.width, padding)}
        (head,) = (s for s in read_outputs(card, network.run(views)).scores if s.head == "deepfake")
        return head.scores[:, head.labels.index("yes_deepfake")]

    return score


def fakes_of(data: Any, forge: Any, seed: int) -> list[Picture]:
    rng = np.random.default_rng(seed)
    made = []
    for row in range(len(data["faces"])):
        others = np.flatnonzero((data["sets"] == data["sets"][row]) & (data["files"] != data["files"][row]))
        other = int(rng.choice(others)) if len(others) else row
        made.append(jpeg(forge(face(data, row), face(data, other), rng), QUALITY))
    return made


def face(data: Any, row: int) -> Face:
    return data["faces"][row], data["landmarks"][row]


def auc(real: np.ndarray, fake: np.ndarray) -> float:
    ranks = rankdata(np.concatenate([real, fake]))
    return float((ranks[len(real) :].sum() - len(fake) * (len(fake) + 1) / 2) / (len(real) * len(fake)))


def interval(real: np.ndarray, fake: np.ndarray, files: np.ndarray) -> tuple[float, float]:
    """Of the area, by resampling files: the faces of one are alike."""
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(files == name) for name in np.unique(files)]
    found = []
    for _ in range(ROUNDS):
        drawn = np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])
        found.append(auc(real[drawn], fake[drawn]))
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faces", type=Path)
    parser.add_argument("--taef2", type=Path, help="the folder with taef2_encoder.pth and taef2_decoder.pth")
    parser.add_argument("--models", nargs="+", default=["face_blends", "mesonet"])
    parser.add_argument("--training", nargs="*", default=[], help="sets to leave out")
    options = parser.parse_args()
    data = dict(np.load(options.faces))
    kept = ~np.isin(data["sets"], options.training)
    data = {name: values[kept] for name, values in data.items()}
    scores = {name: scorer(open_network(find_card(name))) for name in options.models}
    counts = {s: int((data["sets"] == s).sum()) for s in np.unique(data["sets"])}
    print(f"{len(data['faces'])} faces of {len(np.unique(data['files']))} files:", counts, "\n")
    manipulations(data, scores, options.taef2)
    false_positives(data, scores)
    speed(data, scores)


def manipulations(data: Any, scores: dict[str, Score], taef2: Path | None) -> None:
    real = [jpeg(picture, QUALITY) for picture in data["faces"]]
    of_real = {name: score(real) for name, score in scores.items()}
    print("| manipulation |" + "".join(f" `{name}` AUC | 95 % |" for name in scores))
    print("| --- |" + " ---: | --- |" * len(scores))
    every: dict[str, list[np.ndarray]] = {name: [] for name in scores}
    for seed, (kind, forge) in enumerate(forgeries(taef2).items()):
        made, cells = fakes_of(data, forge, seed), ""
        for name, score in scores.items():
            fake = score(made)
            every[name].append(fake)
            low, high = interval(of_real[name], fake, data["files"])
            cells += f" {auc(of_real[name], fake):.3f} | {low:.3f} to {high:.3f} |"
        print(f"| {kind} |{cells}", flush=True)
    cells = ""
    for name in scores:
        fake = np.mean([[auc(of_real[name], f)] for f in every[name]])
        cells += f" {fake:.3f} | |"
    print(f"| mean of the kinds |{cells}\n")
    for name in scores:
        at = {t: np.mean([np.mean(f >= t) for f in every[name]]) for t in (0.5, 0.9)}
        print(f"`{name}` finds {at[0.5]:.1%} of all fakes at 0.5, {at[0.9]:.1%} at 0.9.")
    print()


def false_positives(data: Any, scores: dict[str, Score]) -> None:
    n = len(data["faces"])
    print("| real faces |" + "".join(f" `{m}` ≥ 0.5 | ≥ 0.9 | 95 % of ≥ 0.9 |" for m in scores))
    print("| --- |" + " ---: | ---: | --- |" * len(scores))
    for what, change in HARMLESS.items():
        pictures, cells = [change(picture) for picture in data["faces"]], ""
        for score in scores.values():
            found = score(pictures)
            hits = int((found >= 0.9).sum())
            ci = binomtest(hits, n).proportion_ci(0.95, "exact")
            cells += f" {np.mean(found >= 0.5):.1%} | {hits / n:.1%} | {ci.low:.1%} to {ci.high:.1%} |"
        print(f"| {what} |{cells}")
    print()
    for name in np.unique(data["sets"]):
        rows = data["sets"] == name
        rates = [score(list(data["faces"][rows])) for score in scores.values()]
        shares = ", ".join(f"{np.mean(r >= 0.5):.1%} at 0.5, {np.mean(r >= 0.9):.1%} at 0.9" for r in rates)
        print(f"- {name}, {rows.sum()} faces: {shares}")
    print()


def speed(data: Any, scores: dict[str, Score]) -> None:
    many = [data["faces"][i % len(data["faces"])] for i in range(64)]
    for name, score in scores.items():
        score(many[:8])
        best = min(timed(score, many) for _ in range(5))
        print(f"`{name}`: {len(many) / best:.0f} faces a CPU second, cutting included.")
    print(f"hivescan {hivescan.__version__}, Python {platform.python_version()}, {platform.machine()}")


def timed(score: Score, pictures: Sequence[Picture]) -> float:
    """CPU seconds, which a busy machine changes less than the clock's."""
    began = time.process_time()
    score(pictures)
    return time.process_time() - began


if __name__ == "__main__":
    main()
