"""The built-in exchange in a process of its own: how it is struck, and what its ledger says."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

import httpx

from core.model.units import NS_PER_MS, Grid
from core.model.venue import Credentials, HttpRequest
from tools.crash_test.patience import PATIENCE_S, Wrong
from tools.crash_test.relay import Relay
from venues.binance import VENUE

SYMBOL: Final = "BTCUSDT"

PAGE: Final = 1_000
"""Orders or trades in one answer."""

TRIES: Final = 5
_CLOCK_OFF: Final = "-1021"
"""One that was stopped for a while, or waits for its CPU, takes our time for one of the future or
of the past until it has caught up; and its HTTP server refuses a connection that is too old for it
with a 400 without a word."""

ENDPOINTS: Final = ("rest", "stream", "ws_api")

EVENTS_PER_SECOND: Final = 100


class Exchange:
    """The exchange's own ledger, asked over REST with the account's key."""

    def __init__(
        self,
        announcement: dict[str, Any],
        client: httpx.Client,
        process: subprocess.Popen[bytes],
    ) -> None:
        """``announcement`` is what a run is told of it; ``client`` is for us, and asks directly."""
        self.announcement = announcement
        self.process = process
        self._signer = VENUE.signer(
            Credentials({name: announcement[name] for name in ("api_key", "api_secret")})
        )
        self._client = client
        self._lots = 0
        self._next_trade = 0
        self._next_order = 0
        self._names: list[str] = []
        rules = self._client.get("/api/v3/exchangeInfo", params={"symbol": SYMBOL}).json()
        steps = {one["filterType"]: one for one in rules["symbols"][0]["filters"]}
        self._lot = Grid(steps["LOT_SIZE"]["stepSize"])

    def _ask(self, what: str, **parameters: int) -> Any:
        """Ask until it answers. Raises ``Wrong`` where it refuses."""
        for _ in range(TRIES):
            answer = self._answer(what, **parameters)
            if answer.is_success:
                return answer.json()
            if answer.text and _CLOCK_OFF not in answer.text:
                break
            time.sleep(1.0)
        raise Wrong(f"the exchange refuses {what}: {answer.status_code} {answer.text}")

    def _answer(self, what: str, **parameters: int) -> httpx.Response:
        now_ms = time.time_ns() // NS_PER_MS
        query = urlencode({"symbol": SYMBOL, **parameters, "timestamp": now_ms})
        request = HttpRequest("GET", f"/api/v3/{what}", query, signed=True)
        signed = self._signer.rest(request, time.time_ns())
        return self._client.get(signed.target, headers=signed.headers)

    def position(self) -> str:
        """Return the account's position by its trades, written as a run writes its own."""
        while True:
            trades = self._ask("myTrades", fromId=self._next_trade, limit=PAGE)
            for trade in trades:
                lots = self._lot.count(trade["qty"])
                self._lots += lots if trade["isBuyer"] else -lots
                self._next_trade = trade["id"] + 1
            if len(trades) < PAGE:
                size = self._lot.text(abs(self._lots))
                return f"-{size}" if self._lots < 0 else size

    def open_orders(self) -> list[str]:
        return [order["clientOrderId"] for order in self._ask("openOrders")]

    def canceled(self, names: Sequence[str]) -> list[str]:
        """Return those of the newest orders with these client ids that somebody has cancelled."""
        return [
            name
            for order in self._ask("allOrders", limit=PAGE)
            if order["status"] == "CANCELED"
            and (name := order["clientOrderId"].removesuffix("-c")) in names
        ]

    def orders(self) -> list[str]:
        """Return the client ids of all orders ever placed; a cancel adds an end to its order's."""
        while True:
            orders = self._ask("allOrders", orderId=self._next_order, limit=PAGE)
            self._names += [order["clientOrderId"].removesuffix("-c") for order in orders]
            if orders:
                self._next_order = orders[-1]["orderId"] + 1
            if len(orders) < PAGE:
                return self._names

    # -- strikes -------------------------------------------------------------------------------

    def stop(self) -> None:
        """It answers nobody any more; its connections stand."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


class Relayed(Exchange):
    """An exchange that is reached over relays: it can be cut off and replaced."""

    def __init__(
        self, announcement: dict[str, Any], client: httpx.Client, process: subprocess.Popen[bytes]
    ) -> None:
        self._relays = {
            address: Relay(address) for address in map(_address, _urls_in(announcement))
        }
        self._at = {name: _address(announcement[name]) for name in ENDPOINTS}
        relayed = {
            name: _at_port(announcement[name], self._relays[self._at[name]].port)
            for name in ENDPOINTS
        }
        super().__init__(announcement | relayed, client, process)

    def refuse(self) -> None:
        """Its connections break, and new ones are refused; it keeps what it knows."""
        for relay in self._relays.values():
            relay.cut()

    def accept(self) -> None:
        """Take connections again."""
        for relay in self._relays.values():
            relay.join()

    def restart(self, away_s: float) -> None:
        """Kill it, and set another up in its place, which knows nothing of before."""
        self.refuse()
        _end(self.process)
        time.sleep(away_s)
        self.process, announcement = start_exchange(EVENTS_PER_SECOND)
        for name in ENDPOINTS:
            self._relays[self._at[name]].target = _address(announcement[name])
        self._client.base_url = httpx.URL(announcement["rest"])
        self._next_trade = self._next_order = 0
        self.accept()


def _urls_in(announcement: dict[str, Any]) -> Iterator[str]:
    return (announcement[name] for name in ENDPOINTS)


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    if parts.hostname is None or parts.port is None:
        raise Wrong(f"the exchange announces no address: {url}")
    return parts.hostname, parts.port


def _at_port(url: str, port: int) -> str:
    return urlunsplit(urlsplit(url)._replace(netloc=f"127.0.0.1:{port}"))


def start_exchange(rate: int) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """Run the built-in exchange; return it and what it announces."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tools", "sim", "--rate", str(rate)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    line = process.stdout.readline() if process.stdout else b""
    if not line:
        raise Wrong("the exchange does not start")
    announcement: dict[str, Any] = json.loads(line)
    return process, announcement


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


@contextmanager
def running_exchange() -> Iterator[Relayed]:
    """Run the exchange, behind relays, until the block is left."""
    process, announcement = start_exchange(EVENTS_PER_SECOND)
    try:
        with httpx.Client(base_url=announcement["rest"], timeout=PATIENCE_S) as client:
            exchange = Relayed(announcement, client, process)
            try:
                yield exchange
            finally:
                exchange.refuse()
                process = exchange.process
    finally:
        _end(process)
