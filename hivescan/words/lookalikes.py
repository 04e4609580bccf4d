"""Letters of other alphabets that look like Latin ones, and figures that stand for letters."""

from __future__ import annotations

from typing import Final

_CYRILLIC: Final = dict(
    zip(
        "авекмнорстухіјѕһԁԛԝѵԍӏАВЕКМНОРСТУХІЈЅҺԌԚԜѴӀг",
        "abekmhopctyxijshdqwvglABEKMHOPCTYXIJSHGQWVIr",
        strict=True,
    )
)
_GREEK: Final = dict(zip("αβγεζηικμνορτυχωΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "abyeznikuvoptuxwABEZHIKMNOPTYX", strict=True))
_ARMENIAN: Final = dict(zip("աոսօհցԼՕՍ", "wnuohgLOU", strict=True))
_LATIN: Final = dict(zip("ɑɡɩıʟɴʀᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢʙɢʜɪʏꜱꓲƖ", "agiilnracdejkmoptuvwzbghiysll", strict=True))

OTHER_SCRIPTS: Final[dict[str, str]] = _CYRILLIC | _GREEK | _ARMENIAN
"""Letter of another alphabet → the Latin letter that it looks like."""

SHAPED: Final[dict[str, str]] = {k: v for k, v in _LATIN.items() if k != "ı"}
"""Letters of phonetic and small-capital alphabets, which no language writes words in → plain ones."""

BOXED: Final[dict[str, str]] = {chr(0x1F170 + i): chr(65 + i) for i in range(26)} | {
    chr(0x1F150 + i): chr(65 + i) for i in range(26)
}
"""White letters on black discs and squares, which Unicode's compatibility forms leave alone."""

FIGURES: Final[dict[str, str]] = {
    "0": "o",
    "3": "e",
    "4": "a",
    "5": "s",
    "7": "t",
    "8": "b",
    "9": "g",
    "@": "a",
    "$": "s",
    "€": "e",
    "!": "i",
    "|": "i",
}
"""What figures and signs stand for inside a word; 1 is i or l, by its neighbours."""


def is_latin(letter: str) -> bool:
    """Of a letter: one that Latin alphabets write."""
    code = ord(letter)
    return code < 0x250 or 0x1E00 <= code < 0x1F00


def is_alphabetic(letter: str) -> bool:
    """Of a letter: Latin, Greek, Cyrillic, Armenian or Arabic, where a letter thrice over is emphasis."""
    code = ord(letter)
    return code < 0x590 or 0x600 <= code < 0x700 or 0x1E00 <= code < 0x2000
