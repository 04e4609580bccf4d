"""A card's TOML text → a :class:`~hivescan.models.schema.Card`, or an error that names file and key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

from hivescan.models.card_parts import FILE_NAME, check_files, common_parts, read_toml
from hivescan.models.schema import (
    Activation,
    BackendKind,
    BackendSpec,
    Card,
    Channels,
    CropSpec,
    DetectorHead,
    DetectorSpec,
    EmbeddingSpec,
    FaceSpec,
    Golden,
    GoldenMeasure,
    HeadReading,
    InputSpec,
    Layout,
    Pooling,
    ReaderSpec,
    SoundSpec,
    TextSpec,
)
from hivescan.models.toml_table import TomlTable
from hivescan.types import HeadClass, HeadSpec, MediaType, OverTrack, Polarity, View

PARSED: Final = ("onnx", "timm", "transformers", "openvino", "bert", "library")
"""Kinds of backends that these cards can have; others have cards of their own form."""


def read_card(path: Path) -> Card:
    """The card in ``path``, whose folder bears the model's name."""
    return parse_card(path, read_toml(path))


def parse_card(path: Path, values: Mapping[str, Any]) -> Card:
    """The card whose TOML in ``path`` was read as ``values``."""
    top = TomlTable(path, values)
    vocabulary = _vocabulary(top)
    heads = tuple(_head(t, vocabulary) for t in top.tables("heads"))
    embedding = top.optional_table("embedding")
    detector = top.optional_table("detector")
    faces = top.optional_table("faces")
    crop = top.optional_table("crop")
    text = top.optional_table("text")
    sound = top.optional_table("sound")
    reader = top.optional_table("reader")
    backend = _backend(top.table("backend"))
    card = Card(
        **common_parts(top, path.parent),
        views=dict(_view(t) for t in top.tables("views")),
        input=_input(top.table("input")) if _sees(backend, text, sound) else None,
        backend=backend,
        heads=tuple(spec for spec, _ in heads),
        readings={spec.name: reading for spec, reading in heads},
        vocabulary=vocabulary,
        embedding=None if embedding is None else _embedding(embedding),
        detector=None if detector is None else _detector(detector),
        faces=None if faces is None else _faces(faces),
        crop=None if crop is None else _crop(crop),
        golden=tuple(parse_golden(t) for t in top.tables("golden")),
        text=None if text is None else _text(text),
        sound=None if sound is None else _sound(sound),
        reader=None if reader is None else _reader(reader),
    )
    top.close()
    _check_references(top, card)
    return card


def _sees(backend: BackendSpec, text: TomlTable | None, sound: TomlTable | None) -> bool:
    """Whether the model is a network that takes pictures."""
    return text is None and sound is None and backend.kind != "library"


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


def _view(table: TomlTable) -> tuple[str, View]:
    name = table.text("name")
    resize = table.choice("resize", ("stretch", "cover", "contain", "tiles"))
    resample = table.choice("resample", ("bilinear", "bicubic", "lanczos", "area"))
    quality = table.optional_integer("jpeg_quality", least=1)
    view = View(
        width=table.integer("width", least=1),
        height=table.integer("height", least=1),
        resize=cast(Literal["stretch", "cover", "contain", "tiles"], resize),
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


def _crop(table: TomlTable) -> CropSpec:
    spec = CropSpec(table.number("padding"))
    if not 0 <= spec.padding <= 0.5:
        table.fail("padding", f"{spec.padding} is not within 0..0.5")
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


def _sound(table: TomlTable) -> SoundSpec:
    spec = SoundSpec(table.number("input_scale"), table.number("input_zero"))
    if spec.input_scale <= 0:
        table.fail("input_scale", "is not above zero")
    table.close()
    return spec


def _reader(table: TomlTable) -> ReaderSpec:
    spec = ReaderSpec(
        recogniser=table.text("recogniser"),
        height=table.integer("height", least=8),
        least_width=table.integer("least_width", least=8),
        most_width=table.integer("most_width", least=8),
        golden=table.text("golden"),
    )
    table.close()
    return spec


def _backend(table: TomlTable) -> BackendSpec:
    spec = BackendSpec(
        kind=cast(BackendKind, table.choice("kind", PARSED)),
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
        family=table.optional_text("family"),
        over_track=(
            cast(OverTrack, table.choice("over_track", get_args(OverTrack)))
            if table.has("over_track")
            else "highest"
        ),
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
        vector_head=table.optional_text("file"),
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
    kinds = parse_classes(table, "kinds")
    spec = DetectorSpec(
        output=table.text("output"),
        kinds=kinds,
        heads=_detector_heads(table, kinds),
        min_confidence=table.number("min_confidence"),
        iou=table.number("iou"),
    )
    _check_shares(table, spec)
    table.close()
    return spec


def _check_shares(table: TomlTable, spec: DetectorSpec | FaceSpec) -> None:
    for key, value in (("min_confidence", spec.min_confidence), ("iou", spec.iou)):
        if not 0 <= value <= 1:
            table.fail(key, f"{value} is not within 0..1")


def _faces(table: TomlTable) -> FaceSpec:
    strides = table.numbers("strides")
    if not strides or any(stride < 1 or stride != int(stride) for stride in strides):
        table.fail("strides", "are not whole numbers of pixels")
    spec = FaceSpec(
        strides=tuple(int(stride) for stride in strides),
        min_confidence=table.number("min_confidence"),
        iou=table.number("iou"),
    )
    _check_shares(table, spec)
    table.close()
    return spec


def _detector_heads(table: TomlTable, kinds: Sequence[HeadClass]) -> tuple[DetectorHead, ...]:
    """Heads that the card makes of the kinds, then one by itself for each kind that none of them has."""
    group = table.text("group")
    labels = [kind.label for kind in kinds]
    heads = []
    for entry in table.tables("heads"):
        named = entry.texts("kinds")
        for name in named:
            if name not in labels:
                entry.fail("kinds", f"{name!r} is not one of the detector's kinds")
        polarity = Polarity(entry.choice("polarity", [p.value for p in Polarity]))
        spec = _presence(entry.text("name"), polarity, group, entry.optional_text("description") or "")
        heads.append(DetectorHead(spec, named))
        entry.close()
    used = {name for head in heads for name in head.kinds}
    heads += [
        DetectorHead(_presence(kind.label, kind.polarity, group), (kind.label,))
        for kind in kinds
        if kind.label not in used
    ]
    if len({head.spec.name for head in heads}) != len(heads):
        table.fail("heads", "has a name twice")
    return tuple(heads)


def _presence(name: str, polarity: Polarity, group: str, description: str = "") -> HeadSpec:
    """Its presence means what the card says, its absence nothing."""
    classes = (HeadClass(f"yes_{name}", polarity), HeadClass(f"no_{name}", Polarity.BENIGN))
    return HeadSpec(name, classes, group, description=description)


def parse_golden(table: TomlTable) -> Golden:
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


def _check_sound(top: TomlTable, card: Card) -> None:
    if not card.consumes <= {MediaType.AUDIO, MediaType.VIDEO}:
        top.fail("consumes", "names more than audio and video, although there is a table sound")
    if card.views:
        top.fail("views", "are of pictures: a model of sounds has none")
    if card.backend.kind != "onnx":
        top.fail("backend.kind", "is not onnx: no other runs on sounds")
    for i, head in enumerate(card.heads):
        if len(head.classes) != 2 or set(card.readings[head.name].mapping) != {head.labels[0]}:
            top.fail(f"heads[{i}]", "is not of two classes, the first one mapped: sounds are there or not")


def _check_crop(top: TomlTable, card: Card) -> None:
    if len(card.views) != 1 or any(v.resize != "stretch" or v.width != v.height for v in card.views.values()):
        top.fail("views", "are not one stretched square, although there is a table crop: faces are square")


def _check_reader(top: TomlTable, card: Card, reader: ReaderSpec, names: Sequence[str]) -> None:
    if card.backend.kind != "onnx":
        top.fail("backend.kind", "is not onnx: no other reads")
    if reader.recogniser not in names:
        top.fail("reader.recogniser", f"{reader.recogniser!r} is not one of the card's files")
    if reader.most_width < reader.least_width:
        top.fail("reader.most_width", f"{reader.most_width} is less than least_width, {reader.least_width}")


def _check_heads_files(top: TomlTable, card: Card, names: Sequence[str]) -> None:
    """Heads that are files of their own, of what a reader or a decoder of codes finds."""
    for i, head in enumerate(card.heads):
        file = card.readings[head.name].vector_head
        if file is None:
            continue
        if card.reader is None and card.backend.kind != "library":
            top.fail(f"heads[{i}].file", "needs a table reader, or a library for backend")
        if file not in names:
            top.fail(f"heads[{i}].file", f"{file!r} is not one of the card's files")


def _check_references(top: TomlTable, card: Card) -> None:
    """What one part of a card says of another."""
    names = check_files(top, card)
    if card.crop is not None:
        _check_crop(top, card)
    if card.backend.file not in names:
        top.fail("backend.file", f"{card.backend.file!r} is not one of the card's files")
    if card.text is not None:
        _check_text(top, card, card.text, names)
    elif card.sound is not None:
        _check_sound(top, card)
    elif not card.views:
        top.fail("views", "is missing or empty")
    if card.reader is not None:
        _check_reader(top, card, card.reader, names)
    _check_heads_files(top, card, names)
    if len(card.readings) != len(card.heads):
        top.fail("heads", "has a name twice")
    outputs = {
        **{f"heads[{i}].output": card.readings[h.name].output for i, h in enumerate(card.heads)},
        **({} if card.embedding is None else {"embedding.output": card.embedding.output}),
        **({} if card.detector is None else {"detector.output": card.detector.output}),
        **{f"golden[{i}].output": g.output for i, g in enumerate(card.golden)},
    }
    for stride in card.faces.strides if card.faces is not None else ():
        outputs |= {f"faces.strides ({part})": f"{part}_{stride}" for part in ("cls", "obj", "bbox", "kps")}
    for key, output in outputs.items():
        if output not in card.backend.outputs:
            top.fail(key, f"{output!r} is not one of backend.outputs")
    if not (card.heads or card.embedding or card.detector or card.faces or card.reader):
        top.fail("heads", "is missing: a model has heads, an embedding, a detector or a reader")
