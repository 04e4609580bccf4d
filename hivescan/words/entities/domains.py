"""Registered domains, by the public suffix list that tldextract brings along: nothing is fetched."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

_LABEL: Final = re.compile(r"(?!-)[\w-]{1,63}(?<!-)")

_USUAL: Final = """
    com net org info biz edu gov mil int io co ai app dev xyz top online site shop store club live pro link
    click page blog vip work tech space fun website cloud host press wiki news media video chat cam sex porn
    xxx adult dating win bet loan bid trade review party date stream download racing science icu buzz monster
    rest cyou de uk fr es br pt ru cn jp kr in nl pl se no fi dk ch at be cz ua tr mx ar cl pe ve au nz ca us
    eu asia tk ml ga cf gq cc tv ly gg to me ws su id vn th my ph sg hk tw za ng ke eg sa ae ir pk bd lk il gr
    hu ro bg"""
WELL_KNOWN: Final = frozenset(_USUAL.split())
"""Suffixes that make a link of words with a dot between them, where nothing else does."""

_WORDS: Final = """
    in is it to me so at be am us no my do id as la or al et un es hr de pro link live work news page date top
    fun club rest wiki press party host space media video chat"""
ALSO_WORDS: Final = frozenset(_WORDS.split())
"""Suffixes that are words too: after a sentence without a blank they would make a link of two sentences."""


@lru_cache(maxsize=1)
def _extractor() -> Any:
    import tldextract

    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


@lru_cache(maxsize=8_192)
def registered(host: str) -> str | None:
    """The registered domain of a host in small letters; None where it has no public suffix."""
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        return None
    parts = _extractor()(host.lower())
    if not parts.domain or not parts.suffix:
        return None
    return f"{parts.domain}.{parts.suffix}"


def suffix_of(host: str) -> str:
    """What stands behind the last dot, in small letters."""
    return host.rpartition(".")[2].lower()
