"""The plan: what a content should have, less what the ledger holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hivescan.analyzers.base import AnalyzerSpec
from hivescan.scan.plan import PROBE_FINGERPRINT, Planner
from hivescan.store.lookup import KnownAttempt
from hivescan.types import Level, MediaType, Sampling, Status, View

STILLS = frozenset({MediaType.IMAGE, MediaType.VIDEO})
SPECS = {
    "hashes": AnalyzerSpec("hashes", STILLS, "decoder", 1),
    "nsfw": AnalyzerSpec("nsfw", STILLS, "host", 1, weights=("a" * 64,)),
}


def attempt(fingerprint: str, status: Status) -> KnownAttempt:
    return KnownAttempt("any", fingerprint, status, None, False, 1, "r1")


def ledger(wanted: dict[str, str], **changed: Status) -> dict[str, list[KnownAttempt]]:
    return {
        chain: [attempt(fingerprint, changed.get(chain, Status.DONE))]
        for chain, fingerprint in wanted.items()
    }


def test_a_new_picture_needs_every_analyzer_and_the_probe() -> None:
    wanted = Planner(SPECS, Sampling()).wanted(MediaType.IMAGE, timed=False)
    assert set(wanted) == {"probe", "hashes", "nsfw"}
    assert wanted["probe"] == PROBE_FINGERPRINT


@pytest.mark.parametrize("media_type", [MediaType.AUDIO, MediaType.TEXT, MediaType.ARCHIVE])
def test_what_no_analyzer_consumes_needs_the_probe_alone(media_type: MediaType) -> None:
    assert set(Planner(SPECS, Sampling()).wanted(media_type, timed=False)) == {"probe"}


def test_a_settled_content_needs_nothing() -> None:
    planner = Planner(SPECS, Sampling())
    wanted = planner.wanted(MediaType.IMAGE, timed=False)
    assert planner.missing(wanted, ledger(wanted)) == {}


def test_a_new_analyzer_adds_only_its_own_rows() -> None:
    before = Planner({"hashes": SPECS["hashes"]}, Sampling()).wanted(MediaType.IMAGE, timed=False)
    planner = Planner(SPECS, Sampling())
    wanted = planner.wanted(MediaType.IMAGE, timed=False)
    assert set(planner.missing(wanted, ledger(before))) == {"nsfw"}


def test_another_frame_rate_asks_again_for_videos_and_not_for_stills() -> None:
    slow, fast = Planner(SPECS, Sampling(fps=1)), Planner(SPECS, Sampling(fps=5))
    for timed in (True, False):
        done = ledger(slow.wanted(MediaType.VIDEO, timed=timed))
        missing = fast.missing(fast.wanted(MediaType.VIDEO, timed=timed), done)
        assert set(missing) == ({"hashes", "nsfw"} if timed else set())


def test_another_decoder_asks_for_nothing() -> None:
    auto, forced = Planner(SPECS, Sampling()), Planner(SPECS, Sampling(decoder="pyav"))
    assert auto.wanted(MediaType.VIDEO, timed=True) == forced.wanted(MediaType.VIDEO, timed=True)


@pytest.mark.parametrize("status", [Status.FAILED, Status.PARTIAL])
def test_what_failed_is_asked_again_only_on_demand(status: Status) -> None:
    planner = Planner(SPECS, Sampling())
    wanted = planner.wanted(MediaType.IMAGE, timed=False)
    done = ledger(wanted, nsfw=status)
    assert planner.missing(wanted, done) == {}
    assert set(Planner(SPECS, Sampling(), retry_errors=True).missing(wanted, done)) == {"nsfw"}


def test_a_content_that_could_not_be_identified_waits_for_a_retry() -> None:
    planner = Planner(SPECS, Sampling())
    wanted = planner.wanted(MediaType.IMAGE, timed=False)
    failed = {chain: [attempt(fingerprint, Status.FAILED)] for chain, fingerprint in wanted.items()}
    assert planner.missing(wanted, failed) == {}
    assert set(Planner(SPECS, Sampling(), retry_errors=True).missing(wanted, failed)) == set(wanted)


def test_rescan_asks_for_everything() -> None:
    planner = Planner(SPECS, Sampling(), rescan=True)
    wanted = planner.wanted(MediaType.IMAGE, timed=False)
    assert planner.missing(wanted, ledger(wanted)) == wanted


def test_a_fingerprint_changes_with_what_changes_rows_and_with_nothing_else() -> None:
    spec = SPECS["nsfw"]
    same = AnalyzerSpec("nsfw", frozenset({MediaType.IMAGE}), "decoder", 1, weights=("a" * 64,))
    assert spec.fingerprint(None) == same.fingerprint(None)
    for other in (
        AnalyzerSpec("nsfw", STILLS, "host", 2, weights=("a" * 64,)),
        AnalyzerSpec("nsfw", STILLS, "host", 1, weights=("b" * 64,)),
        AnalyzerSpec("nsfw", STILLS, "host", 1, weights=("a" * 64,), settings=(("cut", "0.3"),)),
    ):
        assert spec.fingerprint(None) != other.fingerprint(None)


FOUND = SPECS | {
    "faces": AnalyzerSpec(
        "faces", STILLS, "host", 1, views={"big": View(640, 640, "contain", 640)}, derives=Level.FACE
    ),
    "faces>ages": AnalyzerSpec(
        "ages", STILLS, "host", 1, views={"face": View(224, 224, "stretch", 224)},
        level=Level.FACE, upstream="faces",
    ),
}  # fmt: skip


def test_what_looks_at_finds_changes_with_its_finder_and_with_the_frames() -> None:
    planner = Planner(FOUND, Sampling())
    wanted = planner.wanted(MediaType.VIDEO, timed=True)
    newer = FOUND | {"faces": replace(FOUND["faces"], revision=2)}
    again = Planner(newer, Sampling()).missing(
        Planner(newer, Sampling()).wanted(MediaType.VIDEO, timed=True), ledger(wanted)
    )
    assert set(again) == {"faces", "faces>ages"}
    other = Planner(FOUND, Sampling(fps=5))
    missing = other.missing(other.wanted(MediaType.VIDEO, timed=True), ledger(wanted))
    assert "faces>ages" in missing


def test_what_looks_at_finds_needs_its_finders_views_and_no_others() -> None:
    planner = Planner(FOUND, Sampling())
    (stream,) = planner.streams(["faces>ages"])
    assert stream.level is Level.FRAME and stream.layout is not None
    assert stream.layout.views == (View(640, 640, "contain", 640),)
    assert planner.hosted(["faces>ages", "hashes"], Level.FRAME) == ("faces>ages",)
    assert planner.resting_on("faces") == ("faces", "faces>ages")
