"""Make a small structured task for language models: a sentence in, a bracketed form of what it says out.

In the manner of ViGGO (Juraska, Bowden, Walker 2019), in words of our own, about films, board games and the
weather::

    I found The Hollow Harbour, the western by Anton Falk, excellent.
    opinion(kind[film], title[The Hollow Harbour], genre[western], director[Anton Falk], rating[excellent])

    python scripts/train/structured_sentences.py train.csv 320 --seed 1
    python scripts/train/structured_sentences.py test.csv 200 --seed 2 --without train.csv

Every row is drawn with the seed alone, so the files are the same everywhere.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Sequence
from pathlib import Path

FIRST = ("Nora", "Emil", "Ines", "Tomas", "Mara", "Jonas", "Lea", "Pavel", "Rosa", "Anton", "Vera", "Hugo")
LAST = ("Falk", "Lindgard", "Moreau", "Castell", "Winter", "Okoro", "Brandt", "Silva", "Novik", "Harrow")
OF_TITLES = (
    ("Silent", "Broken", "Golden", "Distant", "Hidden", "Frozen", "Crimson", "Hollow"),
    ("Harbour", "Orchard", "Signal", "Lantern", "Kingdom", "River", "Letter", "Garden"),
)
GENRES = ("thriller", "comedy", "drama", "western", "musical", "documentary")
PACES = ("slow", "steady", "quick")
SKIES = ("clear", "cloudy", "foggy", "rainy", "snowy", "stormy")
TOWNS = ("Alvik", "Berg", "Corin", "Dunmere", "Elsby", "Farholt", "Gessen", "Holmby")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
RATINGS = ("poor", "average", "good", "excellent")

Slots = Sequence[tuple[str, str]]


def film(rng: random.Random) -> tuple[str, str]:
    slots = {
        "title": " ".join(("The", *(rng.choice(words) for words in OF_TITLES))),
        "genre": rng.choice(GENRES),
        "year": str(rng.randint(1950, 2024)),
        "director": f"{rng.choice(FIRST)} {rng.choice(LAST)}",
        "minutes": str(rng.randint(71, 189)),
        "rating": rng.choice(RATINGS),
    }
    title, genre, year, director = (slots[name] for name in ("title", "genre", "year", "director"))
    ways: list[tuple[str, str, Sequence[str]]] = [
        (
            "inform",
            f"{title} is a {genre} that {director} made in {year}.",
            ("title", "genre", "year", "director"),
        ),
        (
            "inform",
            f"{director} directed {title} in {year}, and it lasts {slots['minutes']} minutes.",
            ("title", "year", "director", "minutes"),
        ),
        (
            "opinion",
            f"I found {title}, the {genre} by {director}, {slots['rating']}.",
            ("title", "genre", "director", "rating"),
        ),
        ("ask", f"Do you know any {genre} from {year} that {director} made?", ("genre", "year", "director")),
        (
            "confirm",
            f"So you mean {title}, which came out in {year} and lasts {slots['minutes']} minutes?",
            ("title", "year", "minutes"),
        ),
        (
            "recommend",
            f"If you like a good {genre}, {title} from {year} may be for you.",
            ("title", "genre", "year"),
        ),
    ]
    return _row(rng, "film", slots, ways)


def game(rng: random.Random) -> tuple[str, str]:
    low = rng.randint(1, 4)
    slots = {
        "title": " ".join(rng.choice(words) for words in OF_TITLES),
        "players": f"{low} to {low + rng.randint(1, 4)}",
        "minutes": str(rng.choice(range(15, 185, 5))),
        "age": str(rng.randint(6, 16)),
        "pace": rng.choice(PACES),
        "rating": rng.choice(RATINGS),
    }
    title, players, minutes = slots["title"], slots["players"], slots["minutes"]
    ways: list[tuple[str, str, Sequence[str]]] = [
        (
            "inform",
            f"{title} is a board game for {players} players from the age of {slots['age']}.",
            ("title", "players", "age"),
        ),
        (
            "inform",
            f"A round of {title} takes {minutes} minutes and {players} people, at a {slots['pace']} pace.",
            ("title", "players", "minutes", "pace"),
        ),
        (
            "opinion",
            f"We played {title} for {minutes} minutes, and all of us thought it was {slots['rating']}.",
            ("title", "minutes", "rating"),
        ),
        (
            "ask",
            f"Is there a {slots['pace']} game for {players} players that is over in {minutes} minutes?",
            ("players", "minutes", "pace"),
        ),
        (
            "recommend",
            f"Try {title}: {players} players, {slots['pace']}, and {slots['rating']} by all accounts.",
            ("title", "players", "pace", "rating"),
        ),
    ]
    return _row(rng, "game", slots, ways)


def weather(rng: random.Random) -> tuple[str, str]:
    low = rng.randint(-14, 24)
    slots = {
        "town": rng.choice(TOWNS),
        "day": rng.choice(DAYS),
        "sky": rng.choice(SKIES),
        "low": str(low),
        "high": str(low + rng.randint(2, 11)),
        "wind": str(rng.randint(5, 95)),
    }
    town, day, sky = slots["town"], slots["day"], slots["sky"]
    ways: list[tuple[str, str, Sequence[str]]] = [
        (
            "inform",
            f"On {day} it will be {sky} in {town}, from {slots['low']} to {slots['high']} degrees.",
            ("town", "day", "sky", "low", "high"),
        ),
        (
            "inform",
            f"{town} expects a {sky} {day} with wind of {slots['wind']} kilometres an hour.",
            ("town", "day", "sky", "wind"),
        ),
        (
            "warn",
            f"Be careful in {town} on {day}: the wind may reach {slots['wind']} kilometres an hour.",
            ("town", "day", "wind"),
        ),
        ("ask", f"Will it be {sky} in {town} this {day}?", ("town", "day", "sky")),
        (
            "confirm",
            f"You said {slots['high']} degrees for {town} on {day}, is that right?",
            ("town", "day", "high"),
        ),
    ]
    return _row(rng, "weather", slots, ways)


def _row(
    rng: random.Random, kind: str, slots: dict[str, str], ways: list[tuple[str, str, Sequence[str]]]
) -> tuple[str, str]:
    """A sentence and its form; slots stand in the order in which the kind has them."""
    act, sentence, used = rng.choice(ways)
    told = ", ".join(f"{name}[{slots[name]}]" for name in slots if name in used)
    return sentence, f"{act}(kind[{kind}], {told})"


def rows(count: int, seed: int, without: set[str]) -> list[tuple[str, str]]:
    """So many different sentences, none of them in ``without``."""
    rng = random.Random(seed)
    made: dict[str, str] = {}
    while len(made) < count:
        sentence, form = rng.choice((film, game, weather))(rng)
        if sentence not in without:
            made.setdefault(sentence, form)
    return list(made.items())


def main() -> None:
    parser = argparse.ArgumentParser(description="Make sentences with the forms of what they say.")
    parser.add_argument("file", type=Path, help="the CSV file to write")
    parser.add_argument("rows", type=int, help="how many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without", type=Path, help="a CSV file whose sentences are not to be made again")
    asked = parser.parse_args()
    known: set[str] = set()
    if asked.without is not None:
        with asked.without.open(encoding="utf-8", newline="") as stream:
            known = {row["prompt"] for row in csv.DictReader(stream)}
    with asked.file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("prompt", "completion"))
        writer.writerows(rows(asked.rows, asked.seed, known))


if __name__ == "__main__":
    main()
