"""Matching a few files with lists without a store: hashed in one worker, compared, forgotten."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hivescan.errors import KnownListError, UsageError
from hivescan.matching.algorithms import ALGORITHMS, DIGESTS, MIN_QUALITY, Algorithm
from hivescan.matching.options import MatchOptions
from hivescan.media.sources import SourceDone, walk
from hivescan.scan.config import ScanConfig
from hivescan.scan.hash_alone import HashedFile, HashingWorker

if TYPE_CHECKING:
    import pyarrow as pa

    from hivescan.audit.hash_matches import HashMatches
    from hivescan.matching.found import MatchedFile
    from hivescan.matching.vetoes import Veto

_STILL: Final = "frame"


def match_alone(lists: Sequence[Path], scan: ScanConfig, options: MatchOptions | None = None) -> HashMatches:
    """Match the files of ``scan.sources`` with lists, and keep nothing. Of ``scan`` its store does not count.

    One file is decoded at a time, in a process of its own. Raises :class:`KnownListError`,
    :class:`UsageError`, :class:`SourceError`.
    """
    options = options or MatchOptions()
    if "-" in scan.sources:
        raise UsageError("-: a list on standard input cannot be matched; name a file of it, @list.txt")
    if not lists:
        raise KnownListError("no hash list: name one with --db")
    clock = time.perf_counter()
    walked = walk(scan.sources, scan.source_options)
    observed = list({seen.uri: seen for seen in walked if not isinstance(seen, SourceDone)}.values())
    uris = [seen.uri for seen in observed]
    with ExitStack() as stack:
        worker = stack.enter_context(HashingWorker(scan.limits, scan.sampling))
        if uris:
            worker.begin(uris[0])
        # It loads its libraries, and hashes, while these are loaded here.
        from hivescan.audit.hash_matches import HashMatches
        from hivescan.matching.compare import Comparison
        from hivescan.matching.known import read_known
        from hivescan.matching.summary import MatchSummary, distinct
        from hivescan.store.arrow_memory import spare_pandas

        spare_pandas()
        known = distinct(stack.enter_context(read_known(path)) for path in lists)
        comparison = Comparison(known, max_distance=options.max_distance, turned=options.turned)
        pdq_alone = not {"phash", "dhash"}.intersection(comparison.algorithms)
        files = [
            HashedFile(seen.uri, reason=seen.error) if seen.error is not None else hashed
            for seen, hashed in zip(observed, worker.hash(uris, pdq_alone=pdq_alone), strict=True)
        ]
        compared: Counter[str] = Counter()
        rows: list[pa.Table] = []
        vetoed: list[Veto] = []
        untold = 0
        for name in comparison.algorithms:
            samples = _samples(files, ALGORITHMS[name])
            compared[name] = samples.num_rows * comparison.lists_with(name)
            if samples.num_rows:
                found = comparison.compare(name, samples)
                rows.append(found.rows)
                vetoed += found.vetoed
                untold += found.untold
        lineages = [each.info.lineage for each in known]
        matched = _told(files, rows, lineages, options)
        contents = {file.digests.content_id for file in files if file.digests is not None}
        summary = MatchSummary(
            run_id=None,
            store=None,
            lists=tuple(each.info for each in known),
            contents=len(contents),
            unhashed=sum(_is_unhashed(file) for file in files),
            compared=dict(compared),
            found=sum(each.num_rows for each in rows),
            added=0,
            matched=len({match.content_id for match in matched}),
            vetoed=tuple(vetoed),
            retracted=0,
            quarantined=(),
            untold=untold,
            seconds=time.perf_counter() - clock,
        )
    asked = tuple(
        (file.uri, file.info.media_type.value if file.info else None, file.reason) for file in files
    )
    return HashMatches(summary, matched, tuple(sorted(contents)), asked)


def _is_unhashed(file: HashedFile) -> bool:
    pictures = file.info is not None and file.info.media_type.value in ("image", "video")
    return pictures and not any(each.algorithm == "pdq" for each in file.hashes)


def _samples(files: Sequence[HashedFile], algorithm: Algorithm) -> pa.Table:
    """The hashes of one algorithm as a store would offer them: each content once, good enough to match."""
    import pyarrow as pa

    from hivescan.matching.compare import SAMPLE_SCHEMA

    rows: list[dict[str, object]] = []
    by_content = {file.digests.content_id: file for file in files if file.digests is not None}
    for content_id, file in sorted(by_content.items()):
        assert file.digests is not None
        digests = {name: getattr(file.digests, name) for name in DIGESTS}
        common = {
            "content_id": content_id,
            "duration_ms": file.info.duration_ms if file.info else None,
            **digests,
        }
        if algorithm.is_digest:
            rows.append(common | {"level": "file", "hash": bytes.fromhex(digests[algorithm.name])})
            continue
        of_pdq = {
            (each.index, each.transformation): each.quality for each in file.hashes if each.algorithm == "pdq"
        }
        for each in sorted(file.hashes, key=lambda h: (h.index, h.transformation or "")):
            quality = each.quality
            if quality is None:
                quality = of_pdq.get((each.index, each.transformation))
            if each.algorithm == algorithm.name and (quality is None or quality >= MIN_QUALITY):
                rows.append(
                    common
                    | {
                        "level": _STILL,
                        "index": each.index,
                        "start_ms": each.start_ms,
                        "end_ms": each.end_ms,
                        "quality": quality,
                        "transformation": each.transformation,
                        "hash": each.hash,
                    }
                )
    return pa.Table.from_pylist(rows, schema=SAMPLE_SCHEMA)


def _told(
    files: Sequence[HashedFile], rows: Sequence[pa.Table], lineages: Sequence[str], options: MatchOptions
) -> tuple[MatchedFile, ...]:
    if not any(each.num_rows for each in rows):
        return ()
    import duckdb
    import pyarrow as pa

    from hivescan.matching.found import matches_in

    told = [file for file in files if file.digests is not None]
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.register("matches", pa.concat_tables(rows))
        connection.register(
            "files",
            pa.table(
                {
                    "uri": pa.array([file.uri for file in told], pa.string()),
                    "content_id": pa.array([_content_of(file) for file in told], pa.string()),
                }
            ),
        )
        contents = {_content_of(file): file for file in told}
        infos = [file.info for file in contents.values()]
        connection.register(
            "contents",
            pa.table(
                {
                    "content_id": pa.array(contents.keys(), pa.string()),
                    "media_type": pa.array([i.media_type.value if i else None for i in infos], pa.string()),
                    "frame_count": pa.array([i.frame_count if i else None for i in infos], pa.int64()),
                    "duration_ms": pa.array([i.duration_ms if i else None for i in infos], pa.int64()),
                }
            ),
        )
        return matches_in(connection, lineages, max_distance=options.max_distance)


def _content_of(file: HashedFile) -> str:
    assert file.digests is not None
    return file.digests.content_id
