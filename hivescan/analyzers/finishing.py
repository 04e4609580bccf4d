"""What is done to an analyzer's findings once all samples of a content have been seen.

Tracks of one face through a video, and words that stand in many frames, can be told by looking at all of them
alone. What does so is a plain function of rows, cheap, and runs in the coordinator: no model, no pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from hivescan.analyzers.moving import FIGHT, fights
from hivescan.analyzers.ocr.overlays import merge_overlays
from hivescan.analyzers.spoken_languages import settle_languages
from hivescan.analyzers.tracks import tracked
from hivescan.types import BEHIND, Findings, Level, SampleKey

Pieces = list[tuple[list[SampleKey], Findings]]
"""Samples of one content, and findings with a row for each."""

Finisher = Callable[[Pieces], Pieces]
"""All that an analyzer found in one content, in the order of the samples; returns what is to be stored of it.

Rows keep their samples. A text that goes leaves None in its place: ordinals are those that analyzers behind
this one had.
"""

FINISHERS: Final[Mapping[str, Finisher]] = {
    FIGHT: fights,
    "faces": tracked,
    "ocr": merge_overlays,
    "tesseract": merge_overlays,
    "codes": merge_overlays,
}
"""By chain; those that write down speech have :func:`finisher_of` alone. Whatever changes what one of them
returns raises its analyzer's revision."""


def finisher_of(chain: str, level: Level) -> Finisher | None:
    """What finishes the findings of a chain on samples of ``level``; None where nothing is to be done.

    Models of speech have names of their own, those that a user adopted too.
    """
    if level is Level.UTTERANCE and BEHIND not in chain:
        return settle_languages
    return FINISHERS.get(chain)
