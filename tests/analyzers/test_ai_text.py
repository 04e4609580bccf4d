"""Who wrote a passage: the classes of the answer, and what nothing is said of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hivescan.analyzers import registry
from hivescan.analyzers.ai_text import answers, log_odds
from hivescan.analyzers.authorship import NAMES, numbers_of
from hivescan.analyzers.base import HostAnalyzer
from hivescan.models.backends.base import Placement
from hivescan.models.cards import find_card
from hivescan.models.fetch import obstacle
from hivescan.types import HeadScores

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "text" / "ai_vs_human"
GERMAN = "Das Wetter war schön, und wir verbrachten den ganzen Nachmittag mit den Nachbarn im Garten. " * 5


def test_a_class_reaches_a_half_where_the_odds_pass_its_bound() -> None:
    low, high = -1.5, 2.0
    odds = np.array([-9.0, low - 0.01, low + 0.01, 0.0, high - 0.01, high + 0.01, 9.0])
    machine, person, undecided = answers(odds, (low, high)).T
    assert (machine >= 0.5).tolist() == (odds > high).tolist()
    assert (person >= 0.5).tolist() == (odds < low).tolist()
    assert undecided.argmax() == 3 and undecided[3] > 0.5
    assert np.allclose(machine + person + undecided, 1.0, atol=1e-6)
    assert (np.diff(machine) > 0).all() and (np.diff(person) < 0).all()


def test_fewer_words_say_less() -> None:
    chance = np.array([0.0, 0.1, 0.9, 0.9, 0.9, 1.0], np.float32)
    odds = log_odds(chance, np.array([200, 50, 50, 100, 400, 200]), 150)
    assert np.isfinite(odds).all()
    assert odds[1] == pytest.approx(-odds[2], rel=1e-5)
    assert 0 < odds[2] < odds[3] < odds[4] == pytest.approx(np.log(9), rel=1e-5)


def test_numbers_of_a_text_are_finite_whatever_the_model_says() -> None:
    rng = np.random.default_rng(3)
    text = "It rained. We stayed at home, and nobody came to see us all day long."
    likely = np.stack(
        [-rng.exponential(2, 30), rng.integers(0, 50, 30), -np.full(30, 3.0), np.ones(30)], axis=1
    )
    for read in (likely, likely * [1, 1, 1, 0], np.zeros((30, 4)), likely[:3]):
        numbers = numbers_of(text, read.astype(np.float32))
        assert numbers.shape == (len(NAMES),) and np.isfinite(numbers).all()


def test_what_is_read_in_pictures_or_heard_is_not_asked_about() -> None:
    specs = registry.available()
    chosen = {name: specs[name] for name in ("ocr", "text_heads", "ai_text")}
    assert list(registry.behind(chosen)) == ["ocr>text_heads"]
    assert all("ai_text" not in registry.profile(name) for name in registry.PROFILES)


@pytest.fixture(scope="module")
def analyzer() -> HostAnalyzer:
    if (reason := obstacle(find_card("ai_text"))) is not None:
        pytest.skip(reason)
    return registry.load("ai_text", Placement(threads=1))


def run(analyzer: HostAnalyzer, *texts: str) -> HeadScores:
    view = np.empty(len(texts), object)
    view[:] = texts
    (head,) = analyzer.infer({"text": view}).scores
    return head


def test_short_texts_and_other_languages_are_said_to_be_so(analyzer: HostAnalyzer) -> None:
    head = run(analyzer, "", "We stayed at home, and nobody came to see us.", GERMAN)
    assert [head.labels[i] for i in head.scores.argmax(axis=1)] == ["too_short", "too_short", "unsupported"]
    assert (head.scores.max(axis=1) == 1.0).all()


def test_a_machines_text_scores_above_a_persons_and_rows_do_not_depend_on_others(
    analyzer: HostAnalyzer,
) -> None:
    path = DATA / "exp_gpt3to4__data__writing_gpt-4.raw_data.json"
    if not path.exists():
        pytest.skip("the set of paired texts is not here")
    table = json.loads(path.read_text(encoding="utf-8"))
    machine, person = table["sampled"][0][:600], table["original"][0][:600]
    together = run(analyzer, machine, "", person)
    assert together.scores[0, 0] > together.scores[2, 0]
    assert np.array_equal(run(analyzer, person).scores[0], together.scores[2])
    assert np.array_equal(run(analyzer, machine).scores[0], together.scores[0])
