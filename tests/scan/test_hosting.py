"""The inference host dies: only the sample that it dies on is given up, and a run can still end."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait

import pytest

from hivescan.errors import ModelUnhealthyError
from hivescan.models.backends.base import Placement
from hivescan.scan import host_process
from hivescan.scan import hosting as hosting_module
from hivescan.scan.arena import Arena
from hivescan.scan.contents import ChainState, ContentRun
from hivescan.scan.costs import Bill, Spent
from hivescan.scan.host import HostConfig
from hivescan.scan.host_process import Waiting
from hivescan.scan.hosting import Hosting
from hivescan.scan.messages import Batch, BatchDone, HostGone, HostReady, Layout, Load, Piece, Placed
from hivescan.types import ContentId, Digests, Findings, MediaInfo, MediaType, View

DEADLY = 13
LAYOUT = Layout.of((View(8, 8, "stretch", 8),))


def mortal_host(pipe: Connection, arena: Arena, config: HostConfig) -> None:
    """Answers every batch, and dies on samples whose width is the deadly number."""
    assert isinstance(pipe.recv(), Load)
    pipe.send(HostReady(Bill(), 1))
    while (batch := pipe.recv()) is not None:
        assert isinstance(batch, Batch)
        if any(sample.width == DEADLY for sample in batch.samples):
            os._exit(3)
        pipe.send(
            BatchDone(batch.batch, {n: [Piece(at, Findings())] for n, at in batch.work.items()}, {}, Bill())
        )


def half_a_message(pipe: Connection, arena: Arena, config: HostConfig) -> None:
    """Dies while it sends its second message."""
    assert isinstance(pipe.recv(), Load)
    pipe.send(HostReady(Bill(), 1))
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
        served += hosting.receive(wait(hosting.pipes)[0])
    return served


def config(batch_size: int) -> HostConfig:
    return HostConfig(("looker",), frozenset(), Placement(batch_size=batch_size))


def test_only_the_sample_that_hosts_die_on_is_given_up(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_process, "host_main", mortal_host)
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
    monkeypatch.setattr(host_process, "host_main", mortal_host)
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
    monkeypatch.setattr(host_process, "host_main", mortal_host)
    hosting = Hosting(config(1), arena)
    for c in "abcdef":
        hosting.put(waiting(content(c), DEADLY))
    with pytest.raises(ModelUnhealthyError, match="exit code 3"):
        serve(hosting)
    hosting.close()


def test_a_host_that_dies_in_the_middle_of_a_message_is_one_that_died(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_process, "host_main", half_a_message)
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
    sent: list[Batch] = []
    monkeypatch.setattr(host_process, "host_main", mortal_host)
    monkeypatch.setattr(
        hosting_module,
        "Batch",
        lambda number, samples, work: sent.append(Batch(number, samples, work)) or sent[-1],
    )
    hosting = Hosting(config(1_000_000), arena)
    run = content("a")
    heads = tuple(f"ocr>head {i}" for i in range(200))
    run.chains |= {head: ChainState("f") for head in heads}
    for _ in range(3_000):
        sample = waiting(run, 8)
        sample.chains += heads
        hosting.put(sample)
    try:
        assert len(serve(hosting)) == 3_000
    finally:
        hosting.close()
    assert max(len(batch.samples) for batch in sent) <= 1_000
    assert max(len(pickle.dumps(batch)) for batch in sent) < 60_000


def count_batches(pipe: Connection, arena: Arena, config: HostConfig) -> None:
    """Says which device it was given, as the number of samples that it takes at once."""
    assert isinstance(pipe.recv(), Load)
    pipe.send(HostReady(Bill(), 0))
    while (batch := pipe.recv()) is not None:
        device = int(os.environ["CUDA_VISIBLE_DEVICES"])
        bill = Bill({f"gpu {device}": Spent(1.0, 1.0)})
        pipe.send(
            BatchDone(batch.batch, {n: [Piece(at, Findings())] for n, at in batch.work.items()}, {}, bill)
        )


def test_each_gpu_has_a_host_of_its_own_and_all_work(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_process, "host_main", count_batches)
    hosting = Hosting(config(1), arena, gpus=("0", "3"))
    runs = [content(c) for c in "abcdef"]
    for run in runs:
        hosting.put(waiting(run, 8))
    try:
        assert len(serve(hosting)) == 6
        assert set(hosting.costs.stages["models"]) == {"gpu 0", "gpu 3"}
    finally:
        hosting.close()
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def hungry_host(pipe: Connection, arena: Arena, config: HostConfig) -> None:
    """Takes 64 samples at once."""
    assert isinstance(pipe.recv(), Load)
    pipe.send(HostReady(Bill(), 64))
    while pipe.recv() is not None:
        pass


def test_the_batch_is_what_the_networks_take_unless_a_size_is_asked_for(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_process, "host_main", hungry_host)
    for asked, expected in ((None, 64), (3, 3)):
        hosting = Hosting(HostConfig(("looker",), frozenset(), Placement(batch_size=asked)), arena)
        hosting.put(waiting(content("a"), 8))
        try:
            hosting.feed(more_coming=False)
            hosting.receive(wait(hosting.pipes)[0])
            assert hosting.batch_size == expected
        finally:
            hosting.close()


def tell_what_was_loaded(pipe: Connection, arena: Arena, config: HostConfig) -> None:
    """Answers every batch; its last words are what it was told to load, and in which order."""
    loaded: list[tuple[str, ...]] = []
    while (message := pipe.recv()) is not None:
        if isinstance(message, Load):
            loaded.append(message.analyzers)
            pipe.send(HostReady(Bill(), 1))
        else:
            assert set(message.work) <= {name for names in loaded for name in names}
            work = {n: [Piece(at, Findings())] for n, at in message.work.items()}
            pipe.send(BatchDone(message.batch, work, {}, Bill()))
    pipe.send(HostGone(tuple(" ".join(names) for names in loaded)))


def test_models_are_loaded_for_the_first_sample_that_needs_them(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_process, "host_main", tell_what_was_loaded)
    several = HostConfig(("looker", "listener", "reader"), frozenset(), Placement(batch_size=2))
    hosting = Hosting(several, arena)
    try:
        hosting.load(("looker",))
        for chains in (("looker",), ("looker",), ("listener", "looker"), ("listener",)):
            run = content("a")
            run.chains["listener"] = ChainState("f")
            hosting.put(Waiting(run, run.key(0, None, None), Placed(0, LAYOUT, 8, 8), chains))
        serve(hosting)
    finally:
        hosting.close()
    assert hosting.warnings == ("looker", "listener")
