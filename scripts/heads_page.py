"""Write docs/heads.md from the table of heads and the cards; with --check only say whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path

from hivescan.models.cards import bundled_folder, load_cards
from hivescan.models.head_states import head_states, own_heads
from hivescan.models.heads_page import heads_page

TARGET = Path(__file__).resolve().parent.parent / "docs" / "heads.md"


def page() -> str:
    """The page for the cards of the repository alone: whoever writes it may have models of their own."""
    cards = [card for card in load_cards().values() if card.folder.parent == bundled_folder()]
    return heads_page(head_states(cards=cards), own_heads(cards=cards))


def main() -> None:
    text = page()
    if "--check" in sys.argv:
        if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
            sys.exit("docs/heads.md is stale: run `make docs`")
        return
    TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
