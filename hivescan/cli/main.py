"""``hivescan``: the command line's entry, its commands and its error boundary."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hivescan import __version__
from hivescan.cli.output import say
from hivescan.cli.wrong_values import wrong_value
from hivescan.errors import ExitCode, HivescanError, RunInterruptedError

COMMANDS = (
    "classify",
    "hash_match",
    "report",
    "sweep",
    "items",
    "escalations",
    "campaigns",
    "text",
    "query",
    "audit",
    "known",
    "dataset",
    "train",
    "try_model",
    "evaluate",
    "study",
    "benchmark",
    "distill",
    "train_llm",
    "zero_shot",
    "deploy",
    "models",
    "store",
    "doctor",
)
"""The order of ``--help``. Each is a module of this package with ``register(app)``."""


class _Group(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        """Run the command. That the reader of a pipe (head, less) has gone is no error of ours.

        Ctrl-C is told from here on as an error of ours; typer would end without a word.
        """
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(int(ExitCode.DONE)) from None
        except KeyboardInterrupt:
            raise RunInterruptedError("interrupted") from None
        except RuntimeError as error:
            if str(error) != "Query interrupted":  # what DuckDB makes of Ctrl-C
                raise
            raise RunInterruptedError("interrupted") from None
        return result


app = typer.Typer(
    name="hivescan",
    cls=_Group,
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
    # Before Arrow is loaded: its own pools keep what was freed (see hivescan.store.arrow_memory).
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    try:
        # With standalone_mode typer would print errors of its own in a box of several lines.
        # Named, so that it does not depend on how Python was started.
        code = app(prog_name="hivescan", standalone_mode=False)
    except HivescanError as error:
        _say_last(f"hivescan: {error}")
        sys.exit(int(error.exit_code))
    except (KeyboardInterrupt, typer.Abort):
        _say_last("hivescan: interrupted")
        sys.exit(int(ExitCode.INTERRUPTED))
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's own, which it names differently in each version
            told = wrong_value(error) or error.format_message()
            _say_usage_error(told, getattr(error, "ctx", None))
            sys.exit(int(ExitCode.USAGE))
        # A fault of ours: told in full, with an exit code that means nothing else.
        traceback.print_exc()
        say("hivescan: this is a fault in hivescan; please report it with the lines above")
        sys.exit(int(ExitCode.INTERNAL_ERROR))
    sys.exit(code if isinstance(code, int) else int(ExitCode.DONE))


def _say_last(line: str) -> None:
    """Why the command ends. A second Ctrl-C would only garble that."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        say(line)
    finally:
        signal.signal(signal.SIGINT, before)


def _say_usage_error(message: str, ctx: typer.Context | None) -> None:
    """A wrong option or argument in one line; the help as it is where no command was named."""
    if "\n" in message:
        typer.echo(message, err=True)
        return
    command = ctx.command_path if ctx is not None else "hivescan"
    told = message.rstrip(".").replace(": Value error, ", ": ")
    say(f"hivescan: {told}{'' if told.endswith('?') else ';'} see `{command} -h`")
