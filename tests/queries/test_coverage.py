"""What was looked at, what was not, and which runs say so."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from hivescan.errors import QueryError
from hivescan.queries.coverage import Coverage, Reach, coverage
from hivescan.queries.heads import known_heads
from hivescan.queries.selection import create_selection
from hivescan.store.store import Store
from tests.made_stores import START, MadeStore

SEEN = {"m/nsfw": {"nsfw": 0.1, "sfw": 0.9}}


def made(path: Path, **columns: object) -> MadeStore:
    store = MadeStore(path, **columns)  # type: ignore[arg-type]
    store.head("m/nsfw", harmful=["nsfw"], benign=["sfw"], chain="nsfw")
    return store


def of(store: Store, where: str | None = None, heads: tuple[str, ...] = ()) -> Coverage:
    with closing(store.connect()) as connection:
        create_selection(connection, where=where)
        return coverage(connection, known_heads(connection), wanted=heads)


def test_every_item_is_counted_once_by_how_it_ended(tmp_path: Path) -> None:
    m = made(tmp_path / "s")
    m.file("/done.jpg", [SEEN])
    m.file("/cut.mp4", [SEEN] * 3, media_type="video", step_ms=1000, status="partial", reason="cut")
    m.file("/broken.jpg", probe="failed", reason="damaged header")
    m.file("/a.zip", media_type="archive", probe="unopened")
    m.file("/song.mp3", media_type="audio")
    m.unreadable("/locked.jpg", "permission denied")
    m.file("/deleted.jpg", [SEEN])
    m.gone("/deleted.jpg")
    seen = of(m.done())
    assert (seen.items, seen.in_store, seen.gone) == (6, 6, 1)
    assert (seen.done, seen.partial, seen.failed, seen.unopened, seen.not_analyzed) == (1, 1, 2, 1, 1)
    assert {(r.status, r.reason, r.items) for r in seen.reasons} == {
        ("partial", "cut", 1),
        ("failed", "damaged header", 1),
        ("failed", "permission denied", 1),
    }


def test_a_condition_narrows_the_counts_but_not_the_store(tmp_path: Path) -> None:
    m = made(tmp_path / "s")
    m.file("/a.jpg", [SEEN], user_id="anna")
    m.file("/b.jpg", [SEEN], user_id="bob")
    seen = of(m.done(), where="user_id = 'anna' -- the first")
    assert (seen.items, seen.in_store) == (1, 2)


def test_a_visual_head_counts_pictures_and_videos_even_those_it_never_tried(tmp_path: Path) -> None:
    m = made(tmp_path / "s")
    m.file("/a.jpg", [SEEN])
    m.file("/b.jpg", chains=["nsfw"], status="failed", reason="worker died")
    m.file("/c.jpg", chains=["hashes"])
    m.file("/d.mp4", media_type="video", chains=["hashes"])
    m.file("/e.mp3", media_type="audio")
    (chain,) = of(m.done()).chains
    assert chain.heads == ("nsfw",)
    assert chain.reach == (Reach("image", 3, 1, 1), Reach("video", 1, 0, 0))
    assert [r.not_run for r in chain.reach] == [1, 1]


def test_a_head_for_sound_is_not_held_to_pictures(tmp_path: Path) -> None:
    m = made(tmp_path / "s")
    m.head("ears/noise", harmful=["shouting"], chain="sound")
    m.file("/a.jpg", [SEEN])
    m.file("/b.mp3", [{"ears/noise": {"shouting": 0.1}}], media_type="audio", step_ms=1000)
    chains = {chain.chain: chain for chain in of(m.done()).chains}
    assert chains["sound"].reach == (Reach("audio", 1, 1, 0),)
    assert chains["nsfw"].reach == (Reach("image", 1, 1, 0),)


def test_a_head_of_texts_counts_wherever_it_read_some(tmp_path: Path) -> None:
    """Of files, of what is said and of what stands in pictures: one analyzer, several chains."""
    m = made(tmp_path / "s")
    m.head("spam/spam", harmful=["spam"], chain="spam")
    m.file("/a.txt", [{"spam/spam": {"spam": 0.1}}], media_type="text")
    m.file("/b.jpg", chains=["nsfw", "ocr>spam"])
    m.file("/c.jpg", chains=["nsfw"])
    m.file("/d.mp4", media_type="video", chains=["ocr>spam", "speech>spam"])
    m.file("/e.mp4", media_type="video", chains=["ocr>spam"], status="failed", reason="no")
    chains = {chain.chain: chain for chain in of(m.done()).chains}
    assert chains["spam"].reach == (Reach("image", 2, 1, 0), Reach("text", 1, 1, 0), Reach("video", 2, 1, 1))


def test_a_picture_of_which_a_code_alone_was_read_was_not_looked_at(tmp_path: Path) -> None:
    m = made(tmp_path / "s")
    m.head("spam/spam", harmful=["spam"], chain="spam")
    m.file("/a.jpg", chains=["nsfw", "codes>spam"])
    m.file("/b.jpg", chains=["nsfw", "codes>spam", "ocr>spam"])
    chains = {chain.chain: chain for chain in of(m.done()).chains}
    assert chains["spam"].reach == (Reach("image", 2, 1, 0),)


def test_a_model_of_speech_of_any_name_listens_and_judges_nothing(tmp_path: Path) -> None:
    """Runs say of what their analyzers' samples are."""
    m = made(tmp_path / "s")
    m.head("words/words", harmful=["bad"], chain="dictation>words")
    m.file("/a.mp3", media_type="audio", chains=["dictation", "dictation>entities"])
    m.file("/b.mp3", media_type="audio", chains=["dictation", "dictation>words"])
    m.file("/c.jpg", [SEEN])
    analyzers = {"dictation": {"level": "utterance"}, "nsfw": {"level": "frame"}, "words": {}}
    seen = of(m.done(details={"analyzers": analyzers}))
    assert (seen.done, seen.not_analyzed) == (2, 1)
    chains = {chain.chain: chain for chain in seen.chains}
    assert chains["dictation>words"].reach == (Reach("audio", 2, 1, 0),)


def test_a_head_of_faces_counts_pictures(tmp_path: Path) -> None:
    m = made(tmp_path / "s")
    m.head("net/age", descriptive=["adult"], chain="faces>ages")
    m.file("/a.jpg", chains=["nsfw", "faces", "faces>ages"])
    m.file("/b.jpg", chains=["nsfw"])
    chains = {chain.chain: chain for chain in of(m.done()).chains}
    assert chains["faces>ages"].reach == (Reach("image", 2, 1, 0),)


def test_labels_that_no_card_declares_are_named(tmp_path: Path) -> None:
    m = made(tmp_path / "s")
    m.file("/a.jpg", [{"m/nsfw": {"nsfw": 0.1, "novel": 0.8, "(other)": 0.1}}])
    assert [(u.head, u.label) for u in of(m.done()).undeclared] == [("nsfw", "novel")]


def listed(name: str) -> list[dict[str, object]]:
    return [{"list_id": name * 8, "name": f"{name}.parquet", "entries": {"md5": 2, "pdq": 3}}]


def test_a_list_is_told_also_where_nothing_matched(tmp_path: Path) -> None:
    m = made(tmp_path / "s")
    m.file("/a.jpg", [SEEN])
    store = m.done()
    assert of(store).lists == ()
    run = MadeStore(store.path, at=START + timedelta(hours=1), run_id="run-2", command="hash-match")
    run.done(details={"config": None, "lists": listed("known")})
    later = made(store.path, at=START + timedelta(hours=2), run_id="run-3")
    later.file("/b.jpg", [SEEN])
    later.done()
    (known,) = of(store).lists
    assert (known.name, known.entries, known.complete, known.selective) == ("known.parquet", 5, True, False)
    assert known.matched_at == START + timedelta(hours=1)
    assert known.later == 1, "b.jpg came after the list was matched"


def test_a_broken_off_or_partial_matching_does_not_hide_the_whole_one_before(tmp_path: Path) -> None:
    path = tmp_path / "s"
    made(path).done()
    for hours, (status, key) in enumerate(
        [("done", "lists"), ("running", "lists"), ("done", "lists_on_selection")]
    ):
        run = MadeStore(
            path, at=START + timedelta(hours=hours), run_id=f"match-{hours}", command="hash-match"
        )
        store = run.done(status=status, details={"config": None, key: listed("known")})
    run = MadeStore(path, at=START, run_id="other", command="hash-match")
    run.done(details={"config": None, "lists_on_selection": listed("other")})
    lists = {known.name: known for known in of(store).lists}
    assert (lists["known.parquet"].complete, lists["known.parquet"].selective) == (True, False)
    assert lists["known.parquet"].matched_at == START
    assert lists["other.parquet"].selective


def test_a_scan_that_did_not_end_counts_until_a_later_one_walks_its_sources(tmp_path: Path) -> None:
    path = tmp_path / "s"
    store = made(path).done(status="running", details={"config": {"sources": ["photos"]}})
    assert of(store).unfinished_runs == 1
    other = MadeStore(path, at=START + timedelta(hours=1), run_id="run-2")
    other.done(details={"config": {"sources": ["clips"]}, "off": {"body_parts": "npm is missing"}})
    assert of(store).unfinished_runs == 1
    again = MadeStore(path, at=START + timedelta(hours=2), run_id="run-3")
    again.done(details={"config": {"sources": ["clips", "photos"]}})
    seen = of(store)
    assert (seen.runs, seen.unfinished_runs, seen.off) == (3, 0, {})


@pytest.mark.parametrize(
    "where",
    ["", "   ", "1 = 1; DROP TABLE items", "1 = 1) UNION SELECT * FROM items WHERE (1 = 1", "(1 = 1", "uri =",
     "nonsense = 1", "uri = 1 +", "x(", "1 = 1) --",
     "uri IN (SELECT filename FROM read_text('/etc/hostname'))",
     "uri = ?", "width > 'wide'"],
)  # fmt: skip
def test_a_wrong_condition_is_one_line_that_names_the_option(tmp_path: Path, where: str) -> None:
    with pytest.raises(QueryError) as caught:
        m = made(tmp_path / "s")
        m.file("/a.jpg", [SEEN])
        of(m.done(), where=where)
    assert str(caught.value).startswith("--where")
    assert "\n" not in str(caught.value)


def test_a_condition_cannot_write(tmp_path: Path) -> None:
    store = made(tmp_path / "s").done()
    target = tmp_path / "stolen.csv"
    for where in (
        f"true; COPY (SELECT 1) TO '{target}'",
        f"uri IN (WITH x AS (COPY (SELECT 1) TO '{target}') SELECT 'a')",
        "uri = (DELETE FROM raw.files RETURNING uri)",
    ):
        with pytest.raises(QueryError):
            of(store, where=where)
    assert not target.exists()


def test_a_renamed_head_counts_as_long_as_there_are_scores_of_it(tmp_path: Path) -> None:
    old = MadeStore(tmp_path / "store")
    old.head("lite/gun", harmful=["gun"], chain="objects")
    old.head("lite/cleaver", harmful=["cleaver"], chain="objects")
    old.file("/a.jpg", [{"lite/gun": {"gun": 0.95}}])
    old.done()
    new = MadeStore(tmp_path / "store", at=old.at + timedelta(days=1), run_id="run-2", fingerprint="g")
    new.head("lite/gun_any", harmful=["gun_any"], chain="objects", family="gun")
    store = new.done()
    connection = store.connect()
    assert [(h.head, h.family) for h in known_heads(connection)] == [("gun", "gun"), ("gun_any", "gun")]
    connection.close()
