"""Programs by the names that they write into files.

A name counts only where a program signs (``Software``, ``CreatorTool`` …), and only as a whole word that
means nothing else: "Imagen" is Spanish for picture, and a camera is called Firefly.
"""

from __future__ import annotations

import re
from typing import Final

from hivescan.types import Says

_GENERATORS: Final = {
    "Stable Diffusion web UI": r"automatic1111|stable[ -]diffusion[ -]web ?ui",
    "Fooocus": r"fooocus",
    "ComfyUI": r"comfyui",
    "InvokeAI": r"invoke ?ai",
    "NovelAI": r"novelai",
    "SD.Next": r"sd\.next",
    "SwarmUI": r"(?:stable)?swarmui",
    "Draw Things": r"draw things",
    "Easy Diffusion": r"easy diffusion",
    "DiffusionBee": r"diffusionbee",
    "Midjourney": r"midjourney",
    "DALL-E": r"dall[-·•∙ ]?e(?:[ -]?[23])?",
    "OpenAI": r"openai|chatgpt|gpt-image-\d|gpt-4o",
    "Adobe Firefly": r"adobe[ _]firefly",
    "Google AI": r"made with google ai|edited with google ai|google generative ai",
    "Meta AI": r"imagined with ai|meta ai",
    "Microsoft Designer": r"bing image creator|microsoft designer|image creator from designer",
    "DreamStudio": r"dreamstudio",
    "Stability AI": r"stability[ .]?ai",
    "Stable Diffusion": r"stable[ -]diffusion",
    "Black Forest Labs": r"black forest labs",
    "Ideogram": r"ideogram(?:\.ai| ai)",
    "Leonardo.Ai": r"leonardo\.ai",
    "Recraft": r"recraft\.ai|recraft v\d",
    "Tensor.Art": r"tensor\.art",
    "Runway": r"runway ?ml|runway gen-\d",
    "Kling": r"kling ?ai",
    "Luma": r"luma dream machine",
    "Pika": r"pika labs",
    "Suno": r"suno(?: ai|\.com|\.ai)",
    "Udio": r"udio\.com",
    "ElevenLabs": r"eleven ?labs",
}
_EDITORS: Final = {
    "Adobe Photoshop": r"photoshop",
    "Adobe Lightroom": r"lightroom",
    "Adobe Premiere": r"adobe premiere",
    "Adobe After Effects": r"after effects",
    "GIMP": r"gimp",
    "Affinity Photo": r"affinity photo|affinity designer",
    "Pixelmator": r"pixelmator",
    "Snapseed": r"snapseed",
    "PicsArt": r"picsart",
    "Facetune": r"facetune",
    "FaceApp": r"faceapp",
    "Canva": r"canva",
    "Capture One": r"capture one",
    "darktable": r"darktable",
    "RawTherapee": r"rawtherapee",
    "Luminar": r"luminar",
    "Topaz": r"topaz (?:photo|gigapixel|denoise|sharpen|video)",
    "Paint.NET": r"paint\.net",
    "Krita": r"krita",
    "ACDSee": r"acdsee",
    "PhotoScape": r"photoscape",
    "Picasa": r"picasa",
    "Paint Shop Pro": r"paint ?shop",
    "CapCut": r"capcut",
    "DaVinci Resolve": r"davinci resolve|blackmagic design davinci",
    "iMovie": r"imovie",
    "Final Cut": r"final cut",
    "InShot": r"inshot",
}
_OF_AI: Final = [
    (name, re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.I)) for name, words in _GENERATORS.items()
]
_OF_EDITING: Final = [
    (name, re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.I)) for name, words in _EDITORS.items()
]
_SIGNED: Final = re.compile(
    r"(?<!\w)(?:made|created|generated|powered) (?:with|by|using) (?:ai: )?(suno|udio|elevenlabs)(?!\w)", re.I
)
_LONGEST: Final = 300
"""Of a field that a program signs; more is a text about something."""


def program_named(text: str) -> tuple[str, Says] | None:
    """The program that a signing field names, and what that speaks for."""
    start = text[:_LONGEST]
    for name, words in _OF_AI:
        if words.search(start):
            return name, Says.AI_GENERATED
    for name, words in _OF_EDITING:
        if words.search(start):
            return name, Says.EDITED
    return None


def signed_in_comment(text: str) -> str | None:
    """The generator of sound that a free comment names as its maker."""
    found = _SIGNED.search(text[:_LONGEST])
    return {"suno": "Suno", "udio": "Udio", "elevenlabs": "ElevenLabs"}[found[1].lower()] if found else None
