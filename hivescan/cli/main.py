"""``hivescan``: the command line's entry, its commands and its error boundary."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from typing import Annotated

import typer

from hivescan import __version__
from hivescan.cli.output import say
from hivescan.errors import ExitCode, HivescanError

COMMANDS = (
    "classify",
    "hash_match",
    "report",
    "sweep",
    "items",
    "query",
    "audit",
    "known",
    "models",
    "store",
    "doctor",
)
"""The order of ``--help``. Each is a module of this package with ``register(app)``."""

app = typer.Typer(
    name="hivescan",
    help="Scan media in bulk: classifiers, hash matching and SQL over Parquet, on your own machines.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Plain help: drawing it with rich would double the time that `hivescan --help` takes.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"hivescan {__version__}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            envvar="HIVESCAN_CONFIG",
            metavar="FILE",
            help="TOML file with defaults: a table a command, keys named like the options.",
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    if config is not None:
        from hivescan.cli.config import default_map

        ctx.default_map = default_map(config, ctx)


for _name in COMMANDS:
    importlib.import_module(f"hivescan.cli.{_name}").register(app)


def main() -> None:
    """Run the command line; every error that hivescan raises becomes one line and an exit code."""
    try:
        app()
    except HivescanError as error:
        say(f"hivescan: {error}")
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        say("hivescan: interrupted")
        sys.exit(int(ExitCode.INTERRUPTED))
    except BrokenPipeError:
        # The reader of a pipe (head, less) has gone: not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(int(ExitCode.DONE))
    except Exception:
        # A fault of ours: told in full, with an exit code that means nothing else.
        traceback.print_exc()
        say("hivescan: this is a fault in hivescan; please report it with the lines above")
        sys.exit(int(ExitCode.INTERNAL_ERROR))
