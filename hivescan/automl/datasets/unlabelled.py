"""A folder of pictures without labels as items."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hivescan.automl.datasets.tables import MEDIA_SUFFIXES
from hivescan.automl.items import FIXED
from hivescan.errors import DatasetError, MediaError
from hivescan.media.blob import digests, open_blob
from hivescan.media.sources import SourceDone, SourceOptions, walk
from hivescan.types import Limits


def folder_items(folder: Path) -> pa.Table:
    """The pictures of a folder and of all below it, by their paths; see :mod:`hivescan.automl.items`.

    Raises :class:`DatasetError` where there is none.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: is not a folder")
    root = folder.absolute()
    uris = sorted(
        seen.uri
        for seen in walk([str(root)], SourceOptions())
        if not isinstance(seen, SourceDone) and Path(seen.uri).suffix.lower() in MEDIA_SUFFIXES
    )
    if not uris:
        raise DatasetError(f"{folder}: has no file that is a picture by its ending")
    contents = [_content_id(uri) for uri in uris]
    columns = {
        "row": range(1, len(uris) + 1),
        "uri": uris,
        "text": [None] * len(uris),
        "content_id": contents,
        "origin": [str(root)] * len(uris),
        "origin_row": [None] * len(uris),
    }
    return pa.table({name: pa.array(values, FIXED.field(name).type) for name, values in columns.items()})


def _content_id(uri: str) -> str | None:
    try:
        with open_blob(uri, Limits()) as blob:
            return digests(blob).sha256
    except MediaError:
        return None


def split_by_content(
    items: pa.Table, share: float, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Places of train and held-out items; files of equal content stay on one side.

    Raises :class:`DatasetError` where nothing would be left of either.
    """
    contents: list[str | None] = items.column("content_id").to_pylist()
    distinct = sorted({content for content in contents if content is not None})
    chosen = np.random.default_rng(seed).permutation(len(distinct))[: round(share * len(distinct))]
    held_out = {distinct[i] for i in chosen}
    in_test = np.array([content in held_out for content in contents], np.bool_)
    in_train = np.array([content is not None and content not in held_out for content in contents], np.bool_)
    if not in_test.any() or not in_train.any():
        raise DatasetError(f"{len(distinct)} pictures cannot be split into two parts")
    return np.flatnonzero(in_train).astype(np.int64), np.flatnonzero(in_test).astype(np.int64)
