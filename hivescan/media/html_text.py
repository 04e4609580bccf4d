"""What an HTML page shows, without its markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Final

from hivescan.media.text_units import Unit, split

_TAG_NAME: Final = re.compile(r"/?([a-zA-Z][a-zA-Z0-9-]{0,30})")
_INLINE: Final = re.compile(
    r"a|abbr|acronym|b|bdi|bdo|big|cite|code|data|del|dfn|em|font|i|img|ins|kbd|mark|q|s|samp|small|span|strike"
    r"|strong|sub|sup|time|tt|u|var|wbr"
)
_NOT_SHOWN: Final = {w: re.compile(rf"</{w}", re.I) for w in ("script", "style", "template")}


def html_units(source: str) -> Iterator[Unit]:
    """What a page shows, a unit a block of it. Markup that is never closed ends with the file."""
    held: list[str] = []
    first = last = at = 0
    while at < len(source):
        tag = source.find("<", at)
        end = len(source) if tag < 0 else tag
        if end > at:
            if not held:
                first = at
            held.append(html.unescape(source[at:end]))
            last = end
        if tag < 0:
            break
        at, is_block = _after_tag(source, tag)
        if is_block and held:
            yield from split("".join(held), first, last)
            held = []
        elif at == tag + 1:  # a lone angle bracket is text
            held.append("<")
            last = at
    if held:
        yield from split("".join(held), first, last)


def _after_tag(source: str, tag: int) -> tuple[int, bool]:
    """Where the text goes on behind a tag, and whether the tag ends a block."""
    if source.startswith("<!--", tag):
        end = source.find("-->", tag + 4)
        return (len(source) if end < 0 else end + 3), False
    name = _TAG_NAME.match(source, tag + 1)
    if name is None and source[tag + 1 : tag + 2] not in ("!", "?"):
        return tag + 1, False
    end = source.find(">", tag)
    if end < 0:
        return len(source), True
    word = name[1].lower() if name is not None else "!"
    if word in _NOT_SHOWN and source[tag + 1] != "/":
        close = _NOT_SHOWN[word].search(source, end)
        return (len(source) if close is None else close.start()), True
    return end + 1, _INLINE.fullmatch(word) is None
