"""The config file: a TOML table a command, keys named like the options.

::

    store = "/srv/hivescan"          # for every command that has the option

    [classify]
    profile = "full"
    fps = 2.0
    exclude = ["*.psd"]
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from hivescan.errors import ConfigError

Command = TyperCommand | TyperGroup


def default_map(path: str, ctx: typer.Context) -> dict[str, Any]:
    """Defaults by command and parameter; an unknown command or option is an error that names it."""
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    group = ctx.command
    assert isinstance(group, TyperGroup)
    shared = {key: value for key, value in document.items() if not isinstance(value, dict)}
    tables = {key.replace("_", "-"): value for key, value in document.items() if isinstance(value, dict)}
    for name in tables:
        if name not in group.commands:
            raise ConfigError(f"{path}: [{name}] is no command; there are {', '.join(group.commands)}")
    for key in shared:
        if not any(_option(command, key) for command in _leaves(group)):
            raise ConfigError(f"{path}: {key!r} is no option of any command")
    return {name: _defaults(path, command, tables.get(name, {}), shared) for name, command in _named(group)}


def _named(group: TyperGroup) -> list[tuple[str, Command]]:
    return [(name, c) for name, c in group.commands.items() if isinstance(c, TyperCommand | TyperGroup)]


def _leaves(group: TyperGroup) -> list[Command]:
    leaves: list[Command] = []
    for _, command in _named(group):
        leaves += _leaves(command) if isinstance(command, TyperGroup) else [command]
    return leaves


def _defaults(path: str, command: Command, table: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    if isinstance(command, TyperGroup):
        nested = {key: value for key, value in table.items() if isinstance(value, dict)}
        common = shared | {key: value for key, value in table.items() if not isinstance(value, dict)}
        return {name: _defaults(path, sub, nested.get(name, {}), common) for name, sub in _named(command)}
    defaults = {}
    for key, value in shared.items():
        if (option := _option(command, key)) is not None:
            defaults[option] = value
    for key, value in table.items():
        option = _option(command, key)
        if option is None:
            raise ConfigError(
                f"{path}: [{command.name}] {key}: no such option; see `hivescan {command.name} -h`"
            )
        defaults[option] = value
    return defaults


def _option(command: Command, key: str) -> str | None:
    """The parameter that ``--key`` sets, or None."""
    wanted = "--" + key.replace("_", "-")
    for parameter in command.params:
        if wanted in parameter.opts or wanted in parameter.secondary_opts:
            return parameter.name
    return None
