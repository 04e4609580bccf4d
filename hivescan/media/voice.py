"""Voice activity: how likely it is that somebody speaks, for every 32 milliseconds of sound.

The network is Silero's (github.com/snakers4/silero-vad, MIT), version 6, as the faster-whisper package ships
it: 512 samples at 16 kHz with the 64 before them, and a state that goes on from one to the next. Its file is
found without importing that package, and read by ONNX Runtime in one thread.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hivescan.errors import UnsupportedError

FRAME: Final = 512
"""Samples to a frame."""
FRAMES_AT_ONCE: Final = 64
"""Always as many are computed together, so that what is said of one depends on no reading size."""

_CONTEXT: Final = 64
_STATE: Final = (1, 1, 128)
_ASSET: Final = Path("assets", "silero_vad_v6.onnx")
LIBRARY: Final = "faster_whisper"


def network_path() -> Path | None:
    """Where the network lies; None where faster-whisper is not installed or has another one."""
    spec = find_spec(LIBRARY)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / _ASSET
        if path.is_file():
            return path
    return None


@lru_cache(maxsize=1)
def network_digest() -> str:
    """The sha256 of the network that is installed; empty where there is none."""
    path = network_path()
    return "" if path is None else hashlib.sha256(path.read_bytes()).hexdigest()


class Voice:
    """Hears one track from its beginning, in order."""

    def __init__(self) -> None:
        self._session = _session()
        self._h = np.zeros(_STATE, np.float32)
        self._c = np.zeros(_STATE, np.float32)
        self._before = np.zeros(_CONTEXT, np.float32)

    def hear(self, frames: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """``float32 [64, 512]``, the next of the track → ``float32 [64]``, from 0 to 1."""
        flat = np.concatenate([self._before, frames.reshape(-1)])
        starts = np.arange(FRAMES_AT_ONCE)[:, np.newaxis] * FRAME
        windows = flat[starts + np.arange(_CONTEXT + FRAME)]
        found, self._h, self._c = self._session.run(None, {"input": windows, "h": self._h, "c": self._c})
        self._before = flat[-_CONTEXT:]
        likely: npt.NDArray[np.float32] = np.asarray(found, np.float32).reshape(-1)
        return likely


@lru_cache(maxsize=1)
def _session() -> Any:
    path = network_path()
    if path is None:
        raise UnsupportedError("faster-whisper, which has the network for voice activity, is not installed")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
