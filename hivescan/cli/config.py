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
from typer.core import TyperCommand, TyperGroup, TyperOption

from hivescan.cli.wrong_values import expected
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
            raise ConfigError(f"{path}: {key!r} is neither a command's table nor an option of any command")
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
            defaults[str(option.name)] = _value(f"{path}: {key}", command, option, value)
    for key, value in table.items():
        option = _option(command, key)
        if option is None:
            raise ConfigError(
                f"{path}: [{command.name}] {key}: no such option; see `hivescan {command.name} -h`"
            )
        defaults[str(option.name)] = _value(f"{path}: [{command.name}] {key}", command, option, value)
    return defaults


def _option(command: Command, key: str) -> TyperOption | None:
    """The option that is written ``--key``, or None."""
    wanted = "--" + key.replace("_", "-")
    for parameter in command.params:
        if isinstance(parameter, TyperOption) and wanted in (*parameter.opts, *parameter.secondary_opts):
            return parameter
    return None


def _value(place: str, command: TyperCommand, option: TyperOption, value: Any) -> Any:
    """The value as the option takes it, one or several; :class:`ConfigError` where it cannot."""
    if not option.multiple and isinstance(value, list):
        raise ConfigError(f"{place}: takes one value, not a list")
    if option.is_flag and not isinstance(value, bool):
        raise ConfigError(f"{place}: {value!r} is neither true nor false")
    if not option.is_flag and isinstance(value, bool):
        raise ConfigError(f"{place}: takes a value, not {str(value).lower()}")
    given = [str(each) for each in (value if isinstance(value, list) else [value])]
    try:
        option.process_value(typer.Context(command), given if option.multiple else given[0])
    except Exception as error:
        takes = expected(error)
        told = getattr(error, "message", error) if takes is None else f"takes {takes}, not {value!r}"
        raise ConfigError(f"{place}: {told}") from None
    return value if option.is_flag else given if option.multiple else given[0]
