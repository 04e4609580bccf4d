"""A worker on a long way to its next frame says so, and is not given up."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest

from hivescan.scan import worker as worker_module
from hivescan.scan.arena import Arena
from hivescan.scan.messages import Alive, Finished, Job, Probed, Proceed, SampleReady, Started, Stream
from hivescan.scan.worker import DecodeWorker
from hivescan.types import Level, Limits, Sampling, Status


def test_a_worker_says_that_it_decodes_while_no_frame_is_wanted(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "_SIGN_EVERY_S", 0.0)
    ours, theirs = multiprocessing.Pipe()
    arena = Arena.create(4096)
    thread = threading.Thread(target=DecodeWorker(theirs, arena, Limits()).run)
    thread.start()
    ours.send(Job(0, str(data / "video" / "fights" / "fight" / "fi001.mp4")))
    heard: list[object] = [ours.recv(), ours.recv()]
    ours.send(Proceed(0, (Stream(Level.FRAME),), (), None, Sampling(mode="scenes")))
    while not isinstance(heard[-1], Finished):
        heard.append(ours.recv())
    ours.send(None)
    thread.join()
    arena.close()
    kinds = [type(message) for message in heard]
    assert kinds[:2] == [Started, Probed]
    assert kinds.count(Alive) > 20 and kinds.count(SampleReady) == 1
    assert isinstance(heard[-1], Finished) and heard[-1].end.status is Status.DONE
