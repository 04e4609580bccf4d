"""How a run of matching went, and the lists that it takes. Apart from the run itself, which needs a store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hivescan.errors import KnownListError
from hivescan.matching.floods import Flood
from hivescan.matching.known import KnownInfo, KnownList
from hivescan.matching.vetoes import Veto
from hivescan.store.location import StoreLocation


@dataclass(frozen=True)
class MatchSummary:
    """How a run went.

    ``run_id`` and ``store`` are None where files were matched without a store. ``contents`` were compared:
    their digests, and ``compared[algorithm]`` perceptual hashes of their pictures, each list counted.
    ``unhashed`` pictures and videos have no PDQ hash in the store, so that only their digests were compared.
    ``found`` are matches, of which ``added`` were not in the store yet, in ``matched`` different contents.
    ``vetoed`` pairs did not match because a negative or benign entry was at least as near; ``retracted``
    matches of earlier runs do not stand any more; ``quarantined`` are the known works whose matches are kept
    back, of these lists. ``untold`` matches are of samples that have a thousand nearer ones. ``not_released``
    were to be let through, and match nothing.
    """

    run_id: str | None
    store: StoreLocation | None
    lists: tuple[KnownInfo, ...]
    contents: int
    unhashed: int
    compared: Mapping[str, int]
    found: int
    added: int
    matched: int
    vetoed: tuple[Veto, ...]
    retracted: int
    quarantined: tuple[Flood, ...]
    untold: int
    seconds: float
    not_released: tuple[str, ...] = ()

    @property
    def list_ids(self) -> tuple[str, ...]:
        return tuple(info.list_id for info in self.lists)

    @property
    def lineages(self) -> tuple[str, ...]:
        return tuple(info.lineage for info in self.lists)


def distinct(known: Iterable[KnownList]) -> tuple[KnownList, ...]:
    """The lists, each once however often it was named.

    Raises :class:`KnownListError` where two are versions of one list.
    """
    once = tuple({each.list_id: each for each in known}.values())
    by_lineage: dict[str, Path] = {}
    for each in once:
        other = by_lineage.setdefault(each.info.lineage, each.info.path)
        if other != each.info.path:
            raise KnownListError(
                f"{other} and {each.info.path} are versions of one list: name the one that counts"
            )
    return once
