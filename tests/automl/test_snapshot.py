"""Snapshots: equal data has one, a changed file is noticed, splits keep together what belongs together."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivescan.automl.datasets.dataset import (
    Dataset,
    changed,
    delete_dataset,
    head_values,
    new_dataset,
    open_dataset,
    relabel_items,
    remove_items,
)
from hivescan.automl.datasets.difference import diff_snapshots
from hivescan.automl.datasets.snapshot import (
    Snapshot,
    open_snapshot,
    snapshot_id,
    snapshot_numbers,
    take_snapshot,
    take_validated_snapshot,
)
from hivescan.automl.datasets.split import groups_of, split
from hivescan.automl.items import HEAD
from hivescan.errors import DatasetError
from tests.automl.made_datasets import text_items


def texts(count: int) -> list[str | None]:
    return [
        f"{'abcdefghijklmnopqrstuvwxyz'[n % 26] * 9} {n * n * 7919} {chr(945 + n) * 8}" for n in range(count)
    ]


def notes(count: int = 24) -> Dataset:
    labels = ["good" if n % 2 else "bad" for n in range(count)]
    return new_dataset("notes", "text", text_items(texts(count), {"mood": labels}))


@pytest.mark.usefixtures("home")
class TestSnapshots:
    def test_the_same_data_again_is_the_same_snapshot(self) -> None:
        first = take_snapshot(notes())
        again = take_validated_snapshot(open_dataset("notes"))
        assert (again.snapshot.reference, again.is_new) == ("notes@1", False)
        relabel_items("notes", "mood", {1: "good"})
        assert take_snapshot(open_dataset("notes")).reference == "notes@2"
        relabel_items("notes", "mood", {1: "bad"})
        assert take_snapshot(open_dataset("notes")).id == first.id
        assert snapshot_numbers("notes") == [1, 2]

    def test_what_was_taken_is_what_is_opened(self) -> None:
        taken = take_snapshot(notes())
        for reference in ("notes", "notes@1"):
            opened = open_snapshot(reference)
            assert opened.id == taken.id
            assert opened.items.equals(taken.items)
            assert opened.heads == {"mood": ("bad", "good")}

    def test_its_files_are_read_only_and_changes_are_noticed(self, home: Path) -> None:
        take_snapshot(notes())
        folder = home / "datasets/notes/snapshots/1"
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o400}
        about = folder / "snapshot.json"
        about.chmod(0o600)
        told = json.loads(about.read_text())
        about.write_text(json.dumps(told | {"id": "0" * 64}))
        with pytest.raises(DatasetError, match="do not have the id"):
            open_snapshot("notes@1")
        about.write_text("{")
        with pytest.raises(DatasetError, match="damaged"):
            take_snapshot(open_dataset("notes"))
        about.write_text(json.dumps(told))
        items = folder / "items.parquet"
        items.chmod(0o600)
        items.write_bytes(items.read_bytes().replace(b"good", b"goot", 1))
        with pytest.raises(DatasetError, match="not as it was written"):
            open_snapshot("notes@1")

    def test_what_is_not_there_is_said_plainly(self) -> None:
        with pytest.raises(DatasetError, match="there is no dataset 'notes'"):
            open_snapshot("notes")
        notes()
        with pytest.raises(DatasetError, match="no snapshot yet"):
            open_snapshot("notes")
        take_snapshot(open_dataset("notes"))
        with pytest.raises(DatasetError, match="it has 1"):
            open_snapshot("notes@2")

    def test_the_difference_of_two(self) -> None:
        first = take_snapshot(notes())
        relabel_items("notes", "mood", {3: "good"})
        left = remove_items("notes", [5])
        more = text_items(["something entirely different"], {"mood": ["bad"]})
        more = more.set_column(0, "row", pa.array([left.next_row]))
        second = take_snapshot(changed(left, pa.concat_tables([left.items, more.cast(left.items.schema)])))
        found = diff_snapshots(first, second)
        assert [line.row for line in found.added] == [25]
        assert [line.row for line in found.removed] == [5]
        assert [(r.row, r.before, r.after) for r in found.relabelled] == [(3, "bad", "good")]
        assert not any(
            vars(diff_snapshots(first, first))[what] for what in ("added", "removed", "relabelled")
        )

    def test_a_row_number_is_never_given_again(self) -> None:
        notes()
        remove_items("notes", [24])
        assert open_dataset("notes").next_row == 25
        with pytest.raises(DatasetError, match="no row 24"):
            remove_items("notes", [24])

    def test_a_deleted_dataset_is_gone(self, home: Path) -> None:
        take_snapshot(notes())
        delete_dataset("notes")
        assert not (home / "datasets/notes").exists()
        with pytest.raises(DatasetError, match="there is no dataset"):
            open_dataset("notes")


def test_an_id_says_what_the_items_are_and_not_where_they_lie() -> None:
    items = text_items(texts(6), {"mood": ["good", "bad"] * 3}, {"site": ["x"] * 6})
    known = snapshot_id(items, "text")
    moved = items.set_column(4, items.schema.field("origin"), pa.array(["elsewhere"] * 6))
    assert snapshot_id(moved, "text") == known
    other = items.set_column(6, HEAD + "mood", pa.array(["bad", "good"] * 3))
    assert snapshot_id(other, "text") != known
    assert snapshot_id(items.slice(0, 5), "text") != known
    # Fixed: an id that was published must stay what it is.
    assert known == "59fd56c29027f68dd24a7880e9d826e236c20bdc09b69056177b8a65b934ec57"


def frozen(items: pa.Table, near: tuple[tuple[int, ...], ...] = ()) -> Snapshot:
    classes = {"mood": tuple(sorted({label for label in head_values(items, "mood") if label}))}
    return Snapshot("notes", 1, "", "text", classes, (), items, "", near)


class TestSplit:
    def test_each_class_has_its_share(self) -> None:
        items = text_items(texts(100), {"mood": ["bad"] * 80 + ["good"] * 20})
        train, test = split(frozen(items), share=0.2, by=None, seed=3)
        assert head_values(test, "mood").count("bad") == 16
        assert head_values(test, "mood").count("good") == 4
        assert train.num_rows == 80
        again = split(frozen(items), share=0.2, by=None, seed=3)
        assert again[1].equals(test)
        assert not split(frozen(items), share=0.2, by=None, seed=4)[1].equals(test)

    def test_what_belongs_together_stays_together(self) -> None:
        written = texts(60)
        written[30:40] = written[:10]
        authors = [f"author {n // 3}" for n in range(60)]
        items = text_items(written, {"mood": ["bad", "good"] * 30}, {"author": authors})
        snapshot = frozen(items, near=((41, 59),))
        _, test = split(snapshot, share=0.3, by="author", seed=0)
        chosen = set(test.column("row").to_pylist())
        for group in groups_of(snapshot, "author"):
            rows = {place + 1 for place in group}
            assert rows <= chosen or not rows & chosen
        assert 0.15 < len(chosen) / 60 < 0.45

    def test_what_cannot_be_split_is_an_error(self) -> None:
        items = text_items(texts(10), {"mood": ["bad", "good"] * 5}, {"author": ["one"] * 10})
        with pytest.raises(DatasetError, match="one group"):
            split(frozen(items), share=0.2, by="author", seed=0)
        with pytest.raises(DatasetError, match="between 0 and 1"):
            split(frozen(items), share=1.0, by=None, seed=0)
        with pytest.raises(DatasetError, match="no column 'writer'"):
            split(frozen(items), share=0.2, by="writer", seed=0)

    @given(
        st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 6)), min_size=4, max_size=40),
        st.floats(0.1, 0.6),
        st.integers(0, 5),
    )
    def test_both_sides_hold_every_item_once(
        self, drawn: list[tuple[str, int]], share: float, seed: int
    ) -> None:
        items = text_items(
            [f"text {n}" for n in range(len(drawn))],
            {"mood": [label for label, _ in drawn]},
            {"author": [f"{author}" for _, author in drawn]},
        )
        snapshot = frozen(items)
        if len(groups_of(snapshot, "author")) < 2:
            return
        train, test = split(snapshot, share=share, by="author", seed=seed)
        rows = [*train.column("row").to_pylist(), *test.column("row").to_pylist()]
        assert sorted(rows) == list(range(1, len(drawn) + 1))
        assert train.num_rows and test.num_rows
