"""From a view's bytes to a network's float32 input, as the card says."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hivescan.models.schema import InputSpec


def to_input(views: npt.NDArray[np.uint8], spec: InputSpec) -> npt.NDArray[np.float32]:
    """``uint8 [N, H, W, 3]`` RGB → ``float32`` in the card's layout and channel order.

    A table of the 256 possible values a channel: the same arithmetic for every pixel, on every machine.
    """
    levels = np.arange(256, dtype=np.float64)
    count, height, width, _ = views.shape
    nchw = spec.layout == "NCHW"
    out = np.empty((count, 3, height, width) if nchw else (count, height, width, 3), np.float32)
    for channel in range(3):
        mean, std = spec.mean[channel], spec.std[channel]
        table = ((levels * spec.scale - mean) / std).astype(np.float32)
        plane = views[..., channel if spec.channels == "RGB" else 2 - channel]
        if nchw:
            out[:, channel] = table[plane]
        else:
            out[..., channel] = table[plane]
    return out
