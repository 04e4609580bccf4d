"""The audit file: one TOML file that says what is scanned, matched and reported.

Keys are named like the options of ``classify``, ``hash-match`` and ``report``; what is not named keeps
the command's default. Relative paths are taken from the folder of the file, so that cron's working
folder does not matter. ``example.toml`` in this package shows every table.
"""

from __future__ import annotations

import glob
import string
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar

from hivescan.audit.keys import Keys, Kind, choice, flag, free, number, text, texts, whole
from hivescan.errors import ConfigError, HivescanError, StoreError
from hivescan.matching.options import MatchOptions
from hivescan.media.folder import has_wildcard
from hivescan.media.selection import SourceOptions
from hivescan.media.uri import has_scheme
from hivescan.queries.aggregate import parse_aggregate
from hivescan.report.options import Format, ReportOptions, default_limit, parse_since
from hivescan.scan.config import DEFAULT_STORE, ScanConfig, Verify
from hivescan.store.location import locate
from hivescan.types import Limits, Sampling

T = TypeVar("T")

THIS_RUN: Final = "run"
"""``report.since = "run"``: only what this audit analyzed or matched."""

_FORMAT_OF: Final = {".json": Format.JSON, ".csv": Format.CSV, ".md": Format.MD}
_PLACEHOLDERS: Final = ("date", "time", "run_id")


def _moment(value: Any) -> str | datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    if not isinstance(value, str) or not value.strip():
        raise ValueError('a date, an age such as "24h", or "run"')
    return value


def _tables(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("an array of tables: write [[lists]] above each")
    return value


def _read_later(value: Any) -> Any:
    return value


_TOP: Final[Mapping[str, Kind]] = {
    "store": text,
    "fail_on_findings": flag,
    "strict": flag,
    "quiet": flag,
    "scan": _read_later,
    "lists": _tables,
    "report": _read_later,
}
_SELECTION: Final[Mapping[str, Kind]] = {
    "include": texts,
    "exclude": texts,
    "hidden": flag,
    "uri_column": text,
    "text_col": texts,
}
_SAMPLING: Final[Mapping[str, Kind]] = {
    "sample": choice("rate", "keyframes", "scenes"),
    "fps": number(0.01, 60),
    "decoder": choice("auto", "decord", "pyav"),
}
_LIMITS: Final[Mapping[str, Kind]] = {
    "max_bytes": whole(1),
    "max_pixels": whole(1),
    "max_frames": whole(1),
    "max_duration": number(0.1),
    "file_timeout": number(1),
    "worker_memory": whole(2**29),
}
_ENGINE: Final[Mapping[str, Kind]] = {
    "profile": text,
    "analyzers": texts,
    "device": choice("auto", "cpu", "cuda"),
    "precision": choice("auto", "float32", "bfloat16", "float16"),
    "workers": whole(0),
    "batch_size": whole(0),
    "retry_errors": flag,
    "rescan": flag,
    "verify": choice(*Verify),
}
_SCAN: Final = {
    "sources": texts,
    "manifest": texts,
    "mirror": text,
    **_SELECTION,
    **_SAMPLING,
    **_LIMITS,
    **_ENGINE,
}
_LIST: Final[Mapping[str, Kind]] = {"path": text, "max_distance": whole(0)}
_REPORT: Final[Mapping[str, Kind]] = {
    "threshold": number(0, 1),
    "head_thresholds": free(number(0, 1)),
    "head": texts,
    "ignore": texts,
    "all_classes": flag,
    "by_group": flag,
    "aggregate": text,
    "since": _moment,
    "where": text,
    "group_by": text,
    "limit": whole(0),
    "format": choice(*Format),
    "output": text,
}
_FIELD_OF: Final = {
    "sample": "mode",
    "max_duration": "max_duration_s",
    "file_timeout": "file_timeout_s",
    "head": "heads",
    "ignore": "ignored",
    "text_col": "text_columns",
}
"""Fields whose name is not that of the option."""


@dataclass(frozen=True)
class ListConfig:
    """A hash list, and how near a PDQ hash must be: None leaves it to the list's entries."""

    path: Path
    max_distance: int | None = None

    def options(self) -> MatchOptions:
        return MatchOptions(max_distance=self.max_distance)


@dataclass(frozen=True)
class AuditConfig:
    """What an audit file says, checked.

    ``report.since`` is None where ``since_this_run`` is set. ``output`` may hold the placeholders
    ``{date}``, ``{time}`` and ``{run_id}``; None: the report goes to standard output. ``mirror`` is a
    folder of weights that is asked first.
    """

    path: Path
    scan: ScanConfig
    mirror: Path | None
    lists: tuple[ListConfig, ...]
    report: ReportOptions
    since_this_run: bool
    format: Format
    output: str | None
    fail_on_findings: bool
    strict: bool
    quiet: bool

    def output_path(self, started: datetime, run_id: str) -> Path | None:
        """Where this run's report goes; date and time are those of its beginning, UTC."""
        if self.output is None:
            return None
        began = started.astimezone(UTC)
        return Path(self.output.format(date=f"{began:%Y-%m-%d}", time=f"{began:%H%M%S}", run_id=run_id))


def load_config(path: Path) -> AuditConfig:
    """Read an audit file. Raises :class:`ConfigError` that names the file and the key.

    Whether sources, lists, analyzers and heads exist is looked at by
    :func:`hivescan.audit.run.check_audit`.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    return _Reader(path).config(document)


def example() -> str:
    """An audit file with comments, to begin with."""
    return resources.files("hivescan.audit").joinpath("example.toml").read_text(encoding="utf-8")


class _Reader:
    """Turns the document of one file into a config."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = path.expanduser().absolute().parent
        self._keys = Keys(path)

    def config(self, document: dict[str, Any]) -> AuditConfig:
        top = self._keys.read(document, _TOP)
        scan = self._keys.read(top.get("scan", {}), _SCAN, "scan")
        report = self._keys.read(top.get("report", {}), _REPORT, "report")
        output = report.pop("output", None)
        chosen = Format(report.pop("format")) if "format" in report else _format_of(output)
        return AuditConfig(
            path=self._path,
            scan=self._scan(scan, top.get("store", str(DEFAULT_STORE))),
            mirror=self._local("scan.mirror", scan["mirror"]) if "mirror" in scan else None,
            lists=tuple(self._list(i, given) for i, given in enumerate(top.get("lists", []))),
            report=self._report(report, chosen),
            since_this_run=report.get("since") == THIS_RUN,
            format=chosen,
            output=None if output is None else self._template(output),
            fail_on_findings=top.get("fail_on_findings", False),
            strict=top.get("strict", False),
            quiet=top.get("quiet", False),
        )

    def _scan(self, given: dict[str, Any], store: str) -> ScanConfig:
        sources = [self._source("scan.sources", source) for source in given.get("sources", ())]
        sources += ["@" + self._source("scan.manifest", name) for name in given.get("manifest", ())]
        if not sources:
            self._keys.fail("scan.sources", "nothing to scan: give sources, a manifest, or both")
        config = ScanConfig(
            sources=tuple(sources),
            store=self._store(store),
            source_options=_changed(SourceOptions(), given, _SELECTION),
            sampling=_changed(Sampling(), given, _SAMPLING),
            limits=_changed(Limits(), given, _LIMITS),
            command="audit",
        )
        if "verify" in given:
            given["verify"] = Verify(given["verify"])
        return _changed(config, given, _ENGINE)

    def _source(self, key: str, source: str) -> str:
        """The source, absolute. Wildcards in the name of the file's own folder are none."""
        if source == "-":
            self._keys.fail(key, "- is standard input, which an audit does not read; name a manifest")
        if source.startswith("@"):
            return "@" + self._source(key, source[1:])
        if has_scheme(source):
            return source
        folder = str(self._folder)
        if has_wildcard(source):
            folder = glob.escape(folder)
        return str(Path(folder) / Path(source).expanduser())

    def _store(self, given: str) -> str | Path:
        if not has_scheme(given):
            return self._local("store", given)
        try:
            return locate(given).uri
        except StoreError as error:
            self._keys.fail("store", str(error))

    def _local(self, key: str, path: str) -> Path:
        if has_scheme(path):
            self._keys.fail(key, f"{path!r} is a URI; this must be a path on this machine")
        return self._folder / Path(path).expanduser()

    def _list(self, i: int, values: Any) -> ListConfig:
        table = f"lists[{i}]"
        given = self._keys.read(values, _LIST, table)
        if "path" not in given:
            self._keys.fail(f"{table}.path", "is missing")
        return ListConfig(self._local(f"{table}.path", given["path"]), given.get("max_distance"))

    def _report(self, given: dict[str, Any], chosen: Format) -> ReportOptions:
        options = dict(given)
        if "aggregate" in given:
            options["aggregate"] = self._parsed("report.aggregate", parse_aggregate, given["aggregate"])
        if given.get("since") == THIS_RUN:
            options["since"] = None
        elif isinstance(given.get("since"), str):
            options["since"] = self._parsed("report.since", parse_since, given["since"])
        if "where" in given:
            self._parsed("report.where", _check_condition, given["where"])
        # As on the command line, 0 rows means all of them.
        options["limit"] = given["limit"] or None if "limit" in given else default_limit(chosen)
        return _changed(ReportOptions(), options, (*_REPORT,))

    def _parsed(self, key: str, parse: Callable[[str], T], value: str) -> T:
        try:
            return parse(value)
        except HivescanError as error:
            self._keys.fail(key, str(error).removeprefix(f"--{key.rpartition('.')[2]} "))

    def _template(self, output: str) -> str:
        """The output's path, absolute, still with its placeholders."""
        key = "report.output"
        try:
            names = [name for _, name, _, _ in string.Formatter().parse(output) if name is not None]
            unknown = [name for name in names if name not in _PLACEHOLDERS]
            if unknown:
                self._keys.fail(key, f"{{{unknown[0]}}} is none of {{{'}, {'.join(_PLACEHOLDERS)}}}")
            output.format(date="", time="", run_id="")
        except (ValueError, IndexError, KeyError) as error:
            self._keys.fail(key, f"{output!r}: {error}; write {{{{ for a brace")
        if has_scheme(output):
            self._keys.fail(key, f"{output!r} is a URI; this must be a path on this machine")
        folder = str(self._folder).replace("{", "{{").replace("}", "}}")
        return str(Path(folder) / Path(output).expanduser())


def _changed(config: T, given: Mapping[str, Any], names: Sequence[str] | Mapping[str, Any]) -> T:
    """The dataclass ``config`` with the fields that the file names."""
    changes = {_FIELD_OF.get(name, name): given[name] for name in names if name in given}
    return replace(config, **changes)  # type: ignore[type-var]  # T is always a dataclass


def _check_condition(where: str) -> None:
    from hivescan.store.sql import check_read_only

    # By itself as well: what closes the bracket and goes on is no condition.
    check_read_only(f"SELECT \n{where}\n")
    check_read_only(f"SELECT * FROM items WHERE (\n{where}\n)")


def _format_of(output: str | None) -> Format:
    """What the name of the output asks for; plain text where it says nothing."""
    return Format.TABLE if output is None else _FORMAT_OF.get(Path(output).suffix.lower(), Format.TABLE)
