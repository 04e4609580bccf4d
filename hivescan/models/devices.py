"""Which CUDA devices this process may use, told without loading a runtime."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from importlib import metadata
from pathlib import Path
from typing import Final

from hivescan.models.schema import BackendKind

_DEVICE_FOLDER: Final = Path("/dev")


def cuda_devices(kinds: Collection[BackendKind], devices: Path = _DEVICE_FOLDER) -> tuple[str, ...]:
    """The names that ``CUDA_VISIBLE_DEVICES`` takes, one for each device.

    None where a runtime of these kinds was not built for CUDA. The variable decides where it is set;
    otherwise the devices that the driver shows (Linux) count.
    """
    if not all(_built_for_cuda(kind) for kind in kinds):
        return ()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
        # CUDA itself stops at the first name that is none.
        ends = next((i for i, name in enumerate(names) if name in ("", "-1")), len(names))
        return tuple(names[:ends])
    found = [path for path in devices.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]
    return tuple(str(i) for i in range(len(found)))


def _built_for_cuda(kind: BackendKind) -> bool:
    try:
        if kind in ("onnx", "bert"):
            metadata.version("onnxruntime-gpu")
            return True
        return kind in ("timm", "transformers") and not metadata.version("torch").endswith("+cpu")
    except metadata.PackageNotFoundError:
        return False
