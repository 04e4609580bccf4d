"""One table over all heads: what was measured of each, or why nothing was. Markdown, for docs/quality.md.

    python scripts/bench/quality_table.py                  # prints it
    python scripts/bench/quality_table.py --write          # puts it into docs/quality.md
    python scripts/bench/quality_table.py --check          # fails where the page says something else

It measures nothing itself. The figures are those that the benches wrote to the model cards
(scripts/bench/card_figures.py, scripts/train/presence_head.py), each with its data and the command behind it.
Heads of texts are left to docs/text.md, and boxes of body parts to the heads that are made of them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from hivescan.models.cards import load_cards
from hivescan.models.head_states import Backing, HeadState, State, head_states, own_heads
from hivescan.models.schema import Quality

sys.path.insert(0, str(Path(__file__).parent))
from card_figures import AUC, HIGH, LOW, METRICS, PRECISION, RECALL

PAGE = Path(__file__).parents[2] / "docs" / "quality.md"
BEGIN, END = "<!-- quality_table.py -->", "<!-- end of quality_table.py -->"
COLUMNS = ("head", "model", "data", "n", PRECISION, RECALL, AUC, "95 % interval")
FALSE_ALARMS = "false positive rate"
OF_TEXT = "text_"
NAMES_OF_IMAGENET = "imagenet"


def lines() -> Iterator[str]:
    yield f"| {' | '.join(COLUMNS)} |"
    yield "| --- | --- | --- | ---: | ---: | ---: | ---: | --- |"
    for state in head_states():
        if not state.head.name.startswith(OF_TEXT):
            yield from _of_field(state)
    cards = load_cards()
    fields = {state.head.name for state in head_states()}
    for own in own_heads():
        name = own.backing.head
        is_shown_above = own.family in fields or cards[own.backing.model].detector is not None
        if not is_shown_above and not name.startswith(OF_TEXT) and name != NAMES_OF_IMAGENET:
            yield _row(name, own.backing)
    for card in cards.values():
        if card.faces is not None:
            yield from _of_detector(card.name, card.quality)


def _of_field(state: HeadState) -> Iterator[str]:
    name = state.head.name
    for backing in (*state.backings, *state.related):
        yield _row(name, backing)
    if not state.backings and not state.related:
        hub = f"; models of hubs exist: {', '.join(state.head.hub)}" if state.state is State.HUB else ""
        yield _unvalidated(name, "none", f"no model: {state.head.needs or 'labelled files'}{hub}", None)


def _row(name: str, backing: Backing) -> str:
    told = f"`{name}`" if backing.head == name else f"`{name}` (as `{backing.head}`)"
    model = f"`{backing.model}`"
    area = _figure(backing.figures, AUC)
    if area is None:
        others = [q for q in backing.figures if not q.metric.startswith(FALSE_ALARMS)]
        if others:
            weak = "" if backing.validated else "**unvalidated**; "
            return _cells(
                told, model, f"{weak}{others[0].metric}: {others[0].value:g}; {others[0].data}", others[0].n
            )
        alarms = _figure(backing.figures, FALSE_ALARMS)
        return _unvalidated(told, model, "no labelled examples of it were at hand", alarms)
    figures = [q for q in backing.figures if q.data == area.data and q.n == area.n]
    low, high = (_figure(figures, name) for name in (LOW, HIGH))
    said = "" if area.metric == AUC else f" ({area.metric})"
    weak = "" if backing.validated else "**unvalidated**; "
    return _cells(
        told,
        model,
        f"{weak}{area.data}{said}",
        area.n,
        *(_number(_figure(figures, metric)) for metric in (PRECISION, RECALL)),
        _number(area),
        f"{low.value:.3f} to {high.value:.3f}" if low is not None and high is not None else "",
    )


def _figure(figures: Sequence[Quality], metric: str) -> Quality | None:
    """The figure of this metric, else the first that begins so."""
    exact = (q for q in figures if q.metric == metric)
    begins = (q for q in figures if q.metric.startswith(metric) and q.metric not in METRICS)
    return next(exact, None) or next(begins, None)


def _number(figure: Quality | None) -> str:
    return "" if figure is None else f"{figure.value:.3f}"


def _unvalidated(name: str, model: str, why: str, alarms: Quality | None) -> str:
    told = f"**unvalidated**: {why}"
    if alarms is not None:
        told += f"; {alarms.value:.2%} false alarms at 0.9 on {alarms.data}"
    return _cells(name if name.startswith("`") else f"`{name}`", model, told, alarms and alarms.n)


def _of_detector(model: str, figures: Sequence[Quality]) -> Iterator[str]:
    for figure in figures:
        yield _cells("faces", f"`{model}`", f"{figure.metric}: {figure.value:g}; {figure.data}", figure.n)


def _cells(name: str, model: str, data: str, n: int | None, *numbers: str) -> str:
    cells = [name, model, data, "" if n is None else f"{n:,}", *numbers]
    return f"| {' | '.join([*cells, *[''] * (len(COLUMNS) - len(cells))])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--write", action="store_true", help="put the table into docs/quality.md")
    way.add_argument("--check", action="store_true", help="fail where docs/quality.md has another one")
    options = parser.parse_args()
    table = "\n".join(lines())
    if not (options.write or options.check):
        print(table)
        return
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"
    if options.write:
        PAGE.write_text(made, encoding="utf-8")
    elif made != page:
        sys.exit(
            "docs/quality.md is not what the cards say: run `python scripts/bench/quality_table.py --write`"
        )


if __name__ == "__main__":
    main()
