"""No library that hivescan uses tells its maker of it: SECURITY.md says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_onnx_runtime_keeps_no_identity_and_no_diary(tmp_path: Path) -> None:
    """Since 1.29 it writes an identifier and what it is going to send, unless it is told not to."""
    temp, home = tmp_path / "temp", tmp_path / "home"
    temp.mkdir()
    home.mkdir()
    unset = {"CI", "ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED", "DO_NOT_TRACK", "XDG_CACHE_HOME"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    subprocess.run(
        [sys.executable, "-c", "import hivescan, onnxruntime; onnxruntime.get_available_providers()"],
        env=environment | {"HOME": str(home), "TMPDIR": str(temp)},
        check=True,
    )
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()] == []
