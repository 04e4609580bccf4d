"""The compiled form of a list: what it finds, when it is made again, what it survives."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivescan.errors import KnownListError
from hivescan.matching import compiled, compiling, segments
from hivescan.matching.algorithms import ALGORITHMS
from hivescan.matching.hamming import as_hashes, brute_force
from hivescan.matching.known import KnownList, read_known
from hivescan.matching.schema import KNOWN
from hivescan.matching.searching import Searchable
from tests.matching.stores import Entry, flipped, list_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short lists get a folder and an index, as long ones do."""
    monkeypatch.setattr(compiled, "FEW", 0)
    monkeypatch.setattr(segments, "FEW", 0)


def table_of(seed: int, rows: int, *, algorithms: tuple[str, ...] = ("pdq", "phash", "md5")) -> pa.Table:
    """Rows around few centres, some of them equal, with limits, qualities and polarities of all kinds."""
    rng = np.random.default_rng(seed)
    names = rng.choice(algorithms, rows)
    centres = rng.integers(0, 256, (3, 32), dtype=np.uint8)
    noise = np.packbits(rng.random((rows, 256)) < rng.choice([0, 0.03, 0.1], (rows, 1)), axis=1)
    hashes = centres[rng.integers(0, 3, rows)] ^ noise
    limits = rng.choice([-1, -1, 0, 3, 20, 60], rows)
    qualities = rng.choice([-1, 30, 50, 100], rows)
    columns = {
        "entry_id": [f"e{seed}-{i}" for i in range(rows)],
        "source": rng.choice(["us", "them"], rows),
        "algorithm": names,
        "hash": [h.tobytes()[: ALGORITHMS[n].nbytes] for h, n in zip(hashes, names, strict=True)],
        "quality": pa.array(qualities, pa.int16(), mask=qualities < 0),
        "polarity": rng.choice(["positive", "seed", "negative", "benign"], rows),
        "max_distance": pa.array(limits, pa.int32(), mask=limits < 0),
        "updated_at": [NOON + timedelta(minutes=i) for i in range(rows)],
        "deleted": rng.random(rows) < 0.2,
    }
    plain = {name: pa.array(values) for name, values in columns.items()}
    return pa.table(
        [
            plain[field.name].cast(field.type) if field.name in plain else pa.nulls(rows, field.type)
            for field in KNOWN
        ],
        schema=KNOWN,
    )


def written(path: Path, table: pa.Table) -> Path:
    made = path.with_name("new.parquet")
    pq.write_table(table, made, row_group_size=500)
    return made.replace(path)


def found(searchable: Searchable, queries: np.ndarray, cap: int | None = None) -> list[tuple[int, ...]]:
    return [
        (int(q), int(r), int(d))
        for pairs in searchable.search(queries, cap=cap)
        for q, r, d in zip(*pairs, strict=True)
    ]


def hashes_in(table: pa.Table, name: str) -> np.ndarray:
    chosen = table.filter(pc.equal(table["algorithm"].cast(pa.string()), name))
    return as_hashes(chosen["hash"].to_pylist(), ALGORITHMS[name].nbytes)


def expected(
    table: pa.Table, name: str, queries: np.ndarray, cap: int | None = None
) -> list[tuple[int, ...]]:
    """What matches, row by row, from the list's own words."""
    algorithm = ALGORITHMS[name]
    rows = [
        (number, row)
        for number, row in enumerate(table.to_pylist())
        if row["algorithm"] == name and (row["quality"] is None or row["quality"] >= 50)
    ]
    default = algorithm.max_distance if cap is None else cap
    limits = []
    for _, row in rows:
        own = default if row["max_distance"] is None else row["max_distance"]
        limits.append(0 if default is None else own if cap is None else min(own, cap))
    pairs = brute_force(as_hashes([row["hash"] for _, row in rows], algorithm.nbytes), limits, queries)
    return [(query, rows[entry][0], distance) for query, entry, distance in pairs]


def check(path: Path, table: pa.Table, cap: int | None = None) -> None:
    """The list finds what it should, by every algorithm."""
    with read_known(path) as known:
        for name in ALGORITHMS:
            queries = hashes_in(table, name)[:25]
            searchable = known.searchable(name)
            if searchable is None:
                assert not len(queries)
                continue
            own = cap if name == "pdq" else None
            assert found(searchable, queries, own) == expected(table, name, queries, own)


@st.composite
def lists(draw: st.DrawFn) -> tuple[pa.Table, int | None]:
    table = table_of(draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, 120)))
    return table, draw(st.sampled_from([None, None, 0, 10, 40]))


@given(lists())
@settings(max_examples=25, deadline=None)
def test_a_list_finds_what_brute_force_finds(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[pa.Table, int | None]
) -> None:
    table, cap = drawn
    path = written(tmp_path_factory.mktemp("list") / "known.parquet", table)
    check(path, table, cap)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "FEW", 0)
        patch.setattr(segments, "FEW", 0)
        check(path, table, cap)


@pytest.mark.usefixtures("indexed")
def test_rows_say_what_the_list_says_and_which_match_or_veto(tmp_path: Path) -> None:
    table = table_of(1, 300)
    rows = np.array([250, 3, 3, 299, 0])
    with read_known(written(tmp_path / "known.parquet", table)) as known:
        taken = known.rows(rows)
        assert taken.to_pylist() == table.drop(["hash"]).take(pa.array(rows)).to_pylist()
        every = np.arange(300)
        live = ~np.array(table["deleted"])
        harmful = np.isin(np.array(table["polarity"].cast(pa.string())), ["positive", "seed"])
        assert known.matches(every).tolist() == (live & harmful).tolist()
        assert known.vetoes(every).tolist() == (live & ~harmful).tolist()
        assert known.rows(np.empty(0, np.int64)).num_rows == 0


@pytest.mark.usefixtures("indexed")
def test_all_pairs_of_a_query_come_together_however_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "_PAIRS_AT_ONCE", 10)
    table = table_of(2, 200, algorithms=("pdq",))
    queries = hashes_in(table, "pdq")[:80]
    with read_known(written(tmp_path / "known.parquet", table)) as known:
        searchable = known.searchable("pdq")
        assert searchable is not None
        pieces = list(searchable.search(queries))
    told = [query for piece in pieces for query in np.unique(piece.query)]
    assert len(pieces) > 1
    assert told == sorted(set(told))
    assert sum(len(piece.query) for piece in pieces) == len(expected(table, "pdq", queries))


def names(path: Path) -> set[str]:
    return {p.name for p in path.with_name(f"{path.name}.index").iterdir()}


def segments_in(path: Path) -> set[str]:
    return {name for name in names(path) if name.split("-")[0] in ALGORITHMS}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Grows by one whenever the rows of a list are read and checked."""
    seen: list[int] = []
    compile_list = compiling.compile_list

    def counted(*args: object) -> object:
        seen.append(1)
        return compile_list(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(compiled, "compile_list", counted)
    yield seen


@pytest.mark.usefixtures("indexed")
def test_a_list_is_checked_once_until_it_changes(tmp_path: Path, reads: list[int]) -> None:
    path = written(tmp_path / "known.parquet", table_of(3, 100))
    with read_known(path) as first, read_known(path) as second:
        assert first.info == second.info
    assert len(reads) == 1
    os.utime(path)
    check(path, table_of(3, 100))
    assert len(reads) == 1, "touched, and still the same bytes"
    written(path, table_of(4, 100))
    check(path, table_of(4, 100))
    assert len(reads) == 2
    with read_known(path) as known:
        assert known.list_id == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.usefixtures("indexed")
def test_a_list_that_grew_keeps_its_segments_and_finds_what_a_new_one_finds(tmp_path: Path) -> None:
    path = tmp_path / "known.parquet"
    table = table_of(5, 400)
    check(written(path, table), table)
    before = segments_in(path)
    deleted = np.array(table["deleted"])
    deleted[::3] = True  # tombstones are set in place
    column = table.schema.names.index("deleted")
    grown = pa.concat_tables(
        [table.set_column(column, KNOWN.field("deleted"), pa.array(deleted)), table_of(6, 60)]
    )
    grown = grown.unify_dictionaries().combine_chunks()
    check(written(path, grown), grown)
    after = segments_in(path)
    assert before < after
    assert len(after) == 2 * len(before)
    with read_known(path) as known:
        assert known.info.rows == 460
        assert known.matches(np.arange(400))[::3].sum() == 0


@pytest.mark.usefixtures("indexed")
def test_small_segments_are_merged(tmp_path: Path) -> None:
    path = tmp_path / "known.parquet"
    table = table_of(7, 300, algorithms=("pdq",))
    for step in range(12):
        check(written(path, table), table)
        assert len(segments_in(path)) <= 4
        table = pa.concat_tables([table, table_of(100 + step, 10, algorithms=("pdq",))])
        table = table.unify_dictionaries().combine_chunks()


@pytest.mark.usefixtures("indexed")
def test_long_lists_are_cut_into_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "LARGEST_SEGMENT", 64)
    table = table_of(8, 300)
    path = written(tmp_path / "known.parquet", table)
    check(path, table)
    assert len(segments_in(path)) >= 5
    check(path, table)


@pytest.mark.usefixtures("indexed")
def test_a_list_whose_rows_moved_is_indexed_again(tmp_path: Path) -> None:
    path = tmp_path / "known.parquet"
    table = table_of(9, 200)
    check(written(path, table), table)
    moved = table.take(pa.array(np.random.default_rng(0).permutation(200)))
    check(written(path, moved), moved)
    fewer = moved.slice(0, 77)
    check(written(path, fewer), fewer)


@pytest.mark.usefixtures("indexed")
@pytest.mark.parametrize("damage", ["cut", "zeroed", "removed", "renamed"])
def test_damaged_files_are_made_again(tmp_path: Path, damage: str) -> None:
    table = table_of(10, 400)
    path = written(tmp_path / "known.parquet", table)
    check(path, table)
    folder = path.with_name("known.parquet.index")
    for kind in ("marks", "rows", "stamp", "md5", "pdq", "phash"):
        (file,) = folder.glob(f"{kind}*")
        if damage == "cut":
            os.truncate(file, file.stat().st_size // 2)
        elif damage == "zeroed":
            file.write_bytes(bytes(file.stat().st_size))
        elif damage == "removed":
            file.unlink()
        else:
            file.write_bytes((folder / "lock").read_bytes())
        check(path, table)


@pytest.mark.usefixtures("indexed")
def test_what_a_killed_process_left_is_swept_away_and_strangers_are_left_alone(tmp_path: Path) -> None:
    path = written(tmp_path / "known.parquet", table_of(11, 50))
    folder = path.with_name("known.parquet.index")
    folder.mkdir()
    left = [".rows-0011", "marks-0011", ".pdq-0011-22", "0123456789abcdef-pdq", ".stamp.json-33"]
    for name in [*left, "notes.txt"]:
        (folder / name).write_bytes(b"x")
    check(path, table_of(11, 50))
    assert not names(path).intersection(left)
    assert "notes.txt" in names(path)


@pytest.mark.usefixtures("indexed")
def test_compiled_files_are_private(tmp_path: Path) -> None:
    path = written(tmp_path / "known.parquet", table_of(12, 50))
    check(path, table_of(12, 50))
    folder = path.with_name("known.parquet.index")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == {0o600}
    assert len(names(path)) == 7  # lock, stamp, rows, marks, and an index for each of three algorithms


@pytest.mark.usefixtures("indexed")
def test_a_folder_that_cannot_be_made_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(13, 80)
    path = written(tmp_path / "known.parquet", table)
    path.with_name("known.parquet.index").write_text("in the way")
    aside = tmp_path / "tmp"
    aside.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(aside))
    check(path, table)
    assert list(aside.iterdir()) == [], "the temporary folder is gone again"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    check(path, table)


def test_a_short_list_makes_no_folder(tmp_path: Path) -> None:
    table = table_of(14, 80)
    check(written(tmp_path / "known.parquet", table), table)
    assert [p.name for p in tmp_path.iterdir()] == ["known.parquet"]


@pytest.mark.usefixtures("indexed")
def test_a_list_that_became_short_leaves_nothing_of_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "FEW", 100)
    path, folder = tmp_path / "known.parquet", tmp_path / "known.parquet.index"
    with read_known(written(path, table_of(9, 200))):
        before = {each.name for each in folder.iterdir()}
    with read_known(written(path, table_of(10, 20))) as known:
        assert known.row_count == 20
    assert before & {each.name for each in folder.iterdir()} <= {"stamp.json", "lock"}


@pytest.mark.usefixtures("indexed")
def test_a_refused_list_leaves_nothing_behind(tmp_path: Path) -> None:
    path = list_of(tmp_path / "known.parquet", [Entry("a", "pdq", bytes(32)), Entry("b", "pdq", bytes(5))])
    with pytest.raises(KnownListError, match="32 bytes long"), read_known(path):
        pass
    assert names(path) <= {"lock"}


@pytest.mark.usefixtures("indexed")
def test_a_list_that_several_open_at_once_is_compiled_once(tmp_path: Path, reads: list[int]) -> None:
    table = table_of(16, 300)
    path = written(tmp_path / "known.parquet", table)
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(check, path, table) for _ in range(4)]:
            done.result()
    assert len(reads) == 1


@pytest.mark.usefixtures("indexed")
def test_what_stops_half_way_leaves_nothing_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(17, 200)
    path = written(tmp_path / "known.parquet", table)
    make_segment = compiling.make_segment
    made: list[int] = []

    def stops(*args: object) -> object:
        made.append(1)
        if len(made) == 2:
            raise KeyboardInterrupt
        return make_segment(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(compiling, "make_segment", stops)
    with pytest.raises(KeyboardInterrupt), read_known(path):
        pass
    assert not {name.split("-")[0] for name in names(path)} & {"marks", "rows", "stamp.json"}
    check(path, table)
    assert len(made) == 4, "the segment that was whole is used"
    assert len(names(path)) == 7


@pytest.mark.usefixtures("indexed")
def test_rows_are_found_by_the_names_of_entries_and_known_videos(tmp_path: Path) -> None:
    entries = [
        Entry("a", "pdq", bytes(32)),
        Entry("v.1", "pdq", bytes(32), {"parent_id": "v"}),
        Entry("v.1", "md5", bytes(16), {"parent_id": "v"}),
        Entry("v", "pdq", bytes(32), {"deleted": True}),
    ]
    with read_known(list_of(tmp_path / "known.parquet", entries)) as known:
        assert known.named("pdq", pa.array(["v", "none"])).tolist() == [1, 3]
        assert known.named("sha1", pa.array(["v"])).tolist() == []
        assert known.deleted(np.arange(4)).tolist() == [False, False, False, True]


def rows_changed(known: KnownList, when: datetime) -> dict[str, list[int]]:
    return {name: rows.tolist() for name, rows in known.changed_since(when).items()}


@pytest.mark.usefixtures("indexed")
def test_rows_changed_since_are_an_index_of_their_own(tmp_path: Path) -> None:
    table = table_of(15, 1200)
    with read_known(written(tmp_path / "known.parquet", table)) as known:
        changed = known.changed_since(NOON + timedelta(minutes=1150))
        named = table["algorithm"].to_pylist()
        assert {name: rows.tolist() for name, rows in changed.items()} == {
            name: [i for i in range(1150, 1200) if named[i] == name] for name in ("md5", "pdq", "phash")
        }
        for name, rows in changed.items():
            queries = hashes_in(table, name)[-20:]
            part = known.only(name, rows)
            wanted = [pair for pair in expected(table, name, queries) if pair[1] in set(rows.tolist())]
            assert part.row_count == len(rows)
            assert found(part, queries) == wanted
        assert rows_changed(known, NOON + timedelta(days=9)) == {}
        nothing = known.only("pdq", np.empty(0, np.int64))
        assert found(nothing, hashes_in(table, "pdq")[:2]) == []


def test_rows_that_do_not_say_when_count_as_changed(tmp_path: Path) -> None:
    entries = [Entry("a", "pdq", bytes(32)), Entry("b", "pdq", bytes(32), {"updated_at": NOON})]
    with read_known(list_of(tmp_path / "known.parquet", entries)) as known:
        assert rows_changed(known, NOON + timedelta(hours=1)) == {"pdq": [0]}


@pytest.mark.usefixtures("indexed")
def test_an_entry_that_asks_for_much_does_not_widen_the_others(tmp_path: Path) -> None:
    far = Entry("far", "pdq", bytes(32), {"max_distance": 120})
    path = list_of(tmp_path / "known.parquet", [far, Entry("near", "pdq", bytes(32))])
    queries = as_hashes([flipped(bytes(32), 100), flipped(bytes(32), 20)], 32)
    with read_known(path) as known:
        searchable = known.searchable("pdq")
        assert searchable is not None
        assert found(searchable, queries) == [(0, 0, 100), (1, 0, 20), (1, 1, 20)]
        assert found(searchable, queries, 50) == [(1, 0, 20), (1, 1, 20)]
        assert searchable.limits(np.array([0, 1])).tolist() == [120, 31]
