"""The text layer of PDF files: page by page, and what is said of pages that are drawn or damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hivescan.errors import DecodeError, MediaError, UnsupportedError
from hivescan.media.passages import passages
from hivescan.media.probe import probe
from hivescan.types import Limits, MediaType, Passage
from tests.media.made_pdf import pdf_of


def split(folder: Path, raw: bytes) -> tuple[list[Passage], MediaError | None]:
    path = folder / "no extension"
    path.write_bytes(raw)
    found: list[Passage] = []
    try:
        for passage in passages(path, probe(path, Limits())):
            found.append(passage)
    except MediaError as error:
        return found, error
    return found, None


def test_pages_are_read_in_their_order_and_passages_name_them(tmp_path: Path) -> None:
    long = "\n".join(f"Line {i} of a page that is longer (than one passage)." for i in range(45))
    found, trouble = split(tmp_path, pdf_of(["Grüße from page one.", "", long]))
    assert trouble is None
    assert (found[0].part, found[0].text) == (1, "Grüße from page one.")
    assert {passage.part for passage in found[1:]} == {3}
    assert len(found) > 2
    assert [passage.index for passage in found] == list(range(len(found)))
    assert found[1].char_start == 0
    assert "Line 44 of a page that is longer (than one passage)." in found[-1].text
    info = probe(tmp_path / "no extension", Limits())
    assert (info.media_type, info.mime, info.frame_count) == (MediaType.TEXT, "application/pdf", 3)


def test_pictures_in_a_document_are_not_looked_at_and_that_is_said(tmp_path: Path) -> None:
    found, trouble = split(tmp_path, pdf_of(["Words."], picture=True))
    assert [passage.text for passage in found] == ["Words."]
    assert isinstance(trouble, UnsupportedError)
    assert trouble.reason.startswith("pictures in documents are not looked at")
    found, trouble = split(tmp_path, pdf_of(["", ""]))
    assert found == []
    assert trouble is not None and trouble.reason == "no text layer: its pages are drawn"


def test_damaged_and_encrypted_documents_are_told_as_such(tmp_path: Path) -> None:
    for raw in (b"%PDF-1.4\nnothing that is one", pdf_of(["a"])[:40]):
        found, trouble = split(tmp_path, raw)
        assert (found, type(trouble)) == ([], DecodeError)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
@given(at=st.integers(0, 900), put=st.binary(min_size=1, max_size=8))
def test_whatever_is_changed_in_a_document_it_is_read_or_refused(at: int, put: bytes, tmp_path: Path) -> None:
    raw = pdf_of(["Words on a page.", "More of them."], picture=True)
    _, trouble = split(tmp_path, raw[:at] + put + raw[at + len(put) :])
    assert trouble is None or trouble.reason


@pytest.mark.parametrize("lines", [["one", "two"], ["a-", "b"]])
def test_lines_stay_lines(lines: list[str], tmp_path: Path) -> None:
    (passage,), _ = split(tmp_path, pdf_of(["\n".join(lines)]))
    assert passage.text.replace("\n", " ").split() == " ".join(lines).split() or passage.text == "ab"
