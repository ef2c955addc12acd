"""When a rehearsal is made, over which connection, and that a tick waits for one step at most."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from core.engine.understudy import Understudy
from core.io.journal_file import SCRATCH_BYTES, Scratch
from core.io.kernel import pair
from core.io.loop import HotLoop
from core.io.rehearsal import (
    FIRST,
    NEVER_NS,
    REST,
    SAMPLE_BYTES,
    SAMPLE_NS,
    TRY_AGAIN_NS,
    Rehearsal,
)
from core.model.errors import Misuse
from core.state.journal import Journal, Kind
from tests.core.engine.fingerprint import fingerprint
from tools.world.dialect import Dialect
from tools.world.of_binance import BINANCE
from tools.world.of_kraken import KRAKEN
from tools.world.tank import Tank

EVERY_NS = 200_000
PASS_NS = 10_000
"""What a pass of the loop takes on the clock of these tests."""

MOST_PASSES = 5_000
"""Passes for a preparation and some rehearsals."""


class Stage:
    """A run that trades in the tank, a loop beside it, and rehearsals of it in between."""

    def __init__(self, dialect: Dialect, *, tls: bool = False, every_ns: int = EVERY_NS) -> None:
        self.tank = Tank(dialect=dialect).run(2.0)
        self.tank.run_until(lambda: self.tank.engine.desk.gate_open, 60.0)
        self.now_ns = self.tank.now_ns
        self.hops: list[tuple[str, int]] = []
        self.lines: list[str] = []
        self.reads = [b"", b""]
        self.sent: list[bytes] = []
        self.loop = HotLoop(
            spin=True,
            now_ns=self._now,
            next_due_ns=lambda: 0,
            on_due=lambda now_ns: None,
            record=lambda name, ns: None,
        )
        self.rehearsal = Rehearsal(
            self.tank.engine,
            self._understudy,
            samples=lambda: self.reads,
            loop=self.loop,
            pair=pair,
            every_ns=every_ns,
            tls=tls,
            kernel_stamps=False,
            record=lambda name, ns: self.hops.append((name, ns)),
            log=self.lines.append,
        )

    def _now(self) -> int:
        self.now_ns += 10
        return self.now_ns

    def _understudy(self, journal: Journal) -> Understudy:
        application = self.tank.application_again()
        self.understudy = Understudy(
            application.engine,
            streams=application.setup.streams,
            feed_of=application.adapter.book_feed,
            journal=journal,
            sign=lambda request: request.body,
            stamp=lambda: 0,
        )
        return self.understudy

    def passes(self, count: int) -> None:
        for _ in range(count):
            self.now_ns += PASS_NS
            if not self.loop._pass():
                self.rehearsal.step()

    def until(self, hop: str, count: int) -> None:
        for _ in range(MOST_PASSES):
            if [name for name, _ in self.hops].count(hop) >= count:
                return
            self.passes(1)
        raise TimeoutError(f"no {count} {hop} in {MOST_PASSES} passes: {self.lines}")


@contextmanager
def stage(
    dialect: Dialect = BINANCE, *, tls: bool = False, every_ns: int = EVERY_NS
) -> Iterator[Stage]:
    made = Stage(dialect, tls=tls, every_ns=every_ns)
    with made.loop, made.rehearsal:
        yield made


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("dialect", [BINANCE, KRAKEN], ids=["binance", "kraken"])
def test_rehearsals_go_over_a_connection_of_their_own(dialect: Dialect, tls: bool) -> None:
    with stage(dialect, tls=tls) as it:
        before = fingerprint(it.tank.engine)
        it.until("rehearsal", 12)

        assert it.lines == []
        assert it.understudy.engine.counts.replies > 10
        assert fingerprint(it.tank.engine) == before


def test_what_the_run_has_read_is_read_again() -> None:
    with stage() as it:
        it.reads = [b"\x81\x02{}", b""]
        it.now_ns += SAMPLE_NS
        it.until("rehearsal", 8)

        assert it.understudy.engine.counts.messages >= 3


@pytest.mark.parametrize(
    "data",
    [b"\x81\x05{}", b"\x89\x00", b"\x81\x02{}" + bytes(SAMPLE_BYTES)],
    ids=["torn", "a ping", "long"],
)
def test_what_is_no_whole_message_is_not_read_again(data: bytes) -> None:
    with stage() as it:
        it.reads = [data, b""]
        it.now_ns += SAMPLE_NS
        it.until("rehearsal", 8)

        assert it.understudy.engine.counts.messages == 0


def test_there_is_a_pause_between_two_rehearsals() -> None:
    with stage() as it:
        it.until("rehearsal", 2)
        began_ns = it.now_ns
        it.until("rehearsal", 3)

        assert it.now_ns - began_ns >= EVERY_NS


def test_a_long_rehearsal_has_a_longer_pause_after_it() -> None:
    with stage(every_ns=1) as it:
        it.until("rehearsal", 2)
        began_ns = it.now_ns
        it.until("rehearsal", 3)

        assert it.now_ns - began_ns >= REST * it.hops[-2][1]


def test_one_that_does_not_spin_has_its_first_rehearsals_and_no_others() -> None:
    with stage(every_ns=0) as it:
        it.until("rehearsal", FIRST)
        it.passes(200)

        assert [name for name, _ in it.hops].count("rehearsal") == FIRST


def test_nothing_is_rehearsed_while_the_run_does_not_trade() -> None:
    with stage() as it:
        it.tank.engine.desk.gate_open = False
        it.passes(50)
        assert it.understudy.engine.orders.used == 0

        it.tank.engine.desk.gate_open = True
        it.now_ns += TRY_AGAIN_NS
        it.until("rehearsal", 3)


def test_what_arrives_waits_for_one_step_and_that_is_counted() -> None:
    with stage() as it:
        it.until("rehearsal", 2)
        while it.rehearsal._script is None:
            it.passes(1)
        it.passes(1)
        it.tank.engine.counts.messages += 1
        it.passes(1)

        met = [ns for name, ns in it.hops if name == "rehearsal_met"]
        assert len(met) == 1
        assert 0 < met[0] < EVERY_NS


def test_one_that_cannot_be_prepared_says_why_and_costs_nothing_more() -> None:
    with stage() as it:
        it.understudy._trades = lambda: False  # type: ignore[method-assign]
        it.passes(400)

        assert len(it.lines) == 1
        assert it.lines[0].startswith("no rehearsals: it is ")
        assert it.rehearsal._next_ns == NEVER_NS


def test_a_scratch_journal_begins_anew_when_it_is_full() -> None:
    journal = Scratch()
    for _ in range(5_000):
        journal.append(Kind.BYTES, 0, 1, b"x" * 1_000)
        assert journal._at <= SCRATCH_BYTES


def test_an_end_of_its_connection_ends_the_rehearsals_alone() -> None:
    with stage() as it:
        it.until("rehearsal", 3)
        it.rehearsal._far._sock.shutdown(socket.SHUT_RDWR)
        it.passes(50)

        assert it.lines == ["no rehearsals: its connection is lost: the peer closed the connection"]
        assert not it.loop._pass(), "an end that nobody reads keeps the loop busy for ever"


def test_half_a_record_waits_for_the_rest_of_it() -> None:
    with stage(tls=True) as it:
        it.until("rehearsal", 3)
        near = it.rehearsal._near
        assert near._tls is not None
        record = near._tls.encrypt(b"x" * 100)
        for piece in (record[:30], record[30:]):
            near._sock.send(piece)
            it.passes(3)
        it.until("rehearsal", 6)

        assert it.lines == []


def test_a_strategy_that_raises_in_a_rehearsal_ends_the_rehearsals_alone() -> None:
    def raise_it(desk: Any, book: Any) -> None:
        raise ValueError("not with these prices")

    with stage() as it:
        it.until("rehearsal", 3)
        it.understudy.engine.strategy.on_book = raise_it  # type: ignore[method-assign] # as it would
        it.passes(400)

        assert it.lines == ["no rehearsals: what rehearses has halted: has its strategy raised?"]
        assert it.tank.engine.desk.gate_open


def test_an_error_of_ours_in_a_rehearsal_ends_the_rehearsals_alone() -> None:
    def raise_it() -> None:
        raise Misuse("no more of these")

    with stage() as it:
        it.until("rehearsal", 3)
        it.understudy.tick = raise_it  # type: ignore[method-assign] # as a bug would
        it.passes(400)

        assert it.lines == ["no rehearsals: Misuse: no more of these"]
        assert not it.loop._pass()
