"""SQL of the view ``escalations``: contents that must go to a person and nowhere else.

The rule needs no configuration. A content is to be escalated where

- any model's best guess of any of its pictures is a harmful class of a head of the group ``sexual``, and any
  model's best guess of any of them is a child (head ``child_present``, or one of its family); or
- any model's best guess is a harmful class of a head of the group ``child`` (``child_safety``; of words
  ``text_child_exploitation``); or
- somebody decided so: a row of ``decisions`` says ``escalate``;

and where nobody decided otherwise: a decision under the policy ``escalate`` that says something else clears
it. A person's newest decision stands above models, those that speak later too: it is about bytes that do not
change. What :data:`RULE` wrote down is no decision of a person.

A head's best guess of a sample is yes where the classes that say yes reach a half together, or one of them is
the highest. The two need not be one model's, nor of one frame. Of the first kind words do not count: an
explicit text beside the picture of a child is another matter.
"""

from __future__ import annotations

from typing import Final

from hivescan.types import Level, Polarity

ESCALATE: Final = "escalate"
"""The word that lists, tables and exports show, and the decision of a person who says so."""

RULE: Final = "rule"
"""Who decided, and under which policy, where the rule's answer was only written down."""

CONFIRMED: Final = "; confirmed by "
"""Between what models say and the person who confirmed it."""

SEXUAL: Final = "sexual"
CHILD: Final = "child"
CHILD_PRESENT: Final = "child_present"

_WORDS: Final = ", ".join(
    f"'{level.value}'" for level in (Level.PASSAGE, Level.TEXT_BLOCK, Level.CLIP, Level.UTTERANCE)
)
_PRESENT: Final = f"coalesce(family, head) = '{CHILD_PRESENT}'"

CLASSES: Final = f"""
    SELECT * FROM (
        SELECT model, head, label, chain,
            CASE WHEN {_PRESENT} THEN '{CHILD_PRESENT}' ELSE "group" END AS side,
            CASE WHEN {_PRESENT} THEN polarity <> '{Polarity.BENIGN}' AND NOT starts_with(label, 'no_')
                ELSE polarity = '{Polarity.HARMFUL}' END AS yes
        FROM heads WHERE "group" IN ('{SEXUAL}', '{CHILD}') OR {_PRESENT})
    QUALIFY bool_or(yes) OVER (PARTITION BY model, head)"""
"""The classes of heads that the rule asks: ``side`` is ``sexual``, ``child_present`` or ``child``, ``yes``
whether the class says so."""


def escalations_sql() -> str:
    """``content_id``, ``why`` (a line) and ``guesses``: the loudest of each side, null where somebody
    decided. ``confirmed_by`` and ``confirmed_at`` are null where no person has."""
    return f"""
        SELECT content_id, why, guesses, decided_by AS confirmed_by, decided_at AS confirmed_at
        FROM ({reviews_sql()}) WHERE state <> 'cleared'"""


def reviews_sql() -> str:
    """Every content that was ever to be escalated: ``content_id``, ``state`` (open, confirmed or cleared),
    ``why`` and ``guesses`` as in the view, and a person's ``decided_by``, ``decided_at`` and ``reason``."""
    # The fewer first: scores of sexual heads are read of contents with a child alone.
    return f"""
        WITH {_guessed("scores")},
        decided AS (
            SELECT content_id, reason, decided_at, decided_by, decided_by <> '{RULE}' AS person,
                CASE WHEN decision <> '{ESCALATE}' THEN 'cleared' WHEN person THEN 'confirmed' ELSE 'open' END
                    AS state
            FROM decisions WHERE policy = '{ESCALATE}' OR decision = '{ESCALATE}'
            QUALIFY row_number() OVER (PARTITION BY content_id
                ORDER BY person DESC, decided_at DESC, decision = '{ESCALATE}' DESC) = 1)
        SELECT content_id, coalesce(d.state, 'open') AS state,
            CASE WHEN g.why IS NULL THEN coalesce(d.reason, 'decided by ' || d.decided_by)
                WHEN d.state = 'confirmed'
                THEN g.why || '{CONFIRMED}' || d.decided_by || coalesce(': ' || d.reason, '')
                ELSE g.why END AS why,
            g.guesses, CASE WHEN d.person THEN d.decided_by END AS decided_by,
            CASE WHEN d.person THEN d.decided_at END AS decided_at,
            CASE WHEN d.person THEN d.reason END AS reason
        FROM guessed g FULL JOIN decided d USING (content_id)"""


def said_since_sql() -> str:
    """``content_id`` and ``why``: cleared contents of which models that looked afterwards say it again.

    ``reviews`` names a relation of :func:`reviews_sql`.
    """
    newer = """(
        SELECT s.* FROM scores s JOIN reviews r USING (content_id) JOIN analyses a USING (content_id, chain)
        WHERE r.state = 'cleared' AND a.finished_at > r.decided_at)"""
    sides = " UNION ALL ".join(_guesses(side, "newer") for side in (SEXUAL, CHILD_PRESENT, CHILD))
    return f"""
        WITH classes AS MATERIALIZED ({CLASSES}), newer AS MATERIALIZED {newer},
        said AS (SELECT {_WHY}, content_id FROM ({sides}) GROUP BY content_id)
        SELECT content_id, s.why FROM said s SEMI JOIN
            (SELECT content_id FROM reviews WHERE guesses IS NOT NULL) USING (content_id)"""


_WHY: Final = """
    list(guess ORDER BY place) AS guesses,
    string_agg(guess.model || ' says ' || guess.label || ' ' ||
        printf('%.2f', floor(guess.score * 100 + 1e-6) / 100), ', ' ORDER BY place) AS why"""


def _guessed(scores: str) -> str:
    """Relations of a WITH, the last of which, ``guessed``, has what models say by the rule."""
    return f"""
        classes AS MATERIALIZED ({CLASSES}),
        present AS MATERIALIZED ({_guesses(CHILD_PRESENT, scores)}),
        sexual AS MATERIALIZED (
            {_guesses(SEXUAL, f"(SELECT * FROM {scores} SEMI JOIN present USING (content_id))")}),
        unsafe AS ({_guesses(CHILD, scores)}),
        every AS (
            SELECT * FROM sexual
            UNION ALL SELECT * FROM present SEMI JOIN sexual USING (content_id)
            UNION ALL SELECT * FROM unsafe),
        guessed AS (SELECT content_id, {_WHY} FROM every GROUP BY content_id)"""


def _guesses(side: str, scores: str) -> str:
    """Of each content whose best guess is yes on this side, what was said loudest."""
    place = (CHILD, SEXUAL, CHILD_PRESENT).index(side)
    levels = "" if side == CHILD else f"AND s.level NOT IN ({_WORDS})"
    return f"""
        SELECT content_id, {place} AS place, arg_max({{'model': model, 'head': head, 'label': label,
            'score': score, 'start_ms': start_ms}}, score) AS guess
        FROM (
            SELECT s.content_id, s.model, s.head, s.chain, s.level, s.index, s.region, s.start_ms,
                arg_max(s.label, s.score) FILTER (c.yes) AS label,
                least(1.0, round(sum(s.score::DOUBLE) FILTER (c.yes), 6)) AS score,
                max(s.score) FILTER (c.yes) AS highest, max(s.score) FILTER (NOT c.yes) AS other
            FROM {scores} s JOIN classes c ON c.model = s.model AND c.head = s.head AND c.label = s.label
            WHERE c.side = '{side}' {levels}
            GROUP BY ALL)
        WHERE score >= 0.5 OR highest > other GROUP BY content_id"""
