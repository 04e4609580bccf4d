"""``hivescan text``: what it takes, and what it says."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from hivescan.cli.main import app


def test_lines_of_any_bytes_are_scored_and_what_they_name_is_told() -> None:
    lines = b"write to jane@example.com\n\n\xff\xfe you are an arse\n"
    seen = CliRunner().invoke(app, ["text", "--json"], input=lines)
    assert seen.exit_code == 0, seen.output
    first, second = json.loads(seen.stdout)
    assert [(e["kind"], e["value"]) for e in first["entities"]] == [("email", "jane@example.com")]
    assert first["scores"]["text_personal_data"]["contact_data"] == 1
    assert second["text"] == "\ufffd\ufffd you are an arse"
    assert second["scores"]["text_profanity"]["no_text_profanity"] < 1


def test_where_nothing_is_to_tell_or_heads_do_not_know_the_language_one_line_says_so() -> None:
    quiet = "ok see you at the station"
    german = "Das Wetter war schön, und wir verbrachten den Nachmittag im Garten."
    seen = CliRunner().invoke(app, ["text", quiet, german, "--why", "text_profanity"])
    assert seen.exit_code == 0, seen.output
    first, second = seen.stdout.strip().split("\n")
    assert first == "text 1: nothing to tell; no words were found that the score of text_profanity comes from"
    assert second.startswith("text 2: nothing to tell; its language (de) is not known to text_")
    assert "text_hate" in second and "text_promotions" not in second and "no words" not in second
