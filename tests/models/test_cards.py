"""Model cards: those that ship, and what is said of wrong ones."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import COMMIT, CardMaker

from hivescan.errors import CatalogueError, UnknownModelError
from hivescan.models import cards as catalogue
from hivescan.models.cards import Card, bundled_folder, find_card, load_cards, read_card
from hivescan.models.describe import card_lines, card_values
from hivescan.models.parse import parse_card
from hivescan.models.schema import LocalSource, NpmSource, PypiSource
from hivescan.types import HeadSpec, Polarity

TEXTS = ("minilm_l6", "e5_small")
SHIPPED = (
    "drawing",
    "fight",
    "clip_vit_b16_int8",
    "efficientnet_lite2",
    "nsfwjs",
    "nudenet",
    "opennsfw",
    "texture_lite2",
    *TEXTS,
)
SOURCE = f'{{ kind = "github", repository = "some/one", commit = "{COMMIT}", path = "net.bin" }}'


@pytest.fixture
def own_models(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for the user's own models."""
    folder = tmp_path / "own"
    monkeypatch.setenv("HIVESCAN_MODELS", str(folder))
    return folder


@pytest.mark.usefixtures("own_models")
def test_the_shipped_models_are_in_the_catalogue() -> None:
    assert set(SHIPPED) <= set(load_cards())
    assert list(load_cards()) == sorted(load_cards())


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_are_pinned_down_to_the_archive(name: str) -> None:
    for file in find_card(name).files:
        if isinstance(file.source, PypiSource | NpmSource):
            assert file.source.archive_sha256
            assert file.source.archive_size
        else:
            assert isinstance(file.source, LocalSource)


def heads_of_all() -> list[tuple[Card, HeadSpec]]:
    return [(card, head) for card in load_cards().values() for head in card.heads]


def test_every_class_of_a_shipped_head_can_be_filled_by_its_model() -> None:
    """By a column of the output, by named classes of the vocabulary, or as what is left."""
    for card, head in heads_of_all():
        reading = card.readings[head.name]
        if reading.mapping:
            assert {*reading.mapping, reading.rest} == set(head.labels)
            assert all(set(names) <= set(card.vocabulary) for names in reading.mapping.values())


def test_a_head_with_harmful_classes_also_has_one_that_is_not() -> None:
    for _, head in heads_of_all():
        assert {c.polarity for c in head.classes} != {Polarity.HARMFUL}


def test_imagenets_thousand_names_are_all_different() -> None:
    vocabulary = find_card("efficientnet_lite2").vocabulary
    assert len(vocabulary) == len(set(vocabulary)) == 1000
    assert vocabulary[413] == "assault rifle"
    assert vocabulary[763] == "revolver"
    assert vocabulary[999] == "toilet tissue"


def test_nudenets_licence_is_shown_first() -> None:
    assert find_card("nudenet").licence.must_accept
    assert find_card("nudenet").licence.spdx.startswith("AGPL-3.0")


def test_clips_vectors_are_computed_one_by_one() -> None:
    assert find_card("clip_vit_b16_int8").backend.max_batch == 1


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("consumes", ["text", "image"], r'consumes: is not \["text"\]'),
        (
            "backend",
            {"kind": "onnx", "file": "model.safetensors", "outputs": ["vector"]},
            "backend.kind: is not",
        ),
        ("text.tokenizer", "other.json", "text.tokenizer: 'other.json' is not one of the card's files"),
        ("text.overlap", 200, "text.overlap: 200 is more than half of max_tokens"),
        ("text.pooling", "cls", "text.pooling: 'cls' is not one of mean"),
        ("text.wings", 2, "text.wings: is not a key"),
        ("input", {"layout": "NCHW"}, "input: is not a key"),
    ],
)
def test_a_card_of_texts_is_checked(key: str, value: object, told: str) -> None:
    path = bundled_folder() / "minilm_l6" / "card.toml"
    values = tomllib.loads(path.read_text())
    table, _, last = key.rpartition(".")
    (values[table] if table else values)[last] = value
    with pytest.raises(CatalogueError, match=told):
        parse_card(path, values)


@pytest.mark.parametrize(
    ("model", "key", "value", "told"),
    [
        ("ppocr_v6_small", "reader.recogniser", "other.onnx", "'other.onnx' is not one of the card's files"),
        ("ppocr_v6_small", "reader.most_width", 100, "most_width: 100 is less than least_width, 320"),
        ("ppocr_v6_small", "backend.kind", "timm", "backend.kind: is not onnx"),
        ("ppocr_v6_small", "heads.0.file", "other", r"heads\[0\].file: 'other' is not one of the card's"),
        ("opennsfw", "heads.0.file", "weights.onnx", r"heads\[0\].file: needs a table reader, or a library"),
        ("zxing", "input", {"layout": "NCHW"}, "input: is not a key"),
    ],
)
def test_a_wrong_card_of_what_is_written_in_pictures_is_refused(
    model: str, key: str, value: Any, told: str
) -> None:
    path = bundled_folder() / model / "card.toml"
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    *parts, last = key.split(".")
    table: Any = values
    for part in parts:
        table = table[int(part)] if part.isdigit() else table[part]
    table[last] = value
    with pytest.raises(CatalogueError, match=told):
        parse_card(path, values)


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.usefixtures("cache")
def test_a_shown_card_says_what_it_is_for_and_where_it_fails(name: str) -> None:
    card = find_card(name)
    text = "\n".join(card_lines(card))
    assert card.intended_use in text
    for part in (*card.weaknesses, *(f.sha256 for f in card.files), card.licence.notice):
        assert part in text
    assert card_values(card)["files"][0]["sha256"] == card.files[0].sha256


def test_a_card_needs_no_heavy_import() -> None:
    code = (
        "import sys; from hivescan.models.cards import load_cards; load_cards();"
        " print([m for m in ('torch', 'onnxruntime', 'timm', 'transformers', 'onnx', 'rich', 'typer')"
        " if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_users_own_model_joins_the_catalogue(own_models: Path) -> None:
    CardMaker(own_models)({"net.bin": (b"x", SOURCE)}, name="mine")
    assert find_card("mine").folder == own_models / "mine"


def test_a_users_own_model_cannot_take_a_shipped_name(own_models: Path) -> None:
    CardMaker(own_models)({"net.bin": (b"x", SOURCE)}, name="opennsfw")
    with pytest.raises(CatalogueError, match="is taken by"):
        load_cards()


def test_an_installed_wheel_has_its_cards_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "hivescan"
    (package / "models").mkdir(parents=True)
    (package / "_weights").mkdir()
    monkeypatch.setattr(catalogue, "__file__", str(package / "models" / "cards.py"))
    assert bundled_folder() == package / "_weights"


@pytest.mark.usefixtures("own_models")
def test_an_unknown_model_is_answered_with_those_that_exist() -> None:
    with pytest.raises(UnknownModelError, match=r"no model is called 'opensfw'.*opennsfw"):
        find_card("opensfw")


WRONG = {
    "a misspelt key": ("revision = 1", "revison = 1", "revision: is missing"),
    "a key too many": ('task = "toys"', 'task = "toys"\ncolour = 1', "colour: is not a key"),
    "an empty text": ('title = "A toy"', 'title = " "', "title: is empty"),
    "a wrong kind": ('title = "A toy"', "title = 3", "title: is 3, not a string"),
    "a zero revision": ("revision = 1", "revision = 0", "revision: 0 is not a whole number of at least 1"),
    "a true revision": ("revision = 1", "revision = true", "revision: True is not a whole number"),
    "another name": ('name = "toy"\ntitle', 'name = "car"\ntitle', "name: 'car' differs from its folder"),
    "a path as name": ('name = "toy"\ntitle', 'name = "../toy"\ntitle', "name: '../toy' may have only"),
    "an unknown medium": ('consumes = ["image"]', 'consumes = ["smell"]', "consumes: 'smell' is not one of"),
    "an unknown filter": ('"bilinear"', '"magic"', r"views\[0\]\.resample: 'magic' is not one of"),
    "two means": ("mean = [0.0, 0.0, 0.0]", "mean = [0.0, 0.0]", r"input\.mean: has 2 numbers, not 3"),
    "a zero deviation": ("std = [1.0, 1.0, 1.0]", "std = [1.0, 0.0, 1.0]", r"input\.std: has a zero"),
    "a word as number": ("scale = 1.0", 'scale = "1"', r"input\.scale: is '1', not a number"),
    "not a number": ("scale = 1.0", "scale = nan", r"input\.scale: nan is not a number"),
    "an unknown polarity": ('"harmful"', '"evil"', r"heads\[0\]\.classes\[0\]\.polarity: 'evil' is not"),
    "a class twice": ('label = "no"', 'label = "yes"', r"heads\[0\]\.classes: has a label twice"),
    "no such output": ('output = "out"', 'output = "in"', r"heads\[0\]\.output: 'in' is not one of"),
    "no such file": ('file = "net.bin"', 'file = "n.bin"', r"backend\.file: 'n.bin' is not one of"),
    "a short hash": ('sha256 = "2d71', 'sha256 = "1', r"files\[0\]\.sha256: .* is not a sha256"),
    "a branch": (COMMIT, "main", r"files\[0\]\.source\.commit: 'main' is not a full commit id"),
    "a way out": ('path = "net.bin"', 'path = "../net.bin"', r"source\.path: '../net.bin' leaves"),
    "a pickle": ('name = "net.bin"', 'name = "net.pkl"', r"files\[0\]\.name: 'net.pkl' is a format"),
    "a folder in a name": ('name = "net.bin"', 'name = "a/b"', "'a/b' is not a plain file name"),
    "no owner": ('"some/one"', '"one"', r"repository: 'one' is not owner/name"),
    "no TOML": ('title = "A toy"', "title", "is not TOML"),
}


@pytest.mark.parametrize("change", WRONG)
def test_a_wrong_card_is_answered_with_file_key_and_reason(make_card: CardMaker, change: str) -> None:
    old, new, message = WRONG[change]
    make_card({"net.bin": (b"x", SOURCE)})
    path = make_card.folder / "toy" / "card.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(CatalogueError, match=message) as raised:
        read_card(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


PYPI = '{ kind = "pypi", package = "toy", version = "VERSION", member = "net.bin" }'


@pytest.mark.parametrize("version", [">=1.0", "*", "latest", ""])
def test_a_package_is_pinned_to_one_version(make_card: CardMaker, version: str) -> None:
    with pytest.raises(CatalogueError, match="version: "):
        make_card({"net.bin": (b"x", PYPI.replace("VERSION", version))})


MAPPED = """
[[heads]]
name = "mapped"
group = "toys"
output = "out"
activation = "softmax"
classes = [{ label = "yes", polarity = "harmful" }, { label = "no", polarity = "benign" }]
"""


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('mapping = { yes = ["car"] }', "says nothing of the class 'no'"),
        ('mapping = { yes = ["plane"] }\nrest = "no"', "'plane' is not in the card's vocabulary"),
        ('mapping = { yes = ["car", "car"] }\nrest = "no"', "'car' is mapped twice"),
        ('mapping = { maybe = ["car"] }\nrest = "no"', "is not a class of this head"),
        ('rest = "no"', "needs a mapping"),
    ],
)
def test_a_mapping_must_fill_every_class_once(make_card: CardMaker, lines: str, message: str) -> None:
    folder = make_card.folder / "toy"
    folder.mkdir(parents=True)
    (folder / "words.txt").write_text("car\nball\n")
    make_card({"net.bin": (b"x", SOURCE)})
    path = folder / "card.toml"
    text = path.read_text().replace("revision = 1", 'revision = 1\nvocabulary = "words.txt"')
    path.write_text(text + MAPPED + lines)
    with pytest.raises(CatalogueError, match=message):
        read_card(path)
    path.write_text(text + MAPPED + 'mapping = { yes = ["car"] }\nrest = "no"')
    assert read_card(path).readings["mapped"].mapping == {"yes": ("car",)}


def leaves(values: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every table, list and value of a card."""
    entries = values.items() if isinstance(values, dict) else enumerate(values)
    found = []
    for key, value in entries:
        found.append((*path, key))
        if isinstance(value, dict | list):
            found += leaves(value, (*path, key))
    return found


JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
ANY = st.recursive(
    JUNK,
    lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(max_size=4), c, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(SHIPPED), choice=st.data())
def test_any_value_anywhere_gives_a_card_or_one_clear_error(name: str, choice: Any) -> None:
    path = bundled_folder() / name / "card.toml"
    values = tomllib.loads(path.read_text())
    *parents, last = choice.draw(st.sampled_from(leaves(values)))
    inner = values
    for key in parents:
        inner = inner[key]
    inner[last] = choice.draw(ANY)
    try:
        assert isinstance(parse_card(path, values), Card)
    except CatalogueError as error:
        assert str(error).startswith(f"{path}: ")


@pytest.mark.parametrize("path", ["~nobody-of-that-name/x", "a\\u0000b"])
def test_a_local_path_that_cannot_be_is_refused(make_card: CardMaker, path: str) -> None:
    with pytest.raises(CatalogueError, match=r"files\[0\]\.source\.path: "):
        make_card({"net.bin": (b"x", f'{{ kind = "local", path = "{path}" }}')})


def test_the_docs_explain_every_key_that_a_card_has() -> None:
    docs = bundled_folder().parent / "docs" / "models.md"
    text = docs.read_text(encoding="utf-8")
    readers = ("parse.py", "card_parts.py", "heads_card.py", "language_card.py", "surprise_card.py")
    reader = "".join(Path(catalogue.__file__).with_name(n).read_text(encoding="utf-8") for n in readers)
    methods = "text|choice|integer|number|flag|texts|numbers|tables?|has"
    keys = re.findall(rf'\.(?:optional_)?(?:{methods})\("(\w+)"', reader)
    assert len(set(keys)) > 40
    named = set(re.findall(r"\w+", text))
    assert [key for key in keys if key not in named] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_the_docs_list_every_shipped_model(name: str) -> None:
    text = (bundled_folder().parent / "docs" / "models.md").read_text(encoding="utf-8")
    assert f"| `{name}` |" in text
