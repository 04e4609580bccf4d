"""What every threshold would flag, on stores made for the purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from hivescan.errors import QueryError, UsageError
from hivescan.queries.aggregate import Consecutive, Max, Mean
from hivescan.queries.metrics import Confusion
from hivescan.queries.sweep import Sweep, SweepOptions, sweep
from hivescan.store.store import Store
from tests.made_stores import MadeStore


def sample(a: float, b: float | None = None) -> dict[str, dict[str, float]]:
    """Two models speak for nsfw: one with one harmful class, one with two that add up."""
    scores = {"one/nsfw": {"nsfw": a, "sfw": 1 - a}}
    if b is not None:
        scores["two/nsfw"] = {"porn": b / 2, "sexy": b / 2, "neutral": 1 - b}
    return scores


def made(path: Path) -> MadeStore:
    store = MadeStore(path)
    store.head("one/nsfw", harmful=["nsfw"], benign=["sfw"])
    store.head("two/nsfw", harmful=["porn", "sexy"], benign=["neutral"])
    store.head("one/scene", descriptive=["beach", "street"])
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    m = made(tmp_path_factory.mktemp("made") / "store")
    m.file("/media/a.jpg", [sample(0.9)])
    m.file("/media/b.jpg", [sample(0.29, 0.6)])
    m.file("/media/copy of b.jpg", content="/media/b.jpg")
    m.file("/media/clip.mp4", [sample(s) for s in (0.1, 0.8, 0.8, 0.2)], media_type="video", step_ms=1000)
    m.file("/media/notes.zip", media_type="archive", probe="unopened")
    return m.done()


def at(swept: Sweep, threshold: float, aggregate: int = 0) -> tuple[int, float | None]:
    row = swept.sweeps[aggregate].rows[round(threshold * 100)]
    assert row.threshold == pytest.approx(threshold)
    return row.files, row.seconds


def test_every_hundredth_has_a_row_and_counts_fall(store: Store) -> None:
    swept = sweep(store, SweepOptions("nsfw"))
    for part in swept.sweeps:
        assert [row.threshold for row in part.rows] == [n / 100 for n in range(101)]
        files = [row.files for row in part.rows]
        assert files == sorted(files, reverse=True)


def test_files_and_seconds_by_aggregation(store: Store) -> None:
    swept = sweep(store, SweepOptions("nsfw", aggregates=(Max(), Mean(), Consecutive(3000))))
    assert (swept.items, swept.files, swept.seconds) == (5, 4, 4.0)
    # 0.6 of the second model counts for b and its copy; the clip reaches 0.8 for two seconds.
    assert at(swept, 0.6) == (4, 2.0)
    assert at(swept, 0.61) == (2, 2.0)
    assert at(swept, 0.81) == (1, 0.0)
    assert at(swept, 0.47, 1) == (4, 2.0)
    assert at(swept, 0.48, 1) == (3, 0.0), "the clip's mean is 0.475: its seconds go with it"
    assert at(swept, 0.2, 2) == (4, 3.0)
    assert at(swept, 0.21, 2) == (3, 0.0)


def test_a_stored_score_reaches_its_own_threshold(store: Store) -> None:
    """0.9 as float32 is 0.8999999762 and 0.29 × 100 is 28.999999999999996."""
    swept = sweep(store, SweepOptions("nsfw", model="one", aggregates=(Max(),)))
    assert at(swept, 0.9)[0] == 1
    assert at(swept, 0.29)[0] - at(swept, 0.30)[0] == 2


def test_one_label_alone(store: Store) -> None:
    swept = sweep(store, SweepOptions("nsfw", label="porn", aggregates=(Max(),)))
    assert swept.files == 2
    assert (at(swept, 0.3)[0], at(swept, 0.31)[0]) == (2, 0)


def test_seconds_are_missing_where_nothing_has_a_duration(tmp_path: Path) -> None:
    m = made(tmp_path / "store")
    m.file("/a.jpg", [sample(0.9)])
    swept = sweep(m.done(), SweepOptions("nsfw"))
    assert swept.seconds is None
    assert {row.seconds for part in swept.sweeps for row in part.rows} == {None}


def test_a_condition_narrows_the_sweep(store: Store) -> None:
    swept = sweep(store, SweepOptions("nsfw", where="media_type = 'video'"))
    assert (swept.items, swept.files) == (1, 1)
    with pytest.raises(QueryError, match=r"^--where: .*nonsense"):
        sweep(store, SweepOptions("nsfw", where="nonsense > 1"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (SweepOptions("guns"), "no head 'guns' in this store: it knows nsfw, scene"),
        (SweepOptions("nsfw", model="three"), "no model 'three' speaks for nsfw: its models are one, two"),
        (SweepOptions("nsfw", label="cat"), "head nsfw has no label 'cat': it has"),
        (SweepOptions("scene"), "head scene has no harmful class: name one of its labels with --label"),
        (SweepOptions("nsfw", labels=Path("x.csv")), "--labels needs --positive"),
        (SweepOptions("nsfw", positive=("x",)), "--positive goes with --labels"),
    ],
)
def test_wrong_questions_are_answered_in_one_line(store: Store, options: SweepOptions, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        sweep(store, options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_store_says_what_to_do_first(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no scores yet: run hivescan classify first"):
        sweep(MadeStore(tmp_path / "store").done(), SweepOptions("nsfw"))


def labelled(store: Store, text: str, path: Path, **options: object) -> Sweep:
    path.write_text(text, encoding="utf-8")
    return sweep(store, SweepOptions("nsfw", labels=path, positive=("bad",), **options))  # type: ignore[arg-type]


def test_labels_give_what_the_verdicts_are_worth(store: Store, tmp_path: Path) -> None:
    truth = "file,label\na.jpg,bad\nb.jpg,fine\nclip.mp4,bad\n"
    swept = labelled(store, truth, tmp_path / "truth.csv", aggregates=(Max(),))
    rows = swept.sweeps[0].rows
    assert rows[0].confusion == Confusion(tp=2, fp=1, fn=0, tn=0)
    assert rows[60].confusion == Confusion(tp=2, fp=1, fn=0, tn=0)
    assert rows[61].confusion == Confusion(tp=2, fp=0, fn=0, tn=1)
    assert rows[81].confusion == Confusion(tp=1, fp=0, fn=1, tn=1)
    assert rows[91].confusion == Confusion(tp=0, fp=0, fn=2, tn=1)
    best = swept.sweeps[0].best()
    assert [row.threshold for row in best] == [n / 100 for n in range(61, 81)]


def test_labels_find_their_files_by_name_ending_and_content(store: Store, tmp_path: Path) -> None:
    clip = MadeStore(tmp_path / "other").file("/media/clip.mp4")
    for key, name in [
        ("file", "media/clip.mp4"),
        ("file", "./clip.mp4"),
        ("uri", "/media/clip.mp4"),
        ("uri", "file:///media/clip.mp4"),
        ("content_id", clip.upper()),
    ]:
        swept = labelled(store, f"{key},label\n{name},bad\n", tmp_path / "truth.csv")
        assert swept.truth is not None
        assert (swept.truth.labelled, swept.truth.unmatched) == (1, ()), name


def test_a_name_is_no_ending_of_half_a_name(store: Store, tmp_path: Path) -> None:
    swept = labelled(store, "file,label\nlip.mp4,bad\nother/clip.mp4,bad\n", tmp_path / "truth.csv")
    assert swept.truth is not None
    assert swept.truth.unmatched == ("lip.mp4", "other/clip.mp4")


def test_labels_that_cannot_be_used_are_named_and_not_counted(tmp_path: Path) -> None:
    m = made(tmp_path / "store")
    m.file("/one/a.jpg", [sample(0.9)])
    m.file("/two/a.jpg", [sample(0.1)])
    m.file("/two/b.jpg", [sample(0.1)])
    m.file("/two/c.zip", media_type="archive", probe="unopened")
    truth = "file,label\na.jpg,bad\nb.jpg,bad\ntwo/b.jpg,fine\nc.zip,fine\nnowhere.jpg,bad\n/two/a.jpg,fine\n"
    swept = labelled(m.done(), truth, tmp_path / "truth.csv", aggregates=(Max(),))
    assert swept.truth is not None
    assert swept.truth.ambiguous == ("a.jpg",)
    assert swept.truth.contradictory == ("/two/b.jpg",)
    assert swept.truth.unmatched == ("nowhere.jpg",)
    assert (swept.truth.labelled, swept.scored_labels) == (2, 1), "the archive has no score: no verdict"
    assert swept.sweeps[0].rows[50].confusion == Confusion(tp=0, fp=0, fn=0, tn=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name,label\na.jpg,bad\n",
            "needs a column label and one of file, uri, content_id: it has name, label",
        ),
        ("file,label\na.jpg,fine\n", "--positive 'bad' is not a label of"),
        ("file,label\na.jpg,bad,more\n", "is not a CSV file"),
        ("", "is not a CSV file"),
    ],
)
def test_a_wrong_label_file_is_said_in_one_line(
    store: Store, tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        labelled(store, text, tmp_path / "truth.csv")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_label_file_is_said_in_one_line(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*truth\.csv: No such file"):
        sweep(store, SweepOptions("nsfw", labels=tmp_path / "truth.csv", positive=("bad",)))


def test_label_files_may_be_tab_separated_quoted_and_have_a_byte_order_mark(
    store: Store, tmp_path: Path
) -> None:
    text = '\ufeff"label"\t"file"\nbad\t"copy of b.jpg"\n'
    swept = labelled(store, text, tmp_path / "truth.tsv")
    assert swept.truth is not None
    assert (swept.truth.labelled, swept.truth.positives) == (1, 1)
