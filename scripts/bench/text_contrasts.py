"""Sentences that differ in what matters: negation, quotation, counter-speech, reclaimed and plain words.

    python scripts/bench/text_contrasts.py

Of each kind: how often a head speaks at 0.5 and more of sentences that mean harm, and of those that do not.
The sentences are written here, mild, and few: a look at kinds of mistakes, not a measure.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from text_contrast_patterns import sentences
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
    "insult against a report of one": (
        "text_bullying",
        [f"{who} is {what} and I am sick of it." for who in PEOPLE for what in INSULTS],
        [
            f"A boy wrote that {who.lower()} is {what}; his parents had to come."
            for who in PEOPLE
            for what in INSULTS
        ],
    ),
    "insult with a negation or a quotation beside it": (
        "text_bullying",
        [f"I do not like you, you are {what}." for what in INSULTS]
        + [f'"Truth hurts", my father said, and you are {what}.' for what in INSULTS]
        + [f"{who} is {what}, and I will not take that back." for who in PEOPLE for what in INSULTS],
        [],
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
    "hate against reports of it": (
        "text_hate",
        [f"Let us drive all {group} people out of our country." for group in GROUPS]
        + [f"I am no racist, but {group} people are scum." for group in GROUPS],
        [f"A man was fined for shouting at {group} people in the park." for group in GROUPS]
        + [f'The poster read "{group} people out", and the neighbours tore it down.' for group in GROUPS],
    ),
    "further patterns: insult, negation": ("text_bullying", sentences("bullying_2"), sentences("bullying_0")),
    "further patterns: insult, quotation and answer": (
        "text_bullying",
        sentences("bullying_2"),
        sentences("bullying_1"),
    ),
    "further patterns: hate, answer, plain and proud words": (
        "text_hate",
        sentences("hate_2", "hate_3"),
        sentences("hate_1"),
    ),
    "words that were taken back by those whom they meant": (
        "text_hate",
        [],
        [
            "We're here, we're queer, get used to it.",
            "My wife and I are two happy old dykes with a garden.",
            "Crip humour is the best humour, says this crip.",
            "Being a fat woman taught me to love my fat body.",
            "As a queer person of faith I found my church.",
            "We call our band The Freaks because that is what we are.",
        ],
    ),
}


def main() -> None:
    model = analyzer()
    print("| kind | head | sentences | found | others | of these flagged |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for kind, (head, harmful, harmless) in KINDS.items():
        score = scored(model, [*harmful, *harmless])[head]
        said = np.nan_to_num(score) >= 0.5
        found, false = (share(part) for part in (said[: len(harmful)], said[len(harmful) :]))
        print(f"| {kind} | `{head}` | {len(harmful) or ''} | {found} | {len(harmless) or ''} | {false} |")


def share(said: npt.NDArray[np.bool_]) -> str:
    return f"{said.mean():.0%}" if len(said) else ""


if __name__ == "__main__":
    main()
