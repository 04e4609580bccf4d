"""The inference host dies: only the sample that it dies on is given up, and a run can still end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from multiprocessing.connection import Connection

import pytest

from hivescan.errors import ModelUnhealthyError
from hivescan.models.backends.base import Placement
from hivescan.scan import hosting as hosting_module
from hivescan.scan.arena import Arena
from hivescan.scan.contents import ChainState, ContentRun
from hivescan.scan.host import HostConfig
from hivescan.scan.hosting import Hosting, Waiting
from hivescan.scan.messages import Batch, BatchDone, HostReady, Layout, Placed
from hivescan.types import ContentId, Digests, Findings, MediaInfo, MediaType, View

DEADLY = 13
LAYOUT = Layout.of((View(8, 8, "stretch", 8),))


def mortal_host(pipe: Connection, arena: Arena, config: HostConfig) -> None:
    """Answers every batch, and dies on samples whose width is the deadly number."""
    pipe.send(HostReady(0.0))
    while (batch := pipe.recv()) is not None:
        assert isinstance(batch, Batch)
        if any(sample.width == DEADLY for sample in batch.samples):
            os._exit(3)
        pipe.send(BatchDone(batch.batch, {n: [(at, Findings())] for n, at in batch.work.items()}, {}, {}))


def half_a_message(pipe: Connection, arena: Arena, config: HostConfig) -> None:
    """Dies while it sends its second message."""
    pipe.send(HostReady(0.0))
    pipe.recv()
    os.write(pipe.fileno(), (100_000).to_bytes(4, "big") + b"the beginning")
    os._exit(3)


@pytest.fixture
def arena() -> Iterator[Arena]:
    made = Arena.create(1 << 16)
    yield made
    made.close()


def content(name: str) -> ContentRun:
    info = MediaInfo(MediaType.IMAGE, "image/png", 8, 8, frame_count=1)
    return ContentRun(Digests("", "", ContentId(name * 64)), info, {"looker": ChainState("f")}, pending=1)


def waiting(run: ContentRun, width: int) -> Waiting:
    return Waiting(run, run.key(0, None, None), Placed(0, LAYOUT, width, 8), ("looker",))


def serve(hosting: Hosting) -> list[Waiting]:
    served: list[Waiting] = []
    while hosting.waiting:
        hosting.feed(more_coming=False)
        served += hosting.receive()
    return served


def config(batch_size: int) -> HostConfig:
    return HostConfig(("looker",), frozenset(), Placement(batch_size=batch_size))


def test_only_the_sample_that_hosts_die_on_is_given_up(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting_module, "host_main", mortal_host)
    hosting = Hosting(config(2), arena)
    runs = [content(c) for c in "abcdef"]
    for i, run in enumerate(runs):
        hosting.put(waiting(run, DEADLY if i == 2 else 8))
    try:
        served = serve(hosting)
    finally:
        hosting.close()
    assert sorted(s.key.content_id for s in served) == [run.content_id for run in runs]
    assert [run.chains["looker"].trouble is not None for run in runs] == [
        False,
        False,
        True,
        False,
        False,
        False,
    ]
    assert [len(run.chains["looker"].pieces) for run in runs] == [1, 1, 0, 1, 1, 1]


def test_several_deadly_samples_do_not_end_a_run_that_works(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting_module, "host_main", mortal_host)
    hosting = Hosting(config(1), arena)
    runs = [content(c) for c in "abcdef"]
    for i, run in enumerate(runs):
        hosting.put(waiting(run, DEADLY if i % 2 else 8))
    try:
        serve(hosting)
    finally:
        hosting.close()
    assert [run.chains["looker"].trouble is not None for run in runs] == [False, True] * 3


def test_a_host_that_dies_on_everything_ends_the_run(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting_module, "host_main", mortal_host)
    hosting = Hosting(config(1), arena)
    for c in "abcdef":
        hosting.put(waiting(content(c), DEADLY))
    with pytest.raises(ModelUnhealthyError, match="exit code 3"):
        serve(hosting)
    hosting.close()


def test_a_host_that_dies_in_the_middle_of_a_message_is_one_that_died(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting_module, "host_main", half_a_message)
    hosting = Hosting(config(1), arena)
    run = content("a")
    hosting.put(waiting(run, 8))
    try:
        assert serve(hosting)
    finally:
        hosting.close()
    assert "died on it" in str(run.chains["looker"].trouble)


def test_a_batch_of_any_size_fits_into_the_pipe(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    """A coordinator that blocks in a send to a host that blocks in a send would wait for ever."""
    sizes: list[int] = []
    monkeypatch.setattr(hosting_module, "host_main", mortal_host)
    monkeypatch.setattr(
        hosting_module,
        "Batch",
        lambda number, samples, work: sizes.append(len(samples)) or Batch(number, samples, work),
    )
    hosting = Hosting(config(1_000_000), arena)
    run = content("a")
    for _ in range(3_000):
        hosting.put(waiting(run, 8))
    try:
        assert len(serve(hosting)) == 3_000
    finally:
        hosting.close()
    assert max(sizes) <= 1_000
