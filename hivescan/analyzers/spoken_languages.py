"""Languages of short utterances, from the rest of their sound track.

Of a word or two no model can tell the language. Where nearly all else that is said on the track is in one
language, and the words are written with its letters, they are taken to be in it, too.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from dataclasses import replace
from typing import Final

from hivescan.types import Findings, SampleKey, Text

REVISION: Final = 1
"""Raised when other languages are filled in."""

_SHARE: Final = 0.8
_LEAST_MS: Final = 5_000
"""How long the language is spoken elsewhere on the track, and what share of what is told that must be."""


def settle_languages(
    pieces: list[tuple[list[SampleKey], Findings]],
) -> list[tuple[list[SampleKey], Findings]]:
    """All that was found in the speech of one content, with languages filled in that were not told."""
    spoken: dict[int | None, Counter[str]] = defaultdict(Counter)
    scripts: dict[tuple[int | None, str], Counter[str]] = defaultdict(Counter)
    for _, found in pieces:
        for text in _texts(found):
            if text.language is not None:
                spoken[text.track][text.language] += (text.end_ms or 0) - (text.start_ms or 0)
                scripts[text.track, text.language][_script(text.text)] += 1
    usual: dict[int | None, tuple[str, str]] = {}
    for track, lasted in spoken.items():
        ((language, most),) = lasted.most_common(1)
        if most >= max(_LEAST_MS, _SHARE * lasted.total()):
            usual[track] = language, scripts[track, language].most_common(1)[0][0]
    if not usual:
        return pieces
    return [(keys, _settled(found, usual)) for keys, found in pieces]


def _texts(found: Findings) -> list[Text]:
    return [text for of_sample in found.texts or () for text in of_sample if text is not None]


def _settled(found: Findings, usual: dict[int | None, tuple[str, str]]) -> Findings:
    if found.texts is None or all(text.language is not None for text in _texts(found)):
        return found
    return replace(
        found,
        texts=tuple(
            tuple(None if text is None else _with_language(text, usual) for text in of_sample)
            for of_sample in found.texts
        ),
    )


def _with_language(text: Text, usual: dict[int | None, tuple[str, str]]) -> Text:
    if text.language is not None or not text.confidence or text.track not in usual:
        return text
    language, script = usual[text.track]
    return replace(text, language=language) if _script(text.text) == script else text


def _script(text: str) -> str:
    """The first word of most letters' names in Unicode: LATIN, CYRILLIC …; empty where there are none."""
    names = Counter(unicodedata.name(c, "").partition(" ")[0] for c in text if c.isalpha())
    return names.most_common(1)[0][0] if names else ""
