"""Drives the Kraken dialect without a wire: sockets and signed requests, time by hand."""

import base64
import json
import zlib
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec

from venues.sim.faults import Fault
from venues.sim.fixed import ONE
from venues.sim.http import HttpReply, HttpRequest
from venues.sim.kraken.keys import sign
from venues.sim.kraken.venue import DEFAULT_SECRET, KrakenDialect, Venue
from venues.sim.ledger import DEFAULT_KEY
from venues.sim.venue import AccountConfig

# 2026-01-01 00:00:00 UTC.
START_NS = 1_767_225_600_000_000_000
SECOND = 1_000_000_000
MS = 1_000_000
AUTH = "/auth/v2"
OTHER = AccountConfig("other-key", DEFAULT_SECRET, {"BTC": 100 * ONE, "USD": 10_000_000 * ONE})


class Socket:
    """One connection: what it asks, and what it hears. Numbers stay the text they came as."""

    def __init__(self, world: "World", path: str = "/v2") -> None:
        self.world = world
        self.heard: list[dict[str, Any]] = []
        self.is_cut = False
        self.session = world.venue.open_session(self, path, "ip", world.now_ns)

    def send(self, payload: bytes) -> None:
        self.heard.append(json.loads(payload, parse_float=Decimal))

    def cut(self) -> None:
        self.is_cut = True

    def say(self, text: str) -> list[dict[str, Any]]:
        """Send a text; return what is heard from then on."""
        before = len(self.heard)
        self.session.receive(text, self.world.now_ns)
        self.world.venue.advance(self.world.now_ns)
        return self.heard[before:]

    def ask(self, method: str, **params: Any) -> list[dict[str, Any]]:
        return self.say(json.dumps({"method": method, "params": params, "req_id": 7}))

    def ok(self, method: str, **params: Any) -> Any:
        """Ask, and return the result."""
        answer = self.ask(method, **params)[0]
        assert answer["success"], answer
        return answer["result"]

    def refused(self, method: str, **params: Any) -> str:
        answer = self.ask(method, **params)[0]
        assert answer["success"] is False, answer
        return str(answer["error"])

    def on(self, channel: str) -> list[dict[str, Any]]:
        return [one for one in self.heard if one.get("channel") == channel]

    def reports(self) -> list[dict[str, Any]]:
        """Return the updates of executions so far."""
        updates = [one for one in self.on("executions") if one["type"] == "update"]
        return [report for one in updates for report in one["data"]]


class World:
    """One exchange and its accounts."""

    def __init__(self, rate: float = 0, seed: int = 0) -> None:
        self.now_ns = START_NS
        self.venue = Venue(START_NS, rate=rate, seed=seed)
        self.account = self.venue.add_account(KrakenDialect.account)
        self.other = self.venue.add_account(OTHER)
        self._nonce = 0

    def run(self, seconds: float, step_ms: int = 10) -> None:
        """Let time pass."""
        end_ns = self.now_ns + int(seconds * SECOND)
        while self.now_ns < end_ns:
            self.now_ns = min(end_ns, self.now_ns + step_ms * MS)
            self.venue.step(self.now_ns)

    def fault(self, kind: str, **more: Any) -> None:
        described = msgspec.convert({"fault": kind} | more, Fault)
        self.venue.faults.switch_on(described, self.now_ns)

    def http(self, request: HttpRequest) -> Any:
        """Take a request through the faults; return its reply, None where there is none."""
        replies: list[HttpReply] = []

        class Out:
            def send(self, payload: HttpReply) -> None:
                replies.append(payload)

            def cut(self) -> None:
                pass

        self.venue.receive(request, Out(), self.now_ns)
        self.venue.advance(self.now_ns)
        return replies[0] if replies else None

    def public(self, name: str, **params: Any) -> Any:
        request = HttpRequest("GET", f"/0/public/{name}", query=urlencode(params))
        return json.loads(self.http(request).body, parse_float=Decimal)

    def signed(self, name: str, body: str, nonce: int, key: str = DEFAULT_KEY) -> HttpRequest:
        path = f"/0/private/{name}"
        secret = base64.b64decode(DEFAULT_SECRET)
        headers = {"api-key": key, "api-sign": sign(secret, path, str(nonce), body)}
        return HttpRequest("POST", path, body=body, headers=headers)

    def private(self, name: str, key: str = DEFAULT_KEY, **params: Any) -> Any:
        self._nonce += 1
        body = urlencode({"nonce": self._nonce} | params)
        reply = self.http(self.signed(name, body, self._nonce, key))
        return json.loads(reply.body, parse_float=Decimal)

    def result(self, name: str, **params: Any) -> Any:
        answer = self.private(name, **params)
        assert answer["error"] == [], answer
        return answer["result"]

    def error(self, name: str, **params: Any) -> str:
        [text] = self.private(name, **params)["error"]
        return str(text)

    def token(self, key: str = DEFAULT_KEY) -> str:
        return str(self.private("GetWebSocketsToken", key)["result"]["token"])

    def quote(self, side: str, price: str, quantity: str) -> None:
        """Have the other account rest an order in BTC/USD."""
        answer = self.private(
            "AddOrder", "other-key", pair="XBTUSD", type=side, ordertype="limit", price=price,
            volume=quantity,
        )  # fmt: skip
        assert answer["error"] == [], answer


class Trader(Socket):
    """A socket with a token that listens to its executions."""

    def __init__(self, world: World, **options: Any) -> None:
        super().__init__(world, AUTH)
        self.token = world.token()
        self.ok("subscribe", channel="executions", token=self.token, **options)

    def limit(self, side: str, price: float, quantity: float, **more: Any) -> Any:
        return self.ok("add_order", **self.order(side, price, quantity), **more)

    def order(self, side: str, price: float, quantity: float) -> dict[str, Any]:
        return {
            "order_type": "limit",
            "side": side,
            "order_qty": quantity,
            "limit_price": price,
            "symbol": "BTC/USD",
            "token": self.token,
        }


def crc(levels: list[tuple[str, str]]) -> int:
    """Compute a checksum as the guide says, from the text of prices and sizes."""
    parts = [text.replace(".", "").lstrip("0") for level in levels for text in level]
    return zlib.crc32("".join(parts).encode())


class Book:
    """A book that is kept as the guide says."""

    def __init__(self, depth: int, *, cut_at_once: bool = False) -> None:
        self.depth = depth
        self.cut_at_once = cut_at_once
        self.sides: dict[str, dict[Decimal, Decimal]] = {"bids": {}, "asks": {}}

    def take(self, message: dict[str, Any]) -> bool:
        """Apply a message, and say whether its checksum is right."""
        [data] = message["data"]
        if message["type"] == "snapshot":
            self.sides = {"bids": {}, "asks": {}}
        for name, levels in self.sides.items():
            for one in data[name]:
                levels.pop(one["price"], None)
                if one["qty"]:
                    levels[one["price"]] = one["qty"]
                if self.cut_at_once:
                    self.cut(name)
            self.cut(name)
        top = [
            (str(p), f"{self.sides[n][p]:f}") for n in ("asks", "bids") for p in self.best(n)[:10]
        ]
        return bool(crc(top) == data["checksum"])

    def cut(self, name: str) -> None:
        for price in self.best(name)[self.depth :]:
            del self.sides[name][price]

    def best(self, name: str) -> list[Decimal]:
        return sorted(self.sides[name], reverse=name == "bids")


class Level3Book:
    """A book of orders that is kept as the guide says."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.sides: dict[str, dict[Decimal, dict[str, Decimal]]] = {"bids": {}, "asks": {}}

    def take(self, message: dict[str, Any]) -> bool:
        [data] = message["data"]
        if message["type"] == "snapshot":
            self.sides = {"bids": {}, "asks": {}}
        for name, levels in self.sides.items():
            for one in data[name]:
                queue = levels.setdefault(one["limit_price"], {})
                match one.get("event", "add"):
                    case "delete":
                        del queue[one["order_id"]]
                    case "modify":
                        assert one["order_id"] in queue
                        queue[one["order_id"]] = one["order_qty"]
                    case _:
                        queue[one["order_id"]] = one["order_qty"]
                if not queue:
                    del levels[one["limit_price"]]
            for price in sorted(levels, reverse=name == "bids")[self.depth :]:
                del levels[price]
        top = [
            (str(price), f"{quantity:f}")
            for name in ("asks", "bids")
            for price in sorted(self.sides[name], reverse=name == "bids")[:10]
            for quantity in self.sides[name][price].values()
        ]
        return bool(crc(top) == data["checksum"])
