"""Random histories of a store against a plain model of what its views show."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hivescan.store.check import check_store
from hivescan.store.merge import merge_small_parts
from hivescan.store.store import Store, open_store
from hivescan.store.writer import StoreWriter
from tests.store import rows

URIS = ("/media/a.jpg", "/media/b.jpg", "/media/it's [c].jpg")
CONTENTS = ("x", "y", "z")
CHAINS = ("probe", "nsfw", "hashes")
STATUSES = ("done", "partial", "failed", "skipped", "unopened")


@dataclass(frozen=True)
class Observe:
    uri: str
    content: str | None
    user: str | None


@dataclass(frozen=True)
class Disappear:
    uri: str


@dataclass(frozen=True)
class Attempt:
    content: str
    chain: str
    fingerprint: str
    status: str
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Walked:
    """The walk of the source came to its end."""


@dataclass(frozen=True)
class Commit:
    pass


@dataclass(frozen=True)
class NextRun:
    pass


@dataclass(frozen=True)
class Merge:
    pass


user_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.just(2**63),
    st.floats(allow_nan=False, width=16),
    st.text(max_size=3),
    st.lists(st.integers(0, 3), max_size=2),
)
user_columns = st.dictionaries(
    st.sampled_from(["user_id", "a.b", "it's", "Ü/~", 'q"']), user_values, max_size=3
)
actions = st.one_of(
    st.builds(
        Observe,
        st.sampled_from(URIS),
        st.one_of(st.none(), st.sampled_from(CONTENTS)),
        st.one_of(st.none(), user_columns.map(json.dumps)),
    ),
    st.builds(Disappear, st.sampled_from(URIS)),
    st.builds(
        Attempt,
        st.sampled_from(CONTENTS),
        st.sampled_from(CHAINS),
        st.sampled_from(["f1", "f2"]),
        st.sampled_from(STATUSES),
        st.lists(st.sampled_from([0.0, 0.25, 1.0]), max_size=3).map(tuple),
    ),
    st.just(Walked()),
    st.just(Commit()),
    st.just(NextRun()),
    st.just(Merge()),
)


@dataclass
class Model:
    """What a person would write down, row by row."""

    files: list[dict[str, Any]] = field(default_factory=list)
    contents: set[str] = field(default_factory=set)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    walks: list[int] = field(default_factory=list)

    def newest_files(self) -> dict[str, dict[str, Any]]:
        return {row["uri"]: row for row in self.files}

    def live(self) -> dict[str, dict[str, Any]]:
        return {uri: row for uri, row in self.newest_files().items() if not row["gone"]}

    def counting(self) -> dict[tuple[str, str], dict[str, Any]]:
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for row in self.attempts:
            before = found.get((row["content"], row["chain"]))
            useful = row["status"] in ("done", "partial")
            if before is None or useful or before["status"] not in ("done", "partial"):
                found[row["content"], row["chain"]] = row
        return found

    def scores(self) -> list[tuple[str, str, int, float]]:
        return sorted(
            (rows.content_id(content), chain, i, score)
            for (content, chain), row in self.counting().items()
            for i, score in enumerate(row["scores"])
        )

    def status(self, row: dict[str, Any]) -> tuple[str, str | None]:
        if row["error"]:
            return "failed", row["error"]
        chains = {chain: a for (content, chain), a in self.counting().items() if content == row["content"]}
        statuses = {a["status"] for a in chains.values()}
        analyzed = [a["status"] for chain, a in chains.items() if chain != "probe"]
        for decisive in ("failed", "unopened", "partial"):
            if decisive in statuses:
                break
        else:
            if not analyzed:
                return "not_analyzed", None
            decisive = "skipped" if set(analyzed) == {"skipped"} else "done"
        if decisive == "done":
            return "done", None
        return decisive, "; ".join(sorted({a["reason"] for a in chains.values() if a["status"] == decisive}))

    def last_seen(self, row: dict[str, Any]) -> int:
        return max([row["seconds"], *self.walks])


def play(store: Store, history: list[Any]) -> Model:
    model = Model()
    run_number = 0
    writer = StoreWriter(store, "run-0")
    made: set[tuple[str, str]] = set()
    for second, action in enumerate(history, start=1):
        run = f"run-{run_number}"
        match action:
            case Observe(uri, content, user):
                error = None if content else "cannot be read"
                writer.add("files", rows.file(uri, content, run=run, seconds=second, user=user, error=error))
                model.files.append(
                    {
                        "uri": uri,
                        "content": content,
                        "user": user,
                        "error": error,
                        "gone": False,
                        "seconds": second,
                    }
                )
                if content and content not in model.contents:
                    writer.add("contents", rows.content(content, run=run, seconds=second))
                    model.contents.add(content)
            case Disappear(uri):
                writer.add("files", rows.file(uri, None, run=run, seconds=second, gone=True))
                model.files.append({"uri": uri, "gone": True})
            case Attempt(content, chain, fingerprint, status, scores) if (content, chain) not in made:
                made.add((content, chain))
                reason = None if status == "done" else f"{chain}: {status}"
                writer.add(
                    "analyses",
                    rows.attempt(
                        content, run=run, chain=chain, fingerprint=fingerprint, status=status, seconds=second,
                        reason=reason,
                    ),
                )  # fmt: skip
                writer.add("scores", rows.scores(content, *scores, run=run, chain=chain))
                model.attempts.append(
                    {"content": content, "chain": chain, "status": status, "scores": scores, "reason": reason}
                )
            case Walked():
                writer.add("runs", rows.run(run, seconds=second, complete=["/media"]))
                model.walks = [w for w in model.walks if w[0] != run] + [(run, second)]
            case Commit():
                writer.commit()
            case NextRun():
                writer.commit()
                run_number += 1
                writer = StoreWriter(store, f"run-{run_number}")
                made = set()
            case Merge():
                writer.commit()
                merge_small_parts(store, run)
    writer.commit()
    model.walks = [second for _, second in model.walks]
    return model


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(actions, max_size=30))
def test_views_show_what_a_plain_model_says(history: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "it's a [store]", create=True)
        model = play(store, history)

        with store.connect() as connection:
            read = connection.sql
            items = {row["uri"]: row for row in read("SELECT * FROM items").to_arrow_table().to_pylist()}
            live_files = read("SELECT uri FROM files ORDER BY uri").fetchall()
            scores = read('SELECT content_id, chain, "index", score FROM scores ORDER BY ALL').fetchall()
            ledger = read("SELECT content_id, chain, status FROM analyses").fetchall()
        assert items.keys() == model.live().keys()
        assert live_files == [(uri,) for uri in sorted(items)]
        keys = {key for row in model.files for key in json.loads(row.get("user") or "{}")}
        for uri, row in model.live().items():
            item = items[uri]
            assert item["content_id"] == (rows.content_id(row["content"]) if row["content"] else None)
            assert item["media_type"] == ("image" if row["content"] else None)
            assert (item["status"], item["reason"]) == model.status(row)
            assert item["last_seen"] == rows.at(model.last_seen(row))
            own = json.loads(row["user"] or "{}")
            for key in keys:
                assert same(item[key], own.get(key)), (key, item[key], own.get(key))

        assert scores == model.scores()
        assert sorted(ledger) == sorted(
            (rows.content_id(content), chain, row["status"])
            for (content, chain), row in model.counting().items()
        )
        assert len(store.table("files")) == len(model.files)
        assert len(store.table("analyses")) == len(model.attempts)
        assert [p for p in check_store(store) if not p.harmless] == []


def same(shown: object, given: object) -> bool:
    """Equal, or the text of what was given where a column had to take several types."""
    if shown == given:
        return True
    if isinstance(shown, str) and not isinstance(given, str):
        return bool(json.loads(shown) == given)
    return False
