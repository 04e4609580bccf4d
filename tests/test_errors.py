"""The error tree: drawn as it is, and every leaf with its exit code."""

from __future__ import annotations

import pickle
import re
import textwrap

from hivescan import errors
from hivescan.errors import DecodeError, ExitCode, HivescanError, MediaError
from tests.conftest import REPOSITORY


def leaves(kind: type[HivescanError]) -> list[type[HivescanError]]:
    return [kind, *(leaf for sub in kind.__subclasses__() for leaf in leaves(sub))]


def ours() -> list[type[HivescanError]]:
    return [kind for kind in leaves(HivescanError) if kind.__module__ == errors.__name__]


def drawn() -> str:
    tree = (errors.__doc__ or "").partition("::\n\n")[2].partition("\n\n")[0]
    return textwrap.dedent(tree)


def test_the_tree_is_drawn_as_it_is() -> None:
    parents: list[str] = []
    seen = {}
    for line in drawn().splitlines():
        found = re.search(r"\w+Error", line)
        assert found is not None, line
        depth = found.start() // 4
        parents[depth:] = [found[0]]
        seen[found[0]] = parents[depth - 1] if depth else "Exception"
    assert seen == {kind.__name__: kind.__base__.__name__ for kind in ours() if kind.__base__}


def test_the_tree_gives_the_exit_code_of_every_error() -> None:
    lines = {found[0]: line for line in drawn().splitlines() if (found := re.search(r"\w+Error", line))}
    for kind in ours():
        told = re.search(r"exit code (\d+)", lines[kind.__name__])
        expected = int(told[1]) if told else int(ExitCode.USAGE)
        assert kind.exit_code == expected, kind


def test_every_error_is_defined_in_the_one_file() -> None:
    import hivescan.cli.main  # noqa: F401  loads the package's light half

    assert [kind for kind in leaves(HivescanError) if kind.__module__.startswith("hivescan.")] == ours()


def test_the_page_on_errors_shows_the_tree_and_every_exit_code() -> None:
    page = (REPOSITORY / "docs" / "errors.md").read_text(encoding="utf-8")
    assert f"```\n{drawn()}\n```" in page
    for code in ExitCode:
        assert f"| {int(code)} | `{code.name}` |" in page


def test_an_error_of_a_file_crosses_processes_with_its_reason() -> None:
    again = pickle.loads(pickle.dumps(DecodeError("truncated", retryable=True)))
    assert isinstance(again, MediaError)
    assert (type(again), again.reason, again.retryable) == (DecodeError, "truncated", True)
