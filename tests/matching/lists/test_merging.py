"""What becomes of a list's rows when others come in: in place, in order, tombstones respected."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hivescan.errors import KnownListError
from hivescan.matching.known import check_known
from hivescan.matching.lists import lock
from hivescan.matching.lists.importing import ImportEvents, ImportSummary, import_known, merge_known
from hivescan.matching.schema import LINEAGE_KEY
from tests.matching.lists import samples as s
from tests.matching.stores import Entry, list_of

JAN_1 = datetime(2026, 1, 1, tzinfo=UTC)
COUNTS = ("added", "changed", "withdrawn", "revived", "unchanged", "older", "kept_withdrawn", "tombstones")


def counted(summary: ImportSummary) -> dict[str, int]:
    return {name: getattr(summary, name) for name in COUNTS if getattr(summary, name)}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "known.parquet"


def csv(tmp_path: Path, *lines: str) -> Path:
    return s.written(tmp_path / "x.csv", "\n".join(["id,md5,category,modified,deleted", *lines]) + "\n")


def test_rows_keep_their_place_and_new_ones_follow(tmp_path: Path, out: Path) -> None:
    lines = [f"{name},{s.md5(name)},A1,," for name in "abcd"]
    first = import_known([csv(tmp_path, *lines)], out)
    before = s.rows_of(out)
    lines = [f"{name},{s.md5(name)},{'B2' if name == 'b' else 'A1'},," for name in "efdbc"]
    second = import_known([csv(tmp_path, *lines)], out)
    rows = s.rows_of(out)
    assert [r["entry_id"] for r in rows] == list("abcdef")
    assert counted(second) == {"added": 2, "changed": 1, "unchanged": 2}
    assert [r["updated_at"] for r in rows] == [
        second.updated_at if name in "bef" else first.updated_at for name in "abcdef"
    ]
    assert rows[1]["created_at"] == before[1]["created_at"]
    assert rows[0] == before[0]


def test_an_import_that_changes_nothing_leaves_the_file_byte_for_byte(tmp_path: Path, out: Path) -> None:
    source = csv(tmp_path, f"a,{s.md5('a')},A1,2026-01-01,")
    assert import_known([source], out).written
    before = out.read_bytes()
    summary = import_known([source], out)
    assert (summary.written, summary.rows, counted(summary)) == (False, 1, {"unchanged": 1})
    assert out.read_bytes() == before


def test_a_list_keeps_its_lineage_and_is_only_its_owners(tmp_path: Path, out: Path) -> None:
    import_known([csv(tmp_path, f"a,{s.md5('a')},A1,,")], out)
    lineage = pq.read_schema(out).metadata[LINEAGE_KEY]
    import_known([csv(tmp_path, f"b,{s.md5('b')},A1,,")], out)
    assert pq.read_schema(out).metadata[LINEAGE_KEY] == lineage
    assert out.stat().st_mode & 0o777 == 0o600


def test_an_older_record_never_revives_and_a_newer_one_does_and_says_so(tmp_path: Path, out: Path) -> None:
    def at(day: str, deleted: str = "") -> ImportSummary:
        return import_known([csv(tmp_path, f"a,{s.md5('a')},A1,{day},{deleted}")], out)

    def state() -> tuple[object, ...]:
        ((deleted, provided),) = s.told(out, "deleted", "provided_at")
        return deleted, provided and provided.day  # type: ignore[attr-defined]

    assert counted(at("2026-01-02")) == {"added": 1}
    assert counted(at("2026-01-01", "yes")) == {"older": 1}
    assert counted(at("2026-01-05", "yes")) == {"withdrawn": 1}
    assert state() == (True, 5)
    assert counted(at("2026-01-04")) == {"kept_withdrawn": 1}
    assert counted(at("2026-01-05")) == {"kept_withdrawn": 1}
    assert counted(at("")) == {"kept_withdrawn": 1}
    assert state() == (True, 5)
    revived = at("2026-01-06")
    assert counted(revived) == {"revived": 1}
    assert revived.revived_ids == ("a",)
    assert state() == (False, 6)
    assert counted(at("2026-01-03")) == {"unchanged": 1}
    assert state() == (False, 6)
    assert counted(at("", "yes")) == {"withdrawn": 1}
    later = import_known([csv(tmp_path, f"a,{s.md5('a')},A1,,")], out, as_of=datetime.now(UTC))
    assert counted(later) == {"revived": 1}


def test_a_withdrawal_of_what_was_never_there_is_remembered(tmp_path: Path, out: Path) -> None:
    gone = import_known([csv(tmp_path, f"a,{s.md5('a')},,2026-01-05,1")], out)
    assert counted(gone) == {"tombstones": 1}
    late = import_known([csv(tmp_path, f"a,{s.md5('a')},A1,2026-01-04,")], out)
    assert counted(late) == {"kept_withdrawn": 1}
    assert s.told(out, "deleted") == [(True,)]


def test_a_deleted_entry_of_ncmec_takes_all_its_hashes_and_later_pages_respect_it(
    tmp_path: Path, out: Path
) -> None:
    def page(*entries: str) -> ImportSummary:
        return import_known([s.written(tmp_path / "page.xml", s.ncmec_page(*entries))], out)

    one, two = (s.ncmec_entry(name, "2026-01-01T00:00:00Z") for name in ("one", "two"))
    assert counted(page(one, two)) == {"added": 4}
    gone = page(s.ncmec_deletion("one", "2026-01-03T00:00:00Z"))
    assert counted(gone) == {"withdrawn": 2, "tombstones": 1}
    rows = [r for r in s.rows_of(out) if r["deleted"]]
    assert {(r["algorithm"], r["provided_at"]) for r in rows} == {
        (name, JAN_1 + timedelta(days=2)) for name in ("md5", "pdq", "entry")
    }
    assert [r["updated_at"] for r in rows] == [gone.updated_at] * 3
    assert counted(page(one, two)) == {"unchanged": 2, "kept_withdrawn": 2}
    # A hash that the list never had of an entry that is gone.
    other = s.ncmec_entry("one", "2026-01-02T00:00:00Z", prints=f"<sha1>{s.sha1('x')}</sha1>")
    assert counted(page(other)) == {"kept_withdrawn": 1}
    again = page(s.ncmec_entry("one", "2026-01-04T00:00:00Z"))
    assert counted(again) == {"revived": 2}
    assert set(again.revived_ids) == {"42-one"}
    # An old deletion that comes late.
    assert counted(page(s.ncmec_deletion("one", "2026-01-03T00:00:00Z"))) == {"unchanged": 1}
    assert check_known(out)[0].entries == {"md5": 2, "pdq": 2}


def test_a_fingerprint_that_an_entry_no_longer_has_is_withdrawn(tmp_path: Path, out: Path) -> None:
    def page(when: str, *names: str) -> ImportSummary:
        prints = "".join(f"<md5>{s.md5(name)}</md5>" for name in names)
        entry = s.ncmec_entry("one", when, prints=prints)
        return import_known([s.written(tmp_path / "page.xml", s.ncmec_page(entry))], out)

    page("2026-01-02T00:00:00Z", "a", "b")
    assert counted(page("2026-01-01T00:00:00Z", "c")) == {"older": 1}
    assert counted(page("2026-01-03T00:00:00Z", "b")) == {"withdrawn": 1, "unchanged": 1}
    assert s.told(out, "hash", "deleted") == [(s.md5("a"), True), (s.md5("b"), False)]


def test_of_two_pages_in_one_import_the_later_statement_of_an_entry_counts(tmp_path: Path, out: Path) -> None:
    later, sooner = (
        s.ncmec_entry("one", f"2026-01-0{day}T00:00:00Z", prints=f"<md5>{s.md5(name)}</md5>")
        for day, name in ((2, "b"), (1, "a"))
    )
    page = s.written(tmp_path / "page.xml", s.ncmec_page(later, sooner))
    assert counted(import_known([page], out)) == {"added": 1, "older": 1}
    assert s.told(out, "hash") == [(s.md5("b"),)]


def test_null_in_a_delta_withdraws(tmp_path: Path, out: Path) -> None:
    def delta(record: object) -> ImportSummary:
        text = json.dumps({"updates": {f"pdq:{s.pdq('a')}": record}})
        return import_known([s.written(tmp_path / "delta.json", text)], out)

    live = {"opinions": [{"category": "POSITIVE_CLASS", "tags": ["x"]}]}
    assert counted(delta(live)) == {"added": 1}
    assert counted(delta(None)) == {"withdrawn": 1}
    assert s.told(out, "deleted", "tags", "polarity") == [(True, ["x"], "positive")]
    assert counted(delta(live)) == {"kept_withdrawn": 1}


# A model of it all, one row at a time, for lists of few names and times.

rows_given = st.lists(
    st.tuples(
        st.sampled_from("abc"),  # the entry
        st.sampled_from("xy"),  # its hash
        st.none() | st.integers(1, 4),  # the day
        st.sampled_from(["live", "live", "gone", "entry"]),
        st.sampled_from(["A1", "B2"]),
    ),
    max_size=8,
)
Given = tuple[str, str, int | None, str, str]


def model(stored: dict[tuple[str, str], list[object]], given: list[Given]) -> None:
    """``stored``: (entry, hash) to [day or None, deleted, class], in order. "*" is the hash of an entry."""
    winners: dict[tuple[str, str], tuple[tuple[int, bool, int], Given]] = {}
    for number, row in enumerate(given):
        entry, name, day, state, _ = row
        gone = state != "live"
        key = (entry, "*" if state == "entry" else name)
        rank = (day or -1, gone and day is not None, number)
        if key not in winners or rank > winners[key][0]:
            winners[key] = (rank, row)
    kills: dict[str, float] = {}
    for (entry, name), (day, gone, _) in stored.items():
        if name == "*" and gone:
            kills[entry] = max(kills.get(entry, 0), float(day or 0))  # type: ignore[arg-type]
    for (entry, name), (_, row) in winners.items():
        if name == "*":
            kills[entry] = max(kills.get(entry, 0), float("inf") if row[2] is None else row[2])
    before = {key: list(value) for key, value in stored.items()}
    renewed = set()
    for key in sorted(winners, key=lambda key: winners[key][0][2]):
        _, (entry, _, day, state, word) = winners[key]
        gone = state != "live"
        covered = not gone and entry in kills and (day is None or day <= kills[entry])
        if key not in stored:
            if not covered:
                # A tombstone without a time holds until its import, which is after all days here.
                stored[key] = [float("inf") if gone and day is None else day, gone, word]
            continue
        old_day, old_gone, old_word = stored[key]
        newer = day is not None and (old_day is None or day > old_day)  # type: ignore[operator]
        older = day is not None and old_day is not None and day < old_day  # type: ignore[operator]
        if old_gone:
            if not gone and newer and not covered:
                stored[key] = [day, False, word]
                renewed.add(key)
            elif gone and newer:
                stored[key][0] = day
        elif gone:
            if not older:
                stored[key] = [float("inf") if day is None else day, True, old_word]
        elif not covered and not older and (word != old_word or newer):
            renewed.add(key)
            stored[key] = [old_day if day is None else day, False, word]
    for key, (old_day, old_gone, _) in before.items():
        entry = key[0]
        now = stored[key]
        if old_gone or now[1] or key in renewed or entry not in kills:
            continue
        if old_day is None or old_day <= kills[entry]:  # type: ignore[operator]
            stored[key] = [kills[entry], True, before[key][2]]


def line(row: Given) -> dict[str, object]:
    entry, name, day, state, word = row
    return {
        "entry_id": entry,
        "algorithm": "entry" if state == "entry" else "md5",
        "hash": entry.encode() if state == "entry" else bytes.fromhex(s.md5(name)),
        "polarity": "positive",
        "classification": word,
        "provided_at": None if day is None else JAN_1 + timedelta(days=day),
        "deleted": state != "live",
    }


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rows_given, min_size=1, max_size=3))
@example([[("b", "y", 2, "live", "A1")], [("b", "x", None, "entry", "A1"), ("b", "y", 1, "gone", "A1")]])
def test_merging_is_what_a_plain_model_says(imports: list[list[Given]]) -> None:
    expected: dict[tuple[str, str], list[object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "source.parquet", Path(folder) / "known.parquet"
        for given_rows in imports:
            rows = [Entry(e["entry_id"], e["algorithm"], e["hash"], e) for e in map(line, given_rows)]  # type: ignore[arg-type]
            list_of(source, rows)
            model(expected, given_rows)
            summary = import_known([source], out)
            found = {}
            for row in s.rows_of(out):
                name = "*" if row["algorithm"] == "entry" else {s.md5(n): n for n in "xy"}[str(row["hash"])]
                when = row["provided_at"]
                day = None if when is None else (when - JAN_1).days  # type: ignore[operator]
                day = float("inf") if day is not None and day > 10 else day
                found[row["entry_id"], name] = [day, row["deleted"], row["classification"]]
            found = {k: [float("inf") if g and d is None else d, g, w] for k, (d, g, w) in found.items()}
            assert list(found) == list(expected)
            assert found == expected
            assert check_known(out)[1] == ()
            assert summary.rows == len(found)


def test_many_rows_across_batches_and_ranges(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hivescan.matching.lists.csv_rows.BATCH_ROWS", 700)
    monkeypatch.setattr("hivescan.matching.lists.stored.BATCH_ROWS", 900)
    monkeypatch.setattr("hivescan.matching.lists.merging._RANGE", 1000)
    monkeypatch.setattr("hivescan.matching.lists.spool._HELD_BYTES", 256)
    monkeypatch.setattr("hivescan.matching.lists.spool._IN_MEMORY", 1000)
    rows = {f"e{i}": "A1" for i in range(5000)}
    import_known([csv(tmp_path, *(f"{e},{s.md5(e)},{w},," for e, w in rows.items()))], out)
    changes = {f"e{i}": "B2" for i in range(5999, 0, -7)}
    gone = [f"e{i}" for i in range(0, 4000, 11) if f"e{i}" not in changes]
    lines = [f"{e},{s.md5(e)},{w},," for e, w in changes.items()] + [f"{e},{s.md5(e)},,,1" for e in gone]
    summary = import_known([csv(tmp_path, *lines)], out)
    new = [e for e in changes if e not in rows]
    assert counted(summary) == {"changed": len(changes) - len(new), "added": len(new), "withdrawn": len(gone)}
    expected = [(e, changes.get(e, "A1"), e in set(gone)) for e in [*rows, *new]]
    assert s.told(out, "entry_id", "classification", "deleted") == expected


def test_a_list_that_breaks_a_rule_is_refused_and_left(tmp_path: Path, out: Path) -> None:
    list_of(out, [Entry("a", "pdq", bytes(5))])
    before = out.read_bytes()
    with pytest.raises(KnownListError, match=r"a pdq hash is not 32 bytes long .*known check"):
        import_known([csv(tmp_path, f"a,{s.md5('a')},A1,,")], out)
    assert out.read_bytes() == before


def test_lists_of_others_come_in_with_their_times(tmp_path: Path, out: Path) -> None:
    other = tmp_path / "other.parquet"
    rows = [{"entry_id": "a", "algorithm": "md5", "hash": bytes(16), "polarity": "seed", "deleted": False,
             "updated_at": JAN_1, "unknown": 5}]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), other)
    import_known([other], out)
    assert s.told(out, "entry_id", "polarity", "provided_at") == [("a", "seed", JAN_1)]


def test_merging_lists_leaves_them_and_takes_the_newest(tmp_path: Path) -> None:
    a, b, out = (tmp_path / name for name in ("a.parquet", "b.parquet", "out.parquet"))
    old, new = {"provided_at": JAN_1}, {"provided_at": JAN_1 + timedelta(days=1)}
    one, two, three = bytes(16), b"2" * 16, b"3" * 16
    list_of(a, [Entry("1", "md5", one, {**old, "classification": "A1"}), Entry("2", "md5", two, new)])
    list_of(b, [Entry("3", "md5", three), Entry("1", "md5", one, {**new, "classification": "B2"}),
                Entry("2", "md5", two, {**old, "deleted": True})])  # fmt: skip
    before = a.read_bytes(), b.read_bytes()
    summary = merge_known([a, b], out)
    assert counted(summary) == {"added": 1, "changed": 1, "older": 1}
    assert s.told(out, "entry_id", "classification", "deleted") == [
        ("1", "B2", False), ("2", None, False), ("3", None, False)
    ]  # fmt: skip
    assert (a.read_bytes(), b.read_bytes()) == before
    in_place = merge_known([a, b], a)
    assert counted(in_place) == counted(summary)
    assert [r["entry_id"] for r in s.rows_of(a)] == ["1", "2", "3"]
    # Whoever knew the list that was at ``out`` finds by the times what is not in its place any more.
    stated = s.rows_of(out)[0]["updated_at"]
    merge_known([b, a], out)
    live = [r["updated_at"] for r in s.rows_of(out) if not r["deleted"]]
    assert len(live) == 3 and min(live) > stated
    list_of(b, [Entry("x", "pdq", bytes(3))])
    with pytest.raises(KnownListError, match="row 1: a pdq hash is not 32 bytes"):
        merge_known([a, b], out)


SLOW_IMPORT = """
import sys, time
from hivescan.matching.lists.importing import ImportEvents, import_known
def rows(n):
    print("at work", flush=True)
    time.sleep(float(sys.argv[3]))
import_known([sys.argv[1]], sys.argv[2], events=ImportEvents(on_rows=rows))
"""


def started(source: Path, out: Path, pause: float) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", SLOW_IMPORT, str(source), str(out), str(pause)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    return process


def test_a_kill_during_an_import_leaves_the_old_list_whole(tmp_path: Path, out: Path) -> None:
    import_known([csv(tmp_path, f"a,{s.md5('a')},A1,,")], out)
    before = out.read_bytes()
    names = [f"n{i}" for i in range(100)]
    source = csv(tmp_path, *(f"{n},{s.md5(n)},A1,," for n in names))
    with started(source, out, 60) as process:
        process.send_signal(signal.SIGKILL)
    assert out.read_bytes() == before
    assert counted(import_known([source], out)) == {"added": 100}
    assert {p.name for p in tmp_path.iterdir()} == {"x.csv", "known.parquet", ".known.parquet.lock"}


def test_two_imports_at_once_lose_no_rows_of_each_other(tmp_path: Path, out: Path) -> None:
    mine, others = tmp_path / "mine.csv", tmp_path / "others.csv"
    for path, names in ((mine, "abc"), (others, "cde")):
        s.written(path, "id,md5\n" + "".join(f"{n},{s.md5(n)}\n" for n in names))
    with started(others, out, 0.2) as process:
        import_known([mine], out)
        assert process.wait(60) == 0
    assert sorted(row[0] for row in s.told(out, "entry_id")) == list("abcde")  # type: ignore[type-var]


def test_an_import_that_waits_says_so(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    taken = lock.fcntl.flock

    def busy_once(descriptor: int, how: int) -> None:
        if how & lock.fcntl.LOCK_NB:
            raise BlockingIOError
        taken(descriptor, how)

    monkeypatch.setattr(lock.fcntl, "flock", busy_once)
    events = ImportEvents(on_wait=lambda: heard.append("waits"))
    import_known([csv(tmp_path, f"a,{s.md5('a')},A1,,")], out, events=events)
    assert heard == ["waits"]
