"""The catalogue's ONNX graphs in OpenVINO (an extra) say what they say in ONNX Runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hivescan.analyzers import registry
from hivescan.media.views import make_views
from hivescan.models.cards import find_card
from hivescan.models.network import open_network

pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install 'hivescan[openvino]'")

PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "camera.png", "motorcycle_left.png")
LARGEST_DIFFERENCE = {"opennsfw": 1e-4, "nsfwjs": 1e-4, "efficientnet_lite2": 1e-3}
"""Of any output; the third's are logits between about -10 and 10."""


@pytest.mark.slow
@pytest.mark.parametrize("model", LARGEST_DIFFERENCE)
def test_real_weights_agree_with_onnx_runtime_and_pass_their_golden_check(model: str, photos: Path) -> None:
    analyzer = "objects" if model == "efficientnet_lite2" else "nsfw"
    reason = registry.missing(analyzer)
    if reason is not None:
        pytest.skip(f"{model} cannot run here: {reason}")
    card = find_card(model)
    other = replace(card, backend=replace(card.backend, kind="openvino"))
    ours, theirs = open_network(card), open_network(other)  # both are checked against the golden outputs
    assert theirs.backend.runtime == "openvino"
    pictures = [np.asarray(Image.open(photos / name).convert("RGB")) for name in PHOTOS]
    made = [make_views(picture, card.views) for picture in pictures]
    views = {name: np.stack([v[name] for v in made]) for name in card.views}
    expected, got = ours.run(views), theirs.run(views)
    for output in card.backend.outputs:
        assert got[output].shape == expected[output].shape
        assert np.abs(got[output] - expected[output]).max() <= LARGEST_DIFFERENCE[model]
        assert (got[output].argmax(axis=1) == expected[output].argmax(axis=1)).all()
    alone = theirs.run({name: stack[1:2] for name, stack in views.items()})
    assert all(np.array_equal(alone[o], got[o][1:2]) for o in card.backend.outputs)
