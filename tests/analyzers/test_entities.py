"""The analyzer of entities in a scan: rows with places, and heads that say whether there are any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hivescan.analyzers import registry
from tests.scan.scenes import rows, scan

TEXT = "Write to jane [at] example [dot] com or call +1 202-555-0143.\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("entities")
    media = folder / "media"
    media.mkdir()
    (media / "note.txt").write_text(TEXT)
    (media / "card.txt").write_text("My card is 4111 1111 1111 1111, see https://shop.example.co.uk/pay\n")
    (media / "plain.txt").write_text("A quiet morning in the garden with nothing to report.\n")
    summary = scan(folder / "store", media, analyzers=("hashes", "passages", "entities"))
    assert (summary.failed, summary.partial) == (0, 0)
    return folder / "store"


def test_every_find_is_a_row_with_its_place(store: Path) -> None:
    found = rows(
        store,
        "SELECT kind, value, domain, disguised, text[e.char_start + 1:e.char_end] AS written "
        "FROM entities e JOIN texts USING (content_id, index) JOIN items USING (content_id) "
        "ORDER BY uri DESC, e.char_start",
    )
    assert [(r["kind"], r["value"], r["domain"], r["disguised"]) for r in found] == [
        ("email", "jane@example.com", "example.com", True),
        ("phone", "+12025550143", None, False),
        ("card", "visa …1111", None, False),
        ("url", "https://shop.example.co.uk/pay", "example.co.uk", False),
    ]
    assert found[0]["written"] == "jane [at] example [dot] com"


def test_heads_say_whether_there_are_any(store: Path) -> None:
    found = rows(
        store,
        "SELECT parse_filename(uri) AS name, label FROM scores JOIN items USING (content_id) "
        "WHERE score = 1 ORDER BY name, label",
    )
    assert [(r["name"], r["label"]) for r in found] == [
        ("card.txt", "payment_data"),
        ("card.txt", "yes_text_links"),
        ("note.txt", "contact_data"),
        ("note.txt", "no_text_links"),
        ("plain.txt", "no_personal_data"),
        ("plain.txt", "no_text_links"),
    ]


def test_passages_have_their_language(store: Path) -> None:
    found = rows(
        store, "SELECT language FROM texts JOIN items USING (content_id) WHERE uri LIKE '%plain.txt'"
    )
    assert found == [{"language": "en"}]


def test_of_many_texts_each_has_its_own_row_whatever_stands_beside_it() -> None:
    analyzer = registry.load("entities")
    texts = np.empty(3, object)
    texts[:] = ["", TEXT, "nothing"]
    together = analyzer.infer({"text": texts})
    alone = [analyzer.infer({"text": texts[i : i + 1]}) for i in range(3)]
    assert together.entities == tuple(one.entities[0] for one in alone if one.entities is not None)
    for head, *others in zip(together.scores, *(one.scores for one in alone), strict=True):
        assert np.array_equal(head.scores, np.concatenate([other.scores for other in others]))
