"""What a check finds in a store that was tampered with or damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hivescan.store import parts
from hivescan.store.check import Problem, check_store
from hivescan.store.log import append, record_name
from hivescan.store.store import Store, open_store
from hivescan.store.writer import StoreWriter
from tests.store import rows


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store(tmp_path / "store", create=True)
    for i in range(52):
        writer = StoreWriter(store, f"r{i}")
        if i % 17 == 0:
            writer.add("analyses", rows.attempt("a", run=f"r{i}"))
            writer.add("scores", rows.scores("a", 0.1, 0.2, run=f"r{i}"))
        else:
            writer.add("runs", rows.run(f"r{i}", seconds=i))
        writer.commit()
    return store


def found(store: Store) -> str:
    return "\n".join(map(str, check_store(open_store(store.path))))


def test_a_sound_store_has_no_problems(store: Store) -> None:
    assert check_store(store) == []


def test_a_part_that_is_missing_cut_or_changed(store: Store) -> None:
    missing, cut, changed = [store.path / part.name for part in store.snapshot().parts("scores")[:3]]
    missing.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    data = bytearray(changed.read_bytes())
    data[40] ^= 1
    changed.write_bytes(data)
    text = found(store)
    assert f"scores/{missing.name}: is missing" in text
    assert f"scores/{cut.name}: has {cut.stat().st_size:,} bytes, the log says" in text
    assert f"scores/{changed.name}: its bytes were changed" in text
    assert len(text.splitlines()) == 3


def test_a_record_that_is_missing_or_changed(store: Store) -> None:
    path = store.path / record_name(7)
    original = path.read_bytes()
    path.write_bytes(original.replace(b'"run_id": "r6"', b'"run_id": "rX"'))
    assert f"{record_name(8)}: does not follow {record_name(7)}" in found(store)
    path.write_bytes(b"{}")
    assert f"{record_name(7)}: _log/000000000007.json is damaged" in found(store)
    path.unlink()
    assert f"{record_name(7)}: is missing" in found(store)


def test_a_list_of_parts_that_does_not_fit_its_records(store: Store) -> None:
    path = store.path / record_name(50)
    record = json.loads(path.read_bytes())
    record["live"] = record["live"][1:]
    path.write_bytes(json.dumps(record).encode())
    assert f"{record_name(50)}: its list of parts differs" in found(store)


def test_files_that_the_log_does_not_list_are_named_and_harmless(store: Store) -> None:
    store.blobs.put("scores/20260101T000000Z-00.parquet", b"torn")
    (problem,) = check_store(store)
    assert problem.harmless
    assert problem.where == "scores/20260101T000000Z-00.parquet"


def test_rows_that_are_there_twice_or_without_their_attempt(store: Store) -> None:
    twice = parts.conform("scores", rows.scores("a", 0.1, run="r0"))
    orphan = parts.conform("scores", rows.scores("b", 0.1, run="r0"))
    head = store.snapshot()
    for i, table in enumerate((twice, orphan)):
        part = parts.put_part(store.blobs, "scores", parts.encode(table), rows=1, columns=len(table.schema))
        next_head = append(store.blobs, head, kind="commit", commit=str(i), run_id="r0", added=[part])
        assert next_head is not None
        head = next_head
    problems = check_store(store)
    assert Problem("scores", "1 rows belong to no attempt in the ledger (analyses)") in problems
    assert any("1 keys are there more than once" in problem.message for problem in problems)
    assert not any(problem.harmless for problem in problems)


def test_a_part_whose_rows_are_not_those_of_its_table(store: Store) -> None:
    wrong = rows.content("a", run="r0")
    part = parts.put_part(store.blobs, "scores", parts.encode(wrong), rows=2, columns=11)
    append(store.blobs, store.snapshot(), kind="commit", commit="x", run_id="r0", added=[part])
    text = found(store)
    assert f"{part.name}: has 1 rows, the log says 2" in text
    assert f"{part.name}: its rows cannot be read: table scores needs the column" in text
