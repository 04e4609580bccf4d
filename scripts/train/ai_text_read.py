"""Read the rows of ``ai_text_rows.py`` with the language model, token by token; what was read stays read.

    python scripts/train/ai_text_read.py WORK

Writes ``WORK/read/NAME.npy`` a row, float32 [L, 4] as :mod:`hivescan.models.surprise_tower` gives it. Stop it
and start it again as you like: 2,700 passages take about half an hour of one core.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from hivescan.models.backends.base import Placement
from hivescan.models.cards import find_card
from hivescan.models.fetch import ensure
from hivescan.models.surprise_tower import SurpriseTower
from hivescan.words.plain_letters import plain_letters


def main() -> None:
    work = Path(sys.argv[1])
    (work / "read").mkdir(exist_ok=True)
    rows = json.loads((work / "rows.json").read_text(encoding="utf-8"))
    left = [row for row in rows if not (work / "read" / f"{row['name']}.npy").exists()]
    card = find_card("ai_text")
    assert card.base is not None
    tower = SurpriseTower(card, ensure(card.base), Placement())  # its head may not be trained yet
    start, tokens = time.monotonic(), 0
    for done, row in enumerate(left, 1):
        (numbers,) = tower.surprises([plain_letters(row["text"])])
        path = work / "read" / f"{row['name']}.npy"
        with path.with_suffix(".part").open("wb") as stream:
            np.save(stream, numbers)
        path.with_suffix(".part").rename(path)
        tokens += len(numbers)
        if done % 50 == 0 or done == len(left):
            rate = tokens / (time.monotonic() - start)
            print(f"{done} of {len(left)}, {rate:.0f} tokens a second", flush=True)


if __name__ == "__main__":
    main()
