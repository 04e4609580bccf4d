"""Negative and benign entries keep others from matching."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from hivescan.matching import variants
from hivescan.matching.match import match_store
from hivescan.matching.options import MatchOptions
from hivescan.store.store import Store
from tests.matching.stores import Entry, Item, Sample, flipped, list_of, store_of

GREY = bytes(range(32))
BENIGN = {"polarity": "benign"}


def matched(store: Store) -> set[tuple[str, str]]:
    query = "SELECT uri, entry_id FROM matches JOIN files USING (content_id)"
    return {(row["uri"], row["entry_id"]) for row in store.sql(query).to_pylist()}


@pytest.mark.parametrize("polarity", ["negative", "benign"])
def test_a_harmless_entry_vetoes_what_it_matches_as_closely(tmp_path: Path, polarity: str) -> None:
    items = [Item(f"/{bits}", [Sample(flipped(GREY, bits))]) for bits in (0, 10, 14, 30)]
    store = store_of(tmp_path / "store", items)
    known = list_of(
        tmp_path / "known.parquet",
        [Entry("bad", "pdq", GREY), Entry("fine", "pdq", flipped(GREY, 20), {"polarity": polarity})],
    )
    summary = match_store(store, [known])
    assert matched(store) == {("/0", "bad")}
    assert {(v.content_id, v.entry_id, v.distance, v.by_entry, v.by_distance) for v in summary.vetoed} == {
        (items[1].content_id, "bad", 10, "fine", 10),
        (items[2].content_id, "bad", 14, "fine", 6),
        (items[3].content_id, "bad", 30, "fine", 10),
    }
    assert {v.by_polarity for v in summary.vetoed} == {polarity}


def test_a_harmless_entry_vetoes_within_its_own_distance_only(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(flipped(GREY, 10))])])
    fine = Entry("fine", "pdq", flipped(GREY, 20), BENIGN | {"max_distance": 5})
    match_store(store, [list_of(tmp_path / "known.parquet", [Entry("bad", "pdq", GREY), fine])])
    assert matched(store) == {("/a", "bad")}


def test_a_harmless_digest_vetoes_all_of_a_content(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(GREY)]), Item("/b", [Sample(GREY)])])
    entries = [
        Entry("bad", "pdq", GREY),
        Entry("bad", "sha1", hashlib.sha1(b"/a").digest()),
        Entry("fine", "md5", hashlib.md5(b"/a").digest(), BENIGN),
    ]
    summary = match_store(store, [list_of(tmp_path / "known.parquet", entries)])
    assert matched(store) == {("/b", "bad")}
    assert {(v.algorithm, v.by_entry, v.by_algorithm) for v in summary.vetoed} == {
        ("pdq", "fine", "md5"),
        ("sha1", "fine", "md5"),
    }


def test_one_list_vetoes_another(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(GREY)])])
    bad = list_of(tmp_path / "bad.parquet", [Entry("bad", "pdq", GREY)])
    fine = list_of(tmp_path / "fine.parquet", [Entry("fine", "pdq", GREY, BENIGN)])
    assert match_store(store, [bad, fine]).found == 0
    assert match_store(store, [bad]).found == 1


def test_withdrawn_vetoes_do_not_count(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(GREY)])])
    fine = Entry("fine", "pdq", GREY, BENIGN | {"deleted": True})
    assert match_store(store, [list_of(tmp_path / "l.parquet", [Entry("bad", "pdq", GREY), fine])]).found == 1


def test_a_vetoed_frame_is_no_part_of_a_scene(tmp_path: Path) -> None:
    pictures = random.Random(5)
    every = [pictures.randbytes(32) for _ in range(12)]
    clip = Item("/clip", [Sample(h, 90, i * 1000) for i, h in enumerate(every)], "video")
    scenes = [
        Entry(
            f"v.{i}",
            "pdq",
            h,
            {"parent_id": "v", "scene_start_ms": i * 1000, "scene_end_ms": i * 1000 + 1000},
        )
        for i, h in enumerate(every)
    ]
    vetoes = [Entry(f"fine.{i}", "pdq", h, BENIGN) for i, h in enumerate(every) if i >= 4]
    store = store_of(tmp_path / "store", [clip])
    match_store(store, [list_of(tmp_path / "known.parquet", [*scenes, *vetoes])])
    (interval,) = store.sql("SELECT start_ms, end_ms FROM matches WHERE level = 'clip'").to_pylist()
    assert (interval["start_ms"], interval["end_ms"]) == (0, 4000)


def test_matches_and_vetoes_equal_those_found_one_by_one(tmp_path: Path) -> None:
    """The twin: every form of every stored hash with every entry, bit by bit."""
    rng = random.Random(4)
    centres = [rng.randbytes(32) for _ in range(6)]

    def near(value: bytes, most: int = 40) -> bytes:
        mask = sum(1 << bit for bit in rng.sample(range(256), rng.randrange(0, most)))
        return (int.from_bytes(value, "big") ^ mask).to_bytes(32, "big")

    def turned(value: bytes) -> bytes:
        forms = variants.forms(np.frombuffer(value, np.uint8)[None], [None], np.array([False]))
        return forms.hashes[rng.randrange(len(forms.hashes))].tobytes()

    import numpy as np

    items = [Item(f"/{i}", [Sample(near(turned(rng.choice(centres))))]) for i in range(120)]
    polarities = ["positive", "positive", "positive", "seed", "negative", "benign"]
    entries = [
        Entry(
            f"e{i}",
            "pdq",
            near(rng.choice(centres)),
            {"polarity": rng.choice(polarities), "max_distance": rng.choice([None, 12, 40])},
        )
        for i in range(60)
    ]
    store = store_of(tmp_path / "store", items)
    summary = match_store(store, [list_of(tmp_path / "known.parquet", entries)])

    expected: dict[tuple[str, str], tuple[int, str | None]] = {}
    vetoed = 0
    for item in items:
        forms = variants.forms(np.frombuffer(item.samples[0].hash, np.uint8)[None], [None], np.array([False]))
        nearest: dict[str, tuple[int, int]] = {}
        for entry in entries:
            limit = 31 if entry.more["max_distance"] is None else entry.more["max_distance"]
            assert isinstance(limit, int)
            for value, code in zip(forms.hashes, forms.code.tolist(), strict=True):
                bits = int(np.unpackbits(value ^ np.frombuffer(entry.hash, np.uint8)).sum())
                if bits <= limit:
                    nearest[entry.entry_id] = min(nearest.get(entry.entry_id, (999, 0)), (bits, code))
        harmless = {e.entry_id for e in entries if e.more["polarity"] in ("negative", "benign")}
        veto = min((d for name, (d, _) in nearest.items() if name in harmless), default=999)
        for name, (distance, code) in nearest.items():
            if name in harmless:
                continue
            if distance < veto:
                expected[item.uri, name] = (distance, variants.NAMES[code])
            else:
                vetoed += 1
    rows = store.sql(
        "SELECT uri, entry_id, distance, transformation FROM matches JOIN files USING (content_id)"
    ).to_pylist()
    assert {(r["uri"], r["entry_id"]): (r["distance"], r["transformation"]) for r in rows} == expected
    assert len(summary.vetoed) == vetoed
    assert vetoed > 20 and len(expected) > 50
    assert len({form for _, form in expected.values()}) == 8


def test_pictures_are_compared_turned_unless_told_otherwise(tmp_path: Path) -> None:
    import numpy as np

    pictures = random.Random(1)
    value = pictures.randbytes(32)
    forms = variants.forms(np.frombuffer(value, np.uint8)[None], [None], np.array([False]))
    items = [
        Item(f"/{code}", [Sample(h.tobytes())]) for h, code in zip(forms.hashes, forms.code, strict=True)
    ]
    known = list_of(tmp_path / "known.parquet", [Entry("e", "pdq", value)])
    store = store_of(tmp_path / "store", items)
    match_store(store, [known])
    told = {r["transformation"] for r in store.sql("SELECT transformation FROM matches").to_pylist()}
    assert told == {None, *(name for name in variants.NAMES[:8] if name)}
    plain = store_of(tmp_path / "plain", items)
    match_store(plain, [known], MatchOptions(turned=False))
    assert matched(plain) == {("/0", "e")}


def test_what_was_done_to_either_picture_is_told(tmp_path: Path) -> None:
    samples = [Sample(flipped(GREY, 60)), Sample(flipped(GREY, 3), transformation="unbordered")]
    store = store_of(tmp_path / "store", [Item("/a", samples)])
    entries = [
        Entry("e", "pdq", flipped(GREY, 128)),
        Entry("e", "pdq", GREY, {"transformation": "crop 5 %"}),
    ]
    match_store(store, [list_of(tmp_path / "known.parquet", entries)])
    (row,) = store.table("matches").to_pylist()
    assert (row["distance"], row["transformation"], row["known_transformation"]) == (
        3,
        "unbordered",
        "crop 5 %",
    )
