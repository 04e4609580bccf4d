"""Every fault that is looked for, planted and found; and nothing else."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
from PIL import Image

from hivescan.audit.build_known import build_known
from hivescan.audit.match_paths import match_known
from hivescan.automl.datasets.dataset import Dataset, new_dataset, open_dataset
from hivescan.automl.datasets.findings import Check, Validation
from hivescan.automl.datasets.gallery import gallery_page
from hivescan.automl.datasets.importing import (
    ImportOptions,
    create_dataset,
    import_new,
)
from hivescan.automl.datasets.overview import overview
from hivescan.automl.datasets.refusal import text_content_id
from hivescan.automl.datasets.snapshot import take_snapshot, take_validated_snapshot
from hivescan.automl.datasets.validation import validate
from hivescan.automl.heads.train import train_model
from hivescan.automl.heads.train_options import TrainOptions
from hivescan.errors import DatasetError, UsageError
from hivescan.media.passages import passages_of
from tests.automl.made_datasets import picture, text_items
from tests.made_stores import MadeStore
from tests.matching.stores import Entry, Item, Sample, list_of, store_of

WORDS = ["river", "stone", "lamp", "cloud", "garden", "winter", "copper", "violin", "thunder", "meadow"]


def sentences(count: int, seed: int = 0) -> list[str]:
    chosen = random.Random(seed)
    return [" ".join(chosen.choices(WORDS, k=12)) + f" {'xyz'[n % 3]}{n}" for n in range(count)]


def moods(count: int) -> list[str | None]:
    return ["good" if n % 2 else "bad" for n in range(count)]


def made(
    texts: list[str | None], labels: list[str | None], name: str = "notes", **columns: list[str]
) -> Dataset:
    return new_dataset(name, "text", text_items(texts, {"mood": labels}, columns))


def checks(found: Validation) -> set[Check]:
    return {finding.check for finding in found.findings}


@pytest.mark.usefixtures("home")
class TestTexts:
    def test_good_data_has_no_findings(self) -> None:
        found = validate(made([*sentences(40)], moods(40)))
        assert found.findings == ()

    def test_a_label_that_differs_in_case_or_space_is_named_with_its_rows(self) -> None:
        labels = moods(40)
        labels[3], labels[7] = "Good", "good "
        (finding,) = validate(made([*sentences(40)], labels)).of(Check.SPELLING)
        assert finding.rows == (4, 8)
        assert "'Good' (1)" in finding.message
        assert finding.head == "mood"

    def test_empty_labels_and_small_classes(self) -> None:
        labels = moods(40)
        labels[0], labels[1], labels[5] = None, "  ", "rare"
        found = validate(made([*sentences(40)], labels))
        assert [f.rows for f in found.of(Check.EMPTY_LABEL)] == [(1,), (2,)]
        small = {f.rows for f in found.of(Check.SMALL_CLASS)}
        assert (6,) in small

    def test_a_head_with_one_class(self) -> None:
        (finding,) = validate(made([*sentences(10)], ["good"] * 10)).of(Check.ONE_CLASS)
        assert len(finding.rows) == 10

    def test_duplicates_keep_their_first_and_contradictions_are_another_finding(self) -> None:
        texts = [*sentences(40)]
        texts[10], texts[12], texts[21] = texts[0], texts[0], texts[2]
        found = validate(made(texts, moods(40)))
        (duplicate,) = found.of(Check.DUPLICATE)
        assert duplicate.groups == ((1, 11, 13), (3, 22))
        assert duplicate.leave_out == (11, 13)
        (conflict,) = found.of(Check.CONFLICT)
        assert conflict.rows == (3, 22)

    def test_near_duplicates_and_their_labels(self) -> None:
        texts = [*sentences(40)]
        texts[11] = f"{texts[0]} !"
        found = validate(made(texts, moods(40)))
        assert not found.errors
        assert found.of(Check.NEAR_DUPLICATE)[0].groups == ((1, 12),)
        assert found.of(Check.NEAR_CONFLICT)[0].rows == (1, 12)

    def test_what_train_and_test_share(self) -> None:
        texts = [*sentences(40)]
        shared: list[str | None] = [texts[4], f"{texts[5]} !!", *sentences(10, seed=9)]
        labels = moods(12)
        labels[7] = "unheard"
        found = validate(made(texts, moods(40)), test=made(shared, labels, "other"))
        (leak,) = found.of(Check.LEAK)
        assert (leak.rows, leak.test_rows) == ((5,), (1,))
        (near,) = found.of(Check.NEAR_LEAK)
        assert (near.rows, near.test_rows) == ((6,), (2,))
        (unknown,) = found.of(Check.UNKNOWN_IN_TRAIN)
        assert "'unheard'" in unknown.message

    def test_a_column_that_tells_the_class_is_a_shortcut(self) -> None:
        sites = ["here" if n % 2 else "there" for n in range(40)]
        pages = [f"page {n % 5}" for n in range(40)]
        found = validate(made([*sentences(40)], moods(40), site=sites, page=pages))
        (finding,) = found.of(Check.SHORTCUT)
        assert "column site alone tells" in finding.message
        assert not found.errors

    def test_what_is_invalid_fails_is_dropped_or_kept(self) -> None:
        texts, labels = [*sentences(40)], moods(40)
        texts[10] = texts[0]
        labels[1] = None
        labels[5] = "rare"
        dataset = made(texts, labels)
        with pytest.raises(DatasetError, match="3 faults"):
            take_snapshot(dataset)
        dropped = take_snapshot(dataset, on_invalid="drop")
        assert dropped.items.num_rows == 37
        assert dropped.left_out == 3
        assert not validate(dropped).errors
        assert take_snapshot(dataset, on_invalid="keep").items.num_rows == 40

    def test_dropping_goes_on_until_nothing_is_wrong(self) -> None:
        texts, labels = [*sentences(40)], moods(40)
        labels[0:5] = ["rare"] * 5
        texts[4] = texts[0]  # the duplicate goes, and with it the class
        dropped = take_snapshot(made(texts, labels), on_invalid="drop")
        assert dropped.heads == {"mood": ("bad", "good")}
        assert dropped.items.num_rows == 35

    def test_an_item_keeps_the_labels_that_are_not_at_fault(self) -> None:
        texts = [*sentences(40)]
        labels = moods(40)
        labels[5] = "rare"
        items = text_items(texts, {"mood": labels, "tone": ["loud", "quiet"] * 20})
        left = take_snapshot(new_dataset("notes", "text", items), on_invalid="drop")
        assert left.items.num_rows == 40
        assert left.items.column("head:mood")[5].as_py() is None
        assert left.heads["mood"] == ("bad", "good")


@pytest.mark.usefixtures("home")
def test_the_403_repeated_messages_of_the_spam_collection_are_dropped(data: Path) -> None:
    dataset = create_dataset("spam", data / "text/sms_spam/spam.csv", text="v2", heads={"v1": "spam"})
    taken = take_validated_snapshot(dataset, on_invalid="drop")
    (duplicate,) = taken.validation.of(Check.DUPLICATE)
    assert len(duplicate.leave_out) == 403
    assert taken.snapshot.items.num_rows == 5572 - 403


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Cats and dogs of different sizes, with one file of each kind of fault."""
    folder = tmp_path / "pets"
    for seed in range(24):
        label, size = ("cat", (160, 120)) if seed % 2 else ("dog", (128, 128))
        picture(folder / label / f"{seed:02}.jpg", seed, size=size)
    (folder / "cat" / "90.jpg").write_bytes((folder / "cat" / "01.jpg").read_bytes())
    with Image.open(folder / "cat" / "03.jpg") as image:
        image.resize((150, 112)).save(folder / "cat" / "91.jpg", quality=60)
    (folder / "cat" / "92.jpg").write_bytes(b"\xff\xd8\xff\xe0 this is no picture")
    (folder / "dog" / "93.jpg").write_bytes((folder / "cat" / "05.jpg").read_bytes())
    return folder


@pytest.mark.usefixtures("home")
def test_faults_of_pictures(pets: Path) -> None:
    dataset = create_dataset("pets", pets, heads=["animal"])
    (pets / "dog" / "00.jpg").unlink()
    picture(pets / "dog" / "02.jpg", 555, size=(128, 128))
    row_of = {
        Path(uri).name: row
        for uri, row in zip(
            dataset.items.column("uri").to_pylist(), dataset.items.column("row").to_pylist(), strict=True
        )
    }
    found = validate(dataset)
    (unreadable,) = found.of(Check.UNREADABLE)
    assert set(unreadable.rows) == {row_of["92.jpg"], row_of["00.jpg"]}
    assert found.of(Check.CHANGED)[0].rows == (row_of["02.jpg"],)
    assert set(found.of(Check.DUPLICATE)[0].rows) >= {row_of["01.jpg"], row_of["90.jpg"]}
    assert set(found.of(Check.CONFLICT)[0].rows) == {row_of["05.jpg"], row_of["93.jpg"]}
    near = found.of(Check.NEAR_DUPLICATE)[0].groups
    assert (row_of["03.jpg"], row_of["91.jpg"]) in near
    assert any("size alone tells" in finding.message for finding in found.of(Check.SHORTCUT))
    kept = take_snapshot(dataset, on_invalid="drop")
    assert kept.items.num_rows == 28 - 2 - 1 - 1 - 2
    assert not validate(kept).errors


@pytest.mark.usefixtures("home")
def test_known_material_is_refused_and_never_drawn(tmp_path: Path, pets: Path) -> None:
    before = create_dataset("before", pets, heads=["animal"])
    listed = pets / "cat" / "01.jpg"
    known = tmp_path / "known.parquet"
    build_known([str(listed)], known)
    imported = import_new("pets", pets, ImportOptions(heads={"animal": None}, known=(known,)))
    refused = {Path(item).name for item, _ in imported.refused}
    assert refused == {"01.jpg", "90.jpg"}
    assert imported.dataset.items.num_rows == 26
    # What was made before the list was known is told too, is kept out of snapshots, and is not drawn.
    (finding,) = validate(before).of(Check.KNOWN_MATERIAL)
    assert len(finding.rows) == 2
    assert take_snapshot(before, on_invalid="keep").items.num_rows == 26
    page = gallery_page(open_dataset("before"), blurred=False)
    assert page.count("known material: not shown") == 2
    text = create_text(tmp_path)
    with pytest.raises(UsageError, match="--known"):
        create_dataset("notes", text, known=[known])


@pytest.mark.usefixtures("home")
def test_matches_that_a_store_has_are_refused_in_what_is_asked_of_it(tmp_path: Path, pets: Path) -> None:
    paths = sorted((pets / "dog").iterdir())
    hashed = Sample(bytes(range(32)))
    items = [
        Item(str(path), [hashed] if n == 2 else [], data=path.read_bytes()) for n, path in enumerate(paths)
    ]
    store = store_of(tmp_path / "store", items)
    list_of(tmp_path / "known.parquet", [Entry("e1", "pdq", bytes(range(32)), {"hash_set": "set one"})])
    match_known([tmp_path / "known.parquet"], store.path)
    query = "SELECT uri, CASE WHEN uri LIKE '%0.jpg' THEN 'a' ELSE 'b' END AS label FROM files"
    imported = import_new("asked", None, ImportOptions(store=str(store.path), query=query))
    assert imported.refused == ((str(paths[2]), "matches known material (set one: e1)"),)
    assert imported.added == len(paths) - 1


@pytest.mark.usefixtures("home")
def test_what_a_store_says_is_to_be_escalated_is_never_shown_nor_learned_from(
    tmp_path: Path, pets: Path
) -> None:
    dataset = create_dataset("pets", pets, heads=["animal"])
    taken = take_snapshot(dataset, on_invalid="drop")
    file = Path(taken.items.column("uri")[3].as_py())
    store = MadeStore(tmp_path / "store")
    store._add(
        "decisions", content_id=hashlib.sha256(file.read_bytes()).hexdigest(), decision="escalate",
        reason="one says this, one says that", decided_by="rule", decided_at=store.at, run_id=store.run_id,
    )  # fmt: skip
    store.done()
    asked = TrainOptions(stores=(str(store.path),))
    with pytest.raises(DatasetError, match=r"1 item that nothing .* escalate: one says this"):
        train_model("animals", taken.reference, options=asked)
    # Once a store has said so, it counts without being named.
    with pytest.raises(DatasetError, match="nothing may be trained on"):
        train_model("animals", taken.reference)
    (finding,) = validate(dataset).of(Check.ESCALATE)
    assert finding.is_error
    assert take_snapshot(dataset, on_invalid="drop").items.num_rows == taken.items.num_rows - 1
    assert gallery_page(open_dataset("pets"), blurred=False).count("escalate: not shown") == 1
    again = import_new("again", pets, ImportOptions(heads={"animal": None}))
    assert [(Path(name).name, why) for name, why in again.refused] == [
        (file.name, "escalate: one says this, one says that")
    ]


@pytest.mark.usefixtures("home")
def test_texts_that_are_to_be_escalated_are_refused_and_never_shown(tmp_path: Path) -> None:
    source = create_text(tmp_path)
    dataset = create_dataset("notes", source)
    text = dataset.items.column("text")[4].as_py()
    store = MadeStore(tmp_path / "store")
    store._add(
        "decisions", content_id=text_content_id(text), decision="escalate", reason="seen by hand",
        decided_by="anna", decided_at=store.at, run_id=store.run_id,
    )  # fmt: skip
    store.done()
    assert text in gallery_page(dataset, blurred=False)
    imported = import_new("asked", source, ImportOptions(store=str(store.path)))
    assert [why for _, why in imported.refused] == ["escalate: seen by hand"]
    assert text not in imported.dataset.items.column("text").to_pylist()
    # The store need not be named again.
    page = gallery_page(dataset, blurred=False)
    assert text not in page
    assert "escalate: not shown" in page
    (told,) = overview(dataset, examples=20).heads
    examples = [one for some in told.examples.values() for one in some]
    assert text not in examples
    assert examples.count("escalate: not shown") == 1


@pytest.mark.usefixtures("home")
def test_texts_that_were_read_in_what_is_to_be_escalated_are_refused(tmp_path: Path) -> None:
    """A store knows a file by its bytes and each passage as it was cut: datasets know texts by themselves."""
    long = "".join(f"Sentence number {i} goes on for a while. " for i in range(80)) + "\n"
    short = "A short text.\n"
    store = MadeStore(tmp_path / "store")
    texts = {"a": (long, True), "b": ("Another one.", False), "c": (short, True)}
    for name, (text, is_bad) in texts.items():
        content = store.file(f"/m/{name}.txt", media_type="text", chains=["passages"])
        for index, passage in enumerate(passages_of(text)):
            store.passage(content, index, passage, 0, len(passage))
        if is_bad:
            store._add(
                "decisions", content_id=content, decision="escalate", reason="by hand", decided_by="anna",
                decided_at=store.at, run_id=store.run_id,
            )  # fmt: skip
    store.done()
    query = "SELECT text, parse_filename(uri) AS name FROM texts JOIN items USING (content_id)"
    asked = ImportOptions(text="text", heads={"name": None}, store=str(store.path), query=query)
    taken = import_new("taken", None, asked)
    assert taken.dataset.items.column("text").to_pylist() == ["Another one."]
    assert len(taken.refused) == len(passages_of(long)) + 1
    folder = tmp_path / "folder"
    for name, (text, _) in texts.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "text.txt").write_text(text)
    # The store need not be named again.
    assert import_new("files", folder, ImportOptions()).dataset.items.column("text").to_pylist() == [
        "Another one."
    ]


def create_text(folder: Path) -> Path:
    path = folder / "notes.csv"
    rows = zip(sentences(20), moods(20), strict=True)
    path.write_text("text,mood\n" + "".join(f"{text},{mood}\n" for text, mood in rows))
    return path


@pytest.mark.usefixtures("home")
def test_the_page_is_blurred_and_fetches_nothing(tmp_path: Path, pets: Path) -> None:
    dataset = create_dataset("pets", pets, heads=["animal"])
    blurred, plain = gallery_page(dataset, most=2), gallery_page(dataset, most=2, blurred=False)
    for page in (blurred, plain):
        assert page.count("<img ") == 4
        assert "http" not in page.replace("http-equiv", "")
        assert "default-src 'none'" in page
    assert len(blurred) < len(plain)
    notes = create_dataset("notes", create_text(tmp_path))
    assert WORDS[0] not in gallery_page(notes)
    assert WORDS[0] in gallery_page(notes, blurred=False)
