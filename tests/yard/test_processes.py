"""What happens to processes: killed, stopped, cut off from their disk, and on a bad network."""

from __future__ import annotations

import os
import re
import resource
import signal
import time
from pathlib import Path

import pytest
import trio

from core.state.journal import Kind
from tests.yard.application import (
    a_pair,
    assert_every_order_was_fresh,
    assert_ledgers_agree,
    end,
    placements,
    run_at,
    unanswered,
    until,
)
from tests.yard.relay import Relay
from tools.cli import Exit
from tools.crash_test.checks import compare
from venues.binance.decode import MARKET, TRADE

pytestmark = pytest.mark.yard

LEAVE_S = 10
"""How long a leave waits: for all that the venue answers, and not for the 72 s until what it never
got is proved to be gone."""

STOP_S = 5.0
"""How long a process does not run: five times the oldest book to trade on."""


async def test_a_killed_run_ends_with_its_guardians_proof(tmp_path: Path) -> None:
    with a_pair(tmp_path) as pair:
        async with run_at(pair.folder, pair.endpoints) as run:
            await pair.trading(run)
            run.kill()
            await until(lambda: [n for n in pair.guardian_notes() if n["action"] == "proved"])
        assert_ledgers_agree(pair, pair.records())


async def test_a_run_that_was_stopped_places_nothing_on_the_market_of_then(tmp_path: Path) -> None:
    with a_pair(tmp_path) as pair:
        async with run_at(pair.folder, pair.endpoints) as run:
            await pair.trading(run)
            os.kill(run.process.pid, signal.SIGSTOP)
            stopped_ns = time.time_ns()
            before = len(pair.placed())
            await trio.sleep(STOP_S)
            continued_ns = time.time_ns()
            os.kill(run.process.pid, signal.SIGCONT)
            await until(lambda: len(pair.placed()) > before)
            await until(run.trading)
            assert await pair.stop(run) == 0, pair.errors()
        records = pair.records()
        assert_ledgers_agree(pair, records)
        assert_every_order_was_fresh(records)
        # Not fresh by bytes that had waited: by a connection that was made afterwards.
        [renewed_ns, *_] = [
            record.time_ns
            for record in records
            if record.kind == Kind.UP
            and record.connection == MARKET
            and record.time_ns > continued_ns
        ] or [0]
        assert renewed_ns
        assert all(
            record.time_ns > renewed_ns
            for record, _ in placements(records)
            if record.time_ns > stopped_ns
        )


async def test_while_the_exchange_is_stopped_nothing_is_placed_on_an_old_book(
    tmp_path: Path,
) -> None:
    with a_pair(tmp_path) as pair:
        async with run_at(pair.folder, pair.endpoints) as run:
            await pair.trading(run)
            os.kill(pair.exchange_process.pid, signal.SIGSTOP)
            await trio.sleep(STOP_S)
            os.kill(pair.exchange_process.pid, signal.SIGCONT)
            before = len(pair.placed())
            await until(lambda: len(pair.placed()) > before)
            await until(run.trading)
            await trio.to_thread.run_sync(compare, run, pair.exchange)
            assert await pair.stop(run) == 0, pair.errors()
        records = pair.records()
        assert_ledgers_agree(pair, records)
        assert_every_order_was_fresh(records)


async def test_a_disk_without_room_has_the_run_left_and_nothing_placed_unjournaled(
    tmp_path: Path,
) -> None:
    """A limit on the size of files stands for the disk: the next segment finds no room."""
    with a_pair(tmp_path, rate=2_000) as pair:
        async with run_at(pair.folder, pair.endpoints, segment_mb=1) as run:
            await pair.trading(run)
            limit = 1 << 19, resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE, limit)
            assert await end(run) == 1, pair.errors()
        assert "no room for" in pair.errors()
        assert_ledgers_agree(pair, pair.records())


async def test_through_tiny_buffers_nothing_is_lost_and_nothing_reordered(tmp_path: Path) -> None:
    with a_pair(tmp_path, rate=1_000) as pair:
        market, trade = Relay(pair.endpoints["stream"]), Relay(pair.endpoints["ws_api"])
        async with market.open(), trade.open():
            pair.endpoints |= {"stream": market.url, "ws_api": trade.url}
            async with run_at(pair.folder, pair.endpoints) as run:
                await pair.trading(run)
                await until(lambda: len(pair.placed()) >= 4)
                status = await until(run.status)
                assert await pair.stop(run) == 0, pair.errors()
        assert status["errors"] == 0
        records = pair.records()
        assert_ledgers_agree(pair, records)
        names = pair.placed()
        assert names == [name for _, name in placements(records) if name in set(names)]
        for connection, relay in ((MARKET, market), (TRADE, trade)):
            [carried] = relay.carried
            heard = b"".join(
                record.payload
                for record in records
                if record.kind == Kind.BYTES and record.connection == connection
            )
            assert len(heard) > 1_000
            assert bytes(carried).partition(b"\r\n\r\n")[2].startswith(heard)


async def test_an_exchange_that_stops_reading_is_dialled_again_and_asked(tmp_path: Path) -> None:
    """It goes on talking, so that the line is not silent: it is not answering that tells."""
    with a_pair(tmp_path) as pair:
        trade = Relay(pair.endpoints["ws_api"])
        async with trade.open():
            pair.endpoints |= {"ws_api": trade.url}
            async with run_at(pair.folder, pair.endpoints, leave_timeout_s=LEAVE_S) as run:
                await pair.trading(run)
                trade.deaf = True
                await until(lambda: len(trade.carried) > 1)
                await until(run.trading)
                await trio.to_thread.run_sync(compare, run, pair.exchange)
                code = await pair.stop(run)
            await until(lambda: [n for n in pair.guardian_notes() if n["action"] == "proved"])
        records = pair.records()
        assert [r for r in records if r.kind == Kind.DOWN and r.connection == TRADE]
        # What was lost with the old connection is in doubt for longer than this leave waits, and
        # nothing else is: the venue was asked about all that it had.
        lost = unanswered(records)
        assert lost
        assert not lost & set(pair.placed())
        assert code == Exit.ORDERS_SURVIVED, pair.errors()
        named = re.findall(r"id (\S+?)\)", pair.errors().rpartition("it is not proved")[2])
        assert sorted(named) == sorted(lost)
        assert_ledgers_agree(pair, records)
