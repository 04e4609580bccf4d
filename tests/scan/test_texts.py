"""Text files in a scan: passages with their places, and scores of a trained head for each."""

from __future__ import annotations

import shutil
from email.message import EmailMessage
from pathlib import Path

import numpy as np
import pytest

from hivescan.automl.deploy import deploy
from hivescan.automl.trained import Base, save_version
from hivescan.media.selection import SourceOptions
from hivescan.models.cards import find_card
from hivescan.models.fetch import obstacle
from hivescan.models.network import space_of
from hivescan.models.text_tower import open_text_tower
from hivescan.models.vector_head import VectorHead
from hivescan.scan.config import RunSummary
from hivescan.scan.payload import packed_text, unpacked_text
from hivescan.types import Limits, TextView
from tests.automl.made_models import made_head, record_of
from tests.media.made_pdf import pdf_of
from tests.scan.finders import use_finders
from tests.scan.scenes import comparable, make_clip, rows, scan

LONG = "".join(f"Sentence number {i} goes on for quite a while here. " for i in range(200))


@pytest.fixture
def folder(tmp_path: Path, photos: Path) -> Path:
    made = tmp_path / "media"
    made.mkdir()
    (made / "long.txt").write_text(LONG)
    (made / "short.md").write_text("# A title\n\nAnd some words.\n")
    (made / "page.html").write_text("<html><body><p>A <b>page</b>.</p></body></html>")
    (made / "talk.srt").write_text("1\n00:00:01,000 --> 00:00:02,500\nA line that is spoken.\n")
    (made / "blank.txt").write_text(" \n" * 50)
    shutil.copy(photos / "coffee.png", made)
    make_clip(made / "clip.mp4")
    return made


@pytest.fixture
def text_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VectorHead:
    """A head on vectors of texts, deployed under the name ``tone``."""
    monkeypatch.setenv("HIVESCAN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HIVESCAN_MODELS", raising=False)
    card = find_card("minilm_l6")
    reason = obstacle(card)
    if reason is not None or card.embedding is None:
        pytest.skip(f"minilm_l6: {reason}")
    head = made_head("tone", dimensions=card.embedding.dimensions)
    save_version("tone", "text", Base(card.name, space_of(card)), {"tone": (head, record_of(head))})
    deploy("tone")
    return head


def test_passages_stand_in_the_store_with_their_places(folder: Path, tmp_path: Path) -> None:
    summary = scan(tmp_path / "a", folder, analyzers=("hashes", "passages"), workers=1)
    assert (summary.failed, summary.partial, summary.samples) == (0, 0, 4)
    found = rows(
        tmp_path / "a",
        "SELECT parse_filename(uri) AS name, t.* FROM texts t JOIN items USING (content_id) "
        "ORDER BY uri, index",
    )
    long = [row for row in found if row["name"] == "long.txt"]
    assert all(LONG[r["char_start"] : r["char_end"]] == r["text"] for r in long)
    assert long[0]["char_start"] == 0 and long[-1]["char_end"] == len(LONG.rstrip())
    assert [r["index"] for r in long] == list(range(len(long)))
    (talk,) = [row for row in found if row["name"] == "talk.srt"]
    assert (talk["text"], talk["start_ms"], talk["end_ms"]) == ("A line that is spoken.", 1000, 2500)
    assert {(row["level"], row["origin"]) for row in found} == {("passage", "file")}
    scan(tmp_path / "b", folder, analyzers=("hashes", "passages"), workers=3)
    assert comparable(tmp_path / "a") == comparable(tmp_path / "b")
    assert scan(tmp_path / "a", folder, analyzers=("hashes", "passages")).analyzed == 0


def test_texts_that_no_head_looked_at_are_not_called_looked_at(folder: Path, tmp_path: Path) -> None:
    scan(tmp_path / "a", folder, analyzers=("hashes", "passages"))
    found = rows(tmp_path / "a", "SELECT DISTINCT status FROM items WHERE media_type = 'text'")
    assert found == [{"status": "not_analyzed"}]


def test_a_deployed_head_scores_every_passage_and_every_text_that_is_found(
    folder: Path, tmp_path: Path, text_head: VectorHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words found in pictures are read in the same pass. That vectors of pictures are stored, too, does
    not matter to a head on vectors of texts."""
    use_finders(monkeypatch)
    both = ("hashes", "passages", "tone", "speller")
    summary = scan(tmp_path / "a", folder, analyzers=both, workers=1)
    assert (summary.failed, summary.partial) == (0, 0)
    found = rows(
        tmp_path / "a",
        """SELECT s.chain, text, label, score FROM scores s JOIN texts t
            ON s.content_id = t.content_id AND s.index = t.index AND s.region IS NOT DISTINCT FROM t.region
        WHERE model = 'tone'""",
    )
    assert {row["chain"] for row in found} == {"tone", "speller>tone"}
    texts = sorted({row["text"] for row in found})
    assert len(texts) > 10 and len(found) == 2 * len(texts)
    expected = text_head.probabilities(
        open_text_tower(find_card("minilm_l6")).vectors(texts).astype(np.float16)
    )
    for row in found:
        assert row["score"] == expected[texts.index(row["text"])][text_head.labels.index(row["label"])]
    statuses = rows(tmp_path / "a", "SELECT DISTINCT status FROM items")
    assert statuses == [{"status": "done"}]
    scan(tmp_path / "b", folder, analyzers=("speller", *both[:3]), workers=3, batch_size=2)
    assert comparable(tmp_path / "a") == comparable(tmp_path / "b")
    assert scan(tmp_path / "a", folder, analyzers=both).analyzed == 0


@pytest.mark.parametrize("text", ["", "word", "\U0001f600" * 1_000, "\0zero\0"])
def test_a_text_crosses_as_it_is(text: str) -> None:
    packed = packed_text(text, TextView())
    assert len(packed) == TextView().nbytes
    assert unpacked_text(packed) == text


def test_a_text_of_more_passages_than_allowed_is_partial_with_what_came_before(tmp_path: Path) -> None:
    """All that is found in a file is held until its end, so that has to be bounded."""
    (tmp_path / "long.txt").write_text("A sentence that says little. " * 1_000, encoding="utf-8")
    store = tmp_path / "store"
    summary = scan(store, tmp_path / "long.txt", analyzers=("passages",), limits=Limits(max_frames=7))
    assert summary.partial == 1
    (item,) = rows(store, "SELECT reason FROM items")
    assert item["reason"] == "more than 7 passages of text, the limit for one file"
    assert rows(store, "SELECT count(*) AS n FROM texts") == [{"n": 7}]


def test_each_text_of_a_table_is_an_item_with_rows_of_its_own(tmp_path: Path) -> None:
    table, store = tmp_path / "posts.csv", tmp_path / "store"
    long = "A sentence that is part of a long text. " * 4_000
    lines = ["author,body", "7,Hello you", "8,GIF89a", f'9,"{long}"', "10,", "11,Hello you"]
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    columns = SourceOptions(text_columns=("body",))

    def scanned() -> RunSummary:
        return scan(store, table, analyzers=("passages",), source_options=columns, workers=2)

    first = scanned()
    assert (first.files, first.analyzed, first.duplicates, first.skipped, first.failed) == (5, 3, 1, 1, 0)
    items = rows(
        store,
        "SELECT uri, status, reason, author FROM items ORDER BY uri",
    )
    assert [item["uri"] for item in items] == [f"{table}#col=body&row={n}" for n in range(1, 6)]
    assert [item["author"] for item in items] == ["7", "8", "9", "10", "11"]
    assert (items[3]["status"], items[3]["reason"]) == ("skipped", "the cell is empty")
    found = rows(
        store, "SELECT manifest_row, index, text FROM texts JOIN items USING (content_id) ORDER BY ALL"
    )
    assert [(row["manifest_row"], row["text"]) for row in found if row["manifest_row"] != 3] == [
        (1, "Hello you"),
        (2, "GIF89a"),
        (5, "Hello you"),
    ]
    assert len([row for row in found if row["manifest_row"] == 3]) > 100

    again = scanned()
    assert (again.unchanged, again.analyzed, again.duplicates, again.skipped) == (5, 0, 0, 0)
    table.write_text("\n".join([*lines[:2], "8,Another text", lines[3]]) + "\n", encoding="utf-8")
    changed = scanned()
    assert (changed.unchanged, changed.analyzed, changed.gone) == (2, 1, 2)


def test_mail_and_documents_are_read_and_what_is_left_out_of_them_is_said(tmp_path: Path) -> None:
    media, store = tmp_path / "media", tmp_path / "store"
    media.mkdir()
    message = EmailMessage()
    message["From"], message["Subject"] = "a@example.org", "Lunch"
    message.set_content("We meet on Monday.")
    (media / "plain.eml").write_bytes(message.as_bytes())
    message.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="a.png")
    (media / "with.eml").write_bytes(message.as_bytes())
    (media / "paper.pdf").write_bytes(pdf_of(["Page one.", "Page two."]))
    (media / "broken.pdf").write_bytes(b"%PDF-1.4\n")
    scan(store, media, analyzers=("passages",), workers=1)
    found = rows(store, "SELECT parse_filename(uri) AS name, status, reason FROM items ORDER BY uri")
    assert [(row["name"], row["status"]) for row in found] == [
        ("broken.pdf", "failed"), ("paper.pdf", "not_analyzed"), ("plain.eml", "not_analyzed"),
        ("with.eml", "partial"),
    ]  # fmt: skip
    assert found[3]["reason"] == "attachments are not opened: one was left out"
    pages = rows(store, "SELECT part, text FROM texts JOIN contents USING (content_id) "
                        "WHERE mime = 'application/pdf' ORDER BY part")  # fmt: skip
    assert pages == [{"part": 1, "text": "Page one."}, {"part": 2, "text": "Page two."}]
