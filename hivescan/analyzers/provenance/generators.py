"""What generators of pictures write beside them: prompt, model and settings, by program.

The formats are those of the programs themselves: Stable Diffusion web UIs (``parameters``), ComfyUI
(``prompt``, ``workflow``), InvokeAI (``invokeai_metadata``, ``sd-metadata``), NovelAI (``Comment``), SwarmUI,
Fooocus, Draw Things, Easy Diffusion, Tensor.Art, Midjourney, Grok.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from hivescan.analyzers.provenance.comfyui import from_graph, from_workflow
from hivescan.media.exif import EXIF, IMAGE
from hivescan.media.metadata import Metadata
from hivescan.types import Evidence, Says

_KIND: Final = "generator"
_MOST_PROMPT: Final = 10_000
_MOST_SETTING: Final = 200
_MOST_PARAMETERS: Final = 100_000
_EXIF_TEXTS: Final = ((EXIF, 0x9286), (IMAGE, 0x010E), (IMAGE, 0x010F), (IMAGE, 0x0110), (IMAGE, 0x9C9C))
"""UserComment, ImageDescription, Make and Model (where ComfyUI puts its graph in WebP), XPComment."""
_STEPS: Final = re.compile(r"(?:^|\n)Steps: \d{1,6}, [^\n]{0,5000}(?:Sampler|CFG scale|Seed): ")
_SETTING: Final = re.compile(
    r"([A-Za-z][\w /-]{0,40}): (\"(?:[^\"\\]|\\.){0,2000}\"|[^,\n]{0,500})(?:,|$|\n)"
)
_MIDJOURNEY: Final = re.compile(r"Job ID: [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.I)
_GROK: Final = re.compile(r"Signature: [A-Za-z0-9+/]{60,400}={0,2}")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.I)
_ARTIST_TAG: Final = 0x013B


def generator_evidence(metadata: Metadata) -> Iterator[Evidence]:
    """What programs wrote of their own work, one piece a program."""
    texts = _texts(metadata)
    told: set[str] = set()
    for found in (
        *_novelai(texts),
        *_invoke(texts),
        *_comfyui(texts),
        *_json_parameters(texts),
        *_web_ui(texts),
        *_midjourney(texts),
        *_tensor_art(texts),
        *_grok(metadata),
    ):
        if found.name not in told:
            told.add(found.name)
            yield found


def _texts(metadata: Metadata) -> list[tuple[str, str]]:
    """Every text field; those of EXIF under names of their own."""
    of_exif = [("exif", text) for key in _EXIF_TEXTS if isinstance(text := metadata.exif.get(key), str)]
    return [*metadata.texts, *of_exif]


def _made(name: str, prompt: object, model: object, *, negative: object = None, **more: object) -> Evidence:
    value: dict[str, object] = {
        "model": _text(model, _MOST_SETTING),
        "prompt": _text(prompt, _MOST_PROMPT),
        "negative_prompt": _text(negative, _MOST_PROMPT),
    }
    if isinstance(prompt, str) and len(prompt) > _MOST_PROMPT:
        value["cut"] = True
    return Evidence(_KIND, name, Says.AI_GENERATED, value | {k: v for k, v in more.items() if v is not None})


def _text(value: object, most: int) -> str | None:
    if isinstance(value, list):
        value = ", ".join(str(item) for item in value[:20])
    return str(value).strip()[:most] or None if value is not None else None


def _object(text: str) -> dict[str, Any] | None:
    """A JSON object; None for anything else, however malformed or deep."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _comfyui(texts: list[tuple[str, str]]) -> Iterator[Evidence]:
    """The graph that was run, or what the editor shows of it."""
    for read in (from_graph, from_workflow):
        for _, text in texts:
            body = (
                re.sub(r"^(?:prompt|workflow):\s*", "", text.lstrip()[:20], flags=re.I) + text.lstrip()[20:]
            )
            whole = _object(body)
            for candidate in () if whole is None else (whole, _inner(whole)):
                made = read(candidate) if candidate else None
                if made is not None:
                    yield _made(
                        "ComfyUI", made.prompt, made.model, negative=made.negative, loras=made.loras or None
                    )
                    return


def _inner(whole: Mapping[str, Any]) -> dict[str, Any] | None:
    """Video nodes put both under one comment."""
    for key in ("prompt", "workflow"):
        value = whole.get(key)
        inner = _object(value) if isinstance(value, str) else value
        if isinstance(inner, dict):
            return inner
    return None


def _web_ui(texts: list[tuple[str, str]]) -> Iterator[Evidence]:
    """Prompt, a line with the negative one, a line of settings."""
    for _, full in texts:
        text = full[:_MOST_PARAMETERS]
        at = _STEPS.search(text)
        if at is None:
            continue
        start = text.index("Steps: ", at.start())
        prompt, _, negative = text[:start].partition("Negative prompt:")
        settings = {key.strip(): value.strip(' "') for key, value in _SETTING.findall(text[start:])}
        version = settings.get("Version", "")
        name = "Stable Diffusion web UI"
        if "fooocus" in version.lower():
            name = "Fooocus"
        elif settings.get("App", "").lower() == "sd.next":
            name = "SD.Next"
        yield _made(
            name,
            prompt,
            settings.get("Model") or settings.get("Base Model") or settings.get("Model hash"),
            negative=negative,
            model_hash=_text(settings.get("Model hash"), _MOST_SETTING),
            version=_text(version or None, _MOST_SETTING),
        )


def _invoke(texts: list[tuple[str, str]]) -> Iterator[Evidence]:
    for key, text in texts:
        if key == "invokeai_metadata" and (data := _object(text)) is not None:
            model = data.get("model")
            named = _dict(model).get("name") or _dict(model).get("model_name") or model
            yield _made("InvokeAI", data.get("positive_prompt"), named, negative=data.get("negative_prompt"))
        elif key == "sd-metadata" and (data := _object(text)) is not None:
            prompt = _dict(data.get("image")).get("prompt")
            if isinstance(prompt, list):
                prompt = ", ".join(str(_dict(part).get("prompt", "")) for part in prompt[:20])
            yield _made("InvokeAI", prompt, data.get("model_weights"))
        elif key == "invokeai_graph":
            yield _made("InvokeAI", None, None)
        elif key == "Dream" and re.search(r"\s-s ?\d+", text[-_MOST_SETTING:]):
            yield _made("InvokeAI", text.rpartition('"')[0].lstrip('"') or text, None)


def _novelai(texts: list[tuple[str, str]]) -> Iterator[Evidence]:
    fields = dict(reversed(texts))
    data = _object(fields.get("Comment", "")) or {}
    signed = (
        "novelai" in fields.get("Software", "").lower() or fields.get("Title") == "NovelAI generated image"
    )
    if signed or ("signed_hash" in data and "uc" in data):
        prompt = data.get("prompt") or fields.get("Description")
        yield _made("NovelAI", prompt, fields.get("Source"), negative=data.get("uc"))


def _json_parameters(texts: list[tuple[str, str]]) -> Iterator[Evidence]:
    """Programs that write one JSON object of their own."""
    for _, text in texts:
        data = _object(text)
        if data is None:
            continue
        if "sui_image_params" in data:
            swarm = _dict(data["sui_image_params"])
            yield _made(
                "SwarmUI", swarm.get("prompt"), swarm.get("model"), negative=swarm.get("negativeprompt")
            )
        elif (
            "base_model" in data and "prompt" in data and ("fooocus" in str(data.get("version", "")).lower())
        ):
            yield _made("Fooocus", data["prompt"], data["base_model"], negative=data.get("negative_prompt"))
        elif {"c", "uc", "model", "sampler", "seed"} <= data.keys():
            yield _made("Draw Things", data["c"], data["model"], negative=data["uc"])
        elif {"prompt", "use_stable_diffusion_model"} <= data.keys():
            yield _made(
                "Easy Diffusion",
                data["prompt"],
                data["use_stable_diffusion_model"],
                negative=data.get("negative_prompt"),
            )


def _midjourney(texts: list[tuple[str, str]]) -> Iterator[Evidence]:
    for _, text in texts:
        found = _MIDJOURNEY.search(text[:_MOST_PARAMETERS])
        if found is not None:
            prompt = text[: found.start()].strip()
            version = re.search(r"--(?:v|version|niji) ([\d.]{1,6})", prompt)
            yield _made("Midjourney", prompt, version[0].removeprefix("--") if version else None)


def _tensor_art(texts: list[tuple[str, str]]) -> Iterator[Evidence]:
    for key, text in texts:
        data = _object(text) if key == "generation_data" else None
        if data is not None and "prompt" in data:
            base = _dict(data.get("baseModel"))
            model = base.get("modelFileName") or base.get("label")
            yield _made("Tensor.Art", data["prompt"], model, negative=data.get("negativePrompt"))


def _grok(metadata: Metadata) -> Iterator[Evidence]:
    """A signature in place of a description, beside a UUID in place of an artist."""
    description = metadata.exif.get((IMAGE, 0x010E))
    artist = metadata.exif.get((IMAGE, _ARTIST_TAG))
    both = isinstance(description, str) and isinstance(artist, str)
    if both and _GROK.fullmatch(str(description).strip()) and _UUID.fullmatch(str(artist).strip()):
        yield _made("Grok", None, None)
