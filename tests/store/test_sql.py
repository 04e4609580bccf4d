"""SQL over a store: what it sees, and that it can neither write nor read elsewhere."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from hivescan.errors import QueryError, StoreError
from hivescan.store.merge import merge_small_parts
from hivescan.store.schema import TABLES
from hivescan.store.sql import check_read_only
from hivescan.store.store import Store, open_store
from hivescan.store.views import VIEWS, duckdb_type
from hivescan.store.writer import StoreWriter
from tests.store import rows


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "it's a *[store]? {ü}", create=True)


def write(store: Store, run: str, **tables: list[pa.Table]) -> None:
    writer = StoreWriter(store, run)
    for table, parts in tables.items():
        for part in parts:
            writer.add(table, part)
    writer.commit()


def test_an_empty_store_has_every_view_with_its_types(store: Store) -> None:
    with store.connect() as connection:
        assert sorted(connection.execute("SHOW TABLES").fetchall()) == [(view,) for view in sorted(VIEWS)]
        for table, schema in TABLES.items():
            assert connection.execute(f"FROM {table}").fetchall() == []
            expected = {column.name: duckdb_type(column.type) for column in schema}
            assert described(connection, f"raw.{table}") == expected
            assert described(connection, table) == expected
        items = described(connection, "items")
    assert items["status"] == "VARCHAR"
    assert items["last_seen"] == "TIMESTAMP WITH TIME ZONE"


def described(connection: duckdb.DuckDBPyConnection, view: str) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(f"DESCRIBE {view}").fetchall()}


def test_nothing_is_drawn_among_results(store: Store) -> None:
    """DuckDB draws its progress where Python has no main script, as in a notebook."""
    with store.connect() as connection:
        assert connection.execute("SELECT current_setting('enable_progress_bar')").fetchone() == (False,)


def test_types_of_an_empty_and_a_filled_view_are_the_same(store: Store) -> None:
    with store.connect() as connection:
        before = {table: described(connection, f"raw.{table}") for table in TABLES}
    content = rows.content_id("a")
    key = {"content_id": [content], "chain": ["c"], "run_id": ["r1"], "level": ["frame"], "index": [0]}
    vector = pa.array([np.array([0.5, -2.0], np.float16)], pa.list_(pa.float16()))
    write(
        store,
        "r1",
        files=[rows.file("/a", "a", run="r1")],
        contents=[rows.content("a", run="r1")],
        analyses=[rows.attempt("a", run="r1", chain="c")],
        scores=[rows.scores("a", 0.5, run="r1", chain="c")],
        hashes=[pa.table({**key, "algorithm": ["pdq"], "hash": [b"\x00\xff"], "quality": [100]})],
        embeddings=[pa.table({**key, "space": ["s"], "vector": vector})],
        runs=[rows.run("r1", seconds=1, complete=["/media"])],
    )
    with store.connect() as connection:
        after = {table: described(connection, f"raw.{table}") for table in TABLES}
    assert after == before
    assert store.sql("SELECT vector, list_sum(vector) AS s FROM embeddings").to_pylist() == [
        {"vector": [0.5, -2.0], "s": -1.5}
    ]
    assert store.sql("SELECT hash FROM hashes").to_pylist() == [{"hash": b"\x00\xff"}]


def test_parameters_go_by_place_and_by_name(store: Store) -> None:
    write(store, "r1", contents=[rows.content("a", run="r1"), rows.content("b", run="r1")])
    by_place = "SELECT count(*) AS n FROM contents WHERE content_id = ?"
    assert store.sql(by_place, [rows.content_id("a")]).to_pylist() == [{"n": 1}]
    by_name = "SELECT count(*) AS n FROM contents WHERE content_id = $id"
    assert store.sql(by_name, {"id": rows.content_id("b")}).to_pylist() == [{"n": 1}]


def test_a_retry_shows_the_later_rows_only(store: Store) -> None:
    write(
        store, "r1",
        analyses=[
            rows.attempt("a", run="r1", status="partial", seconds=1),
            rows.attempt("b", run="r1", seconds=1),
        ],
        scores=[rows.scores("a", 0.1, run="r1"), rows.scores("b", 0.7, run="r1")],
    )  # fmt: skip
    write(
        store, "r2",
        analyses=[rows.attempt("a", run="r2", seconds=2)], scores=[rows.scores("a", 0.2, 0.3, run="r2")],
    )  # fmt: skip
    write(
        store, "r3",
        analyses=[rows.attempt("a", run="r3", status="failed", seconds=3)],
    )  # fmt: skip
    shown = store.sql("SELECT run_id, round(score, 1) AS score FROM scores ORDER BY score").to_pylist()
    assert [(r["run_id"], r["score"]) for r in shown] == [
        ("r2", pytest.approx(0.2)),
        ("r2", pytest.approx(0.3)),
        ("r1", pytest.approx(0.7)),
    ]
    assert store.sql("SELECT count(*) AS n FROM raw.scores").to_pylist() == [{"n": 4}]
    assert store.sql("SELECT status, run_id FROM analyses ORDER BY ALL").to_pylist() == [
        {"status": "done", "run_id": "r1"},
        {"status": "done", "run_id": "r2"},
    ]


def test_with_two_fingerprints_the_newer_rows_count(store: Store) -> None:
    for run, fingerprint, seconds in (("r1", "fps=1", 1), ("r2", "fps=2", 2)):
        write(
            store, run,
            analyses=[rows.attempt("a", run=run, fingerprint=fingerprint, seconds=seconds)],
            scores=[rows.scores("a", 0.5, run=run)],
        )  # fmt: skip
    assert store.sql("SELECT fingerprint FROM analyses").to_pylist() == [{"fingerprint": "fps=2"}]
    assert store.sql("SELECT run_id FROM scores").to_pylist() == [{"run_id": "r2"}]


def test_changed_renamed_and_gone_files(store: Store) -> None:
    write(
        store, "r1",
        files=[
            rows.file(uri, content, run="r1")
            for uri, content in (("/changed", "old"), ("/before", "b"), ("/gone", "g"))
        ],
        contents=[rows.content(c, run="r1") for c in ("old", "b", "g")],
        analyses=[rows.attempt(c, run="r1") for c in ("old", "b", "g")],
    )  # fmt: skip
    write(
        store, "r2",
        files=[
            rows.file("/changed", "new", run="r2", seconds=9),
            rows.file("/after", "b", run="r2", seconds=9),
            rows.file("/before", "b", run="r2", seconds=9, gone=True),
            rows.file("/gone", "g", run="r2", seconds=9, gone=True),
        ],
        contents=[rows.content("new", run="r2")],
    )  # fmt: skip
    shown = store.sql("SELECT uri, content_id, status FROM items ORDER BY uri").to_pylist()
    assert [tuple(r.values()) for r in shown] == [
        ("/after", rows.content_id("b"), "done"),
        ("/changed", rows.content_id("new"), "not_analyzed"),
    ]
    assert store.sql("SELECT count(*) AS n FROM analyses").to_pylist() == [{"n": 3}], "old contents stay"
    assert store.sql("SELECT count(*) AS n FROM raw.files").to_pylist() == [{"n": 7}]


def test_reasons_and_statuses_of_items(store: Store) -> None:
    write(
        store, "r1",
        files=[
            rows.file("/unreadable", None, run="r1", error="permission denied"),
            rows.file("/cut.mp4", "cut", run="r1"),
            rows.file("/a.zip", "zip", run="r1"),
            rows.file("/sound.wav", "sound", run="r1"),
        ],
        contents=[rows.content(c, run="r1") for c in ("cut", "zip", "sound")],
        analyses=[
            rows.attempt(
                "cut", run="r1", chain="nsfw", status="partial", reason="cut at 5 s", retryable=True
            ),
            rows.attempt("cut", run="r1", chain="hashes", status="partial", reason="cut at 5 s"),
            rows.attempt("cut", run="r1", chain="probe"),
            rows.attempt("zip", run="r1", chain="probe", status="unopened", reason="an archive"),
            rows.attempt("sound", run="r1", chain="probe"),
        ],
    )  # fmt: skip
    shown = store.sql("SELECT uri, status, reason, retryable FROM items ORDER BY uri").to_pylist()
    assert [tuple(r.values()) for r in shown] == [
        ("/a.zip", "unopened", "an archive", False),
        ("/cut.mp4", "partial", "cut at 5 s", True),
        ("/sound.wav", "not_analyzed", None, None),
        ("/unreadable", "failed", "permission denied", True),
    ]


def test_an_item_was_last_seen_when_its_source_was_last_walked_to_the_end(store: Store) -> None:
    write(
        store, "r1",
        files=[
            rows.file("/a", "a", run="r1", seconds=1),
            rows.file("/b", "b", run="r1", seconds=1, source="/b"),
        ],
        runs=[rows.run("r1", seconds=0, ended=False), rows.run("r1", seconds=5, complete=["/media", "/b"])],
    )  # fmt: skip
    write(store, "r2", runs=[rows.run("r2", seconds=50, complete=["/media"])])
    shown = store.sql("SELECT uri, last_seen FROM items ORDER BY uri").to_pylist()
    assert [tuple(r.values()) for r in shown] == [("/a", rows.at(50)), ("/b", rows.at(5))]
    assert store.sql("SELECT run_id, status FROM runs ORDER BY ALL").to_pylist() == [
        {"run_id": "r1", "status": "done"},
        {"run_id": "r2", "status": "done"},
    ]


def test_user_columns_have_types_and_names_that_do_not_collide(store: Store) -> None:
    first = '{"id": 1, "ok": true, "w": 1, "user_Width": "x", "Status": "x", "mixed": 1, "width": 2}'
    second = '{"id": null, "w": 0.5, "mixed": {"k": [1]}, "": "empty", "half": "\\ud83d"}'
    write(
        store, "r1",
        files=[
            rows.file("/a", "a", run="r1", user=first),
            rows.file("/b", "b", run="r1", user=second),
            rows.file("/c", "c", run="r1"),
        ],
    )  # fmt: skip
    types = {r["column_name"]: r["column_type"] for r in store.sql("DESCRIBE items").to_pylist()}
    expected = {
        "id": "BIGINT", "ok": "BOOLEAN", "w": "DOUBLE", "user_Status": "VARCHAR", "mixed": "VARCHAR",
        "user_Width": "VARCHAR", "user_width_2": "BIGINT", "user_": "VARCHAR", "half": "VARCHAR",
    }  # fmt: skip
    assert {name: types[name] for name in expected} == expected
    shown = store.sql("SELECT uri, id, ok, w, mixed, half FROM items ORDER BY uri").to_pylist()
    assert [tuple(r.values()) for r in shown] == [
        ("/a", 1, True, 1.0, "1", None),
        ("/b", None, None, 0.5, '{"k":[1]}', "\ufffd"),
        ("/c", None, None, None, None, None),
    ]


def test_views_are_the_same_after_a_merge(store: Store) -> None:
    for i in range(5):
        write(
            store, f"r{i}",
            files=[rows.file(f"/{i % 2}", str(i), run=f"r{i}", seconds=i, user=f'{{"n{i}": {i}}}')],
            contents=[rows.content(str(i), run=f"r{i}")],
            analyses=[rows.attempt("a", run=f"r{i}", seconds=i)],
            scores=[rows.scores("a", i / 8, run=f"r{i}")],
        )  # fmt: skip
    queries = [
        f"SELECT * FROM {view} ORDER BY ALL" for view in ("items", "files", "contents", "analyses", "scores")
    ]
    before = [store.sql(query).to_pylist() for query in queries]
    assert merge_small_parts(store) == 20
    assert [store.sql(query).to_pylist() for query in queries] == before
    assert [len(store.snapshot().parts(table)) for table in TABLES] == [1, 1, 1, 1, *[0] * (len(TABLES) - 4)]


def test_a_connection_made_before_a_merge_goes_on(store: Store) -> None:
    for i in range(4):
        write(store, f"r{i}", contents=[rows.content(str(i), run=f"r{i}")])
    with store.connect() as connection:
        merge_small_parts(store)
        assert connection.execute("SELECT count(*) FROM contents").fetchone() == (4,)


def test_arrow_tables_can_be_joined(store: Store) -> None:
    write(store, "r1", contents=[rows.content("a", run="r1")])
    with store.connect() as connection:
        connection.register("mine", pa.table({"content_id": [rows.content_id("a")], "truth": ["cat"]}))
        joined = connection.execute("SELECT truth FROM contents JOIN mine USING (content_id)").fetchall()
    assert joined == [("cat",)]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1", "select 1;", "FROM items", "TABLE items", "VALUES (1)", "(SELECT 1)", "-- why\nSELECT 1",
        "WITH a AS (SELECT 1 UNION ALL SELECT 2) SELECT (SELECT count(*) FROM a), EXISTS (FROM a)",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) FROM t",
        "DESCRIBE items", "SHOW TABLES", "SUMMARIZE runs", "EXPLAIN SELECT 1", "explain analyze SELECT 1",
        "PIVOT (FROM items) ON status IN ('done', 'failed') USING count(*)", "SELECT * FROM range(3)",
        "SELECT unnest([1, 2])", "SELECT copy FROM (SELECT 1 AS copy)", "SELECT '; DROP TABLE items'",
    ],
)  # fmt: skip
def test_statements_that_read_are_answered(store: Store, query: str) -> None:
    store.sql(query)


@pytest.mark.parametrize(
    "query",
    [
        "", "  -- nothing\n", "SELECT 1; SELECT 2", "INSERT INTO items VALUES (1)", "DELETE FROM files",
        "UPDATE files SET uri = ''", "DROP VIEW items", "CREATE TABLE x AS SELECT 1", "ATTACH 'x.db'",
        "SET threads = 1", "PRAGMA database_list", "CALL pragma_version()", "INSTALL httpfs", "LOAD httpfs",
        "COPY (SELECT 1) TO 'out.csv'", "EXPORT DATABASE 'out'", "USE raw", "CHECKPOINT", "BEGIN",
        "EXPLAIN COPY (SELECT 1) TO 'out.csv'", "EXPLAIN ANALYZE COPY (SELECT 1) TO 'out.csv'",
        "EXPLAIN (FORMAT json) CREATE TABLE x AS SELECT 1",
        "WITH a AS (COPY (SELECT 1) TO 'out.csv') SELECT * FROM a",
        "WITH a AS (INSERT INTO x VALUES (1) RETURNING *) SELECT * FROM a",
        "SELECT * FROM (WITH a AS (COPY (SELECT 1) TO 'out.csv') SELECT * FROM a)",
        "FROM query('WITH a AS (COPY (SELECT 1) TO ''out.csv'') SELECT * FROM a')",
        "FROM json_execute_serialized_sql('x')", "FROM read_text('/etc/hostname')", "FROM glob('/*')",
        "FROM read_csv('/etc/hostname')", "FROM '/etc/hostname'", "SELECT * FROM 'x.parquet'",
        "FROM enable_logging()", "SELEC 1", "SELECT nope FROM items", "SELECT 1 / ",
    ],
)  # fmt: skip
def test_everything_else_is_refused_with_one_line(
    store: Store, query: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(QueryError) as raised:
        store.sql(query)
    assert str(raised.value).strip()
    assert "\n" not in str(raised.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_read_only_check_names_what_is_not_allowed() -> None:
    with pytest.raises(QueryError, match="only statements that read are allowed, not COPY"):
        check_read_only("WITH a AS (COPY (SELECT 1) TO 'x') FROM a")
    with pytest.raises(QueryError, match="not DROP"):
        check_read_only("DROP VIEW items")
    with pytest.raises(QueryError, match=r"PIVOT needs an IN list"):
        check_read_only("PIVOT items ON status USING count(*)")
    with pytest.raises(QueryError, match=r"read_text\(\) is not allowed"):
        check_read_only("FROM read_text('x')")


def test_a_connection_reads_and_writes_nothing_outside_the_store(store: Store, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    with store.connect() as connection:
        for statement in (
            f"FROM read_csv('{secret}')",
            f"COPY (SELECT 1) TO '{tmp_path / 'out.csv'}'",
            "SET enable_external_access = true",
            "SET allowed_directories = ['/']",
        ):
            with pytest.raises(Exception, match=r"disabled by configuration|has been locked"):
                connection.execute(statement)


def test_a_query_larger_than_memory_spills_inside_the_store_and_leaves_nothing(store: Store) -> None:
    from hivescan.store.sql import open_connection

    with open_connection(store, memory_limit="60MB") as connection:
        words = "SELECT DISTINCT i::VARCHAR || 'abcdefghijklmnopqrst' FROM range(1500000) t(i)"
        assert connection.execute(f"SELECT count(*) FROM ({words})").fetchone() == (1_500_000,)
    assert list(store.path.glob("_spill*")) == []


def test_columns_added_later_are_null_in_older_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    write(store, "r1", contents=[rows.content("a", run="r1")])
    newer = TABLES["contents"].append(pa.field("camera", pa.string()))
    monkeypatch.setitem(TABLES, "contents", newer)
    write(store, "r2", contents=[rows.content("b", run="r2").append_column("camera", pa.array(["x"]))])
    query = "SELECT camera FROM contents ORDER BY camera"
    assert store.sql(query).column("camera").to_pylist() == ["x", None]
    assert sorted(store.table("contents").column("camera").to_pylist(), key=str) == [None, "x"]
    assert store.sql("SELECT camera FROM items").num_rows == 0


def test_columns_of_a_newer_version_are_left_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = TABLES["contents"].append(pa.field("camera", pa.string()))
    with monkeypatch.context() as newer_version:
        newer_version.setitem(TABLES, "contents", newer)
        for i in range(4):
            row = rows.content(str(i), run=f"n{i}").append_column("camera", pa.array(["x"]))
            write(store, f"n{i}", contents=[row])
    for i in range(4):
        write(store, f"o{i}", contents=[rows.content(f"o{i}", run=f"o{i}")])
    assert store.sql("FROM contents").num_rows == 8
    assert store.table("contents").num_rows == 8
    assert merge_small_parts(store) == 4, "parts with an unknown column are not rewritten without it"
    monkeypatch.setitem(TABLES, "contents", newer)
    assert store.sql("SELECT count(camera) AS n FROM contents").to_pylist() == [{"n": 4}]


def test_a_missing_part_is_one_line(store: Store) -> None:
    write(store, "r1", contents=[rows.content("a", run="r1")])
    (store.path / store.snapshot().parts("contents")[0].name).unlink()
    with pytest.raises(StoreError, match=r"`hivescan store check` names damaged parts") as raised:
        store.sql("FROM contents")
    assert "\n" not in str(raised.value)


def test_a_misspelt_name_is_answered_with_the_nearest(store: Store) -> None:
    for query, nearest in (
        ("SELECT urii FROM items", '"uri"'),
        ("SELECT * FROM itms", '"items"'),
    ):
        with pytest.raises(QueryError, match=r"nearest: .*" + nearest) as failed:
            store.sql(query)
        assert "\n" not in str(failed.value)
