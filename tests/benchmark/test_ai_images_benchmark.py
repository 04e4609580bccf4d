"""What a benchmark says of a detector of which all is known."""

from __future__ import annotations

import shutil
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hivescan.benchmark import ai_images, masks, perturbations, standard
from hivescan.benchmark.ai_images import (
    Benchmark,
    Form,
    Kind,
    Settings,
    Verdicts,
    benchmark_ai_images,
    find_sources,
)
from hivescan.benchmark.detectors import Detector, Said, Speaker
from hivescan.benchmark.figures import SourceFigures
from hivescan.benchmark.layout import benchmark_blocks, warnings
from hivescan.errors import RunInterruptedError, SourceError, UnreadableError, UsageError
from hivescan.report.plaintext import plain_text
from tests.benchmark.conftest import plain

SMALL = Settings(analyzers=("brightness",), perturbations=(), form=Form(side=64), draws=20)


def test_rates_are_told_by_source(sources: Path, brightness: str) -> None:
    made = benchmark_ai_images(find_sources([sources]), SMALL)
    figures = made.of(brightness)
    assert (figures.real, figures.ai) == (8, 8)
    assert figures.accuracy.value == 12 / 16
    assert figures.false_positive_rate.value == 2 / 8
    assert figures.false_negative_rate.value == 2 / 8
    assert figures.success_rate.value == 6 / 8
    assert figures.undecided.value == 0
    assert (figures.worst_real, figures.worst_real_rate.value) == ("sunny", 0.5)
    by_name = {s.source: s for s in figures.sources}
    assert by_name["dim"].false_positive_rate.value == 0
    assert by_name["dim"].success_rate.value is None
    assert by_name["murk"].success_rate.value == 0.5
    assert by_name["glow"].auc.value == 1
    # Of 8 real pictures, 100 beats 6, 70 beats 3 (20, 40, 60), 160 beats 7 and 180 all.
    assert by_name["murk"].auc.value == pytest.approx((3 + 5 + 7 + 8) / 32)
    assert figures.mean_auc.value == pytest.approx((1 + 23 / 32) / 2)
    assert figures.mean_auc.low is not None
    assert figures.mean_auc.low < figures.mean_auc.value


def test_intervals_of_rates_are_those_of_clopper_and_pearson(sources: Path, brightness: str) -> None:
    made = benchmark_ai_images(find_sources([sources]), SMALL)
    (dim,) = (s for s in made.of(brightness).sources if s.source == "dim")
    assert dim.false_positive_rate.low == 0
    assert dim.false_positive_rate.high == pytest.approx(1 - 0.025 ** (1 / 4))


def test_recall_at_one_false_positive_in_a_hundred_needs_a_hundred_real_pictures(
    sources: Path, brightness: str, tmp_path: Path
) -> None:
    few = benchmark_ai_images(find_sources([sources]), SMALL)
    assert few.of(brightness).recall_at_1.value is None
    more = plain(tmp_path / "more", [100] * 91 + [185], (64, 64))
    named = {Kind.REAL: {"more": more}}
    many = benchmark_ai_images(find_sources([sources], named), replace(SMALL, draws=0))
    figures = many.of(brightness)
    # One of 100 real pictures may be above: 185 is, so 180 of the generators counts and 160 does not.
    assert figures.real == 100
    assert figures.recall_at_1.value == 5 / 8


def test_undecided_is_neither_right_nor_wrong(sources: Path, brightness: str) -> None:
    settings = replace(SMALL, verdicts=Verdicts(0.97, 0.5, own=False))
    figures = benchmark_ai_images(find_sources([sources]), settings).of(brightness)
    # σ(20 (x/255 − ½)) is 0.97 at 172: between are 150 and 170 of the real ones, and 160 of a generator.
    assert figures.false_positive_rate.value == 0
    assert figures.undecided.value == 3 / 16
    assert figures.success_rate.value == 5 / 8
    assert figures.false_negative_rate.value == 2 / 8
    assert figures.accuracy.value == 11 / 16
    unsure = replace(SMALL, verdicts=Verdicts(1.0, 0.0, own=False))
    page = plain_text(benchmark_blocks(benchmark_ai_images(find_sources([sources]), unsure)))
    assert "brightness leaves 100.0 % of the pictures undecided: its error rates speak of the rest" in page


def test_a_detector_that_answers_itself_is_taken_at_its_word(
    sources: Path, brightness: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Detector.look

    def answering(detector: Detector, picture: Path) -> dict[Speaker, Said]:
        found = look(detector, picture)
        answers = [(0.99, "ai_generated"), (0.4, "undecided"), (0, "not_ai_generated")]
        return {
            speaker: replace(said, answer=next(a for least, a in answers if (said.score or 0) >= least))
            for speaker, said in found.items()
        }

    monkeypatch.setattr(Detector, "look", answering)
    settings = SMALL
    figures = benchmark_ai_images(find_sources([sources]), settings).of(brightness)
    # σ is 0.99 at 186 and 0.4 at 122: 200 to 230 are called AI, 150 to 180 nothing.
    assert (figures.false_positive_rate.value, figures.success_rate.value) == (0, 0.5)
    assert figures.undecided.value == 4 / 16
    asked = replace(settings, verdicts=Verdicts(own=False))
    assert benchmark_ai_images(find_sources([sources]), asked).of(brightness).success_rate.value == 0.75


def test_marked_regions_are_compared_with_masks(
    sources: Path, brightness: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Detector.look
    left = (0.0, 0.0, 0.5, 0.0, 0.5, 1.0, 0.0, 1.0)

    def marking(detector: Detector, picture: Path) -> dict[Speaker, Said]:
        return {s: replace(said, regions=(left,)) for s, said in look(detector, picture).items()}

    monkeypatch.setattr(Detector, "look", marking)
    # Cut to the middle 64 × 64 of 90 × 80, the upper half of it is generated.
    mask = np.zeros((80, 90), np.uint8)
    mask[:40] = 255
    settings = replace(SMALL, form=Form(side=64, fit="cut"), results=tmp_path / "kept")

    def patch_with(mask: bytes | None) -> tuple[Benchmark, SourceFigures]:
        if mask is not None:
            (sources / "hybrid" / "patch" / "000.mask.png").write_bytes(mask)
        made = benchmark_ai_images(find_sources([sources]), settings)
        return made, next(s for s in made.of(brightness).sources if s.kind is Kind.HYBRID)

    _, without = patch_with(None)
    assert (without.n, without.masks) == (2, 0)
    for _again in range(2):  # the second time from what was kept
        made, broken = patch_with(b"no picture")
        assert (broken.n, broken.masks) == (2, 0)
        assert made.left_out == {}
        (told,) = warnings(made)
        assert told.startswith("source patch: 1 mask not compared: ")
    stream = BytesIO()
    Image.fromarray(mask).save(stream, "PNG")
    made, patch = patch_with(stream.getvalue())
    assert warnings(made) == []
    assert (patch.n, patch.masks) == (2, 1)
    assert patch.region_precision == pytest.approx(0.5, abs=0.02)
    assert patch.region_recall == pytest.approx(0.5, abs=0.02)


def test_shares_are_of_the_whole_picture() -> None:
    mask = np.zeros((100, 200), np.bool_)
    mask[:, :100] = True
    quarter = (0.25, 0.0, 0.75, 0.0, 0.75, 0.5, 0.25, 0.5)
    assert masks.shares(mask, [quarter]) == pytest.approx((0.25, 0.5, 0.125), abs=0.01)
    assert masks.shares(mask, []) == (0, 0.5, 0)


def test_hybrids_are_a_row_of_their_own(sources: Path, brightness: str) -> None:
    made = benchmark_ai_images(find_sources([sources]), SMALL)
    figures = made.of(brightness)
    (patch,) = (s for s in figures.sources if s.kind is Kind.HYBRID)
    assert (patch.n, patch.success_rate.value) == (2, 1.0)
    assert figures.ai == 8


def test_perturbations_are_compared_with_the_same_pictures(sources: Path, brightness: str) -> None:
    made = benchmark_ai_images(
        find_sources([sources]), replace(SMALL, perturbations=("jpeg-50", "noise-12"), limit_perturbed=2)
    )
    perturbed = {m.perturbation: m for m in made.measured}
    assert perturbed["none"].figures.real == 8
    for name in ("jpeg-50", "noise-12"):
        assert (perturbed[name].figures.real, perturbed[name].before.real) == (4, 4)
    assert perturbed["jpeg-50"].figures.mean_auc.value == perturbed["jpeg-50"].before.mean_auc.value


def test_a_second_run_scores_only_what_is_new(
    sources: Path, brightness: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SMALL, perturbations=("jpeg-50",), results=tmp_path / "kept")
    first = benchmark_ai_images(find_sources([sources]), settings)
    read = []
    monkeypatch.setattr(ai_images, "read_whole", lambda path: read.append(path) or standard.read_whole(path))
    again = benchmark_ai_images(find_sources([sources]), settings)
    assert read == []
    assert again.measured == first.measured
    plain(sources / "ai" / "late", [250])
    kept: list[int] = []
    progress: list[tuple[int, int]] = []
    benchmark_ai_images(
        find_sources([sources]),
        settings,
        on_progress=lambda *counts: progress.append(counts),
        on_kept=kept.append,
    )
    assert (kept, progress) == ([2 * 18], [(2, 2)])
    assert [path.parent.name for path in read] == ["late"]
    assert {path.suffix for path in (tmp_path / "kept").iterdir()} == {".parquet"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "kept").iterdir())


def test_a_detector_that_fails_is_asked_again(
    sources: Path, brightness: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SMALL, results=tmp_path / "kept")

    def failing(detector: Detector, picture: Path) -> dict[Speaker, Said]:
        raise UnreadableError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Detector, "look", failing)
        made = benchmark_ai_images(find_sources([sources]), settings)
    assert made.left_out["dim"] == {"the disk is full": 4}
    assert warnings(made)[-1] == "no picture got a score: the disk is full"
    assert benchmark_ai_images(find_sources([sources]), settings).of(brightness).real == 8


def test_what_was_scored_before_an_interruption_is_kept(
    sources: Path, brightness: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SMALL, results=tmp_path / "kept")
    read = []

    def third_time_unlucky(path: Path) -> object:
        read.append(path)
        if len(read) == 3:
            raise KeyboardInterrupt
        return standard.read_whole(path)

    monkeypatch.setattr(ai_images, "read_whole", third_time_unlucky)
    with pytest.raises(RunInterruptedError, match="what was scored is kept"):
        benchmark_ai_images(find_sources([sources]), settings)
    monkeypatch.setattr(ai_images, "read_whole", lambda path: read.append(path) or standard.read_whole(path))
    benchmark_ai_images(find_sources([sources]), settings)
    assert len(read) == 3 + 16


def test_what_cannot_be_scored_is_counted(sources: Path, brightness: str) -> None:
    plain(sources / "ai" / "tiny", [200, 210], (40, 90))
    (sources / "real" / "dim" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 40)
    made = benchmark_ai_images(find_sources([sources]), SMALL)
    assert made.left_out["tiny"] == {"smaller than 64 pixels": 2}
    assert sum(made.left_out["dim"].values()) == 1
    assert made.of(brightness).real == 8
    assert made.of(brightness).ai == 8


def test_what_tells_the_files_apart_is_said(sources: Path, brightness: str) -> None:
    made = benchmark_ai_images(find_sources([sources]), SMALL)
    assert {d.trait for d in made.differences}.isdisjoint({"number of pixels", "being a JPEG"})
    for path in list((sources / "ai").rglob("*.png")):
        with Image.open(path) as picture:
            picture.resize((200, 200)).save(path.with_suffix(".jpg"), quality=77)
        path.unlink()
    made = benchmark_ai_images(find_sources([sources]), SMALL)
    assert {"number of pixels", "being a JPEG"} <= {d.trait for d in made.differences}
    (told,) = warnings(made)
    assert all(f"{d.trait} (AUC {d.auc:.2f})" in told for d in made.differences)
    glow = next(s for s in made.sources if s.source == "glow")
    assert (glow.formats, glow.short_side, glow.quality) == ((("jpeg", 4),), 200, 77)


def test_all_pictures_take_one_form(tmp_path: Path) -> None:
    wide, tall = np.full((300, 500, 3), 99, np.uint8), np.full((700, 310, 3), 99, np.uint8)
    for fit in ("reduce", "cut"):
        form = Form(side=200, fit=fit)
        assert {standard.standardised(p, form).shape for p in (wide, tall)} == {(200, 200, 3)}
    data = standard.jpeg_bytes(wide, 90)
    with Image.open(standard.BytesIO(data)) as image:
        assert not image.getexif()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_perturbations_do_what_they_say_and_the_same_each_time(photos: Path) -> None:
    picture = standard.standardised(standard.read_whole(photos / "astronaut.png"), Form(side=160))
    for perturbation in perturbations.ALL.values():
        if perturbation.attack:
            continue
        made = [
            perturbation.make(picture, perturbations.random_for("ab" * 32, perturbation.name)) for _ in "12"
        ]
        assert np.array_equal(*made)
        assert (made[0].dtype, made[0].shape[2]) == (np.uint8, 3)
        same = made[0].shape == picture.shape and np.array_equal(made[0], picture)
        assert same == (perturbation.name == "none")
    halved = perturbations.ALL["resize-50"].make(picture, np.random.default_rng(0))
    assert halved.shape == (80, 80, 3)


@pytest.mark.parametrize(
    ("remove", "add", "error", "words"),
    [
        ("ai", None, UsageError, "no source of kind ai"),
        ("real", None, UsageError, "no source of kind real"),
        (None, "ai/empty", SourceError, "source empty: .* holds no picture"),
        (None, "ai/dim", UsageError, "two sources are called 'dim'"),
    ],
)
def test_sources_that_measure_nothing_are_refused(
    sources: Path, remove: str | None, add: str | None, error: type[Exception], words: str
) -> None:
    if remove:
        shutil.rmtree(sources / remove)
    if add:
        (sources / add).mkdir()
    with pytest.raises(error, match=words):
        find_sources([sources])


def test_a_picture_that_is_real_and_ai_at_once_is_refused(sources: Path) -> None:
    shutil.copy(sources / "real" / "dim" / "000.png", sources / "ai" / "glow" / "999.png")
    with pytest.raises(UsageError, match="hold the same picture"):
        find_sources([sources])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"analyzers": ("nobody",)}, "there is no analyzer 'nobody'; with the head ai_generated there are"),
        ({"analyzers": ("nsfw",)}, "analyzer nsfw cannot be measured: it has no head ai_generated"),
        ({"perturbations": ("sepia",)}, "there is no perturbation 'sepia'"),
    ],
)
def test_unknown_names_are_one_line(
    sources: Path, brightness: str, settings: dict[str, tuple[str, ...]], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        benchmark_ai_images(find_sources([sources]), replace(SMALL, **settings))
