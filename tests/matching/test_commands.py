"""``hivescan known`` and ``hivescan hash-match``: what they print and how they end."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import hivescan
from hivescan.audit.build_known import build_known
from hivescan.cli import hash_match, known
from hivescan.errors import KnownListError, UsageError
from hivescan.matching.labels import ListLabels
from hivescan.media.sources import SourceOptions
from tests.matching.stores import Entry, Item, Sample, flipped, list_of, store_of

PDQ = bytes(range(32))


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    hash_match.register(app)
    known.register(app)
    return app


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with a matching picture, a matching clip and another picture, and a list."""
    clip = Item("/clip", [Sample(PDQ, 90, t) for t in (2000, 3000)], "video")
    items = [Item("/near", [Sample(flipped(PDQ, 9))]), clip, Item("/far", [Sample(flipped(PDQ, 90))])]
    store_of(tmp_path / "store", items)
    md5, sha1 = hashlib.md5(b"/near").digest(), hashlib.sha1(b"/near").digest()
    entries = [Entry("e1", "pdq", PDQ, {"hash_set": "set one", "match_type": "NCII"})]
    entries += [Entry("e2", "md5", md5), Entry("e2", "sha1", sha1), Entry("e3", "pdna", bytes(144))]
    list_of(tmp_path / "known.parquet", entries)
    return tmp_path


def options(folder: Path) -> list[str]:
    return ["--store", str(folder / "store"), "--db", str(folder / "known.parquet")]


def test_hash_match_prints_a_table_of_matches_without_hashes(app: typer.Typer, folder: Path) -> None:
    result = CliRunner().invoke(app, ["hash-match", *options(folder)])
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["set", "one", "NCII", "e1", "pdq", "0", "of", "31", "0:02–0:04", "/clip"] in rows
    assert ["set", "one", "NCII", "e1", "pdq", "9", "of", "31", "/near"] in rows
    assert ["e2", "md5,", "sha1", "exact", "/near"] in rows
    assert "/far" not in result.stdout
    assert PDQ.hex() not in result.output
    assert "2 files matched" in result.stderr
    assert "not matched, no such matcher: 1 pdna" in result.stderr


def test_hash_match_as_json(app: typer.Typer, folder: Path) -> None:
    result = CliRunner().invoke(app, ["hash-match", *options(folder), "--json"])
    told = json.loads(result.stdout)
    assert {(m["uri"], m["algorithm"], m["distance"]) for m in told["matches"]} == {
        ("/clip", "pdq", 0), ("/near", "pdq", 9), ("/near", "md5", 0), ("/near", "sha1", 0)
    }  # fmt: skip
    assert told["lists"][0]["unmatched"] == {"pdna": 1}
    assert PDQ.hex() not in result.output


def test_two_forms_of_the_answer_at_once_are_a_usage_error(app: typer.Typer, folder: Path) -> None:
    result = CliRunner().invoke(app, ["hash-match", *options(folder), "--format", "services", "--json"])
    assert isinstance(result.exception, UsageError)
    assert "choose one" in str(result.exception)


def test_hash_match_as_services_answer(app: typer.Typer, folder: Path) -> None:
    result = CliRunner().invoke(app, ["hash-match", *options(folder), "--format", "services"])
    clip, far, near = sorted(map(json.loads, result.stdout.splitlines()), key=lambda told: str(told["uri"]))
    assert (far["fileType"], far["reasons"], far["hashes"]) == ("image", [], [])
    (frames,) = clip["hashes"]
    assert (clip["fileType"], clip["reasons"]) == ("video", ["matched"])
    assert (frames["hashType"], frames["matchTypes"], frames["isLetterboxed"]) == ("pdq", ["NCII"], False)
    assert (frames["startTimestamp"], frames["endTimestamp"], frames["frameIndex"]) == (2000, 4000, 2)
    (source,) = frames["sources"]
    assert source == {
        "hashSet": "set one",
        "matches": [
            {
                "sourceId": "e1",
                "matchDistance": 0,
                "matchMetadata": {"polarity": "positive", "maxDistance": 31},
                "matchTransformations": [],
            }
        ],
    }
    assert {told["hashType"] for told in near["hashes"]} == {"pdq", "md5", "sha1"}
    assert {told["startTimestamp"] for told in near["hashes"]} == {None}


def test_vetoes_floods_and_retractions_are_told(app: typer.Typer, folder: Path) -> None:
    CliRunner().invoke(app, ["hash-match", *options(folder)])
    fine = Entry("fine", "pdq", flipped(PDQ, 9), {"polarity": "benign"})
    list_of(folder / "fine.parquet", [fine])
    more = ["--db", str(folder / "fine.parquet"), "--flood-limit", "1", "--flood-share", "0"]
    told = json.loads(CliRunner().invoke(app, ["hash-match", *options(folder), *more, "--json"]).stdout)
    assert {(v["uris"][0], v["entry_id"], v["by_entry"]) for v in told["vetoed"]} == {("/near", "e1", "fine")}
    assert told["retracted"] == 1
    result = CliRunner().invoke(app, ["hash-match", *options(folder), *more])
    assert "1 match vetoed by negative or benign entries" in result.stderr
    store_of(folder / "flooded", [Item(f"/{i}", [Sample(PDQ)]) for i in range(3)])
    at_flooded = ["hash-match", "--store", str(folder / "flooded"), "--db", str(folder / "known.parquet")]
    result = CliRunner().invoke(app, [*at_flooded, "--flood-limit", "2"])
    assert "in quarantine, not shown: entry e1 matches 3 files" in result.stderr
    assert result.stdout == ""
    result = CliRunner().invoke(app, [*at_flooded, "--flood-limit", "2", "--release", "e2"])
    assert "nothing to release: no match of the entry e2" in result.stderr
    result = CliRunner().invoke(app, [*at_flooded, "--flood-limit", "2", "--release", "e1", "--json"])
    assert json.loads(result.stdout)["not_released"] == []
    assert len(json.loads(result.stdout)["matches"]) == 3


def test_findings_decide_the_exit_code_only_when_asked(app: typer.Typer, folder: Path) -> None:
    def code(*more: str) -> int:
        return CliRunner().invoke(app, ["hash-match", *options(folder), *more]).exit_code

    assert code("--quiet") == 0
    assert code("--fail-on-findings") == 1
    list_of(folder / "known.parquet", [Entry("e", "pdq", bytes(32))])
    assert code("--fail-on-findings") == 0


def test_a_smaller_distance_shows_fewer_matches(app: typer.Typer, folder: Path) -> None:
    list_of(folder / "known.parquet", [Entry("e", "pdq", PDQ)])
    CliRunner().invoke(app, ["hash-match", *options(folder)])
    result = CliRunner().invoke(app, ["hash-match", *options(folder), "--max-distance", "8"])
    assert "/clip" in result.stdout
    assert "/near" not in result.stdout


def test_known_update_imports_and_matches_what_is_new(app: typer.Typer, folder: Path) -> None:
    listed, store = folder / "mine.parquet", str(folder / "store")
    first = folder / "first.csv"
    first.write_text("id,md5\none,00112233445566778899aabbccddeeff\n")
    update = ["known", "update", str(listed)]
    result = CliRunner().invoke(app, [*update, str(first), "--store", store, "--hash-set", "mine"])
    assert result.exit_code == 0, result.output
    assert "the store had not met this list: 3 contents compared" in result.stdout
    second = folder / "second.csv"
    second.write_text(f"id,md5\ntwo,{hashlib.md5(b'/near').hexdigest()}\n")
    result = CliRunner().invoke(app, [*update, str(second), "--store", store, "--json", "--fail-on-findings"])
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (told["imported"]["added"], told["entries"], told["contents"], told["added"]) == (1, 1, 0, 1)
    second.write_text("id,md5,deleted\none,00112233445566778899aabbccddeeff,yes\nthree,00,\n")
    result = CliRunner().invoke(app, [*update, str(second), "--store", store, "--hash-set", "mine"])
    assert f"{listed}: 2 rows; 1 withdrawn, 1 rejected\n" in result.stdout
    assert f"rejected: {second}: row 3: a md5 hash is not 16 bytes long" in result.stderr
    again = CliRunner().invoke(app, [*update, "--store", store])
    assert "0 rows of the list new or changed, 0 contents of the store" in again.stdout
    assert "0 new matches, 0 earlier matches retracted" in again.stdout


def test_paths_are_hashed_and_matched_alone(app: typer.Typer, folder: Path, photos: Path) -> None:
    media = folder / "media"
    media.mkdir()
    shutil.copy(photos / "coffee.png", media)
    listed = folder / "coffee.parquet"
    built = CliRunner().invoke(app, ["known", "build", str(media), "-o", str(listed), "--hash-set", "cups"])
    assert built.exit_code == 0, built.output
    match = ["hash-match", str(media), "--db", str(listed), "--db", str(folder / "known.parquet")]
    result = CliRunner().invoke(app, [*match, "--store", str(folder / "store"), "--json"])
    assert {(Path(m["uri"]).name, m["hash_set"]) for m in json.loads(result.stdout)["matches"]} == {
        ("coffee.png", "cups")
    }


def test_known_build_says_what_it_made_and_skipped(app: typer.Typer, tmp_path: Path, photos: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    shutil.copy(photos / "coffee.png", media)
    (media / "notes.txt").write_text("nothing but words\n")
    out = tmp_path / "made.parquet"
    result = CliRunner().invoke(app, ["known", "build", str(media), "-o", str(out)])
    assert "1 file, 1 md5, 1 sha1, 1 sha256, 1 pdq; 1 skipped" in result.stdout
    assert "notes.txt: neither picture nor video but text" in result.stderr
    told = json.loads(
        CliRunner().invoke(app, ["known", "build", str(media), "-o", str(out), "--json"]).stdout
    )
    assert (told["files"], len(told["skipped"])) == (1, 1)


def test_known_info_and_check_speak_of_a_list(app: typer.Typer, folder: Path) -> None:
    path = str(folder / "known.parquet")
    told = CliRunner().invoke(app, ["known", "info", path])
    assert "1 md5, 1 sha1, 1 pdq" in told.stdout
    assert "1 pdna (carried, no such matcher)" in told.stdout
    assert "hash sets:          set one" in told.stdout
    assert json.loads(CliRunner().invoke(app, ["known", "info", path, "--json"]).stdout)["rows"] == 4
    assert "4 rows, all in order" in CliRunner().invoke(app, ["known", "check", path]).stdout


def test_known_check_fails_on_a_bad_list(app: typer.Typer, tmp_path: Path) -> None:
    path = list_of(tmp_path / "bad.parquet", [Entry("e", "pdq", b"short")])
    result = CliRunner().invoke(app, ["known", "check", str(path)])
    assert result.exit_code == 2
    assert "a pdq hash is not 32 bytes long" in result.stdout
    info = CliRunner().invoke(app, ["known", "info", str(path)])
    assert isinstance(info.exception, KnownListError)


def test_only_files_under_the_paths_are_matched(folder: Path, photos: Path) -> None:
    media = folder / "media"
    media.mkdir()
    for name in ("coffee.png", "chelsea.png", "rocket.jpg"):
        shutil.copy(photos / name, media)
    listed = folder / "made.parquet"
    build_known([str(media)], listed, ListLabels())
    store = folder / "new"
    assert {Path(m.uri).name for m in hivescan.hash_match([listed], [media], store=store).files} == {
        "coffee.png", "chelsea.png", "rocket.jpg"
    }  # fmt: skip
    (folder / "list.csv").write_text("path\nmedia/coffee.png\n")
    for chosen in (f"@{folder / 'list.csv'}", str(media / "coff*.png")):
        found = hivescan.hash_match([listed], [chosen], store=store).files
        assert {Path(m.uri).name for m in found} == {"coffee.png"}
    pngs = hivescan.hash_match(
        [listed], [media], store=store, source_options=SourceOptions(include=("*.png",))
    )
    assert {Path(m.uri).name for m in pngs.files} == {"coffee.png", "chelsea.png"}


def test_a_wrong_list_is_told_before_anything_is_hashed(folder: Path, photos: Path) -> None:
    (folder / "bad.parquet").write_bytes(b"no list")
    for lists in ([folder / "bad.parquet"], []):
        with pytest.raises(KnownListError):
            hivescan.hash_match(lists, [photos], store=folder / "none")
    assert not (folder / "none").exists()


def test_options_that_choose_files_need_paths(app: typer.Typer, folder: Path) -> None:
    result = CliRunner().invoke(app, ["hash-match", *options(folder), "--exclude", "*.jpg"])
    assert isinstance(result.exception, UsageError)
