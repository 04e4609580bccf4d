"""The analyzers without models that run in the decode workers: on pictures, on passages of text, on the file.

Apart from the registry, which knows of all models: a worker has no use for those.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any, Final

from hivescan.analyzers.base import DecoderAnalyzer, FileAnalyzer, PassageAnalyzer
from hivescan.errors import UsageError
from hivescan.types import Level

IN_WORKER: Final = ("hashes", "crops", "watermarks", "provenance", "passages", "null")
PDQ_ALONE: Final = "hashes:pdq"
"""Of ``hashes`` PDQ alone, for who matches a file with lists that have no other hashes of pictures, and keeps
nothing: no plan has it.
"""


def load_decoder(name: str, level: Level = Level.FRAME) -> DecoderAnalyzer | PassageAnalyzer:
    """An analyzer of pictures or passages that runs in the worker that decoded them."""
    if name == PDQ_ALONE:
        from hivescan.analyzers.hashes import PdqHasher

        return PdqHasher()
    analyzer: DecoderAnalyzer | PassageAnalyzer = _loaded(name, level)
    return analyzer


def load_file_analyzer(name: str) -> FileAnalyzer:
    """An analyzer of whole files that runs in the worker that reads them."""
    analyzer: FileAnalyzer = _loaded(name, Level.FILE)
    return analyzer


def _loaded(name: str, level: Level) -> Any:
    able = [n for n in IN_WORKER if worker_module(n).spec().level is level]
    if name not in able:
        raise UsageError(
            f"there is no {level.value} analyzer {name!r} in decode workers; there are {', '.join(able)}"
        )
    return worker_module(name).load()


def libraries_of(names: Sequence[str]) -> tuple[str, ...]:
    """Modules that those of the analyzers that run in decode workers import when they are loaded."""
    within = (name for name in names if name in IN_WORKER)
    return tuple(library for name in within for library in worker_module(name).LIBRARIES)


def worker_module(name: str) -> ModuleType:
    """Imported late: the hashes bring image libraries that the inference host has no use for."""
    if name == "null":
        from hivescan.analyzers import null

        return null
    if name == "passages":
        from hivescan.analyzers import passages

        return passages
    if name == "provenance":
        from hivescan.analyzers import provenance

        return provenance
    if name == "watermarks":
        from hivescan.analyzers import watermarks

        return watermarks
    if name == "crops":
        from hivescan.analyzers import crops

        return crops
    from hivescan.analyzers import hashes

    return hashes
