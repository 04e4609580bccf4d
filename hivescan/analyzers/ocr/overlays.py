"""One passage for text that stands unchanged over several frames of a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Final

from hivescan.types import Findings, SampleKey, Text

Pieces = list[tuple[list[SampleKey], Findings]]

_ALIKE: Final = 0.9
"""The least share of characters in common: letters are misread now and then."""
_OVERLAP: Final = 0.5
"""The least intersection over union of the boxes around two texts."""


@dataclass
class _Lasting:
    """A text of a frame, and where it was last seen. ``place`` is its piece, sample and ordinal."""

    place: tuple[int, int, int]
    text: Text
    since_ms: int
    until_ms: int


def merge_overlays(pieces: Pieces) -> Pieces:
    """The pieces of one content in time order, each text once: with the time from where it first stands to
    where it is no longer there, and as it was read with the most confidence.

    Texts of pictures without times stay as they are. The ordinals of the others in their frames stay.
    """
    kept = [[list(texts) for texts in found.texts or ()] for _, found in pieces]
    standing: list[_Lasting] = []
    ended_ms: int | None = None
    for p, (keys, found) in enumerate(pieces):
        for s, (key, texts) in enumerate(zip(keys, found.texts or (), strict=False)):
            if key.start_ms is None or key.end_ms is None:
                continue
            before = standing if ended_ms == key.start_ms else []
            now: list[_Lasting] = []
            for ordinal, text in enumerate(texts):
                if text is None:
                    continue
                same = next((entry for entry in before if _same(entry.text, text)), None)
                if same is None:
                    now.append(_Lasting((p, s, ordinal), text, key.start_ms, key.end_ms))
                    continue
                before = [entry for entry in before if entry is not same]
                same.until_ms = key.end_ms
                if (text.confidence or 0.0) > (same.text.confidence or 0.0):
                    same.text = text
                now.append(same)
                kept[p][s][ordinal] = None
                first_piece, first_sample, first = same.place
                kept[first_piece][first_sample][first] = replace(
                    same.text, start_ms=0, end_ms=same.until_ms - same.since_ms
                )
            standing, ended_ms = now, key.end_ms
    return [
        (keys, found if found.texts is None else replace(found, texts=tuple(map(tuple, texts))))
        for (keys, found), texts in zip(pieces, kept, strict=True)
    ]


def _same(a: Text, b: Text) -> bool:
    if a.polygon is None or b.polygon is None or _overlap(a.polygon, b.polygon) < _OVERLAP:
        return False
    one, other = _letters(a.text), _letters(b.text)
    if one == other:
        return True
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.quick_ratio() >= _ALIKE and matcher.ratio() >= _ALIKE


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum()) or text


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of the upright boxes around two polygons."""
    ax, ay, bx, by = a[0::2], a[1::2], b[0::2], b[1::2]
    width = min(max(ax), max(bx)) - max(min(ax), min(bx))
    height = min(max(ay), max(by)) - max(min(ay), min(by))
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(max(x) - min(x)) * (max(y) - min(y)) for x, y in ((ax, ay), (bx, by))]
    return width * height / (sum(areas) - width * height)
