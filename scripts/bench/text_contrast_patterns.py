"""Further sentences for text_contrasts.py: insult and hate, each beside its negation, its quotation, who
answers it, and plain or proud words about groups. All words are our own and mild.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

OF_PATTERN = 8
"""Sentences made of one pattern."""

WHO = (
    "my brother",
    "the cashier",
    "this guy",
    "our coach",
    "that woman",
    "the mayor",
    "your friend",
    "the new boy",
    "my boss",
    "Peter",
    "Anna",
    "the singer",
    "everyone in your team",
    "the bus driver",
)
WHAT = (
    "a fool",
    "a total clown",
    "a filthy liar",
    "a waste of space",
    "a joke",
    "a dimwit",
    "an ugly pig",
    "a coward",
    "a freak",
    "a disgrace",
    "a lazy slob",
    "a brainless halfwit",
    "an imbecile",
    "a creep",
    "an airhead",
    "too dumb to breathe",
    "uglier than a toad",
    "a dirty rat",
    "a spineless jerk",
    "a fat cow",
)
GROUP = (
    "lesbian",
    "trans",
    "Christian",
    "Hindu",
    "Asian",
    "Chinese",
    "Indian",
    "African",
    "Arab",
    "Polish",
    "Turkish",
    "Romanian",
    "deaf",
    "blind",
    "old",
    "Irish",
    "white",
    "Buddhist",
    "Nigerian",
    "Pakistani",
    "bisexual",
    "immigrant",
)
BAD = (
    "are vermin",
    "are parasites",
    "are dirty",
    "only take our jobs",
    "are born liars",
    "should all be deported",
    "are less than human",
    "breed like rats",
    "are a disease",
    "deserve to suffer",
    "are lazy and violent",
    "should not be allowed to vote",
    "destroy this country",
    "must be kept out",
)

PATTERNS: dict[str, tuple[str, ...]] = {
    "bullying_2": (
        "you really are {what}",
        "{who} is such {what}, honestly",
        "what do you expect, {who} is {what}",
        "everybody knows that you are {what}",
        "look at {who}, {what} as always",
        "you have always been {what}",
        "i have never met anyone like you: {what}",
        "get lost, you are {what} and that will not change",
        "{who} is {what}, I swear",
        "shut up, nobody likes {what} like you",
        "no wonder you are alone, {what}",
        "it is not my fault that {who} is {what}",
        "don't ask {who}, {what} if there ever was one",
        'as they say, "once a fool, always a fool", and {who} is {what}',
    ),
    "bullying_0": (
        "{who} is anything but {what}",
        "I do not think that {who} is {what}",
        "nobody here believes you are {what}",
        "I never said that {who} was {what}",
        "you aren't {what}, don't worry",
        "{who} is far from being {what}",
        "how could anyone think {who} is {what}? I like {who} a lot",
        "{who} isn't {what} and never was",
        "it would be wrong to say {who} is {what}",
        "trust me, you were never {what} to us",
    ),
    "bullying_1": (
        "she was hurt because they called her {what}",
        'a stranger shouted "{what}" at {who} and ran away',
        "the headline said that {who} is {what}, which was unfair",
        "please stop calling {who} {what}",
        'in the film the villain says: "you are {what}"',
        "calling people {what} is not okay",
        "whoever calls you {what} does not know you",
        "my son was told at school that he is {what}, and he cried",
        "I reported the post that said {who} was {what}",
        'we do not allow words like "{what}" in this chat',
        '"you are {what}" is what he wrote to her, and we removed it',
        "he said sorry for the time he called me {what}",
        'can you believe that someone wrote "{who} is {what}" on the wall?',
    ),
    "hate_3": (
        "{group} people {bad}",
        "I hate {group} people, all of them",
        "get rid of every {group} person in town",
        "{group} people {bad} and everybody knows it",
        "why are there so many {group} people here, they {bad}",
        "the only good thing about {group} people is when they leave, they {bad}",
        "do not trust {group} people, they {bad}",
        "say it loud: {group} people {bad}",
    ),
    "hate_2": (
        "typical {group} behaviour, what did you expect",
        "another {group} family moved in, lock your doors",
        "{group} women should stay at home where they belong",
        "a {group} man telling the truth, now that is a joke",
    ),
    "hate_1": (
        "it is a lie that {group} people {bad}",
        "he was banned for writing that {group} people {bad}",
        "nobody should have to hear that {group} people {bad}",
        "hating {group} people is wrong",
        "hate against {group} people must end",
        'she reported a post that said "{group} people {bad}"',
        "to claim that {group} people {bad} is racist and false",
        "I disagree with anyone who thinks {group} people {bad}",
        "my friend is {group} and was told on the bus that they {bad}; we were shocked",
        "the article asks why some still believe that {group} people {bad}",
        '"{group} people {bad}", he said, and the whole room told him to leave',
        "as a {group} woman I am tired of reading that we {bad}",
        "people who say {group} people {bad} are not welcome here",
        "I am a {group} man and happy with who I am",
        "the {group} community centre opens at nine",
        "our {group} neighbours invited us to dinner, it was lovely",
        "proud to be {group}, proud of my people",
        "{group} artists show their work in the town hall this week",
        "we {group} folks know how to throw a party",
        "equal rights for {group} people, now and everywhere",
    ),
}
PROUD = (
    "queer and proud, that is me",
    "us queers take care of each other",
    "my queer family means everything to me",
    "this crip is going dancing tonight, wheelchair and all",
    "we fat girls look great in swimsuits",
    "I call myself a freak, and I love my fellow freaks",
    "happy pride to all my fellow queers",
    "we nerds will rule the world, my dear nerds",
    "old dykes like us have seen a lot, darling",
)
"""Words that were taken back by those whom they meant."""


def made() -> Iterator[tuple[str, str]]:
    """Sentences with their labels: head and severity."""
    rng = random.Random(11)
    for label, patterns in PATTERNS.items():
        for pattern in patterns:
            for _ in range(OF_PATTERN):
                text = pattern.format(
                    who=rng.choice(WHO), what=rng.choice(WHAT), group=rng.choice(GROUP), bad=rng.choice(BAD)
                )
                yield label, f"{text[0].upper()}{text[1:]}."
    yield from (("hate_1", text) for text in PROUD)


def sentences(*labels: str) -> list[str]:
    """Those of these labels, each once."""
    return sorted({text for label, text in made() if label in labels})
