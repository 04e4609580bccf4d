"""How often each head speaks on harmless pictures: a table in Markdown, for docs/quality.md.

    python scripts/bench/false_positives.py --set clothing=../shared/data/clothing --set objects=...

Scans the folders with all analyzers of pictures that have heads (--analyzers names some) into a store (kept
with --store, and scanned again only where something changed) and counts, for the harmful classes of each head
together and for each descriptive class by itself, the pictures at or above the threshold; of a picture with
several faces or texts the highest counts. Everything in the folders must be harmless: whoever runs this must
know that. Intervals are those of Clopper and Pearson, 95 %. Of pictures named by their size in one folder
(wallpapers) the largest is taken. --worst writes the highest pictures of each row.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hivescan
from hivescan.analyzers import registry
from hivescan.analyzers.base import AnalyzerSpec
from hivescan.types import MediaType

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".heic"}
_SIZED = re.compile(r"(\d+)x(\d+)")

_ROWS = """
    WITH meant AS (
        SELECT model, head, label, CASE WHEN polarity = 'harmful' THEN '' ELSE label END AS part
        FROM heads WHERE polarity <> 'benign' AND head <> 'imagenet'),
    samples AS (
        SELECT s.model, s.head, m.part, s.content_id, s."index", s.region, sum(s.score::DOUBLE) AS score
        FROM scores s JOIN meant m USING (model, head, label) GROUP BY ALL)
    SELECT model, head, part, content_id, round(max(score), 6) AS score FROM samples GROUP BY ALL"""


def pictures(folder: Path) -> Iterator[Path]:
    """The pictures below a folder; of several sizes of one wallpaper the largest."""
    largest: dict[Path, tuple[int, Path]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURES and p.is_file()):
        if (size := _SIZED.fullmatch(path.stem)) is None:
            yield path
            continue
        pixels = int(size[1]) * int(size[2])
        if pixels > largest.get(path.parent, (0, path))[0]:
            largest[path.parent] = (pixels, path)
    yield from (path for _, path in largest.values())


def analyzers_of_pictures() -> tuple[str, ...]:
    """All that have heads and can run here, whatever they find in pictures (faces, texts) included."""
    able = (name for name in registry.available() if registry.missing(name) is None)
    return tuple(name for name in able if _has_heads(registry.spec_of(name)))


def _has_heads(spec: AnalyzerSpec) -> bool:
    return bool(spec.heads) and MediaType.IMAGE in spec.consumes and spec.runs_in == "host"


def interval(hits: int, n: int) -> tuple[float, float]:
    """Clopper and Pearson's 95 % interval of a share."""
    from scipy.stats import binomtest

    found = binomtest(hits, n).proportion_ci(0.95, "exact")
    return float(found.low), float(found.high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", action="append", required=True, metavar="NAME=FOLDER", dest="sets")
    parser.add_argument("--threshold", type=float, default=0.9)
    parser.add_argument("--analyzers", help="these alone, with commas between them")
    parser.add_argument("--store", type=Path, help="keep the scores here")
    parser.add_argument(
        "--worst", type=Path, help="write the highest pictures of each row here, as JSON lines"
    )
    options = parser.parse_args()
    sets = {name: Path(folder) for name, _, folder in (text.partition("=") for text in options.sets)}
    files = {str(p.resolve()): name for name, folder in sets.items() for p in pictures(folder)}
    with tempfile.TemporaryDirectory() as scratch:
        where = options.store or Path(scratch) / "store"
        analyzers = options.analyzers.split(",") if options.analyzers else analyzers_of_pictures()
        hivescan.classify(list(files), store=where, analyzers=tuple(analyzers))
        report(where, files, options.threshold, options.worst)


def report(where: Path, files: dict[str, str], threshold: float, worst: Path | None) -> None:
    store = hivescan.open(where)
    named: dict[str, str] = {}
    for row in store.sql("SELECT uri, content_id FROM items WHERE status = 'done'").to_pylist():
        if row["uri"] in files:
            named.setdefault(row["content_id"], row["uri"])
    scores: dict[tuple[str, str, str], list[tuple[float, str]]] = {}
    for row in store.sql(_ROWS).to_pylist():
        if row["content_id"] in named:
            key = (row["head"], row["part"], row["model"])
            scores.setdefault(key, []).append((row["score"], named[row["content_id"]]))
    counts = [
        f"{name} {sum(files[u] == name for u in named.values()):,}" for name in dict.fromkeys(files.values())
    ]
    print(f"{len(named):,} different pictures: {', '.join(counts)}.\n")
    print(f"| head | class | model | pictures | ≥ {threshold:g} | rate | 95 % interval | ≥ 0.5 | highest |")
    print("| --- | --- | --- | ---: | ---: | ---: | --- | ---: | ---: |")
    for (head, part, model), found in sorted(scores.items()):
        found.sort(reverse=True)
        hits, n = sum(score >= threshold for score, _ in found), len(found)
        low, high = interval(hits, n)
        half = sum(score >= 0.5 for score, _ in found)
        shown = part or "harmful ones together"
        print(
            f"| `{head}` | {shown} | `{model}` | {n:,} | {hits} | {hits / n:.2%} |"
            f" {low:.2%} to {high:.2%} | {half} | {found[0][0]:.2f} |"
        )
    if worst is not None:
        lines = [
            json.dumps(
                {"head": head, "class": part, "model": model, "score": score, "set": files[uri], "uri": uri}
            )
            for (head, part, model), found in sorted(scores.items())
            for score, uri in found[:12]
            if score >= 0.5
        ]
        worst.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
