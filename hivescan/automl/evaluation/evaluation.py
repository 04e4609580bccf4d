"""What an evaluation says, as frozen values. Scores and measures are 0 to 1; what is not defined is None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hivescan.automl.evaluation.bootstrap import Estimate
from hivescan.automl.evaluation.calibration import Calibration
from hivescan.automl.evaluation.decide import Rule
from hivescan.automl.evaluation.measures import Decisions
from hivescan.automl.items import Kind
from hivescan.queries.metrics import Confusion, ConfusionMatrix


@dataclass(frozen=True)
class EvaluateOptions:
    """How to evaluate.

    ``heads``: only these; all that the model and the snapshot share where it is empty. ``group_by`` is a
    column of the snapshot: items with the same value are drawn together. ``resamples`` 0 gives no intervals.
    ``calibration_share`` of the items is held out to fit the temperature on; 0 fits none. ``mistakes`` is how
    many of the most confident ones are listed. ``stores`` may have vectors already.
    """

    heads: tuple[str, ...] = ()
    rule: Rule = field(default_factory=Rule)
    group_by: str | None = None
    resamples: int = 1000
    calibration_share: float = 0.3
    mistakes: int = 25
    seed: int = 0
    stores: Sequence[str] = ()
    device: str = "auto"


@dataclass(frozen=True)
class Mistake:
    """An item of which another class was said than its own.

    ``row``, ``uri`` and ``origin`` are the dataset's; ``score`` is that of the class said, ``truth_score``
    that of the item's own class, None where the head does not have it.
    """

    row: int
    uri: str | None
    origin: str
    origin_row: int | None
    content_id: str | None
    truth: str
    said: str
    score: float
    truth_score: float | None


@dataclass(frozen=True)
class ClassEvaluation:
    """One class against all others. ``known``: the head has it; else all its items are misses."""

    label: str
    known: bool
    items: int
    confusion: Confusion
    measures: Mapping[str, Estimate]


@dataclass(frozen=True)
class HeadEvaluation:
    """What one head is worth.

    ``labelled`` items of the snapshot have a class for this head; ``scored`` of them have scores and are what
    everything else is measured on. ``unscored`` says why the others have none: reason → items. ``overall``
    are the means over the classes, and the accuracy. ``mistakes`` are the most confident of ``wrong``.
    """

    head: str
    rule: Rule
    labelled: int
    scored: int
    unscored: Mapping[str, int]
    groups: int | None
    classes: tuple[ClassEvaluation, ...]
    overall: Mapping[str, Estimate]
    matrix: ConfusionMatrix
    calibration: Calibration
    wrong: int
    mistakes: tuple[Mistake, ...]
    notes: tuple[str, ...]
    decisions: Decisions = field(repr=False)


@dataclass(frozen=True)
class Evaluation:
    """A model measured on a snapshot. ``notes`` are what a reader must know before believing the figures."""

    model: str
    snapshot: str
    snapshot_id: str
    kind: Kind
    items: int
    evaluated_at: str
    seed: int
    resamples: int
    group_by: str | None
    calibration_share: float
    notes: tuple[str, ...]
    heads: tuple[HeadEvaluation, ...]
