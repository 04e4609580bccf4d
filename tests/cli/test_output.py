"""Tables as they look on a terminal and in a pipe."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from hivescan.cli import output

ROW = ("/media/a very long name.jpg", 0.5, [0.25] * 512, None)
COLUMNS = ("uri", "score", "vector", "note")


def printed(monkeypatch: pytest.MonkeyPatch, *, width: int, terminal: bool) -> list[str]:
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=terminal,
        no_color=True,
        highlight=False,
        soft_wrap=True,
    )
    monkeypatch.setattr(output, "stdout", lambda: console)
    output.emit_table(COLUMNS, [ROW, ROW])
    assert isinstance(console.file, io.StringIO)
    plain = console.file.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "")
    return [line.rstrip() for line in plain.splitlines()]


def test_a_table_too_wide_for_the_terminal_is_a_block_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, width=60, terminal=True)
    assert lines[:2] == ["uri     /media/a very long name.jpg", "score   0.5"]
    assert lines[2].endswith("… 512 values]")
    assert (lines[4], len(lines)) == ("", 9)


def test_a_row_is_one_line_where_there_is_room_or_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for width, terminal in ((200, True), (10_000, False)):
        lines = printed(monkeypatch, width=width, terminal=terminal)
        assert len(lines) == 3
        assert lines[0].split() == list(COLUMNS)
