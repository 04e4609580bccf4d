"""Text files as passages: every character is in one, in its place, whatever the file is like."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hivescan.media import passages as module
from hivescan.media.passages import MOST_CHARS, OVERLAP, passages, placed_passages
from hivescan.media.probe import probe
from hivescan.types import Limits, MediaInfo, MediaType, Passage

PLAIN = MediaInfo(MediaType.TEXT, "text/plain", codec="utf-8")
HTML = MediaInfo(MediaType.TEXT, "text/html", codec="utf-8")
SUBRIP = MediaInfo(MediaType.TEXT, "application/x-subrip", codec="utf-8")


def split(path: Path, text: str | bytes, info: MediaInfo | None = None) -> list[Passage]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(passages(path, info or probe(path, Limits())))


@example(text=" " * 602 + "x" * 399, block=7)
@example(text=" " * 800 + "x" * 200 + " " * 3_000, block=64)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.lists(
        st.one_of(
            st.text(alphabet="ab .!?\n\t", max_size=300),
            st.integers(1, 900).map(lambda n: "x" * n),
            st.integers(1, 900).map(lambda n: " " * n),
            st.just("Ein Satz, der weitergeht. "),
            st.just("これは文です。"),
            st.text(
                alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff\r"), max_size=50
            ),
        ),
        max_size=12,
    ).map("".join),
    block=st.sampled_from([7, 64, 1 << 16]),
)
def test_every_character_of_a_text_is_in_a_passage_at_its_place(
    text: str, block: int, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", block)
        found = split(tmp_path / "a.txt", text, PLAIN)
    seen = [False] * len(text)
    for i, passage in enumerate(found):
        assert passage.index == i and 0 < len(passage.text) <= MOST_CHARS
        assert text[passage.char_start : passage.char_end].strip() == passage.text
        seen[passage.char_start : passage.char_end] = [True] * (passage.char_end - passage.char_start)
    assert all(there or char.isspace() for there, char in zip(seen, text, strict=True))
    for before, after in itertools.pairwise(found):
        assert before.char_start <= after.char_start and before.char_end < after.char_end


def test_passages_overlap_and_end_with_sentences(tmp_path: Path) -> None:
    text = "".join(f"Sentence number {i} goes on for a while. " for i in range(500))
    found = split(tmp_path / "a.txt", text)
    assert len(found) > 20
    for before, after in itertools.pairwise(found):
        assert before.text.endswith("while.") and after.text.startswith("Sentence")
        assert 0 < before.char_end - after.char_start <= OVERLAP
    unbroken = split(tmp_path / "b.txt", "x" * 5_000)
    assert all(a.char_start < b.char_start < a.char_end for a, b in itertools.pairwise(unbroken))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_texts_are_read_in_their_encoding(encoding: str, tmp_path: Path) -> None:
    text = "Grüße aus Köln, die es in sich haben. " * 60
    found = split(tmp_path / "a.txt", text.encode(encoding))
    assert all(text[p.char_start : p.char_end] == p.text for p in found)
    assert found[-1].text.endswith("in sich haben.")


def test_html_is_read_without_its_markup(tmp_path: Path) -> None:
    source = (
        "<!doctype html><html><head><title>T &amp; U</title><script>if (a<b) { '<p>no</p>' }</SCRIPT >"
        "<style>p { }</style></head>"
        "<body><p>One <b>bold</b> word.<p>Two &lt; three<!-- gone -->, four<br>five"
    )
    (only,) = split(tmp_path / "a.html", source)
    assert only.text == "T & U One bold word. Two < three, four five"
    assert source[only.char_start :].startswith("T &amp; U") and source[: only.char_end].endswith("five")


def test_subtitles_keep_their_times(tmp_path: Path) -> None:
    cues = "".join(
        f"{i + 1}\r\n00:{i // 60:02}:{i % 60:02},500 --> 00:{i // 60:02}:{i % 60:02},900\r\n"
        f"<i>Line</i> {i} of what is said here.\r\n\r\n"
        for i in range(100)
    )
    found = split(tmp_path / "a.srt", cues)
    assert (found[0].start_ms, found[-1].end_ms) == (500, 99_900)
    assert found[0].text.startswith("Line 0 of what is said here.\nLine 1 of")
    assert all(p.start_ms is not None and p.end_ms is not None and p.start_ms < p.end_ms for p in found)
    vtt = split(
        tmp_path / "a.vtt", "WEBVTT\n\nNOTE not shown\n\n01:02.500 --> 01:04.000 line:0\nHi &amp; bye\n"
    )
    assert [(p.text, p.start_ms, p.end_ms) for p in vtt] == [("Hi & bye", 62_500, 64_000)]


@pytest.mark.parametrize(
    ("text", "info"),
    [
        ("<" * 300_000, HTML),
        ("<!--" * 100_000, HTML),
        ("<script>" * 100_000, HTML),
        ("<b>x" * 100_000, HTML),
        ("&" * 300_000, HTML),
        (" " * 3_000_000, PLAIN),
        ("\n" * 3_000_000, PLAIN),
        ("00:00:00,000 --> " * 50_000, SUBRIP),
        ("00:00:00,000 --> 00:00:01,000\n" + "{\\" * 200_000, SUBRIP),
    ],
    ids=range(9),
)
def test_hostile_texts_take_no_time(text: str, info: MediaInfo, tmp_path: Path) -> None:
    for passage in split(tmp_path / "a", text, info):
        assert len(passage.text) <= MOST_CHARS


def test_an_html_file_that_is_too_large_is_read_as_plain_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_HTML", 1_000)
    source = "<p>word</p> " * 200
    found = split(tmp_path / "a", source, HTML)
    assert found[0].text.startswith("<p>word</p>") and found[-1].char_end == len(source) - 1


def test_nothing_but_space_has_no_passages(tmp_path: Path) -> None:
    assert split(tmp_path / "a", " \n\t ", PLAIN) == []


def test_a_text_at_hand_is_cut_as_a_file_with_it(tmp_path: Path) -> None:
    text = "\n\n".join(f"Sentence number {n} says nothing new. And another." for n in range(90))
    path = tmp_path / "a.txt"
    path.write_text(text)
    made = list(placed_passages(text))
    assert made == list(passages(path, PLAIN)) and len(made) > 2
    assert all(text[p.char_start : p.char_end] == p.text for p in made)
