"""Links, plain, without a scheme, and disguised (``hxxp``, ``example[.]com``, ``example dot com``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from hivescan.types import Entity
from hivescan.words.entities.domains import ALSO_WORDS, WELL_KNOWN, registered, suffix_of
from hivescan.words.entities.kinds import URL

_LABEL: Final = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_DOT: Final = r"(?:\.|\s?[(\[{]\s?(?:\.|dot|punto|ponto|point|punkt)\s?[)\]}]\s?)"
_WORDED_DOT: Final = r"\s{1,3}(?:dot|punto|ponto|punkt)\s{1,3}"
_PATH: Final = r"(?::\d{2,5})?(?:[/?#][^\s<>\"'`|\\^{}]{0,1000})?"
_SCHEMED: Final = re.compile(
    rf"(?<![^\W_])(h(?:tt|xx|\*\*|__|--)ps?|ftp|fxp)\s?[:\[\]]{{1,3}}\s?/\s?/\s?(?:[\w.%+-]{{1,40}}@)?"
    rf"({_LABEL}(?:{_DOT}{_LABEL}){{1,8}})({_PATH})",
    re.IGNORECASE,
)
_BARE: Final = re.compile(
    rf"(?<![\w@./:-])({_LABEL}(?:{_DOT}{_LABEL}){{1,8}})({_PATH})(?![\w@-])", re.IGNORECASE
)
_WORDED: Final = re.compile(
    rf"(?<![\w@.-])({_LABEL}(?:{_WORDED_DOT}{_LABEL}){{1,3}})((?:\s?/\s?[\w%-]{{1,80}})?)(?![\w@])",
    re.IGNORECASE,
)
_ANY_DOT: Final = re.compile(rf"{_DOT}|{_WORDED_DOT}", re.IGNORECASE)
_HINT: Final = re.compile(
    r"[^\W_]\s?[(\[{]?\s?\.\s?[)\]}]?\s?[^\W_]|\b(?:dot|punto|ponto|point|punkt)\b", re.IGNORECASE
)
_TRAILING: Final = ".,;:!?…"
_CLOSING: Final = {")": "(", "]": "["}


def links(text: str) -> Iterator[Entity]:
    """Links to hosts with a public suffix, or, behind a scheme, with the address of a machine."""
    if not _HINT.search(text):
        return
    for found in _SCHEMED.finditer(text):
        yield from _schemed(found)
    for found in _BARE.finditer(text):
        yield from _bare(found)
    for found in _WORDED.finditer(text):
        yield from _worded(found)


def _schemed(found: re.Match[str]) -> Iterator[Entity]:
    host, path = _host(found[2]), _path(found[3])
    domain = _machine(host) or registered(host)
    if domain is None:
        return
    end = found.end() - (len(found[3]) - len(path))
    scheme = {"f": "ftp"}.get(found[1][0].lower(), "https" if found[1].lower().endswith("s") else "http")
    written = found.string[found.start() : end].lower()
    value = f"{scheme}://{host}{path}"
    is_plain = written.startswith(f"{scheme}://") and written.endswith(f"{host}{path}".lower())
    yield Entity(URL, value, found.start(), end, not is_plain, domain)


def _bare(found: re.Match[str]) -> Iterator[Entity]:
    """Without a scheme it must look like a link: www, a path, or a usual suffix in small letters."""
    host, path = _host(found[1]), _path(found[2])
    domain = registered(host)
    if domain is None or host.replace(".", "").isdigit():
        return
    suffix, written = suffix_of(host), found[1]
    is_plain = written.lower() == host
    last = written[-len(suffix) :]
    if host.startswith("www.") or not is_plain:
        likely = True
    elif "/" in path:
        likely = suffix in WELL_KNOWN
    else:
        likely = suffix in WELL_KNOWN and suffix not in ALSO_WORDS and (last.islower() or written.isupper())
    if likely:
        end = found.end() - (len(found[2]) - len(path))
        yield Entity(URL, f"http://{host}{path}", found.start(), end, not is_plain, domain)


def _worded(found: re.Match[str]) -> Iterator[Entity]:
    host, path = _host(found[1]), "".join(found[2].split())
    domain = registered(host) if suffix_of(host) in WELL_KNOWN - ALSO_WORDS else None
    if domain is not None:
        yield Entity(URL, f"http://{host}{path}", found.start(), found.end(), True, domain)


def _host(written: str) -> str:
    return ".".join(_ANY_DOT.split(written)).lower()


def _machine(host: str) -> str | None:
    try:
        return str(ip_address(host))
    except ValueError:
        return None


def _path(written: str) -> str:
    """Without the signs at its end that belong to the sentence."""
    while written and (
        written[-1] in _TRAILING
        or (written[-1] in _CLOSING and written.count(written[-1]) > written.count(_CLOSING[written[-1]]))
    ):
        written = written[:-1]
    return written
