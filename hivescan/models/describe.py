"""A card as plain values, for JSON and for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from hivescan.models.card_parts import CARD_FILE
from hivescan.models.licences import is_accepted
from hivescan.models.schema import Card, GithubSource, HubSource, LocalSource, NpmSource, PypiSource, Source
from hivescan.models.verify import state


def card_values(card: Card) -> dict[str, Any]:
    """Everything that the card says, plus ``state`` and ``licence.accepted``, as JSON can hold it."""
    values: dict[str, Any] = _plain(card)
    values["folder"] = str(card.folder)
    values["size"] = card.size
    values["state"] = state(card).value
    values["licence"]["accepted"] = is_accepted(card) if card.licence.must_accept else None
    for entry, file in zip(values["files"], card.files, strict=True):
        entry["source"] = {"kind": source_kind(file.source), **entry["source"]}
    return values


def source_kind(source: Source) -> str:
    """The word that a card has for this kind of source."""
    kinds: dict[type, str] = {
        PypiSource: "pypi",
        NpmSource: "npm",
        GithubSource: "github",
        HubSource: "hub",
        LocalSource: "local",
    }
    return kinds[type(source)]


def source_line(source: Source) -> str:
    """Where a file comes from, on one line."""
    if isinstance(source, LocalSource):
        return str(source.path)
    if isinstance(source, GithubSource):
        return f"github {source.repository}@{source.commit[:12]} {source.path}"
    if isinstance(source, HubSource):
        return f"hub {source.repository}@{source.revision[:12]} {source.path}"
    return f"{source_kind(source)} {source.package} {source.version} {source.member}"


def gives(card: Card) -> tuple[str, ...]:
    """What the model gives, in a few words each: its heads, its vector, its boxes."""
    words = [head.name for head in card.heads]
    if card.embedding is not None:
        words.append(f"{card.embedding.dimensions}-d vector")
    if card.detector is not None:
        words.append("boxes")
    if card.faces is not None:
        words.append("faces")
    if card.language is not None or card.reader is not None:
        words.append("texts")
    if card.speech is not None:
        words.append("what is said")
    return tuple(words)


def gives_shortly(card: Card) -> str:
    """:func:`gives` for a narrow column: many heads are counted, a vector's length is left out."""
    heads = [head.name for head in card.heads]
    words = heads if len(heads) < 3 else [f"{len(heads)} heads"]
    if card.embedding is not None:
        words.append("vector")
    if card.detector is not None:
        words.append("boxes")
    if card.faces is not None:
        words.append("faces")
    if card.language is not None or card.reader is not None:
        words.append("texts")
    if card.speech is not None:
        words.append("speech")
    return ", ".join(words)


def card_lines(card: Card) -> Iterator[str]:
    """The whole card for people, line by line."""
    yield f"{card.name}: {card.title}"
    yield f"  task        {card.task}"
    yield f"  looks at    {', '.join(sorted(card.consumes))}"
    yield f"  revision    {card.revision}"
    yield f"  state       {state(card).value}"
    yield f"  card        {card.folder / CARD_FILE}"
    yield from ("", "Intended use", f"  {card.intended_use}", "", "Known weaknesses")
    yield from (f"  - {weakness}" for weakness in card.weaknesses)
    yield from ("", "Licence", f"  {card.licence.spdx}, {card.licence.url}", f"  {card.licence.notice}")
    if card.licence.must_accept:
        yield "  agreed to" if is_accepted(card) else "  must be agreed to before the first use"
    yield from _output_lines(card)
    if card.base is not None and card.surprise is not None:
        yield from ("", f"Its head stands on {card.base.name}, on how likely that finds each token")
    elif card.base is not None:
        yield from ("", f"Its heads stand on {card.base.name}, on vectors of {card.base_space}")
    yield from ("", "Input")
    for name, view in card.views.items():
        jpeg = f", through JPEG at quality {view.jpeg_quality}" if view.jpeg_quality else ""
        size = f"{view.width}×{view.height}"
        yield f"  view {name}: {view.resize} to {view.resize_to}, {view.resample}, {size}{jpeg}"
    if card.input is not None:
        spec = card.input
        scaled = f"(x × {spec.scale:g} - {_numbers(spec.mean)}) / {_numbers(spec.std)}"
        yield f"  {spec.layout} {spec.channels}, {scaled}"
    if card.text is not None:
        prefix = f", after {card.text.prefix!r}" if card.text.prefix else ""
        yield f"  windows of {card.text.max_tokens} tokens, {card.text.overlap} of them overlapping{prefix}"
    if card.sound is not None:
        yield "  windows of 0.975 s every 0.48 s, mono at 16 kHz, 64 mel bands of 125 to 7,500 Hz"
    if card.reader is not None:
        yield f"  lines of {card.reader.height} pixels, read by {card.reader.recogniser}"
    if card.surprise is not None:
        least, most = card.surprise.least_words, card.surprise.max_tokens
        yield f"  texts of at least {least} words, {most} tokens at a time"
    if card.language is not None:
        yield f"  texts, of which it sees the last {card.language.context:,} tokens"
    if card.speech is not None:
        yield "  utterances of at most 30 s, mono at 16 kHz"
    backend = card.backend
    batch = "any batch" if backend.max_batch is None else f"at most {backend.max_batch} at a time"
    batch += ", quantised" if backend.quantised else ""
    yield f"  {backend.kind}{f' {backend.architecture}' if backend.architecture else ''}, {batch}"
    yield from ("", "Files")
    for file in card.files:
        yield f"  {file.name}  {file.size:,} bytes  {source_line(file.source)}"
        yield f"    sha256 {file.sha256}"
    for derived in card.derived:
        yield f"  {derived.name}  made here by {derived.conversion}, revision {derived.revision}"
    yield from ("", "Measured quality")
    for quality in card.quality:
        yield f"  {quality.metric}: {quality.value:g} on {quality.data}; n = {quality.n}"
        yield f"    measured with: {quality.command}"
    if not card.quality:
        yield "  nothing yet"


def _output_lines(card: Card) -> Iterator[str]:
    for head in card.heads:
        reading = card.readings[head.name]
        validated = "validated" if head.validated else "not validated"
        family = f", grouped with {head.family}" if head.family else ""
        yield from ("", f"Head {head.name} ({head.group}{family}, {validated})")
        if head.description:
            yield f"  {head.description}"
        if reading.top is not None:
            yield f"  the best {reading.top} of {len(head.classes)} classes"
            continue
        for entry in head.classes:
            names = " + ".join(reading.mapping.get(entry.label, ()))
            yield f"  {entry.label}: {entry.polarity.value}{f' = {names}' if names else ''}"
    if card.embedding is not None:
        embedding = card.embedding
        yield from ("", "Embedding", f"  {embedding.dimensions} numbers in the space {embedding.space}")
    if card.detector is not None:
        detector = card.detector
        yield from ("", f"Boxes from a confidence of {detector.min_confidence:g}")
        yield from (f"  {kind.label}: {kind.polarity.value}" for kind in detector.kinds)
        yield from ("", f"Heads made of them ({detector.heads[0].spec.group}, not validated)")
        yield from (f"  {head.spec.name}: {' or '.join(head.kinds)}" for head in detector.heads)
    if card.faces is not None:
        yield from ("", f"Faces from a confidence of {card.faces.min_confidence:g}")


def _numbers(values: tuple[float, ...]) -> str:
    return f"[{', '.join(f'{v:g}' for v in values)}]"


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, frozenset):
        return sorted(_plain(entry) for entry in value)
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value
