"""What the analyzers of things written in pictures share: letters and codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image

from hivescan.errors import CatalogueError
from hivescan.models.schema import Card
from hivescan.models.vector_head import VectorHead, load_head
from hivescan.types import Derived, Level, Pixels

UPSCALED: Final = 2
"""A picture is looked at in at most so many times its own size."""
_LEAST_SIDE: Final = 320


def page_of(view: Pixels, width: int, height: int) -> Pixels:
    """What of a ``contain`` view is looked at: the picture, without the black.

    ``width`` and ``height`` are those of the upright picture. One that is much smaller than the view is made
    smaller again, to :data:`UPSCALED` times its size. Returns ``uint8 [H, W, 3]``.
    """
    side, long = view.shape[0], max(width, height)
    # Rounded as hivescan.media.views does.
    shown = view[: max(1, round(height * side / long)), : max(1, round(width * side / long))]
    wanted = max(_LEAST_SIDE, UPSCALED * long)
    if wanted >= side:
        return shown
    size = (max(1, round(shown.shape[1] * wanted / side)), max(1, round(shown.shape[0] * wanted / side)))
    return np.asarray(Image.fromarray(shown).resize(size, Image.Resampling.BILINEAR))


def passages_within(texts: Sequence[Sequence[str]]) -> Derived:
    """Strings found in each of N samples, as samples of their own."""
    parents = [i for i, found in enumerate(texts) for _ in found]
    strings = np.empty(len(parents), object)
    strings[:] = [text for found in texts for text in found]
    return Derived(Level.PASSAGE, np.array(parents, np.intp), {"text": strings})


def head_of(card: Card, name: str, dimensions: int) -> VectorHead:
    """A head of a card that is a function of ``dimensions`` numbers that an analyzer makes."""
    file = card.readings[name].vector_head
    digests = {entry.name: entry.sha256 for entry in card.files}
    if file is None or file not in digests:
        raise CatalogueError(f"model {card.name}: head {name} is no file of its own")
    head = load_head(card.folder / file, digests[file])
    if head.dimensions != dimensions:
        raise CatalogueError(
            f"model {card.name}: head {name} takes {head.dimensions} numbers, not {dimensions}"
        )
    return head
