"""Prompts and completions from files, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivescan.automl.language.data import (
    Columns,
    Example,
    Message,
    read_language_data,
    split_examples,
    without_prompts_of,
)
from hivescan.errors import DatasetError


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_gives_prompts_and_completions(tmp_path: Path) -> None:
    path = written(tmp_path / "d.csv", 'prompt,completion\n"one, two",three\nfour,five\n')
    data = read_language_data(path)
    assert [(e.row, e.text, e.completion) for e in data.usable("fail")] == [
        (1, "one, two", "three"),
        (2, "four", "five"),
    ]
    assert data.rows == 2


def test_a_long_cell_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "d.csv", f"prompt,completion\na,{'x' * 200_000}\nb,c\n")
    assert len(read_language_data(path).usable("fail")[0].completion) == 200_000


def test_half_characters_and_bottomless_json_are_told_by_row(tmp_path: Path) -> None:
    half = json.dumps({"prompt": "a", "completion": "b \ud800"})
    talk = json.dumps({"messages": [{"role": r, "content": "\udc00"} for r in ("user", "assistant")]})
    deep = json.dumps({"messages": "[" * 100_000})
    good = json.dumps({"prompt": "a \U0001f600", "completion": "b"})
    path = written(tmp_path / "d.jsonl", "\n".join([half, talk, deep, "[" * 100_000, good]))
    assert {fault.what: fault.rows for fault in read_language_data(path).faults} == {
        "has a completion with half a character": (1,),
        "has a message with half a character": (2,),
        "has messages that are not JSON": (3,),
        "is not JSON": (4,),
    }


def test_other_names_of_columns(tmp_path: Path) -> None:
    path = written(tmp_path / "d.tsv", "in\tout\na\tb\nc\td\n")
    assert len(read_language_data(path, Columns("in", "out")).usable("fail")) == 2
    with pytest.raises(DatasetError, match="has no column 'prompt'; --prompt and --completion"):
        read_language_data(path)


def test_conversations_end_with_what_is_learned(tmp_path: Path) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello?"},
        {"role": "assistant", "content": "Yes."},
    ]
    lines = [{"messages": messages}, {"prompt": "a", "completion": "b"}]
    path = written(tmp_path / "d.jsonl", "\n".join(map(json.dumps, lines)) + "\n")
    examples = read_language_data(path).usable("fail")
    assert examples[0] == Example(1, (Message("system", "Be brief."), Message("user", "Hello?")), "Yes.")
    assert examples[1].prompt == (Message("user", "a"),)
    table = tmp_path / "d.csv"
    cell = json.dumps(messages).replace('"', '""')
    written(table, f'messages\n"{cell}"\n"{cell.replace("Hello", "Hi")}"\n')
    assert read_language_data(table).usable("fail")[0] == examples[0]


def test_faults_are_told_with_their_rows(tmp_path: Path) -> None:
    path = written(
        tmp_path / "d.csv",
        "prompt,completion\na,b\n,c\nd,\na,b\ne,f\n  ,g\n",
    )
    data = read_language_data(path)
    assert [fault.line for fault in data.faults] == [
        "has an empty prompt: rows 2, 6",
        "has an empty completion: row 3",
        "says the same as a row before it: row 4",
    ]
    with pytest.raises(DatasetError, match=r"has an empty prompt: rows 2, 6;.*--on-invalid drop"):
        data.usable("fail")
    assert [example.row for example in data.usable("drop")] == [1, 5]


@pytest.mark.parametrize(
    ("messages", "fault"),
    [
        ("not json", "has messages that are not JSON"),
        ([{"role": "user", "content": "a"}], "has fewer than two messages"),
        ([{"role": "user"}, {"role": "assistant", "content": "b"}], "has a message without a content"),
        ([{"role": "me", "content": "a"}, {"role": "assistant", "content": "b"}], "of a role other than"),
        ([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}], "does not end with"),
        (
            [{"role": "system", "content": "a"}, {"role": "assistant", "content": "b"}],
            "no message of the user",
        ),
        (
            [
                {"role": "user", "content": "a"},
                {"role": "system", "content": "b"},
                {"role": "assistant", "content": "c"},
            ],
            "a system message that is not the first",
        ),
        ([{"role": "user", "content": " "}, {"role": "assistant", "content": "c"}], "has an empty message"),
    ],
)
def test_wrong_conversations_are_told(messages: object, fault: str, tmp_path: Path) -> None:
    path = written(tmp_path / "d.jsonl", json.dumps({"messages": messages}) + "\n")
    (found,) = read_language_data(path).faults
    assert fault in found.line


def test_lines_that_are_no_json_are_told(tmp_path: Path) -> None:
    path = written(tmp_path / "d.jsonl", '{"prompt": "a", "completion": "b"}\nnope\n[1]\n')
    assert [fault.line for fault in read_language_data(path).faults] == [
        "is not JSON: row 2",
        "is not a JSON object: row 3",
    ]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("d.csv", b"prompt,completion\n\xff,b\n", "line 2 is not UTF-8"),
        ("d.csv", b"prompt,completion\n", "has no rows"),
        ("d.xls", b"prompt", "is not .csv, .tsv or .jsonl"),
        ("d.csv", b'prompt,completion\n"a,b\n', "is not CSV"),
    ],
)
def test_files_that_cannot_be_read_are_refused(name: str, content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=told):
        read_language_data(tmp_path / name)


def examples_of(*prompts: str) -> list[Example]:
    return [Example(i, (Message("user", prompt),), str(i)) for i, prompt in enumerate(prompts, 1)]


@given(st.lists(st.sampled_from("abcdefghij"), min_size=20, max_size=60), st.integers(0, 5))
def test_rows_of_one_prompt_stay_on_one_side(prompts: list[str], seed: int) -> None:
    examples = examples_of(*prompts)
    if len(set(prompts)) < 2:
        return
    train, test = split_examples(examples, 0.5, seed)
    assert not {e.prompt for e in train} & {e.prompt for e in test}
    assert sorted(e.row for e in (*train, *test)) == [e.row for e in examples]
    assert split_examples(examples, 0.5, seed) == (train, test)


def test_prompts_of_the_test_are_taken_from_the_training() -> None:
    train, rows = without_prompts_of(examples_of("a", "b", "c"), examples_of("b"))
    assert [example.text for example in train] == ["a", "c"]
    assert rows == (2,)
