"""Lines of a card that a training script writes anew: digests, sizes, bounds."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path


def replace_lines(card: Path, lines: Mapping[str, str]) -> None:
    """Put each line in the place of the one that its name stands for, such as ``sha256``.

    What follows the name and ``=`` is written as given. Ends the script where a card does not have just one
    such line; nothing is written then.
    """
    text = card.read_text(encoding="utf-8")
    for name, value in lines.items():
        made = f"{name} = {value}"
        text, times = re.subn(rf"(?m)^{re.escape(name)} = .*$", lambda _, made=made: made, text)  # type: ignore[misc]
        if times != 1:
            sys.exit(f"{card}: {times} lines of {name}, not one")
    card.write_text(text, encoding="utf-8")
