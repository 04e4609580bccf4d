"""The table of heads of the field, and what the cards make of it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hivescan.errors import CatalogueError, UsageError
from hivescan.models.cards import find_card
from hivescan.models.field import GROUPS, field_heads, read_field
from hivescan.models.head_states import State, head_states, own_heads
from hivescan.models.schema import Card, Quality
from hivescan.types import HeadClass, HeadSpec, Polarity

ROOT = Path(__file__).parents[2]


def test_the_field_has_54_heads_of_pictures_with_125_classes_each_with_a_side_that_is_not_benign() -> None:
    heads = field_heads()
    seen = [head for head in heads if head.group != "text"]
    assert len(seen) == 54
    assert sum(len(head.classes) for head in seen) == 125
    assert {head.group for head in heads} == set(GROUPS)
    for head in heads:
        assert any(c.polarity is not Polarity.BENIGN for c in head.classes), head.name
        assert len(set(head.labels)) == len(head.labels)


def spoken(card: Card, *heads: HeadSpec, quality: tuple[Quality, ...] = ()) -> list[Card]:
    return [replace(card, heads=heads, quality=quality)]


def spec(name: str, *labels: str, validated: bool = False, family: str | None = None) -> HeadSpec:
    classes = tuple(HeadClass(label, Polarity.HARMFUL) for label in labels)
    return HeadSpec(name, classes, "violence", validated=validated, family=family)


@pytest.fixture
def card() -> Card:
    return find_card("efficientnet_lite2")


def test_without_any_card_a_head_is_what_it_could_be() -> None:
    states = {s.head.name: s for s in head_states(cards=[], with_rules=False)}
    assert states["nsfw"].state is State.HUB
    assert states["marijuana"].state is State.TRAINABLE
    assert states["child_safety"].state is State.NONE
    assert all(s.filled == 0 for s in states.values())


def test_a_card_backs_the_classes_that_it_has_and_no_others(card: Card) -> None:
    states = {s.head.name: s for s in head_states(cards=spoken(card, spec("alcohol", "yes_alcohol", "wine")))}
    alcohol = states["alcohol"]
    assert alcohol.state is State.BACKED
    assert {c.label: c.state for c in alcohol.classes} == {
        "yes_alcohol": State.BACKED,
        "yes_drinking_alcohol": State.TRAINABLE,
        "animated_alcohol": State.TRAINABLE,
        "no_alcohol": State.TRAINABLE,
    }
    (backing,) = alcohol.backings
    assert backing.labels == ("yes_alcohol",)
    assert backing.evidence == "unvalidated"


def test_a_coarser_head_is_related_and_fills_nothing(card: Card) -> None:
    heads = (spec("gun_any", "yes_gun_any", family="gun"), spec("knife", "no_knife"))
    states = {s.head.name: s for s in head_states(cards=spoken(card, *heads))}
    assert states["gun"].state is State.RELATED
    assert states["gun"].filled == 0
    assert [b.head for b in states["gun"].related] == ["gun_any"]
    assert states["knife"].backings == ()  # the benign side alone says nothing
    (own,) = own_heads(cards=spoken(card, *heads))
    assert (own.backing.head, own.family) == ("gun_any", "gun")


def test_evidence_is_a_figure_of_the_card_where_the_head_is_validated(card: Card) -> None:
    figure = Quality("AUC of fight", 0.91, "clips", 60, "python x.py", head="fight")
    other = replace(figure, metric="gun: AUC", head="gun_any")
    cards = spoken(card, spec("fight", "yes_fight", validated=True), quality=(other, figure))
    (fight,) = [s for s in head_states(group="violence", cards=cards) if s.head.name == "fight"]
    assert fight.backings[0].evidence == "AUC of fight: 0.91 (n = 60)"
    assert fight.backings[0].figures == (figure,)


def test_an_unknown_group_is_answered_with_those_that_exist() -> None:
    with pytest.raises(UsageError, match="no group 'weapons' of heads; there are sexual, attire"):
        head_states(group="weapons")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "heads: is missing"),
        ('[[heads]]\nname = "a"\ngroup = "hate"\nyes = "bad"\nneeds = "x"', r"heads\[0\].yes: 'bad'"),
        ('[[heads]]\nname = "a"\ngroup = "x"\nyes = "harmful"\nneeds = "x"', r"heads\[0\].group: 'x'"),
        ('[[heads]]\nname = "a"\ngroup = "hate"\nneeds = "x"', r"heads\[0\].classes: is missing"),
        (
            2 * '[[heads]]\nname = "a"\ngroup = "hate"\nyes = "harmful"\nneeds = "x"\n',
            "heads: has a name twice",
        ),
    ],
)
def test_a_damaged_table_names_file_and_key(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "field.toml"
    path.write_text(text)
    with pytest.raises(CatalogueError, match=told):
        read_field(path)


def test_the_command_prints_what_python_gives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HIVESCAN_MODELS", str(tmp_path))
    code = "from hivescan.cli.main import main; main()"
    words = [sys.executable, "-c", code, "models", "heads", "--group", "drugs_and_vice"]
    listed = subprocess.run([*words, "--json"], capture_output=True, text=True, check=True)
    heads = json.loads(listed.stdout)["heads"]
    assert [h["name"] for h in heads] == [s.head.name for s in head_states(group="drugs_and_vice")]
    assert all(h["state"] in list(State) and h["needs"] for h in heads)
    table = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "marijuana" in table
    assert "gun" not in table.split()


def test_the_page_is_current() -> None:
    path = ROOT / "scripts" / "heads_page.py"
    loaded = importlib.util.spec_from_file_location("heads_page_script", path)
    assert loaded is not None and loaded.loader is not None
    script = importlib.util.module_from_spec(loaded)
    loaded.loader.exec_module(script)
    written = (ROOT / "docs" / "heads.md").read_text(encoding="utf-8")
    assert written == script.page(), "docs/heads.md is stale: run `make docs`"
