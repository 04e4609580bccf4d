"""timm networks in torch: the card names the architecture, the file holds the weights alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeGuard

from hivescan.errors import CatalogueError
from hivescan.models.backends.base import Placement, Tensor
from hivescan.models.backends.batches import InBatches
from hivescan.models.backends.torch_common import TorchPlace
from hivescan.models.schema import Card

_NAME: Final = re.compile(r"\w+(\.\w+)?", re.ASCII)
"""A network, and after a dot the weights that it may have."""


class TimmBackend(InBatches):
    """Outputs ``logits`` and, before the classifier, ``features``."""

    runtime = "timm"

    def __init__(self, card: Card, path: Path, placement: Placement) -> None:
        from hivescan.models.torchvision_remedy import import_torchvision

        import_torchvision()
        import timm

        if card.backend.architecture is None:
            raise CatalogueError(f"model {card.name}: backend timm needs an architecture")
        if not is_architecture(card.backend.architecture):
            raise CatalogueError(
                f"model {card.name}: timm has no network called {card.backend.architecture!r}"
            )
        unknown = set(card.backend.outputs) - {"logits", "features"}
        if unknown:
            raise CatalogueError(f"model {card.name}: timm has no output {unknown.pop()!r}")
        state = read_state(card, path)
        # A network of which nobody reads the logits may come without a classifier.
        classes = len(card.vocabulary) or (None if "logits" in card.backend.outputs else 0)
        self._place = TorchPlace(card, placement)
        self.device = self._place.device
        self._batches = self._place.batches(self._run)
        self._outputs = card.backend.outputs
        try:
            settings = {} if classes is None else {"num_classes": classes}
            model = timm.create_model(card.backend.architecture, pretrained=False, **settings)
            model.load_state_dict(without_classifier(model, state) if classes == 0 else state, strict=True)
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            raise CatalogueError(f"model {card.name}: {path.name} does not fit: {reason}") from None
        self._model = self._place.settle(model)

    def _run(self, batch: Tensor) -> dict[str, Tensor]:
        with self._place.running():
            pixels = self._place.tensor(batch)
            features = self._model.forward_head(self._model.forward_features(pixels), pre_logits=True)
            values = {"features": features}
            if "logits" in self._outputs:
                values["logits"] = self._model.get_classifier()(features)
            return {name: self._place.array(values[name]) for name in self._outputs}


def is_architecture(name: object) -> TypeGuard[str]:
    """Whether timm makes a network of this name out of its own code. Names of hubs and of folders, which it
    would fetch or read, are none."""
    from hivescan.models.torchvision_remedy import import_torchvision

    import_torchvision()
    import timm

    return isinstance(name, str) and _NAME.fullmatch(name) is not None and bool(timm.is_model(name))


def without_classifier(model: Any, state: Mapping[str, Any]) -> dict[str, Any]:
    """The weights of a timm network that was made without its classifier, if they came with one."""
    named = model.default_cfg.get("classifier") or ()
    layers = (named,) if isinstance(named, str) else tuple(named)
    return {n: t for n, t in state.items() if not n.startswith(tuple(f"{layer}." for layer in layers))}


def read_state(card: Card, path: Path) -> dict[str, Any]:
    """The weights by name; no code in the file is run."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        import torch

        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return state
    except Exception as error:  # the readers raise whatever they met
        reason = str(error).partition("\n")[0]
        raise CatalogueError(f"model {card.name}: {path.name} cannot be read: {reason}") from None
