"""A text as networks of ours read it: plain letters, and nothing that tells where it was posted."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from hivescan.words.normalise import normalise

REVISION: Final = 1
"""Raised when the same text is read as another one."""

_ADDRESS: Final = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_NAMED: Final = re.compile(r"(?<![\w.])@\w{1,40}")
_REPEATED: Final = re.compile(r"^\s*(?:RT\b[\s:]*)+")
_BLANKS: Final = re.compile(r"\s+")


def as_read(text: str, known: Collection[str] = ()) -> str:
    """``text`` normalised (:func:`~hivescan.words.normalise.normalise`, with the words ``known``), names with
    @ and links without what they name. Heads are trained on texts made so, and see them so."""
    return read_plain(normalise(text, known).text)


def read_plain(plain: str) -> str:
    """As :func:`as_read`, of a text that is normalised already."""
    plain = _NAMED.sub("@user", _ADDRESS.sub("link", _REPEATED.sub("", plain)))
    return _BLANKS.sub(" ", plain).strip()
