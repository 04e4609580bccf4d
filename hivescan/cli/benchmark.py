"""``hivescan benchmark``: detectors on sources that they were not trained on."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hivescan.cli.options import JsonOption, OutputOption, QuietOption
from hivescan.cli.output import emit, emit_json, say
from hivescan.errors import UsageError
from hivescan.wording import count

if TYPE_CHECKING:
    from hivescan.benchmark.ai_images import Verdicts

benchmark = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

_SOURCES = "Sources"
_PROTOCOL = "Protocol"


def register(app: typer.Typer) -> None:
    app.add_typer(benchmark, name="benchmark", help="Measure detectors on whole sources held out.")


@benchmark.command("ai-images")
def ai_images(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FOLDER", help="Folders that hold real/NAME, ai/NAME and hybrid/NAME."),
    ] = None,
    real: Annotated[
        list[str] | None,
        typer.Option(
            "--real",
            metavar="NAME=FOLDER",
            help="A source of real pictures; repeatable.",
            rich_help_panel=_SOURCES,
        ),
    ] = None,
    ai: Annotated[
        list[str] | None,
        typer.Option(
            "--ai",
            metavar="NAME=FOLDER",
            help="Pictures of one generator; repeatable.",
            rich_help_panel=_SOURCES,
        ),
    ] = None,
    hybrid: Annotated[
        list[str] | None,
        typer.Option(
            "--hybrid",
            metavar="NAME=FOLDER",
            help="Photographs with a generated region; repeatable.",
            rich_help_panel=_SOURCES,
        ),
    ] = None,
    analyzer: Annotated[
        list[str] | None,
        typer.Option(
            "--analyzer",
            metavar="NAME",
            help="Only this one; repeatable. Default: all that have the head ai_generated.",
        ),
    ] = None,
    perturb: Annotated[
        str,
        typer.Option(
            "--perturb",
            metavar="NAME,…|all|none",
            help="What is done to the pictures; see docs/ai-images.md.",
            rich_help_panel=_PROTOCOL,
        ),
    ] = "all",
    side: Annotated[
        int,
        typer.Option(
            "--side", min=64, help="Pixels of the square that all become.", rich_help_panel=_PROTOCOL
        ),
    ] = 400,
    fit: Annotated[
        str,
        typer.Option(
            "--fit",
            metavar="reduce|cut",
            help="The short side is reduced to it, or the centre is cut out as it is.",
            rich_help_panel=_PROTOCOL,
        ),
    ] = "reduce",
    quality: Annotated[
        int,
        typer.Option("--quality", min=1, max=100, help="Of the JPEG.", rich_help_panel=_PROTOCOL),
    ] = 90,
    limit: Annotated[
        int,
        typer.Option("--limit", min=0, help="Pictures of a source; 0: all.", rich_help_panel=_PROTOCOL),
    ] = 0,
    limit_perturbed: Annotated[
        int,
        typer.Option(
            "--limit-perturbed",
            min=0,
            help="Pictures of a source that are perturbed; 0: all.",
            rich_help_panel=_PROTOCOL,
        ),
    ] = 100,
    limit_attacks: Annotated[
        int,
        typer.Option(
            "--limit-attacks",
            min=0,
            help="Of these, pictures attacked through a network; 0: all.",
            rich_help_panel=_PROTOCOL,
        ),
    ] = 25,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            "-t",
            min=0.0,
            max=1.0,
            help="The score from which a picture is called AI; default: as the detector answers, or 0.5.",
            show_default=False,
        ),
    ] = None,
    undecided_from: Annotated[
        float | None,
        typer.Option(
            "--undecided-from",
            metavar="T",
            min=0.0,
            max=1.0,
            help="From here to the threshold nothing is said.",
            show_default=False,
        ),
    ] = None,
    draws: Annotated[int, typer.Option("--draws", min=0, help="How often to draw for intervals.")] = 500,
    results: Annotated[
        Path,
        typer.Option("--results", metavar="FOLDER", help="Where scores are kept, and looked for first."),
    ] = Path("hivescan-benchmark"),
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    output: OutputOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure detectors of AI-made pictures: by generator and real source, as they are and perturbed."""
    from hivescan.benchmark.ai_images import Form, Kind, Settings, benchmark_ai_images, find_sources
    from hivescan.benchmark.layout import benchmark_blocks, benchmark_json, warnings
    from hivescan.cli.blocks import emit_blocks
    from hivescan.cli.progress import CountProgress
    from hivescan.report.markdown import markdown as as_markdown
    from hivescan.report.plaintext import plain_text
    from hivescan.report.render import write_private

    if json and markdown:
        raise UsageError("--json and --markdown: give one of them")
    if fit not in ("reduce", "cut"):
        raise UsageError(f"--fit {fit}: not one of reduce, cut")
    if output is not None:
        _check_writable(output)
    named = {
        Kind.REAL: _named(real, "--real"),
        Kind.AI: _named(ai, "--ai"),
        Kind.HYBRID: _named(hybrid, "--hybrid"),
    }
    settings = Settings(
        analyzers=None if analyzer is None else tuple(analyzer),
        perturbations=_perturbations(perturb),
        form=Form(side, "cut" if fit == "cut" else "reduce", quality),
        limit=limit,
        limit_perturbed=limit_perturbed,
        limit_attacks=limit_attacks,
        verdicts=_verdicts(threshold, undecided_from),
        draws=draws,
        device=device,
        results=results,
    )
    sources = find_sources(folders or (), named)
    with CountProgress("pictures", quiet=quiet) as progress:
        made = benchmark_ai_images(
            sources,
            settings,
            on_progress=progress,
            on_kept=lambda scores: None if quiet or not scores else say(_kept(scores, results)),
        )
    if json:
        for line in () if quiet else warnings(made):
            say(f"hivescan: warning: {line}")
    if output is not None:
        blocks = benchmark_blocks(made)
        if json:
            import json as library

            text = library.dumps(benchmark_json(made), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
        else:
            text = as_markdown(blocks) if markdown else plain_text(blocks)
        write_private(output, text)
    elif json:
        emit_json(benchmark_json(made))
    elif markdown:
        emit(as_markdown(benchmark_blocks(made)).rstrip())
    else:
        emit_blocks(benchmark_blocks(made))


def _check_writable(output: Path) -> None:
    """Raises :class:`UsageError` where the file could not be written when all is scored."""
    if output.is_dir():
        raise UsageError(f"cannot write {output}: it is a folder")
    if output.exists() and not output.is_file():
        return
    try:
        with tempfile.TemporaryFile(dir=output.parent):
            pass
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror or error}") from None


def _kept(scores: int, results: Path) -> str:
    return f"hivescan: {count(scores, 'score')} found in {results}; only what is not there is scored"


def _named(given: list[str] | None, option: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for text in given or ():
        name, equals, folder = text.partition("=")
        if not equals or not name or not folder:
            raise UsageError(f"{option} {text}: give NAME=FOLDER")
        if name in found:
            raise UsageError(f"{option} {text}: the name {name!r} was given already")
        found[name] = Path(folder).expanduser()
    return found


def _perturbations(text: str) -> tuple[str, ...] | None:
    if text == "all":
        return None
    return () if text == "none" else tuple(name.strip() for name in text.split(",") if name.strip())


def _verdicts(threshold: float | None, undecided_from: float | None) -> Verdicts:
    from hivescan.benchmark.ai_images import Verdicts

    if threshold is None:
        if undecided_from is not None:
            raise UsageError("--undecided-from needs --threshold: nothing is said between the two")
        return Verdicts()
    if undecided_from is not None and undecided_from > threshold:
        raise UsageError(f"--undecided-from {undecided_from:g}: is above --threshold {threshold:g}")
    return Verdicts(threshold, threshold if undecided_from is None else undecided_from, own=False)
