"""Whatever bytes come: a list, or one clear line."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hivescan.errors import KnownListError
from hivescan.matching.known import check_known
from hivescan.matching.lists.decoding import decode
from hivescan.matching.lists.importing import import_known
from hivescan.matching.lists.json_stream import read_members, read_values, shape_of
from hivescan.matching.lists.mapping import FORMATS as MAPPED
from hivescan.matching.lists.mapping import HashColumn, Mapping, load_mapping, save_mapping
from hivescan.matching.lists.opening import FORMATS
from tests.matching.lists import samples as s

quick = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])

_PIECES = [
    s.md5("a").encode(), s.pdq("a").encode(), b"id,md5\n", b",", b"\n", b'"', b"\t", b"{", b"}", b"[", b"]",
    b'"hashRecords":', b'"updates":', b"null", b":", b"<queryResult>", b"<images>", b"<image>", b"</image>",
    b"\x00", b"\xff\xfe", b"\x1f\x8b", b"SQLite format 3\0", b"PAR1", b"md5 ", b"0,100,",
    b"<!DOCTYPE", b"\xc3",
]  # fmt: skip
hostile = st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(_PIECES), max_size=30).map(b"".join))


@quick
@given(hostile, st.sampled_from([None, *FORMATS]))
@example(b"SQLite format 3\0" + bytes(200), None)
@example(b'"' * 300_000, "csv")
@example(b"{" * 50_000, "threatexchange")
@example(b'{"a":' * 50_000, "json")
@example(b"[1" + b"1" * 5000 + b"]", "json")
@example(b'[{"hash": "\\ud800", "md5": "\\ud800"}]', "json")
@example(b'{"pdq:\\ud800": null}', None)
def test_arbitrary_bytes_become_a_list_or_one_clear_line(content: bytes, format_: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "source", Path(folder) / "known.parquet"
        source.write_bytes(content)
        try:
            import_known([source], out, format=format_)
        except KnownListError as error:
            assert "\n" not in str(error)
            assert not out.exists()
        else:
            assert check_known(out)[1] == ()


@quick
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=20), st.sampled_from(["hex", "base64", "auto"]))
def test_hashes_are_read_as_they_were_written(values: list[bytes], encoding: str) -> None:
    def text(value: bytes) -> str:
        return base64.b64encode(value).decode() if encoding == "base64" else f" {value.hex().upper()}"

    found = decode(pa.array(map(text, values), pa.string()), encoding, np.zeros(len(values), np.int64))
    assert found.to_pylist() == values


@quick
@given(st.lists(st.binary(min_size=32, max_size=32), max_size=20), st.lists(st.booleans(), min_size=20))
def test_either_encoding_is_told_by_the_length_of_the_algorithm(
    values: list[bytes], as_hex: list[bool]
) -> None:
    texts = [v.hex() if h else base64.b64encode(v).decode() for v, h in zip(values, as_hex, strict=False)]
    found = decode(pa.array(texts, pa.string()), "auto", np.full(len(texts), 32))
    assert found.to_pylist() == values


@quick
@given(st.text(max_size=20))
def test_no_hash_is_made_of_other_text(text: str) -> None:
    (found,) = decode(pa.array([text], pa.string()), "hex", np.zeros(1, np.int64)).to_pylist()
    try:
        expected = bytes.fromhex(text.strip()) if text.strip().isalnum() else None
    except ValueError:
        expected = None
    assert found == (expected or None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)


@quick
@given(st.lists(json_values, max_size=6), st.sampled_from([None, 1]), st.integers(1, 40))
def test_json_is_read_in_pieces_as_in_one(values: list[object], indent: int | None, chunk: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("hivescan.matching.lists.json_stream._CHUNK", chunk)
        path = Path(folder) / "x.json"
        path.write_text(json.dumps(values, indent=indent))
        assert list(read_values(path)) == values
        path.write_text(" ".join(json.dumps(value) for value in values if not isinstance(value, list)))
        assert list(read_values(path)) == [v for v in values if not isinstance(v, list)]
        path.write_text(json.dumps({"a": 1, "records": values, "b": {"c": values}}, indent=indent))
        members = list(read_members(path, frozenset({"records"})))
        assert members == [("a", 1), *(("records", v) for v in values), ("b", {"c": values})]


def test_a_document_is_told_from_lines(tmp_path: Path) -> None:
    def shape(text: str) -> str:
        return shape_of(s.written(tmp_path / "x", text))

    assert shape('[{"a": 1}]') == "list"
    assert shape('{"a": 1}\n{"a": 2}') == "lines"
    assert shape('{"value": [{"a": 1}]}') == "document"
    assert shape('{"a": ["words"]}') == "lines"
    assert shape('{"value": [' + ", ".join(['{"a": "' + "x" * 1000 + '"}'] * 2000) + "]}") == "document"


words = st.text(max_size=8)
mappings = st.builds(
    Mapping,
    format=st.sampled_from([None, *MAPPED]),
    hashes=st.lists(
        st.builds(
            HashColumn, words, st.none() | words.filter(bool), st.none(), st.sampled_from(["auto", "hex"])
        ),
        max_size=3,
    ).map(tuple),
    fields=st.dictionaries(st.sampled_from(["entry_id", "quality", "tags"]), words),
    constants=st.fixed_dictionaries({}, optional={"source": words, "max_distance": st.integers(0, 256)}),
    values=st.dictionaries(
        st.sampled_from(["polarity", "deleted"]), st.dictionaries(words, words), max_size=2
    ),
    reject=st.dictionaries(words, st.lists(words, max_size=2).map(tuple), max_size=2),
    lengths=st.dictionaries(st.integers(1, 200), words, max_size=2),
    separator=words.filter(bool),
    delimiter=st.none() | st.characters(codec="utf-8"),
    header=st.none() | st.booleans(),
)


@quick
@given(mappings)
def test_a_mapping_is_read_as_it_was_saved(mapping: Mapping) -> None:
    kept = mapping.but(values={name: words for name, words in mapping.values.items() if words})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.toml"
        save_mapping(kept, path)
        assert load_mapping(path) == kept
