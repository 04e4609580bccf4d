"""Content Credentials: C2PA manifests, read and checked by the reference implementation.

Nothing is fetched: no remote manifest, no revocation lists. A manifest is ``valid`` when its signature and
all its hashes hold, ``trusted`` when its signer's certificate also leads to a trust anchor, else ``invalid``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from hivescan.analyzers.provenance.source_types import SOURCE_TYPES, tail
from hivescan.errors import UsageError
from hivescan.types import Alive, Evidence, Says

LIBRARY: Final = "c2pa"
ANCHORS_VARIABLE: Final = "HIVESCAN_C2PA_ANCHORS"
"""Names a PEM file of certificates that are trusted besides those of the library."""

_KIND: Final = "c2pa"
_MOST_JSON: Final = 16 << 20
_MOST_LISTED: Final = 20
_MOST_TEXT: Final = 200
_MOST_DEPTH: Final = 20
_EDITS: Final = ("c2pa.edited", "c2pa.color_adjustments", "c2pa.cropped", "c2pa.filtered", "c2pa.placed")
_OF_MANIFESTS: Final = frozenset(
    {"Assertion", "AssertionNotFound", "Decoding", "Manifest", "Signature", "Verify"}
)
"""Errors of the library that tell of a manifest, not of the container around it."""
_UNTRUSTED: Final = "signingCredential.untrusted"
_SUPPORTED: Final = {
    "image/jpeg": "image/jpeg",
    "image/png": "image/png",
    "image/apng": "image/png",
    "image/webp": "image/webp",
    "image/gif": "image/gif",
    "image/tiff": "image/tiff",
    "image/heic": "image/heic",
    "image/heif": "image/heif",
    "image/avif": "image/avif",
    "image/jxl": "image/jxl",
    "video/mp4": "video/mp4",
    "video/quicktime": "video/quicktime",
    "video/x-m4v": "video/x-m4v",
    "video/x-msvideo": "video/x-msvideo",
    "audio/mp4": "audio/mp4",
    "audio/mpeg": "audio/mpeg",
    "audio/wav": "audio/wav",
    "audio/flac": "audio/flac",
}
"""Types whose containers can hold a manifest, by the library's names."""


@dataclass(frozen=True)
class TrustAnchors:
    """Certificates in PEM, and the sha256 of the file."""

    pem: str
    digest: str


def trust_anchors() -> TrustAnchors | None:
    """Those of the file that ``HIVESCAN_C2PA_ANCHORS`` names; None where it names none."""
    named = os.environ.get(ANCHORS_VARIABLE)
    if not named:
        return None
    try:
        raw = Path(named).read_bytes()
        pem = raw.decode("ascii")
    except (OSError, ValueError) as error:
        raise UsageError(f"{ANCHORS_VARIABLE}: {named} cannot be read as PEM: {error}") from error
    if "-----BEGIN CERTIFICATE-----" not in pem or not Path(named).is_absolute():
        raise UsageError(f"{ANCHORS_VARIABLE} must name a PEM file of certificates by its full path")
    return TrustAnchors(pem, hashlib.sha256(raw).hexdigest())


class Manifests:
    """Reads manifests, with one set of trust anchors."""

    def __init__(self, anchors: TrustAnchors | None) -> None:
        import c2pa

        settings: dict[str, Any] = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
        if anchors is not None:
            settings["trust"] = {"user_anchors": anchors.pem}
        self._library: Any = c2pa
        self._context: Any = c2pa.Context.from_dict(settings)

    def read(self, path: Path, mime: str, is_there: bool | None, alive: Alive) -> Iterator[Evidence]:
        """One piece of evidence where the file has a manifest or names one elsewhere.

        ``is_there`` says whether one was seen, None where nobody looked.
        """
        if mime not in _SUPPORTED or is_there is False:
            return
        errors = self._library.C2paError
        try:
            with (
                path.open("rb") as stream,
                self._library.Reader(
                    _SUPPORTED[mime], _Heard(stream, alive), context=self._context
                ) as reader,
            ):
                found = reader.json()
        except (errors.ManifestNotFound, errors.NotSupported):
            return
        except errors as error:
            kind = type(error).__name__.removeprefix("_C2pa").removeprefix("C2pa")
            if kind == "RemoteManifest":
                where = str(error).partition(":")[2].strip()[:_MOST_TEXT]
                yield Evidence(_KIND, "remote", Says.NOTHING, {"state": None, "url": where})
            elif is_there or kind in _OF_MANIFESTS:  # else the container itself is damaged
                yield Evidence(_KIND, "unreadable", Says.NOTHING, {"state": "Invalid", "why": kind})
            return
        if len(found) > _MOST_JSON:
            why = "larger than anybody needs"  # which is no reason to keep silent about the rest of the file
            yield Evidence(_KIND, "unreadable", Says.NOTHING, {"state": "Invalid", "why": why})
            return
        yield _evidence(json.loads(found))


class _Heard:
    """A stream that gives a sign of life whenever it is read: hashing a large video takes a while."""

    def __init__(self, stream: IO[bytes], alive: Alive) -> None:
        self._stream = stream
        self._alive = alive
        self.seek = stream.seek
        self.tell = stream.tell

    def read(self, size: int = -1) -> bytes:
        self._alive()
        return self._stream.read(size)

    def write(self, data: bytes) -> int:
        raise OSError("read only")

    def flush(self) -> None:
        pass


def _evidence(store: Mapping[str, Any]) -> Evidence:
    manifests: Mapping[str, Any] = store.get("manifests") or {}
    label = store.get("active_manifest")
    active: Mapping[str, Any] = manifests.get(str(label)) or {}
    state = str(store.get("validation_state") or "Invalid")
    own, inherited, parts = _source_types(manifests, active)
    signature: Mapping[str, Any] = active.get("signature_info") or {}
    failures = [str(s.get("code")) for s in store.get("validation_status") or () if isinstance(s, dict)]
    value = {
        "state": state,
        "claim_generator": _generator(active),
        "title": _short(active.get("title")),
        "issuer": _short(signature.get("issuer")),
        "signed_at": _short(signature.get("time")),
        "digital_source_types": own,
        "of_ingredients": sorted({*inherited, *parts}),
        "actions": _actions(active)[:_MOST_LISTED],
        "manifests": len(manifests),
        "failures": sorted(set(failures) - {_UNTRUSTED})[:_MOST_LISTED],
    }
    says = Says.NOTHING if state == "Invalid" else _says(own, inherited, parts, _actions(active))
    return Evidence(_KIND, state.lower(), says, value)


def _says(own: list[str], inherited: list[str], parts: list[str], actions: list[str]) -> Says:
    """What a manifest that holds speaks for. What a picture was made from goes with it."""
    said = [SOURCE_TYPES.get(name, Says.NOTHING) for name in (*own, *inherited)]
    if Says.AI_GENERATED in said:
        return Says.AI_GENERATED
    of_parts = [SOURCE_TYPES.get(name, Says.NOTHING) for name in parts]
    if Says.EDITED in said or Says.AI_GENERATED in of_parts or any(a.startswith(_EDITS) for a in actions):
        return Says.EDITED
    return Says.CAMERA if Says.CAMERA in said else Says.NOTHING


def _source_types(
    manifests: Mapping[str, Any], active: Mapping[str, Any]
) -> tuple[list[str], list[str], list[str]]:
    """Digital source types: its own, of the pictures it was made from, of pictures placed in it."""
    own = _own_types(active)
    inherited: set[str] = set()
    parts: set[str] = set()
    seen: set[str] = set()
    queue = [(active, inherited, 0)]
    while queue:
        manifest, kind, depth = queue.pop()
        for ingredient in _dicts(manifest.get("ingredients")):
            label = str(ingredient.get("active_manifest"))
            source = manifests.get(label)
            if not isinstance(source, dict) or label in seen or depth > _MOST_DEPTH:
                continue
            seen.add(label)
            into = kind if ingredient.get("relationship") == "parentOf" else parts
            into.update(_own_types(source))
            queue.append((source, into, depth + 1))
    return own, sorted(inherited), sorted(parts)


def _own_types(manifest: Mapping[str, Any]) -> list[str]:
    found: dict[str, None] = {}
    for assertion in _dicts(manifest.get("assertions")):
        data = assertion.get("data")
        if not isinstance(data, dict):
            continue
        for holder in (data, *_dicts(data.get("actions"))):
            for key, said in holder.items():
                if key.rpartition(":")[2].lower() == "digitalsourcetype" and isinstance(said, str):
                    found[tail(said)] = None
    return list(found)[:_MOST_LISTED]


def _actions(manifest: Mapping[str, Any]) -> list[str]:
    return [
        str(action.get("action"))[:_MOST_TEXT]
        for assertion in _dicts(manifest.get("assertions"))
        if str(assertion.get("label")).startswith("c2pa.actions") and isinstance(assertion.get("data"), dict)
        for action in _dicts(assertion["data"].get("actions"))
    ]


def _generator(manifest: Mapping[str, Any]) -> str | None:
    named = manifest.get("claim_generator")
    if named:
        return _short(named)
    for info in _dicts(manifest.get("claim_generator_info")):
        return _short(" ".join(str(info[key]) for key in ("name", "version") if info.get(key)))
    return None


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _short(value: object) -> str | None:
    return str(value)[:_MOST_TEXT] if value else None
