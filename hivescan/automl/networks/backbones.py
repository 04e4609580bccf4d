"""Networks of the catalogue as torch modules that can be trained: inputs in, features ``[N, D]`` out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from hivescan.errors import TrainingError
from hivescan.models.backends.timm import is_architecture, read_state, without_classifier
from hivescan.models.fetch import ensure
from hivescan.models.schema import Card
from hivescan.models.torchvision_remedy import import_torchvision

_LITE: Final = "efficientnet_lite_to_onnx"
_RANK: Final = 8


@dataclass(frozen=True)
class Backbone:
    """``module`` takes what its kind of items is read as and gives features, ``float32 [N, dimensions]``.

    ``architecture`` is timm's name for it, None for the tower of a text model.
    """

    card: Card
    module: nn.Module
    dimensions: int
    architecture: str | None = None


def open_image_backbone(card: Card) -> Backbone:
    """A timm network without its classifier, with the card's weights.

    Raises :class:`TrainingError` where the card's network cannot be trained.
    """
    if card.backend.kind == "timm":
        architecture = card.backend.architecture or ""
        state: Mapping[str, Any] = read_state(card, ensure(card)[card.backend.file])
    else:
        architecture, state = _lite(card)
    module = create_timm(architecture)
    if card.backend.kind == "timm":
        fitting = without_classifier(module, state)
    else:
        # The port names its layers otherwise, in the same order; the classifier's two come last.
        names = list(module.state_dict())
        fitting = dict(zip(names, list(state.values())[: len(names)], strict=True))
    try:
        module.load_state_dict(fitting, strict=True)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise TrainingError(f"model {card.name}: its weights do not fit {architecture}: {reason}") from None
    # Channels last: half as fast again on a CPU, where most of the work is.
    return Backbone(
        card, module.to(memory_format=torch.channels_last), int(module.num_features_out), architecture
    )


def create_timm(architecture: str) -> Any:
    """A timm network that gives features; ``num_features_out`` is their number."""
    import_torchvision()
    import timm

    if not is_architecture(architecture):
        raise TrainingError(f"timm has no network called {architecture!r}")
    try:
        module = timm.create_model(architecture, pretrained=False, num_classes=0)
    except RuntimeError as error:
        raise TrainingError(f"timm has no network called {architecture!r}: {error}") from None
    # What comes before the classifier may be wider than what timm calls the features.
    module.num_features_out = int(getattr(module, "head_hidden_size", None) or module.num_features)
    return module


def _lite(card: Card) -> tuple[str, Mapping[str, Any]]:
    """An EfficientNet-lite that is run as ONNX: timm has the same network for the weights it is made from."""
    for derived in card.derived:
        found = re.search(r"efficientnet-(lite\d)", derived.inputs[0])
        if derived.conversion == _LITE and found:
            path = ensure(card)[derived.inputs[0]]
            return f"tf_efficientnet_{found.group(1)}", read_state(card, path)
    raise TrainingError(
        f"model {card.name}: its network cannot be trained ({card.backend.kind}"
        f"{', quantised' if card.backend.quantised else ''}); train a head on its vectors (--method head),"
        " or take another --base such as efficientnet_lite2"
    )


def add_lora(module: nn.Module, *, rank: int = _RANK, alpha: int = 2 * _RANK) -> nn.Module:
    """Freeze ``module`` and add low-rank matrices (LoRA, Hu et al. 2021) to its products.

    They go to linear layers and to convolutions of 1 × 1; others (spatial ones, which timm pads in ways of
    its own) stay as they are. :func:`merged` takes them in again.
    """
    import_torchvision()
    from peft import LoraConfig, get_peft_model

    targets = [name for name, layer in module.named_modules() if _takes_lora(layer)]
    if not targets:
        raise TrainingError("this network has no layer that LoRA could be added to; use --method finetune")
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=targets)
    changed: nn.Module = get_peft_model(module, config)
    return changed


def _takes_lora(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Linear):
        return True
    return isinstance(layer, nn.Conv2d) and set(layer.kernel_size) == {1} and layer.groups == 1


def merged(module: nn.Module) -> nn.Module:
    """The network with its low-rank matrices added to the weights; others as they are."""
    from peft import PeftModel

    if isinstance(module, PeftModel):
        whole: nn.Module = module.merge_and_unload()
        return whole
    return module


class MultiHead(nn.Module):
    """A backbone and a linear layer for each head: inputs → logits ``[N, C]`` by head."""

    def __init__(self, backbone: nn.Module, dimensions: int, heads: Mapping[str, int]) -> None:
        """``heads`` are numbers of classes by name."""
        super().__init__()
        self.backbone = backbone
        # By number: torch refuses names with a dot.
        self.layers = nn.ModuleList(nn.Linear(dimensions, classes) for classes in heads.values())
        self.classes = dict(heads)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.classes)

    def linear(self, name: str) -> nn.Linear:
        """The layer of a head."""
        layer = self.layers[self.names.index(name)]
        assert isinstance(layer, nn.Linear)
        return layer

    def forward(self, inputs: Any) -> dict[str, Tensor]:
        features = self.backbone(inputs)
        return {name: layer(features) for name, layer in zip(self.names, self.layers, strict=True)}
