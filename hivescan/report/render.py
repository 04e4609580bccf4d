"""A report as text, in the formats that users choose from; and text as a private file."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from hivescan.errors import UsageError
from hivescan.report.layout import report_blocks
from hivescan.report.markdown import markdown
from hivescan.report.model import Report, plain
from hivescan.report.options import Format
from hivescan.report.plaintext import plain_text
from hivescan.report.table import csv_table


def render(report: Report, output: Format) -> str:
    """The report as text that ends with a line end; ``table`` is plain text in fixed columns."""
    match output:
        case Format.TABLE:
            return plain_text(report_blocks(report))
        case Format.MD:
            return markdown(report_blocks(report))
        case Format.CSV:
            return csv_table(report)
        case Format.JSON:
            return json.dumps(plain(report), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def write_private(path: Path, data: str | bytes) -> None:
    """Write the file whole, readable by its owner alone (mode 0600); UsageError where that fails."""
    content = data.encode() if isinstance(data, str) else data
    try:
        if path.exists() and not path.is_file():
            # A pipe or a device takes the bytes; there is nothing to replace.
            path.write_bytes(content)
            return
        # mkstemp makes the file with mode 0600; the rename puts it there whole or not at all.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from None
