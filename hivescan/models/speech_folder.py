"""A downloaded folder of Whisper for CTranslate2, of any size → a card, to scan with."""

from __future__ import annotations

from pathlib import Path

from hivescan.errors import CatalogueError
from hivescan.models.adopted_card import check_free, file_lines, folder_with, head_lines, write_card
from hivescan.models.card_parts import read_toml
from hivescan.models.schema import Card
from hivescan.models.speech_card import FILES, OPTIONAL, VOCABULARIES, WEIGHTS, parse_speech_card


def is_speech_folder(folder: Path) -> bool:
    """Whether a folder looks like one of Whisper for CTranslate2."""
    return (folder / WEIGHTS).is_file()


def adopt_speech_folder(folder: Path, name: str, target: Path) -> Card:
    """Write the card of the model in ``folder`` to ``target/<name>/card.toml`` and read it back.

    The weights stay where they are. Raises ``CatalogueError`` where files are missing.
    """
    folder = folder_with(folder, FILES)
    files = [*FILES, *(f for f in (*VOCABULARIES, *OPTIONAL) if (folder / f).is_file())]
    if not set(VOCABULARIES) & set(files):
        raise CatalogueError(f"{folder}: has neither {' nor '.join(VOCABULARIES)}")
    check_free(target, name)
    lines = [
        *head_lines(folder, name, "speech recognition", '["audio", "video"]'),
        "[speech]",
        "",
        *(line for file in files for line in file_lines(folder / file)),
    ]
    return write_card(target, name, lines, read=lambda path: parse_speech_card(path, read_toml(path)))
