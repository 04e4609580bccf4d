"""Training of language models: low-rank matrices (LoRA) on a causal model, from prompts and completions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch

from hivescan.automl.language.base import (
    DEFAULT_BASE,
    LanguageBase,
    find_base,
    load_base,
    peft_without_warning,
)
from hivescan.automl.language.data import (
    Columns,
    Example,
    LanguageData,
    LanguageKind,
    OnInvalidRow,
    RowFault,
    read_language_data,
    split_examples,
    without_prompts_of,
)
from hivescan.automl.language.models import (
    Export,
    LanguageModel,
    check_free,
    save_language_model,
)
from hivescan.automl.language.steps import Foretelling, LanguageWork, foretell
from hivescan.automl.language.tokens import Encoder, Tokens
from hivescan.automl.networks.training_loop import (
    LoopSettings,
    choose_device,
    prepare_torch,
    threads_for,
    train_network,
)
from hivescan.automl.networks.training_state import checkpoint_folder, forget_training
from hivescan.automl.progress import OnProgress, TrainingProgress, ignore_progress
from hivescan.errors import DatasetError, TrainingError
from hivescan.versions import installed

_VALIDATION_SHARE: Final = 0.1
_MOST_VALIDATION: Final = 200
"""Examples that the best epoch is told by, at most."""
_BEFORE: Final = "before.json"
_FORMAT: Final = 1


@dataclass(frozen=True)
class LanguageOptions:
    """How a language model is trained.

    ``base`` is a language model of the catalogue or a folder in the layout of transformers. Of ``data``,
    ``test_split`` is kept for the test where there is no file ``test``. ``early_stopping`` is the number of
    epochs without a lower loss after which training ends. ``max_tokens`` is the longest prompt with its
    completion. ``rank`` is that of the low-rank matrices. ``checkpoint_every`` is in steps.
    """

    kind: LanguageKind = "text"
    base: str = DEFAULT_BASE
    test: Path | None = None
    test_split: float = 0.1
    columns: Columns = field(default_factory=Columns)
    on_invalid: OnInvalidRow = "fail"
    max_epochs: int = 3
    early_stopping: int | None = None
    batch_size: int = 8
    learning_rate: float = 1e-3
    rank: int = 16
    max_tokens: int = 512
    export: Export = "merged"
    seed: int = 0
    device: str = "auto"
    threads: int = 0
    checkpoint_every: int = 20


@dataclass(frozen=True)
class _Parts:
    train: tuple[Tokens, ...]
    validation: tuple[Tokens, ...]
    test: tuple[Tokens, ...]


def train_language(
    name: str, data: Path, options: LanguageOptions | None = None, on_progress: OnProgress = ignore_progress
) -> LanguageModel:
    """Train a language model and keep it as a new version of ``name``.

    A training that was killed goes on from its last checkpoint when it is asked for again with the same data
    and options. Raises :class:`DatasetError` for rows that cannot be used, :class:`TrainingError` where the
    base cannot be trained.
    """
    options = options or LanguageOptions()
    check_free(name)
    prepare_torch(threads_for(options.threads))
    device = choose_device(options.device)
    read = read_language_data(data, options.columns)
    test = None if options.test is None else read_language_data(options.test, options.columns)
    train_examples, test_examples = _split(read, test, options)
    base = find_base(options.base)
    on_progress(TrainingProgress(f"opening {base.reference}"))
    model, tokenizer = load_base(base)
    encoder = Encoder(tokenizer, options.kind)
    parts = _parts(encoder, train_examples, test_examples, read, test, options=options)
    key = _key(options, base, read, test)
    checkpoint = checkpoint_folder(name, key)
    model = _with_lora(model, options).to(device)
    before = _before(model, encoder, parts.test, options, checkpoint, on_progress=on_progress)
    work = LanguageWork(
        model,
        encoder,
        parts.train,
        parts.validation,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        seed=options.seed,
    )
    settings = LoopSettings(
        epochs=options.max_epochs,
        seed=options.seed,
        patience=options.early_stopping,
        checkpoint_every=options.checkpoint_every,
    )
    history = train_network(work, settings, checkpoint, key, on_progress)
    on_progress(TrainingProgress("measuring on the test rows"))
    after = foretell(model, encoder, parts.test, options.batch_size)

    def write(folder: Path) -> None:
        if options.export == "adapter":
            # "auto" would ask the hub about the base.
            model.save_pretrained(folder, save_embedding_layers=False)
            return
        whole = model.merge_and_unload()
        whole.to(_stored_type(base)).save_pretrained(folder, max_shard_size="100GB")
        tokenizer.save_pretrained(folder)

    made = save_language_model(
        name,
        options.kind,
        base,
        options.export,
        write,
        about={
            "recipe": _recipe(options),
            "data": _about_data(read, test, parts),
            "metrics": {"before": asdict(before), "after": asdict(after)},
            "history": list(history.epochs),
        },
    )
    forget_training(checkpoint)
    return made


def _split(
    data: LanguageData, test: LanguageData | None, options: LanguageOptions
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    examples = data.usable(options.on_invalid)
    if test is None:
        return split_examples(examples, options.test_split, options.seed)
    asked = test.usable(options.on_invalid)
    kept, shared = without_prompts_of(examples, asked)
    if shared and options.on_invalid == "fail":
        fault = RowFault(f"asks what a row of {test.path} asks", shared)
        raise DatasetError(f"{data.path}: {fault.line}; leave them out with --on-invalid drop")
    if not kept:
        raise DatasetError(f"{data.path}: every prompt is in {test.path} too")
    return kept, asked


def _parts(
    encoder: Encoder,
    train: Sequence[Example],
    test: Sequence[Example],
    data: LanguageData,
    test_data: LanguageData | None,
    *,
    options: LanguageOptions,
) -> _Parts:
    test_tokens = _short_enough(encoder, test, test_data or data, options)
    all_tokens = _short_enough(encoder, train, data, options)
    if not test_tokens or len(all_tokens) < 2:
        raise DatasetError(f"{data.path}: nothing is left to train or to test on")
    by_row = {tokens.row: tokens for tokens in all_tokens}
    kept = [example for example in train if example.row in by_row]
    prompts = {example.prompt for example in kept}
    if len(prompts) * _VALIDATION_SHARE < 1:  # too few to give one away
        return _Parts(all_tokens, (), test_tokens)
    rest, validation = split_examples(kept, _VALIDATION_SHARE, options.seed + 1)
    return _Parts(
        tuple(by_row[example.row] for example in rest),
        tuple(by_row[example.row] for example in validation[:_MOST_VALIDATION]),
        test_tokens,
    )


def _short_enough(
    encoder: Encoder, examples: Sequence[Example], data: LanguageData, options: LanguageOptions
) -> tuple[Tokens, ...]:
    tokens = [encoder.tokens(example) for example in examples]
    long = tuple(entry.row for entry in tokens if len(entry.ids) > options.max_tokens)
    if long and options.on_invalid == "fail":
        fault = RowFault(f"has more than {options.max_tokens} tokens", long)
        raise DatasetError(
            f"{data.path}: {fault.line}; raise --max-tokens, or leave them out with --on-invalid drop"
        )
    return tuple(entry for entry in tokens if len(entry.ids) <= options.max_tokens)


def _with_lora(model: Any, options: LanguageOptions) -> Any:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=options.rank,
        lora_alpha=2 * options.rank,
        lora_dropout=0.0,
        target_modules="all-linear",
    )
    with torch.random.fork_rng(), peft_without_warning():
        torch.manual_seed(options.seed)
        try:
            return get_peft_model(model, config)
        except ValueError as error:
            reason = str(error).partition("\n")[0]
            raise TrainingError(f"{options.base}: low-rank matrices do not fit: {reason}") from None


def _before(
    model: Any,
    encoder: Encoder,
    test: Sequence[Tokens],
    options: LanguageOptions,
    checkpoint: Path,
    *,
    on_progress: OnProgress,
) -> Foretelling:
    """What the base makes of the test rows; told once, also where a training is gone on with."""
    kept = checkpoint / _BEFORE
    try:
        return Foretelling(**json.loads(kept.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        pass
    on_progress(TrainingProgress("measuring the base on the test rows"))
    with model.disable_adapter():
        found = foretell(model, encoder, test, options.batch_size)
    checkpoint.mkdir(parents=True, exist_ok=True)
    scratch = kept.with_suffix(".part")
    scratch.write_text(json.dumps(asdict(found)), encoding="utf-8")
    scratch.replace(kept)
    return found


def _stored_type(base: LanguageBase) -> torch.dtype:
    """The precision of the base's own file."""
    about = json.loads(base.files["config.json"].read_text(encoding="utf-8"))
    named = about.get("dtype") or about.get("torch_dtype")
    known = {"float16": torch.float16, "bfloat16": torch.bfloat16}
    return known.get(str(named), torch.float32)


def _key(options: LanguageOptions, base: LanguageBase, data: LanguageData, test: LanguageData | None) -> str:
    """A digest of what the result depends on."""
    parts = {
        "format": _FORMAT,
        "base": base.identity,
        "data": data.sha256,
        "test": None if test is None else test.sha256,
        "recipe": _recipe(options),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _recipe(options: LanguageOptions) -> dict[str, object]:
    left_out = ("test", "device", "threads", "checkpoint_every")
    recipe = {name: value for name, value in asdict(options).items() if name not in left_out}
    return {"method": "lora", **recipe, "versions": installed(("torch", "transformers", "peft"))}


def _about_data(data: LanguageData, test: LanguageData | None, parts: _Parts) -> Mapping[str, object]:
    return {
        "path": str(data.path),
        "sha256": data.sha256,
        "rows": data.rows,
        "test_path": None if test is None else str(test.path),
        "test_sha256": None if test is None else test.sha256,
        "train": len(parts.train),
        "validation": len(parts.validation),
        "test": len(parts.test),
    }
