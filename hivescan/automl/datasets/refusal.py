"""Items that are known illegal material never become part of a dataset.

They are told by the lists that are named, by the matches that stores have, and by those of earlier
commands, which the store of vectors keeps: a list named once counts from then on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import pyarrow as pa

from hivescan.automl.home import vectors_store
from hivescan.store.store import Store, find_store, open_store


def refused_contents(
    contents: Iterable[str], *, known: Sequence[Path] = (), stores: Sequence[str] = ()
) -> dict[str, str]:
    """Which of these contents must not be used, by content id: the known entry that they match.

    ``contents`` were hashed into the store of vectors
    (:func:`hivescan.automl.datasets.pictures.look_at`). ``known`` are lists to match them with now;
    ``stores`` have matches of their own. Raises :class:`KnownListError` and :class:`StoreError` where one
    of them cannot be used.
    """
    asked = sorted(set(contents))
    if known and asked:
        from hivescan.matching.match import match_store
        from hivescan.matching.options import MatchOptions

        match_store(open_store(vectors_store()), known, MatchOptions(contents=asked))
    refused: dict[str, str] = {}
    for store in (find_store(vectors_store()), *map(open_store, stores)):
        if store is not None and asked:
            refused |= _matched(store, asked)
    return refused


def _matched(store: Store, contents: Sequence[str]) -> dict[str, str]:
    with closing(store.connect()) as connection:
        connection.register("asked", pa.table({"content_id": pa.array(contents, pa.string())}))
        rows = connection.execute(
            """SELECT content_id, min(coalesce(hash_set::VARCHAR || ': ', '') || entry_id)
               FROM matches SEMI JOIN asked USING (content_id) GROUP BY content_id"""
        ).fetchall()
    return {content_id: f"matches known material ({entry})" for content_id, entry in rows}
