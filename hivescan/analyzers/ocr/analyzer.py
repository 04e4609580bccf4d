"""Reads the text of pictures: see :mod:`hivescan.analyzers.ocr`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.analyzers.base import SIZES, AnalyzerSpec
from hivescan.analyzers.ocr import presence
from hivescan.analyzers.ocr.pages import Block, Page, PageReader
from hivescan.analyzers.written import head_of, page_of, passages_within
from hivescan.errors import CatalogueError
from hivescan.models.backends.base import Placement
from hivescan.models.network import Networks, ReaderNetwork
from hivescan.models.schema import Card
from hivescan.types import Findings, HeadScores, Pixels, Region, Text, Word

ORIGIN: Final = "ocr"
KIND: Final = "text"
"""The kind of its regions."""


class Ocr:
    """A :class:`~hivescan.analyzers.base.HostAnalyzer`."""

    def __init__(
        self, spec: AnalyzerSpec, cards: Sequence[Card], placement: Placement, networks: Networks
    ) -> None:
        (self._card,) = cards
        self.spec = spec
        network = networks.open(self._card, placement)
        if not isinstance(network, ReaderNetwork):
            raise CatalogueError(f"model {self._card.name} does not read")
        self._reader = PageReader(network.reader)
        self._batch_size = network.batch_size
        self._heads = {name: head_of(self._card, name, presence.DIMENSIONS) for name in self._card.readings}
        (self._view,) = self._card.views

    @property
    def batch_size(self) -> int:
        return self._batch_size

    def infer(self, views: Mapping[str, npt.NDArray[Any]]) -> Findings:
        """The blocks of N pictures as regions, texts and derived passages, with the same ordinals; regions
        that could not be read come after them, and have no text."""
        pictures: list[Pixels] = [
            page_of(view, int(width), int(height))
            for view, (width, height) in zip(views[self._view], views[SIZES], strict=True)
        ]
        read = self._reader.read(pictures)
        blocks = [page.blocks() for page in read]
        return Findings(
            scores=self._scores(read, pictures),
            regions=tuple(self._regions(page, found) for page, found in zip(read, blocks, strict=True)),
            texts=tuple(tuple(map(_text, found)) for found in blocks),
            derived=passages_within([[block.text for block in found] for found in blocks]),
        )

    def _scores(self, read: Sequence[Page], pictures: Sequence[Pixels]) -> tuple[HeadScores, ...]:
        if not self._heads:
            return ()
        numbers = np.stack([presence.numbers_of(*both) for both in zip(read, pictures, strict=True)])
        return tuple(
            HeadScores(self._card.name, head.name, head.labels, self._heads[head.name].probabilities(numbers))
            for head in self._card.heads
        )

    def _regions(self, page: Page, blocks: Sequence[Block]) -> tuple[Region, ...]:
        read = [Region(self._card.name, KIND, block.polygon, block.confidence) for block in blocks]
        unread = [
            Region(self._card.name, KIND, page.fractions(line.corners), line.confidence)
            for line in page.illegible()
        ]
        return (*read, *unread)


def _text(block: Block) -> Text:
    words = tuple(Word(text, 0, 0, confidence) for text, confidence in block.words)
    return Text(ORIGIN, block.text, confidence=block.confidence, polygon=block.polygon, words=words)
