"""Every SQL example of the documentation runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hivescan.store.store import Store, open_store
from hivescan.store.writer import StoreWriter
from tests.store import rows

PAGE = Path(__file__).parents[2] / "docs" / "store.md"
EXAMPLES = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = open_store(tmp_path_factory.mktemp("docs") / "store", create=True)
    writer = StoreWriter(store, "r1")
    writer.add("files", rows.file("/media/a.jpg", "a", run="r1"))
    writer.add("contents", rows.content("a", run="r1"))
    writer.add("analyses", rows.attempt("a", run="r1"))
    writer.add("scores", rows.scores("a", 0.95, run="r1"))
    writer.commit()
    return store


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) >= 7


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs(store: Store, example: str) -> None:
    store.sql(example)
