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
from hivescan.types import Findings, SampleKey

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
    "speech": settle_languages,
    "whisper_small": settle_languages,
    "whisper_large_v3": settle_languages,
    "ocr": merge_overlays,
    "tesseract": merge_overlays,
    "codes": merge_overlays,
}
"""By chain. Whatever changes what one of them returns raises its analyzer's revision."""
