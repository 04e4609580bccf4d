"""What is read of each format, and what is told of rows that are not."""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hivescan.errors import KnownListError, UsageError
from hivescan.matching.known import check_known
from hivescan.matching.labels import ListLabels
from hivescan.matching.lists.importing import ImportSummary, import_known
from hivescan.matching.lists.opening import format_of
from tests.matching.lists import samples as s

JAN_1 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "lists" / "known.parquet"


@pytest.fixture(autouse=True)
def folder(out: Path) -> None:
    out.parent.mkdir()


def brought(tmp_path: Path, out: Path, text: str, name: str = "source", **more: object) -> ImportSummary:
    summary = import_known([s.written(tmp_path / name, text)], out, **more)  # type: ignore[arg-type]
    assert check_known(out)[1] == ()
    return summary


def test_csv_with_names_that_speak_for_themselves(tmp_path: Path, out: Path) -> None:
    text = (
        "id,PDQ Hash,Quality,Category,Tags,Last Updated\n"
        f"e1,{s.pdq('a').upper()},80,A1,cat;dog,2026-01-01T00:00:00Z\n"
        f"e2,{s.pdq('b')},,,,\n"
    )
    summary = brought(tmp_path, out, text)
    assert (summary.formats, summary.added, summary.rejected) == ({str(tmp_path / "source"): "csv"}, 2, 0)
    first, second = s.rows_of(out)
    assert (first["entry_id"], first["hash"], first["quality"]) == ("e1", s.pdq("a"), 80)
    assert (first["classification"], first["tags"], first["provided_at"]) == ("A1", ["cat", "dog"], JAN_1)
    assert (second["quality"], second["tags"], second["provided_at"]) == (None, None, None)
    assert first["updated_at"] == first["created_at"] == summary.updated_at


def test_hashes_of_one_file_in_several_columns_share_an_id_that_does_not_show_them(
    tmp_path: Path, out: Path
) -> None:
    text = f"md5;sha256\n{s.md5('a')};{s.sha256('a')}\n;{s.sha256('b')}\n;\n"
    summary = brought(tmp_path, out, text)
    rows = s.rows_of(out)
    assert [(r["algorithm"], r["hash"]) for r in rows] == [
        ("md5", s.md5("a")), ("sha256", s.sha256("a")), ("sha256", s.sha256("b"))
    ]  # fmt: skip
    assert rows[0]["entry_id"] == rows[1]["entry_id"] != rows[2]["entry_id"]
    assert all(str(r["hash"])[:8] not in str(r["entry_id"]) for r in rows)
    assert summary.rejected == 0  # the last line is blank


def test_the_quality_of_a_row_is_that_of_its_perceptual_hash(tmp_path: Path, out: Path) -> None:
    brought(tmp_path, out, f"id,md5,pdq,quality\ne,{s.md5('a')},{s.pdq('a')},30\n")
    assert s.told(out, "algorithm", "quality") == [("md5", None), ("pdq", 30)]


def test_a_mapping_says_what_no_name_tells(tmp_path: Path, out: Path) -> None:
    mapping = s.written(
        tmp_path / "map.toml",
        '[[hash]]\ncolumn = "blob"\nalgorithm_column = "k"\nencoding = "base64"\n'
        '[fields]\nentry_id = "key"\npolarity = "verdict"\n[constants]\nsource = "us"\nmax_distance = 20\n'
        '[values.polarity]\nbad = "positive"\ngood = "benign"\n[values.algorithm]\nP = "pdq"\n'
        '[reject]\nstate = ["draft"]\n',
    )
    blob = base64.b64encode(bytes.fromhex(s.pdq("a"))).decode()
    said = ("1,%,P,bad,", "2,%,P,good,", "3,%,P,bad,draft", "4,%,P,odd,")
    text = "\n".join(["key,blob,k,verdict,state", *said]).replace("%", blob)
    summary = brought(tmp_path, out, text, mapping=mapping)
    assert s.told(out, "entry_id", "algorithm", "hash", "polarity", "source", "max_distance") == [
        ("1", "pdq", s.pdq("a"), "positive", "us", 20), ("2", "pdq", s.pdq("a"), "benign", "us", 20)
    ]  # fmt: skip
    assert [(r.record, r.reason) for r in summary.first_rejected] == [
        (4, "state says that it does not belong"),
        (5, "polarity is none of positive, seed, disputed, negative, benign"),
    ]


def test_a_guess_can_be_saved_and_used_again(tmp_path: Path, out: Path) -> None:
    text = f"id\tsha1\tquality\ne1\t{s.sha1('a')}\t3\n"
    saved = tmp_path / "map.toml"
    brought(tmp_path, out, text, save_mapping_to=saved)
    before = s.rows_of(out)
    out.unlink()
    again = tmp_path / "again.toml"
    brought(tmp_path, out, text, mapping=saved, save_mapping_to=again)
    assert saved.read_text() == again.read_text()
    assert [r["hash"] for r in s.rows_of(out)] == [r["hash"] for r in before] == [s.sha1("a")]


def test_a_guess_is_saved_where_it_rejects_every_row(tmp_path: Path, out: Path) -> None:
    """What was guessed is what has to be put right."""
    saved = tmp_path / "map.toml"
    with pytest.raises(KnownListError):
        brought(tmp_path, out, "id\tsha1\ne1\tnone\n", save_mapping_to=saved)
    assert "sha1" in saved.read_text()


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("x = 1", "the key 'x' is not known"),
        ("[fields]\nhash = 'h'", "'hash' is none of"),
        ("[[hash]]\ncolumn = 'a'\nencoding = 'hexx'", "encoding 'hexx'"),
        ("[[hash]]\nalgorithm = 'md5'", "each needs a column"),
        ("[[hash]]\ncolumn = 'nothing'", "the column 'nothing', there are 'md5'"),
        ("[constants]\nquality = [", "no TOML"),
        ("delimiter = ',,'", "the delimiter one"),
    ],
)
def test_a_wrong_mapping_is_told_with_its_key(tmp_path: Path, out: Path, toml: str, message: str) -> None:
    mapping = s.written(tmp_path / "map.toml", toml)
    with pytest.raises(KnownListError, match=message):
        brought(tmp_path, out, f"md5\n{s.md5('a')}\n{s.md5('b')}\n", format="csv", mapping=mapping)
    assert not out.exists()


def test_text_of_one_hash_a_line_with_and_without_a_type(tmp_path: Path, out: Path) -> None:
    good = f"# a list\n{s.md5('a')}\n\nsha-256 {s.sha256('b')}\n{s.pdq('c')},PDQ\n"
    text = f"{good}HASH_SHA1:\nnot a hash at all\n"
    summary = brought(tmp_path, out, text)
    assert [row[0:2] for row in s.told(out, "algorithm", "hash")] == [
        ("md5", s.md5("a")), ("sha256", s.sha256("b")), ("pdq", s.pdq("c"))
    ]  # fmt: skip
    assert {r.record for r in summary.first_rejected} == {6, 7}


def test_hashes_of_256_bits_are_told_apart_where_there_are_enough(tmp_path: Path, out: Path) -> None:
    brought(tmp_path, out, "".join(f"{s.pdq(n)}\n" for n in "abcdef"), "p")
    brought(tmp_path, out, "".join(f"{s.sha256(n)}\n" for n in "abcdef"), "s")
    assert [a for (a,) in s.told(out, "algorithm")] == ["pdq"] * 6 + ["sha256"] * 6
    with pytest.raises(KnownListError, match="may be PDQ or sha256: say which"):
        brought(tmp_path, out, f"{s.pdq('x')}\n")
    brought(tmp_path, out, f"{s.pdq('x')}\n", algorithm="pdq")
    with pytest.raises(KnownListError, match="may be pHash or dHash"):
        brought(tmp_path, out, "0123456789abcdef\n")


def test_published_texts_and_tables_of_pdq(data: Path, out: Path) -> None:
    folder = data / "hash_reference"
    haystack = folder / "pdq/data/reg-test-input/haystack.txt"
    summary = import_known([haystack], out)
    published = haystack.read_text().split()
    assert [h for (h,) in s.told(out, "hash")] == list(dict.fromkeys(published))
    assert (summary.added + summary.repeated, summary.rejected) == (len(published), 0)
    table = folder / "pdq/wasm/test/TestData/PDQMD5TestData.csv"
    summary = import_known([table], out)
    assert summary.rejected == 0
    assert summary.added + summary.repeated + summary.unchanged == len(table.read_text().splitlines()) - 1
    assert {a for (a,) in s.told(out, "algorithm")} == {"pdq", "md5"}
    assert check_known(out)[1] == ()


def test_published_vpdq_hashes_become_the_scenes_of_a_video(data: Path, out: Path) -> None:
    source = data / "hash_reference/vpdq/chair-19-sd-bar.txt"
    summary = import_known([source], out)
    assert summary.formats == {str(source): "vpdq"}
    lines = [line.split(",") for line in source.read_text().split()]
    assert s.told(out, "entry_id", "parent_id", "quality", "hash", "scene_start_ms") == [
        (f"{source.stem}.{frame}", source.stem, int(quality), value, round(float(seconds) * 1000))
        for frame, quality, value, seconds in lines
    ]


def test_json_of_all_shapes(tmp_path: Path, out: Path) -> None:
    record = {"id": "e1", "hashes": {"md5": s.md5("a")}, "tags": ["x", "y"], "note": None}
    shapes = [
        json.dumps([record]),
        json.dumps(record) + "\n" + json.dumps({**record, "id": "e2"}) + "\n",
        json.dumps({"@odata.context": "x", "value": [record, {**record, "id": "e2"}]}),
        json.dumps(record),
    ]
    mapping = s.written(tmp_path / "m.toml", '[[hash]]\ncolumn = "hashes.md5"\nalgorithm = "md5"\n')
    for number, text in enumerate(shapes):
        out.unlink(missing_ok=True)
        summary = brought(tmp_path, out, text, mapping=mapping)
        rows = s.told(out, "entry_id", "algorithm", "hash", "tags")
        assert rows[0] == ("e1", "md5", s.md5("a"), ["x", "y"])
        assert (len(rows), summary.rejected) == (2 if number in (1, 2) else 1, 0)


def test_a_page_of_ncmec(tmp_path: Path, out: Path) -> None:
    doubt = '<feedback><negativeFeedback type="Md5" lastUpdateTimestamp="2026-01-02T00:00:00Z"/></feedback>'
    page = s.ncmec_page(
        s.ncmec_entry("one", "2026-01-01T00:00:00Z", more=doubt),
        s.ncmec_entry("two", "2026-01-01T00:00:00Z", kind="video", prints=f"<sha1>{s.sha1('v')}</sha1>"
                      '<tmk-pdqf rel="self" href="/v2/entries/1/fingerprints/TMK_PDQF"/>'),
        s.ncmec_entry("three", "2026-01-01T00:00:00Z",
                      prints="<pdna>" + "a1" * 144 + "</pdna><md5>a1a1…</md5>"),
        s.ncmec_deletion("four", "2026-01-05T00:00:00Z"),
        "<image><id>five</id></image>",
    )  # fmt: skip
    summary = brought(tmp_path, out, page, labels=ListLabels(hash_set="industry"))
    assert list(summary.formats.values()) == ["ncmec"]
    assert s.told(out, "entry_id", "algorithm", "polarity", "deleted") == [
        ("42-one", "md5", "disputed", False),
        ("42-one", "pdq", "positive", False),
        ("42-two", "sha1", "positive", False),
        ("42-three", "pdna", "positive", False),
        ("42-four", "entry", "positive", True),
    ]
    first = s.rows_of(out)[0]
    assert (first["source"], first["hash_set"], first["match_type"]) == ("NCMEC", "NCMEC", "CSAM")
    assert (first["classification"], first["provided_at"]) == ("A1", JAN_1)
    assert first["tags"] == ["image", "Example Member"]
    assert [(r.record, r.reason) for r in summary.first_rejected] == [
        (2, "tmk_pdqf: only a link to the fingerprint"),
        (3, "the hash is neither hex nor base64"),
        (5, "the entry has no member id"),
    ]
    assert summary.checkpoints == {str(tmp_path / "source"): "2026-01-31T00:00:00Z"}
    assert check_known(out)[0].made_with["checkpoints"] == {"ncmec": "2026-01-31T00:00:00Z"}


BOMB = '<?xml version="1.0"?><!DOCTYPE q [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB + "<queryResult><images><image><id>&b;</id></image></images></queryResult>", "document type"),
        ('<!DOCTYPE q SYSTEM "file:///etc/passwd"><queryResult/>', "document type"),
        ("<html><body>Sign in</body></html>", "no page of NCMEC's hash sharing, but <html>"),
        (s.ncmec_page(s.ncmec_entry("one", "2026-01-01T00:00:00Z"))[:-40], "no XML: unclosed token, line 3"),
        ("<queryResult><images></queryResult>", "no XML: mismatched tag"),
    ],
)
def test_hostile_and_broken_pages_are_refused(tmp_path: Path, out: Path, text: str, message: str) -> None:
    with pytest.raises(KnownListError, match=message):
        brought(tmp_path, out, text)
    assert list(out.parent.iterdir()) == []


def test_answers_of_stopncii(tmp_path: Path, out: Path) -> None:
    def record(kind: str, value: str, status: str, *said: str) -> dict[str, object]:
        return {
            "lastModtimestamp": 1767225600, "signalType": kind, "hashValue": value, "hashStatus": status,
            "caseNumbers": {"1": status},
            "CSPFeedbacks": [{"source": "x", "feedbackValue": f, "tags": ["nude"]} for f in said],
        }  # fmt: skip

    answer = {
        "count": 5, "nextPageToken": "t", "nextSetTimestamp": 1767225999, "hasMoreRecords": False,
        "hashRecords": [
            record("ImagePDQ", s.pdq("a"), "Active"),
            record("ImagePDQ", s.pdq("b"), "Active", "Blocked", "NotBlocked"),
            record("VideoMD5", s.md5("c"), "Received", "Blocked"),
            record("ImagePDQ", s.pdq("d"), "Withdrawn"),
            record("URL", "https://example.org", "Active"),
            record("ImagePDQ", s.pdq("e"), "Lost"),
        ],
    }  # fmt: skip
    summary = brought(tmp_path, out, json.dumps(answer))
    assert list(summary.formats.values()) == ["stopncii"]
    assert s.told(out, "algorithm", "hash", "polarity", "deleted", "tags") == [
        ("pdq", s.pdq("a"), "seed", False, None),
        ("pdq", s.pdq("b"), "disputed", False, ["nude"]),
        ("md5", s.md5("c"), "positive", False, ["nude"]),
        ("pdq", s.pdq("d"), "seed", True, None),
    ]
    assert {(r["match_type"], r["provided_at"]) for r in s.rows_of(out)} == {("NCII", JAN_1)}
    assert [r.record for r in summary.first_rejected] == [5, 6]
    lines = "".join(json.dumps(r) + "\n" for r in answer["hashRecords"])  # type: ignore[union-attr]
    assert brought(tmp_path, out, lines).unchanged == 4


def test_deltas_of_threatexchange(tmp_path: Path, out: Path) -> None:
    def opinions(*words: object) -> dict[str, object]:
        return {"opinions": [{"category": word, "tags": ["t"]} for word in words]}

    updates = {
        f"pdq:{s.pdq('a')}": opinions("POSITIVE_CLASS"),
        f"HASH_MD5 {s.md5('b')}": opinions("POSITIVE_CLASS", 0),
        json.dumps(["pdq", s.pdq("c")]): None,
        f"pdq:{s.pdq('d')}": opinions("NEGATIVE_CLASS"),
        f"pdq:{s.pdq('e')}": {},
        "uri:https://example.org": {},
        "nonsense": {},
    }
    expected = [
        ("pdq", s.pdq("a"), "positive", False), ("md5", s.md5("b"), "disputed", False),
        ("pdq", s.pdq("c"), "seed", True), ("pdq", s.pdq("d"), "negative", False),
        ("pdq", s.pdq("e"), "seed", False),
    ]  # fmt: skip
    for text in (json.dumps({"updates": updates, "checkpoint": {"update_time": 5}}), json.dumps(updates)):
        out.unlink(missing_ok=True)
        summary = brought(tmp_path, out, text)
        assert list(summary.formats.values()) == ["threatexchange"]
        assert s.told(out, "algorithm", "hash", "polarity", "deleted") == expected
        assert [r.record for r in summary.first_rejected] == [6, 7]


def test_pages_of_threat_updates(tmp_path: Path, out: Path) -> None:
    def update(number: int, **more: object) -> dict[str, object]:
        return {"id": str(number), "indicator": s.pdq(str(number)), "type": "HASH_PDQ",
                "last_updated": 1767225600} | more  # fmt: skip

    descriptor = {"id": "9", "owner": {"id": "1"}, "status": "MALICIOUS", "tags": {"data": [{"text": "x"}]}}
    page = {
        "data": [
            update(1, should_delete=False, descriptors={"data": [descriptor]}),
            update(2, should_delete=True),
        ],
        "paging": {"cursors": {}},
    }
    brought(tmp_path, out, json.dumps(page))
    assert s.told(out, "entry_id", "hash", "polarity", "tags", "deleted", "provided_at") == [
        ("1", s.pdq("1"), "positive", ["x"], False, JAN_1), ("2", s.pdq("2"), "seed", None, True, JAN_1)
    ]  # fmt: skip


def test_the_reference_set_of_the_nsrl_as_csv(tmp_path: Path, out: Path) -> None:
    def line(name: str, special: str = "") -> str:
        return f'"{s.sha1(name).upper()}","{s.md5(name).upper()}","0","a.dll",1024,1,"1","{special}"\n'

    head = '"SHA-1","MD5","CRC32","FileName","FileSize","ProductCode","OpSystemCode","SpecialCode"\n'
    summary = brought(tmp_path, out, head + line("a") + line("b", "M") + line("a"))
    assert {r[1:] for r in s.told(out, "hash", "polarity", "source", "hash_set")} == {
        ("benign", "NSRL", "NSRL RDS")
    }
    assert s.told(out, "algorithm", "hash") == [("sha1", s.sha1("a")), ("md5", s.md5("a"))]
    assert (summary.repeated, summary.reasons) == (2, {"SpecialCode says that it does not belong": 1})


def test_the_reference_set_of_the_nsrl_as_sqlite(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "rds.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE VERSION (version TEXT)")
        db.execute("CREATE TABLE FILE (sha256 TEXT, sha1 TEXT, md5 TEXT, crc32 TEXT, file_name TEXT,"
                   " file_size INTEGER, package_id INTEGER)")  # fmt: skip
        rows = [(s.sha256(n), s.sha1(n), s.md5(n), "0", "a.dll", 1, i) for i, n in enumerate("aab")]
        db.executemany("INSERT INTO FILE VALUES (?,?,?,?,?,?,?)", rows)
        db.commit()
    summary = import_known([path], out)
    assert (summary.added, summary.repeated) == (6, 3)
    assert {r[0] for r in s.told(out, "polarity")} == {"benign"}
    ids = {(entry, algorithm) for entry, algorithm in s.told(out, "entry_id", "algorithm")}
    assert len({entry for entry, _ in ids}) == 2


def test_compressed_and_utf16_files_are_read(tmp_path: Path, out: Path) -> None:
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(f"id,md5\ne1,{s.md5('a')}\n".encode()))
    (tmp_path / "b.txt").write_bytes(f"id,md5\r\ne2,{s.md5('b')}\r\n".encode("utf-16"))
    summary = import_known([packed, tmp_path / "b.txt"], out)
    assert s.told(out, "entry_id", "hash") == [("e1", s.md5("a")), ("e2", s.md5("b"))]
    assert summary.rejected == 0
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(KnownListError, match="damaged or cut short"):
        import_known([packed], out)


def test_bad_rows_are_kept_aside_with_their_line_and_no_value_is_told(tmp_path: Path, out: Path) -> None:
    text = (
        "id,md5,quality,modified\n"
        f"a,{s.md5('a')},80,\n"
        f"b,{s.md5('b')[:-2]},80,\n"
        f"c,{s.md5('c')},800,\n"
        f"d,{s.md5('d')},80,yesterday\n"
        ",,,\n"
        f'"e\nf",{s.md5("e")},80,\n'
        f"g,{s.md5('g')},80,,,\n"
        f"h,{s.md5('h')},80\n"
    )
    summary = brought(tmp_path, out, text)
    assert [row[0] for row in s.told(out, "entry_id")] == ["a", "h"]
    assert [(r.record, r.reason) for r in summary.first_rejected] == [
        (3, "a md5 hash is not 16 bytes long"),
        (4, "quality is not in 0 to 100"),
        (5, "provided_at is not understood"),
        (7, "entry_id holds control characters"),
        (9, "6 cells in a table of 4 columns"),
    ]
    kept = out.with_name("known.parquet.rejected.jsonl")
    assert summary.rejected_file == kept
    assert kept.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert {line["record"] for line in lines} == {3, 4, 5, 7, 9}
    assert any(line["row"].get("id") == "c" for line in lines)
    told = " ".join(map(str, summary.first_rejected))
    assert not any(s.md5(n)[:12] in told for n in "abcdefgh")
    assert brought(tmp_path, out, text, keep_rejected=False).rejected == 5
    assert len(kept.read_text().splitlines()) == 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<queryResult/>", "ncmec"),
        ('{"hashRecords": []}', "stopncii"),
        ('{"pdq:aa": null}', "threatexchange"),
        ('{"md5": "aa"}\n{"md5": "bb"}', "json"),
        (f"md5\t{s.md5('a')}\n", "text"),
        ("a\tb\tc\n1\t2\t3\n", "tsv"),
        ("id,hash\n1,2\n", "csv"),
        ("hash\n" + s.md5("a") + "\n", "csv"),
    ],
)
def test_a_format_is_told_by_content(tmp_path: Path, text: str, expected: str) -> None:
    assert format_of(s.written(tmp_path / "x", text)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("a,b\n1,2\n", "no column of hashes among 'a', 'b'"),
        ("dG8gYmUgb3Igbm90IHRvIGJlLCB0aGF0IGlzIHRoZSBxdWU=,ab\n" * 2, r"among \(column 1\), 'ab'"),
        ('{"a": [1, 2', "no JSON"),
        ("[" * 100_000, "no JSON|nested too deeply"),
    ],
)
def test_what_is_no_list_is_refused_in_a_line(tmp_path: Path, out: Path, text: str, message: str) -> None:
    with pytest.raises(KnownListError, match=message) as caught:
        brought(tmp_path, out, text)
    assert "\n" not in str(caught.value)
    assert list(out.parent.iterdir()) == []


def test_missing_files_and_folders_are_refused(tmp_path: Path, out: Path) -> None:
    for source, message in ((tmp_path / "none", "cannot be read"), (tmp_path, "a folder")):
        with pytest.raises(KnownListError, match=message):
            import_known([source], out)
    with pytest.raises(KnownListError, match="no such folder"):
        import_known([s.written(tmp_path / "x", "a")], tmp_path / "no" / "k.parquet")


@pytest.mark.parametrize("ending", ["", "e,x\n"])
def test_a_quote_that_is_never_closed_costs_its_own_line(tmp_path: Path, out: Path, ending: str) -> None:
    """Also where the rows after it are more than fit into one cell."""
    for rows in (3, 5_000):
        good = "".join(f"e{i},{s.md5(str(i))}\n" for i in range(rows))
        text = f'id,md5\nfirst,{s.md5("first")}\nbad,"{s.md5("bad")}\n{good}{ending}'
        listed = out.with_name(f"{rows}.parquet")
        summary = brought(tmp_path, listed, text)
        assert summary.added == rows + 1
        told = [(row.record, row.reason) for row in summary.first_rejected]
        assert told[0] == (3, "a quote that is never closed")
        assert [record for record, _ in told[1:]] == ([rows + 4] if ending else [])


def test_a_cell_of_several_lines_is_one_row(tmp_path: Path, out: Path) -> None:
    text = f'id,md5,note\na,{s.md5("a")},"two\nlines, ""quoted"""\nb,{s.md5("b")[1:]},\n'
    summary = brought(tmp_path, out, text)
    assert (summary.added, [row.record for row in summary.first_rejected]) == (1, [4])


def test_a_table_without_hashes_is_refused_without_its_values(tmp_path: Path, out: Path) -> None:
    cut = s.md5("a")[:30]
    with pytest.raises(
        KnownListError, match=r"no column of hashes among 'one', \(column 2\), 'three'"
    ) as told:
        brought(tmp_path, out, f"one,{cut},three\n1,2,3\n")
    assert cut not in str(told.value)


def test_what_is_no_text_is_refused_in_one_line(tmp_path: Path, out: Path) -> None:
    source = tmp_path / "picture.jpg"
    source.write_bytes(bytes(range(256)) * 40)
    with pytest.raises(KnownListError, match=r"picture\.jpg: neither text nor another form"):
        import_known([source], out)


def test_an_algorithm_that_no_list_has_is_refused(tmp_path: Path, out: Path) -> None:
    assert brought(tmp_path, out, f"{s.sha256('a')}\n", algorithm="SHA-256").added == 1
    assert brought(tmp_path, out, f"{s.md5('a')}\n", algorithm="PhotoDNA").added == 1
    with pytest.raises(UsageError, match="algorithm 'pdqq': not one of md5,"):
        brought(tmp_path, out, f"{s.md5('b')}\n", algorithm="pdqq")


def test_an_import_of_which_nothing_can_be_used_is_an_error_and_changes_no_list(
    tmp_path: Path, out: Path
) -> None:
    bad = s.written(tmp_path / "bad.csv", "id,md5\na,zz\nb,yy\n")
    why = r"known\.parquet: nothing imported, all 2 rows were rejected, the first: .*bad\.csv: row 2: "
    with pytest.raises(KnownListError, match=why):
        import_known([bad], out)
    assert not out.exists()
    kept = out.with_name("known.parquet.rejected.jsonl")
    assert len(kept.read_text().splitlines()) == 2

    brought(tmp_path, out, f"id,md5\na,{s.md5('a')}\n")
    before = out.read_bytes()
    with pytest.raises(KnownListError, match="rejected"):
        import_known([bad], out, keep_rejected=False)
    assert out.read_bytes() == before
