"""The currency between the rooms: plain values with documented units.

Times are integer milliseconds of presentation time; time 0 is the first frame shown.
Pictures are ``uint8 [H, W, 3]`` RGB, upright, with alpha composited on white.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal, NewType

import numpy as np
import numpy.typing as npt

ContentId = NewType("ContentId", str)
"""The sha256 of a file's bytes, 64 lower-case hex digits."""

Pixels = npt.NDArray[np.uint8]
"""``uint8 [H, W, 3]`` RGB."""

Luma = npt.NDArray[np.uint8]
"""``uint8 [H, W]``: brightness alone."""
Alive = Callable[[], None]
"""Called again and again by work that takes long, so that who waits for it knows that it goes on."""


class MediaType(StrEnum):
    """What a file's bytes are, whatever its name says."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    TEXT = "text"
    ARCHIVE = "archive"
    DOCUMENT = "document"
    UNKNOWN = "unknown"


UNOPENED_TYPES = frozenset({MediaType.ARCHIVE, MediaType.DOCUMENT, MediaType.UNKNOWN})
"""Types that are counted but not looked into: no report may call them clean."""


class Status(StrEnum):
    """How one chain ended on one content."""

    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNOPENED = "unopened"


class Level(StrEnum):
    """What a sample is a sample of. Derivation only goes down in this list.

    An utterance is a stretch of sound of at most 30 seconds between pauses, a clip one of a few seconds.
    """

    FILE = "file"
    FRAME = "frame"
    CLIP = "clip"
    UTTERANCE = "utterance"
    FACE = "face"
    TEXT_BLOCK = "text_block"
    PASSAGE = "passage"


BEHIND: Final = ">"
"""Between the names of a chain (``faces>ages``): the first finds, within its samples, those of the second."""


class Polarity(StrEnum):
    """What it means that a class is present."""

    HARMFUL = "harmful"
    BENIGN = "benign"
    DESCRIPTIVE = "descriptive"


@dataclass(frozen=True)
class Digests:
    """Lower-case hex digests of a file's bytes, taken in one read."""

    md5: str
    sha1: str
    sha256: str

    @property
    def content_id(self) -> ContentId:
        return ContentId(self.sha256)


@dataclass(frozen=True)
class MediaInfo:
    """What a probe learns from headers, before anything is decoded.

    ``frame_count`` is the number of pictures where the container tells it: 1 for a still, pages for a
    TIFF, frames of an animation; None where unknown. ``duration_ms`` is None for stills and pages.
    ``rotation`` is the clockwise turn in degrees that shows a video upright. ``width`` and ``height``
    are those of the upright picture.
    """

    media_type: MediaType
    mime: str
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    frame_count: int | None = None
    codec: str | None = None
    rotation: int = 0

    @property
    def is_timed(self) -> bool:
        """Whether the pictures have times: videos and animations, not stills and pages."""
        return self.media_type is MediaType.VIDEO or (
            self.media_type is MediaType.IMAGE and self.duration_ms is not None
        )


@dataclass(frozen=True)
class Limits:
    """What is too large to decode. A file over a limit becomes a row with that reason."""

    max_bytes: int = 20 * 1024**3
    max_pixels: int = 180_000_000
    max_frames: int = 100_000
    """Pictures of a file, its clips of sound, or its passages of text (some 80 MB)."""
    max_duration_s: float = 24 * 3600.0
    file_timeout_s: float = 120.0
    """Seconds without a sign of life from the decoder before its file is given up."""
    worker_memory: int = 6 * 1024**3


Decoder = Literal["auto", "decord", "pyav"]


SamplingMode = Literal["rate", "keyframes", "scenes"]

_MODE_REVISION = {"keyframes": 1, "scenes": 1}
"""Raised when a mode picks other frames of the same file."""


@dataclass(frozen=True)
class Sampling:
    """Which frames of a timed picture are looked at.

    - ``rate``: one every ``1 / fps`` seconds from time 0; the frame at time t is the last one whose
      presentation time is ≤ t;
    - ``keyframes``: the first frame shown and every key frame behind it, each until the next;
    - ``scenes``: one frame of every shot, with the shot's times.

    ``fps`` counts in mode ``rate`` alone.
    """

    fps: float = 1.0
    decoder: Decoder = "auto"
    mode: SamplingMode = "rate"

    def key(self) -> str:
        """The part of a fingerprint that says how frames were chosen (not who decoded them)."""
        return f"fps={self.fps:g}" if self.mode == "rate" else f"{self.mode}={_MODE_REVISION[self.mode]}"


@dataclass(frozen=True)
class Frame:
    """One decoded picture of a file.

    ``index`` counts samples from 0. ``start_ms`` is the sample's time, ``end_ms`` the time of the next
    sample or the end of the clip; both None for stills and for pages. Of a scene they are its bounds, and
    the picture is one from within.
    """

    index: int
    start_ms: int | None
    end_ms: int | None
    pixels: Pixels


@dataclass(frozen=True)
class Passage:
    """A stretch of text of a file.

    ``char_start`` and ``char_end`` are where it stands among the file's characters, a byte order mark not
    counted; ``start_ms`` and ``end_ms`` when it is shown, of subtitles. Without markup it may be shorter.
    ``part`` is the page of a document or the message of a mailbox that it is in, from 1: there, and in mail,
    characters are counted within the text of the part.
    """

    index: int
    char_start: int
    char_end: int
    text: str
    start_ms: int | None = None
    end_ms: int | None = None
    part: int | None = None


@dataclass(frozen=True)
class Clip:
    """A stretch of sound, a clip or an utterance: ``float32 [n]`` mono at 16 kHz, NaN where it has ended.

    ``end_ms`` is where the next clip begins or the sound ends; the samples may go on a little behind it.
    """

    index: int
    start_ms: int
    end_ms: int
    samples: npt.NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """A picture as one model wants it, made from the master: ``uint8 [height, width, 3]`` RGB.

    ``resize`` brings the master to a size, ``(width, height)`` then cuts the centre:

    - ``stretch``: to exactly ``resize_to`` × ``resize_to``, aspect not kept;
    - ``cover``: the short side to ``resize_to``, aspect kept;
    - ``contain``: the long side to ``resize_to``, aspect kept, black added right and below;
    - ``tiles``: nothing is resized. Squares of side ``resize_to``, spread evenly over the master, are laid
      side by side (:func:`hivescan.media.views.tile_corners`), for models of traces that a resize would wipe
      out.

    ``jpeg_quality`` sends the resized picture through a JPEG encoder and back (some models were
    trained behind one).
    """

    width: int
    height: int
    resize: Literal["stretch", "cover", "contain", "tiles"]
    resize_to: int
    resample: Literal["bilinear", "bicubic", "lanczos", "area"] = "bicubic"
    jpeg_quality: int | None = None

    @property
    def nbytes(self) -> int:
        return self.width * self.height * 3


@dataclass(frozen=True)
class TextView:
    """A passage as text models want it: a string of at most ``most_bytes`` in UTF-8."""

    most_bytes: int = 4_096

    @property
    def nbytes(self) -> int:
        return 4 + self.most_bytes


@dataclass(frozen=True)
class SoundView:
    """A clip or an utterance as sound models want it: ``float32 [samples]``, mono, 16 kHz, NaN behind its
    end."""

    samples: int

    @property
    def nbytes(self) -> int:
        return 4 * self.samples


@dataclass(frozen=True)
class NumberView:
    """A number of a sample that was found within another, ``float32``: no decoder makes it."""

    @property
    def nbytes(self) -> int:
        return 4


Payload = View | TextView | SoundView | NumberView
"""What of a sample crosses to the models."""

VIEWS_REVISION = 2
"""Raised when the pixels of views change for the same file. 2: large JPEG photos reduced by their decoder."""


@dataclass(frozen=True)
class SampleKey:
    """Where a sample stands: in which content, which one, when.

    A sample that was found within another has that one's ``index``, and ``region`` says which of those found
    there it is, from 0; None: the sample itself.
    """

    content_id: ContentId
    level: Level
    index: int
    start_ms: int | None
    end_ms: int | None
    region: int | None = None


@dataclass(frozen=True)
class HeadScores:
    """Scores of one head over a batch: ``scores`` is ``float32 [N, C]``, rows summing to 1.

    NaN in a row means that the head has nothing to say of that sample: no row is stored.
    """

    model: str
    head: str
    labels: tuple[str, ...]
    scores: npt.NDArray[np.float32]


@dataclass(frozen=True)
class TopLabels:
    """The best few classes of a large head: one short list of (label, score) a sample.

    The stored head gets one more row, ``(other)``, with what is left to 1.
    """

    model: str
    head: str
    rows: tuple[tuple[tuple[str, float], ...], ...]


@dataclass(frozen=True)
class Vectors:
    """Embeddings of a batch: ``float16 [N, D]``, in the named space."""

    space: str
    vectors: npt.NDArray[np.float16]


@dataclass(frozen=True)
class Hashes:
    """One hash a sample: ``bytes`` of fixed length, ``quality`` 0..100 where the algorithm has one.

    ``transformation`` names what was done to the pictures first, None: nothing. A sample to which that cannot
    be done has None for its hash, and gets no row.
    """

    algorithm: str
    hashes: tuple[bytes | None, ...]
    quality: tuple[int | None, ...]
    transformation: str | None = None


@dataclass(frozen=True)
class Region:
    """A thing found in a sample.

    ``polygon`` is x0, y0, x1, y1 … as fractions of the upright picture's width and height, ``landmarks``
    likewise where the model gives some. ``track`` is the same for what is the same thing in several samples
    of a file.
    """

    model: str
    kind: str
    polygon: tuple[float, ...]
    confidence: float
    landmarks: tuple[float, ...] | None = None
    track: int | None = None


@dataclass(frozen=True)
class Word:
    """One word of a text, in milliseconds after its sample's start; ``confidence`` 0..1, None: not known."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float | None = None


@dataclass(frozen=True)
class Text:
    """A text in a sample. ``origin`` is ``file``, ``speech``, ``ocr`` or ``code``.

    ``start_ms`` and ``end_ms`` are milliseconds after the sample's own start, the times of ``words``
    likewise; None: the text has its sample's times. ``polygon`` says where it stands in the picture, as
    that of a :class:`Region`; ``track`` which sound track of the file it is from. ``language`` None: not
    known.
    """

    origin: str
    text: str
    language: str | None = None
    char_start: int | None = None
    char_end: int | None = None
    confidence: float | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    words: tuple[Word, ...] | None = None
    polygon: tuple[float, ...] | None = None
    track: int | None = None
    part: int | None = None
    """The page of a document or the message of a mailbox, from 1."""


@dataclass(frozen=True)
class Derived:
    """M samples that were found within a batch of N, for the analyzers behind the one that found them.

    - ``level`` is what they are: ``FACE`` for crops, ``PASSAGE`` for strings;
    - ``parents`` is ``int [M]``, ascending: the row of the batch that each was found in. Among those of one
      parent the order is theirs, and their ordinal becomes the ``region`` of all rows about them;
    - ``views`` have M rows each: crops ``uint8 [M, S, S, 3]`` RGB under ``face`` (more sizes under other
      names), strings ``object [M]`` under ``text``. What is costly may be made when it is asked for, and is
      not asked for where nothing stands behind;
    - ``times`` are milliseconds after the parent's own start, from and to; None: the parent's times.
    """

    level: Level
    parents: npt.NDArray[np.intp]
    views: Mapping[str, npt.NDArray[Any]]
    times: tuple[tuple[int, int] | None, ...] | None = None


@dataclass(frozen=True)
class Entity:
    """Somebody or something that a text names: characters ``start`` to ``end`` of it.

    ``value`` is one spelling for all ways to write it: an address in small letters, a link with its host in
    small letters, a telephone number as E.164 has it. Of accounts and cards it is the kind and the last four
    figures alone. ``disguised``: written so that a plain search would miss it. ``domain`` is the registered
    one of addresses and links.
    """

    kind: str
    value: str
    start: int
    end: int
    disguised: bool = False
    domain: str | None = None


class Says(StrEnum):
    """What a piece of evidence speaks for. It is evidence, never a verdict."""

    AI_GENERATED = "ai_generated"
    EDITED = "edited"
    CAMERA = "camera"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Evidence:
    """Something that a file says of where it comes from.

    ``kind`` is where it stood (``c2pa``, ``digital_source_type`` …), ``name`` what it is in a word or two,
    ``value`` plain JSON values.
    """

    kind: str
    name: str
    says: Says
    value: Mapping[str, object]


@dataclass(frozen=True)
class Findings:
    """What one analyzer says of a batch of N samples, as columns. Every part has N rows."""

    scores: tuple[HeadScores, ...] = ()
    top: tuple[TopLabels, ...] = ()
    vectors: tuple[Vectors, ...] = ()
    hashes: tuple[Hashes, ...] = ()
    regions: tuple[tuple[Region, ...], ...] | None = None
    """``regions[i]`` are those of sample i; None where the analyzer finds none by nature."""
    evidence: tuple[tuple[Evidence, ...], ...] | None = None
    """As ``regions``."""
    texts: tuple[tuple[Text | None, ...], ...] | None = None
    """``texts[i]`` are those of sample i, as ``regions``; None in place of one that is not to be stored: the
    ordinals of the others stay."""
    entities: tuple[tuple[Entity, ...], ...] | None = None
    """As ``regions``."""
    derived: Derived | None = None
    """Samples found within these, for the analyzers behind this one: no rows are made of them."""


OverTrack = Literal["mean", "highest"]


@dataclass(frozen=True)
class HeadClass:
    """One class of a head and what its presence means."""

    label: str
    polarity: Polarity


@dataclass(frozen=True)
class HeadSpec:
    """A head as its card declares it; stored beside its scores so that reports need no catalogue."""

    name: str
    classes: tuple[HeadClass, ...]
    group: str
    validated: bool = False
    description: str = ""
    family: str | None = None
    """The head of the field that this one is a coarser or narrower form of: reports group it with that."""
    over_track: OverTrack = "highest"
    """What things that are one track of a video (a face from frame to frame) are worth together."""

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(c.label for c in self.classes)


@dataclass(frozen=True, slots=True)
class Observation:
    """One entry of a source, seen by the walk.

    ``uri`` is an absolute path where that is valid UTF-8, else a ``file://`` URI with percent-encoded
    bytes; other file systems keep their own scheme. ``source`` is the argument that led here.
    ``user`` are the manifest's extra columns. ``error`` says why the entry cannot be read, if so.
    ``text`` is what a row of a table says that stands for a file of its own, "" where its cell is empty;
    None: the entry is a file.
    """

    uri: str
    source: str
    size: int | None
    mtime_ns: int | None
    etag: str | None = None
    manifest_row: int | None = None
    user: dict[str, object] = field(default_factory=dict)
    error: str | None = None
    text: str | None = None
