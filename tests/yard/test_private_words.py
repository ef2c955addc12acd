"""Kraken's private messages, written and read by its adapter, to an exchange that reads them too.

The exchange is a process of its own, and its dialect was written from the documentation alone: what
both take for the same here, two readings have in common.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import httpx
import pytest
import trio
from trio_websocket import open_websocket_url

from core.model.commands import Amend, Cancel, OrderKind, Place, TimeInForce
from core.model.events import ExecType, Numbered, OrdStatus, Side, Verdict
from core.model.units import NS_PER_S
from core.model.venue import Credentials, HttpAnswer, HttpRequest, WireRequest
from tests.venues.kraken import world
from tests.yard.application import PATIENCE_S, exchange_process
from venues.kraken import answers, executions, history, trading
from venues.kraken.answer import Names
from venues.kraken.executions import Execution
from venues.kraken.history import OwnFill
from venues.kraken.signer import KeySigner

pytestmark = pytest.mark.yard

FAR_TICKS = 5_000
LOTS = 1_000_000


class Account:
    """The private connection and the REST way of one account."""

    def __init__(self, announced: dict[str, Any], http: httpx.Client, socket: Any) -> None:
        keys = {name: announced[name] for name in ("api_key", "api_secret")}
        self.signer = KeySigner(Credentials(keys))
        self.names = Names()
        self.names.learn(world.BTC)
        self.numbers: list[Numbered] = []
        self.reports: list[Execution] = []
        self.balances: list[executions.Balances] = []
        self._answers: dict[int, answers.Proved] = {}
        self._rest, self._http, self._socket = announced["rest"], http, socket
        self._reader = executions.Executions({"BTC/USD": world.BTC})
        self._ids = count(1)

    def asks(self, request: HttpRequest) -> bytes:
        """Return the result of a REST answer."""
        leaving = request.leaving(self.signer, time.time_ns())
        answer = self._http.request(
            request.method,
            f"{self._rest}{leaving.target}",
            headers=dict(leaving.headers),
            content=leaving.body,
        )
        come = HttpAnswer(answer.status_code, {}, answer.content)
        told = request.arriving(self.signer, come)
        body = json.loads(told.body)
        assert body["error"] == []
        return json.dumps(body["result"]).encode()

    async def sends(self, make: Any, *arguments: Any, **options: Any) -> answers.Proved:
        """Send a message and return what its answer proves; whatever else comes is kept."""
        number = next(self._ids)
        request: WireRequest = make(*arguments, number, **options)
        await self._socket.send_message(self.signer.wire(request).decode())
        while number not in self._answers:
            await self.hears()
        return self._answers.pop(number)

    async def hears(self) -> None:
        payload: bytes = (await self._socket.get_message()).encode()
        head = json.loads(payload)
        if "method" in head:
            proved = answers.read(payload)
            self._answers[proved.request_id] = proved
        elif head["channel"] == "executions":
            number, reports = self._reader.read(payload)
            self.numbers.append(number)
            self.reports += [one for one in reports if isinstance(one, Execution)]
        elif head["channel"] == "balances":
            number, told = executions.read_balances(payload)
            self.numbers.append(number)
            self.balances.append(told)

    async def reported(self, name: str, status: OrdStatus) -> Execution:
        """Return the report that says an order stands so."""
        while True:
            for report in self.reports:
                if report.client_order_id == name and report.status is status:
                    return report
            await self.hears()

    def best(self) -> tuple[int, int]:
        told = self._http.get(f"{self._rest}/0/public/Ticker?pair=XBTUSD").json()
        [ticker] = told["result"].values()
        count_of = world.BTC.tick.count
        return count_of(ticker["b"][0]), count_of(ticker["a"][0])


@asynccontextmanager
async def account() -> AsyncIterator[Account]:
    with (
        exchange_process("--venue", "kraken", "--rate", "100") as (announced, _),
        httpx.Client(timeout=PATIENCE_S) as http,
        trio.fail_after(PATIENCE_S),
    ):
        async with open_websocket_url(announced["private"]) as socket:
            one = Account(announced, http, socket)
            one.asks(history.fetch_token())
            assert (await one.sends(trading.subscribe_executions)).threshold in (60, 125, 180)
            assert (await one.sends(trading.subscribe_balances)).verdict is Verdict.DONE
            yield one


def order(name: str, price_ticks: int, **changes: Any) -> Place:
    fields: dict[str, Any] = {
        "instrument": 0,
        "client_order_id": name,
        "side": Side.BUY,
        "kind": OrderKind.LIMIT,
        "tif": TimeInForce.GTC,
        "price_ticks": price_ticks,
        "lots": LOTS,
    }
    return Place(**(fields | changes))


def deadline() -> int:
    return trading.deadline_ns(time.time_ns(), 30 * NS_PER_S)


async def test_an_order_is_placed_amended_and_cancelled_where_it_stands() -> None:
    async with account() as one:
        bid, _ = one.best()
        place = order("hl-1", bid - FAR_TICKS)
        proved = await one.sends(trading.add_order, world.BTC, place, deadline())
        [named] = proved.orders
        live = await one.reported("hl-1", OrdStatus.NEW)
        assert (live.order_id, live.price_ticks, live.size_lots) == (
            named.order_id,
            bid - FAR_TICKS,
            LOTS,
        )
        amend = Amend(0, "", named.order_id, 2 * LOTS, bid - 2 * FAR_TICKS)
        await one.sends(trading.amend_order, world.BTC, amend, deadline())
        [listed] = history.read_open_orders(one.asks(history.open_orders()), one.names.find)
        assert isinstance(listed, Execution)
        assert (listed.client_order_id, listed.order_id) == ("hl-1", named.order_id)
        assert (listed.price_ticks, listed.size_lots) == (bid - 2 * FAR_TICKS, 2 * LOTS)
        assert (await one.sends(trading.cancel_order, "", "hl-1")).verdict is Verdict.DONE
        gone = await one.reported("hl-1", OrdStatus.CANCELED)
        assert (gone.exec_type, gone.filled_lots) == (ExecType.CANCELED, 0)
        again = await one.sends(trading.cancel_order, named.order_id, "hl-1")
        assert (again.verdict, again.error) == (Verdict.REFUSED, "EOrder:Unknown order")


async def test_the_stream_and_the_history_tell_the_same_fills() -> None:
    async with account() as one:
        _, ask = one.best()
        place = order("hl-1", ask + FAR_TICKS, tif=TimeInForce.IOC)
        await one.sends(trading.add_order, world.BTC, place, deadline())
        done = await one.reported("hl-1", OrdStatus.FILLED)
        fills = [report.fill for report in one.reports if report.fill is not None]
        assert sum(fill.lots for fill in fills) == done.filled_lots == LOTS
        cursor = history.cursor_of("0", time.time_ns())
        page = history.read_fills(one.asks(history.fills(cursor)), cursor, one.names.find)
        told = {one.fill.execution_id: one.fill for one in page.fills if isinstance(one, OwnFill)}
        assert set(told) == {fill.execution_id for fill in fills}
        for fill in fills:
            listed = told[fill.execution_id]
            assert (listed.price_ticks, listed.lots, listed.fees) == (
                fill.price_ticks,
                fill.lots,
                fill.fees,
            )
            assert abs(listed.venue_ns - fill.venue_ns) < 1_000_000, "REST tells fewer decimals"
        [closed] = history.read_closed_orders(
            one.asks(history.closed_orders("hl-1")), one.names.find
        )
        assert isinstance(closed, Execution)
        assert (closed.status, closed.filled_lots) == (OrdStatus.FILLED, LOTS)
        while not any(
            balance.asset == "BTC" for told in one.balances[1:] for balance in told.balances
        ):
            await one.hears()


async def test_refusals_batches_and_the_dead_man_switch_are_understood() -> None:
    async with account() as one:
        bid, ask = one.best()
        crossing = order("hl-1", ask + FAR_TICKS, kind=OrderKind.POST_ONLY)
        await one.sends(trading.add_order, world.BTC, crossing, deadline())
        assert (await one.reported("hl-1", OrdStatus.CANCELED)).filled_lots == 0
        small = order("hl-2", bid - FAR_TICKS, lots=1)
        refused = await one.sends(trading.add_order, world.BTC, small, deadline())
        assert (refused.verdict, refused.orders) == (Verdict.REFUSED, ())
        both = [order("hl-3", bid - FAR_TICKS), order("hl-4", bid - FAR_TICKS - 1)]
        batch = await one.sends(trading.batch_add, world.BTC, both, deadline())
        assert [named.client_order_id for named in batch.orders] == ["hl-3", "hl-4"]
        armed = await one.sends(trading.cancel_all_orders_after, 60)
        assert 50 * NS_PER_S < armed.fires_ns - time.time_ns() < 70 * NS_PER_S
        assert (await one.sends(trading.cancel_all_orders_after, 0)).fires_ns == 0
        cancels = [Cancel(0, name, "") for name in ("hl-3", "hl-4")]
        assert (await one.sends(trading.batch_cancel, cancels)).count == 2
        assert (await one.sends(trading.cancel_all)).count == 0
        held = history.read_balances(one.asks(history.balances()))
        assert not any(balance.locked_atoms for balance in held)
        for channel in ("executions", "balances"):
            seqs = [number.seq for number in one.numbers if number.channel == channel]
            assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), "none is missing"
