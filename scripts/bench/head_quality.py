"""How well one class of one head tells two kinds of pictures apart: a row in Markdown, for docs/quality.md.

    python scripts/bench/head_quality.py nsfwjs drawing yes_drawing --yes portraits=FOLDER --no photos=FOLDER

Scans the folders of those that show the class (--yes) and those that do not (--no), and prints the area under
the ROC curve with its 95 % interval (1,000 bootstrap draws, seed 0), precision at 90 % recall and recall at
1 % false positives, over all and by folder of --yes. Precision holds for these numbers of both kinds alone.
Of a file with many samples (frames, faces, texts) the highest counts. --by-no says how often each folder of
--no reaches 0.5 and 0.9; --curve prints the precision-recall curve; --card writes the figures over all to the
model's card, for scripts/bench/quality_table.py.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import hivescan
from hivescan.automl.evaluation.curves import curve_of
from hivescan.models.card_parts import CARD_FILE
from hivescan.models.cards import find_card

sys.path.insert(0, str(Path(__file__).parent))
from card_figures import AUC, HIGH, LOW, PRECISION, RECALL, write

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".heic"}
DRAWS = 1000

Scores = npt.NDArray[np.float32]


def pictures(folder: Path) -> list[str]:
    found = (p for p in folder.rglob("*") if p.suffix.lower() in PICTURES and p.is_file())
    return sorted(str(p.resolve()) for p in found)


def scores_of(where: Path, files: list[str], model: str, head: str, label: str) -> Scores:
    """The scores of the different pictures among the files."""
    query = f"""
        SELECT i.uri, i.content_id, max(s.score) AS score FROM items i JOIN scores s USING (content_id)
        WHERE s.model = '{model}' AND s.head = '{head}' AND s.label = '{label}' GROUP BY ALL"""
    wanted = set(files)
    rows = hivescan.open(where).sql(query).to_pylist()
    by_content = {row["content_id"]: row["score"] for row in rows if row["uri"] in wanted}
    # In an order of their own, so that the bootstrap draws the same ones again.
    return np.sort(np.array(list(by_content.values()), np.float32))


def auc(yes: Scores, no: Scores) -> float:
    positive = np.concatenate([np.ones(len(yes), np.bool_), np.zeros(len(no), np.bool_)])
    area = curve_of(positive, np.concatenate([yes, no])).roc_auc
    assert area is not None
    return area


def interval(yes: Scores, no: Scores) -> tuple[float, float]:
    random = np.random.default_rng(0)
    areas = [auc(random.choice(yes, len(yes)), random.choice(no, len(no))) for _ in range(DRAWS)]
    low, high = np.quantile(areas, [0.025, 0.975])
    return float(low), float(high)


@dataclass(frozen=True)
class Measured:
    """``at_90`` is the threshold that nine in ten reach; at most 1 % of the others are above ``strict``."""

    auc: float
    low: float
    high: float
    precision: float
    at_90: float
    recall: float
    strict: float

    @property
    def figures(self) -> dict[str, float]:
        values = (self.auc, self.low, self.high, self.precision, self.recall)
        return dict(zip((AUC, LOW, HIGH, PRECISION, RECALL), values, strict=True))


def measured(yes: Scores, no: Scores) -> Measured:
    low, high = interval(yes, no)
    at_90 = np.sort(yes)[::-1][int(np.ceil(0.9 * len(yes))) - 1]
    hits, alarms = int((yes >= at_90).sum()), int((no >= at_90).sum())
    # The lowest threshold that at most 1 % of the others reach.
    allowed = int(0.01 * len(no))
    strict = np.sort(no)[::-1][allowed]
    recall = float((yes > strict).mean())
    return Measured(auc(yes, no), low, high, hits / (hits + alarms), float(at_90), recall, float(strict))


def row(name: str, yes: Scores, no: Scores) -> str:
    found = measured(yes, no)
    cells = (
        name,
        f"{len(yes):,}",
        f"{len(no):,}",
        f"{found.auc:.3f}",
        f"{found.low:.3f} to {found.high:.3f}",
        f"{found.precision:.3f} (≥ {found.at_90:.2f})",
        f"{found.recall:.3f} (> {found.strict:.2f})",
        f"{float((yes >= 0.9).mean()):.3f}",
    )
    return f"| {' | '.join(cells)} |"


def curve_lines(yes: Scores, no: Scores) -> list[str]:
    """Precision at recalls of a tenth each, and the threshold that gives them."""
    positive = np.concatenate([np.ones(len(yes), np.bool_), np.zeros(len(no), np.bool_)])
    curve = curve_of(positive, np.concatenate([yes, no]))
    lines = ["| recall | precision | score from |", "| ---: | ---: | ---: |"]
    for recall in np.linspace(0.1, 1.0, 10):
        point = int(np.argmax(curve.tp >= recall * curve.positives - 1e-9))
        found = curve.at(point)
        precision = found.tp / (found.tp + found.fp)
        lines.append(
            f"| {found.tp / curve.positives:.2f} | {precision:.3f} | {curve.thresholds[point]:.3f} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("head")
    parser.add_argument("label")
    parser.add_argument("--analyzer", default="nsfw")
    parser.add_argument("--yes", action="append", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--no", action="append", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--by-no", action="store_true", help="false positives of each folder of --no")
    parser.add_argument("--curve", action="store_true", help="the precision-recall curve, too")
    parser.add_argument("--store", type=Path, help="keep the scores here")
    parser.add_argument(
        "--card", metavar="DATA", help="write to the model's card, with these words for the data"
    )
    options = parser.parse_args()
    yes = {name: pictures(Path(folder)) for name, _, folder in (t.partition("=") for t in options.yes)}
    no = {name: pictures(Path(folder)) for name, _, folder in (t.partition("=") for t in options.no)}
    with tempfile.TemporaryDirectory() as scratch:
        where = options.store or Path(scratch) / "store"
        every = [path for files in (*yes.values(), *no.values()) for path in files]
        hivescan.classify(every, store=where, analyzers=(options.analyzer,))

        def scored(files: list[str]) -> Scores:
            return scores_of(where, files, options.model, options.head, options.label)

        of_no = {name: scored(files) for name, files in no.items()}
        others = scored([path for files in no.values() for path in files])
        kinds = {name: scored(files) for name, files in yes.items()}
    columns = ("yes", "n", "n of no", "AUC", "95 % interval", "precision at 90 % recall")
    print(f"| {' | '.join((*columns, 'recall at 1 % false positives', 'recall at 0.9'))} |")
    print("| --- | ---: | ---: | ---: | --- | --- | --- | ---: |")
    every_yes = np.concatenate(list(kinds.values()))
    print(row("all", every_yes, others))
    for name, table in kinds.items():
        print(row(name, table, others))
    if options.by_no:
        print("\n| no | n | at 0.5 or more | at 0.9 or more |\n| --- | ---: | ---: | ---: |")
        for name, table in of_no.items():
            print(f"| {name} | {len(table):,} | {(table >= 0.5).mean():.3f} | {(table >= 0.9).mean():.3f} |")
    if options.card:
        command = f"python scripts/bench/head_quality.py {options.model} {options.head} {options.label} ..."
        write(
            find_card(options.model).folder / CARD_FILE,
            options.head,
            measured(every_yes, others).figures,
            data=options.card,
            n=len(every_yes) + len(others),
            command=command,
        )
    if options.curve:
        print("", *curve_lines(every_yes, others), sep="\n")


if __name__ == "__main__":
    main()
