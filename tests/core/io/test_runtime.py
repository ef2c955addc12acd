"""Every way out of a run closes the gate, leaves no order, no task and no descriptor."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from core.engine.checkpoint import FAILED, LEFT
from core.engine.understudy import Understudy
from core.io.clock import EngineClock
from core.io.hang import Signals
from core.io.hlog import HlogFile
from core.io.journal_file import JournalFile, read
from core.io.run_log import RunLog
from core.io.runtime import Ending, Plan, Runtime, UnderstudyOf
from core.model import config
from core.model.errors import BadConfig, Untrusted
from core.model.events import Side
from core.model.halts import HaltKind
from core.model.strategy import Desk, Strategy
from core.model.units import NS_PER_S
from core.model.venue import Credentials, Signer
from core.model.views import BookView, OrderState, OrderView
from core.state.hops import HOPS
from core.state.journal import Header, Journal, Kind
from tools import app
from tools.hop_log import read_hlog
from venues.sim.server import DEFAULT_KEY, DEFAULT_SECRET, RunningExchange, running_exchange

CONFIG = """
venue = "binance"
environment = "sim"
symbols = ["BTCUSDT"]
[endpoints]
rest = "{rest}"
stream = "{stream}"
ws_api = "{ws_api}"
[keys]
file = "keys.toml"
[strategy]
name = "{strategy}"
[risk]
max_order_size = "1"
max_order_notional = "100000"
max_position = "2"
max_daily_loss = "100000"
[run]
leave_timeout_s = 5
"""

PATIENCE_S = 60

KEYS = Credentials({"api_key": DEFAULT_KEY, "api_secret": DEFAULT_SECRET})


class Rests(Strategy[Any]):
    """Rests one bid far from the market, and says when it stands."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters)
        self.stands = trio.Event()

    def on_order(self, desk: Desk, order: OrderView) -> None:
        if order.state is OrderState.LIVE:
            self.stands.set()

    def on_book(self, desk: Desk, book: BookView) -> None:
        if book.live and not desk.open_orders(0):
            desk.place(0, Side.BUY, book.bid_ticks - 1_000, 1_000)


class Raises(Rests):
    """Rests a bid, and then breaks."""

    def on_timer(self, desk: Desk, tag: str) -> None:
        raise ZeroDivisionError("broken")

    def on_start(self, desk: Desk) -> None:
        desk.timer(1_000_000_000, "break")


def as_it_is(application: app.Application) -> app.Application:
    return application


def runtime_on(
    exchange: RunningExchange,
    folder: Path,
    strategy: str,
    *,
    spin: bool,
    wired: Callable[[app.Application], app.Application] = as_it_is,
    signer: Signer | None = None,
    understudy_of: UnderstudyOf | None = None,
) -> Runtime:
    text = CONFIG.format(
        rest=exchange.rest,
        stream=exchange.stream,
        ws_api=exchange.ws_api,
        strategy=f"tests.core.io.test_runtime:{strategy}",
    )
    loaded = config.load(text, "test.toml")
    key = app.venue_of(loaded, "test.toml").key_kind(KEYS)
    application = wired(app.wire(loaded, "test.toml", scope="htest-", boot=1, seed=1, key=key))
    clock = EngineClock()
    header = Header(
        run_id="htest-",
        boot=1,
        config_digest="",
        seeds={"run": 1},
        venue="binance",
        strategy=strategy,
        start_ns=clock.now_ns(),
        key=key,
    )
    plan = Plan(
        connections=application.adapter.connections,
        rest_url=exchange.rest,
        ca_file=None,
        spin=spin,
        rehearses=understudy_of is not None,
        kernel_stamps=True,
        seed=1,
        leave_timeout_s=2,
        hang_timeout_s=2,
        start_timeout_s=60,
    )
    return Runtime(
        plan,
        application.engine,
        clock=clock,
        signer=signer or application.venue.signer(KEYS),
        restored=None,
        journal=JournalFile(folder, header, segment_bytes=1 << 22),
        hop_log=HlogFile(folder / "hops.hlog", clock.now_ns()),
        log=RunLog(folder / "run.log"),
        understudy_of=understudy_of,
    )


@asynccontextmanager
async def exchange() -> AsyncIterator[RunningExchange]:
    with trio.fail_after(PATIENCE_S):
        async with running_exchange() as running:
            yield running


async def standing(runtime: Runtime) -> None:
    """Wait until an order of ours stands at the exchange."""
    strategy = runtime.engine.strategy
    assert isinstance(strategy, Rests)
    await strategy.stands.wait()


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def check_left(running: RunningExchange, ending: Ending, folder: Path) -> None:
    assert ending.left
    assert ending.survivors == ()
    assert running.ledger.open_orders("BTCUSDT") == []
    records = list(read(folder))
    assert records[-1].kind == Kind.END
    assert records[-1].payload.startswith(LEFT)
    assert records[-1].payload.startswith(FAILED) is bool(ending.fatal)


@pytest.mark.parametrize("spin", [False, True], ids=["wait", "spin"])
async def test_when_its_time_is_over(tmp_path: Path, spin: bool):
    before = descriptors()
    async with exchange() as running:
        runtime = runtime_on(running, tmp_path, "Rests", spin=spin)
        ending = await runtime.run(1.0, signals=False)
        assert ending.why == "time is over"
        check_left(running, ending, tmp_path)
    assert descriptors() == before, "no socket and no file is left"


@pytest.mark.parametrize("error", [BadConfig("made once already"), OSError("no room in /tmp")])
async def test_what_cannot_rehearse_trades_without(tmp_path: Path, error: Exception):
    def fails(journal: Journal) -> Understudy:
        raise error

    async with exchange() as running:
        runtime = runtime_on(running, tmp_path, "Rests", spin=True, understudy_of=fails)
        check_left(running, await runtime.run(1.0, signals=False), tmp_path)
    assert f"no rehearsals: {type(error).__name__}: {error}" in (tmp_path / "run.log").read_text()


async def test_the_last_hops_are_in_the_log(tmp_path: Path):
    """What waits in the ring when the run ends is counted and written, too."""
    took_ns = 123_456_789
    async with exchange() as running:
        runtime = runtime_on(running, tmp_path, "Rests", spin=False)
        runtime._loop._idle.clear()  # a loop that is never idle counts nothing meanwhile
        async with trio.open_nursery() as nursery:

            async def end() -> None:
                await standing(runtime)
                runtime.hops.record(HOPS.index("gc"), took_ns)
                runtime.stop("enough")

            nursery.start_soon(end)
            await runtime.run(None, signals=False)
    assert read_hlog(tmp_path / "hops.hlog").tags["gc"].max >= took_ns


async def test_when_it_is_cancelled(tmp_path: Path):
    async with exchange() as running:
        runtime = runtime_on(running, tmp_path, "Rests", spin=False)
        endings: list[Ending] = []

        async def trade() -> None:
            try:
                await runtime.run(None, signals=False)
            finally:
                endings.append(runtime.ending())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(trade)
            await standing(runtime)
            nursery.cancel_scope.cancel()
        assert endings[0].why == "cancelled"
        check_left(running, endings[0], tmp_path)


@pytest.mark.parametrize("halted", ["", "lost too much"])
async def test_whom_an_operator_has_halted_it_is_no_failure_to_end(tmp_path: Path, halted: str):
    """A service manager starts again what has failed, and it would trade."""
    async with exchange() as running:
        runtime = runtime_on(running, tmp_path, "Rests", spin=False)
        async with trio.open_nursery() as nursery:

            async def end() -> None:
                await standing(runtime)
                runtime.control("halt for lunch")
                if halted:
                    runtime.engine.gate.halt(halted, HaltKind.DAILY_LOSS)
                runtime.stop("enough")

            nursery.start_soon(end)
            ending = await runtime.run(None, signals=False)
        assert runtime.engine.risk.halted
        assert ending.halted == halted
        check_left(running, ending, tmp_path)


async def test_when_the_strategy_raises(tmp_path: Path):
    async with exchange() as running:
        runtime = runtime_on(running, tmp_path, "Raises", spin=False)
        ending = await runtime.run(None, signals=False)
        assert "ZeroDivisionError: broken" in ending.fatal
        check_left(running, ending, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_on_a_signal(tmp_path: Path, number: signal.Signals):
    if number is signal.SIGHUP:
        signal.signal(number, signal.SIG_DFL)  # whatever the tests themselves were started with
    async with exchange() as running:
        runtime = runtime_on(running, tmp_path, "Rests", spin=False)
        async with trio.open_nursery() as nursery:

            async def interrupt() -> None:
                await standing(runtime)
                os.kill(os.getpid(), number)

            nursery.start_soon(interrupt)
            ending = await runtime.run(None)
        assert ending.why == number.name
        check_left(running, ending, tmp_path)


async def test_when_the_venue_refuses_to_prove_it_the_survivors_are_named(tmp_path: Path):
    async with exchange() as running:
        runtime = runtime_on(running, tmp_path, "Rests", spin=False)
        async with trio.open_nursery() as nursery:

            async def take_the_key_away() -> None:
                await standing(runtime)
                running.venue.host.revoke_key(DEFAULT_KEY)
                runtime.stop("the key is gone")

            nursery.start_soon(take_the_key_away)
            ending = await runtime.run(None, signals=False)
        assert not ending.left
        assert len(ending.survivors) == 1
        assert list(read(tmp_path))[-1].payload.startswith(b"not proved")


async def test_no_connection_is_dialled_before_a_ban_is_over(tmp_path: Path) -> None:
    async with exchange() as running:
        runtime = runtime_on(running, tmp_path, "Rests", spin=False)
        runtime.hold_dials(runtime.now_ns() + 30 * NS_PER_S)
        assert 29 < runtime._held_s() <= 30
        runtime.hold_dials(0)
        assert runtime._held_s() == 0
        await runtime.run(0)


async def test_who_does_not_prove_who_he_is_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def distrusts(*_: object, **__: object) -> None:
        raise Untrusted("the certificate is somebody else's")

    monkeypatch.setattr("core.io.runtime.keep", distrusts)
    async with exchange() as running:
        runtime = runtime_on(running, tmp_path, "Rests", spin=False)
        ending = await runtime.run(None)
    assert ending.fatal.startswith("line ")
    assert ending.fatal.endswith(": the certificate is somebody else's")


async def test_without_keys_no_private_connection_is_kept(tmp_path: Path) -> None:
    async with exchange() as running:
        runtime = runtime_on(running, tmp_path, "Rests", spin=False)
        signer, runtime._signer = runtime._signer, None
        with trio.fail_after(5):
            await runtime._keep_link(1)  # returns, and waits for nobody who wants it
        runtime._signer = signer
        await runtime.run(0)


async def test_a_connection_that_was_retired_twice_is_dialled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once when it is replaced, and once more when its end is told, a pass later."""
    kept: list[int] = []

    async def keeps(link: int, *_: object, **__: object) -> None:
        kept.append(link)
        await trio.sleep_forever()

    monkeypatch.setattr("core.io.runtime.keep", keeps)
    async with exchange() as running:
        runtime = runtime_on(running, tmp_path, "Rests", spin=False)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(runtime._keep_link, 3)
            runtime.dial(3)
            await wait_all_tasks_blocked()
            runtime.retire(3, "replaced by a new connection")
            await wait_all_tasks_blocked()
            runtime.retire(3, "replaced by a new connection")
            runtime.dial(3)
            await wait_all_tasks_blocked()
            assert kept == [3, 3]
            nursery.cancel_scope.cancel()
        await runtime.run(0)


async def test_a_run_that_is_to_outlive_its_terminal_does() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        told: list[str] = []
        with Signals(patience_s=1, turned=lambda: 0, stop=told.append, hung=told.append):
            os.kill(os.getpid(), signal.SIGHUP)
            await trio.lowlevel.checkpoint()
        assert not told
    finally:
        signal.signal(signal.SIGHUP, before)
