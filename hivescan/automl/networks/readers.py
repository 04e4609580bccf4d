"""Items in, tensors out: what a network in training is fed with."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from hivescan.automl.networks.augmentation import Augmentation, augmented
from hivescan.automl.networks.item_views import read_view, uncut
from hivescan.errors import MediaError
from hivescan.models.preprocess import to_input
from hivescan.models.schema import Card

T = TypeVar("T")
Draw = Callable[[int], np.random.Generator]
"""The random numbers for the item of a row."""


class Reader(Protocol):
    """Items of one kind; rows count from 0."""

    def __len__(self) -> int: ...

    def read(self, rows: Sequence[int], draw: Draw | None) -> tuple[Any, npt.NDArray[np.bool_]]:
        """What the network takes, and which of the rows could be read, ``bool [n]``.

        With ``draw`` the items are varied, where their kind can be.
        """
        ...


class PictureReader:
    """Pictures, decoded anew each time. One that cannot be read is black, and is told apart."""

    def __init__(self, uris: Sequence[str | None], card: Card, augmentation: Augmentation) -> None:
        (self._view,) = card.views.values()
        assert card.input is not None
        self._uris = uris
        self._input = card.input
        self._augmentation = augmentation
        self.reasons: dict[int, str] = {}
        """Why a row could not be read."""

    def __len__(self) -> int:
        return len(self._uris)

    def read(self, rows: Sequence[int], draw: Draw | None) -> tuple[Any, npt.NDArray[np.bool_]]:
        """``float32 [n, 3, H, W]``."""
        size = self._view.width, self._view.height
        stack = np.zeros((len(rows), size[1], size[0], 3), np.uint8)
        readable = np.ones(len(rows), np.bool_)
        for i, row in enumerate(rows):
            uri = self._uris[row]
            try:
                if uri is None:
                    raise MediaError("has no picture")
                if draw is None or not self._augmentation.any:
                    stack[i] = read_view(uri, self._view)
                else:
                    picture = read_view(uri, uncut(self._view))
                    stack[i] = augmented(picture, size, self._augmentation, draw(row))
            except MediaError as error:
                readable[i] = False
                self.reasons[row] = error.reason
        return torch.from_numpy(to_input(stack, self._input)), readable


def ahead(tasks: Iterable[Callable[[], T]], threads: int) -> Iterator[T]:
    """What the tasks give, in their order, with ``threads`` of them under way while others are used."""
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads, "hivescan-items") as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(task))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
