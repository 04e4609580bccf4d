"""What this installation can do: every decoder, runtime and model tried for real, none assumed."""

from __future__ import annotations

import io
import platform
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import metadata


class State(StrEnum):
    """How a part of the installation is."""

    OK = "ok"
    OFF = "off"
    """Not there; hivescan works without it."""
    BROKEN = "bad"
    """There, and does not work, or needed and not there."""


@dataclass(frozen=True)
class Finding:
    name: str
    state: State
    what: str

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def diagnose() -> list[Finding]:
    """Try everything a scan may need. Loads the heavy libraries; takes some seconds."""
    findings = [
        Finding("python", State.OK, f"{platform.python_version()} on {platform.platform()}"),
        _cores(),
        *(_tried(name, check) for name, check in _CHECKS.items()),
        *_formats(),
        *_models(),
    ]
    if shutil.which("npm") is None:
        findings.append(Finding("npm", State.OFF, "not installed: models that come in npm packages are off"))
    return findings


def _cores() -> Finding:
    from hivescan.cores import available_cores

    return Finding("cores", State.OK, str(available_cores()))


def _tried(name: str, check: Callable[[], Finding | str]) -> Finding:
    try:
        result = check()
    except ImportError as error:
        state = State.OFF if name in _OPTIONAL else State.BROKEN
        return Finding(name, state, f"not installed ({error})" if state is State.OFF else str(error))
    except Exception as error:
        return Finding(name, State.BROKEN, f"{type(error).__name__}: {error}")
    return result if isinstance(result, Finding) else Finding(name, State.OK, result)


def _torch() -> str:
    import torch

    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return f"{torch.__version__}, {'; '.join(devices) if devices else 'CPU only'}"


def _torchvision() -> str:
    from hivescan.models.torchvision_remedy import import_torchvision

    import_torchvision()
    return metadata.version("torchvision")


def _onnxruntime() -> str:
    import onnxruntime

    return f"{onnxruntime.__version__}, {', '.join(onnxruntime.get_available_providers())}"


def _openvino() -> str:
    import openvino

    return str(openvino.__version__)


def _pyav() -> str:
    import av

    wanted = ("h264", "hevc", "vp9", "av1", "mpeg2video", "mpeg4", "mjpeg", "prores", "wmv2")
    missing = [name for name in wanted if name not in av.codecs_available]
    return f"{av.__version__}" + (f", without {', '.join(missing)}" if missing else ", all codecs")


def _decord() -> str:
    import decord

    return f"{decord.__version__} (PyAV serves what it cannot)"


def _speech() -> Finding | str:
    import ctranslate2
    import faster_whisper

    from hivescan.media.voice import network_path

    versions = f"{faster_whisper.__version__}, ctranslate2 {ctranslate2.__version__}"
    if network_path() is None:
        return Finding("faster-whisper", State.OFF, f"{versions}: it lacks the network for voice activity")
    return versions


_CHECKS: dict[str, Callable[[], Finding | str]] = {
    "torch": _torch,
    "torchvision": _torchvision,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "pyav": _pyav,
    "decord": _decord,
    "faster-whisper": _speech,
}
_OPTIONAL = {"openvino", "decord", "faster-whisper"}


def _formats() -> list[Finding]:
    """Picture formats, each by a tiny picture written and read back where that can be done."""
    import numpy as np
    from PIL import Image, features

    picture = Image.fromarray(np.full((16, 16, 3), 90, np.uint8))
    working, broken = [], []
    for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"):
        try:
            data = io.BytesIO()
            picture.save(data, name)
            Image.open(io.BytesIO(data.getvalue())).load()
            working.append(name)
        except Exception:
            broken.append(name)
    for module, name in (("pillow_heif", "HEIC"), ("pillow_jxl", "JPEG XL")):
        try:
            __import__(module)
            working.append(name)
        except ImportError:
            broken.append(name)
    if features.check("jpg_2000"):
        working.append("JPEG 2000")
    found = [Finding("pictures", State.OK, ", ".join(working))]
    if broken:
        found.append(Finding("pictures", State.OFF, f"cannot be read: {', '.join(broken)}"))
    return found


def _models() -> list[Finding]:
    from hivescan.analyzers import registry
    from hivescan.errors import HivescanError

    findings = []
    for name, spec in registry.available().items():
        if spec.runs_in == "decoder":
            continue
        try:
            reason = registry.missing(name)
        except HivescanError as error:
            findings.append(Finding(f"analyzer {name}", State.BROKEN, str(error)))
            continue
        state = State.OK if reason is None else State.OFF
        profiles = [p for p in registry.PROFILES if name in registry.profile(p)]
        what = reason or f"ready ({', '.join(profiles) or 'on demand'})"
        findings.append(Finding(f"analyzer {name}", state, what))
    return findings
