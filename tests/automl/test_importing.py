"""Datasets from tables, folders and stores: which column is what, and what becomes of odd files."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hivescan.automl.datasets.dataset import head_values, open_dataset
from hivescan.automl.datasets.importing import ImportOptions, create_dataset, import_more, import_new
from hivescan.errors import DatasetError, UsageError
from hivescan.store.schema import TABLES
from hivescan.store.writer import StoreWriter
from tests.automl.made_datasets import picture
from tests.matching.stores import Item, store_of

SENTENCES = [
    f"sentence number {n} tells of {word}" for n, word in enumerate(["ants", "bees", "cats", "dogs", "eels"])
]


def csv(path: Path, lines: list[str], encoding: str = "utf-8") -> Path:
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


def labelled(lines: int = 12) -> list[str]:
    return [f'"{SENTENCES[n % 5]}, part {n}",{"good" if n % 2 else "bad"}' for n in range(lines)]


@pytest.mark.usefixtures("home")
class TestTables:
    def test_the_text_and_the_head_are_found(self, tmp_path: Path) -> None:
        made = create_dataset("notes", csv(tmp_path / "a.csv", ["text,mood", *labelled()]))
        assert made.kind == "text"
        assert made.classes("mood") == {"bad": 6, "good": 6}
        assert made.items.column("text")[0].as_py() == f"{SENTENCES[0]}, part 0"
        # The line in the file, the header being line 1.
        assert made.items.column("origin_row").to_pylist()[:2] == [2, 3]
        assert open_dataset("notes").items.equals(made.items)

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16"])
    def test_encodings_are_told_apart(self, tmp_path: Path, encoding: str) -> None:
        lines = ["text,mood", *labelled(), '"Käse über alles, schön",good']
        made = create_dataset("notes", csv(tmp_path / "a.csv", lines, encoding))
        assert made.items.column("text")[-1].as_py() == "Käse über alles, schön"
        assert made.heads == ("mood",)

    def test_a_table_without_header_keeps_its_first_row(self, tmp_path: Path) -> None:
        imported = import_new("notes", csv(tmp_path / "a.csv", labelled()), ImportOptions())
        assert imported.added == 12
        assert imported.dataset.heads == ("column_2",)
        assert any("no header" in note for note in imported.notes)

    def test_a_header_that_is_said_to_be_one_is_one(self, tmp_path: Path) -> None:
        made = create_dataset(
            "notes", csv(tmp_path / "a.csv", labelled()), header=True, heads={"bad": "mood"}
        )
        assert made.items.num_rows == 11

    def test_quoted_cells_may_hold_lines_and_rows_know_where_they_start(self, tmp_path: Path) -> None:
        lines = ["text,mood", '"two lines\nof a text, and more","good"', *labelled()]
        made = create_dataset("notes", csv(tmp_path / "a.csv", lines))
        assert made.items.column("text")[0].as_py() == "two lines\nof a text, and more"
        assert made.items.column("origin_row").to_pylist()[:2] == [2, 4]

    def test_numbers_and_distinct_values_are_proposed_and_not_taken(self, tmp_path: Path) -> None:
        lines = [f"{line},{n % 3},id{n}" for n, line in enumerate(labelled())]
        path = csv(tmp_path / "a.csv", ["text,mood,votes,key", *lines])
        imported = import_new("notes", path, ImportOptions())
        assert imported.dataset.heads == ("mood",)
        assert imported.dataset.columns == ("votes", "key")
        doubts = {role.column: role.doubt or "" for role in imported.roles}
        assert "numbers, 3 different" in doubts["votes"]
        assert "mostly distinct" in doubts["key"]
        confirmed = create_dataset("more", path, heads={"votes": "count", "mood": None}, ignored=["key"])
        assert confirmed.heads == ("mood", "count")
        assert confirmed.columns == ()

    def test_without_a_certain_head_nothing_is_made(self, tmp_path: Path) -> None:
        lines = [f"{line.rpartition(',')[0]},{n}" for n, line in enumerate(labelled())]
        with pytest.raises(DatasetError, match=r"--head; the others are: votes \(numbers"):
            create_dataset("notes", csv(tmp_path / "a.csv", ["text,votes", *lines]))

    def test_names_of_heads_are_made_plain(self, tmp_path: Path) -> None:
        made = create_dataset("notes", csv(tmp_path / "a.csv", ["text,Is it good?", *labelled()]))
        assert made.heads == ("is_it_good",)

    def test_rows_with_too_many_fields_are_named(self, tmp_path: Path) -> None:
        path = csv(tmp_path / "a.csv", ["text,mood", *labelled(), "a,b,c,d"])
        imported = import_new("notes", path, ImportOptions())
        assert imported.left_out == ((f"{path}:14", "4 fields where there are 2 columns"),)

    @pytest.mark.parametrize("suffix", [".jsonl", ".json", ".parquet", ".tsv"])
    def test_every_form_of_table_gives_the_same_items(self, tmp_path: Path, suffix: str) -> None:
        rows = [{"text": f"{SENTENCES[n % 5]} {n}", "mood": "good" if n % 2 else "bad"} for n in range(12)]
        path = tmp_path / f"a{suffix}"
        if suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        elif suffix == ".tsv":
            path.write_text("text\tmood\n" + "".join(f"{r['text']}\t{r['mood']}\n" for r in rows))
        elif suffix == ".json":
            path.write_text(json.dumps(rows))
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        made = create_dataset("notes", path)
        assert made.items.column("text").to_pylist() == [row["text"] for row in rows]
        assert head_values(made.items, "mood") == [row["mood"] for row in rows]

    def test_a_column_named_twice_or_not_there_is_an_error(self, tmp_path: Path) -> None:
        path = csv(tmp_path / "a.csv", ["text,mood", *labelled()])
        with pytest.raises(DatasetError, match="two roles"):
            create_dataset("notes", path, heads=["mood"], ignored=["mood"])
        with pytest.raises(DatasetError, match="no column 'moood'"):
            create_dataset("notes", path, heads=["moood"])

    def test_a_name_is_used_once(self, tmp_path: Path) -> None:
        path = csv(tmp_path / "a.csv", ["text,mood", *labelled()])
        create_dataset("notes", path)
        with pytest.raises(DatasetError, match="already"):
            create_dataset("notes", path)
        with pytest.raises(UsageError, match="a-z"):
            create_dataset("My Notes", path)

    def test_adding_passes_over_what_is_there_and_never_gives_a_number_twice(self, tmp_path: Path) -> None:
        path = csv(tmp_path / "a.csv", ["text,mood", *labelled()])
        create_dataset("notes", path)
        more = csv(tmp_path / "b.csv", ["text,mood,tone", *(f"{line},loud" for line in labelled(14))])
        imported = import_more("notes", more, ImportOptions(heads={"tone": None, "mood": None}))
        # The same texts with one label more say something new.
        assert (imported.added, imported.there_already) == (14, 0)
        again = import_more("notes", path, ImportOptions())
        assert (again.added, again.there_already) == (0, 12)
        rows = again.dataset.items.column("row").to_pylist()
        assert rows == list(range(1, 27))
        assert head_values(again.dataset.items, "tone")[:12] == [None] * 12


@pytest.mark.usefixtures("home")
def test_spam_messages_in_latin_1_with_nameless_columns(data: Path) -> None:
    imported = import_new("spam", data / "text/sms_spam/spam.csv", ImportOptions(ignored=("column_3",)))
    made = imported.dataset
    assert made.kind == "text"
    assert made.classes("v1") == {"ham": 4825, "spam": 747}
    assert made.items.num_rows == 5572
    assert any("cp1252" in note or "latin-1" in note for note in imported.notes)


@pytest.mark.usefixtures("home")
def test_offensive_tweets_have_numbers_for_classes(data: Path) -> None:
    path = data / "text/offensive_tweets/labeled_data.csv"
    with pytest.raises(DatasetError, match="class"):
        create_dataset("tweets", path)
    made = create_dataset("tweets", path, heads=["class"])
    assert made.items.num_rows == 24783
    assert made.classes("class") == {"1": 19190, "2": 4163, "0": 1430}


@pytest.mark.usefixtures("home")
def test_essays_in_a_folder_a_class_are_texts(data: Path) -> None:
    made = create_dataset("essays", data / "text/ai_vs_human_essays", heads=["author"])
    assert made.kind == "text"
    assert set(made.classes("author")) == {"human", "chatgpt"}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    for seed in range(12):
        picture(folder / "train" / ("cat" if seed % 2 else "dog") / f"{seed}.jpg", seed)
    picture(folder / "test" / "cat" / "100.png", 100)
    (folder / "test" / "cat" / "notes.txt").write_text("no picture")
    return folder


def test_a_folder_of_splits_has_classes_beneath(home: Path, pictures: Path) -> None:
    imported = import_new("pets", pictures, ImportOptions(heads={"animal": None}))
    made = imported.dataset
    assert made.classes("animal") == {"cat": 7, "dog": 6}
    assert made.items.column("column:split").to_pylist().count("test") == 1
    assert [why for _, why in imported.left_out] == ["is no image by its ending"]
    assert all(len(content) == 64 for content in made.items.column("content_id").to_pylist())
    assert (home / "datasets/pets").stat().st_mode & 0o077 == 0


@pytest.mark.usefixtures("home")
def test_paths_of_a_table_are_taken_from_its_folder(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"train/{'cat' if n % 2 else 'dog'}/{n}.jpg,{'cat' if n % 2 else 'dog'}" for n in range(12)]
    lines += ["train/dog/gone.jpg,dog"]
    path = csv(pictures / "labels.csv", lines)
    monkeypatch.chdir("/")
    made = create_dataset("pets", path)
    assert made.kind == "image"
    assert made.items.column("uri")[0].as_py() == str(pictures / "train/dog/0.jpg")
    # A file that is not there is an item still, for validation to name.
    assert made.items.column("content_id")[-1].as_py() is None


@pytest.mark.usefixtures("home")
def test_decisions_of_a_store_become_labels(tmp_path: Path, pictures: Path) -> None:
    paths = sorted((pictures / "train" / "cat").iterdir())
    items = [Item(str(path), data=path.read_bytes()) for path in paths]
    store = store_of(tmp_path / "store", items)
    writer = StoreWriter(store, "review-1")
    rows = [
        {
            "content_id": item.content_id,
            "run_id": "review-1",
            "decision": "allow" if n % 2 else "block",
            "decided_by": "ann",
            "decided_at": datetime(2026, 1, day, tzinfo=UTC),
        }
        for n, item in enumerate(items)
        for day in (1, 2)
    ]
    writer.add("decisions", pa.Table.from_pylist(rows, schema=TABLES["decisions"]))
    writer.commit()
    made = create_dataset("reviewed", store=store.path, from_decisions=True)
    assert made.classes("decision") == {"allow": 3, "block": 3}
    assert made.columns == ("policy", "decided_by")
    query = "SELECT uri, decision AS verdict FROM decisions JOIN files USING (content_id)"
    asked = create_dataset("asked", store=store.path, query=query.replace("SELECT uri", "SELECT files.uri"))
    assert asked.classes("verdict") == {"allow": 3, "block": 3}
    with pytest.raises(UsageError, match="--store"):
        create_dataset("none", query="SELECT 1")
