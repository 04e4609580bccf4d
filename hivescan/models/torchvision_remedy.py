"""Lets a CPU build of torch import a torchvision that was linked against CUDA.

Package registries offer torchvision built for CUDA. With a torch that has none, ``import torchvision``
raises ``operator torchvision::nms does not exist``, and with it ``import timm`` and the vision classes of
transformers. Declaring the two operators' schemas is all that the import needs. On a pair that fits
nothing is done.

Call :func:`import_torchvision` before timm or transformers in every process. What stays unavailable after
the remedy (``torchvision.ops.nms``, ``torchvision.io.decode_*``) raises an error of its own when called.
"""

from __future__ import annotations

import importlib
import sys
from functools import lru_cache
from typing import Any, Final

_SYMPTOM: Final = "operator torchvision::nms does not exist"
_SCHEMAS: Final = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_kept: list[Any] = []
"""The library of the declared operators: they are forgotten when it is freed."""


@lru_cache(maxsize=1)
def import_torchvision() -> bool:
    """Import torchvision; returns whether the remedy was needed."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if _SYMPTOM not in str(error):
            raise
    else:
        return False
    for name in [n for n in sys.modules if n == "torchvision" or n.startswith("torchvision.")]:
        del sys.modules[name]
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in _SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]
    _kept.append(library)
    importlib.import_module("torchvision")
    return True
