"""What a report says of a store whose rows are known."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest

from hivescan.errors import QueryError, UsageError
from hivescan.queries.aggregate import Mean, parse_aggregate
from hivescan.queries.spans import Span
from hivescan.report import Report, ReportOptions, report
from hivescan.report.model import AlgorithmMatch, Finding
from hivescan.store.store import Store
from tests.made_stores import START, MadeStore, Scores


def declared(path: Path, **columns: object) -> MadeStore:
    m = MadeStore(path, **columns)  # type: ignore[arg-type]
    m.head("opennsfw/nsfw", harmful=["nsfw"], benign=["sfw"], chain="nsfw")
    m.head("nsfwjs/nsfw", harmful=["porn", "sexy"], benign=["neutral"], chain="nsfw", validated=False)
    m.head("lite/gun", harmful=["gun"], benign=["no_gun"], chain="objects")
    m.head("lite/scene", descriptive=["beach", "street"], chain="objects")
    return m


def nsfw(first: float, porn: float | None = None, sexy: float = 0.0) -> dict[str, dict[str, float]]:
    scores = {"opennsfw/nsfw": {"nsfw": first, "sfw": 1 - first}}
    if porn is not None:
        scores["nsfwjs/nsfw"] = {"porn": porn, "sexy": sexy, "neutral": 1 - porn - sexy}
    return scores


def gun(score: float) -> Scores:
    return {"lite/gun": {"gun": score, "no_gun": 1 - score}}


def findings(made: Report, head: str, polarity: str = "harmful") -> tuple[Finding, ...]:
    sections = [s for s in made.heads if (s.head, s.polarity) == (head, polarity)]
    return sections[0].findings if sections else ()


def test_harmful_classes_of_a_sample_add_up(tmp_path: Path) -> None:
    m = declared(tmp_path / "s")
    m.file("/sum.jpg", [nsfw(0.2, porn=0.5, sexy=0.45)])
    m.file("/not.jpg", [nsfw(0.2, porn=0.5, sexy=0.35)])
    made = report(m.done())
    (found,) = findings(made, "nsfw")
    assert (found.uri, found.score, found.label) == ("/sum.jpg", 0.95, "porn")
    assert made.flagged_files == 1


def test_of_things_found_in_a_sample_the_highest_speaks_for_it(tmp_path: Path) -> None:
    """Two faces add nothing up, and a frame with a crowd is one frame."""
    m = declared(tmp_path / "s")
    m.head("net/age", harmful=["child", "teen"], benign=["adult"], chain="faces>ages")
    clip = m.file("/clip.mp4", [nsfw(0.1)] * 4, media_type="video", step_ms=1000, chains=["faces>ages"])
    crowd = [{"child": 0.3, "teen": 0.25, "adult": 0.45}] * 5 + [{"child": 0.5, "teen": 0.3, "adult": 0.2}]
    m.finds(clip, "net/age", 1, crowd, 1000)
    m.finds(clip, "net/age", 2, [{"child": 0.1, "teen": 0.1, "adult": 0.8}], 1000)
    store = m.done()
    for rule, score in (("max", 0.8), ("mean", 0.5), ("count:2", 0.2), ("consecutive:1s", 0.8)):
        options = ReportOptions(threshold=0.15, aggregate=parse_aggregate(rule))
        (found,) = findings(report(store, options), "age")
        assert (found.uri, found.score, found.label) == ("/clip.mp4", score, "child")
    (found,) = findings(report(store, ReportOptions(threshold=0.5)), "age")
    assert found.spans == (Span(1000, 2000, 1, 1),)


def test_they_add_up_within_a_sample_and_not_across_samples(tmp_path: Path) -> None:
    m = declared(tmp_path / "s")
    samples = [nsfw(0, porn=0.6), nsfw(0, porn=0.0, sexy=0.6)]
    m.file("/clip.mp4", samples, media_type="video", step_ms=1000)
    assert report(m.done()).heads == ()


def test_models_that_disagree_are_both_shown(tmp_path: Path) -> None:
    m = declared(tmp_path / "s")
    m.file("/a.jpg", [nsfw(0.15, porn=0.95)])
    m.file("/b.jpg", [nsfw(0.92)])
    made = report(m.done())
    a, b = findings(made, "nsfw")
    assert [(s.model, s.score) for s in a.models] == [("nsfwjs", 0.95), ("opennsfw", 0.15)]
    assert a.disagreement == pytest.approx(0.8)
    assert b.disagreement is None, "one model alone cannot disagree"
    assert not made.heads[0].validated


def test_a_stored_score_reaches_its_own_threshold(tmp_path: Path) -> None:
    m = declared(tmp_path / "s")
    m.file("/a.jpg", [gun(0.9)])
    m.file("/b.jpg", [gun(0.8999)])
    assert [f.uri for f in findings(report(m.done()), "gun")] == ["/a.jpg"]


def test_the_spans_of_a_video_are_where_it_reaches_the_threshold(tmp_path: Path) -> None:
    m = declared(tmp_path / "s")
    scores = [0.1] * 5 + [0.95] * 4 + [0.1, 0.9, 0.1]
    m.file("/clip.mp4", [gun(s) for s in scores], media_type="video", step_ms=1000)
    m.file("/still.jpg", [gun(0.97)])
    m.file("/pages.tiff", [gun(0.1), gun(0.91), gun(0.92)])
    still, clip, pages = findings(report(m.done()), "gun")
    assert clip.spans == (Span(5000, 9000, 5, 8), Span(10000, 11000, 10, 10))
    assert still.spans == ()
    assert pages.spans == (Span(None, None, 1, 2),)


def test_only_models_that_flag_the_file_say_where(tmp_path: Path) -> None:
    """By three seconds in a row one model flags; the other's single peak is no place."""
    m = declared(tmp_path / "s")
    samples = [nsfw(0.95, porn=0.0)] * 4 + [nsfw(0.0, porn=0.99)]
    m.file("/clip.mp4", samples, media_type="video", step_ms=1000)
    made = report(m.done(), ReportOptions(aggregate=parse_aggregate("consecutive:3s")))
    (found,) = findings(made, "nsfw")
    assert found.spans == (Span(0, 4000, 0, 3),)


def test_aggregation_decides_and_labels_follow_it(tmp_path: Path) -> None:
    m = declared(tmp_path / "s")
    m.file("/clip.mp4", [gun(1.0), gun(0.0)], media_type="video", step_ms=1000)
    store = m.done()
    assert len(findings(report(store), "gun")) == 1
    assert findings(report(store, ReportOptions(aggregate=Mean())), "gun") == ()
    (found,) = findings(report(store, ReportOptions(aggregate=Mean(), threshold=0.5)), "gun")
    assert found.score == 0.5
    assert found.models[0].labels[0].score == 0.5


def test_thresholds_of_single_heads_and_a_choice_of_heads(tmp_path: Path) -> None:
    m = declared(tmp_path / "s")
    m.file("/a.jpg", [{**nsfw(0.85), **gun(0.85)}])
    store = m.done()
    made = report(store, ReportOptions(head_thresholds={"gun": 0.8}))
    assert [(s.head, s.threshold) for s in made.heads] == [("gun", 0.8)]
    made = report(store, ReportOptions(threshold=0.5, heads=("nsfw",)))
    assert [s.head for s in made.heads] == ["nsfw"]
    assert {chain.model for chain in made.coverage.chains} == {"opennsfw", "nsfwjs"}
    for options in (ReportOptions(heads=("guns",)), ReportOptions(head_thresholds={"guns": 0.5})):
        with pytest.raises(UsageError, match="no head 'guns' in this store: it knows gun, nsfw, scene"):
            report(store, options)


def test_benign_descriptive_and_undeclared_classes_are_listed_when_asked_for(tmp_path: Path) -> None:
    m = declared(tmp_path / "s")
    scene = {"lite/scene": {"beach": 0.95, "(other)": 0.05}}
    m.file("/a.jpg", [{**gun(0.02), **scene, "opennsfw/nsfw": {"novel": 0.99}}])
    store = m.done()
    made = report(store)
    assert (made.heads, made.flagged_files) == ((), 0)
    assert [u.label for u in made.coverage.undeclared] == ["novel"]
    made = report(store, ReportOptions(all_classes=True))
    assert [(s.head, s.polarity, s.findings[0].label) for s in made.heads] == [
        ("gun", "benign", "no_gun"),
        ("nsfw", "undeclared", "novel"),
        ("scene", "descriptive", "beach"),
    ]
    assert made.flagged_files == 0, "what is not harmful is listed, not flagged"
    assert not made.has_findings


def test_copies_of_one_content_are_all_reported(tmp_path: Path) -> None:
    m = declared(tmp_path / "s")
    m.file("/a.jpg", [gun(0.95)])
    m.file("/copy.jpg", content="/a.jpg")
    made = report(m.done())
    assert [f.uri for f in findings(made, "gun")] == ["/a.jpg", "/copy.jpg"]
    assert made.flagged_files == 2


def test_a_video_with_many_matching_frames_is_one_row_with_spans(tmp_path: Path) -> None:
    m = declared(tmp_path / "s")
    video = m.file("/clip.mp4", [gun(0.1)] * 400, media_type="video", step_ms=1000)
    m.match(video, "entry-1", seconds=[*range(20, 320), 350], distance=12)
    m.match(video, "entry-1", seconds=[330], distance=4)
    m.match(video, "entry-1", algorithm="md5", max_distance=0)
    m.match(video, "entry-2", algorithm="sha1", max_distance=0, classification="A1")
    made = report(m.done())
    assert (made.matched_files, made.match_rows) == (1, 2)
    exact, frames = sorted(made.matches, key=lambda match: len(match.algorithms))
    assert (exact.entry_id, exact.classification, exact.spans) == ("entry-2", "A1", ())
    assert frames.algorithms == (AlgorithmMatch("md5", 0, 0, 1), AlgorithmMatch("pdq", 4, 31, 302))
    assert [(s.start_ms, s.end_ms) for s in frames.spans] == [
        (20_000, 320_000),
        (330_000, 331_000),
        (350_000, 351_000),
    ]


def test_matches_with_harmless_entries_are_counted_and_listed_when_asked_for(tmp_path: Path) -> None:
    m = declared(tmp_path / "s")
    known_good = m.file("/system.png", [gun(0.1)])
    m.match(known_good, "nsrl-1", algorithm="md5", max_distance=0, polarity="benign")
    disputed = m.file("/disputed.png", [gun(0.1)])
    m.match(disputed, "entry-9", algorithm="md5", max_distance=0, polarity="disputed")
    store = m.done()
    made = report(store)
    assert [match.uri for match in made.matches] == ["/disputed.png"]
    assert (made.matched_files, made.harmless_matches) == (1, 1)
    assert len(report(store, ReportOptions(all_classes=True)).matches) == 2


def test_since_keeps_what_was_analyzed_or_matched_then(tmp_path: Path) -> None:
    path = tmp_path / "s"
    old = declared(path)
    known = old.file("/old.jpg", [gun(0.95)])
    old.file("/older.jpg", [gun(0.95)])
    old.unreadable("/locked.jpg", "permission denied")
    old.done()
    new = declared(path, at=START + timedelta(days=2), run_id="run-2")
    new.file("/new.jpg", [gun(0.95)])
    store = new.done()
    since = ReportOptions(since=START + timedelta(days=1))
    made = report(store, since)
    assert [f.uri for f in findings(made, "gun")] == ["/new.jpg"]
    assert (made.coverage.items, made.coverage.in_store) == (1, 4)
    matching = MadeStore(path, at=START + timedelta(days=3), run_id="run-3", command="hash-match")
    matching.match(known, "entry")
    matching.done()
    assert {f.uri for f in findings(report(store, since), "gun")} == {"/new.jpg", "/old.jpg"}
    assert report(store, ReportOptions(since=START)).coverage.failed == 1


def test_a_condition_and_groups_use_the_users_own_columns(tmp_path: Path) -> None:
    m = declared(tmp_path / "s")
    first = m.file("/a.jpg", [gun(0.95)], user_id="anna", likes=3)
    m.file("/b.jpg", [gun(0.1)], user_id="anna", likes=30)
    m.file("/c.zip", media_type="archive", probe="unopened", user_id="bob")
    m.file("/d.jpg", [gun(0.1)])
    m.match(first, "entry")
    store = m.done()
    groups = report(store, ReportOptions(group_by="USER_ID")).groups
    assert groups is not None
    assert groups.column == "user_id"
    assert [(g.value, g.files, g.matched, g.flagged, g.not_fully_seen) for g in groups.rows] == [
        ("anna", 2, 1, 1, 0),
        ("bob", 1, 0, 0, 1),
        (None, 1, 0, 0, 0),
    ]
    assert report(store, ReportOptions(where="likes > 10")).coverage.items == 1
    with pytest.raises(UsageError, match=r"items have no column 'user': they have uri, .*user_id"):
        report(store, ReportOptions(group_by="user"))
    with pytest.raises(QueryError, match=r'^--where: .*"dislikes" not found'):
        report(store, ReportOptions(where="dislikes > 10"))


def test_a_limit_cuts_rows_and_never_totals(tmp_path: Path) -> None:
    m = declared(tmp_path / "s")
    for n in range(5):
        content = m.file(f"/{n}.jpg", [gun(0.95 - n / 100)], user_id=n)
        m.match(content, f"entry-{n}")
    made = report(m.done(), ReportOptions(limit=2, group_by="user_id"))
    assert (len(made.matches), made.match_rows, made.matched_files) == (2, 5, 5)
    (section,) = made.heads
    assert [f.uri for f in section.findings] == ["/0.jpg", "/1.jpg"]
    assert (section.files, section.labels[0].files, made.flagged_files) == (5, 5, 5)
    assert made.groups is not None
    assert (len(made.groups.rows), made.groups.total) == (2, 5)


def test_an_empty_store_has_no_findings_and_no_coverage(tmp_path: Path) -> None:
    made = report(MadeStore(tmp_path / "s").done())
    assert (made.coverage.items, made.coverage.in_store, made.heads, made.matches) == (0, 0, (), ())


def _random_store(path: Path, seed: int) -> tuple[Store, dict[str, list[Scores]]]:
    random.seed(seed)
    m = declared(path)
    files: dict[str, list[Scores]] = {}
    for n in range(25):
        samples: list[Scores] = []
        for _ in range(random.choice([1, 1, 4, 7])):
            a, b, c, d = (round(random.random(), 2) for _ in range(4))
            scores = {**nsfw(a, porn=round(b * (1 - c), 4), sexy=round(c * (1 - b), 4)), **gun(d)}
            samples.append({k: v for k, v in scores.items() if random.random() > 0.1 or k == "lite/gun"})
        files[f"/{n}"] = samples
        timed = len(samples) > 1
        m.file(f"/{n}", samples, media_type="video" if timed else "image", step_ms=1000 if timed else None)
    return m.done(), files


@pytest.mark.parametrize("seed", range(3))
def test_a_report_says_what_a_plain_loop_over_all_scores_says(tmp_path: Path, seed: int) -> None:
    store, files = _random_store(tmp_path / "s", seed)
    harmful = {"opennsfw/nsfw": ["nsfw"], "nsfwjs/nsfw": ["porn", "sexy"], "lite/gun": ["gun"]}
    threshold = 0.8
    for text in ("max", "count:2"):
        expected: dict[tuple[str, str], float] = {}
        for uri, samples in files.items():
            for name, labels in harmful.items():
                sums = [round(sum(s[name][x] for x in labels), 6) for s in samples if name in s]
                if sums:
                    rank = min(len(sums), 1 if text == "max" else 2)
                    key = (uri, name.split("/")[1])
                    expected[key] = max(expected.get(key, 0.0), sorted(sums)[-rank])
        made = report(store, ReportOptions(threshold=threshold, aggregate=parse_aggregate(text)))
        found = {(f.uri, f.head): f.score for section in made.heads for f in section.findings}
        assert found == {key: pytest.approx(s) for key, s in expected.items() if s >= threshold}
        assert made.flagged_files == len({uri for uri, _ in found})


def policed(path: Path) -> MadeStore:
    """A store with a head of the field's four classes, and a coarser one of another model."""
    m = MadeStore(path)
    m.head(
        "ours/gun",
        harmful=["gun_in_hand", "gun_not_in_hand", "animated_gun"],
        benign=["no_gun"],
        group="violence",
    )
    m.head("lite/gun_any", harmful=["yes_gun_any"], descriptive=["holster"], group="violence", family="gun")
    m.head("lite/blood", harmful=["very_bloody"], descriptive=["other_blood"], group="violence")
    m.head("lite/alcohol", harmful=["yes_alcohol"], group="drugs_and_vice", validated=False)
    return m


def armed(hand: float, animated: float) -> dict[str, dict[str, float]]:
    return {"ours/gun": {"gun_in_hand": hand, "gun_not_in_hand": 0.0, "animated_gun": animated}}


def test_a_class_with_a_threshold_of_its_own_leaves_its_heads_sum(tmp_path: Path) -> None:
    m = policed(tmp_path / "s")
    m.file("/real.jpg", [armed(0.95, 0.02)])
    m.file("/drawn.jpg", [armed(0.02, 0.95)])
    m.file("/surely.jpg", [armed(0.0, 0.995)])
    m.file("/both.jpg", [armed(0.5, 0.45)])
    store = m.done()
    assert len(findings(report(store), "gun")) == 4
    made = report(store, ReportOptions(head_thresholds={"gun.animated_gun": 0.99}))
    assert [(f.uri, f.label, f.threshold) for f in findings(made, "gun")] == [
        ("/surely.jpg", "animated_gun", 0.99),
        ("/real.jpg", "gun_in_hand", 0.9),
    ]
    (section,) = made.heads
    assert (section.threshold, section.files) == (0.9, 2)
    assert [(c.label, c.threshold) for c in section.class_thresholds] == [("animated_gun", 0.99)]


def test_an_ignored_class_is_no_finding_and_is_listed_with_all_classes(tmp_path: Path) -> None:
    m = policed(tmp_path / "s")
    m.file("/real.jpg", [armed(0.95, 0.02)])
    m.file("/drawn.jpg", [armed(0.02, 0.98)])
    store = m.done()
    made = report(store, ReportOptions(ignored=("gun.animated_gun",)))
    assert [f.uri for f in findings(made, "gun")] == ["/real.jpg"]
    assert made.flagged_files == 1
    listed = report(store, ReportOptions(ignored=("gun.animated_gun",), all_classes=True))
    assert [f.uri for f in findings(listed, "gun", "descriptive")] == ["/drawn.jpg"]
    assert report(store, ReportOptions(ignored=("gun",))).flagged_files == 0


def test_a_descriptive_class_that_a_threshold_names_is_a_finding(tmp_path: Path) -> None:
    m = policed(tmp_path / "s")
    m.file("/a.jpg", [{"lite/blood": {"very_bloody": 0.1, "other_blood": 0.8}}])
    store = m.done()
    assert report(store).flagged_files == 0
    made = report(store, ReportOptions(head_thresholds={"blood.other_blood": 0.7}))
    (found,) = findings(made, "blood")
    assert (found.label, found.score, made.flagged_files) == ("other_blood", 0.8, 1)


def test_a_family_speaks_for_its_heads_unless_they_are_named(tmp_path: Path) -> None:
    m = policed(tmp_path / "s")
    m.file("/a.jpg", [{"lite/gun_any": {"yes_gun_any": 0.85, "holster": 0.1}, **armed(0.85, 0.0)}])
    store = m.done()
    made = report(store, ReportOptions(head_thresholds={"gun": 0.8}))
    assert [s.head for s in made.heads] == ["gun", "gun_any"]
    made = report(store, ReportOptions(head_thresholds={"gun": 0.8, "gun_any": 0.9}))
    assert [s.head for s in made.heads] == ["gun"]
    m = MadeStore(tmp_path / "t")
    m.head("lite/gun_any", harmful=["yes_gun_any"], group="violence", family="gun")
    m.file("/a.jpg", [{"lite/gun_any": {"yes_gun_any": 0.85}}])
    store = m.done()
    for options in (
        ReportOptions(heads=("gun",), head_thresholds={"gun": 0.8}),
        ReportOptions(head_thresholds={"gun_any": 0.8, "gun": 0.95}),
    ):
        (section,) = report(store, options).heads
        assert (section.head, section.family, section.threshold) == ("gun_any", "gun", 0.8)
    with pytest.raises(UsageError, match=r"no model here tells the classes of gun apart.*gun_any speaks"):
        report(store, ReportOptions(head_thresholds={"gun.animated_gun": 0.99}))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gun.animated", "head gun has no class 'animated' in this store: it has animated_gun, gun_in_hand"),
        ("guns.animated_gun", "no head 'guns' in this store: it knows alcohol, blood, gun, gun_any"),
    ],
)
def test_an_unknown_class_is_answered_with_those_that_exist(tmp_path: Path, name: str, told: str) -> None:
    store = policed(tmp_path / "s").done()
    for options in (ReportOptions(head_thresholds={name: 0.5}), ReportOptions(ignored=(name,))):
        with pytest.raises(UsageError, match=told):
            report(store, options)


def test_a_threshold_for_a_head_that_flags_nothing_is_answered_with_its_classes(tmp_path: Path) -> None:
    m = MadeStore(tmp_path / "s")
    m.head("one/drawing", descriptive=["yes_drawing"], benign=["no_drawing"])
    m.file("/a.jpg", [{"one/drawing": {"yes_drawing": 0.9, "no_drawing": 0.1}}])
    with pytest.raises(UsageError, match=r"drawing has no harmful class .*drawing\.yes_drawing"):
        report(m.done(), ReportOptions(head_thresholds={"drawing": 0.5}))


def test_groups_count_each_file_once_with_the_highest_head_first(tmp_path: Path) -> None:
    m = policed(tmp_path / "s")
    both = {"lite/gun_any": {"yes_gun_any": 0.93}, "lite/blood": {"very_bloody": 0.97}}
    m.file("/both.jpg", [both])
    m.file("/gun.jpg", [{**armed(0.5, 0.49), "lite/gun_any": {"yes_gun_any": 0.91}}])
    m.file("/drink.jpg", [{"lite/alcohol": {"yes_alcohol": 0.92}}])
    m.file("/none.jpg", [{"lite/alcohol": {"yes_alcohol": 0.2}}])
    drugs, violence = report(m.done()).head_groups
    assert (drugs.group, drugs.files, drugs.validated) == ("drugs_and_vice", 1, False)
    assert (violence.group, violence.files, violence.validated) == ("violence", 2, True)
    assert [(f.family, f.heads, f.files) for f in violence.families] == [
        ("gun", ("gun", "gun_any"), 2),
        ("blood", ("blood",), 1),
    ]
    first, second = violence.findings
    assert (first.uri, first.score, [h.head for h in first.heads]) == ("/gun.jpg", 0.99, ["gun", "gun_any"])
    assert (second.uri, second.score, second.heads[0].label) == ("/both.jpg", 0.97, "very_bloody")
