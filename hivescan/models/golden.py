"""Is a model what it was when its card was written? A known picture in, known numbers out.

Checked each time a model is loaded, before anything is written: a wrong file, a broken runtime or an
instruction set that rounds otherwise shows here and not in a million rows. During a run
:func:`check_finite` stops at the first score that is no number, and :class:`ConstantScores` notices heads
that say the same of everything.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol, cast

import numpy as np
import numpy.typing as npt

from hivescan.errors import CatalogueError, ModelUnhealthyError
from hivescan.models.backends.base import Backend, Precision, Tensor
from hivescan.models.preprocess import to_input
from hivescan.models.schema import Card, Golden
from hivescan.types import Findings, Pixels

HALF_TOLERANCE: Final = 0.03
"""Of 8 to 11 bits of mantissa through tens of layers, where a card says nothing closer."""
GOLDEN_INPUTS: Final = ("checks", "balls")
GOLDEN_TEXTS: Final[Mapping[str, str]] = {
    "sentence": "A grey cat sleeps on the warm stone wall above the old harbour.",
    "scripts": "Große Möwen, éléphants verts, 海辺の猫, море и ветер: 3 × 7 = 21!",
}
"""Fixed texts; the second has letters and signs that a tokenizer can trip over."""
_BALLS: Final = ((152, 296, 584), (425, 616, 579), (857, 171, 307))
"""Centre x, centre y, radius, in thousandths of the picture's sides."""
_BALL_COLOURS: Final = ((90, 236), (50, 188), (40, 160))
"""Dark and light of red, green and blue."""


class Place(Protocol):
    """What runs a network, and where: see :class:`~hivescan.models.backends.base.Backend`."""

    runtime: str
    device: str


def golden_picture(name: str, width: int, height: int) -> Pixels:
    """A generated picture, ``uint8 [height, width, 3]``, from whole numbers only: the same everywhere.

    ``checks``: two ramps and a chessboard. ``balls``: three shaded balls in warm colours, of which the
    models here are less than sure, so that small changes show.
    """
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    if name == "checks":
        red = x * 255 // max(1, width - 1)
        green = y * 255 // max(1, height - 1)
        blue = (x // 16 + y // 16) % 2 * 255
        planes = [red, green, blue]
    elif name == "balls":
        shade = np.zeros_like(x)
        for centre_x, centre_y, radius in _BALLS:
            squared = (x * 1000 // width - centre_x) ** 2 + (y * 1000 // height - centre_y) ** 2
            shade = np.maximum(shade, 255 - squared * 255 // radius**2)
        planes = [(dark * (255 - shade) + light * shade) // 255 for dark, light in _BALL_COLOURS]
    else:
        raise CatalogueError(f"no golden input is called {name!r}; there are {', '.join(GOLDEN_INPUTS)}")
    return np.stack(planes, axis=-1).astype(np.uint8)


def golden_outputs(card: Card, backend: Backend, name: str) -> dict[str, Tensor]:
    """What the network gives for a golden picture in the size of the card's view."""
    view = next(iter(card.views.values()))
    assert card.input is not None
    picture = golden_picture(name, view.width, view.height)
    return backend.run(to_input(picture[np.newaxis], card.input))


def check(card: Card, backend: Backend, precision: Precision = "auto") -> None:
    """Raise :class:`ModelUnhealthyError` unless every golden output is what the card says."""
    outputs = {name: golden_outputs(card, backend, name) for name in {g.input for g in card.golden}}
    for golden in card.golden:
        _compare(card, backend, golden, outputs[golden.input][golden.output], precision)


def check_texts(card: Card, place: Place, outputs: Mapping[str, Tensor]) -> None:
    """As :func:`check`, of a model of texts: ``outputs`` are the vectors of :data:`GOLDEN_TEXTS` by name."""
    for golden in card.golden:
        if golden.input not in outputs:
            raise CatalogueError(
                f"no golden text is called {golden.input!r}; there are {', '.join(GOLDEN_TEXTS)}"
            )
        _compare(card, place, golden, outputs[golden.input], "auto")


GOLDEN_SOUNDS: Final = ("steps", "hiss")


def golden_sound(name: str, samples: int) -> npt.NDArray[np.float32]:
    """A generated sound at 16 kHz, ``float32 [samples]``, from whole numbers only.

    ``steps``: square waves that rise; ``hiss``: noise of a linear congruential generator.
    """
    at = np.arange(samples, dtype=np.int64)
    if name == "steps":
        half_period = 64 >> np.minimum(at // 4_000, 3)
        return ((at // half_period % 2 * 2 - 1) * 0.25).astype(np.float32)
    if name == "hiss":
        value, values = 1, np.empty(samples, np.int64)
        for i in range(samples):
            value = (1_103_515_245 * value + 12_345) % 2**31
            values[i] = value
        return ((values / 2**30 - 1.0) * 0.125).astype(np.float32)
    raise CatalogueError(f"no golden sound is called {name!r}; there are {', '.join(GOLDEN_SOUNDS)}")


def check_sounds(card: Card, place: Place, name: str, outputs: Mapping[str, Tensor]) -> None:
    """As :func:`check`, of a model of sounds and one golden sound: ``outputs`` are those of its windows."""
    for golden in card.golden:
        if golden.input == name:
            _compare(card, place, golden, outputs[golden.output], "auto")


def _compare(card: Card, backend: Place, golden: Golden, output: Tensor, precision: Precision) -> None:
    expected = np.asarray(golden.expected, np.float64)
    got = output.reshape(-1)[: expected.size].astype(np.float64)
    where = f"model {card.name} on {backend.runtime} ({backend.device}): golden output {golden.output}"
    if got.size != expected.size or not np.isfinite(output).all():
        raise ModelUnhealthyError(f"{where}: got {_few(got)}, expected {_few(expected)}; {_ADVICE}")
    tolerance = _tolerance(golden.tolerance, backend, precision)
    if golden.measure == "cosine":
        distance = 1.0 - float(got @ expected / (np.linalg.norm(got) * np.linalg.norm(expected) or 1.0))
    else:
        distance = float(np.abs(got - expected).max())
    if not distance <= tolerance:
        raise ModelUnhealthyError(
            f"{where}: got {_few(got)}, expected {_few(expected)}: {golden.measure} difference"
            f" {distance:.3g} is over {tolerance:g}; {_ADVICE}"
        )


_ADVICE: Final = "try hivescan models verify, or another version of the runtime"


def _few(values: npt.NDArray[np.float64]) -> str:
    shown = ", ".join(f"{v:.5g}" for v in values[:4])
    return f"[{shown}{', …' if values.size > 4 else ''}]"


def _tolerance(tolerances: Mapping[str, float], backend: Place, precision: Precision) -> float:
    """The most telling entry: backend and CUDA, backend and a feature of this CPU, backend, the widest.

    In half precision it is the entry of backend and precision, or :data:`HALF_TOLERANCE` where that is wider.
    """
    if precision != "auto":
        full = _tolerance(tolerances, backend, "auto")
        return tolerances.get(f"{backend.runtime}+{precision}", max(full, HALF_TOLERANCE))
    if backend.device == "cuda":
        if f"{backend.runtime}+cuda" in tolerances:
            return tolerances[f"{backend.runtime}+cuda"]
    else:
        for name, value in tolerances.items():
            runtime, _, feature = name.partition("+")
            if feature and runtime == backend.runtime and feature in cpu_features():
                return value
    return tolerances.get(backend.runtime, max(tolerances.values()))


@lru_cache(maxsize=1)
def cpu_features() -> frozenset[str]:
    """Names of the CPU's instruction sets as Linux tells them, such as ``avx512_vnni``; elsewhere none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset({platform.machine()})
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in {"flags", "Features"}:
            return frozenset(value.split())
    return frozenset({platform.machine()})


def check_finite(analyzer: str, findings: Findings) -> None:
    """Raise :class:`ModelUnhealthyError` where a score or vector is NaN or infinite.

    A row of scores that is NaN throughout says that the head has nothing to say of that sample.
    """
    for head in findings.scores:
        spoken = head.scores[~np.isnan(head.scores).all(axis=1)]
        if not np.isfinite(spoken).all():
            raise ModelUnhealthyError(
                f"analyzer {analyzer}, model {head.model}: head {head.head} gave {_odd(spoken)},"
                " expected finite scores"
            )
    for top in findings.top:
        for row in top.rows:
            scores = np.array([score for _, score in row])
            if not np.isfinite(scores).all():
                raise ModelUnhealthyError(
                    f"analyzer {analyzer}, model {top.model}: head {top.head} gave {_odd(scores)},"
                    " expected finite scores"
                )
    for vectors in findings.vectors:
        if not np.isfinite(vectors.vectors).all():
            raise ModelUnhealthyError(
                f"analyzer {analyzer}: a vector of {vectors.space} has {_odd(vectors.vectors)},"
                " expected finite numbers"
            )


def _odd(values: npt.NDArray[np.floating]) -> str:
    return str(values[~np.isfinite(values)].reshape(-1)[0])


class ConstantScores:
    """Notices heads and spaces whose numbers stay the same over many inputs."""

    LEAST: Final = 64
    """Inputs that must have been seen before anything is said."""
    SPREAD: Final = 1e-7

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self._low: dict[str, npt.NDArray[np.float32]] = {}
        self._high: dict[str, npt.NDArray[np.float32]] = {}
        self._inputs: dict[str, set[int]] = {}

    def see(self, findings: Findings, inputs: Sequence[int] | None = None) -> None:
        """Take in one batch. ``inputs`` tells the N samples apart (such as a checksum of each view):
        equal ones count once. Without it every sample counts."""
        for head in findings.scores:
            self._see(f"head {head.head} of model {head.model}", head.scores, inputs)
        for vectors in findings.vectors:
            self._see(f"the vector {vectors.space}", vectors.vectors.astype(np.float32), inputs)

    def _see(self, name: str, values: npt.NDArray[np.float32], inputs: Sequence[int] | None) -> None:
        spoken = ~np.isnan(values).all(axis=1)
        values = values[spoken]
        if not len(values):
            return
        low, high = values.min(axis=0), values.max(axis=0)
        if name in self._low:
            low, high = np.minimum(low, self._low[name]), np.maximum(high, self._high[name])
        self._low[name], self._high[name] = low, high
        if inputs is None:
            self._seen[name] = self._seen.get(name, 0) + len(values)
        elif self._seen.get(name, 0) < self.LEAST:
            known = self._inputs.setdefault(name, set())
            known.update(cast(list[int], np.asarray(inputs)[spoken].tolist()))
            self._seen[name] = len(known)

    def warnings(self) -> list[str]:
        """One line for each head or space that stayed constant over at least :attr:`LEAST` inputs."""
        return [
            f"{name} gave the same numbers for {count} different inputs: it may be broken"
            for name, count in self._seen.items()
            if count >= self.LEAST and float((self._high[name] - self._low[name]).max()) <= self.SPREAD
        ]
