"""What a page shows of the mistakes: blurred pictures, or texts, where they were asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from hivescan.automl.datasets.pictures import local_path, stored_facts
from hivescan.automl.evaluation.evaluation import Evaluation, Mistake


def mistake_pictures(evaluation: Evaluation, stores: Sequence[str] = ()) -> dict[int, bytes]:
    """A small blurred JPEG of each mistake that may and can be shown, by row.

    Never of an item that matches known material or is to be escalated, by ``stores`` and earlier commands,
    and never of a file that has changed since it was hashed. The blur is in the pixels: who has the page
    cannot look behind it.
    """
    from hivescan.automl.datasets.gallery import thumbnail
    from hivescan.automl.datasets.refusal import refused_contents

    mistakes = [m for m in _mistakes(evaluation) if m.uri is not None and m.content_id is not None]
    if not mistakes:
        return {}
    refused = refused_contents([str(m.content_id) for m in mistakes], stores=stores)
    facts = stored_facts([str(m.uri) for m in mistakes])
    shown: dict[int, bytes] = {}
    for mistake in mistakes:
        known = facts.get(str(mistake.uri))
        # Only the very bytes that were checked, which the workers of the engine have decoded before.
        decoded = known is not None and known.pdq is not None
        if mistake.content_id in refused or not decoded or not _is_unchanged(mistake):
            continue
        picture = thumbnail(str(mistake.uri), blurred=True)
        if picture is not None:
            shown[mistake.row] = picture
    return shown


def _is_unchanged(mistake: Mistake) -> bool:
    path = local_path(str(mistake.uri))
    if path is None:
        return False
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == mistake.content_id
    except OSError:
        return False


def mistake_texts(evaluation: Evaluation, items: pa.Table, stores: Sequence[str] = ()) -> dict[int, str]:
    """The texts of the mistakes, by row; ``items`` are those of the snapshot.

    In the place of one that is to be escalated, by ``stores`` and earlier commands, stands that word.
    """
    from hivescan.automl.datasets.refusal import not_shown, refused_contents

    rows = pa.array({mistake.row for mistake in _mistakes(evaluation)}, pa.int64())
    shown = items.filter(pc.field("row").isin(rows) & pc.field("text").is_valid())
    columns = (shown.column(name).to_pylist() for name in ("row", "text", "content_id"))
    found: list[tuple[int, str, str | None]] = list(zip(*columns, strict=True))
    refused = refused_contents([content for *_, content in found if content is not None], stores=stores)
    return {
        row: not_shown(refused[content]) if content is not None and content in refused else text
        for row, text, content in found
    }


def _mistakes(evaluation: Evaluation) -> list[Mistake]:
    return [mistake for head in evaluation.heads for mistake in head.mistakes]
