"""Prompt and model out of a ComfyUI graph: what the samplers were given, followed upstream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_MOST_NODES: Final = 5_000
_MODEL_INPUTS: Final = (
    "ckpt_name",
    "unet_name",
    "model_name",
    "model_path",
    "base_ckpt_name",
    "ckpt",
    "unet",
)
_NOT_MODELS: Final = ("vae", "clip", "lora", "controlnet", "upscale", "style", "gligen", "ipadapter")
_TEXT_INPUTS: Final = ("text", "prompt", "text_g", "text_l", "clip_l", "t5xxl", "string", "value", "positive")
_PIXELS: Final = frozenset(
    {"vae", "clip", "model", "image", "pixels", "latent_image", "samples", "mask", "noise"}
)
"""Inputs that lead away from the words."""


@dataclass(frozen=True)
class Made:
    """What a graph was asked for; None where it says nothing."""

    prompt: str | None
    negative: str | None
    model: str | None
    loras: list[str]


def from_graph(graph: Mapping[str, Any]) -> Made | None:
    """From the API form, ``{id: {class_type, inputs}}``; None where it is something else."""
    nodes = {str(key): node for key, node in list(graph.items())[:_MOST_NODES] if _is_node(node)}
    if not nodes or (len(nodes) < len(graph) and len(graph) <= _MOST_NODES):
        return None
    positive = _texts(nodes, ("positive", "conditioning", "conditioning_1", "cond", "prompt"))
    negative = _texts(nodes, ("negative",))
    if not positive:
        used = set(negative)
        every = [t for node in nodes.values() if "Encode" in _kind(node) for t in _own_texts(node)]
        positive = [text for text in dict.fromkeys(every) if text not in used]
    loras = [str(v) for node in nodes.values() for k, v in _inputs(node) if k == "lora_name" and v]
    models = [str(v) for node in nodes.values() for v in _models(node)]
    return Made(
        _joined(positive), _joined(negative), next(iter(models), None), list(dict.fromkeys(loras))[:20]
    )


def from_workflow(workflow: Mapping[str, Any]) -> Made | None:
    """From the editor's form, ``{nodes: [{type, widgets_values}], links}``; else None."""
    listed = workflow.get("nodes")
    if not isinstance(listed, list) or "links" not in workflow:
        return None
    nodes = [n for n in listed[:_MOST_NODES] if isinstance(n, dict) and isinstance(n.get("type"), str)]
    if not nodes:
        return None
    texts: list[str] = []
    models: list[str] = []
    loras: list[str] = []
    for node in nodes:
        values = node.get("widgets_values")
        first = values[0] if isinstance(values, list) and values else None
        kind = node["type"]
        if not isinstance(first, str) or not first:
            continue
        if "TextEncode" in kind:
            texts.append(first)
        elif "Lora" in kind:
            loras.append(first)
        elif "Loader" in kind and not _is_other(kind):
            models.append(first)
    return Made(_joined(texts), None, next(iter(models), None), loras[:20])


def _is_node(node: object) -> bool:
    return (
        isinstance(node, dict)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), dict)
    )


def _kind(node: Mapping[str, Any]) -> str:
    kind: str = node["class_type"]
    return kind


def _inputs(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from node["inputs"].items()


def _is_other(kind: str) -> bool:
    lower = kind.lower()
    return any(word in lower for word in _NOT_MODELS)


def _models(node: Mapping[str, Any]) -> Iterator[str]:
    if _is_other(_kind(node)):
        return
    for key in _MODEL_INPUTS:
        value = node["inputs"].get(key)
        if isinstance(value, str) and value:
            yield value


def _texts(nodes: Mapping[str, Mapping[str, Any]], names: tuple[str, ...]) -> list[str]:
    """The words that lead into these inputs of samplers and guiders, in the order in which they are met."""
    found: dict[str, None] = {}
    for node in nodes.values():
        if "Sampler" not in _kind(node) and "Guider" not in _kind(node):
            continue
        seen: set[str] = set()
        for name in names:
            for text in _upstream(nodes, node["inputs"].get(name), seen):
                found[text] = None
    return list(found)


def _upstream(nodes: Mapping[str, Mapping[str, Any]], link: object, seen: set[str]) -> Iterator[str]:
    queue = [link]
    while queue:
        at = queue.pop()
        if not (isinstance(at, list) and len(at) == 2 and str(at[0]) in nodes) or str(at[0]) in seen:
            continue
        seen.add(str(at[0]))
        node = nodes[str(at[0])]
        yield from _own_texts(node)
        queue.extend(value for key, value in _inputs(node) if key not in _PIXELS | _other_side(node, at[1]))


def _other_side(node: Mapping[str, Any], output: object) -> frozenset[str]:
    """Of a node that passes both sides on, the input that does not lead to this output."""
    if not {"positive", "negative"} <= node["inputs"].keys():
        return frozenset()
    return frozenset({"positive"} if output == 1 else {"negative"})


def _own_texts(node: Mapping[str, Any]) -> Iterator[str]:
    for key in _TEXT_INPUTS:
        value = node["inputs"].get(key)
        if isinstance(value, str) and value.strip():
            yield value.strip()


def _joined(texts: list[str]) -> str | None:
    return "\n".join(dict.fromkeys(texts)) or None
