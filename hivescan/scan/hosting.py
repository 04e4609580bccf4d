"""The coordinator's side of the inference hosts: the queue of samples, batches in flight, restarts."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import Connection

from hivescan.errors import ModelUnhealthyError
from hivescan.scan.arena import Arena
from hivescan.scan.contents import ContentRun
from hivescan.scan.costs import Costs
from hivescan.scan.host import HostConfig
from hivescan.scan.host_process import HostProcess, Waiting
from hivescan.scan.messages import Batch, BatchDone, HostFailed, HostReady, Piece
from hivescan.scan.picking import pick, within
from hivescan.types import SampleKey

_IN_FLIGHT = 2
"""Batches sent ahead, so that a host never waits for its pipe."""
_MOST_IN_BATCH = 512
"""However large a batch is asked for, its message fits into the pipe: a host, blocked while it sends
results, must never meet a coordinator that is blocked while it sends a batch."""
_LEAST_IN_BATCH = 8
_MOST_DEATHS = 5
_GOOD_BATCHES = 50
"""So many batches in a row, and deaths before them are forgotten: a long run may lose a host now and then."""
_MOST_STILLBORN = 3
_DEATHS_OF_A_SAMPLE = 3


class Hosting:
    """One host a GPU, or one on the CPU.

    Their processes start with the first file that is opened; models are loaded for the first that needs
    them, so that a run with nothing to do loads none, and one over pictures none of sounds.
    """

    def __init__(
        self, config: HostConfig, arena: Arena, gpus: Sequence[str] = (), costs: Costs | None = None
    ) -> None:
        self._config = config
        self._arena = arena
        self._gpus: tuple[str | None, ...] = tuple(gpus) or (None,)
        self._hosts: list[HostProcess] = []
        self._queue: deque[Waiting] = deque()
        self._next_batch = 0
        self._deaths = 0
        self._stillborn = 0  # hosts in a row that died before their models were loaded
        self._good_batches = 0
        self._worked = False  # since the last sample that was given up
        self._batch_size = self._within_pipe(config.placement.batch_size or 8 * config.placement.threads)
        self.costs = costs or Costs()
        self.warnings: tuple[str, ...] = ()

    @property
    def pipes(self) -> list[Connection]:
        """The pipes to wait on; none while no host runs."""
        return [host.pipe for host in self._hosts]

    @property
    def waiting(self) -> int:
        """Samples that have not come back yet."""
        return len(self._queue) + sum(len(s) for host in self._hosts for s in host.flying.values())

    @property
    def batch_size(self) -> int:
        """Pictures that are handed over together: as asked for, or found from cores and GPU memory."""
        return self._batch_size

    def prepare(self) -> None:
        """Start the processes, which takes a while, beside other work."""
        while self._config.analyzers and len(self._hosts) < len(self._gpus):
            self._hosts.append(HostProcess(self._config, self._arena, self._free_gpu()))

    def load(self, analyzers: Sequence[str]) -> None:
        """A file was met that will need the models of these analyzers."""
        self.prepare()
        for host in self._hosts:
            host.load(analyzers)

    def put(self, sample: Waiting) -> None:
        self._queue.append(sample)

    def feed(self, *, more_coming: bool) -> None:
        """Send what can be sent. Without ``more_coming`` a batch need not be full."""
        if not self._queue:
            return
        self.prepare()
        for host in sorted(self._hosts, key=lambda host: len(host.flying)):
            while self._queue and self._may_send(host, more_coming=more_coming):
                self._send_batch(host)

    def _free_gpu(self) -> str | None:
        taken = [host.gpu for host in self._hosts]
        return next(gpu for gpu in self._gpus if gpu not in taken)

    def _within_pipe(self, size: int) -> int:
        asked = self._config.placement.batch_size
        return min(max(size, 1 if asked else _LEAST_IN_BATCH), _MOST_IN_BATCH)

    def _may_send(self, host: HostProcess, *, more_coming: bool) -> bool:
        if not host.flying:
            return True
        suspects = [self._queue[0], *(samples[0] for samples in host.flying.values())]
        if any(sample.deaths for sample in suspects):
            return False  # alone with the host, so that no other sample is blamed
        full = len(self._queue) >= self._batch_size
        return len(host.flying) < _IN_FLIGHT and (full or not more_coming)

    def _send_batch(self, host: HostProcess) -> None:
        size = 1 if self._queue[0].deaths else self._batch_size
        samples = [self._queue.popleft() for _ in range(min(size, len(self._queue)))]
        work: dict[str, list[int]] = {}
        for i, sample in enumerate(samples):
            for chain in sample.chains:
                work.setdefault(chain, []).append(i)
        # Equal tuples are one: many chains over the same samples make the message hardly longer.
        same: dict[tuple[int, ...], tuple[int, ...]] = {}
        wanted = {chain: same.setdefault(tuple(indices), tuple(indices)) for chain, indices in work.items()}
        batch = Batch(self._next_batch, tuple(s.placed for s in samples), wanted)
        self._next_batch += 1
        host.send(batch, samples)

    def receive(self, pipe: Connection) -> list[Waiting]:
        """Take one message of the host behind a pipe; returns the samples that are through with it.

        Raises :class:`ModelUnhealthyError` and whatever stopped the models from loading.
        """
        host = next(host for host in self._hosts if host.pipe is pipe)
        message = host.receive()
        if message is None:
            return self._died(host)
        if isinstance(message, HostReady):
            self._stillborn = 0
            self.costs.add("models", message.bill)
            if self._config.placement.batch_size is None:
                self._batch_size = self._within_pipe(max(self._batch_size, message.batch_size))
            return []
        if isinstance(message, HostFailed):
            raise message.error
        assert isinstance(message, BatchDone)
        self._worked = True
        self._good_batches += 1
        if self._good_batches >= _GOOD_BATCHES:
            self._deaths = 0
        samples = host.flying.pop(message.batch)
        self.costs.add("models", message.bill)
        self._hand_out(message, samples)
        return samples

    def _hand_out(self, message: BatchDone, samples: list[Waiting]) -> None:
        """Give each content what was found in its samples."""
        for chain, pieces in message.findings.items():
            for piece in pieces:
                by_content: dict[int, list[int]] = {}
                for row, index in enumerate(piece.samples):
                    by_content.setdefault(id(samples[index].content), []).append(row)
                for rows in by_content.values():
                    keys = [_key(piece, row, samples) for row in rows]
                    whole = len(rows) == len(piece.samples)
                    findings = piece.findings if whole else pick(piece.findings, rows)
                    samples[piece.samples[rows[0]]].content.found(chain, keys, findings)
        for index, sample in enumerate(samples):
            for chain in sample.chains:
                reason = message.trouble.get(chain, {}).get(index)
                if reason is None:
                    sample.content.looked_at(chain)
                else:
                    sample.content.failed_on(chain, reason)

    def replace_overdue(self) -> list[Waiting]:
        """End hosts that hang, as ones that died; returns the samples that are given up."""
        hung = [host for host in self._hosts if host.is_overdue and not host.pipe.poll()]
        return [sample for host in hung for sample in self._died(host)]

    def forgive(self, seconds: float) -> None:
        """Nobody could have heard the hosts for so long."""
        for host in self._hosts:
            host.forgive(seconds)

    def contents(self) -> list[ContentRun]:
        """Those with samples that have not come back."""
        flying = (s for host in self._hosts for samples in host.flying.values() for s in samples)
        return list({id(s.content): s.content for s in (*self._queue, *flying)}.values())

    def _died(self, host: HostProcess) -> list[Waiting]:
        """Start anew. A sample that three hosts died on, the last two alone with it, is given up.

        Deaths that such a sample explains are not held against the hosts, if they did work in between.
        """
        code = host.bury()
        self._hosts.remove(host)
        self._deaths += 1
        self._good_batches = 0
        self._stillborn += not host.ready
        if self._deaths > _MOST_DEATHS or self._stillborn >= _MOST_STILLBORN:
            raise ModelUnhealthyError(
                f"the inference process died {self._deaths} time(s), last with exit code {code}; "
                "is there enough memory? try --batch-size 1 or fewer --analyzers"
            )
        given_up: list[Waiting] = []
        again: list[Waiting] = []
        for sample in (s for samples in host.flying.values() for s in samples):
            sample.deaths += 1
            (given_up if sample.deaths >= _DEATHS_OF_A_SAMPLE else again).append(sample)
        if given_up and self._worked:
            self._deaths = max(0, self._deaths - _DEATHS_OF_A_SAMPLE)
            self._worked = False
        for sample in given_up:
            for chain in sample.chains:
                sample.content.failed_on(chain, "the inference process died on it three times")
        self._queue.extendleft(reversed(again))
        return given_up

    def close(self) -> None:
        """End all hosts; those that are idle say their last words."""
        hosts, self._hosts = self._hosts, []
        self.warnings = tuple(dict.fromkeys(line for host in hosts for line in host.close()))


def _key(piece: Piece, row: int, samples: Sequence[Waiting]) -> SampleKey:
    """What a row is about: a sample of the batch, or a thing found within it."""
    sample = samples[piece.samples[row]].key
    if piece.places is None:
        return sample
    start_ms, end_ms = within(sample, *(piece.places.times[row] or (None, None)))
    return SampleKey(
        sample.content_id, piece.places.level, sample.index, start_ms, end_ms, piece.places.regions[row]
    )
