"""Image classifiers and CLIP-like towers of the transformers library, from a folder of the hub.

The card's files are a hub repository's ``config.json`` and ``model.safetensors``. Nothing else is read, no
code of the repository is run, and nothing is fetched.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hivescan.errors import CatalogueError
from hivescan.models.backends.base import Placement, Tensor
from hivescan.models.backends.batches import InBatches
from hivescan.models.backends.torch_common import TorchPlace
from hivescan.models.schema import Card


class TransformersBackend(InBatches):
    """Output ``logits`` of a classifier, or ``image_embeds`` of a tower with a projection."""

    runtime = "transformers"

    def __init__(self, card: Card, files: Mapping[str, Path], placement: Placement) -> None:
        if not card.backend.file.endswith(".safetensors"):
            raise CatalogueError(f"model {card.name}: transformers weights must be safetensors")
        if len(card.backend.outputs) != 1:
            raise CatalogueError(f"model {card.name}: backend transformers gives one output")
        (self._output,) = card.backend.outputs
        self._place = TorchPlace(card, placement)
        self.device = self._place.device
        self._batches = self._place.batches(self._run)
        self._model = self._place.settle(_open(card, files, self._output))

    def _run(self, batch: Tensor) -> dict[str, Tensor]:
        with self._place.running():
            pixels = self._place.tensor(batch)
            if self._output == "logits":
                values = self._model(pixel_values=pixels).logits
            else:
                values = self._model.get_image_features(pixel_values=pixels)
                values = getattr(values, "pooler_output", values)
            return {self._output: self._place.array(values)}


def _open(card: Card, files: Mapping[str, Path], output: str) -> Any:
    from hivescan.models.torchvision_remedy import import_torchvision

    import_torchvision()
    import transformers

    kinds = {
        "logits": transformers.AutoModelForImageClassification,
        "image_embeds": transformers.AutoModel,
    }
    if output not in kinds:
        raise CatalogueError(
            f"model {card.name}: transformers has no output {output!r}; there are {', '.join(kinds)}"
        )
    # Fetched files lie in folders of their own; the library wants one folder with the hub's names.
    with tempfile.TemporaryDirectory(prefix="hivescan-hub-") as folder:
        for name, path in files.items():
            plain = "model.safetensors" if name == card.backend.file else name
            (Path(folder) / plain).symlink_to(path.resolve())
        try:
            model, report = kinds[output].from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).partition("\n")[0].replace(folder, card.name)
            raise CatalogueError(f"model {card.name}: cannot be opened by transformers: {reason}") from None
    if report["missing_keys"]:
        lacking = sorted(report["missing_keys"])[0]
        raise CatalogueError(f"model {card.name}: {card.backend.file} lacks weights such as {lacking}")
    return model
