"""E-mail addresses, plain (``name@domain.com``) and disguised (``name [at] domain dot com``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from hivescan.types import Entity
from hivescan.words.entities.domains import WELL_KNOWN, registered, suffix_of
from hivescan.words.entities.kinds import EMAIL

_NAME: Final = r"[\w](?:[\w.%+'-]{0,62}[\w])?"
_LABEL: Final = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_PLAIN: Final = re.compile(rf"(?<![\w.%+'@-])({_NAME})@({_LABEL}(?:\.{_LABEL}){{1,5}})(?![\w@])")

_AT_WORDS: Final = r"at|arroba|arobase|chez|klammeraffe"
_DOT_WORDS: Final = r"dot|d0t|punto|ponto|point|punkt"
_AT: Final = rf"\s{{0,3}}(?:[(\[{{<]\s?(?:{_AT_WORDS}|@|a)\s?[)\]}}>]|@)\s{{0,3}}"
_BARE_AT: Final = rf"\s{{1,3}}(?:{_AT_WORDS})\s{{1,3}}"
_WORDED_DOT: Final = (
    rf"(?:\s{{0,3}}[(\[{{<]\s?(?:{_DOT_WORDS}|\.)\s?[)\]}}>]\s{{0,3}}|\s{{1,3}}(?:{_DOT_WORDS})\s{{1,3}})"
)
_DOT: Final = rf"(?:{_WORDED_DOT}|\s?\.\s?)"
_DISGUISED: Final = re.compile(
    rf"(?<![\w@.])({_NAME})(?:{_AT}({_LABEL}(?:{_DOT}{_LABEL}){{1,4}})|{_BARE_AT}({_LABEL}(?:{_WORDED_DOT}{_LABEL}){{1,4}}))"
    r"(?![\w@])",
    re.IGNORECASE,
)
_ANY_DOT: Final = re.compile(_DOT, re.IGNORECASE)
_HINT: Final = re.compile(rf"@|[(\[{{<]\s?(?:{_AT_WORDS}|a)\s?[)\]}}>]|\b(?:{_DOT_WORDS})\b", re.IGNORECASE)

_PLACED: Final = """
    look up is are was be am meet me us him her them it in on see find visit shop here there live work working
    works stay available located join arrive also only now today buy sold order you online page site website
    offers"""
_BEFORE_AT: Final = frozenset(_PLACED.split())
"""Words that stand before "at" in a sentence: "find us at example dot com" names a place, no mailbox."""


def emails(text: str) -> Iterator[Entity]:
    """E-mail addresses whose domain has a public suffix."""
    if not _HINT.search(text):
        return
    for found in _PLAIN.finditer(text):
        domain = registered(found[2])
        if domain is not None and ".." not in found[1]:
            value = f"{found[1]}@{found[2]}".lower()
            yield Entity(EMAIL, value, found.start(), found.end(), domain=domain)
    for found in _DISGUISED.finditer(text):
        yield from _disguised(found)


def _disguised(found: re.Match[str]) -> Iterator[Entity]:
    name, is_bare = found[1], found[2] is None
    written = found[3] if is_bare else found[2]
    if is_bare and name.lower() in _BEFORE_AT:
        return
    labels = _ANY_DOT.split(written)
    # "… [at] example . com Then" goes on: the address ends with the first suffix that is a usual one.
    for count in range(len(labels), 1, -1):
        host = ".".join(labels[:count]).lower()
        domain = registered(host) if suffix_of(host) in WELL_KNOWN else None
        if domain is None:
            continue
        end = found.end()
        if count < len(labels):
            end = found.start(3 if is_bare else 2) + _length(written, count)
        value = f"{name}@{host}".lower()
        if found.string[found.start() : end].lower() != value:
            yield Entity(EMAIL, value, found.start(), end, True, domain)
        return


def _length(written: str, count: int) -> int:
    """How far the first ``count`` labels reach."""
    dots = list(_ANY_DOT.finditer(written))
    return dots[count - 1].start()
