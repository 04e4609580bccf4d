"""Tiny networks with cards, made on the spot: for pictures, for texts, and one that writes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from hivescan.automl.items import HEAD, schema
from hivescan.models.cards import read_card
from hivescan.models.schema import Card

WORDS = (
    *("the", "a", "is", "was", "and", "very", "film", "meal", "day", "trip", "good", "fine", "great"),
    *("bad", "poor", "awful", "red", "blue"),
)

_ABOUT = """
name = "{name}"
title = "A toy"
task = "toys"
revision = 1
consumes = ["{consumes}"]
intended_use = "Tests."
weaknesses = ["It is not a model."]

[licence]
spdx = "CC0-1.0"
url = "https://example.org/licence"
notice = "Nobody's."
"""

_OF_PICTURES = """
[input]
layout = "NCHW"
channels = "RGB"
scale = 0.00392156862745098
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.25, 0.25]

[backend]
kind = "timm"
file = "toy.safetensors"
architecture = "test_efficientnet"
outputs = ["features"]

[[views]]
name = "toy_net"
width = 32
height = 32
resize = "cover"
resize_to = 40
resample = "bilinear"

[embedding]
space = "toy_net/features"
dimensions = 256
output = "features"
"""

_OF_TEXTS = """
[text]
tokenizer = "tokenizer.json"
max_tokens = 16
overlap = 4
pooling = "mean"
normalise = true
attention_heads = 2
layer_norm_epsilon = 1e-12

[backend]
kind = "bert"
file = "toy.safetensors"
outputs = ["vector"]

[embedding]
space = "toy_words/vector"
dimensions = 16
output = "vector"
"""


def picture_card(folder: Path) -> Card:
    """A timm network of random weights, the same every time."""
    from hivescan.models.torchvision_remedy import import_torchvision

    import_torchvision()
    import timm
    import torch
    from safetensors.torch import save

    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = timm.create_model("test_efficientnet", pretrained=False)
    return _written(folder, "toy_net", "image", _OF_PICTURES, {"toy.safetensors": save(model.state_dict())})


def text_card(folder: Path) -> Card:
    """A BERT of two small layers, and a tokenizer of a few words."""
    from hivescan.models.torchvision_remedy import import_torchvision

    import_torchvision()
    import torch
    from safetensors.torch import save
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=len(WORDS) + 4,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = BertModel(config)
    files = {"toy.safetensors": save(model.state_dict()), "tokenizer.json": _tokenizer(marks=True).encode()}
    return _written(folder, "toy_words", "text", _OF_TEXTS, files)


def language_folder(folder: Path) -> Path:
    """A Llama of two small layers with a tokenizer of single characters and a template for conversations."""
    from hivescan.models.torchvision_remedy import import_torchvision

    import_torchvision()
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=300,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=256,
        bos_token_id=256,
        eos_token_id=257,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = LlamaForCausalLM(config)
    folder.mkdir(parents=True)
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(_tokenizer(marks=False), encoding="utf-8")
    template = (
        "{% for m in messages %}<s>{{ m['role'] }}\n{{ m['content'] }}</s>\n{% endfor %}"
        "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
    )
    about = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "chat_template": template,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(about), encoding="utf-8")
    return folder


def _tokenizer(*, marks: bool) -> str:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    if marks:
        names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
        tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(names)}, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    else:
        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_special_tokens(["<s>", "</s>"])
    text: str = tokenizer.to_str()
    return text


def _written(folder: Path, name: str, consumes: str, rest: str, files: Mapping[str, bytes]) -> Card:
    home = folder / name
    home.mkdir(parents=True)
    lines = [_ABOUT.format(name=name, consumes=consumes), rest]
    for file, data in files.items():
        (home / file).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        lines.append(f'[[files]]\nname = "{file}"\nsha256 = "{digest}"\nsize = {len(data)}')
        lines.append(f'source = {{ kind = "local", path = "{file}" }}\n')
    (home / "card.toml").write_text("\n".join(lines), encoding="utf-8")
    return read_card(home / "card.toml")


def coloured(folder: Path, count: int, seed: int = 0) -> tuple[list[Path], list[str], list[str]]:
    """Pictures, their colours (warm, cold) and their brightness (dark, bright): what a network can learn."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    paths, colours, lights = [], [], []
    for number in range(count):
        warm, bright = number % 2 == 0, number // 2 % 2 == 0
        level = 210 if bright else 80
        pixels = random.integers(0, 40, (48, 56, 3))
        pixels[..., 0 if warm else 2] += level
        pixels[..., 1] += level // 3
        path = folder / f"{seed}-{number}.png"
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
        paths.append(path)
        colours.append("warm" if warm else "cold")
        lights.append("bright" if bright else "dark")
    return paths, colours, lights


def picture_items(paths: Sequence[Path], heads: Mapping[str, Sequence[str | None]]) -> pa.Table:
    """Items of pictures, rows from 1 on."""
    count = len(paths)
    values = {
        "row": list(range(1, count + 1)),
        "uri": [str(path) for path in paths],
        "text": [None] * count,
        "content_id": [
            hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None for path in paths
        ],
        "origin": ["made"] * count,
        "origin_row": list(range(1, count + 1)),
    }
    values |= {HEAD + head: list(labels) for head, labels in heads.items()}
    return pa.table(values, schema=schema(list(heads), []))
