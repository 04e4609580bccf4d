"""Reads the codes in pictures: see :mod:`hivescan.analyzers.codes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.analyzers.base import SIZES, AnalyzerSpec
from hivescan.analyzers.codes.reading import Code, read_codes
from hivescan.analyzers.written import head_of, page_of, passages_within
from hivescan.models.backends.base import Placement
from hivescan.models.schema import Card
from hivescan.types import Findings, HeadScores, Pixels, Region, Text

ORIGIN: Final = "code"
QR: Final = "qr_code"
OTHER: Final = "barcode"
"""The kinds of its regions."""
DIMENSIONS: Final = 4
_AT_ONCE: Final = 8


class Codes:
    """A :class:`~hivescan.analyzers.base.HostAnalyzer`."""

    def __init__(self, spec: AnalyzerSpec, cards: Sequence[Card], placement: Placement) -> None:
        (self._card,) = cards
        self.spec = spec
        self._pool = ThreadPoolExecutor(placement.threads, "hivescan-codes")
        self._head = head_of(self._card, self._card.heads[0].name, DIMENSIONS)
        (self._view,) = self._card.views

    @property
    def batch_size(self) -> int:
        return _AT_ONCE

    def infer(self, views: Mapping[str, npt.NDArray[Any]]) -> Findings:
        """The codes of N pictures as regions; what they say as texts and derived passages, with the ordinals
        of their regions. Codes that say nothing and such as could not be read come last."""
        pages: list[Pixels] = [
            page_of(view, int(width), int(height))
            for view, (width, height) in zip(views[self._view], views[SIZES], strict=True)
        ]
        codes = list(self._pool.map(read_codes, pages))
        sides = [(page.shape[1], page.shape[0]) for page in pages]
        spoken = [[code.text for code in found if code.text and code.text.strip()] for found in codes]
        numbers = np.array(
            [numbers_of(found, *size) for found, size in zip(codes, sides, strict=True)], np.float16
        )
        (head,) = self._card.heads
        scores = self._head.probabilities(numbers.reshape(-1, DIMENSIONS))
        return Findings(
            scores=(HeadScores(self._card.name, head.name, head.labels, scores),),
            regions=tuple(
                tuple(self._region(code, *size) for code in found)
                for found, size in zip(codes, sides, strict=True)
            ),
            texts=tuple(
                tuple(
                    Text(ORIGIN, code.text, polygon=_fractions(code, *size))
                    for code in found
                    if code.text and code.text.strip()
                )
                for found, size in zip(codes, sides, strict=True)
            ),
            derived=passages_within(spoken),
        )

    def _region(self, code: Code, width: int, height: int) -> Region:
        confidence = 1.0 if code.text is not None else 0.5
        kind = QR if code.is_qr else OTHER
        return Region(self._card.name, kind, _fractions(code, width, height), confidence)


def numbers_of(codes: Sequence[Code], width: int, height: int) -> tuple[float, ...]:
    """What the head ``qr_code`` sees of a picture: QR codes read (at most 2), whether some were found and not
    read, the square root of the share of the picture that the largest read one covers, other codes read (at
    most 2). Of those that could not be read it sees no more: fine patterns are taken for several."""
    codes_qr = [code for code in codes if code.is_qr]
    read = sum(code.text is not None for code in codes_qr)
    largest = max((_area(code) for code in codes_qr if code.text is not None), default=0.0)
    others = sum(code.text is not None and not code.is_qr for code in codes)
    share = (largest / (width * height)) ** 0.5
    return float(min(read, 2)), float(len(codes_qr) > read), min(share, 1.0), float(min(others, 2))


def _area(code: Code) -> float:
    x, y = code.corners[0::2], code.corners[1::2]
    return abs(sum(x[i] * y[i - 3] - x[i - 3] * y[i] for i in range(4))) / 2


def _fractions(code: Code, width: int, height: int) -> tuple[float, ...]:
    sides = (width, height)
    return tuple(min(1.0, max(0.0, value / sides[i % 2])) for i, value in enumerate(code.corners))
