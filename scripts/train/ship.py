"""A trained model into ``weights/``: its heads beside a card whose words people wrote.

    python scripts/train/ship.py drawing        weights/drawing/card.toml must be there

Copies the heads of the newest version, writes their sha256 and size and the space of the vectors into the
card, and prints what was measured, for the card's ``[[quality]]``.
"""

from __future__ import annotations

import re
import shutil
import sys

from hivescan.automl.trained import open_model
from hivescan.models.card_parts import CARD_FILE
from hivescan.models.cards import bundled_folder


def main() -> None:
    model = open_model(sys.argv[1])
    folder = bundled_folder() / model.name
    card = folder / CARD_FILE
    text = card.read_text(encoding="utf-8")
    text = _replaced(text, r'(?m)^space = ".*"$', f'space = "{model.base.space}"')
    for head in model.heads:
        shutil.copyfile(model.folder / head.file, folder / head.file)
        size = (folder / head.file).stat().st_size
        text = _replaced(
            text,
            rf'(?m)^name = "{re.escape(head.file)}"\nsha256 = ".*"\nsize = \d+$',
            f'name = "{head.file}"\nsha256 = "{head.sha256}"\nsize = {size}',
        )
        for part, metrics in head.metrics.items():
            told = ", ".join(
                f"{name} {value:.4f}" for name, value in metrics.items() if isinstance(value, float)
            )
            print(f"{head.name}, {part} ({metrics.get('data')}, n = {metrics.get('n')}): {told}")
    card.write_text(text, encoding="utf-8")


def _replaced(text: str, pattern: str, by: str) -> str:
    changed, times = re.subn(pattern, lambda _: by, text)
    if times != 1:
        sys.exit(f"the card has {times} places like {pattern}, not one")
    return changed


if __name__ == "__main__":
    main()
