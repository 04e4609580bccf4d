"""``hivescan dataset audit`` from stored vectors to the printed table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from hivescan.automl.datasets.audit import audit_snapshot
from hivescan.automl.datasets.dataset import new_dataset
from hivescan.automl.datasets.snapshot import open_snapshot, take_snapshot
from hivescan.cli import dataset
from hivescan.errors import DatasetError
from tests.automl.made_datasets import text_items
from tests.automl.made_vectors import clouds, store_vectors

FLIPPED = (11, 52, 83)


@pytest.fixture
def audited(home: Path) -> None:
    """120 texts of two kinds with stored vectors, three labels wrong, from two sites."""
    vectors, of = clouds((60, 60), spread=0.5)
    labels = [("apple", "pear")[kind] for kind in of]
    for place in FLIPPED:
        labels[place] = ("pear", "apple")[of[place]]
    sites = [f"site {n % 2}" for n in range(120)]
    items = text_items([f"{n} text {n * 7919}" for n in range(120)], {"kind": labels}, {"site": sites})
    take_snapshot(new_dataset("notes", "text", items))
    store_vectors(items, vectors)


def run(*words: str) -> Result:
    app = typer.Typer()
    dataset.register(app)
    return CliRunner().invoke(app, ["dataset", "audit", *words])


@pytest.mark.usefixtures("audited")
def test_planted_label_errors_are_printed_worst_first() -> None:
    result = run("notes@1")
    assert result.exit_code == 0, result.output
    assert "3 likely label errors" in result.stdout
    found = json.loads(run("notes", "--json").stdout)
    (head,) = found["heads"]
    assert {issue["row"] - 1 for issue in head["label_issues"]} == set(FLIPPED)
    assert {part["value"] for part in head["slices"]} == {"site 0", "site 1"}
    assert not any(part["stands_out"] for part in head["slices"])


@pytest.mark.usefixtures("audited")
def test_only_the_named_columns_are_cut_by() -> None:
    found = audit_snapshot(open_snapshot("notes"), by=())
    assert found.heads[0].slices == ()
    assert found.without_vector == {}
    with pytest.raises(DatasetError, match="no column 'sight'"):
        audit_snapshot(open_snapshot("notes"), by=["sight"])
