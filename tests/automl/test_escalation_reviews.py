"""A person clears or confirms what is to be escalated: who, when, why, and what is remembered of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hivescan.automl.datasets.refusal import refused_contents, text_content_id
from hivescan.automl.escalations import clear, confirm
from hivescan.cli.main import app
from hivescan.errors import StoreError, UsageError
from hivescan.queries.escalation import escalated_contents, reviews
from hivescan.report import report
from hivescan.store.store import Store
from tests.made_stores import START, MadeStore

CHILD = {"yes_child_present": 0.6, "no_child_present": 0.4}
NSFW = {"general_nsfw": 0.9, "general_not_nsfw": 0.1}
BOTH = {"nets/nsfw": NSFW, "ages/child_present": CHILD}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HIVESCAN_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"


def made(path: Path, run_id: str = "run-1", at: datetime = START) -> MadeStore:
    store = MadeStore(path, run_id=run_id, at=at)
    store.head("nets/nsfw", harmful=["general_nsfw"], benign=["general_not_nsfw"], group="sexual")
    store.head(
        "ages/child_present", descriptive=["yes_child_present"], benign=["no_child_present"], group="child"
    )
    return store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    building = made(tmp_path / "store")
    building.file("/m/a.jpg", [BOTH])
    building.file("/m/b.jpg", [BOTH])
    building.file("/m/plain.jpg", [{"nets/nsfw": {"general_nsfw": 0.1, "general_not_nsfw": 0.9}}])
    return building.done()


def states(store: Store) -> dict[str, str]:
    return {review.uris[0]: review.state for review in reviews(store)}


def test_clearing_takes_a_content_off_every_list_and_says_who_when_and_why(store: Store) -> None:
    (cleared,) = clear(store, ["/m/a.jpg"], why="grown-ups at a beach", by="anna")
    assert (cleared.uris, cleared.decided_by, cleared.reason) == (
        ("/m/a.jpg",),
        "anna",
        "grown-ups at a beach",
    )
    assert [file.uri for file in report(store).escalated] == ["/m/b.jpg"]
    assert cleared.content_id not in escalated_contents(store)
    row = store.sql("SELECT * FROM decisions").to_pylist()[0]
    assert (row["decision"], row["decided_by"], row["reason"]) == ("clear", "anna", "grown-ups at a beach")
    assert row["decided_at"] == cleared.decided_at
    assert states(store) == {"/m/a.jpg": "cleared", "/m/b.jpg": "open"}


def test_confirming_keeps_it_there_and_reports_say_by_whom(store: Store) -> None:
    confirm(store, ["/m/a.jpg"], why="reported", by="anna")
    why = next(file.why for file in report(store).escalated if file.uri == "/m/a.jpg")
    assert why.startswith("nets says general_nsfw 0.90, ages")
    assert why.endswith("; confirmed by anna: reported")
    assert states(store) == {"/m/a.jpg": "confirmed", "/m/b.jpg": "open"}


def test_the_newest_decision_counts_and_confirming_adds_what_no_model_named(store: Store) -> None:
    clear(store, ["/m/a.jpg"], why="a doll", by="anna")
    confirm(store, ["/m/a.jpg", "/m/plain.jpg"], why="seen again", by="ben")
    assert states(store) == {"/m/a.jpg": "confirmed", "/m/b.jpg": "open", "/m/plain.jpg": "confirmed"}


def test_content_ids_serve_as_names_and_nothing_is_written_where_one_is_wrong(store: Store) -> None:
    content = next(iter(escalated_contents(store)))
    with pytest.raises(UsageError, match=r"/m/none\.jpg is no item of this store"):
        clear(store, [content, "/m/none.jpg"], why="x", by="anna")
    with pytest.raises(UsageError, match=r"plain\.jpg is not to be escalated"):
        clear(store, [content, "/m/plain.jpg"], why="x", by="anna")
    with pytest.raises(UsageError, match="reason"):
        clear(store, [content], why=" ", by="anna")
    with pytest.raises(UsageError, match="name the person"):
        clear(store, [content], why="x", by="rule")
    assert store.sql("SELECT * FROM decisions").num_rows == 0
    clear(store, [content[:12]], why="x", by="anna")
    with pytest.raises(UsageError, match="cleared by anna"):
        clear(store, [content], why="x", by="anna")


def test_a_user_without_a_name_is_asked_who_decided(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a number."""

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nobody)
    with pytest.raises(UsageError, match="--by"):
        clear(store, ["/m/a.jpg"], why="x")
    clear(store, ["/m/a.jpg"], why="x", by="anna")


def test_a_model_that_speaks_after_a_clearing_opens_nothing_and_is_listed(
    tmp_path: Path, store: Store
) -> None:
    """The bytes are those that a person saw."""
    (cleared,) = clear(store, ["/m/a.jpg"], why="grown-ups", by="anna")
    assert [review.since for review in reviews(store)] == [None, None]
    later = made(tmp_path / "store", "run-2", cleared.decided_at + timedelta(hours=1))
    later.head("new/nsfw", harmful=["general_nsfw"], group="sexual", chain="new_nsfw")
    later.file("/m/a.jpg", [{"new/nsfw": {"general_nsfw": 0.8}}])
    opened = later.done()
    assert states(opened) == {"/m/a.jpg": "cleared", "/m/b.jpg": "open"}
    assert [review.since for review in reviews(opened)] == [None, "new says general_nsfw 0.80"]
    answer = CliRunner().invoke(
        app, ["escalations", "list", "--said-since", "--json", "--store", str(opened.path)]
    )
    assert [one["uris"] for one in json.loads(answer.stdout)] == [["/m/a.jpg"]]


def test_what_is_remembered_is_lifted_by_a_clearing_and_stays_lifted(tmp_path: Path, store: Store) -> None:
    content = reviews(store)[0].content_id
    assert list(refused_contents([content], stores=[str(store.path)])) == [content]
    assert list(refused_contents([content])) == [content]
    clear(store, [content], why="grown-ups", by="anna")
    assert refused_contents([content]) == {}
    # Another store's models say it of the same bytes: a person saw these.
    other = made(tmp_path / "other")
    other.file("/m/a.jpg", [BOTH])
    named = str(other.done().path)
    assert refused_contents([content], stores=[named]) == {}
    assert refused_contents([content]) == {}
    confirm(store, [content], why="a second look", by="ben")
    assert "a second look" in refused_contents([content], stores=[str(store.path), named])[content]
    assert list(refused_contents([content])) == [content]


def test_a_clearing_counts_above_what_was_remembered_after_it(tmp_path: Path, store: Store) -> None:
    content = reviews(store)[0].content_id
    clear(store, [content], why="grown-ups", by="anna")
    other = made(tmp_path / "other")
    other.file("/m/a.jpg", [BOTH])
    named = str(other.done().path)
    assert list(refused_contents([content], stores=[named])) == [content]
    assert refused_contents([content], stores=[named, str(store.path)]) == {}
    assert refused_contents([content]) == {}


def test_the_command_lists_and_decides(store: Store) -> None:
    run = CliRunner()
    named = ["--store", str(store.path)]
    shown = run.invoke(app, ["escalations", "list", *named])
    assert shown.stdout.count("open") == 2
    done = run.invoke(
        app, ["escalations", "clear", "/m/a.jpg", "--why", "grown-ups", "--by", "anna", "--json", *named]
    )
    (told,) = json.loads(done.stdout)
    assert (told["decision"], told["decided_by"], told["uris"]) == ("clear", "anna", ["/m/a.jpg"])
    assert "confirmed by anna" in run.invoke(
        app, ["escalations", "confirm", "/m/b.jpg", "--why", "yes", "--by", "anna", *named]
    ).stdout  # fmt: skip
    listed = json.loads(run.invoke(app, ["escalations", "list", "--json", *named]).stdout)
    assert [(one["uris"], one["state"]) for one in listed] == [(["/m/b.jpg"], "confirmed")]
    assert listed[0]["why"] == "nets says general_nsfw 0.90, ages says yes_child_present 0.60"
    decided = ["confirm", "/m/plain.jpg", "--why", "seen by hand", "--by", "ben"]
    run.invoke(app, ["escalations", *decided, *named])
    told = run.invoke(app, ["escalations", "list", *named]).stdout
    assert told.count("anna") == 1  # who confirmed it and the reason stand in columns of their own
    assert told.count("seen by hand") == 1
    cleared = json.loads(
        run.invoke(app, ["escalations", "list", "--state", "cleared", "--json", *named]).stdout
    )
    assert [one["reason"] for one in cleared] == ["grown-ups"]


def test_what_was_confirmed_before_it_was_cleared_is_lifted_with_its_texts(tmp_path: Path) -> None:
    builder = made(tmp_path / "store")
    content = builder.file("/m/a.txt", [BOTH], chains=["passages"])
    builder.passage(content, 0, "Only here.", 0, 10)
    store = builder.done()
    text = text_content_id("Only here.")
    assert list(refused_contents([text], stores=[str(store.path)])) == [text]
    confirm(store, ["/m/a.txt"], why="yes", by="ben")
    clear(store, ["/m/a.txt"], why="an error of mine", by="ben")
    assert refused_contents([content, text]) == {}


def test_nothing_is_decided_where_it_could_not_be_remembered(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HIVESCAN_HOME", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="HIVESCAN_HOME"):
        confirm(store, ["/m/a.jpg"], why="yes", by="ben")
    assert states(store)["/m/a.jpg"] == "open"


def test_texts_that_were_read_in_what_is_cleared_are_lifted_as_well(tmp_path: Path) -> None:
    building = made(tmp_path / "store")
    (content, other) = (building.file(f"/m/{name}.txt", [BOTH], chains=["passages"]) for name in "ab")
    shared = "In both of them."
    for index, (of, text) in enumerate([(content, "Only here."), (content, shared), (other, shared)]):
        building.passage(of, index, text, 0, len(text))
    store = building.done()
    ids = [text_content_id(text) for text in ("Only here.", shared)]
    named = [str(store.path)]
    assert sorted(refused_contents(ids, stores=named)) == sorted(ids)
    clear(store, ["/m/a.txt"], why="a novel", by="anna")
    assert list(refused_contents(ids, stores=named)) == [ids[1]]
    assert list(refused_contents(ids)) == [ids[1]]
    clear(store, ["/m/b.txt"], why="a novel", by="anna")
    assert refused_contents(ids) == {}
