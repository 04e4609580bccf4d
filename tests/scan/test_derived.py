"""Things found within samples: what looks at them sees the same in any batch; rows say where they are."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

import hivescan
from hivescan.analyzers import finishing
from hivescan.analyzers.finishing import Pieces
from hivescan.errors import UsageError
from hivescan.store.check import check_store
from hivescan.types import Findings, Region
from tests.scan.finders import MARKER, host_that_dies_once, host_with_small_portions, use_finders
from tests.scan.scenes import PHOTOS, comparable, make_clip, rows, scan

ALL = ("finder", "ager", "speller", "critic")


@pytest.fixture
def finders(monkeypatch: pytest.MonkeyPatch) -> None:
    use_finders(monkeypatch)


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    folder = tmp_path_factory.mktemp("derived") / "media"
    folder.mkdir()
    for name in PHOTOS:
        shutil.copy(photos / name, folder / name)
    make_clip(folder / "clip.mp4", seconds=6)
    (folder / "notes.txt").write_text("A plain text.\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, media: Path) -> Path:
    """A store of all of it."""
    with pytest.MonkeyPatch.context() as patch:
        use_finders(patch)
        store = tmp_path_factory.mktemp("derived") / "store"
        scan(store, media, analyzers=ALL, workers=1)
        return store


def ledger(store: Path) -> dict[tuple[str, str], list[tuple[str, int]]]:
    """Every attempt, by file and chain: how it ended, and on how many samples."""
    found: dict[tuple[str, str], list[tuple[str, int]]] = {}
    query = """SELECT f.uri, a.chain, a.status, a.samples FROM raw.analyses a JOIN files f USING (content_id)
        ORDER BY a.finished_at"""
    for row in rows(store, query):
        found.setdefault((Path(row["uri"]).name, row["chain"]), []).append((row["status"], row["samples"]))
    return found


def test_rows_about_what_was_found_name_it_and_stand_at_its_times(whole: Path) -> None:
    crops = rows(
        whole,
        """SELECT r.index, r.region, r.start_ms, r.end_ms, s.level, s.start_ms AS s, s.end_ms AS e, s.score
        FROM regions r LEFT JOIN scores s ON s.chain = 'finder>ager' AND label = 'yes_old'
            AND s.content_id = r.content_id AND s.index = r.index AND s.region = r.region""",
    )
    assert len(crops) > 10 and any(r["start_ms"] for r in crops)
    known = [r for r in crops if r["score"] is not None]
    assert len(known) >= len(crops) - 3
    assert {(r["level"], r["s"] == r["start_ms"], r["e"] == r["end_ms"]) for r in known} == {
        ("face", True, True)
    }
    words = rows(
        whole,
        """SELECT t.index, t.region, t.start_ms AS at, s.start_ms, s.level, s.score, t.text
        FROM texts t LEFT JOIN scores s ON s.chain = 'speller>critic' AND s.label = 'yes_rude'
            AND s.content_id = t.content_id AND s.index = t.index AND s.region = t.region
        WHERE t.origin = 'ocr'""",
    )
    assert len(words) == len(crops)
    assert all(w["level"] == "passage" and w["score"] is not None and w["start_ms"] == w["at"] for w in words)
    assert all(w["at"] == 1000 * w["index"] + 10 * w["region"] for w in words if w["at"] is not None)
    assert all(w["text"].startswith(f"word {w['region']} of") for w in words)


def test_the_store_checks_out(whole: Path) -> None:
    """Two finds of one sample have rows of the same head, and are not there twice."""
    assert [problem for problem in check_store(hivescan.open(whole)) if not problem.harmless] == []


def test_where_nothing_was_found_there_are_no_rows_and_the_chain_is_done(whole: Path) -> None:
    found = ledger(whole)
    empty = [name for name in PHOTOS if found[name, "finder>ager"] == [("done", 0)]]
    counts = rows(whole, "SELECT count(DISTINCT content_id) AS n FROM regions")
    assert len(empty) == len(PHOTOS) + 1 - counts[0]["n"]
    assert all(found[name, "finder"] == [("done", 1)] for name in empty)


def test_texts_of_files_and_of_pictures_have_the_same_reader(whole: Path) -> None:
    found = ledger(whole)
    assert found["notes.txt", "critic"] == [("done", 1)]
    assert ("notes.txt", "speller>critic") not in found and ("coffee.png", "critic") not in found
    heads = rows(whole, "SELECT head, chain FROM heads ORDER BY ALL")
    assert {(h["head"], h["chain"]) for h in heads} == {("old", "finder>ager"), ("rude", "critic")}


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 2), (5, 1)])
def test_rows_do_not_depend_on_batches_portions_or_order(
    batch_size: int,
    workers: int,
    whole: Path,
    media: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_finders(monkeypatch, host_with_small_portions)
    files: list[Any] = sorted(media.iterdir())
    random.Random(batch_size).shuffle(files)
    listed = tmp_path / "files.txt"
    listed.write_text("".join(f"{file}\n" for file in files))
    scan(tmp_path / "store", f"@{listed}", analyzers=ALL, workers=workers, batch_size=batch_size)
    ours, theirs = comparable(tmp_path / "store"), comparable(whole)
    for made in (ours, theirs):
        del made["files"]  # of another source
    assert ours == theirs


def test_what_looks_at_finds_can_be_added_later_and_brings_its_finder_along(
    finders: None, whole: Path, media: Path, tmp_path: Path
) -> None:
    scan(tmp_path / "store", media, analyzers=("finder",))
    later = scan(tmp_path / "store", media, analyzers=("ager",))
    assert later.analyzers == ("finder", "finder>ager")
    assert {len(attempts) for attempts in ledger(tmp_path / "store").values()} == {1}
    for table in ("regions", "embeddings"):
        ours, theirs = comparable(tmp_path / "store")[table], comparable(whole)[table]
        assert ours == [row for row in theirs if "speller" not in row]
    assert scan(tmp_path / "store", media, analyzers=("ager",)).analyzed == 0


def test_a_reader_that_fails_on_one_find_costs_its_own_chain_alone(
    finders: None, media: Path, whole: Path, tmp_path: Path
) -> None:
    """The clip's many corners hold one that the reader dreads."""
    found = ledger(whole)
    hurt = {key for key, attempts in found.items() if attempts[-1][0] != "done"}
    assert hurt and {chain for _, chain in hurt} == {"finder>ager"}
    reasons = rows(whole, "SELECT reason, retryable FROM analyses WHERE status IN ('partial', 'failed')")
    assert {r["reason"] for r in reasons} == {"the model failed on it"}
    shutil.copytree(whole, tmp_path / "store")
    scan(tmp_path / "store", media, analyzers=ALL, retry_errors=True)
    again = {key for key, attempts in ledger(tmp_path / "store").items() if len(attempts) > 1}
    assert again == hurt


def test_where_the_finder_fails_all_behind_it_have_failed(
    finders: None, photos: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "media"
    folder.mkdir()
    shutil.copy(photos / "coffee.png", folder)
    PIL.Image.new("RGB", (40, 40), "white").save(folder / "white.png")
    scan(tmp_path / "store", folder, analyzers=("finder", "ager"), batch_size=2)
    found = ledger(tmp_path / "store")
    assert found["white.png", "finder"] == found["white.png", "finder>ager"] == [("failed", 0)]
    assert found["coffee.png", "finder"] == [("done", 1)]
    reasons = rows(tmp_path / "store", "SELECT DISTINCT reason FROM analyses WHERE status = 'failed'")
    assert reasons == [{"reason": "the model failed on it"}]


def test_a_host_that_dies_with_finds_in_hand_loses_and_doubles_nothing(
    media: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_finders(monkeypatch, host_that_dies_once)
    monkeypatch.setenv(MARKER, str(tmp_path / "died"))
    scan(tmp_path / "store", media, analyzers=ALL, batch_size=2)
    assert (tmp_path / "died").exists()
    assert comparable(tmp_path / "store") == comparable(whole)


def test_a_content_is_finished_with_all_that_was_found_in_the_order_of_its_samples(
    finders: None, media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def follow(pieces: Pieces) -> Pieces:
        assert [k.index for keys, _ in pieces for k in keys] == list(range(sum(len(k) for k, _ in pieces)))
        return [(keys, _with_track(findings, len(pieces))) for keys, findings in pieces]

    def stumble(pieces: Pieces) -> Pieces:
        raise ValueError("not so")

    monkeypatch.setattr(finishing, "FINISHERS", {"finder": follow, "speller": stumble})
    scan(tmp_path / "store", media / "clip.mp4", analyzers=("finder", "speller"), batch_size=2)
    tracks = rows(tmp_path / "store", "SELECT DISTINCT track FROM regions")
    assert len(tracks) == 1 and tracks[0]["track"] >= 1
    found = ledger(tmp_path / "store")
    assert [status for status, _ in found["clip.mp4", "finder"]] == ["done"]
    assert found["clip.mp4", "speller"] == [("failed", 0)]


def _with_track(findings: Findings, track: int) -> Findings:
    regions = tuple(
        tuple(Region(r.model, r.kind, r.polygon, r.confidence, r.landmarks, track) for r in found)
        for found in findings.regions or ()
    )
    return Findings(regions=regions)


def test_an_unknown_chain_is_an_error_of_one_line(finders: None, media: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no analyzer 'finder>ager'"):
        scan(tmp_path / "store", media, analyzers=("finder>ager",))
