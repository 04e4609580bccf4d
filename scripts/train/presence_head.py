"""Small heads of a few numbers that an analyzer makes: fitted, calibrated, written to a card, measured."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hivescan.models.vector_head import VectorHead, save_head

Numbers = npt.NDArray[np.float16]
Truth = npt.NDArray[np.bool_]


def fitted(
    name: str,
    labels: tuple[str, str],
    rows: Numbers,
    truth: Truth,
    *,
    hidden: int = 0,
    members: int = 1,
    first: int | None = None,
) -> VectorHead:
    """A head that gives the first label where ``truth`` is; logistic, or perceptrons of ``hidden`` units.

    It sees the ``first`` so many numbers alone, None: all. Its temperature is the one of least log loss over
    five folds that it was not fitted on.
    """
    mean, scale = _moments(rows)
    if first is not None:
        scale[first:] = 0
    inputs = (rows.astype(np.float64) - mean) * scale
    folds = np.random.default_rng(0).permutation(len(rows)) % 5
    logits = np.zeros(len(rows))
    for fold in range(5):
        inside = folds != fold
        layers = _layers(inputs[inside], truth[inside], hidden, seed=fold)
        logits[~inside] = _margin(layers, inputs[~inside])
    temperatures = np.geomspace(0.5, 8, 60)
    losses = [np.logaddexp(0, -np.where(truth, logits, -logits) / t).mean() for t in temperatures]
    chosen = float(temperatures[int(np.argmin(losses))])
    networks = tuple(tuple(_layers(inputs, truth, hidden, seed=10 + m)) for m in range(members))
    return VectorHead(name, labels, mean, scale, networks, "none", chosen)


def _moments(rows: Numbers) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    values = rows.astype(np.float64)
    spread = values.std(axis=0)
    return values.mean(axis=0).astype(np.float32), (1 / np.where(spread > 1e-6, spread, 1)).astype(np.float32)


def _layers(inputs, truth, hidden: int, seed: int):  # noqa: ANN001, ANN202
    """Layers whose two logits are half the margin and its negative."""
    if not hidden:
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=0.3, max_iter=2000, class_weight="balanced").fit(inputs, truth)
        weights, bias = model.coef_[0], model.intercept_[0]
        return [_both(weights, bias)]
    from sklearn.neural_network import MLPClassifier

    net = MLPClassifier((hidden,), alpha=0.3, max_iter=600, random_state=seed, early_stopping=False).fit(
        inputs, truth
    )
    first = (net.coefs_[0].T.astype(np.float32), net.intercepts_[0].astype(np.float32))
    return [first, _both(net.coefs_[1][:, 0], net.intercepts_[1][0])]


def _both(weights, bias):  # noqa: ANN001, ANN202
    return (
        np.stack([weights / 2, -weights / 2]).astype(np.float32),
        np.array([bias / 2, -bias / 2], np.float32),
    )


def _margin(layers, inputs):  # noqa: ANN001, ANN202
    values = inputs
    for number, (weights, bias) in enumerate(layers):
        values = values @ weights.T + bias
        if number < len(layers) - 1:
            values = np.maximum(values, 0)
    return values[:, 0] - values[:, 1]


def written(head: VectorHead, card: Path) -> None:
    """Beside its card, whose digest and size of the file are put right."""
    path = card.parent / f"{head.name}.safetensors"
    save_head(head, path)
    pinned(path, card)


def pinned(path: Path, card: Path) -> None:
    """The card says the digest and size that a file beside it has."""
    data = path.read_bytes()
    lines = card.read_text(encoding="utf-8").split("\n")
    at = lines.index(f'name = "{path.name}"')
    lines[at + 1 : at + 3] = [f'sha256 = "{hashlib.sha256(data).hexdigest()}"', f"size = {len(data)}"]
    card.write_text("\n".join(lines), encoding="utf-8")


def quality_lines(head: str, scores, truth, data: str, command: str) -> str:  # noqa: ANN001
    """``[[quality]]`` tables of a card, one for each of :func:`measures`."""
    figures = measures(np.asarray(scores, np.float64), np.asarray(truth, bool))
    return "\n".join(
        f'[[quality]]\nhead = "{head}"\nmetric = "{metric}"\nvalue = {value:.4g}\ndata = "{data}"\n'
        f'n = {len(truth)}\ncommand = "{command}"\n'
        for metric, value in figures.items()
    )


def measures(scores: npt.NDArray[np.float64], truth: Truth) -> dict[str, float]:
    from hivescan.automl.evaluation.curves import curve_of

    found, wrong = _steps(scores, truth)
    recall, precision = found / truth.sum(), found / (found + wrong)
    alarms = wrong / max(1, (~truth).sum())
    random = np.random.default_rng(0)
    areas = []
    for _ in range(300):
        drawn = random.integers(0, len(truth), len(truth))
        area = curve_of(truth[drawn], scores[drawn].astype(np.float32)).roc_auc
        areas.append(np.nan if area is None else area)
    low, high = np.nanquantile(areas, [0.025, 0.975])
    whole = curve_of(truth, scores.astype(np.float32)).roc_auc
    assert whole is not None
    return {
        "AUC": whole,
        "lower end of the 95 % interval of the AUC": float(low),
        "upper end of the 95 % interval of the AUC": float(high),
        "average precision": float(np.sum(np.diff(recall, prepend=0.0) * precision)),
        "precision at 90 % recall": float(precision[recall >= 0.9].max(initial=0.0)),
        "recall at 1 % false positives": float(recall[alarms <= 0.01].max(initial=0.0)),
    }


def _steps(scores: npt.NDArray[np.float64], truth: Truth):  # noqa: ANN202
    """Found and wrong ones down to each threshold; equal scores fall together."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(scores[order][1:] != scores[order][:-1], True)
    return np.cumsum(truth[order])[last], np.cumsum(~truth[order])[last]


def curve(scores: npt.NDArray[np.float64], truth: Truth) -> str:
    """Precision and recall at thresholds, as a table in Markdown."""
    rows = ["| threshold | precision | recall | false positives |", "| ---: | ---: | ---: | ---: |"]
    for threshold in (0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99):
        said = scores >= threshold
        right = int((said & truth).sum())
        precision = f"{right / said.sum():.3f}" if said.any() else "none said"
        alarms = (said & ~truth).sum() / max(1, (~truth).sum())
        rows.append(f"| {threshold:g} | {precision} | {right / truth.sum():.3f} | {alarms:.2%} |")
    return "\n".join(rows)
