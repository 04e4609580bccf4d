"""A stop after every call, on a disk that forgets what was not synced and on S3; a disk full at every write.

A whole life of a store is lived each time: it is made, filled commit by commit, merged and tidied up. After
the stop it is opened again, must check out, hold what was committed, and be brought to its end by the same
steps. Its tables are then those of a store that nothing happened to.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest

from hivescan.errors import StoreError
from hivescan.store.check import check_store
from hivescan.store.merge import collect_garbage, merge_small_parts, unlisted
from hivescan.store.schema import TABLES
from hivescan.store.store import Store, find_store, open_store
from hivescan.store.writer import StoreWriter
from tests.store import rows
from tests.store.memory import Stopped
from tests.store.page_cache import NEEDS_ROOM, PageCache, Survivors

CONTENTS = ("a", "b", "c", "d")
"""A commit each; of fewer nothing would be merged."""
OLDER_THAN_NOTHING = timedelta(seconds=-5)


def live(location: str | Path, told: set[str] | None = None) -> None:
    """What a scan does to a store: what the ledger lacks is committed, then comes the upkeep."""
    store = open_store(location, create=True)
    done = set(store.table("analyses").column("content_id").to_pylist())
    writer = StoreWriter(store, "run")
    for content in CONTENTS:
        if rows.content_id(content) in done:
            continue
        add(writer, content)
        writer.commit()
        if told is not None:
            told.add(rows.content_id(content))
    merge_small_parts(store)
    collect_garbage(store, OLDER_THAN_NOTHING)


def add(writer: StoreWriter, content: str) -> None:
    writer.add("analyses", rows.attempt(content, run="run"))
    writer.add("scores", rows.scores(content, 0.25, 0.75, run="run"))


def tables(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table that has some, in an order that does not depend on how it came in."""
    snapshot = store.snapshot()
    held = [name for name in TABLES if snapshot.parts(name)]
    return {name: sorted(store.table(name).to_pylist(), key=repr) for name in held}


@cache
def undisturbed() -> dict[str, list[dict[str, Any]]]:
    location = "memory://power-cut/undisturbed"
    live(location)
    return tables(open_store(location))


def assert_sound(location: str | Path, told: set[str], what: str) -> None:
    """What was said to be committed is there, whole and once."""
    store = find_store(location)
    if store is None:
        assert not told, f"{what}: the store is gone"
        return
    ledger = store.table("analyses").column("content_id").to_pylist()
    assert len(set(ledger)) == len(ledger), f"{what}: something is there twice"
    assert told <= set(ledger), f"{what}: something committed is lost"
    assert len(ledger) <= len(told) + 1, f"{what}: only the commit under way may be there or not"
    assert [str(p) for p in check_store(store) if not p.harmless] == [], what


def assert_brought_to_its_end(location: str | Path, what: str) -> None:
    live(location)
    store = open_store(location)
    assert tables(store) == undisturbed(), what
    assert unlisted(store.blobs, store.snapshot().live) == [], f"{what}: something is left behind"


# --- a disk that forgets ------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[], PageCache]]:
    """Makes empty disks, one after the other."""
    patches: list[pytest.MonkeyPatch] = []

    def make() -> PageCache:
        while patches:
            patches.pop().undo()
        patches.append(pytest.MonkeyPatch())
        made.append(None)
        return PageCache(tmp_path / f"disk-{len(made)}", patches[-1])

    made: list[None] = []
    yield make
    while patches:
        patches.pop().undo()


def test_the_page_cache_forgets_what_was_not_synced(disk: Callable[[], PageCache]) -> None:
    for survivors, left in (("synced", []), ("names", [("unsynced", b"")])):
        cache = disk()
        path = cache.root / "unsynced"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(descriptor, memoryview(b"bytes"))
        os.close(descriptor)
        cache.cut_power(survivors)
        assert [(p.name, p.read_bytes()) for p in cache.root.iterdir()] == left


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("survivors", ["synced", "names"])
def test_a_power_cut_at_any_call_loses_and_doubles_nothing(
    disk: Callable[[], PageCache], survivors: Survivors
) -> None:
    """At the first call and after every one that changes what survives: the others leave the same."""
    counting = disk()
    live(counting.root / "store")
    lasting = {"fsync"} if survivors == "synced" else {"open", "fsync", "link", "unlink", "mkdir"}
    for k in [1, *(k + 1 for k, verb in enumerate(counting.seen[:-1], 1) if verb in lasting)]:
        cache = disk()
        location = cache.root / "store"
        told: set[str] = set()
        cache.stop_at = k
        with pytest.raises(Stopped):
            live(location, told)
        cache.cut_power(survivors)
        assert_sound(location, told, f"call {k}")
        assert_brought_to_its_end(location, f"call {k}")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_disk_full_at_any_write_is_one_line_and_loses_nothing(disk: Callable[[], PageCache]) -> None:
    """At every call that needs room, and at the last, which needs none."""
    counting = disk()
    live(counting.root / "store")
    needing = [k for k, verb in enumerate(counting.seen, 1) if verb in NEEDS_ROOM]
    for k in [*needing, len(counting.seen)]:
        cache = disk()
        location = cache.root / "store"
        told: set[str] = set()
        cache.full_at = k
        try:
            live(location, told)
        except StoreError as error:
            assert "No space left on device" in str(error), f"call {k}"
            assert "\n" not in str(error)
        else:
            assert k > needing[-1], f"call {k}: only deleting needs no room"
        cache.full_at = None
        assert_sound(location, told, f"call {k}")
        assert_brought_to_its_end(location, f"call {k}")


# --- S3 -----------------------------------------------------------------------------------------

Effect = Literal["before", "after"]
"""What a call that stops has done: an object store does all of it or nothing."""

_WRITING = ("put", "put_if_absent", "delete")


class Interrupted:
    """The five verbs of another medium; from call ``stop_at`` on (1 is the first) they stop or fail."""

    def __init__(self) -> None:
        self.inner: Any = None
        self.seen: list[str] = []
        self.about: list[str] = []
        """What each call was about: the first folder of the name, or the name."""
        self.stop_at: int | None = None
        self.effect: Effect = "before"
        self.failure: BaseException = Stopped()

    def list(self, prefix: str) -> list[str]:
        return self._call("list", prefix)

    def read(self, name: str) -> bytes:
        return self._call("read", name)

    def put(self, name: str, data: bytes | memoryview) -> None:
        self._call("put", name, data)

    def put_if_absent(self, name: str, data: bytes | memoryview) -> bool:
        return self._call("put_if_absent", name, data)

    def delete(self, name: str) -> None:
        self._call("delete", name)

    def is_empty(self) -> bool:
        return self.inner.is_empty()

    def rely_on(self, name: str, data: bytes) -> None:
        self.inner.rely_on(name, data)

    def _call(self, verb: str, *arguments: Any) -> Any:
        self.seen.append(verb)
        self.about.append(str(arguments[0]).partition("/")[0])
        stopping = self.stop_at is not None and len(self.seen) >= self.stop_at
        if stopping and not (self.effect == "after" and len(self.seen) == self.stop_at):
            raise self.failure
        answer = getattr(self.inner, verb)(*arguments)
        if stopping:
            raise self.failure
        return answer


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Interrupted]:
    """Puts a medium that can be interrupted under every store elsewhere that is opened from now on."""
    from hivescan.store import remote_blobs

    undisturbed()
    made = remote_blobs.RemoteBlobs

    def arm() -> Interrupted:
        medium = Interrupted()

        def lend(location: Any) -> Interrupted:
            medium.inner = made(location)
            return medium

        monkeypatch.setattr(remote_blobs, "RemoteBlobs", lend)
        return medium

    return arm


def a_life(arm: Callable[[], Interrupted], location: str) -> Interrupted:
    medium = arm()
    live(location)
    return medium


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_stop_at_any_call_to_s3_loses_and_doubles_nothing(
    bucket: str, interrupted: Callable[[], Interrupted]
) -> None:
    """After every write: a stop at a call that reads leaves what the write before it left."""
    verbs = a_life(interrupted, f"s3://{bucket}/counted").seen
    writes = [k for k, verb in enumerate(verbs, 1) if verb in _WRITING]
    stops: list[tuple[int, Effect]] = [(writes[0], "before"), *((k, "after") for k in writes)]
    for k, effect in stops:
        what = f"call {k} ({verbs[k - 1]}), stopped {effect} it"
        location = f"s3://{bucket}/{k}-{effect}"
        medium = interrupted()
        medium.stop_at, medium.effect = k, effect
        told: set[str] = set()
        with pytest.raises(Stopped):
            live(location, told)
        medium.stop_at = None
        assert_sound(location, told, what)
        assert_brought_to_its_end(location, what)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_write_that_s3_refuses_is_one_line_and_loses_nothing(
    bucket: str, interrupted: Callable[[], Interrupted]
) -> None:
    """The first and the last write of each kind; what a stop leaves at any of the others was seen above."""
    life = a_life(interrupted, f"s3://{bucket}/counted")
    kinds: dict[tuple[str, str], list[int]] = {}
    for k, call in enumerate(zip(life.seen, life.about, strict=True), 1):
        if call[0] in _WRITING:
            kinds.setdefault(call, []).append(k)
    chosen = {k: verb for (verb, _), calls in kinds.items() for k in (calls[0], calls[-1])}
    assert set(chosen.values()) == set(_WRITING) and len(chosen) > 6
    for k, verb in sorted(chosen.items()):
        what, location = f"call {k} ({verb})", f"s3://{bucket}/refused-{k}"
        medium = interrupted()
        medium.stop_at = k
        medium.failure = OSError(errno.EDQUOT, "the bucket's quota is used up")
        told: set[str] = set()
        with pytest.raises(StoreError, match="quota is used up; what was committed before is safe") as failed:
            live(location, told)
        assert "\n" not in str(failed.value)
        medium.stop_at = None
        assert_sound(location, told, what)
        assert_brought_to_its_end(location, what)
