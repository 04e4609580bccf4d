"""A model of sounds: clips in, what is heard in each of its windows out.

The front end is YAMNet's (github.com/tensorflow/models, audioset/yamnet): 64 mel bands of 125 to 7,500 Hz on
the scale of HTK, of the magnitudes of frames of 25 ms every 10 ms, as log(x + 0.001). The network sees 96
frames, 0.975 s, at a time, one window after the other, so that a row depends on its clip alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.errors import CatalogueError
from hivescan.models import golden
from hivescan.models.backends.base import Placement, Tensor
from hivescan.models.fetch import ensure
from hivescan.models.schema import Card

FRAMES: Final = 96
_RATE: Final = 16_000
_FRAME: Final = 400
_HOP: Final = 160
_FFT: Final = 512
_BANDS: Final = 64
_LOWEST_HZ, _HIGHEST_HZ = 125.0, 7_500.0
_OFFSET: Final = 0.001
_WINDOW_HOP: Final = 48
_ON_CPU: Final = Placement()


def open_sound_tower(card: Card, placement: Placement = _ON_CPU) -> SoundTower:
    """Open a model of sounds and check it against its golden outputs. Fetches what is not in the cache.

    Raises ``ModelUnhealthyError`` where the outputs drifted, :class:`CatalogueError` where ``card`` is no
    model of sounds.
    """
    if card.sound is None:
        raise CatalogueError(f"model {card.name}: looks at {', '.join(sorted(card.consumes))}, not at sounds")
    tower = SoundTower(card, ensure(card), placement)
    for name in {wanted.input for wanted in card.golden}:
        (windows,) = tower.windows([golden.golden_sound(name, samples=FRAMES * _HOP + _FRAME - _HOP)])
        golden.check_sounds(card, tower, name, windows)
    return tower


class SoundTower:
    """Made by :func:`open_sound_tower`. It runs on the CPU: the network is one of small integers."""

    runtime = "onnx"
    device = "cpu"

    def __init__(self, card: Card, files: Mapping[str, Path], placement: Placement) -> None:
        from hivescan.models.backends.onnx import open_session

        assert card.sound is not None
        self.card = card
        self._spec = card.sound
        try:
            self._session: Any = open_session(_graph(card, files), "cpu", exact_products=False)
        except Exception as error:  # onnx and onnxruntime raise classes of their own that share no base
            reason = str(error).partition("\n")[0]
            raise CatalogueError(f"model {card.name}: cannot be opened by ONNX Runtime: {reason}") from error
        self._outputs = list(card.backend.outputs)
        self._input = self._session.get_inputs()[0].name
        self._threads = max(1, placement.threads)

    def windows(self, clips: Sequence[npt.NDArray[np.float32]]) -> list[dict[str, Tensor]]:
        """For each clip, ``float32 [n]`` at 16 kHz, the network's outputs by name, a row a window.

        NaN in a clip is where its sound ends. A clip that is shorter than a window has one, filled up with
        silence.
        """
        patches = [self._patches(clip) for clip in clips]
        every = [patch for of_clip in patches for patch in of_clip]
        if self._threads > 1:
            with ThreadPoolExecutor(self._threads, "hivescan-sound") as pool:
                seen = iter(list(pool.map(self._of_one, every)))
        else:
            seen = map(self._of_one, every)
        found = []
        for of_clip in patches:
            rows = [next(seen) for _ in of_clip]
            found.append({name: np.stack([row[name] for row in rows]) for name in self._outputs})
        return found

    def _patches(self, clip: npt.NDArray[np.float32]) -> list[npt.NDArray[np.uint8]]:
        """The windows of a clip as the network takes them, ``uint8 [1, 1, 96, 64]``."""
        ends = np.flatnonzero(np.isnan(clip))
        sound = clip[: ends[0]] if ends.size else clip
        least = (FRAMES - 1) * _HOP + _FRAME
        if len(sound) < least:
            sound = np.pad(sound, (0, least - len(sound)))
        spectrum = log_mel(sound)
        levels = np.round(spectrum / self._spec.input_scale + self._spec.input_zero)
        whole = np.clip(levels, 0, 255).astype(np.uint8)
        starts = range(0, len(whole) - FRAMES + 1, _WINDOW_HOP)
        return [whole[np.newaxis, np.newaxis, start : start + FRAMES] for start in starts]

    def _of_one(self, patch: npt.NDArray[np.uint8]) -> dict[str, Tensor]:
        values = self._session.run(self._outputs, {self._input: patch})
        return {
            name: np.asarray(value, np.float32).reshape(-1)
            for name, value in zip(self._outputs, values, strict=True)
        }


def log_mel(sound: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """``float64 [frames, 64]`` of ``float32 [n]`` at 16 kHz; n is at least 400."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, _FRAME)[::_HOP].astype(np.float64)
    # A periodic window: that of 401 without its last value.
    magnitudes = np.abs(np.fft.rfft(frames * np.hanning(_FRAME + 1)[:-1], _FFT))
    logarithms: npt.NDArray[np.float64] = np.log(magnitudes @ _mel_bands() + _OFFSET)
    return logarithms


@cache
def _mel_bands() -> npt.NDArray[np.float64]:
    """``[257, 64]``: triangles on the mel scale; nothing of frequency 0."""

    def mel(hertz: npt.NDArray[np.float64] | float) -> npt.NDArray[np.float64]:
        return np.asarray(1127.0 * np.log1p(np.asarray(hertz) / 700.0))

    bins = mel(np.linspace(0.0, _RATE / 2, _FFT // 2 + 1))[1:, np.newaxis]
    edges = np.linspace(mel(_LOWEST_HZ), mel(_HIGHEST_HZ), _BANDS + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    bands = np.maximum(0.0, np.minimum(rising, falling))
    return np.pad(bands, ((1, 0), (0, 0)))


def _take_in(tensor: Any, weights: Mapping[str, Path]) -> None:
    """Put a tensor's numbers into the graph: the cache keeps each file in a folder of its own."""
    where = {entry.key: entry.value for entry in tensor.external_data}
    with weights[where["location"]].open("rb") as stream:
        stream.seek(int(where.get("offset", 0)))
        tensor.raw_data = stream.read(int(where["length"]))
    del tensor.external_data[:]
    tensor.data_location = 0


def _without_sign(tensor: Any) -> None:
    """A zero point of a signed byte as that of an unsigned one: the weights keep their values.

    Without VNNI, ONNX Runtime adds products of unsigned and signed bytes in pairs that saturate; those of
    unsigned ones are exact on every CPU. Its own switch for that fails on this kind of graph.
    """
    from onnx import numpy_helper

    values = numpy_helper.to_array(tensor).astype(np.int16) + 128
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.uint8), tensor.name))


def _graph(card: Card, files: Mapping[str, Path]) -> bytes:
    """The graph with its weights and with the outputs that the card names, also those inside of it."""
    import onnx

    model = onnx.load(str(files[card.backend.file]), load_external_data=False)
    weights = {name: path for name, path in files.items() if name != card.backend.file}
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _take_in(tensor, weights)
        if tensor.data_type == onnx.TensorProto.INT8:
            _without_sign(tensor)
    del model.graph.value_info[:]  # it tells of signs
    offered = {output.name for output in model.graph.output}
    made = {name for node in model.graph.node for name in node.output}
    for name in card.backend.outputs:
        if name not in made:
            raise CatalogueError(f"model {card.name}: {card.backend.file} has no output {name!r}")
        if name not in offered:
            kind = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
            model.graph.output.append(kind)
    graph: bytes = model.SerializeToString()
    return graph
