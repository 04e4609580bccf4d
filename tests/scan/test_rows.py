"""Findings become rows: every value in its place, of the store's own schema."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from hivescan.scan import rows as rows_module
from hivescan.scan.picking import pick
from hivescan.scan.rows import OTHER_LABEL, ResultRows
from hivescan.store.schema import TABLES
from hivescan.types import (
    ContentId,
    Evidence,
    Findings,
    Hashes,
    HeadScores,
    Level,
    Region,
    SampleKey,
    Says,
    Text,
    TopLabels,
    Vectors,
    Word,
)

TIMES = dict.fromkeys(("started_at", "recorded_at"), datetime(2026, 3, 1, tzinfo=UTC))
A, B = ContentId("a" * 64), ContentId("b" * 64)


def findings() -> Findings:
    return Findings(
        scores=(
            HeadScores(
                "m", "gun", ("yes_gun", "no_gun"), np.array([[0.25, 0.75], [1, 0], [0, 1]], np.float32)
            ),
        ),
        top=(TopLabels("m", "imagenet", ((("cat", 0.5), ("dog", 0.25)), (("cup", 1.0),), (("x", 0.125),))),),
        vectors=(Vectors("space", np.arange(12, dtype=np.float16).reshape(3, 4)),),
        hashes=(Hashes("pdq", (b"1" * 32, b"2" * 32, b"3" * 32), (100, None, 7)),),
        regions=((Region("n", "face", (0, 0, 1, 0, 1, 1, 0, 1), 0.5),), (), ()),
    )


KEYS = [
    SampleKey(A, Level.FRAME, 0, None, None),
    SampleKey(B, Level.FRAME, 0, 0, 1000),
    SampleKey(B, Level.FRAME, 1, 1000, 1500),
]


@pytest.fixture
def tables() -> dict[str, list[dict[str, object]]]:
    rows = ResultRows("run")
    rows.add("chain", KEYS, findings())
    assert rows.nbytes > 0
    made = rows.take()
    assert all(table.schema.equals(TABLES[name]) for name, table in made.items())
    assert rows.take() == {} and rows.nbytes == 0
    return {name: table.to_pylist() for name, table in made.items()}


def test_scores_have_a_row_a_label_with_the_sample_they_belong_to(tables) -> None:
    found = {
        (r["content_id"], r["index"], r["start_ms"], r["end_ms"], r["label"]): r["score"]
        for r in tables["scores"]
        if r["head"] == "gun"
    }
    assert found == {
        (A, 0, None, None, "yes_gun"): 0.25,
        (A, 0, None, None, "no_gun"): 0.75,
        (B, 0, 0, 1000, "yes_gun"): 1.0,
        (B, 0, 0, 1000, "no_gun"): 0.0,
        (B, 1, 1000, 1500, "yes_gun"): 0.0,
        (B, 1, 1000, 1500, "no_gun"): 1.0,
    }


def test_the_best_labels_of_a_large_head_sum_to_one_with_the_rest(tables) -> None:
    sums: dict[object, float] = {}
    for r in tables["scores"]:
        if r["head"] == "imagenet":
            sums[r["content_id"], r["index"]] = sums.get((r["content_id"], r["index"]), 0) + r["score"]
    assert set(sums.values()) == {1.0}
    other = [r["score"] for r in tables["scores"] if r["label"] == OTHER_LABEL]
    assert other == [0.25, 0.0, 0.875]


def test_hashes_vectors_and_regions_stand_with_their_samples(tables) -> None:
    assert [(r["content_id"], r["index"], r["hash"], r["quality"]) for r in tables["hashes"]] == [
        (A, 0, b"1" * 32, 100),
        (B, 0, b"2" * 32, None),
        (B, 1, b"3" * 32, 7),
    ]
    assert [list(r["vector"]) for r in tables["embeddings"]] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    (region,) = tables["regions"]
    assert (region["content_id"], region["region"], region["kind"], region["confidence"]) == (
        A,
        0,
        "face",
        0.5,
    )


def test_a_head_with_nothing_to_say_of_a_sample_writes_no_row() -> None:
    rows = ResultRows("run")
    scores = np.array([[np.nan, np.nan], [0.5, 0.5]], np.float32)
    rows.add("c", KEYS[:2], Findings(scores=(HeadScores("m", "h", ("x", "y"), scores),)))
    assert {r["content_id"] for r in rows.take()["scores"].to_pylist()} == {B}


def test_many_rows_become_tables_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the number of rows that are kept loose, the tables are the same."""
    made = []
    for most in (1, 5, 1_000):
        monkeypatch.setattr(rows_module, "_MOST_LOOSE", most)
        rows = ResultRows("run")
        for _ in range(4):
            rows.add("chain", KEYS, findings())
            rows.add_row("runs", {"run_id": "run", "command": "c", "status": "done"} | TIMES)
        assert rows.nbytes > 0
        made.append({n: sorted(map(repr, t.to_pylist())) for n, t in rows.take().items()})
    assert made[0] == made[1] == made[2]


def test_a_chain_that_is_dropped_leaves_the_others() -> None:
    rows = ResultRows("run")
    for chain in ("bad", "good", "bad"):
        rows.add(chain, KEYS, findings())
    rows.drop_chain("bad")
    assert {name: set(table["chain"].to_pylist()) for name, table in rows.take().items()} == {
        name: {"good"} for name in ("scores", "hashes", "embeddings", "regions")
    }


def test_picked_rows_are_those_of_the_chosen_samples() -> None:
    some = pick(findings(), [2, 0])
    assert some.hashes[0].hashes == (b"3" * 32, b"1" * 32)
    assert some.scores[0].scores.tolist() == [[0, 1], [0.25, 0.75]]
    assert some.top[0].rows[0] == (("x", 0.125),)
    assert some.regions is not None and [len(r) for r in some.regions] == [0, 1]


def test_what_files_spell_out_and_no_text_may_hold_becomes_rows() -> None:
    """JSON in a file may name half a surrogate pair, and numbers that are none."""
    rows = ResultRows("run")
    prompt = json.loads('"half \\ud83d, whole \\ud83d\\ude00"')
    piece = Evidence("generator", "a\udfff", Says.AI_GENERATED, {"prompt": prompt, "cfg": float("nan")})
    key = SampleKey(ContentId("a" * 64), Level.FILE, 0, None, None)
    rows.add("provenance", [key], Findings(evidence=((piece,),)))
    rows.add("passages", [key], Findings(texts=((Text("file", prompt),),)))
    made = rows.take()
    (evidence,) = made["evidence"].to_pylist()
    assert evidence["name"] == "a\ufffd"
    strictly = json.loads(evidence["value"], parse_constant=pytest.fail)
    assert strictly == {"prompt": "half \ufffd, whole \U0001f600", "cfg": None}
    assert made["texts"].column("text").to_pylist() == ["half \ufffd, whole \U0001f600"]


def test_texts_found_in_a_sample_stand_at_their_own_times_and_places() -> None:
    words = (Word("good", 100, 300, 0.5), Word("day", 350, 700))
    heard = (
        Text("speech", "good day", "en", start_ms=100, end_ms=700, words=words, track=1),
        None,
        Text("speech", "aye", None, confidence=0.25),
    )
    seen = (Text("ocr", "EXIT", polygon=(0, 0, 0.5, 0, 0.5, 0.25, 0, 0.25)),)
    rows = ResultRows("run")
    rows.add(
        "speech",
        [SampleKey(A, Level.UTTERANCE, 3, 60_000, 75_000), SampleKey(B, Level.FRAME, 0, None, None)],
        Findings(texts=(heard, seen)),
    )
    first, third, still = rows.take()["texts"].to_pylist()
    place = ("index", "region", "start_ms", "end_ms")
    assert [first[name] for name in place] == [3, 0, 60_100, 60_700]
    assert (first["level"], first["language"], first["track"]) == ("utterance", "en", 1)
    assert json.loads(first["words"]) == [
        {"text": "good", "start_ms": 60_100, "end_ms": 60_300, "confidence": 0.5},
        {"text": "day", "start_ms": 60_350, "end_ms": 60_700, "confidence": None},
    ]
    assert [third[name] for name in place] == [3, 2, 60_000, 75_000]
    assert third["words"] is None and third["confidence"] == 0.25
    assert [still[name] for name in place] == [0, 0, None, None]
    assert still["polygon"] == [0, 0, 0.5, 0, 0.5, 0.25, 0, 0.25]


def test_rows_about_a_thing_in_a_sample_name_it() -> None:
    key = SampleKey(A, Level.FACE, 7, 0, 1000, region=2)
    scores = HeadScores("m", "age", ("young", "old"), np.array([[0.25, 0.75]], np.float32))
    found = Findings(
        scores=(scores,),
        vectors=(Vectors("s", np.zeros((1, 2), np.float16)),),
        texts=((Text("file", "x"),),),
    )
    rows = ResultRows("run")
    rows.add("faces>ages", [key], found)
    made = {name: table.to_pylist() for name, table in rows.take().items()}
    assert {name: {(r["level"], r["index"], r["region"]) for r in rows} for name, rows in made.items()} == {
        name: {("face", 7, 2)} for name in ("scores", "embeddings", "texts")
    }
