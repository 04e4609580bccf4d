"""The same address, number or link in many files: what one hand put there.

A query over the table ``entities``: lists of domains may change without anything being read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from hivescan.errors import UsageError
from hivescan.queries.selection import SELECTION, create_selection

if TYPE_CHECKING:
    from hivescan.store.store import Store

By = Literal["value", "domain"]

KINDS: Final = ("email", "phone", "url", "iban", "card")
LEAST_CONTENTS: Final = 2
_MOST_DOMAIN_CHARS: Final = 253


@dataclass(frozen=True)
class DomainLists:
    """Domains that are always told of, and those that never are. A domain means its subdomains too."""

    denied: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class CampaignOptions:
    """What to look for. ``kinds`` none: all. ``least_contents`` counts different contents, not copies."""

    by: By = "value"
    kinds: tuple[str, ...] = ()
    least_contents: int = LEAST_CONTENTS
    lists: DomainLists = field(default_factory=DomainLists)
    where: str | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class Campaign:
    """One entity, or one registered domain, and where it was met.

    ``items`` are files, ``contents`` different ones among them, ``mentions`` single places (one where two
    passages overlap is one, as far as the store has the passages), ``disguised`` how many of these were
    written in disguise. ``examples`` are some of the files.
    """

    kind: str
    value: str
    domain: str | None
    contents: int
    items: int
    mentions: int
    disguised: int
    denied: bool
    examples: tuple[str, ...]


def read_domains(path: Path) -> frozenset[str]:
    """A list of domains, one a line; what follows # is a comment. Raises :class:`UsageError`."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8"
        raise UsageError(f"{path}: the list of domains cannot be read: {reason}") from None
    domains = set()
    for number, line in enumerate(lines, 1):
        domain = line.partition("#")[0].strip().lower().removeprefix("*.").rstrip(".")
        if not domain:
            continue
        if (
            len(domain) > _MOST_DOMAIN_CHARS
            or any(c.isspace() or c in "/:@?" for c in domain)
            or "." not in domain
        ):
            raise UsageError(f"{path}: line {number} is no domain such as example.com")
        domains.add(domain)
    return frozenset(domains)


def campaigns(store: Store, options: CampaignOptions = CampaignOptions()) -> tuple[Campaign, ...]:
    """Entities that stand in several contents, or whose domain is denied: these first, then the most met.

    Counts live files alone. Raises :class:`UsageError` for an unknown kind, ``QueryError`` for a wrong
    ``where``.
    """
    unknown = sorted(set(options.kinds) - set(KINDS))
    if unknown:
        raise UsageError(f"there is no kind of entity {unknown[0]!r}; there are {', '.join(KINDS)}")
    with closing(store.connect()) as connection:
        create_selection(connection, where=options.where, since=options.since)
        rows = connection.execute(
            _SQL[options.by],
            {
                "kinds": list(options.kinds or KINDS),
                "least": options.least_contents,
                "denied": sorted(options.lists.denied),
                "allowed": sorted(options.lists.allowed),
            },
        ).fetchall()
    return tuple(
        Campaign(kind, value, domain, contents, items, mentions, disguised, denied, tuple(examples))
        for kind, value, domain, contents, items, mentions, disguised, denied, examples in rows
    )


def _sql(kind: str, value: str, domain: str) -> str:
    return f"""
        WITH overlapped AS (
            -- Passages overlap: what stood in the one before, to its end, was counted there.
            SELECT e.content_id, e.chain, e.index, e.char_start, e.kind, e.value
            FROM (SELECT * FROM entities WHERE level = 'passage' AND region IS NULL AND index > 0) e
            JOIN (SELECT * FROM texts WHERE level = 'passage' AND region IS NULL) here
                ON here.content_id = e.content_id AND here.index = e.index
            JOIN (SELECT * FROM texts WHERE level = 'passage' AND region IS NULL) before
                ON before.content_id = e.content_id AND before.index = e.index - 1
                AND before.part IS NOT DISTINCT FROM here.part AND here.char_start < before.char_end
            WHERE CASE WHEN here.char_end - here.char_start = length(here.text)
                THEN here.char_start + e.char_end <= before.char_end
                ELSE contains(before.text, here.text[:e.char_end]) END),
        single AS (
            SELECT * FROM entities e WHERE NOT EXISTS (FROM overlapped o WHERE o.content_id = e.content_id
                AND o.chain = e.chain AND o.index = e.index AND o.char_start = e.char_start
                AND o.kind = e.kind AND o.value = e.value AND e.region IS NULL)),
        hosted AS (
            SELECT *, string_split(CASE kind
                WHEN 'url' THEN regexp_extract(value, '^[a-z]+://([^/?#:]+)', 1)
                WHEN 'email' THEN regexp_extract(value, '@(.+)$', 1) ELSE '' END, '.') AS labels
            FROM single WHERE list_contains($kinds::VARCHAR[], kind)),
        listed AS (
            SELECT *, list_transform(
                range(1, len(labels) + 1), lambda i: array_to_string(labels[i:], '.')) AS hosts
            FROM hosted),
        wanted AS (
            SELECT *, list_has_any(hosts, $denied::VARCHAR[]) AS denied FROM listed
            WHERE NOT list_has_any(hosts, $allowed::VARCHAR[]) OR list_has_any(hosts, $denied::VARCHAR[])),
        copies AS (
            SELECT content_id, count(*) AS items, min(uri) AS example FROM {SELECTION} GROUP BY content_id),
        by_content AS (
            SELECT {kind} AS kind, {value} AS value, {domain} AS domain, content_id, count(*) AS mentions,
                count(*) FILTER (disguised) AS disguised, bool_or(denied) AS denied
            FROM wanted WHERE {value} IS NOT NULL GROUP BY ALL)
        SELECT kind, value, domain, count(*), sum(items)::BIGINT, sum(mentions)::BIGINT,
            sum(disguised)::BIGINT, bool_or(denied), list(example ORDER BY example)[:3]
        FROM by_content JOIN copies USING (content_id)
        GROUP BY kind, value, domain
        HAVING count(*) >= $least OR bool_or(denied)
        ORDER BY bool_or(denied) DESC, count(*) DESC, kind, value"""


_SQL: Final[dict[By, str]] = {
    "value": _sql("kind", "value", "domain"),
    "domain": _sql("'domain'", "domain", "domain"),
}
"""By what finds are put together."""


def described(found: Sequence[Campaign]) -> list[dict[str, object]]:
    """As JSON can hold it."""
    return [{**vars(campaign), "examples": list(campaign.examples)} for campaign in found]
