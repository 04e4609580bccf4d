"""A page of a dataset's items by head and class: one file, nothing fetched, blurred unless asked.

Blurred means that the page holds no other pixels: who has the file cannot look behind the blur. Items that
match known illegal material or are to be escalated are never drawn, whatever was asked.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from hivescan.automl.datasets.dataset import Dataset, head_values
from hivescan.automl.datasets.pictures import PictureFacts, local_path, stored_facts
from hivescan.automl.datasets.refusal import not_shown, refused_contents
from hivescan.automl.datasets.snapshot import Snapshot
from hivescan.errors import MediaError
from hivescan.types import Limits, Sampling
from hivescan.wording import count, printable

if TYPE_CHECKING:
    from PIL import Image

THUMBNAIL: Final = 160
"""Pixels of the longer side."""
_BLUR: Final = 14
_TEXT_SHOWN: Final = 300

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .5rem; font-weight: 600; } .quiet { opacity: .65; font-weight: 400; }
.items { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .7rem; }
figure { margin: 0; border: 1px solid var(--line); border-radius: 6px; overflow: hidden; }
figure img, .none { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; }
figure img, .none { background: var(--soft); }
.none { display: grid; place-items: center; font-size: .8rem; opacity: .7; padding: .5rem; }
figcaption { font-size: .75rem; padding: .3rem .5rem; overflow-wrap: anywhere; }
.bar { height: .5rem; background: var(--soft); border-radius: 3px; max-width: 30rem; margin: 0 0 .6rem; }
.bar span { display: block; height: 100%; background: #4a7fd4; border-radius: 3px; }
blockquote { margin: .4rem 0; padding: .3rem .8rem; border-left: 3px solid var(--line); }
blockquote { overflow-wrap: anywhere; }
nav a { margin-right: 1rem; }
"""


def gallery_page(subject: Dataset | Snapshot, *, most: int = 24, blurred: bool = True) -> str:
    """The page as HTML. ``most`` items of each class are shown, spread over the class.

    Texts are shown only where ``blurred`` is false; until then the page says how long they are.
    """
    name = subject.reference if isinstance(subject, Snapshot) else subject.name
    contents = [content for content in subject.items.column("content_id").to_pylist() if content]
    gallery = _Gallery(subject, refused_contents(contents), most=most, blurred=blurred)
    parts = [
        "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        "<meta http-equiv='Content-Security-Policy' "
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">",
        f"<title>{_safe(name)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
        f"<h1>{_safe(name)}</h1>",
        f"<p class='quiet'>{count(subject.items.num_rows, 'item')} of kind {subject.kind}"
        f"{'; pictures are blurred' if blurred and subject.kind == 'image' else ''}</p>",
        *gallery.heads(),
        "</body>\n</html>\n",
    ]
    return "\n".join(parts)


def _safe(text: str) -> str:
    return html.escape(printable(text))


def _spread(labels: Sequence[str | None], classes: Iterable[str], most: int) -> dict[str, list[int]]:
    """At most ``most`` places of each class, from all of it: its first items often come from one place."""
    places: dict[str, list[int]] = {label: [] for label in classes}
    for place, label in enumerate(labels):
        if label is not None:
            places[label].append(place)
    return {
        label: [some[int(i * max(1, len(some) / most))] for i in range(min(most, len(some)))]
        for label, some in places.items()
    }


class _Gallery:
    def __init__(
        self, subject: Dataset | Snapshot, refused: Mapping[str, str], *, most: int, blurred: bool
    ) -> None:
        names = ("row", "uri", "text", "content_id")
        self._items = list(zip(*(subject.items.column(n).to_pylist() for n in names), strict=True))
        self._counts = {head: subject.classes(head) for head in subject.heads}
        self._shown = {
            head: _spread(head_values(subject.items, head), counts, most)
            for head, counts in self._counts.items()
        }
        self._is_image = subject.kind == "image"
        self._refused = refused
        self._blurred = blurred
        places = {place for shown in self._shown.values() for some in shown.values() for place in some}
        uris = {uri for place in places if (uri := self._items[place][1])} if self._is_image else set()
        self._facts: dict[str, PictureFacts] = stored_facts(uris) if uris else {}

    def heads(self) -> Iterator[str]:
        """A section a head, with its classes."""
        if len(self._counts) > 1:
            links = "".join(f"<a href='#{_safe(head)}'>{_safe(head)}</a>" for head in self._counts)
            yield f"<nav>{links}</nav>"
        for head, counts in self._counts.items():
            labelled = sum(counts.values())
            yield f"<h2 id='{_safe(head)}'>{_safe(head)} "
            yield f"<span class='quiet'>{len(counts):,} classes, {labelled:,} labelled</span></h2>"
            for label, number in counts.items():
                yield f"<h3>{_safe(label)} <span class='quiet'>{number:,}</span></h3>"
                yield f"<div class='bar'><span style='width:{100 * number / labelled:.1f}%'></span></div>"
                yield from self._examples(self._shown[head][label])

    def _examples(self, shown: Sequence[int]) -> Iterator[str]:
        if not self._is_image:
            yield from (self._text(place) for place in shown)
            return
        yield "<div class='items'>"
        yield from (self._figure(place) for place in shown)
        yield "</div>"

    def _text(self, place: int) -> str:
        row, _, text, content = self._items[place]
        if content is not None and content in self._refused:
            return f"<blockquote class='quiet'>row {row}: {not_shown(self._refused[content])}</blockquote>"
        told = (text or "").strip()
        if self._blurred:
            return f"<blockquote class='quiet'>row {row}: a text of {len(told):,} characters</blockquote>"
        cut = told if len(told) <= _TEXT_SHOWN else told[:_TEXT_SHOWN] + " …"
        return f"<blockquote><span class='quiet'>row {row}</span> {_safe(cut)}</blockquote>"

    def _figure(self, place: int) -> str:
        row, uri, _, content = self._items[place]
        caption = f"<figcaption>row {row} <span class='quiet'>{_safe((uri or '').rpartition('/')[2])}</span>"
        return f"<figure>{self._picture(uri, content)}{caption}</figcaption></figure>"

    def _picture(self, uri: str | None, content: str | None) -> str:
        if content is not None and content in self._refused:
            return f"<div class='none'>{not_shown(self._refused[content])}</div>"
        facts = self._facts.get(uri or "")
        # Only what the engine's workers decoded before, and only the very bytes that were checked.
        if uri is None or facts is None or facts.pdq is None or facts.content_id != content:
            return "<div class='none'>cannot be shown</div>"
        data = thumbnail(uri, blurred=self._blurred)
        if data is None:
            return "<div class='none'>cannot be shown</div>"
        return f"<img alt='' loading='lazy' src='data:image/jpeg;base64,{base64.b64encode(data).decode()}'>"


def thumbnail(uri: str, *, blurred: bool) -> bytes | None:
    """A small JPEG of the first picture of a local file; None where it cannot be made."""
    from PIL import Image, ImageFilter

    from hivescan.media.decode import frames
    from hivescan.media.probe import probe

    path, limits = local_path(uri), Limits()
    if path is None:
        return None
    try:
        info = probe(path, limits)
        frame = next(frames(path, info, Sampling(), limits), None)
    except MediaError:
        return None
    if frame is None:
        return None
    picture: Image.Image = Image.fromarray(frame.pixels)
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    if blurred:
        picture = picture.filter(ImageFilter.GaussianBlur(_BLUR))
    kept = io.BytesIO()
    picture.save(kept, "JPEG", quality=80)
    return kept.getvalue()
