"""Record commands as a picture of a terminal: ``record_terminal.py docs/terminal.svg 'hivescan report' …``.

The commands really run, in a pseudo-terminal; what they print is what the picture shows.
"""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 104
_MOST_LINES = 34


def run(command: str) -> list[str]:
    """What a command prints to a terminal, live lines overwritten as a terminal would."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": str(WIDTH), "TERM": "xterm-256color", "LINES": "40"}
    process = subprocess.Popen(
        command, shell=True, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL, env=environment
    )
    os.close(theirs)
    data = b""
    while True:
        ready, _, _ = select.select([ours], [], [], 0.2)
        if ready:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            data += piece
        elif process.poll() is not None:
            break
    process.wait()
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    # Live displays draw a line again and again: what is erased is not shown.
    text = re.sub(r"\x1b\[\?25[lh]", "", text)
    text = re.sub(r"\x1b\[1A", "", text)
    shown = [re.split(r"\x1b\[2K", line.rsplit("\r", 1)[-1])[-1] for line in text.rstrip().split("\n")]
    return [line for line, raw in zip(shown, text.split("\n"), strict=False) if line or "\x1b[2K" not in raw]


def main() -> None:
    target, commands = Path(sys.argv[1]), sys.argv[2:]
    console = Console(record=True, width=WIDTH + 12, file=io.StringIO(), force_terminal=True)
    for command in commands:
        console.print(Text(f"$ {command}", style="bold green"))
        lines = run(command)
        for line in lines[:_MOST_LINES]:
            console.print(Text.from_ansi(line))
        if len(lines) > _MOST_LINES:
            console.print(Text("…", style="dim"))
    console.save_svg(str(target), title="hivescan")


if __name__ == "__main__":
    main()
