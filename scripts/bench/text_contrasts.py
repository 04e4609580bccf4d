"""Sentences that differ in what matters: negation, quotation, counter-speech, reclaimed and plain words.

    python scripts/bench/text_contrasts.py

Of each kind: how often a head speaks at 0.5 and more of sentences that mean harm, and of those that do not.
The sentences are written here, mild, and few: a look at kinds of mistakes, not a measure.
"""

from __future__ import annotations

import numpy as np
from text_heads import analyzer, scored

PEOPLE = ("My sister", "The new neighbour", "Our teacher", "That driver", "The referee")
INSULTS = ("a stupid idiot", "a worthless loser", "dumb as a brick", "a pathetic moron")
GROUPS = ("gay", "Jewish", "Muslim", "black", "disabled", "Mexican")

KINDS: dict[str, tuple[str, list[str], list[str]]] = {
    "insult against its negation": (
        "text_bullying",
        [f"You are {insult}." for insult in INSULTS]
        + [f"{who} is {what}." for who in PEOPLE for what in INSULTS],
        [f"You are not {insult}." for insult in INSULTS]
        + [f"{who} is not {what}, quite the opposite." for who in PEOPLE for what in INSULTS],
    ),
    "insult against its quotation": (
        "text_bullying",
        [f"{who} is {what}." for who in PEOPLE for what in INSULTS],
        [
            f'Somebody called {who.lower()} "{what}", and was asked to apologise.'
            for who in PEOPLE
            for what in INSULTS
        ],
    ),
    "hate against plain words about groups": (
        "text_hate",
        [f"All {group} people are criminals and should be thrown out." for group in GROUPS]
        + [f"I can't stand {group} people, they ruin everything." for group in GROUPS],
        [f"I am {group} and proud of it." for group in GROUPS]
        + [f"My best friend is {group}, and we went to school together." for group in GROUPS],
    ),
    "hate against those who answer it": (
        "text_hate",
        [f"{group} people do not belong here." for group in GROUPS],
        [f"Whoever says that {group} people do not belong here is wrong." for group in GROUPS]
        + [f"Stop insulting {group} people." for group in GROUPS],
    ),
}


def main() -> None:
    model = analyzer()
    print("| kind | head | sentences | found | others | of these flagged |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for kind, (head, harmful, harmless) in KINDS.items():
        score = scored(model, [*harmful, *harmless])[head]
        said = np.nan_to_num(score) >= 0.5
        found, false = said[: len(harmful)].mean(), said[len(harmful) :].mean()
        print(f"| {kind} | `{head}` | {len(harmful)} | {found:.0%} | {len(harmless)} | {false:.0%} |")


if __name__ == "__main__":
    main()
