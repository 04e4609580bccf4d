"""Pictures of training items as a model sees them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hivescan.errors import DecodeError
from hivescan.media.blob import open_blob
from hivescan.media.decode import pictures
from hivescan.media.picture import Wanted
from hivescan.media.probe import probe
from hivescan.types import Limits, Pixels, Sampling, View

_LIMITS: Final = Limits()


def read_view(uri: str, view: View, limits: Limits = _LIMITS) -> Pixels:
    """The view of a file's first picture, as a scan makes it: ``uint8 [height, width, 3]``.

    Raises ``MediaError`` leaves where there is no picture to be had.
    """
    with open_blob(uri, limits) as blob:
        info = probe(blob.path, limits)
        for picture in pictures(blob.path, info, Sampling(), limits, Wanted((view,))):
            return picture.views({"": view})[""]
    raise DecodeError("there is no picture in it")


def uncut(view: View) -> View:
    """The view with the margins that its centre cut leaves away, to crop from."""
    if view.resize == "contain":
        return view
    return replace(view, width=view.resize_to, height=view.resize_to)
