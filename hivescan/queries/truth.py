"""True labels from a CSV file, matched to the items of a store."""

from __future__ import annotations

from collections.abc import Sequence
from csv import reader as read_lines
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from hivescan.errors import UsageError
from hivescan.queries.selection import SELECTION

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

KEY_COLUMNS = ("file", "uri", "content_id")
TRUTH = "truth"
"""The temporary table that :func:`create_truth` makes: uri, positive."""


@dataclass(frozen=True)
class TruthMatch:
    """What became of the rows of a label file.

    ``labelled`` items carry one label; ``unmatched`` names fit no item; ``ambiguous`` names fit
    several contents; ``contradictory`` items were given both labels. The last three are left out.
    """

    path: str
    rows: int
    labelled: int
    positives: int
    unmatched: tuple[str, ...]
    ambiguous: tuple[str, ...]
    contradictory: tuple[str, ...]
    positive_labels: tuple[str, ...]


def create_truth(connection: duckdb.DuckDBPyConnection, path: Path, positive: Sequence[str]) -> TruthMatch:
    """Read labels and create the temporary table ``truth``: one row a labelled item of ``selection``.

    The file is CSV (or TSV by its name) with a column ``label`` and one of ``file``, ``uri``,
    ``content_id``. A name fits an item whose uri is the same or ends with ``/`` and the name; a whole
    uri goes before endings. Labels named in ``positive`` are positive, all others negative. Raises
    UsageError with one line.
    """
    table, key = _read(path)
    labels = set(table.column("label").to_pylist())
    missing = [name for name in positive if name not in labels]
    if missing:
        shown = ", ".join(sorted(str(label) for label in labels)[:12])
        raise UsageError(f"--positive {missing[0]!r} is not a label of {path}: it has {shown}")
    import pyarrow as pa

    # A file:// address of a name that is valid text stands for the plain path that the store keeps.
    names = [
        unquote(name.removeprefix("file://")) if name.startswith("file://") else name.removeprefix("./")
        for name in table.column(key).to_pylist()
    ]
    rows = pa.table(
        {
            "key": table.column(key),
            "name": pa.array(names, pa.string()),
            "positive": pa.array([label in positive for label in table.column("label").to_pylist()]),
        }
    )
    connection.register("truth_source", rows)
    connection.execute("CREATE OR REPLACE TEMP TABLE truth_rows AS SELECT * FROM truth_source")
    connection.unregister("truth_source")
    _match(connection, by_content=key == "content_id")
    return _summary(connection, path, rows.num_rows, positive)


def _read(path: Path) -> tuple[pa.Table, str]:
    import pyarrow as pa
    from pyarrow import csv

    try:
        delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
        with path.open(encoding="utf-8-sig", newline="") as file:
            columns = next(read_lines(file, delimiter=delimiter), [])
        table = csv.read_csv(
            path,
            parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
            ),
        )
    except OSError as error:
        raise UsageError(f"--labels: cannot read {path}: {error.strerror or error}") from None
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise UsageError(f"--labels: {path} is not a CSV file: {str(error).splitlines()[0]}") from None
    table = table.rename_columns([name.strip() for name in table.column_names])
    keys = [name for name in KEY_COLUMNS if name in table.column_names]
    if "label" not in table.column_names or not keys:
        raise UsageError(
            f"--labels: {path} needs a column label and one of {', '.join(KEY_COLUMNS)}: "
            f"it has {', '.join(table.column_names)}"
        )
    return table, keys[0]


def _match(connection: duckdb.DuckDBPyConnection, *, by_content: bool) -> None:
    """Create truth_pairs (key, positive, uri, content_id), truth_ambiguous (key) and truth."""
    if by_content:
        pairs = f"""
            SELECT t.key, t.positive, s.uri, s.content_id
            FROM truth_rows t JOIN {SELECTION} s ON s.content_id = lower(trim(t.name))"""
    else:
        # Joined on the last part of the path, so that a million names are one hash join.
        pairs = f"""
            WITH named AS (SELECT *, parse_filename(name, false, 'forward_slash') AS base FROM truth_rows),
            listed AS (
                SELECT uri, content_id, parse_filename(uri, false, 'forward_slash') AS base
                FROM {SELECTION}),
            fitting AS (
                SELECT t.key, t.positive, l.uri, l.content_id, (l.uri IN (t.name, t.key)) AS whole
                FROM named t JOIN listed l USING (base)
                WHERE l.uri IN (t.name, t.key) OR ends_with(l.uri, '/' || t.name))
            SELECT key, positive, uri, content_id FROM fitting
            QUALIFY whole OR NOT bool_or(whole) OVER (PARTITION BY key)"""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE truth_pairs AS {pairs}")
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE truth_ambiguous AS
        SELECT key FROM truth_pairs GROUP BY key HAVING count(DISTINCT content_id) > 1
        """
    )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {TRUTH} AS
        SELECT uri, bool_or(positive) AS positive FROM truth_pairs
        WHERE key NOT IN (FROM truth_ambiguous)
        GROUP BY uri HAVING count(DISTINCT positive) = 1
        """
    )


def _summary(
    connection: duckdb.DuckDBPyConnection, path: Path, rows: int, positive: Sequence[str]
) -> TruthMatch:
    labelled, positives = connection.execute(
        f"SELECT count(*), count(*) FILTER (positive) FROM {TRUTH}"
    ).fetchone() or (0, 0)

    def names(query: str) -> tuple[str, ...]:
        return tuple(row[0] for row in connection.execute(query).fetchall())

    return TruthMatch(
        path=str(path),
        rows=rows,
        labelled=labelled,
        positives=positives,
        unmatched=names(
            "SELECT DISTINCT key FROM truth_rows WHERE key NOT IN (SELECT key FROM truth_pairs) ORDER BY 1"
        ),
        ambiguous=names("SELECT key FROM truth_ambiguous ORDER BY 1"),
        contradictory=names(
            """SELECT uri FROM truth_pairs WHERE key NOT IN (FROM truth_ambiguous)
               GROUP BY uri HAVING count(DISTINCT positive) > 1 ORDER BY 1"""
        ),
        positive_labels=tuple(positive),
    )
