"""What becomes of the rows of a source, in a bucket that holds all rows of its entries."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hivescan.matching.lists.keys import DELETED, UNKNOWN, WHOLE, WHOLE_ENTRY
from hivescan.matching.lists.spool import Records

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Decisions:
    """``append`` are new rows of the source. ``replace`` rows of it take the places ``replaced`` of the list.
    The list's rows ``withdrawn`` become tombstones, stated at ``withdrawn_at``; of those ``restated`` only
    the provider's time is new. ``revived`` are rows of the source that bring a tombstone back.
    """

    append: Places
    replace: Places
    replaced: Places
    withdrawn: Places
    withdrawn_at: Places
    restated: Places
    restated_at: Places
    revived: Places
    counts: Counter[str]


def decide(stored: Records, incoming: Records, now: int) -> Decisions:
    """Hold the rows of a source against those of a list.

    Of several incoming rows with one key the newest counts, of equally old ones a tombstone, then the last.
    A row older than the one it meets changes nothing. A tombstone gives way only to a row that is known to be
    newer. ``now`` is when a withdrawal without a time was stated.
    """
    newest = _newest(incoming)
    winners = newest[~_superseded(newest, newest[(newest["flags"] & WHOLE) > 0])]
    # A tombstone of a whole entry says nothing of a list that knows the entry not at all, but stays: an
    # older record of it may still come.
    stored_group, winner_group = _groups(stored, winners)
    met = _at_group(stored_group, winner_group)  # for each stored row the winner that has its key, or -1
    alone = np.ones(len(winners), np.bool_)
    alone[met[met >= 0]] = False

    gone = (winners["flags"] & DELETED) > 0
    known = winners["time"] != UNKNOWN
    kills = _kill_times(stored, winners, now)
    covered = ~gone & (kills.of(winners) != UNKNOWN) & (~known | (winners["time"] <= kills.of(winners)))

    # What a page states of an entry of which the list has a later statement without it.
    late = alone & ~gone & ~covered & _superseded(winners, stored)

    old, new = np.flatnonzero(met >= 0), met[met >= 0]
    old_gone = (stored["flags"][old] & DELETED) > 0
    old_time, new_time = stored["time"][old], winners["time"][new]
    both_known = known[new] & (old_time != UNKNOWN)
    newer = known[new] & (new_time > old_time)
    older = both_known & (new_time < old_time)
    same = stored["content"][old] == winners["content"][new]

    revive = old_gone & ~gone[new] & newer & ~covered[new]
    kept_gone = old_gone & ~gone[new] & ~revive
    withdraw = ~old_gone & gone[new] & ~older
    live = ~old_gone & ~gone[new] & ~covered[new]
    change = live & ~older & ~same
    restate = (live & same & newer) | (old_gone & gone[new] & newer)

    taken = revive | change
    killed, killed_at = _killed(stored, winners, kills, met, old[taken | (live & restate)])
    withdrawn = np.concatenate([old[withdraw], killed])
    stated = np.where(known[new[withdraw]], new_time[withdraw], now)

    counts: Counter[str] = Counter(
        added=int((alone & ~gone & ~covered & ~late).sum()),
        changed=int(change.sum()),
        withdrawn=len(withdrawn),
        revived=int(revive.sum()),
        unchanged=int((live & same).sum() + (old_gone & gone[new]).sum()),
        older=int((~old_gone & ((older & ~(live & same)) | covered[new])).sum() + late.sum())
        + len(newest)
        - len(winners),
        kept_withdrawn=int(kept_gone.sum() + (alone & covered).sum()),
        tombstones=int((alone & gone).sum()),
        repeated=len(incoming) - len(newest),
    )
    return Decisions(
        append=np.sort(winners["row"][alone & ~covered & ~late]),
        replace=winners["row"][new[taken]],
        replaced=stored["row"][old[taken]],
        withdrawn=stored["row"][withdrawn],
        withdrawn_at=np.concatenate([stated, killed_at]),
        restated=stored["row"][old[restate]],
        restated_at=new_time[restate],
        revived=winners["row"][new[revive]],
        counts=counts,
    )


def _newest(incoming: Records) -> Records:
    deleted = (incoming["flags"] & DELETED) > 0
    last = deleted & (incoming["time"] != UNKNOWN)
    order = np.lexsort((incoming["row"], last, incoming["time"], incoming["low"], incoming["high"]))
    ordered = incoming[order]
    differs = (ordered["high"][1:] != ordered["high"][:-1]) | (ordered["low"][1:] != ordered["low"][:-1])
    return ordered[np.r_[differs, True]] if len(ordered) else ordered


def _superseded(rows: Records, others: Records) -> npt.NDArray[np.bool_]:
    """Which rows are of a statement of a whole entry that is older than one among ``others``."""
    stated = _EntryTimes(others["entry"], others["time"]).of(rows)
    whole = (rows["flags"] & WHOLE) > 0
    return np.asarray(whole & (rows["time"] != UNKNOWN) & (rows["time"] < stated))


def _groups(stored: Records, winners: Records) -> tuple[Places, Places]:
    """A number for each row, the same for the same key."""
    high = np.concatenate([stored["high"], winners["high"]])
    low = np.concatenate([stored["low"], winners["low"]])
    order = np.lexsort((low, high))
    differs = (high[order][1:] != high[order][:-1]) | (low[order][1:] != low[order][:-1])
    groups = np.empty(len(high), np.int64)
    groups[order] = np.cumsum(np.r_[0, differs]) if len(high) else 0
    return groups[: len(stored)], groups[len(stored) :]


def _at_group(stored_group: Places, winner_group: Places) -> Places:
    largest = max(stored_group.max(initial=0), winner_group.max(initial=0))
    at = np.full(int(largest) + 1, -1, np.int64)
    at[winner_group] = np.arange(len(winner_group))
    return at[stored_group]


class _EntryTimes:
    """A time for some entries; that of others is unknown."""

    def __init__(self, entries: npt.NDArray[np.uint64], times: Places) -> None:
        order = np.lexsort((times, entries))
        entries, times = entries[order], times[order]
        last = np.r_[entries[1:] != entries[:-1], True] if len(entries) else np.empty(0, np.bool_)
        self._entries, self._times = entries[last], times[last]

    def of(self, records: Records) -> Places:
        if not len(self._entries):
            return np.full(len(records), UNKNOWN, np.int64)
        at = np.minimum(np.searchsorted(self._entries, records["entry"]), len(self._entries) - 1)
        return np.where(self._entries[at] == records["entry"], self._times[at], UNKNOWN)


def _kill_times(stored: Records, winners: Records, now: int) -> _EntryTimes:
    """Until when each entry's records were withdrawn as a whole."""
    old = stored[(stored["flags"] & WHOLE_ENTRY) > 0]
    new = winners[(winners["flags"] & WHOLE_ENTRY) > 0]
    times = np.where(new["time"] == UNKNOWN, now, new["time"])
    return _EntryTimes(np.concatenate([old["entry"], new["entry"]]), np.concatenate([old["time"], times]))


def _killed(
    stored: Records, winners: Records, kills: _EntryTimes, met: Places, renewed: Places
) -> tuple[Places, Places]:
    """Live rows of the list, none of those ``renewed``, whose entry was withdrawn or no longer has them."""
    live = (stored["flags"] & DELETED) == 0
    live[renewed] = False
    at = kills.of(stored)
    by_entry = live & (at != UNKNOWN) & ((stored["time"] == UNKNOWN) | (stored["time"] <= at))
    # A withdrawal of this very hash is counted where the two meet, unless it is too old to count there.
    itself = met >= 0
    theirs, had = winners[met[itself]], stored["time"][itself]
    older = (theirs["time"] != UNKNOWN) & (had != UNKNOWN) & (theirs["time"] < had)
    itself[itself] = ((theirs["flags"] & DELETED) > 0) & ~older
    by_entry &= ~itself
    whole = winners[(winners["flags"] & WHOLE) > 0]
    stated = _EntryTimes(whole["entry"], whole["time"]).of(stored)
    dropped = live & ~by_entry & (met < 0) & (stated != UNKNOWN)
    dropped &= (stored["time"] != UNKNOWN) & (stored["time"] < stated)
    killed = np.flatnonzero(by_entry | dropped)
    return killed, np.where(by_entry, at, stated)[killed]
