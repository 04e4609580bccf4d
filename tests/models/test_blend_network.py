"""The network of face_blends and the fakes that it is trained on, as scripts/train makes them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

TRAIN = Path(__file__).parents[2] / "scripts" / "train"


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TRAIN))
    for name in ("blend_network", "self_blending", "face_shape"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.fixture(scope="module")
def face(photos: Path) -> np.ndarray:
    return np.asarray(Image.open(photos / "astronaut.png").crop((140, 20, 300, 180)).resize((256, 256)))


@pytest.fixture
def landmarks() -> np.ndarray:
    """Where the template has them in a crop of 256 pixels."""
    from hivescan.analyzers.face_crops import TEMPLATE

    return np.array([(128 * z.real + 64, 128 * z.imag + 64) for z in TEMPLATE])


def test_the_graph_computes_what_was_trained(face: np.ndarray) -> None:
    import torch
    from blend_network import SIDE, FaceBlends, to_onnx

    torch.manual_seed(5)
    network = FaceBlends().eval()
    network.place.data.normal_()
    pictures = np.stack([face[24 : 24 + SIDE, 24 : 24 + SIDE], face[:SIDE, :SIDE]])
    network.normalise(network.seen_in_batches(pictures))
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        expected = torch.sigmoid(network(pixels)).numpy()
    session = onnxruntime.InferenceSession(
        to_onnx(network).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (scores,) = session.run(None, {"input": pixels.numpy()})
    np.testing.assert_allclose(scores[:, 0], expected, atol=1e-5)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)


def test_a_warp_moves_what_is_at_a_point_to_its_image() -> None:
    from face_shape import affine_between, moved, warped

    picture = np.zeros((256, 256, 3), np.uint8)
    picture[99:102, 119:122] = 255  # around x 120, y 100
    corners = np.array([[0, 0], [255, 0], [0, 255], [255, 255]], np.float64)
    affine = affine_between(corners, corners * [1.1, 0.9] + [[7, -3]])
    rows, columns = np.nonzero(warped(picture, affine)[..., 0] > 60)
    ((x, y),) = moved(np.array([[120.0, 100.0]]), affine)
    assert (columns.mean(), rows.mean()) == pytest.approx((x, y), abs=0.6)


def test_a_fake_differs_from_its_face_around_the_face_alone(face: np.ndarray, landmarks: np.ndarray) -> None:
    from self_blending import blending_mask, pair

    rng = np.random.default_rng(1)
    masks = np.stack([blending_mask(landmarks, 256, rng) for _ in range(40)])
    assert masks.max() > 0.99
    assert masks[:, [2, 2, -3, -3], [2, -3, 2, -3]].max() < 0.01
    real, fake = pair(face, landmarks, np.random.default_rng(2))
    assert real.shape == fake.shape == (256, 256, 3)
    assert not np.array_equal(real, fake)
