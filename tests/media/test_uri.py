"""Every local name becomes text that leads back to the same file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivescan.media.uri import has_scheme, path_to_uri, uri_to_path

NAMES = st.binary(min_size=1, max_size=40).filter(lambda b: b"\0" not in b and b"/" not in b)


@given(NAMES.filter(lambda b: b not in {b".", b".."}))
def test_names_of_any_bytes_come_back_from_their_uri(name: bytes) -> None:
    path = b"/media/" + name
    uri = path_to_uri(path)
    uri.encode()  # fits a column of text
    assert os.fsencode(str(uri_to_path(uri))) == path


def test_a_utf8_name_is_its_own_uri() -> None:
    assert path_to_uri("/media/Überblick 100%.jpg") == "/media/Überblick 100%.jpg"


def test_relative_paths_are_made_absolute_and_links_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to("/etc")
    monkeypatch.chdir(tmp_path)
    assert path_to_uri("./link/x.jpg") == str(tmp_path / "link" / "x.jpg")


@pytest.mark.parametrize("uri", ["s3://bucket/a.jpg", "https://host/a", "zip://a.jpg::s3://b/c.zip"])
def test_other_file_systems_have_no_local_path(uri: str) -> None:
    assert has_scheme(uri)
    assert uri_to_path(uri) is None


def test_file_uris_are_local() -> None:
    assert uri_to_path("file:///media/a%20b.jpg") == Path("/media/a b.jpg")
    assert uri_to_path("file://localhost/media/a.jpg") == Path("/media/a.jpg")
