"""What a bench measured of a head, written to the card where scripts/bench/quality_table.py reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

AUC = "AUC"
LOW, HIGH = ("lower end of the 95 % interval of the AUC", "upper end of the 95 % interval of the AUC")
PRECISION = "precision at 90 % recall"
RECALL = "recall at 1 % false positives"
METRICS = (AUC, LOW, HIGH, PRECISION, RECALL)

_TABLE = re.compile(r"\[\[quality\]\]\n(?:(?!\[).+\n?)+\n?")


def write(card: Path, head: str, figures: Mapping[str, float], *, data: str, n: int, command: str) -> None:
    """Put figures of a head in the place of those of the same metrics.

    What it finds stands before what it gets wrong: lists show the first."""

    def is_replaced(table: str) -> bool:
        return f'head = "{head}"\n' in table and any(f'metric = "{name}"\n' in table for name in figures)

    text = card.read_text(encoding="utf-8")
    tables = [match[0] for match in _TABLE.finditer(text)]
    made = "\n".join(
        f'[[quality]]\nhead = "{head}"\nmetric = "{name}"\nvalue = {value:.4g}\ndata = "{data}"\n'
        f'n = {n}\ncommand = "{command}"\n'
        for name, value in figures.items()
    )
    kept = [table.rstrip("\n") + "\n" for table in tables if not is_replaced(table)]
    places = [i for i, table in enumerate(kept) if f'head = "{head}"\n' in table]
    at = len(kept) if not places else places[0] if AUC in figures else places[-1] + 1
    rest = _TABLE.sub("", text).rstrip("\n")
    card.write_text("\n".join([rest + "\n", *kept[:at], made, *kept[at:]]), encoding="utf-8")
