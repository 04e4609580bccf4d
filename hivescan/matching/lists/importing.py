"""Importing sources into a list, and merging lists: read, checked, spooled, merged, put in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as AnyMapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from hivescan.errors import KnownListError, UsageError
from hivescan.matching.algorithms import ALGORITHMS
from hivescan.matching.labels import ListLabels
from hivescan.matching.lists.aside import Aside, RejectedRow
from hivescan.matching.lists.cleaning import Fill, algorithm_of, clean
from hivescan.matching.lists.guessing import CARRIED
from hivescan.matching.lists.lock import list_lock
from hivescan.matching.lists.mapping import Mapping, load_mapping, save_mapping
from hivescan.matching.lists.merging import Merged, merge
from hivescan.matching.lists.reading import Source, open_source
from hivescan.matching.lists.staging import Staging
from hivescan.matching.lists.stored import StoredList, open_stored

_MADE_BY: Final = "hivescan"


@dataclass(frozen=True)
class ImportSummary:
    """What an import or a merge did to a list.

    Rows of the sources were ``added``; ``changed`` took the place of an older version; ``revived`` brought
    withdrawn ones back, ``revived_ids`` are the first of them; rows of the list were ``withdrawn``, on their
    own or with their entry. Nothing came of those ``unchanged``, of those ``older`` than the row of the list,
    of those ``kept_withdrawn`` because nothing says that they are newer than their withdrawal, of those
    ``repeated`` in the sources with the same key. ``tombstones`` were added for what the list never had.
    ``rejected`` rows are in the file ``rejected_file``, ``first_rejected`` are the first, ``reasons`` count
    all. Rows that were added, changed, withdrawn or revived have ``updated_at`` as theirs. ``written`` is
    false where the list stayed as it was, byte for byte. ``checkpoints`` are where providers say that the
    next fetch begins.
    """

    path: Path
    formats: AnyMapping[str, str]
    rows: int
    added: int
    changed: int
    withdrawn: int
    revived: int
    revived_ids: tuple[str, ...]
    unchanged: int
    older: int
    kept_withdrawn: int
    tombstones: int
    repeated: int
    rejected: int
    rejected_file: Path | None
    first_rejected: tuple[RejectedRow, ...]
    reasons: AnyMapping[str, int]
    updated_at: datetime
    written: bool
    mappings: AnyMapping[str, Mapping] = field(default_factory=dict)
    checkpoints: AnyMapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ImportEvents:
    """What is heard while an import runs: how many rows were handled, and that another is waited for."""

    on_rows: Callable[[int], None] = lambda rows: None
    on_wait: Callable[[], None] = lambda: None


def import_known(
    sources: Sequence[Path | str],
    out: Path | str = "known.parquet",
    *,
    labels: ListLabels | None = None,
    algorithm: str | None = None,
    mapping: Mapping | Path | str | None = None,
    save_mapping_to: Path | str | None = None,
    format: str | None = None,
    as_of: datetime | None = None,
    rejected: Path | str | None = None,
    keep_rejected: bool = True,
    events: ImportEvents | None = None,
) -> ImportSummary:
    """Bring sources into the list at ``out``, a new or an existing one.

    A source is a file in one of ``hivescan.matching.lists.opening.FORMATS``; ``format`` says which where its
    content would not, ``algorithm`` what hashes are that do not say it. ``mapping`` (or its file) says what
    the columns of tables are, where their names do not; what was used is written to ``save_mapping_to``.
    ``as_of`` is when sources were stated whose rows have no times. Rows that break a rule are kept in
    ``rejected`` (``known.parquet.rejected.jsonl``), unless ``keep_rejected`` is false; they are always
    counted.

    Memory does not grow with the rows. The list is replaced at once when all is done; until then, and when
    this fails, it is as it was. Imports into one list wait for each other.

    Raises :class:`KnownListError` for a source that cannot be read to its end, where every row is rejected,
    and for a list that cannot be read or written; :class:`UsageError` for an algorithm that there is not.
    """
    _check_algorithm(algorithm)
    labels, events, out = labels or ListLabels(), events or ImportEvents(), Path(out)
    given = load_mapping(Path(mapping)) if isinstance(mapping, Path | str) else mapping
    now = datetime.now(UTC)
    beside = Path(rejected) if rejected else out.with_name(f"{out.name}.rejected.jsonl")
    opened = [open_source(Path(source), format, given, algorithm) for source in sources]
    if not opened:
        raise UsageError("no sources")
    with _staging(out) as staging, Aside(beside if keep_rejected else None, now) as aside:
        for source in opened:
            _stage(source, staging, aside, lambda used: _fill(used, labels, algorithm, as_of), events)
        used = {str(s.path): s.mapping for s in opened if s.mapping is not None}
        if save_mapping_to is not None and (used or staging.rows):
            # Also where every row was rejected: what was guessed is what has to be put right.
            _save(used, Path(save_mapping_to))
        if aside.rows and not staging.rows:
            raise KnownListError(_why_none(out, aside))
        with list_lock(out, events.on_wait), _stored(out) as stored:
            checkpoints = {str(s.path): s.checkpoint for s in opened if s.checkpoint}
            made_with = _made_with(stored, opened)
            merged = merge(
                stored,
                staging,
                out,
                lineage=stored.lineage if stored else None,
                made_with=made_with,
                always=stored is None or made_with != stored.made_with,
                on_rows=events.on_rows,
            )
        summary = _summary(out, merged, aside, {str(s.path): s.format for s in opened})
        return replace(summary, mappings=used, checkpoints=checkpoints)


def merge_known(
    lists: Sequence[Path | str], out: Path | str, *, events: ImportEvents | None = None
) -> ImportSummary:
    """Merge lists into one at ``out``: the rows of the first, then what the others have besides.

    Where several have a row the newest version of it counts. ``out`` may be one of the lists. The lists
    themselves stay as they are. Raises as :func:`import_known`.
    """
    paths, out, events = [Path(path) for path in lists], Path(out), events or ImportEvents()
    if not paths:
        raise UsageError("no lists")
    now = datetime.now(UTC)
    with _staging(out) as staging, Aside(None, now) as aside, list_lock(out, events.on_wait):
        for path in paths[1:]:
            _stage(open_source(path, "known", None, None), staging, aside, lambda _: Fill({}), events)
        if aside.rows:
            raise KnownListError(
                f"{aside.first[0]}; `hivescan known check` lists everything that is wrong with a list"
            )
        with open_stored(paths[0]) as stored, _stored(out) as replaced:
            merged = merge(
                stored,
                staging,
                out,
                lineage=replaced.lineage if replaced else None,
                made_with=_made_with(stored, ()),
                always=paths[0].resolve() != out.resolve(),
                on_rows=events.on_rows,
            )
    return _summary(out, merged, aside, {str(path): "known" for path in paths})


@contextmanager
def _staging(out: Path) -> Iterator[Staging]:
    if not out.parent.is_dir():
        raise KnownListError(f"{out}: cannot be written: there is no such folder")
    with Staging(out.parent) as staging:
        yield staging


def _stage(
    source: Source,
    staging: Staging,
    aside: Aside,
    fill_of: Callable[[Mapping | None], Fill],
    events: ImportEvents,
) -> None:
    for rows in source.rows():
        fill = fill_of(source.mapping)
        if len(rows):
            table, refused = clean(rows, fill)
            staging.add(table)
        else:
            refused = list(rows.refused)
        aside.add(source.path, refused)
        events.on_rows(len(rows))


def _check_algorithm(algorithm: str | None) -> None:
    names = (*ALGORITHMS, *CARRIED)
    if algorithm is not None and algorithm_of(algorithm) not in names:
        raise UsageError(f"algorithm {algorithm!r}: not one of {', '.join(names)}; a mapping may name others")


def _why_none(out: Path, aside: Aside) -> str:
    rows = "the only row was" if aside.rows == 1 else f"all {aside.rows:,} rows were"
    kept = f"; they are in {aside.written}" if aside.written else ""
    return f"{out}: nothing imported, {rows} rejected, the first: {aside.first[0]}{kept}"


def _fill(mapping: Mapping | None, labels: ListLabels, algorithm: str | None, as_of: datetime | None) -> Fill:
    """The words of the command line come before those of the mapping, rows before both."""
    constants: dict[str, Any] = dict(mapping.constants) if mapping else {}
    own = {
        "source": labels.source,
        "hash_set": labels.hash_set,
        "match_type": labels.match_type,
        "classification": labels.classification,
        "polarity": labels.polarity,
    }
    texts = ("parent_id", "transformation")
    words: dict[str, str | None] = {
        **{name: str(constants[name]) for name in (*own, *texts) if name in constants},
        **{name: word for name, word in own.items() if word is not None},
    }
    lengths = dict(mapping.lengths) if mapping else {}
    if algorithm is not None:
        words["algorithm"], lengths = algorithm_of(algorithm), {}
    limit = labels.max_distance if labels.max_distance is not None else constants.get("max_distance")
    tags = labels.tags or tuple(constants.get("tags", ()))
    separator = mapping.separator if mapping else ";"
    return Fill(words, limit, tags, lengths, as_of, separator)


def _save(used: AnyMapping[str, Mapping], path: Path) -> None:
    if not used:
        raise UsageError("no source has a mapping: its format says what everything is")
    save_mapping(next(iter(used.values())), path)


@contextmanager
def _stored(path: Path) -> Iterator[StoredList | None]:
    if not path.exists():
        yield None
        return
    with open_stored(path) as stored:
        yield stored


def _made_with(stored: StoredList | None, sources: Sequence[Source]) -> dict[str, object]:
    """What a list says of its making, with where each provider's next fetch begins."""
    made_with: dict[str, object] = (
        dict(stored.made_with) if stored else {_MADE_BY: metadata.version(_MADE_BY)}
    )
    known = made_with.get("checkpoints")
    checkpoints = dict(known) if isinstance(known, dict) else {}
    checkpoints |= {s.format: s.checkpoint for s in sources if s.checkpoint}
    return {**made_with, "checkpoints": checkpoints} if checkpoints else made_with


def _summary(
    out: Path,
    merged: Merged,
    aside: Aside,
    formats: AnyMapping[str, str],
) -> ImportSummary:
    counts = merged.counts
    return ImportSummary(
        path=out,
        formats=formats,
        rows=merged.rows,
        added=counts["added"],
        changed=counts["changed"],
        withdrawn=counts["withdrawn"],
        revived=counts["revived"],
        revived_ids=merged.revived,
        unchanged=counts["unchanged"],
        older=counts["older"],
        kept_withdrawn=counts["kept_withdrawn"],
        tombstones=counts["tombstones"],
        repeated=counts["repeated"],
        rejected=aside.rows,
        rejected_file=aside.written,
        first_rejected=tuple(sorted(aside.first, key=lambda row: (row.source, row.record))),
        reasons=dict(aside.reasons),
        updated_at=merged.updated_at,
        written=merged.written,
    )
