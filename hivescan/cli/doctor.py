"""``hivescan doctor``: what this installation can do, what is off, and why."""

from __future__ import annotations

import typer

from hivescan.cli.options import JsonOption
from hivescan.cli.output import emit, emit_json
from hivescan.errors import ExitCode
from hivescan.wording import printable


def register(app: typer.Typer) -> None:
    app.command("doctor", help="Say what this installation can do, what is off, and why.")(doctor)


def doctor(json: JsonOption = False) -> None:
    from hivescan.diagnosis import State, diagnose

    findings = diagnose()
    if json:
        emit_json([finding.as_json() for finding in findings])
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            emit(f"{finding.state.value:<4} {finding.name:<{width}}  {printable(finding.what)}")
    if any(finding.state is State.BROKEN for finding in findings):
        raise typer.Exit(int(ExitCode.USAGE))
