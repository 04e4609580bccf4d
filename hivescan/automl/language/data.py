"""Prompts and completions for language models, read from CSV or JSON Lines and looked through.

A row is a prompt and its completion, or a conversation: ``messages``, a list of ``{"role": …, "content": …}``
of which the last is the assistant's and is what is learned. In CSV the cell holds that list as JSON.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from hivescan.errors import DatasetError
from hivescan.wording import count

LanguageKind = Literal["text", "chat"]
"""``text``: a prompt and what follows it. ``chat``: a conversation in the words of the model's template."""
OnInvalidRow = Literal["fail", "drop"]

ROLES: Final = ("system", "user", "assistant")
MESSAGES: Final = "messages"
_SHOWN: Final = 5
_LEAST_ROWS: Final = 2


@dataclass(frozen=True)
class Message:
    role: str
    content: str


@dataclass(frozen=True)
class Example:
    """One row: what comes before, and the completion that is learned.

    ``row`` is the number of the row in its file, counting from 1 without a header. ``prompt`` has one
    message of the role ``user`` where the row was a prompt.
    """

    row: int
    prompt: tuple[Message, ...]
    completion: str

    @property
    def text(self) -> str:
        """The prompt of an example that is not a conversation."""
        return self.prompt[-1].content


@dataclass(frozen=True)
class RowFault:
    """Rows of which something is wrong; a row that is dropped is dropped for its first fault."""

    what: str
    rows: tuple[int, ...]

    @property
    def line(self) -> str:
        shown = ", ".join(map(str, self.rows[:_SHOWN]))
        more = f" and {len(self.rows) - _SHOWN:,} more" if len(self.rows) > _SHOWN else ""
        return f"{self.what}: {'row' if len(self.rows) == 1 else 'rows'} {shown}{more}"


@dataclass(frozen=True)
class LanguageData:
    """``sha256`` is that of the file's bytes, ``rows`` their number in it."""

    path: Path
    sha256: str
    rows: int
    examples: tuple[Example, ...]
    faults: tuple[RowFault, ...]

    def usable(self, on_invalid: OnInvalidRow) -> tuple[Example, ...]:
        """The examples. Raises :class:`DatasetError` on a fault, unless such rows are to be dropped."""
        if self.faults and on_invalid == "fail":
            told = "; ".join(fault.line for fault in self.faults)
            raise DatasetError(f"{self.path}: {told}; mend them, or leave them out with --on-invalid drop")
        if len(self.examples) < _LEAST_ROWS:
            raise DatasetError(f"{self.path}: has {count(len(self.examples), 'row')} that can be used")
        return self.examples


@dataclass(frozen=True)
class Columns:
    """What the columns are called."""

    prompt: str = "prompt"
    completion: str = "completion"


def read_language_data(path: Path, columns: Columns | None = None) -> LanguageData:
    """Read a CSV (``.csv``), a TSV (``.tsv``) or JSON Lines (``.jsonl``, ``.ndjson``).

    Raises :class:`DatasetError` where the file cannot be read or lacks a column; what is wrong with single
    rows is in ``faults``.
    """
    columns = columns or Columns()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    examples: list[Example] = []
    wrong: dict[str, list[int]] = {}
    rows = 0
    for number, values in _rows(path, data):
        rows += 1
        found = _example(number, values, columns) if isinstance(values, Mapping) else str(values)
        if isinstance(found, Example):
            examples.append(found)
        else:
            wrong.setdefault(found, []).append(number)
    if not rows:
        raise DatasetError(f"{path}: has no rows")
    if not examples and len(wrong) == 1 and next(iter(wrong)).startswith("has no column"):
        raise DatasetError(f"{path}: {next(iter(wrong))}; --prompt and --completion name others")
    examples, repeated = _without_repeats(examples)
    if repeated:
        wrong["says the same as a row before it"] = repeated
    faults = tuple(RowFault(what, tuple(numbers)) for what, numbers in wrong.items())
    return LanguageData(path, hashlib.sha256(data).hexdigest(), rows, tuple(examples), faults)


def split_examples(
    examples: Sequence[Example], share: float, seed: int
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Train and test: rows of one prompt stay on one side.

    Raises :class:`DatasetError` where nothing would be left of either.
    """
    prompts = sorted({example.prompt for example in examples}, key=repr)
    chosen = np.random.default_rng(seed).permutation(len(prompts))[: round(share * len(prompts))]
    for_test = {prompts[i] for i in chosen}
    train = tuple(example for example in examples if example.prompt not in for_test)
    test = tuple(example for example in examples if example.prompt in for_test)
    if not train or not test:
        raise DatasetError(f"{count(len(prompts), 'prompt')} cannot be split into train and test")
    return train, test


def without_prompts_of(
    train: Sequence[Example], test: Sequence[Example]
) -> tuple[tuple[Example, ...], tuple[int, ...]]:
    """``train`` without the examples whose prompt is one of ``test``, and the rows of those."""
    asked = {example.prompt for example in test}
    kept = tuple(example for example in train if example.prompt not in asked)
    return kept, tuple(example.row for example in train if example.prompt in asked)


def _rows(path: Path, data: bytes) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    """The number of each row from 1, and its values or what is wrong with it."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DatasetError(f"{path}: line {line} is not UTF-8; save the file as UTF-8") from None
    ending = path.suffix.lower()
    if ending in (".jsonl", ".ndjson"):
        yield from _json_rows(text)
    elif ending in (".csv", ".tsv"):
        csv.field_size_limit(1 << 30)  # a cell may hold a whole document
        try:
            table = csv.DictReader(
                io.StringIO(text, newline=""), delimiter="\t" if ending == ".tsv" else ",", strict=True
            )
            for number, row in enumerate(table, 1):
                yield number, "has more cells than the header" if None in row else row
        except csv.Error as error:
            raise DatasetError(f"{path}: line {table.line_num}: is not CSV: {error}") from None
    else:
        raise DatasetError(f"{path}: is not .csv, .tsv or .jsonl by its name")


def _json_rows(text: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    number = 0
    for line in text.split("\n"):
        if not line.strip():
            continue
        number += 1
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            yield number, "is not JSON"
            continue
        yield number, values if isinstance(values, dict) else "is not a JSON object"


def _example(number: int, values: Mapping[str, Any], columns: Columns) -> Example | str:
    """The example of a row, or what is wrong with the row."""
    if values.get(MESSAGES) not in (None, ""):
        return _conversation(number, values[MESSAGES])
    for name in (columns.prompt, columns.completion):
        if name not in values:
            return f"has no column {name!r}"
        value = values[name]
        if value is None or value == "":
            return f"has an empty {name}"
        if not isinstance(value, str):
            return f"has a {name} that is not a text"
        if not value.strip():
            return f"has an empty {name}"
        if not _is_text(value):
            return f"has a {name} with half a character"
    return Example(number, (Message("user", values[columns.prompt]),), values[columns.completion])


def _conversation(number: int, value: Any) -> Example | str:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return "has messages that are not JSON"
    if not isinstance(value, list) or len(value) < 2:
        return "has fewer than two messages"
    messages = []
    for entry in value:
        if not isinstance(entry, dict) or not isinstance(entry.get("content"), str):
            return "has a message without a content that is a text"
        if entry.get("role") not in ROLES:
            return f"has a message of a role other than {', '.join(ROLES)}"
        if not entry["content"].strip():
            return "has an empty message"
        if not _is_text(entry["content"]):
            return "has a message with half a character"
        messages.append(Message(entry["role"], entry["content"]))
    if messages[-1].role != "assistant":
        return "does not end with a message of the assistant"
    if "user" not in [message.role for message in messages]:
        return "has no message of the user"
    if "system" in [message.role for message in messages[1:]]:
        return "has a system message that is not the first"
    return Example(number, tuple(messages[:-1]), messages[-1].content)


def _is_text(value: str) -> bool:
    """JSON can name halves of surrogate pairs, which are no characters and no tokenizer takes."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _without_repeats(examples: Sequence[Example]) -> tuple[list[Example], list[int]]:
    kept: dict[tuple[tuple[Message, ...], str], Example] = {}
    repeated = []
    for example in examples:
        key = example.prompt, example.completion
        if key in kept:
            repeated.append(example.row)
        else:
            kept[key] = example
    return list(kept.values()), repeated
