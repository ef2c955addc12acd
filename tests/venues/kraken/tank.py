"""A run against the built-in exchange of this venue, on virtual time, and a desk in our hands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.engine.checkpoint import Restored
from core.engine.engine import Engine
from core.model import config
from core.model.events import Side
from core.model.venue import Credentials, HttpRequest
from core.model.views import Refusal, SessionState
from core.state.orders import Order
from tests.venues.sim.kraken.driver import OTHER
from tests.world.test_recovery import Hand
from tools.world.tank import Link, Tank, _Outlet, _RestOutlet
from venues.sim.http import HttpRequest as SimRequest
from venues.sim.kraken import trading
from venues.sim.kraken.pairs import SYMBOLS
from venues.sim.kraken.venue import DEFAULT_SECRET, KrakenDialect, Venue
from venues.sim.ledger import DEFAULT_KEY

HAND = "tests.world.test_recovery:Hand"
MARKET, TRADE = 0, 1
LOTS = 1_000_000
"""0.01 BTC."""


class KrakenTank(Tank):
    """A world with one engine and one exchange in it; nobody trades but who is told to."""

    market_path = "/v2"

    def __init__(self, **options: Any) -> None:
        now_ns = 1_790_000_000 * 10**9
        listed = options.pop("listed", SYMBOLS)
        venue: Any = Venue(now_ns, rate=0.0, symbols=listed)
        self.account = venue.add_account(KrakenDialect.account)
        self.stranger = venue.add_account(OTHER)
        self.taker = venue.add_account(replace(OTHER, api_key="third-key"))
        super().__init__(
            **{
                "strategy": HAND,
                "parameters": "",
                "symbols": ("BTC/USD",),
                "venue": venue,
                "now_ns": now_ns,
                "keys": Credentials({"api_key": DEFAULT_KEY, "api_secret": DEFAULT_SECRET}),
                "run": 'on_stale = "keep"',
                "top": "[session]\nrequest_expiry_ms = 5000",
                **options,
            }
        )

    def _start(self, boot: int, restored: Restored | None) -> None:
        text = self.config_text.replace('venue = "binance"', 'venue = "kraken"')
        text = text.replace("/ws-api/v3", "/auth/v2")
        text = text.replace("\nstream = ", "\npublic = ").replace("\nws_api = ", "\nprivate = ")
        text = text.replace("127.0.0.1:2", f"127.0.0.1:2{self.market_path}", 1)
        self.config_text = text
        self._loaded = config.load(text, "tank.toml")
        super()._start(boot, restored)

    def _dial_now(self, number: int) -> None:
        if number in self._standing or number not in self._kept or not self.dials_allowed:
            return
        connection = number % len(self.application.adapter.connections)
        target = "/" + self.application.adapter.connections[connection].url.split("/", 3)[3]
        link = Link(connection, None, number)
        self._standing[number] = link
        self.links.setdefault(connection, link)
        self.engine.on_up(number, self.now_ns)
        link.session = self.venue.open_session(
            _Outlet(self, link), target, "127.0.0.1", self.venue_ns
        )
        self._ping(link)

    def _close_session(self, link: Link) -> None:
        link.open = False
        self.venue.close_session(link.session)

    def _answer(self, engine: Engine, request_id: int, request: HttpRequest) -> None:
        signed = request.leaving(self.signer, self.now_ns)
        path, _, query = signed.target.partition("?")
        headers = {name.lower(): value for name, value in signed.headers.items()}
        outlet = _RestOutlet(self, engine, request_id, request)
        asked = SimRequest(request.method, path, query, signed.body.decode(), headers)
        self.venue.receive(asked, outlet, self.venue_ns)
        self.venue.advance(self.venue_ns)

    # -- by hand -------------------------------------------------------------------------------

    @property
    def desk(self) -> Any:
        return self.engine.desk

    @property
    def hand(self) -> Hand:
        strategy = self.application.strategy
        assert isinstance(strategy, Hand)
        return strategy

    def trading(self) -> KrakenTank:
        """Let somebody else make a market, 29990 x 30010, and the run begin to trade."""
        self.other("buy", 29_990, 1)
        self.other("sell", 30_010, 1)
        self.run_until(lambda: self.desk.session is SessionState.TRADING)
        self.run_until(lambda: self.engine.books[0].live)
        self.run(1)
        return self

    def other(self, side: str, price: float, size: float, account: Any = None) -> None:
        """Have somebody else place an order."""
        params = {
            "symbol": "BTC/USD", "side": side, "order_type": "limit",
            "order_qty": str(size), "limit_price": str(price),
        }  # fmt: skip
        exchange: Any = self.venue.exchange
        trading.add(exchange, account or self.stranger, params, self.venue_ns)
        self.venue.advance(self.venue_ns)

    def place(self, side: Side, ticks: int, lots: int = LOTS, **how: Any) -> Order:
        order = self.act(self.desk.place, 0, side, ticks, lots, **how)
        assert isinstance(order, Order), order
        return order

    def act(self, what: Any, *arguments: Any, **how: Any) -> Any:
        """Do something at the desk, as a strategy's callback would."""
        self.desk.now_ns = self.now_ns
        answer = what(*arguments, **how)
        self.engine.outbound.flush()
        return answer

    def replace(self, order: Order, ticks: int, lots: int) -> Order | Refusal:
        answer: Order | Refusal = self.act(self.desk.replace, order, ticks, lots)
        return answer

    def methods(self) -> list[str]:
        return [m.json["method"] for m in self.sent if m.connection == TRADE and m.opcode == 1]


def traded() -> KrakenTank:
    return KrakenTank().trading()
