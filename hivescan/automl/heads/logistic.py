"""Multinomial logistic regression with an L2 penalty, fitted by L-BFGS in double precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

_MOST_STEPS: Final = 500
_MEMORY: Final = 10


@dataclass(frozen=True)
class Logistic:
    """Logits are ``inputs @ weights.T + bias``: ``[C, D]`` and ``[C]``."""

    weights: Matrix
    bias: Matrix

    def logits(self, inputs: Matrix) -> Matrix:
        result: Matrix = inputs @ self.weights.T + self.bias
        return result


def fit_logistic(
    inputs: npt.NDArray[np.floating],
    targets: Places,
    classes: int,
    *,
    strength: float,
    factors: Matrix | None = None,
    start: Logistic | None = None,
    tolerance: float = 1e-6,
) -> Logistic:
    """The minimum of the mean cross entropy + ½ ``strength`` · Σ weights² (the bias is free).

    ``factors`` count the items, ``[N]``; without them each counts once. ``strength`` is 1 ÷ (C · N) of
    scikit-learn's C. ``tolerance`` is on the largest slope. Products are made in the precision of ``inputs``.
    """
    from scipy.optimize import minimize

    width = inputs.shape[1]
    share = np.full(len(targets), 1.0 / len(targets)) if factors is None else factors / factors.sum()
    wanted = np.zeros((len(targets), classes))
    wanted[np.arange(len(targets)), targets] = 1.0

    def loss(parameters: Matrix) -> tuple[float, Matrix]:
        weights = parameters[: classes * width].reshape(classes, width)
        logits = (inputs @ weights.T.astype(inputs.dtype)).astype(np.float64)
        logits += parameters[classes * width :]
        logits -= logits.max(axis=1, keepdims=True)
        powers = np.exp(logits)
        total = powers.sum(axis=1, keepdims=True)
        of_truth = logits[np.arange(len(targets)), targets] - np.log(total[:, 0])
        powers /= total
        powers -= wanted
        powers *= share[:, np.newaxis]
        slope = np.empty_like(parameters)
        pulled = powers.T.astype(inputs.dtype) @ inputs
        slope[: classes * width] = (pulled + strength * weights).reshape(-1)
        slope[classes * width :] = powers.sum(axis=0)
        return float(-(share * of_truth).sum() + 0.5 * strength * (weights * weights).sum()), slope

    first = np.zeros(classes * (width + 1))
    if start is not None:
        first = np.concatenate([start.weights.reshape(-1), start.bias])
    found = minimize(
        loss,
        first,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _MOST_STEPS, "maxcor": _MEMORY, "gtol": tolerance, "ftol": 1e-12},
    ).x
    weights = found[: classes * width].reshape(classes, width)
    # Adding the same to all logits changes nothing: of all such solutions the one that sums to 0 is kept.
    bias = found[classes * width :]
    return Logistic(weights, bias - bias.mean())


def softmax(logits: Matrix) -> Matrix:
    """Rows that sum to 1, ``[N, C]``."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Matrix = powers / powers.sum(axis=1, keepdims=True)
    return result
