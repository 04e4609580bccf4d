"""Which rows of a list are scenes of which known video, wherever they stand: imports add rows at its end."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hivescan.store.keys import NO_KEYS, Keys, hash_rows

Rows = npt.NDArray[np.int64]


class ScenesByVideo:
    """The rows of each video, 12 bytes a scene. Made in one pass over the column ``parent_id``."""

    def __init__(self, parents: Iterable[tuple[int, pa.Array]]) -> None:
        """The column in pieces, each with the row that it begins at."""
        keys: list[Keys] = [NO_KEYS]
        rows: list[npt.NDArray[np.uint32]] = [np.empty(0, np.uint32)]
        for first, column in parents:
            if column.null_count == len(column):
                continue
            scenes = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
            keys.append(_keys_of(column.drop_null()))
            rows.append((scenes + first).astype(np.uint32))
        key = np.concatenate(keys)
        order = np.argsort(key, kind="stable")
        self._keys, self._rows = key[order], np.concatenate(rows)[order]

    def may_be_of(self, video: str) -> Rows:
        """Rows in rising order, all of that video's scenes and perhaps one of another."""
        (key,) = _keys_of(pa.array([video], pa.string()))
        first, end = (int(np.searchsorted(self._keys, key, side)) for side in ("left", "right"))
        return self._rows[first:end].astype(np.int64)


def _keys_of(names: pa.Array) -> Keys:
    return hash_rows(pa.table({"name": names}), ["name"])
