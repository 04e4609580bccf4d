"""Detectors of AI-made pictures on sources that ours were not trained on: the tables of docs/quality.md.

    python scripts/bench/ai_images.py WORK --packages PACKAGES --write

Gathers the sources into WORK/sources (links, no copies): real ones from the team's data, scikit-image and
Debian's packages (fetched with ``apt-get download`` into PACKAGES where they are not yet), AI-made ones from
the team's data. Makes hybrids: photographs with an ellipse of a Stable Diffusion 3 portrait, or with one that
went through an autoencoder (TAEF2), each with its mask. Then runs ``benchmark ai-images`` three times: on the
pixels as they are, on reduced pictures, and perturbed, and prints Markdown; --write puts it between the marks
in docs/quality.md. Scores are kept in WORK/results: only what is new is scored again.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts" / "bench"), str(ROOT / "scripts" / "train")]

from drawn_pictures import chance_of, unpacked  # noqa: E402
from face_forgeries import Taef2  # noqa: E402

import hivescan  # noqa: E402
from hivescan.benchmark.ai_images import (  # noqa: E402
    Benchmark,
    Form,
    Settings,
    benchmark_ai_images,
    find_sources,
)
from hivescan.benchmark.detectors import able  # noqa: E402
from hivescan.benchmark.layout import (  # noqa: E402
    by_source_blocks,
    detector_blocks,
    perturbed_blocks,
    source_blocks,
    verdicts_text,
)
from hivescan.benchmark.sources import MASK_SUFFIX, Source  # noqa: E402
from hivescan.cli.progress import CountProgress  # noqa: E402
from hivescan.report.blocks import Block, Heading, Table  # noqa: E402
from hivescan.report.markdown import markdown  # noqa: E402

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".heic"}
BASELINE = "clip_probe"
AS_THEY_ARE = Form(side=384, fit="cut")
REDUCED = Form(side=320, fit="reduce")
MARKS = ("<!-- ai-images: begin -->", "<!-- ai-images: end -->")
MOST = 100
HYBRIDS = 30
GRAPHS = {
    "2_pass_txt2img__hiresfix_latent_workflow.png",
    "3d__stable_zero123_example.png",
    "area_composition__workflow_night_evening_day_morning.png",
    "gligen__gligen_textbox_example.png",
}
"""Screenshots of the program with its graph: no generator painted what they show."""
LIBRARIES = ("onnxruntime", "torch", "pillow")


def pictures(folder: Path, most: int, pattern: str = "**/*") -> list[Path]:
    """Some of a folder, always the same ones."""
    found = [p for p in folder.glob(pattern) if p.suffix.lower() in PICTURES and p.is_file()]
    return sorted(found, key=lambda p: chance_of(p.relative_to(folder).as_posix()).random())[:most]


def wallpapers(folder: Path) -> list[Path]:
    """Of each wallpaper, which lies there at many sizes, one of the middle."""
    kept = []
    for images in sorted(folder.glob("usr/share/wallpapers/*/contents/images")):
        sized = []
        for path in images.iterdir():
            if path.suffix.lower() in PICTURES:
                with Image.open(path) as image:
                    sized.append((image.width * image.height, path))
        kept += [path for _, path in sorted(sized)[len(sized) // 2 :][:1]]
    return kept


def linked(target: Path, files: list[Path]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(files):
        link = target / f"{number:04}{path.suffix.lower()}"
        if not link.exists():
            link.symlink_to(path.resolve())


def gather(work: Path, data: Path, packages: Path, taef2: Path) -> Path:
    """Returns the folder with real/, ai/ and hybrid/."""
    import skimage

    sources = work / "sources"
    if (sources / "whole").exists():
        return sources
    wesnoth = unpacked("wesnoth-1.16-data", packages) / "usr/share/games/wesnoth/1.16/data"
    stars = unpacked("stellarium-data", packages) / "usr/share/stellarium/nebulae/default"
    cameras = [*pictures(data / "photos_exif", 50), *pictures(data / "c2pa/jpeg", 50)]
    for name, files in {
        "real/objects": pictures(data / "objects", MOST),
        "real/cameras": cameras,
        "real/scikit-image": pictures(Path(skimage.__file__).parent / "data", 50, "*"),
        "real/wallpapers": wallpapers(unpacked("plasma-workspace-wallpapers", packages)),
        "real/painted portraits": pictures(wesnoth, 60, "**/portraits/**/*"),
        "real/nebulae": pictures(stars, 40),
        "ai/stable diffusion 3": pictures(data / "ai_images/portraits_sd3", MOST),
        "ai/comfyui": [p for p in pictures(data / "ai_images/comfyui", 50) if p.name not in GRAPHS],
    }.items():
        linked(sources / name, files)
    photos = pictures(data / "objects", 2 * HYBRIDS)
    hybrids(sources / "hybrid", photos, pictures(data / "ai_images/portraits_sd3", HYBRIDS), Taef2(taef2))
    (sources / "whole").touch()
    return sources


def hybrids(target: Path, photos: list[Path], portraits: list[Path], network: Taef2) -> None:
    for number, path in enumerate(photos):
        name = ("pasted portrait", "region through TAEF2")[number % 2]
        folder = target / name
        folder.mkdir(parents=True, exist_ok=True)
        # The same cut that the benchmark makes, so that the region is in what detectors see.
        photo, side = cut(path), AS_THEY_ARE.side
        mask = ellipse(side, chance_of(f"{name} {number}").random)
        made = np.asarray(network(photo)) if number % 2 else cut(portraits[number // 2])
        weight = np.asarray(mask.filter(ImageFilter.GaussianBlur(3)), np.float32)[..., np.newaxis] / 255
        mixed = np.rint(photo * (1 - weight) + made * weight).astype(np.uint8)
        Image.fromarray(mixed).save(folder / f"{number:03}.png")
        mask.save(folder / f"{number:03}{MASK_SUFFIX}")


def cut(path: Path) -> np.ndarray:
    side = AS_THEY_ARE.side
    with Image.open(path) as image:
        left, top = (image.width - side) // 2, (image.height - side) // 2
        return np.asarray(image.convert("RGB").crop((left, top, left + side, top + side)))


def ellipse(side: int, random: object) -> Image.Image:
    """A mask of about a fifth to a third of the picture."""
    draw = [random() for _ in range(4)]  # type: ignore[operator]
    width, height = (side * (0.5 + 0.15 * d) for d in draw[:2])
    left, top = (d * (side - length) for d, length in zip(draw[2:], (width, height), strict=True))
    mask = Image.new("L", (side, side))
    ImageDraw.Draw(mask).ellipse((left, top, left + width, top + height), fill=255)
    return mask


def plain(blocks: Iterator[Block]) -> str:
    """Tables without their headings; all names in them are ours, so that nothing must be escaped."""
    return markdown([block for block in blocks if not isinstance(block, Heading)]).replace("\\", "")


ASKED_AUC, ASKED_RATE = 0.85, 0.05


def verdicts(made: Benchmark) -> Iterator[str]:
    """Beside what was asked for."""
    yield f"Asked for: mean AUC {ASKED_AUC}, no real source above {ASKED_RATE:.0%} false positives.\n"
    for name in made.detectors:
        figures = made.of(name)
        told = (figures.mean_auc, figures.worst_real_rate, figures.success_rate)
        area, rate, found = (estimate.value or 0.0 for estimate in told)
        reached = {
            (True, True): "**reaches both**",
            (True, False): "reaches the first alone",
            (False, True): "reaches the second alone",
            (False, False): "**reaches neither**",
        }[area >= ASKED_AUC, rate <= ASKED_RATE]
        yield (
            f"- `{name}` {reached}: {area:.3f}, and {rate:.1%} ({figures.worst_real}); it calls {found:.1%}"
            " of the AI pictures AI."
        )
    yield ""


def page(native: Benchmark, reduced: Benchmark, perturbed: Benchmark | None) -> str:
    tables = [block for block in detector_blocks(reduced) if isinstance(block, Table)]
    libraries = ", ".join(f"{name} {version(name).partition('+')[0]}" for name in LIBRARIES)
    return "\n".join(
        [
            f"Pixels as they are ({native.settings.form.text}); called AI"
            f" {verdicts_text(native.settings.verdicts)}. The sources:\n",
            plain(source_blocks(native)),
            "All pictures, 95 % intervals:\n",
            plain(detector_blocks(native)),
            *verdicts(native),
            "By source:\n",
            plain(by_source_blocks(native)),
            f"The same after another form ({reduced.settings.form.text}, at most 40 of a source):\n",
            plain(iter(tables)),
            *([] if perturbed is None else after(perturbed)),
            "`python scripts/bench/ai_images.py WORK --packages PACKAGES`: hivescan"
            f" {hivescan.__version__}, Python {platform.python_version()}, {libraries}, {processor()}.\n",
        ]
    )


def after(perturbed: Benchmark) -> Iterator[str]:
    settings = perturbed.settings
    most, attacked = settings.limit_perturbed, settings.limit_attacks
    yield f"Perturbed, at most {most} of each source (by the attacks {attacked});"
    yield "before: the same pictures as they are.\n"
    yield plain(perturbed_blocks(perturbed))


def processor() -> str:
    cpu = Path("/proc/cpuinfo")
    names = [line.partition(":")[2] for line in cpu.read_text().splitlines() if line.startswith("model name")]
    return " ".join(names[0].split()[:2]) if names else platform.machine()


def measured(sources: tuple[Source, ...], settings: Settings) -> Benchmark:
    with CountProgress("pictures", quiet=False) as progress:
        return benchmark_ai_images(sources, settings, on_progress=progress)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--packages", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--taef2", type=Path, default=ROOT.parent / "shared" / "weights" / "taef2")
    parser.add_argument("--analyzer", action="append", help="only this one; repeatable")
    parser.add_argument(
        "--perturbed", type=int, default=12, help="pictures of a source that are perturbed; 0: none"
    )
    parser.add_argument(
        "--attacked", type=int, default=8, help="of these, pictures attacked through a network"
    )
    parser.add_argument("--write", action="store_true", help="into docs/quality.md, between the marks")
    options = parser.parse_args()
    sources = find_sources([gather(options.work, options.data, options.packages, options.taef2)])
    chosen = tuple(options.analyzer or able())
    ours = tuple(name for name in chosen if name != BASELINE) or chosen
    settings = Settings(
        analyzers=chosen, perturbations=(), form=AS_THEY_ARE, results=options.work / "results"
    )
    started = time.process_time()

    native = measured(sources, settings)
    reduced = measured(sources, replace(settings, analyzers=ours, form=REDUCED, limit=40))
    perturbed = None
    if options.perturbed:
        few = replace(settings, limit=options.perturbed, limit_perturbed=options.perturbed)
        few = replace(few, limit_attacks=min(options.attacked, options.perturbed))
        perturbed = measured(sources, replace(few, analyzers=ours, perturbations=None))
    print(f"{time.process_time() - started:.0f} CPU seconds", file=sys.stderr)
    text = page(native, reduced, perturbed)
    if not options.write:
        print(text)
        return
    target = ROOT / "docs" / "quality.md"
    document = target.read_text(encoding="utf-8")
    before, rest = document.split(MARKS[0])
    target.write_text(f"{before}{MARKS[0]}\n{text}{MARKS[1]}{rest.split(MARKS[1])[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
