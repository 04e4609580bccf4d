"""The page: safe, without a network, and with the same figures as the document."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import zlib
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hivescan.automl.evaluation.decide import Rule, millionths
from hivescan.automl.evaluation.evaluate import evaluate_predictions
from hivescan.automl.evaluation.evaluation import EvaluateOptions, Evaluation
from hivescan.automl.evaluation.evaluation_page import evaluation_page
from hivescan.automl.heads.predict import Predictions
from tests.automl.evaluation_cases import LABELS, random_case
from tests.automl.test_evaluate import predicted, snapshot_of

HOSTILE = '</script><img src=x onerror="alert(1)">\u202e&{{data}}'


@pytest.fixture(autouse=True)
def _home(home: object) -> None:
    """No trained model of this machine is met."""


def evaluation(items: int = 400, rule: Rule | None = None, *, unknown: bool = False) -> Evaluation:
    truth, scores = random_case(items, 4, seed=11)
    labels = [LABELS[t] for t in truth]
    if unknown:
        labels[:7] = ["emu"] * 7
    options = EvaluateOptions(rule=rule or Rule(), resamples=40)
    return evaluate_predictions(snapshot_of({"animal": labels}), predicted(scores), options)


class Elements(HTMLParser):
    """All start tags with their attributes, and the text of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self._open: str | None = None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag if tag in self.inside else None
        if self._open:
            self.inside[tag].append("")

    def handle_data(self, data: str) -> None:
        if self._open:
            self.inside[self._open][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._open = None


def data_of(page: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Elements(page).inside["script"][0])
    return loaded


def unpacked(packed: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(packed)), dtype="<u2")


def test_nothing_is_fetched_and_only_its_own_scripts_are_allowed() -> None:
    page = Elements(evaluation_page(evaluation()))
    (policy,) = [
        a["content"] for t, a in page.tags if t == "meta" and "Policy" in (a.get("http-equiv") or "")
    ]
    assert policy is not None and policy.startswith("default-src 'none'")
    assert "unsafe" not in policy and "http" not in policy
    allowed = set(re.findall(r"'(sha256-[^']+)'", policy))
    inline = [*page.inside["style"], *page.inside["script"][1:]]
    assert allowed == {
        "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in inline
    }
    for _, attributes in page.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        for name in ("src", "href", "action", "srcset"):
            assert (attributes.get(name) or "data:").startswith("data:")


def test_names_from_data_cannot_become_markup() -> None:
    truth, scores = random_case(60, 2, seed=1)
    labels = (HOSTILE, "plain")
    made = evaluate_predictions(
        snapshot_of({HOSTILE: [labels[t] for t in truth]}),
        predicted(scores, labels, head=HOSTILE),
        EvaluateOptions(resamples=0),
    )
    rows = [mistake.row for mistake in made.heads[0].mistakes]
    page = evaluation_page(made, texts=dict.fromkeys(rows, HOSTILE))
    found = Elements(page)
    assert "<img src=x" not in page
    assert "\u202e" not in page
    assert not [attributes for tag, attributes in found.tags if tag == "img"]
    assert len(found.inside["script"]) == 3
    assert "{{data}}" in page  # as text; the place in the template was filled once


def test_pictures_are_shown_only_where_they_are_given() -> None:
    made = evaluation()
    row = made.heads[0].mistakes[0].row
    assert "<img" not in evaluation_page(made)
    assert evaluation_page(made, pictures={row: b"\xff\xd8jpeg"}).count("<img") == 1


def test_the_scores_in_the_page_are_those_of_the_evaluation_cut_to_steps() -> None:
    made = evaluation()
    (head,) = data_of(evaluation_page(made))["heads"]
    decisions = made.heads[0].decisions
    steps = millionths(decisions.scores) // 100
    expected = sorted(zip(decisions.truth.tolist(), map(tuple, steps.tolist()), strict=True))
    columns = unpacked(head["scores"]).reshape(4, head["n"]).T
    found = sorted(zip(unpacked(head["truth"]).tolist(), map(tuple, columns.tolist()), strict=True))
    assert found == expected


def run_node(script: str) -> Any:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the page's functions are not tried")
    done = subprocess.run([node, "-e", script], capture_output=True, text=True, check=True, timeout=120)
    return json.loads(done.stdout)


def figures_in_node(page: str, expression: str, tmp_path: Path) -> Any:
    """The value of a JavaScript expression about ``head`` with the page's own functions ``f``."""
    (tmp_path / "data.json").write_text(json.dumps(data_of(page)))
    functions = tmp_path / "figures.js"
    functions.write_text((files("hivescan.automl.evaluation") / "page" / "figures.js").read_text())
    return run_node(
        f"""
        const f = require({json.dumps(str(functions))});
        const data = JSON.parse(require("fs").readFileSync({json.dumps(str(tmp_path / "data.json"))}));
        f.unpackHead(data.heads[0]).then((head) => console.log(JSON.stringify({expression})));
        """
    )


RULES = [
    (Rule(), "null, 0"),
    (Rule(0.5), "null, 5000"),
    (Rule(0.9), "null, 9000"),
    (Rule(by_class={"bee": 0.25}), "1, 2500"),
    (Rule(by_class={"dog": 0.7}), "3, 7000"),
]


@pytest.mark.parametrize(("rule", "arguments"), RULES)
@pytest.mark.parametrize("unknown", [False, True])
def test_the_page_counts_what_the_evaluation_counts(
    rule: Rule, arguments: str, unknown: bool, tmp_path: Path
) -> None:
    made = evaluation(rule=rule, unknown=unknown)
    head = made.heads[0]
    found = figures_in_node(
        evaluation_page(made),
        f"(() => {{ const m = f.matrixAt(head, {arguments}); "
        "return { matrix: Array.from(m), overall: f.overallOf(m, head.classes.length), "
        "start: head.start }; })()",
        tmp_path,
    )
    assert found["matrix"] == [n for row in head.matrix.counts for n in row]
    for name in ("precision", "recall", "f1", "balanced_accuracy", "accuracy"):
        assert found["overall"][name] == pytest.approx(head.overall[name].value), name
    for part, measures in zip(head.classes, found["overall"]["classes"], strict=True):
        for name in ("precision", "recall", "f1", "balanced_accuracy"):
            assert measures[name] == pytest.approx(part.measures[name].value), (part.label, name)
    chosen, step = arguments.split(", ")
    assert found["start"] == {"chosen": json.loads(chosen), "t": int(step)}


def test_every_point_of_the_pages_curve_is_what_that_threshold_gives(tmp_path: Path) -> None:
    made = evaluation(120)
    decisions = made.heads[0].decisions
    points = figures_in_node(evaluation_page(made), "f.classCurve(head, 2)", tmp_path)
    positive = decisions.truth == 2
    steps = millionths(decisions.scores[:, 2]) // 100
    assert [point["t"] for point in points] == sorted(set(steps.tolist()), reverse=True)
    for point in points:
        flagged = steps >= point["t"]
        assert point["recall"] == pytest.approx(flagged[positive].mean())
        assert point["precision"] == pytest.approx(positive[flagged].mean())
        assert point["false_positive_rate"] == pytest.approx(flagged[~positive].mean())


def test_a_value_that_is_not_defined_is_null_in_the_page_too(tmp_path: Path) -> None:
    made = evaluation(rule=Rule(1.0))
    found = figures_in_node(
        evaluation_page(made), "f.overallOf(f.matrixAt(head, null, 10000), 4).precision", tmp_path
    )
    assert found is None


def test_a_head_of_which_nothing_was_measured_has_a_page_too(tmp_path: Path) -> None:
    nothing = np.full((3, 2), np.nan, np.float32)
    made = evaluate_predictions(
        snapshot_of({"animal": ["ant", "bee", "ant"]}), predicted(nothing, LABELS[:2]), EvaluateOptions()
    )
    page = evaluation_page(made)
    assert "3 items not measured: cannot be decoded" in page
    assert figures_in_node(page, "f.overallOf(f.matrixAt(head, null, 0), 2).accuracy", tmp_path) is None


def test_several_heads_are_in_one_page(tmp_path: Path) -> None:
    truth, scores = random_case(80, 4, seed=1)
    other, other_scores = random_case(80, 2, seed=2)
    snapshot = snapshot_of(
        {"animal": [LABELS[t] for t in truth], "mood": [("calm", "wild")[t] for t in other]}
    )
    both = Predictions(
        "pets_model@3", {"animal": (LABELS, scores), "mood": (("calm", "wild"), other_scores)}, {}
    )
    page = evaluation_page(evaluate_predictions(snapshot, both, EvaluateOptions(resamples=0)))
    assert [head["head"] for head in data_of(page)["heads"]] == ["animal", "mood"]
    assert page.count("<section data-head=") == 2


@pytest.mark.slow
def test_fifty_classes_and_a_hundred_thousand_items_make_a_page_of_megabytes() -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(50, size=100_000)
    logits = generator.normal(size=(100_000, 50)).astype(np.float32) * 2
    logits[np.arange(100_000), truth] += 6
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores /= scores.sum(axis=1, keepdims=True)
    labels = [f"class {i}" for i in range(50)]
    made = evaluate_predictions(
        snapshot_of({"animal": [labels[t] for t in truth]}),
        predicted(scores.astype(np.float32), labels),
        EvaluateOptions(resamples=0),
    )
    page = evaluation_page(made)
    assert len(page) < 14_000_000
    assert f"{len(json.dumps(data_of(page), separators=(',', ':'))):,} bytes" in page
