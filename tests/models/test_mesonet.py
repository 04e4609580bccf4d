"""MesoNet's graph against Keras's layers, computed one after the other in numpy from their definitions."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import onnx
import onnxruntime
import pytest

from hivescan.errors import CatalogueError
from hivescan.models.convert import convert
from hivescan.models.convert.mesonet import build, read_layers, weights_to_onnx

FILES = ("Meso4_DF", "Meso4_F2F", "MesoInception_DF", "MesoInception_F2F")


# ------------------------------------------------------- what Keras computes, in float64, [H, W, C]


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """TensorFlow's SAME: as many results as strides fit, the odd pixel goes right and below."""
    results = -(-size // stride)
    total = max((results - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def conv2d(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, dilation: int = 1) -> np.ndarray:
    height, width = kernel.shape[:2]
    rows, columns = x.shape[:2]
    padded = np.pad(
        x, (same_padding(rows, height, 1, dilation), same_padding(columns, width, 1, dilation), (0, 0))
    )
    total = np.zeros((rows, columns, kernel.shape[3]))
    for down in range(height):
        for right in range(width):
            top, left = down * dilation, right * dilation
            total += padded[top : top + rows, left : left + columns] @ kernel[down, right]
    return np.maximum(total + bias, 0)  # activation='relu'


def batch_normalization(x: np.ndarray, parts: dict[str, np.ndarray]) -> np.ndarray:
    deviation = np.sqrt(parts["moving_variance"] + 1e-3)
    return parts["gamma"] * (x - parts["moving_mean"]) / deviation + parts["beta"]


def max_pooling(x: np.ndarray, side: int) -> np.ndarray:
    rows, columns = (same_padding(n, side, side) for n in x.shape[:2])
    padded = np.pad(x, (rows, columns, (0, 0)), constant_values=-np.inf)
    height, width, channels = padded.shape
    return padded.reshape(height // side, side, width // side, side, channels).max(axis=(1, 3))


class Keras:
    """The layers of ``classifiers.py`` of MesoNet, run one by one; ``seen`` are their results by name."""

    def __init__(self, path: Path) -> None:
        with h5py.File(path) as file:
            self.weights: dict[str, dict[str, np.ndarray]] = {}
            file.visititems(self._take)
        self.seen: dict[str, np.ndarray] = {}

    def _take(self, name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            *_, layer, part = name.split("/")
            self.weights.setdefault(layer, {})[part.split(":")[0]] = item[()].astype(np.float64)

    def names(self, kind: str) -> list[str]:
        return sorted((n for n in self.weights if n.startswith(kind)), key=lambda n: int(n.split("_")[-1]))

    def conv(self, x: np.ndarray, name: str, dilation: int = 1) -> np.ndarray:
        parts = self.weights[name]
        self.seen[name] = conv2d(x, parts["kernel"], parts["bias"], dilation)
        return self.seen[name]

    def inception(self, x: np.ndarray, names: list[str]) -> np.ndarray:
        one = self.conv(x, names[0])
        two = self.conv(self.conv(x, names[1]), names[2])
        three = self.conv(self.conv(x, names[3]), names[4], dilation=2)
        four = self.conv(self.conv(x, names[5]), names[6], dilation=3)
        return np.concatenate([one, two, three, four], axis=-1)

    def run(self, x: np.ndarray) -> float:
        """The probability of ``[256, 256, 3]`` in 0..1 to be real."""
        convolutions, norms, dense = self.names("conv2d"), self.names("batch"), self.names("dense")
        for stage, (norm, side) in enumerate(zip(norms, (2, 2, 2, 4), strict=True)):
            if len(convolutions) == 4:
                x = self.conv(x, convolutions[stage])
            elif stage < 2:
                x = self.inception(x, convolutions[stage * 7 : stage * 7 + 7])
            else:
                x = self.conv(x, convolutions[12 + stage])
            self.seen[norm] = batch_normalization(x, self.weights[norm])
            x = self.seen[f"pool_{stage + 1}"] = max_pooling(self.seen[norm], side)
        for name, activate in zip(dense, (leaky, sigmoid), strict=True):
            parts = self.weights[name]
            self.seen[name] = x.reshape(-1) @ parts["kernel"] + parts["bias"]
            x = activate(self.seen[name])
        return float(x[0])


def leaky(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0.1 * x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


# ----------------------------------------------------------------------------------------- tests


@pytest.fixture(scope="module")
def picture(photos: Path) -> np.ndarray:
    """A real face, ``float32 [256, 256, 3]`` in 0..1."""
    from PIL import Image

    return np.asarray(Image.open(photos / "astronaut.png").crop((140, 20, 396, 276)), np.float32) / 255


def all_layers(path: Path, picture: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
    """What the graph computes for one picture, layer by layer, as Keras would lay it out."""
    model = weights_to_onnx(path)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    values = session.run(["scores", *names], {"input": picture.transpose(2, 0, 1)[np.newaxis]})
    return {
        name: value[0].transpose(1, 2, 0) if value.ndim == 4 else value[0]
        for name, value in zip(["scores", *names], values, strict=True)
    }


@pytest.mark.parametrize("name", FILES)
def test_every_layer_computes_what_keras_does(shared: Path, name: str, picture: np.ndarray) -> None:
    path = shared / "weights" / "mesonet" / f"{name}.h5"
    keras = Keras(path)
    real = keras.run(picture.astype(np.float64))
    assert len(keras.seen) == (26 if "Inception" in name else 14)
    found = all_layers(path, picture, list(keras.seen))
    for layer, expected in keras.seen.items():
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found[layer], expected, atol=2e-6 * scale, rtol=1e-5, err_msg=layer)
    np.testing.assert_allclose(found["scores"], [1 - real, real], atol=1e-5)


def test_any_batch_gives_the_same_rows(shared: Path, picture: np.ndarray) -> None:
    graph = weights_to_onnx(shared / "weights" / "mesonet" / "MesoInception_DF.h5").SerializeToString()
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    one = picture.transpose(2, 0, 1)
    (many,) = session.run(None, {"input": np.stack([one, one[:, ::-1], one])})
    (alone,) = session.run(None, {"input": one[np.newaxis]})
    np.testing.assert_allclose(many[[0, 2]], np.repeat(alone, 2, axis=0), atol=1e-6)


def test_a_file_that_is_no_hdf5_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.h5"
    broken.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(300))
    with pytest.raises(CatalogueError, match=r"broken\.h5: is no file of Keras weights"):
        convert("mesonet_to_onnx", {"broken.h5": broken}, tmp_path / "out.onnx")
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file.attrs["layer_names"] = np.array([], "S1")
    with pytest.raises(CatalogueError, match="0 convolutions"):
        convert("mesonet_to_onnx", {"empty.h5": tmp_path / "empty.h5"}, tmp_path / "out.onnx")


def test_another_network_is_refused(shared: Path) -> None:
    layers = read_layers(shared / "weights" / "mesonet" / "Meso4_DF.h5")
    first = next(name for name in layers if name.startswith("conv2d"))
    with pytest.raises(CatalogueError, match="3 convolutions"):
        build({name: parts for name, parts in layers.items() if name != first})
    with pytest.raises(CatalogueError, match=f"lack {first}/bias"):
        build(layers | {first: {"kernel": layers[first]["kernel"]}})
