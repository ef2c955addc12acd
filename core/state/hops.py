"""Where the time of a tick goes: a ring of stamps on the hot path, histograms off it.

The hot calls, ``turn`` and ``record``, only store integers. ``fold`` is idle work and counts them
in HdrHistogram's buckets; ``interval`` hands the counts of a second or so to whoever writes them
down. No clock lives here: every stamp is an argument, and all of one turn must come from one clock.

Buckets are those of HdrHistogram (http://hdrhistogram.org) with 3 significant digits: a value is
never off by more than 0.1 %.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Sequence
from operator import sub
from struct import Struct as Layout
from typing import Final

from msgspec import Struct

from core.model.units import NS_PER_S

HOPS: Final = (
    "kernel",  # kernel's receive stamp to the begin of the read
    "read",  # system call and TLS
    "decode",
    "book",
    "strategy",
    "risk",  # with the order table
    "encode",  # with the journal
    "send",
    "tick_to_trade",  # read returned to sent
    "wire_to_wire",  # kernel's receive stamp to sent
    "tick_gap",  # from one read of a market to the next
    "order_ack",
    "cancel_ack",
    "feed_age",  # venue's event time to read, clock offset removed
    "loop_lag",
    "timer_lag",
    "gc",
    "rehearsal",  # one whole rehearsal, all its steps together
    "rehearsal_met",  # the step that was being made when something arrived
)
(
    KERNEL,
    READ,
    DECODE,
    BOOK,
    STRATEGY,
    RISK,
    ENCODE,
    SEND,
    TICK_TO_TRADE,
    WIRE_TO_WIRE,
    TICK_GAP,
    ORDER_ACK,
    CANCEL_ACK,
    FEED_AGE,
    LOOP_LAG,
    TIMER_LAG,
    GC,
    REHEARSAL,
    REHEARSAL_MET,
) = range(len(HOPS))

INDEX: Final = {name: index for index, name in enumerate(HOPS)}

PATH: Final = HOPS[: SEND + 1]
"""The hops that a tick passes one after the other; their times add up."""

DIGITS: Final = 3
MAX_NS: Final = 60 * NS_PER_S
"""Longer values count as this: what takes a minute is an outage, not a latency."""

ROWS: Final = 1 << 14
"""Turns, and single values, that wait to be folded: at 20,000 turns a second the loop may be
without an idle moment for 0.8 s. Both rings together take 1.6 MB."""

FOLD_LIMIT: Final = 64
"""Rows folded by one idle slice: some 80 us."""

_COLUMNS: Final = 11
_ROW = Layout(f"{_COLUMNS}q")
_ROW_BYTES: Final = _ROW.size
_HOP_BITS: Final = 5

P50, P90, P99, P999 = 500_000, 900_000, 990_000, 999_000
"""Quantiles in parts per million: integers, so that ranks are exact."""


class Histogram:
    """Counts in HdrHistogram's buckets, kept sparse: bucket index -> count.

    Any number of significant digits and any unit can be held, for logs that others wrote.
    """

    __slots__ = ("_half_bits", "_unit_bits", "counts")

    def __init__(self, digits: int = DIGITS, lowest: int = 1) -> None:
        """``digits``: 0 to 5; ``lowest``: the smallest value told apart from 0, at least 1."""
        self._half_bits: int = (2 * 10**digits - 1).bit_length() - 1
        self._unit_bits: int = lowest.bit_length() - 1
        self.counts: dict[int, int] = {}

    def index(self, value: int) -> int:
        """Return the index of the bucket a value falls into."""
        value >>= self._unit_bits
        shift = max(value.bit_length() - self._half_bits - 1, 0)
        return (shift << self._half_bits) + (value >> shift)

    def lowest(self, index: int) -> int:
        """Return the smallest value of a bucket."""
        shift = max((index >> self._half_bits) - 1, 0)
        return (index - (shift << self._half_bits)) << (shift + self._unit_bits)

    def highest(self, index: int) -> int:
        """Return the largest value of a bucket."""
        return self.lowest(index + 1) - 1

    def record(self, value: int, count: int = 1) -> None:
        index = self.index(value)
        self.counts[index] = self.counts.get(index, 0) + count

    def add(self, other: Histogram) -> None:
        """Add another's counts, each bucket's at its smallest value where the buckets differ."""
        if (self._half_bits, self._unit_bits) == (other._half_bits, other._unit_bits):
            counts = self.counts
            for index, count in other.counts.items():
                counts[index] = counts.get(index, 0) + count
            return
        for index, count in other.counts.items():
            self.record(other.lowest(index), count)

    @property
    def count(self) -> int:
        """How many values were recorded."""
        return sum(self.counts.values())

    @property
    def max(self) -> int:
        """The largest value, as the largest of its bucket; 0 when there is none."""
        return self.highest(max(self.counts)) if self.counts else 0

    @property
    def total(self) -> int:
        """The sum of all values, each as the middle of its bucket."""
        return sum(
            count * (self.lowest(index) + self.lowest(index + 1)) // 2
            for index, count in self.counts.items()
        )

    def values_at(self, quantiles: Sequence[int]) -> list[int]:
        """Return the values at rising quantiles in parts per million; 0s when there is none.

        It is the value of the first bucket up to which at least that part of all was counted, as
        the largest of its bucket: what HdrHistogram's ``getValueAtPercentile`` answers.
        """
        count = self.count
        ranks = [max(-(-count * quantile // 1_000_000), 1) for quantile in quantiles]
        values: list[int] = []
        reached = 0
        for index in sorted(self.counts):
            reached += self.counts[index]
            while len(values) < len(ranks) and reached >= ranks[len(values)]:
                values.append(self.highest(index))
        return values or [0] * len(ranks)


class Figures(Struct, frozen=True):
    """A hop at a glance, over the last interval it happened in."""

    count: int
    p50_ns: int
    p99_ns: int


class Interval(Struct, frozen=True):
    """What was counted between two moments (wall clock, nanoseconds since the epoch)."""

    start_ns: int
    end_ns: int
    histograms: tuple[Histogram, ...]
    """One for each of ``HOPS``."""
    lost: int
    """Rows that were overwritten before they were folded."""


class Hops:
    """Times all hops of a run.

    A hop that did not happen in a turn has a duration of 0 and is not counted; one that a stepped
    clock makes negative counts as 1 ns.
    """

    __slots__ = (
        "_figures",
        "_fresh",
        "_histograms",
        "_lost",
        "_markets",
        "_mask",
        "_ticked_ns",
        "_turns",
        "_turns_folded",
        "_turns_written",
        "_values",
        "_values_folded",
        "_values_written",
    )

    def __init__(self, rows: int = ROWS, *, markets: Collection[int] = ()) -> None:
        """``rows`` is a power of two; ``markets`` are the links that tell of markets."""
        self._mask = rows - 1
        self._markets = frozenset(markets)
        self._ticked_ns = 0
        """When a market was read last, 0 where that is not known."""
        self._turns = array("q", bytes(rows * _ROW_BYTES))
        self._values = array("q", bytes(rows * 8))
        self._turns_written = self._turns_folded = 0
        self._values_written = self._values_folded = 0
        self._lost = 0
        self._histograms = tuple(Histogram() for _ in HOPS)
        self._fresh: list[tuple[str, Histogram]] = []
        self._figures: dict[str, Figures] = {}

    # -- the hot path ------------------------------------------------------------------------

    def turn(
        self,
        kernel_ns: int,
        began_ns: int,
        read_ns: int,
        decoded_ns: int,
        booked_ns: int,
        strategy_ns: int,
        risk_ns: int,
        encode_ns: int,
        send_began_ns: int,
        sent_ns: int,
        link: int,
    ) -> None:
        """Keep the stamps of one turn, and which link was read: 0.3 us.

        ``strategy_ns``, ``risk_ns`` and ``encode_ns`` are durations added up over the turn, all
        others stamps of one clock. ``kernel_ns`` is 0 when unknown; ``send_began_ns`` and
        ``sent_ns`` are 0 when nothing was sent.
        """
        written = self._turns_written
        _ROW.pack_into(
            self._turns,
            (written & self._mask) * _ROW_BYTES,
            kernel_ns,
            began_ns,
            read_ns,
            decoded_ns,
            booked_ns,
            strategy_ns,
            risk_ns,
            encode_ns,
            send_began_ns,
            sent_ns,
            link,
        )
        self._turns_written = written + 1

    def record(self, hop: int, ns: int) -> None:
        """Keep one duration of a hop, up to 2**58 ns: 0.1 us."""
        written = self._values_written
        self._values[written & self._mask] = ns << _HOP_BITS | hop
        self._values_written = written + 1

    # -- idle work ---------------------------------------------------------------------------

    def fold(self, limit: int = FOLD_LIMIT) -> int:
        """Count up to ``limit`` waiting rows; return how many. 1.2 us a turn, 0.3 us a value."""
        folded = self._fold_turns(limit)
        folded += self._fold_values(limit - folded)
        if folded < limit and self._fresh:
            self._renew_figures(*self._fresh.pop())
        return folded

    def _fold_turns(self, limit: int) -> int:
        start, count = self._waiting(self._turns_written, self._turns_folded, limit)
        if start > self._turns_folded:
            self._ticked_ns = 0  # ticks were lost in between
        self._turns_folded = start + count
        if not count:
            return 0
        at = (start & self._mask) * _COLUMNS
        rows = self._turns[at : at + count * _COLUMNS]
        kernel, began, read, decoded, booked, strategy, risk, encode, send_began, sent, links = (
            rows[column::_COLUMNS] for column in range(_COLUMNS)
        )
        self._count(
            KERNEL, [end - start for start, end in zip(kernel, began, strict=True) if start]
        )
        self._count(READ, map(sub, read, began))
        self._count(DECODE, map(sub, decoded, read))
        self._count(BOOK, map(sub, booked, decoded))
        self._count(STRATEGY, strategy)
        self._count(RISK, risk)
        self._count(ENCODE, encode)
        self._count_gaps(
            [at for at, link in zip(read, links, strict=True) if link in self._markets]
        )
        if any(sent):
            sends = [row for row in zip(kernel, read, send_began, sent, strict=True) if row[-1]]
            self._count(SEND, [sent - began for _, _, began, sent in sends])
            self._count(TICK_TO_TRADE, [sent - read for _, read, _, sent in sends])
            self._count(WIRE_TO_WIRE, [sent - kernel for kernel, _, _, sent in sends if kernel])
        return count

    def _count_gaps(self, ticks: list[int]) -> None:
        if ticks:
            before = [self._ticked_ns or ticks[0], *ticks[:-1]]
            self._count(TICK_GAP, map(sub, ticks, before))
            self._ticked_ns = ticks[-1]

    def _fold_values(self, limit: int) -> int:
        start, count = self._waiting(self._values_written, self._values_folded, limit)
        self._values_folded = start + count
        at = start & self._mask
        for value in self._values[at : at + count]:
            self._count(value & (1 << _HOP_BITS) - 1, (value >> _HOP_BITS,))
        return count

    def _waiting(self, written: int, folded: int, limit: int) -> tuple[int, int]:
        """Return the first row to fold and how many in one piece; skip what was overwritten."""
        start = max(folded, written - self._mask - 1)
        self._lost += start - folded
        to_the_edge = self._mask + 1 - (start & self._mask)
        return start, min(limit, written - start, to_the_edge)

    def _count(self, hop: int, durations: Iterable[int]) -> None:
        counts = self._histograms[hop].counts
        get = counts.get
        for ns in durations:
            # Histogram.index, written out: a call for each value would double the cost.
            if ns < 2048:
                if ns == 0:
                    continue
                index = ns if ns > 0 else 1
            else:
                if ns > MAX_NS:
                    ns = MAX_NS
                shift = ns.bit_length() - 11
                index = (shift << 10) + (ns >> shift)
            counts[index] = get(index, 0) + 1

    def interval(self, start_ns: int, end_ns: int) -> Interval:
        """Return and clear what was counted since the last call; what waits in the ring comes next
        time.
        """
        interval = Interval(start_ns, end_ns, self._histograms, self._lost)
        self._lost = 0
        self._fresh = [pair for pair in zip(HOPS, self._histograms, strict=True) if pair[1].counts]
        self._histograms = tuple(Histogram() for _ in HOPS)
        return interval

    def _renew_figures(self, hop: str, histogram: Histogram) -> None:
        self._figures[hop] = Figures(histogram.count, *histogram.values_at((P50, P99)))

    def snapshot(self) -> dict[str, Figures]:
        """Return the hops that happened, each over the last interval it happened in.

        It only copies what ``fold`` has worked out, a hop at a time, since ``interval``.
        """
        return dict(self._figures)
