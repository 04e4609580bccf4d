"""Audit files: what they may say, and what is said of wrong ones."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from hivescan.audit import example, load_config
from hivescan.audit.config import AuditConfig
from hivescan.errors import ConfigError, ExitCode
from hivescan.report.options import Format, ReportOptions
from hivescan.scan.config import ScanConfig, Verify
from tests.conftest import REPOSITORY

MINIMAL = '[scan]\nsources = ["media"]\n'


def load(folder: Path, text: str) -> AuditConfig:
    path = folder / "audit.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def test_what_is_not_said_keeps_the_commands_defaults(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL)
    assert config.scan == ScanConfig(
        sources=(str(tmp_path / "media"),), store=tmp_path / "hivescan-results", command="audit"
    )
    assert config.report == ReportOptions(limit=50)
    assert (config.format, config.output, config.lists) == (Format.TABLE, None, ())
    assert not (config.fail_on_findings or config.strict or config.quiet or config.since_this_run)


def test_the_example_is_right_as_it_is_and_with_every_comment_taken_away(tmp_path: Path) -> None:
    load(tmp_path, example())
    whole = re.sub(r"^# (?=(\w+ = |\[))", "", example(), flags=re.MULTILINE)
    config = load(tmp_path, whole)
    assert config.scan.verify is Verify.CONTENT
    assert config.scan.analyzers == ("hashes", "nsfw")
    assert config.lists[0].max_distance == 31
    assert config.report.head_thresholds == {"nsfw": 0.8}
    assert config.since_this_run


def test_every_option_of_the_commands_is_a_key(tmp_path: Path) -> None:
    from hivescan.cli.main import app

    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    for command, table in (("classify", "scan"), ("report", "report")):
        with pytest.raises(ConfigError) as refused:
            load(tmp_path, f"{MINIMAL}\n[report]\nzzzz = 1\n" if table == "report" else "[scan]\nzzzz = 1\n")
        keys = set(str(refused.value).partition("there are ")[2].split(", "))
        options = {
            parameter.opts[0].removeprefix("--").replace("-", "_")
            for parameter in group.commands[command].params
        }
        elsewhere = {"help", "store", "strict", "explain", "json", "quiet", "fail_on_findings"}
        assert options - elsewhere <= keys


def test_relative_paths_start_from_the_files_folder(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
        store = "results/store"
        [scan]
        sources = ["media", "/srv/absolute", "s3://bucket/uploads", "photos/*.jpg", "@list.csv"]
        manifest = "uploads.jsonl"
        mirror = "weights"
        [[lists]]
        path = "lists/known.parquet"
        [report]
        output = "reports/{date}.csv"
        """,
    )
    assert config.scan.store == tmp_path / "results/store"
    assert config.scan.sources == (
        f"{tmp_path}/media",
        "/srv/absolute",
        "s3://bucket/uploads",
        f"{tmp_path}/photos/*.jpg",
        f"@{tmp_path}/list.csv",
        f"@{tmp_path}/uploads.jsonl",
    )
    assert config.mirror == tmp_path / "weights"
    assert config.lists[0].path == tmp_path / "lists/known.parquet"
    assert config.output_path(datetime(2026, 3, 1, tzinfo=UTC), "r") == tmp_path / "reports/2026-03-01.csv"


def test_signs_in_the_name_of_the_files_folder_are_no_wildcards_or_placeholders(tmp_path: Path) -> None:
    folder = tmp_path / "a[1] {date}"
    (folder / "media").mkdir(parents=True)
    (folder / "media" / "x.txt").write_text("x")
    config = load(folder, '[scan]\nsources = ["media/*"]\n[report]\noutput = "{run_id}.md"\n')
    from hivescan.media.sources import SourceDone, walk

    seen = walk(config.scan.sources, config.scan.source_options)
    assert [o.uri for o in seen if not isinstance(o, SourceDone)] == [str(folder / "media" / "x.txt")]
    assert config.output_path(datetime.now(UTC), "run-7") == folder / "run-7.md"


def test_the_outputs_ending_names_the_format_unless_one_is_given(tmp_path: Path) -> None:
    endings = {"r.md": Format.MD, "r.JSON": Format.JSON, "r.csv": Format.CSV, "r.txt": Format.TABLE}
    for name, expected in endings.items():
        assert load(tmp_path, f'{MINIMAL}[report]\noutput = "{name}"\n').format is expected
    assert load(tmp_path, f'{MINIMAL}[report]\noutput = "r.md"\nformat = "json"\n').format is Format.JSON


def test_a_report_for_programs_has_all_rows_unless_a_limit_is_given(tmp_path: Path) -> None:
    assert load(tmp_path, f'{MINIMAL}[report]\nformat = "json"\n').report.limit is None
    assert load(tmp_path, f'{MINIMAL}[report]\nformat = "json"\nlimit = 7\n').report.limit == 7
    assert load(tmp_path, f"{MINIMAL}[report]\nlimit = 0\n").report.limit is None


def test_since_is_an_age_a_toml_date_or_this_run(tmp_path: Path) -> None:
    age = load(tmp_path, f'{MINIMAL}[report]\nsince = "24h"\n').report.since
    assert age is not None
    assert abs(datetime.now(UTC) - timedelta(days=1) - age) < timedelta(minutes=5)
    dated = load(tmp_path, f"{MINIMAL}[report]\nsince = 2026-01-31\n").report.since
    assert dated == datetime(2026, 1, 31, tzinfo=UTC)
    zoned = load(tmp_path, f"{MINIMAL}[report]\nsince = 2026-01-31T12:00:00+02:00\n").report.since
    assert zoned == datetime(2026, 1, 31, 10, tzinfo=UTC)
    run = load(tmp_path, f'{MINIMAL}[report]\nsince = "run"\n')
    assert run.since_this_run
    assert run.report.since is None


def test_keys_may_be_written_as_the_options_are(tmp_path: Path) -> None:
    config = load(tmp_path, f"fail-on-findings = true\n{MINIMAL}max-pixels = 9\nmax-duration = 5\n")
    assert config.fail_on_findings
    assert config.scan.limits.max_pixels == 9
    assert config.scan.limits.max_duration_s == 5.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "scan.sources: nothing to scan"),
        ('[scan]\nsources = ["-"]\n', "scan.sources: - is standard input"),
        ('[scan]\nsource = ["media"]\n', "scan.source: no such key; did you mean sources?"),
        (f"{MINIMAL}fps = 0\n", "scan.fps: is 0, not a number from 0.01 to 60"),
        (f"{MINIMAL}fps = true\n", "scan.fps: is True, not a number"),
        (f"{MINIMAL}fps = nan\n", "scan.fps: is nan, not a number"),
        (f"{MINIMAL}workers = 1.5\n", "scan.workers: is 1.5, not a whole number of at least 0"),
        (f'{MINIMAL}hidden = "yes"\n', "scan.hidden: is 'yes', not true or false"),
        (f'{MINIMAL}decoder = "ffmpeg"\n', "scan.decoder: is 'ffmpeg', not one of auto, decord, pyav"),
        (f"{MINIMAL}exclude = [1]\n", "scan.exclude: is [1], not a list of strings"),
        (f"{MINIMAL}max_pixels = 5\nmax-pixels = 6\n", "scan.max-pixels: is there twice"),
        ("scan = 3\n", "scan: is 3, not a table: write [scan]"),
        (f'store = "s3://"\n{MINIMAL}', "store: s3:// names no folder"),
        (
            f'{MINIMAL}[lists]\npath = "k.parquet"\n',
            "lists: is {'path': 'k.parquet'}, not an array of tables",
        ),
        (f"{MINIMAL}[[lists]]\n", "lists[0].path: is missing"),
        (f'{MINIMAL}[[lists]]\npath = "k"\nname = "n"\n', "lists[0].name: no such key"),
        (f"{MINIMAL}[report]\nthreshold = 90\n", "report.threshold: is 90, not a number from 0 to 1"),
        (f'{MINIMAL}[report]\nhead_thresholds = {{ nsfw = "x" }}\n', "nsfw = 'x' is not"),
        (f'{MINIMAL}[report]\naggregate = "median"\n', "report.aggregate: 'median' is not a rule: use max"),
        (f'{MINIMAL}[report]\nsince = "yesterday"\n', "report.since: 'yesterday': give a date"),
        (f'{MINIMAL}[report]\nwhere = "1) OR (1"\n', "report.where: "),
        (f'{MINIMAL}[report]\nwhere = "width >"\n', "report.where: "),
        (f'{MINIMAL}[report]\noutput = "{{day}}.md"\n', "{day} is none of {date}, {time}, {run_id}"),
        (f'{MINIMAL}[report]\noutput = "{{date.year}}.md"\n', "report.output: "),
        (f'{MINIMAL}[report]\noutput = "{{date.md"\n', "report.output: "),
        (f"{MINIMAL}fps = \n", "Invalid value"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, text)
    assert str(refused.value).startswith(f"{tmp_path / 'audit.toml'}: ")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code is ExitCode.USAGE


def test_a_file_that_is_not_there_or_no_text_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"bytes\.toml: "):
        load_config(tmp_path / "bytes.toml")


def test_the_file_in_the_page_on_automation_is_right(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "automation.md").read_text(encoding="utf-8")
    shown = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert shown
    for text in shown:
        assert load(tmp_path, text).scan.sources
