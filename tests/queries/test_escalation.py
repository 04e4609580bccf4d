"""What must go to a person: sexual content with a child in view, by any model's best guess."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hivescan.cli.main import app
from hivescan.queries.escalation import escalated_contents
from hivescan.report import Format, ReportOptions, render, report
from hivescan.store.store import Store
from tests.made_stores import MadeStore

CHILD, ADULT = (
    {"yes_child_present": 0.6, "no_child_present": 0.4},
    {"yes_child_present": 0.4, "no_child_present": 0.6},
)


def nsfw(harmful: float, suggestive: float = 0.0) -> dict[str, float]:
    rest = 1 - harmful - suggestive
    return {
        "general_nsfw": harmful,
        "general_suggestive": suggestive,
        "general_not_nsfw_not_suggestive": rest,
    }


def made(path: Path) -> MadeStore:
    """Two models of nsfw, two of children."""
    store = MadeStore(path)
    for model in ("nets", "towers"):
        store.head(
            f"{model}/nsfw", harmful=["general_nsfw"], descriptive=["general_suggestive"],
            benign=["general_not_nsfw_not_suggestive"], group="sexual", chain=f"nsfw_{model}",
        )  # fmt: skip
    store.head(
        "ages/child_present", descriptive=["yes_child_present"], benign=["no_child_present"], group="child",
        chain="faces>child_present", validated=False,
    )  # fmt: skip
    store.head(
        "clip/child_any", descriptive=["yes_child_any"], benign=["no_child_any"], group="child",
        family="child_present", chain="zero_shot",
    )  # fmt: skip
    store.head(
        "own/child_safety",
        harmful=["yes_child_safety"],
        benign=["no_child_safety"],
        group="child",
        chain="own",
    )
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = made(tmp_path_factory.mktemp("escalation") / "store")
    both = {"nets/nsfw": nsfw(0.7), "ages/child_present": CHILD}
    store.file("/m/both.jpg", [both])
    store.file("/m/adult.jpg", [{"nets/nsfw": nsfw(0.99), "ages/child_present": ADULT}])
    store.file("/m/harmless.jpg", [{"nets/nsfw": nsfw(0.1), "ages/child_present": CHILD}])
    store.file("/m/suggestive.jpg", [{"nets/nsfw": nsfw(0.1, 0.8), "ages/child_present": CHILD}])
    store.file(
        "/m/one-of-two.jpg",
        [{"nets/nsfw": nsfw(0.1), "towers/nsfw": nsfw(0.55), "ages/child_present": CHILD}],
    )
    store.file("/m/highest.jpg", [{"nets/nsfw": nsfw(0.4, 0.3), "ages/child_present": CHILD}])
    store.file(
        "/m/family.jpg",
        [{"nets/nsfw": nsfw(0.7), "clip/child_any": {"yes_child_any": 0.9, "no_child_any": 0.1}}],
    )
    store.file(
        "/m/apart.mp4",
        [
            {"nets/nsfw": nsfw(0.1), "ages/child_present": CHILD},
            {"nets/nsfw": nsfw(0.2)},
            {"nets/nsfw": nsfw(0.9)},
        ],
        media_type="video",
        step_ms=1000,
    )
    store.file("/m/unsafe.jpg", [{"own/child_safety": {"yes_child_safety": 0.8, "no_child_safety": 0.2}}])
    store.file("/m/unasked.jpg", [{"nets/nsfw": nsfw(0.99)}])
    store.file("/m/nobody.jpg", [{"nets/nsfw": nsfw(0.99)}], chains=["faces>child_present"])
    return store.done()


ESCALATED = ["apart.mp4", "both.jpg", "family.jpg", "highest.jpg", "one-of-two.jpg", "unsafe.jpg"]


def test_any_models_best_guess_on_either_side_is_enough(store: Store) -> None:
    made = report(store)
    assert [file.uri.removeprefix("/m/") for file in made.escalated] == ESCALATED
    assert made.escalated_files == len(ESCALATED)
    assert all(file.action == "escalate" for file in made.escalated)
    assert made.has_findings
    assert made.verdict.startswith("6 to escalate")


def test_each_says_which_model_said_what_and_where(store: Store) -> None:
    files = {file.uri: file for file in report(store).escalated}
    assert files["/m/one-of-two.jpg"].why == "towers says general_nsfw 0.55, ages says yes_child_present 0.60"
    sexual, child = files["/m/apart.mp4"].guesses
    assert (sexual.label, sexual.start_ms) == ("general_nsfw", 2000)
    assert (child.label, child.start_ms) == ("yes_child_present", 0)
    assert [guess.head for guess in files["/m/unsafe.jpg"].guesses] == ["child_safety"]


def test_no_option_of_a_report_but_the_choice_of_files_hides_it(store: Store) -> None:
    narrow = ReportOptions(threshold=1.0, heads=("child_safety",), ignored=("nsfw",), limit=1)
    assert len(report(store, narrow).escalated) == len(ESCALATED)
    chosen = report(store, ReportOptions(where="uri = '/m/adult.jpg'"))
    assert chosen.escalated == ()
    assert chosen.escalated_files == 0


def test_it_stands_first_in_every_format(store: Store) -> None:
    made = report(store)
    text = render(made, Format.TABLE)
    assert text.index("Escalate") < text.index("Hash matches") < text.index("Flagged files")
    assert text.count("escalate  ") >= len(ESCALATED)
    assert "no thumbnails" in text
    said = json.loads(render(made, Format.JSON))
    assert said["escalated_files"] == len(ESCALATED)
    assert said["escalated"][0]["action"] == "escalate"
    rows = list(csv.DictReader(io.StringIO(render(made, Format.CSV))))
    assert [row["section"] for row in rows[: len(ESCALATED)]] == ["escalate"] * len(ESCALATED)


def test_what_nobody_could_say_is_no_zero(tmp_path: Path) -> None:
    store = MadeStore(tmp_path / "store")
    store.head("nets/nsfw", harmful=["general_nsfw"], group="sexual", chain="nsfw")
    store.file("/m/a.jpg", [{"nets/nsfw": nsfw(0.99)}])
    made = report(store.done())
    assert made.escalated_files is None
    assert made.escalation_checked == 0
    assert "child_present" in render(made, Format.TABLE)


def test_how_many_files_could_be_asked_about_is_counted(store: Store) -> None:
    """Those without a face count, those that no model of children saw do not."""
    made = report(store)
    assert made.escalation_checked == 10
    assert made.coverage.items == 11


def test_lists_and_queries_show_the_word(store: Store) -> None:
    answer = CliRunner().invoke(app, ["items", "--store", str(store.location), "--json"])
    actions = {item["uri"].removeprefix("/m/"): item["action"] for item in json.loads(answer.stdout)}
    assert sorted(uri for uri, action in actions.items() if action == "escalate") == ESCALATED
    assert set(actions.values()) == {"escalate", None}
    shown = CliRunner().invoke(app, ["items", "--store", str(store.location)])
    assert shown.stdout.count("escalate") == len(ESCALATED)
    table = store.sql("SELECT uri, why FROM escalations JOIN items USING (content_id) ORDER BY uri")
    assert [uri.removeprefix("/m/") for uri in table.column("uri").to_pylist()] == ESCALATED


def test_who_acts_on_content_is_told_what_to_leave_alone(store: Store) -> None:
    everything = escalated_contents(store)
    assert len(everything) == len(ESCALATED)
    assert all(why.startswith("escalate: ") for why in everything.values())
    first = next(iter(everything))
    assert escalated_contents(store, [first, "0" * 64]) == {first: everything[first]}


def test_a_person_can_escalate_what_no_model_saw(tmp_path: Path) -> None:
    store = made(tmp_path / "store")
    content = store.file("/m/a.jpg", [{"nets/nsfw": nsfw(0.0)}])
    store._add(
        "decisions", content_id=content, decision="escalate", reason="seen by hand", decided_by="anna",
        decided_at=store.at, run_id=store.run_id,
    )  # fmt: skip
    opened = store.done()
    assert escalated_contents(opened) == {content: "escalate: seen by hand"}
    (file,) = report(opened).escalated
    assert (file.why, file.guesses) == ("seen by hand", ())


def test_a_person_who_looked_stands_above_models(tmp_path: Path) -> None:
    store = made(tmp_path / "store")
    content = store.file("/m/a.jpg", [{"nets/nsfw": nsfw(0.9), "ages/child_present": CHILD}])
    store._add(
        "decisions", content_id=content, decision="keep", decided_by="anna", policy="escalate",
        decided_at=store.at, run_id=store.run_id,
    )  # fmt: skip
    assert escalated_contents(store.done()) == {}


def test_words_alone_escalate_nothing(tmp_path: Path) -> None:
    store = made(tmp_path / "store")
    store.head("words/sexual", harmful=["explicit"], benign=["plain"], group="sexual", chain="ocr>words")
    store.file("/m/a.jpg", [{"words/sexual": {"explicit": 0.99, "plain": 0.01}, "ages/child_present": CHILD}])
    for row in store.rows["scores"]:
        if row["model"] == "words":
            row["level"] = "passage"
    assert report(store.done()).escalated == ()


def test_words_that_name_a_minor_and_sexual_things_in_one_breath_escalate(tmp_path: Path) -> None:
    store = made(tmp_path / "store")
    store.head(
        "rules/text_child_exploitation", harmful=["yes"], benign=["no"], group="child", chain="text_heads"
    )
    store.file("/m/a.txt", [{"rules/text_child_exploitation": {"yes": 1.0, "no": 0.0}}], media_type="text")
    store.file("/m/b.txt", [{"rules/text_child_exploitation": {"yes": 0.0, "no": 1.0}}], media_type="text")
    for row in store.rows["scores"]:
        row["level"] = "passage"
    store.head("nets/nsfw", harmful=["general_nsfw"], group="sexual", chain="nsfw")
    store.file("/m/a.jpg", [{"nets/nsfw": nsfw(0.0)}], chains=["ocr>text_heads"])
    found = report(store.done())
    assert [e.uri for e in found.escalated] == ["/m/a.txt"]
    assert found.escalation_checked == 2  # what words in a picture say does not speak for the picture
