"""How processes of a scan are started, whoever calls."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def starting(threads: int, gpu: str | None = None) -> Iterator[None]:
    """Start processes inside this block.

    They inherit how many threads numerical libraries may take, which must stand before numpy loads, and
    which ``gpu`` is the only one that they see (None: all of them). And
    they do not import the caller's main script, as new processes otherwise do: a script without a main
    guard would start a scan in every worker.
    """
    wanted = dict.fromkeys(_THREADS, str(threads))
    if gpu is not None:
        wanted["CUDA_VISIBLE_DEVICES"] = gpu
    before = {name: os.environ.get(name) for name in wanted}
    main = sys.modules["__main__"]
    hidden: dict[str, Any] = {
        name: vars(main)[name] for name in ("__file__", "__spec__") if name in vars(main)
    }
    os.environ.update(wanted)
    main.__file__ = None
    main.__spec__ = None
    try:
        yield
    finally:
        del main.__file__  # an interactive session has none, and libraries tell it by that
        vars(main).update(hidden)
        for name, setting in before.items():
            if setting is None:
                del os.environ[name]
            else:
                os.environ[name] = setting
