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
from urllib.parse import urlsplit, urlunsplit

import httpx

from core.model.units import Grid, format_decimal
from tools.crash_test.patience import PATIENCE_S, Wrong
from tools.crash_test.relay import Relay
from tools.demo import MARKETS

DECIMALS: Final = 8
"""The exchange counts amounts in 1e-8."""

NEWEST: Final = 1_000
"""Orders that are looked through for those that somebody has cancelled: more than a run places
between two strikes."""

TIERS: Final = {"kraken": "pro"}
"""What the account is at a venue that has tiers: that of who trades for a living."""

EVENTS_PER_SECOND: Final = 100


class Exchange:
    """The exchange's own ledger of one account and symbol, whatever its dialect."""

    def __init__(
        self,
        announcement: dict[str, Any],
        client: httpx.Client,
        process: subprocess.Popen[bytes],
    ) -> None:
        """``announcement`` is what a run is told of it; ``client`` is for us, and asks directly."""
        self.announcement = announcement
        self.process = process
        self.market = MARKETS[announcement["venue"]]
        self._client = client
        self._units = 0
        self._next_trade = 0
        self._next_order = 0
        self._names: list[str] = []
        self._set_tier()

    def _set_tier(self) -> None:
        tier = TIERS.get(self.announcement["venue"])
        if tier is not None:
            key = self.announcement["api_key"]
            action = {"action": "tier", "api_key": key, "tier": tier}
            self._client.post("/sim/actions", json=action).raise_for_status()

    def _read(self, *, order: int, trade: int) -> dict[str, Any]:
        """Return what the ledger has from these ids on. Raises ``Wrong`` where it shows nothing."""
        asked = {"key": self.announcement["api_key"], "symbol": self.market.symbol}
        answer = self._client.get("/sim/ledger", params={**asked, "order": order, "trade": trade})
        if not answer.is_success:
            raise Wrong(f"the exchange shows no ledger: {answer.status_code} {answer.text}")
        shown: dict[str, Any] = answer.json()
        return shown

    def _read_on(self) -> dict[str, Any]:
        """Return what the ledger has, and take note of what is new in it."""
        shown = self._read(order=self._next_order, trade=self._next_trade)
        for order in shown["orders"]:
            self._names.append(order["name"])
            self._next_order = order["id"] + 1
        for trade in shown["trades"]:
            self._units += trade["size"] if trade["buys"] else -trade["size"]
            self._next_trade = trade["id"] + 1
        return shown

    def position(self) -> str:
        """Return the account's position by its trades, written as a run writes its own."""
        step = self._read_on()["step"]
        size = Grid(format_decimal(step, DECIMALS)).text(abs(self._units) // step)
        return f"-{size}" if self._units < 0 else size

    def open_orders(self) -> list[str]:
        open_orders: list[str] = self._read_on()["open"]
        return open_orders

    def canceled(self, names: Sequence[str]) -> list[str]:
        """Return those of the newest orders with these client ids that somebody has cancelled."""
        shown = self._read(order=max(0, self._next_order - NEWEST), trade=self._next_trade)
        return [
            order["name"]
            for order in shown["orders"]
            if order["status"] == "CANCELED" and order["name"] in names
        ]

    def orders(self) -> list[str]:
        """Return the client ids of all orders ever placed."""
        self._read_on()
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
        names = endpoints(announcement)
        self._at = {name: _address(announcement[name]) for name in names}
        relayed = {
            name: _at_port(announcement[name], self._relays[self._at[name]].port) for name in names
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
        self.process, announcement = start_exchange(EVENTS_PER_SECOND, self.announcement["venue"])
        for name in endpoints(announcement):
            self._relays[self._at[name]].target = _address(announcement[name])
        self._client.base_url = httpx.URL(announcement["rest"])
        self._next_trade = self._next_order = 0
        self._set_tier()
        self.accept()


def endpoints(announcement: dict[str, Any]) -> tuple[str, str, str]:
    """Return what an exchange calls its addresses: REST, the market's, and that of orders."""
    market = MARKETS[announcement["venue"]]
    return "rest", market.market, market.trade


def _urls_in(announcement: dict[str, Any]) -> Iterator[str]:
    return (announcement[name] for name in endpoints(announcement))


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    if parts.hostname is None or parts.port is None:
        raise Wrong(f"the exchange announces no address: {url}")
    return parts.hostname, parts.port


def _at_port(url: str, port: int) -> str:
    return urlunsplit(urlsplit(url)._replace(netloc=f"127.0.0.1:{port}"))


def start_exchange(rate: int, venue: str) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """Run the built-in exchange in a venue's dialect; return it and what it announces."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tools", "sim", "--venue", venue, "--rate", str(rate)],
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
def running_exchange(venue: str) -> Iterator[Relayed]:
    """Run the exchange, behind relays, until the block is left."""
    process, announcement = start_exchange(EVENTS_PER_SECOND, venue)
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
