"""The loss of a network with several heads, on labels and on what teachers say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from hivescan.automl.networks.backbones import MultiHead
from hivescan.automl.networks.heads_work import (
    AGREEMENT,
    Examples,
    HeadsWork,
    Objective,
    Selection,
    Targets,
    WorkSettings,
    class_factors,
    softened,
)

CLASSES = {"a": ("no", "yes"), "b": ("x", "y", "z")}
SETTINGS = WorkSettings(batch_size=4, learning_rate=0.1, seed=0, threads=1, frozen_norms=False)


class Numbers:
    """A reader of vectors."""

    def __init__(self, count: int) -> None:
        self._values = np.random.default_rng(0).normal(size=(count, 5)).astype(np.float32)

    def __len__(self) -> int:
        return len(self._values)

    def read(self, rows: Sequence[int], draw: object) -> tuple[Any, npt.NDArray[np.bool_]]:
        return torch.from_numpy(self._values[list(rows)]), np.ones(len(rows), np.bool_)


def work_of(
    hard: Mapping[str, list[int]],
    soft: Mapping[str, list[list[float]]] | None = None,
    objective: Objective | None = None,
    selection: Selection | None = None,
) -> HeadsWork:
    count = len(next(iter((hard or soft or {}).values())))
    targets = Targets(
        CLASSES,
        hard={name: np.array(values, np.int64) for name, values in hard.items()},
        soft={name: np.array(values, np.float32) for name, values in (soft or {}).items()},
    )
    torch.manual_seed(0)
    network = MultiHead(torch.nn.Identity(), 5, {name: len(labels) for name, labels in CLASSES.items()})
    examples = Examples(Numbers(count), targets)
    return HeadsWork(
        network,
        examples,
        examples,
        objective or Objective(),
        selection or Selection(),
        settings=SETTINGS,
    )


def loss_of(work: HeadsWork) -> torch.Tensor:
    (batch,) = work.batches(0, 0)
    return work.loss(batch)


def test_a_head_without_labels_in_a_batch_does_not_count() -> None:
    alone = work_of({"a": [0, 1, 1], "b": [-1, -1, -1]})
    loss = loss_of(alone)
    loss.backward()
    layers = dict(zip(CLASSES, alone.module.layers, strict=True))  # type: ignore[arg-type]
    assert layers["a"].weight.grad.abs().sum() > 0
    assert layers["b"].weight.grad is None or layers["b"].weight.grad.abs().sum() == 0
    assert loss_of(work_of({"a": [0, 1, 1]})).item() == pytest.approx(loss.item())


def test_items_without_a_label_do_not_count_for_their_head() -> None:
    work = work_of({"a": [0, 1, -1, -1]})
    inputs = torch.from_numpy(Numbers(4)._values)
    logits = work.module(inputs)["a"][:2]
    wanted = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1])).item()
    assert loss_of(work).item() == pytest.approx(wanted, rel=1e-5)


def test_a_batch_of_which_nothing_is_labelled_gives_no_loss() -> None:
    assert loss_of(work_of({"a": [-1, -1]})).item() == 0.0


def test_a_student_that_says_what_its_teachers_say_has_no_loss() -> None:
    work = work_of({"a": [-1, -1, -1]}, objective=Objective(temperature=3.0))
    said = torch.softmax(work.module(torch.from_numpy(Numbers(3)._values))["a"], dim=1)
    taught = work_of({}, {"a": said.tolist()}, objective=Objective(temperature=3.0))
    assert loss_of(taught).item() == pytest.approx(0.0, abs=1e-5)


def test_labels_and_teachers_share_the_loss_of_an_item_with_both() -> None:
    soft = [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]
    hard = [0, 1, 0]
    parts = [
        loss_of(work_of({"a": hard}, {"a": soft}, Objective(soft_share=share))).item()
        for share in (0.0, 0.25, 1.0)
    ]
    assert parts[0] == pytest.approx(loss_of(work_of({"a": hard})).item(), rel=1e-5)
    assert parts[2] == pytest.approx(loss_of(work_of({}, {"a": soft})).item(), rel=1e-5)
    assert parts[1] == pytest.approx(0.75 * parts[0] + 0.25 * parts[2], rel=1e-5)


def test_teachers_that_say_nothing_of_an_item_leave_it_to_its_label() -> None:
    nothing = [[math.nan, math.nan]] * 3
    hard = [0, 1, 0]
    assert loss_of(work_of({"a": hard}, {"a": nothing})).item() == pytest.approx(
        loss_of(work_of({"a": hard})).item(), rel=1e-6
    )


def test_softening_is_the_softmax_at_a_temperature() -> None:
    logits = torch.tensor([[1.0, 3.0, -2.0]])
    wanted = torch.softmax(logits / 2.5, dim=1)
    assert torch.allclose(softened(torch.softmax(logits, dim=1), 2.5), wanted, atol=1e-5)


def test_class_factors_even_out_the_classes() -> None:
    hard = np.array([0] * 90 + [1] * 10 + [-1] * 5, np.int64)
    counts = np.array([90, 10, 0])
    for power in (0.0, 0.5, 1.0):
        factors = class_factors(hard, 3, power)
        assert (factors * counts).sum() == pytest.approx(100, rel=1e-5)
        assert factors[1] / factors[0] == pytest.approx(9**power, rel=1e-5)
    assert class_factors(hard, 3, 1.0)[2] == 0.0


def test_every_item_is_seen_once_an_epoch_in_an_order_of_its_own() -> None:
    work = work_of({"a": [i % 2 for i in range(10)]})
    epochs = [np.concatenate([b[0].numpy() for b in work.batches(epoch, 0)]) for epoch in (0, 1, 0)]
    assert np.array_equal(epochs[0], epochs[2])
    assert not np.array_equal(epochs[0], epochs[1])
    assert np.array_equal(np.sort(epochs[0], axis=0), np.sort(epochs[1], axis=0))
    assert work.steps == 3
    late = np.concatenate([b[0].numpy() for b in work.batches(0, 2)])
    assert np.array_equal(late, epochs[0][-len(late) :])


def test_agreement_is_the_share_of_items_on_which_both_say_the_same() -> None:
    work = work_of({"a": [-1] * 4})
    said = torch.softmax(work.module(torch.from_numpy(Numbers(4)._values))["a"], dim=1).detach().numpy()
    said[0] = said[0, ::-1]  # the teachers say the other class
    taught = work_of({}, {"a": said.tolist()}, selection=Selection(AGREEMENT))
    with torch.inference_mode():
        found = taught.validate()
    assert found.score == 0.75
    assert found.metrics["a.agreement"] == 0.75
