"""Disguised spellings in plain letters, with every character's place in the original kept.

What is undone: invisible characters, piled-up marks, full-width and ornamental letters, letters borrowed from
other alphabets inside a word, figures for letters ("k1ll"), letters set apart ("k i l l", "k.i.l.l"), and
letters repeated for emphasis. Plain text of any language comes back as it is, but for its compatibility forms
(Unicode Standard Annex 15, NFKC). Doing it twice changes nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection
from typing import Final

from hivescan.words.lookalikes import BOXED, FIGURES, OTHER_SCRIPTS, SHAPED, is_alphabetic, is_latin
from hivescan.words.mapped import Cell, Mapped, cells_of

REVISION: Final = 1
"""Raised when the same text is normalised to another one."""

_ROUNDS: Final = 16
_MARKS_KEPT: Final = 3
"""Marks on one letter of a script that writes with them; no language stacks more."""
_MOST_RUNS: Final = 3
"""Of figures within a word: more stand in numbers that have letters, such as those of base 16."""
_TATWEEL: Final = "\u0640"
_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_LATIN_SHARE: Final = 0.8
"""Of a text's letters: from here on a word wholly of look-alikes is a disguised one."""

_SUSPECT: Final = re.compile(
    r"[^\x20-\x7e\n\t\r]"  # anything but plain characters
    r"|([A-Za-z])\1\1"  # a letter three times
    r"|[A-Za-z][0-9@$!|][0-9@$!|]*[A-Za-z]|\$[A-Za-z]|[0-9@$][A-Za-z]|[A-Za-z][0-9@$]"
    r"|(?<![A-Za-z0-9])[A-Za-z0-9][ .\-_*~][A-Za-z0-9][ .\-_*~][A-Za-z0-9](?![A-Za-z0-9])",
    re.IGNORECASE,
)
_APART: Final = re.compile(r"(?<![^\W_])[^\W_]([ .\-_*~·•])[^\W_](?:\1[^\W_])+(?![^\W_])")
_WORD: Final = re.compile(r"(?:[^\W_]|[@$€!|])+")
_ADDRESS_GOES_ON: Final = re.compile(r"[.\-][^\W_]")
_VOWELS: Final = frozenset("aeiou")
_BEFORE_L: Final = frozenset("bcfgps")


def normalise(text: str, known: Collection[str] = ()) -> Mapped:
    """``text`` in plain letters.

    ``known`` are words (lower case) by which doubtful figures are read: with "less" among them, "le55" is
    that; without, figures at the end of a word stay, as in "room 5a" and "mp3".
    """
    mapped = Mapped.same(text)
    if not _SUSPECT.search(text):
        return mapped
    for _ in range(_ROUNDS):
        cells = _words(_together(_characters(cells_of(mapped)), known), known)
        again = Mapped.of(cells, len(text))
        if again.text == mapped.text:
            break
        mapped = again
    return mapped


def visible(text: str) -> Mapped:
    """``text`` without invisible characters, piled-up marks, ornamental letters; words stay as they are."""
    mapped = Mapped.same(text)
    if text.isascii():
        return mapped
    for _ in range(_ROUNDS):
        again = Mapped.of(_characters(cells_of(mapped)), len(text))
        if again.text == mapped.text:
            break
        mapped = again
    return mapped


def folded(mapped: Mapped) -> Mapped:
    """For comparing words: no difference of case, no accents on Latin, Greek and Cyrillic letters."""
    if mapped.text.isascii():
        return Mapped(mapped.text.lower(), mapped.starts, mapped.ends, mapped.original_length)
    cells: list[Cell] = []
    for character, start, end in cells_of(mapped):
        plain = character.casefold().replace("ı", "i")
        if not plain.isascii() and all(ord(c) < 0x590 or 0x1E00 <= ord(c) < 0x2000 for c in plain):
            apart = unicodedata.normalize("NFKD", plain)
            plain = "".join(c for c in apart if not unicodedata.combining(c)) or plain
        cells.extend((c, start, end) for c in plain)
    return Mapped.of(cells, mapped.original_length)


def _characters(cells: list[Cell]) -> list[Cell]:
    """What is said of single characters and the marks on them."""
    kept: list[Cell] = []
    marks = 0
    for cell in cells:
        character, start, end = cell
        if character.isascii():
            kept.append(cell)
            marks = 0
            continue
        category = unicodedata.category(character)
        if category in ("Mn", "Me"):
            marks = _mark(kept, cell, marks)
            continue
        marks = 0
        if category == "Cf" or character == _TATWEEL or character in _BLANK_LETTERS:
            continue
        if category == "Zs":
            kept.append((" ", start, end))
            continue
        plain = SHAPED.get(character) or BOXED.get(character) or unicodedata.normalize("NFKC", character)
        kept.extend((c, start, end) for c in plain)
    return kept


def _mark(kept: list[Cell], cell: Cell, marks: int) -> int:
    """Put a combining mark on the letter before it, or leave it out; returns how many that letter has."""
    mark, _, end = cell
    if 0xFE00 <= ord(mark) <= 0xFE0F or ord(mark) >= 0xE0100 or not kept:  # variation selectors; no letter
        return marks
    base, start, base_end = kept[-1]
    of_script_with_marks = not (ord(base) < 0x590 or 0x1E00 <= ord(base) < 0x2100)
    if of_script_with_marks or unicodedata.category(base) in ("Mn", "Me"):
        if marks < _MARKS_KEPT:
            kept.append(cell)
        return marks + 1
    both = unicodedata.normalize("NFC", base + mark)
    if base.isalpha() and len(both) == 1:
        kept[-1] = (both, start, max(end, base_end))
    return marks + 1


def _together(cells: list[Cell], known: Collection[str]) -> list[Cell]:
    """Letters that stand apart, brought together. "a" and "I" before a known word are words themselves."""
    text = "".join(cell[0] for cell in cells)
    left_out: set[int] = set()
    for found in _APART.finditer(text):
        between, run = found[1], found[0][::2]
        letters = sum(c.isalpha() for c in run)
        goes_on = between != " " and text[found.end() : found.end() + 1] == between
        if (
            letters * 2 > len(run)
            and len(run) >= (4 if between == " " else 3)
            and not (goes_on and text[found.end() + 1 : found.end() + 2].isalnum())
        ):
            is_word = run[0] in "aAI" and run[1:].casefold() in known and run.casefold() not in known
            left_out.update(range(found.start() + (3 if is_word else 1), found.end(), 2))
    return [cell for i, cell in enumerate(cells) if i not in left_out] if left_out else cells


def _words(cells: list[Cell], known: Collection[str]) -> list[Cell]:
    text = "".join(cell[0] for cell in cells)
    mostly_latin: bool | None = None
    made: list[Cell] = []
    done = 0
    for found in _WORD.finditer(text):
        word, start, end = found[0], found.start(), found.end()
        made.extend(cells[done:start])
        done = end
        plain = word
        if not word.isascii():
            if mostly_latin is None:
                mostly_latin = _latin_share(text) >= _LATIN_SHARE
            plain = _in_latin(word, mostly_latin)
        if not plain.isalpha() and not ("@" in plain and _ADDRESS_GOES_ON.match(text, end)):
            plain = _without_figures(plain, known)
        changed = [(c, s, e) for c, (_, s, e) in zip(plain, cells[start:end], strict=True)]
        made.extend(_less_emphasis(changed))
    made.extend(cells[done:])
    return made


def _latin_share(text: str) -> float:
    letters = [c for c in text if c.isalpha()]
    return sum(map(is_latin, letters)) / len(letters) if letters else 0.0


def _in_latin(word: str, mostly_latin: bool) -> str:
    """The word in Latin letters, where those of other alphabets in it can only be meant for such."""
    foreign = [c for c in word if c.isalpha() and not is_latin(c)]
    own = sum(c.isalpha() for c in word) - len(foreign)
    if (
        not foreign
        or any(c not in OTHER_SCRIPTS for c in foreign)
        or not (own or (mostly_latin and len(word) > 2))
    ):
        return word
    return "".join(OTHER_SCRIPTS.get(c, c) for c in word)


def _without_figures(word: str, known: Collection[str]) -> str:
    """The word with letters for figures, where these stand within it or a known word comes of it."""
    letters = [i for i, c in enumerate(word) if c.isalpha()]
    if not letters:
        return word
    readable = all(c.isalpha() or c in FIGURES or c == "1" for c in word)
    if readable and known:
        for one in (None, "i", "l"):
            whole = _read(word, range(len(word)), one)
            if whole.casefold() in known and word.casefold() not in known:
                return whole
    first, last = letters[0], letters[-1]
    if word[0] == "$" and first == 1 and len(letters) > 2:
        first = 0
    inner = [i for i in range(first, last) if not word[i].isalpha()]
    within = "".join("x" if c.isalpha() else c for c in word[first:last])
    runs = [run for run in within.split("x") if run]
    if (
        not inner
        or len(inner) >= len(letters)
        or len(runs) >= _MOST_RUNS
        or any(word[i] not in FIGURES and word[i] != "1" for i in inner)
        or any(len(set(run)) > 1 or len(run) > 2 for run in runs)
    ):
        return word
    return _read(word, inner, None)


def _read(word: str, places: Collection[int], one: str | None) -> str:
    """``word`` with letters for the figures at ``places``; 1 is ``one``, or as its neighbours have it."""
    made = list(word)
    is_upper = sum(c.isupper() for c in word) * 2 > sum(c.isalpha() for c in word)
    upper: Callable[[str], str] = str.upper if is_upper else str
    for i in places:
        if word[i] == "1":
            made[i] = upper(one or _one(word, i))
        elif word[i] in FIGURES:
            made[i] = upper(FIGURES[word[i]])
    return "".join(made)


def _one(word: str, i: int) -> str:
    before = word[i - 1].lower() if i else ""
    after = word[i + 1].lower() if i + 1 < len(word) else ""
    if "1" in (before, after) or before in _VOWELS or (before in _BEFORE_L and after in _VOWELS):
        return "l"
    return "i"


def _less_emphasis(cells: list[Cell]) -> list[Cell]:
    """Letters three times and more, twice; a word of one letter alone ("www") stays."""
    if len({c.casefold() for c, _, _ in cells}) < 2:
        return cells
    made: list[Cell] = []
    for cell in cells:
        letter = cell[0]
        if letter.isalpha() and is_alphabetic(letter) and len(made) > 1:
            same = letter.casefold()
            if made[-1][0].casefold() == same and made[-2][0].casefold() == same:
                before = made[-1]
                made[-1] = (before[0], before[1], cell[2])
                continue
        made.append(cell)
    return made
