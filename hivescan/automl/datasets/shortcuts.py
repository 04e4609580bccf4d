"""Where something that has nothing to do with the subject tells the class: a shortcut that a model learns.

For each class, items are guessed from one attribute alone: an item is taken for the class when most *others*
with its value of that attribute are. Where that guess is nearly as good as a model (balanced accuracy of 0.9
and more, and far better than the attribute's chance), the attribute is named. Attributes are the columns,
where the items came from, their folders, and of pictures the size, shape, type and JPEG quality.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import pyarrow as pa

from hivescan.automl.datasets.dataset import column_values, head_values
from hivescan.automl.datasets.findings import Check, Finding
from hivescan.automl.datasets.label_checks import folded
from hivescan.automl.datasets.pictures import PictureFacts, local_path
from hivescan.automl.items import columns_of, heads_of
from hivescan.queries.metrics import Confusion

TELLING: Final = 0.9
_LEAST_ITEMS: Final = 10
_LEAST_VALUE: Final = 3
"""A value that fewer items have can tell nothing of others."""

Values = Sequence[str | None]


def check_shortcuts(items: pa.Table, facts: Mapping[str, PictureFacts]) -> list[Finding]:
    """One finding for each head and attribute that tells at least one of its classes."""
    attributes = _attributes(items, facts)
    rows = items.column("row").to_pylist()
    findings = []
    for head in heads_of(items):
        labels = head_values(items, head)
        for name, values in attributes.items():
            told = _told_classes(labels, values)
            if not told:
                continue
            best = sorted(told.items(), key=lambda pair: -pair[1])
            listed = ", ".join(f"{label!r} ({accuracy:.2f})" for label, accuracy in best[:3])
            more = f" and {len(best) - 3} more" if len(best) > 3 else ""
            message = f"{head}: {name} alone tells {listed}{more} by balanced accuracy"
            concerned = tuple(row for row, label in zip(rows, labels, strict=True) if label in told)
            findings.append(Finding(Check.SHORTCUT, message, concerned, head=head))
    return findings


def _told_classes(labels: Values, values: Values) -> dict[str, float]:
    """The classes that the attribute tells, each with the balanced accuracy of the guess."""
    pairs = [(lab, val) for lab, val in zip(labels, values, strict=True) if lab is not None]
    # What is not known of an item is a value too: "no JPEG quality" tells the one class of PNG files.
    of_value = Counter(value for _, value in pairs)
    both = Counter(pairs)
    told = {}
    for label, positives in Counter(label for label, _ in pairs).items():
        negatives = len(pairs) - positives
        if min(positives, negatives) < _LEAST_ITEMS:
            continue
        tp = fp = 0
        for value, number in of_value.items():
            if number < _LEAST_VALUE:
                continue
            of_class = both[label, value]
            # Each item is guessed from the others of its value.
            tp += of_class if (of_class - 1) * 2 > number - 1 else 0
            fp += number - of_class if of_class * 2 > number - 1 else 0
        accuracy = Confusion(tp, fp, positives - tp, negatives - fp).balanced_accuracy
        if accuracy is not None and accuracy >= TELLING:
            told[label] = accuracy
    return told


def _attributes(items: pa.Table, facts: Mapping[str, PictureFacts]) -> dict[str, Values]:
    found: dict[str, Values] = {f"column {name}": column_values(items, name) for name in columns_of(items)}
    found["origin"] = items.column("origin").to_pylist()
    uris = items.column("uri").to_pylist()
    folders = [None if uri is None else uri.rpartition("/")[0] for uri in uris]
    if not any(_names_classes(head_values(items, head), folders) for head in heads_of(items)):
        found["folder"] = folders
    if facts:
        found |= dict(_of_pictures([None if uri is None else facts.get(uri) for uri in uris], uris))
    # An attribute with one value, or another one for each item, tells nothing.
    return {name: values for name, values in found.items() if 1 < len(set(values)) <= len(values) / 2}


def _names_classes(labels: Values, folders: Values) -> bool:
    """Whether the folders are called like the classes: then they tell them because they say them."""
    pairs = [(lab, path) for lab, path in zip(labels, folders, strict=True) if lab and path]
    named = sum(folded(label) in {folded(part) for part in path.split("/")} for label, path in pairs)
    return bool(pairs) and named > 0.9 * len(pairs)


def _of_pictures(
    facts: Sequence[PictureFacts | None], uris: Sequence[str | None]
) -> Iterator[tuple[str, Values]]:
    sizes = [(f.width, f.height) if f and f.width and f.height else None for f in facts]
    yield "size", [None if size is None else f"{size[0]}x{size[1]}" for size in sizes]
    yield "shape", [None if size is None else f"{size[0] / size[1]:.1f}" for size in sizes]
    types = [None if f is None else f.mime for f in facts]
    yield "file type", types
    yield (
        "JPEG quality",
        [
            jpeg_quality(uri) if uri is not None and mime == "image/jpeg" else None
            for uri, mime in zip(uris, types, strict=True)
        ],
    )


def jpeg_quality(uri: str) -> str | None:
    """What a JPEG file was saved with, as the sum of its brightness quantisers; None where it is not known.

    Encoders scale their table by the quality that they are asked for, so that one sum is one setting of
    one encoder. Only the header is read.
    """
    from PIL import Image

    path = local_path(uri)
    if path is None:
        return None
    try:
        with Image.open(path) as image:
            tables = getattr(image, "quantization", None)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    return str(sum(tables[min(tables)])) if tables else None
