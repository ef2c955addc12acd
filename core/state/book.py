"""The order book of one instrument: price levels, and how far they are proved.

Here live levels and states; sequence rules live in ``core.state.sequence``, decoding in the venue.
The book asks nobody for anything: it says by its state that it wants a snapshot.

A book is fed by two streams that count the same updates: deltas, which carry every level, and BBOs,
which carry best bid and offer at once. Whichever counts further gives the best prices; where both
have reached the same update they must agree, and where they do not, the book is not whole. Nor is
it where a BBO stands far off the levels proved last: whoever is right, the next snapshot tells.

A snapshot may hold the best levels of a side alone. What lies beyond its edge is not known and
never shown; before the market gets there the book is renewed from another snapshot, without losing
a price meanwhile.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable

from core.model.events import Bbo, BookDelta, BookSnapshot, Side
from core.model.views import BookState, StaleBook
from core.state.sequence import CHECKED, Admission, BookSync, ImageOnly, RestBridged

MAX_LEVELS = 20_000
"""Levels kept a side: four times the deepest snapshot; beyond it the worst are dropped."""

# Bound once: to look a member up in its Enum costs 50 ns, and every update needs several.
_APPLY, _IGNORE, _GAP = Admission.APPLY, Admission.IGNORE, Admission.GAP
_LIVE, _BUFFERING = BookState.LIVE, BookState.BUFFERING

_BID, _ASK = 1, -1
"""What turns a side's prices into ranks: the best price of either side has the greatest."""

MAX_TICKS = 1 << 63
"""Above every price."""

_NO_RANK = -MAX_TICKS
"""Below every rank: a side that is known to its last level has its edge there."""

_BPS = 10_000

NEAR_TICKS = 3
"""So many ticks are never far off, however much of the price each of them is."""

_CROSSED = "crossed: the best bid is at or above the best ask"

MAX_BUFFERED = 10_000
"""Deltas kept while a snapshot is awaited: over 15 minutes at 10 a second, some tens of MB."""


class Book:
    """Price levels of one instrument.

    ``sync`` makes the rule that proves the deltas (the book is live once a snapshot begins or
    bridges them); ``None``: without deltas the book is the BBOs alone, live from the first one.
    ``far_bps`` is how far a BBO may stand off the levels proved last; 0 believes every BBO.
    """

    __slots__ = (
        "_ask_ceiling_ticks",
        "_ask_edge",
        "_ask_floor_ticks",
        "_ask_lots",
        "_ask_ranks",
        "_ask_ticks",
        "_ask_turn_ticks",
        "_asks",
        "_bid_ceiling_ticks",
        "_bid_edge",
        "_bid_floor_ticks",
        "_bid_lots",
        "_bid_ranks",
        "_bid_ticks",
        "_bid_turn_ticks",
        "_bids",
        "_buffer",
        "_chain",
        "_far_bps",
        "_highest_ticks",
        "_images",
        "_kept_bbo",
        "_lowest_ticks",
        "_most_levels",
        "_new_sync",
        "_renewing",
        "_repeated_seq",
        "_rounded",
        "fresh_ns",
        "gaps",
        "in_band",
        "instrument",
        "live",
        "seq",
        "state",
        "why",
        "with_depth",
    )

    def __init__(
        self, instrument: int, sync: Callable[[], BookSync] | None, *, far_bps: int = 0
    ) -> None:
        self.instrument = instrument
        self.with_depth = sync is not None
        self._new_sync: Callable[[], BookSync] = sync or RestBridged
        self._far_bps = far_bps
        self.fresh_ns = 0
        """Up to when the book is the market's: its own feed's last word, or somebody else's who
        agreed. Kept by whoever hears them."""
        self.state = BookState.EMPTY
        self.live = False
        self.why = "nothing received yet"
        self.gaps = 0
        self._clear()

    def __repr__(self) -> str:
        return f"<Book {self.instrument} {self.state} seq={self.seq}>"

    def _clear(self) -> None:
        self.seq = -1
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}
        self._bid_ranks: list[int] = []
        self._ask_ranks: list[int] = []
        self._bid_ticks = self._bid_lots = self._ask_ticks = self._ask_lots = 0
        self._chain = self._new_sync()
        self.in_band = self._chain.in_band
        """Whether the feed itself brings the snapshots."""
        self._most_levels = self._chain.depth or MAX_LEVELS
        self._images = ImageOnly()
        self._buffer: list[BookDelta] = []
        self._kept_bbo: Bbo | None = None
        self._rounded = False
        """Whether the last BBO has a price between two ticks, which no level tells of."""
        self._repeated_seq = -1
        """Where the change before this one ended, if that was one kept already."""
        self._renewing = False
        """Whether changes are kept beside a live book, for a snapshot that moves its edges."""
        self._bid_edge = self._ask_edge = _NO_RANK
        """Rank of the worst level a side is known down to."""
        self._bid_turn_ticks, self._ask_turn_ticks = 0, MAX_TICKS
        """Best prices beyond which the edges are near."""
        self._lowest_ticks, self._highest_ticks = 0, MAX_TICKS
        """Between which a BBO is believed without a closer look."""
        self._bid_floor_ticks, self._bid_ceiling_ticks = MAX_TICKS, 0
        self._ask_floor_ticks, self._ask_ceiling_ticks = MAX_TICKS, 0
        """Between which the levels' best prices may move without being looked at."""

    # -- what may be seen ----------------------------------------------------------------------

    @property
    def bid_ticks(self) -> int:
        if not self.live:
            self._refuse()
        return self._bid_ticks

    @property
    def bid_lots(self) -> int:
        if not self.live:
            self._refuse()
        return self._bid_lots

    @property
    def ask_ticks(self) -> int:
        if not self.live:
            self._refuse()
        return self._ask_ticks

    @property
    def ask_lots(self) -> int:
        if not self.live:
            self._refuse()
        return self._ask_lots

    def _refuse(self) -> None:
        raise StaleBook(
            f"book {self.instrument} is {self.state} ({self.why}): it has no prices; "
            "look at book.live before reading them"
        )

    def levels(self, side: Side, depth: int) -> list[tuple[int, int]]:
        """Return up to ``depth`` levels ``(ticks, lots)``, best first.

        Where the BBOs are ahead of the deltas the best level is the BBO's, and levels that it
        proves gone are left out. Levels beyond the edge of the snapshot are left out too.
        """
        if not self.live:
            self._refuse()
        if side is Side.BUY:
            best, lots, sign = self._bid_ticks, self._bid_lots, _BID
            sizes, ranks, edge = self._bids, self._bid_ranks, self._bid_edge
        else:
            best, lots, sign = self._ask_ticks, self._ask_lots, _ASK
            sizes, ranks, edge = self._asks, self._ask_ranks, self._ask_edge
        if not lots or depth <= 0:
            return []
        found = [(best, lots)]
        if depth > 1:
            end = bisect_left(ranks, sign * best)
            worse = ranks[max(end - depth + 1, bisect_left(ranks, edge)) : end]
            found += [(sign * rank, sizes[sign * rank]) for rank in reversed(worse)]
        return found

    @property
    def wants_snapshot(self) -> bool:
        """Whether a snapshot would help at once: deltas are kept, and wait for one."""
        return (self.state is _BUFFERING or self._renewing) and bool(self._buffer)

    @property
    def ahead(self) -> bool:
        """Whether the feed's changes come, and have not reached the snapshot: none is applied."""
        return self.live and self._chain.ahead

    @property
    def levels_seq(self) -> int:
        """The number of the last change known, applied or kept; -1 for none."""
        if self.live:
            return self._chain.seq
        return self._buffer[-1].last_seq if self._buffer else -1

    @property
    def bbo_seq(self) -> int:
        """The number of the last image of the best two, -1 for none."""
        return self._images.seq

    @property
    def takes_snapshot(self) -> bool:
        """Whether a snapshot may be applied: it is waited for, or the feed begins anew."""
        return self.waits or (self.in_band and self.live)

    @property
    def waits(self) -> bool:
        """Whether a snapshot has to be had: the book is being proved, or renewed."""
        return self.state is _BUFFERING or self._renewing

    # -- what may happen -----------------------------------------------------------------------

    def continue_from_another_feed(self) -> None:
        """What comes next is of another connection, whose changes may end elsewhere."""
        self._chain.restart()
        self._images.restart()
        self._repeated_seq = -1

    def begin(self) -> None:
        """The subscription stands: forget all, and start proving anew."""
        self._clear()
        self.state = _BUFFERING
        self.live = False
        self.why = "waiting for a snapshot" if self.with_depth else "waiting for a first top"

    def invalidate(self, why: str) -> None:
        """Take the proof away: the feed is lost, silent or contradicts itself."""
        if self.state is _LIVE:
            self.gaps += 1
        self.state = BookState.STALE
        self.live = self._renewing = False
        self.why = why

    def apply_bbo(self, bbo: Bbo) -> bool:
        """Take an image of the best two; return whether a best price or size changed."""
        if not self.live:
            if self.with_depth:
                self._kept_bbo = bbo
                return False
            if self.state is not _BUFFERING:
                return False
            self._go_live()
        seq, images = bbo.seq, self._images
        if seq > images.seq:
            images.seq = seq
        else:
            goes_back = images.admit(seq) is _GAP
            if goes_back:
                self.invalidate(f"the best prices went back from {images.seq} to {seq}")
            return goes_back
        if seq <= self.seq:
            return False
        bid_ticks, bid_lots = bbo.bid_ticks, bbo.bid_lots
        ask_ticks, ask_lots = bbo.ask_ticks, bbo.ask_lots
        if not self._lowest_ticks <= bid_ticks < ask_ticks <= self._highest_ticks:  # nearly never
            if bid_ticks >= ask_ticks and bid_lots and ask_lots:
                self.invalidate(_CROSSED)
                return True
            if self._is_far(bbo):
                self.invalidate(
                    f"the best prices are over {self._far_bps / 100:g} % off the levels proved last"
                )
                return True
        self.seq = seq
        self._rounded = bbo.rounded
        if (
            bid_ticks == self._bid_ticks
            and ask_ticks == self._ask_ticks
            and bid_lots == self._bid_lots
            and ask_lots == self._ask_lots
        ):
            return False
        self._bid_ticks, self._bid_lots = bid_ticks, bid_lots
        self._ask_ticks, self._ask_lots = ask_ticks, ask_lots
        return True

    def apply_delta(self, delta: BookDelta) -> bool:
        """Take new sizes; return whether the book changed or lost its proof."""
        if not self.live:
            if self.state is _BUFFERING and not self.in_band:
                self._keep(delta)
            return False
        chain = self._chain
        admission = chain.admit(delta.first_seq, delta.last_seq)
        if admission is not _APPLY:
            is_gap = admission is _GAP
            if is_gap:
                self.invalidate(
                    f"gap: holds update {chain.seq}, got {delta.first_seq}..{delta.last_seq}"
                )
            return is_gap
        if self._renewing:
            self._keep_beside(delta)
        self._set_levels(delta)
        if delta.checksum is not None and not self._agrees(delta.checksum):
            return True
        return self._take_best(chain.seq)

    def apply_snapshot(self, snapshot: BookSnapshot) -> bool:
        """Bridge a snapshot into the deltas kept; return whether it was taken.

        One that the feed itself brings begins the book anew, live or not. Where no delta is kept,
        and the feed stood before the snapshot was requested, nothing has changed since: the next
        change has to continue it, or is a gap.

        A snapshot older than the first delta kept, or than a book that is live, changes nothing:
        request another.
        """
        if not self.takes_snapshot:
            return False
        if self._buffer:
            first_seq = self._buffer[0].first_seq
        else:
            first_seq = self._chain.seq if self.live else snapshot.seq
        if not self._chain.bridge(snapshot.seq, first_seq):
            if not self.live:
                self.why = "the snapshot is older than the first change kept"
            return False
        self._bids = {ticks: lots for ticks, lots in snapshot.bids if lots}
        self._asks = {ticks: lots for ticks, lots in snapshot.asks if lots}
        self._bid_ranks = sorted(self._bids)
        self._ask_ranks = sorted([-ticks for ticks in self._asks])
        self._set_edges(snapshot)
        if self.in_band:
            self.seq = -1
        for delta in self._buffer:
            if self._chain.admit(delta.first_seq, delta.last_seq) is _APPLY:
                self._set_levels(delta)
        self._buffer = []
        self._renewing = False
        if snapshot.checksum is not None and not self._agrees(snapshot.checksum):
            return False
        self._go_live()
        self._take_best(self._chain.seq)
        if self._kept_bbo is not None and self.live:
            self.apply_bbo(self._kept_bbo)
        return self.live

    # -- inside --------------------------------------------------------------------------------

    def _go_live(self) -> None:
        self.state = _LIVE
        self.live = True
        self.why = ""

    def _keep(self, delta: BookDelta) -> None:
        """Keep a change for the snapshot; after a gap, what was kept before it bridges nothing.

        Nor does it once a repeated change is continued by the next: the feed began to count anew.
        """
        kept = self._buffer
        repeated_seq, self._repeated_seq = self._repeated_seq, -1
        if kept:
            if kept[0].first_seq <= delta.first_seq and delta.last_seq <= kept[-1].last_seq:
                if delta.first_seq != repeated_seq + 1:
                    self._repeated_seq = delta.last_seq
                    return
                kept.clear()
            elif not delta.first_seq <= kept[-1].last_seq + 1 <= delta.last_seq:
                kept.clear()
        if len(kept) >= MAX_BUFFERED:
            self.invalidate(f"no snapshot within {MAX_BUFFERED} changes")
            return
        kept.append(delta)

    def _keep_beside(self, delta: BookDelta) -> None:
        """Keep a change that a live book has taken, for the snapshot that is to renew it."""
        if len(self._buffer) >= MAX_BUFFERED:
            self._buffer = []
        self._buffer.append(delta)

    def _set_edges(self, snapshot: BookSnapshot) -> None:
        """Remember how far a snapshot reaches, and half of the way there."""
        self._bid_edge = self._ask_edge = _NO_RANK
        self._bid_turn_ticks, self._ask_turn_ticks = 0, MAX_TICKS
        self._look_again()
        if snapshot.bids_cut and self._bid_ranks:
            self._bid_edge = self._bid_ranks[0]
            self._bid_turn_ticks = (self._bid_edge + self._bid_ranks[-1]) // 2
        if snapshot.asks_cut and self._ask_ranks:
            self._ask_edge = self._ask_ranks[0]
            self._ask_turn_ticks = -(self._ask_edge + self._ask_ranks[-1]) // 2

    def _near_edge(self, bid_ticks: int, ask_ticks: int) -> bool:
        """Have the book renewed from here on; return whether its best prices are beyond its edges.

        A side that is empty has lost all that was known of it.
        """
        if bid_ticks < self._bid_edge or (-ask_ticks if ask_ticks else _NO_RANK) < self._ask_edge:
            self.invalidate("the market has moved beyond the levels that the snapshot held")
            return True
        if self._bid_edge != _NO_RANK or self._ask_edge != _NO_RANK:
            self._renewing = True
        return False

    def _look_again(self) -> None:
        """Have the next best prices looked at, wherever they are: an edge has moved."""
        self._bid_floor_ticks = MAX_TICKS

    def _move(self, bid_ticks: int, ask_ticks: int) -> bool:
        """Look at where the levels' best prices have moved to; return whether that loses the book.

        They may move by half of what is far before they are looked at again; a BBO is believed
        without a closer look where it is near enough to wherever they may be until then.
        """
        if (
            bid_ticks < self._bid_turn_ticks or not 0 < ask_ticks <= self._ask_turn_ticks
        ) and self._near_edge(bid_ticks, ask_ticks):
            return True
        free_ticks = (bid_ticks - self._low_ticks(bid_ticks)) // 2 if self._far_bps else MAX_TICKS
        self._bid_floor_ticks = max(self._bid_turn_ticks, bid_ticks - free_ticks)
        self._bid_ceiling_ticks = bid_ticks + free_ticks
        if ask_ticks:
            self._ask_floor_ticks = max(1, ask_ticks - free_ticks)
            self._ask_ceiling_ticks = min(self._ask_turn_ticks, ask_ticks + free_ticks)
        else:
            self._ask_floor_ticks, self._ask_ceiling_ticks = MAX_TICKS, 0
        if self._far_bps:
            # Without one side every BBO is looked at closely.
            self._lowest_ticks = (
                self._low_ticks(self._bid_ceiling_ticks) if bid_ticks else MAX_TICKS
            )
            self._highest_ticks = self._high_ticks(self._ask_floor_ticks) if ask_ticks else 0
        return False

    def _low_ticks(self, bid_ticks: int) -> int:
        """Return down to which price a BBO is not far from a best bid of the levels."""
        return min(bid_ticks * (_BPS - self._far_bps) // _BPS, bid_ticks - NEAR_TICKS)

    def _high_ticks(self, ask_ticks: int) -> int:
        """Return up to which price a BBO is not far from a best ask of the levels."""
        return max(ask_ticks * (_BPS + self._far_bps) // _BPS, ask_ticks + NEAR_TICKS)

    def _is_far(self, bbo: Bbo) -> bool:
        """Whether a best price is far off the levels; a side without orders has none.

        One that begins a side may be as far from the other as it likes, away from it.
        """
        if not self._far_bps:
            return False
        bid_ticks = self._bid_ranks[-1] if self._bid_ranks else 0
        ask_ticks = -self._ask_ranks[-1] if self._ask_ranks else 0
        low = self._low_ticks(bid_ticks or ask_ticks)
        high = self._high_ticks(ask_ticks or bid_ticks) if ask_ticks or bid_ticks else MAX_TICKS
        return bool(
            (bbo.bid_lots and not (bid_ticks and low) <= bbo.bid_ticks <= high)
            or (bbo.ask_lots and not low <= bbo.ask_ticks <= (high if ask_ticks else MAX_TICKS))
        )

    def _set_levels(self, delta: BookDelta) -> None:
        bid_ranks, ask_ranks, most = self._bid_ranks, self._ask_ranks, self._most_levels
        _set_side(self._bids, bid_ranks, _BID, delta.bids)
        _set_side(self._asks, ask_ranks, _ASK, delta.asks)
        if len(bid_ranks) > most:
            self._bid_edge = self._drop_worst(self._bids, bid_ranks, _BID)
            self._bid_turn_ticks = (self._bid_edge + bid_ranks[-1]) // 2
        if len(ask_ranks) > most:
            self._ask_edge = self._drop_worst(self._asks, ask_ranks, _ASK)
            self._ask_turn_ticks = -(self._ask_edge + ask_ranks[-1]) // 2

    def _drop_worst(self, sizes: dict[int, int], ranks: list[int], sign: int) -> int:
        """Drop a side's levels beyond the most, and return the edge that this makes.

        A feed of so many levels tells of those that come into sight again: there is no edge.
        """
        beyond = len(ranks) - self._most_levels
        for rank in ranks[:beyond]:
            del sizes[sign * rank]
        del ranks[:beyond]
        if self._chain.depth:
            return _NO_RANK
        self._look_again()
        return ranks[0]

    def _agrees(self, checksum: int) -> bool:
        """Whether the best levels have the checksum that the feed says; else the proof is gone."""
        bids = [(rank, self._bids[rank]) for rank in self._bid_ranks[: -CHECKED - 1 : -1]]
        asks = [(-rank, self._asks[-rank]) for rank in self._ask_ranks[: -CHECKED - 1 : -1]]
        if self._chain.agrees(bids, asks, checksum):
            return True
        self.invalidate("its checksum is not the one that the feed tells")
        return False

    def _take_best(self, last_seq: int) -> bool:
        """Take best bid and offer from the levels unless a BBO has counted further."""
        bid_ranks, ask_ranks = self._bid_ranks, self._ask_ranks
        bid_ticks = bid_ranks[-1] if bid_ranks else 0
        ask_ticks = -ask_ranks[-1] if ask_ranks else 0
        if not (
            self._bid_floor_ticks <= bid_ticks <= self._bid_ceiling_ticks
            and self._ask_floor_ticks <= ask_ticks <= self._ask_ceiling_ticks
        ) and self._move(bid_ticks, ask_ticks):
            return True
        if last_seq < self.seq:
            return True
        if self._rounded:  # the levels lack that price: the BBOs alone tell of it
            self.seq = last_seq
            return True
        bid_lots = self._bids[bid_ticks] if bid_ticks else 0
        ask_lots = self._asks[ask_ticks] if ask_ticks else 0
        if bid_ticks >= ask_ticks and bid_lots and ask_lots:
            self.invalidate(_CROSSED)
            return True
        if last_seq == self.seq and (
            bid_ticks != self._bid_ticks
            or ask_ticks != self._ask_ticks
            or bid_lots != self._bid_lots
            or ask_lots != self._ask_lots
        ):
            self.invalidate(f"levels and top of update {last_seq} contradict each other")
            return True
        self.seq = last_seq
        self._bid_ticks, self._bid_lots = bid_ticks, bid_lots
        self._ask_ticks, self._ask_lots = ask_ticks, ask_lots
        return True


def _set_side(
    sizes: dict[int, int], ranks: list[int], sign: int, changes: Iterable[tuple[int, int]]
) -> None:
    """Set the sizes of one side's levels.

    The ranks are a plain sorted list with the best level at its end, because that is where nearly
    all levels come and go: few places move, however deep the book is.
    """
    for ticks, lots in changes:
        if lots:
            if ticks not in sizes:
                insort(ranks, sign * ticks)
            sizes[ticks] = lots
        elif sizes.pop(ticks, 0):
            del ranks[bisect_left(ranks, sign * ticks)]
