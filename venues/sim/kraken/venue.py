"""The whole exchange without a wire, in the words of Kraken Spot."""

import base64
import itertools
import random
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from venues.sim.accounts import Account
from venues.sim.actions import Action
from venues.sim.durations import MINUTE_NS, SECOND_NS
from venues.sim.events import PRIVATE, Event
from venues.sim.faults import Connection, ConnectionName, Outlet
from venues.sim.fixed import ONE
from venues.sim.http import HttpReply, HttpRequest
from venues.sim.kraken import rest
from venues.sim.kraken.actions import AnyAction
from venues.sim.kraken.answers import KrakenAnswers
from venues.sim.kraken.exchange import Exchange
from venues.sim.kraken.keys import is_secret
from venues.sim.kraken.market_data import MarketData
from venues.sim.kraken.pairs import SYMBOLS
from venues.sim.kraken.reports import Reporter
from venues.sim.kraken.session import Session
from venues.sim.ledger import DEFAULT_KEY
from venues.sim.symbols import Symbol
from venues.sim.traders import USUAL, Temper
from venues.sim.venue import RATE, AccountConfig, AnyVenue, Dialect, Manners
from venues.sim.venue import Session as AnySession

DEFAULT_SECRET: Final = base64.b64encode(b"hotloop-sim-secret-this-is-not-a-secret").decode()
DEFAULT_BALANCES: Final = {
    "BTC": 100 * ONE,
    "ETH": 2_000 * ONE,
    "SOL": 50_000 * ONE,
    "USD": 10_000_000 * ONE,
}
# The venue has a host for each: ws, ws-auth and ws-l3.
PUBLIC_PATH: Final = "/v2"
PRIVATE_PATH: Final = "/auth/v2"
LEVEL3_PATH: Final = "/l3/v2"
_HOUSEKEEPING_NS: Final = SECOND_NS

_read_action = msgspec.json.Decoder(AnyAction).decode


class Venue(AnyVenue):
    """One exchange, its background and its sessions."""

    manners = Manners(connections=150, window_ns=10 * MINUTE_NS)

    def __init__(
        self,
        now_ns: int,
        *,
        seed: int = 0,
        rate: float = RATE,
        symbols: tuple[Symbol, ...] = SYMBOLS,
        temper: Temper = USUAL,
    ) -> None:
        self.exchange = Exchange(random.Random(f"tokens {seed}"), symbols)
        super().__init__(
            now_ns, self.exchange, KrakenAnswers(), seed=seed, rate=rate, temper=temper
        )
        self.market_data = MarketData(self.exchange)
        self.reporter = Reporter(self.exchange)
        # A dictionary as an ordered set: events reach sessions in the order they connected.
        self._sessions: dict[Session, None] = {}
        self._numbers = itertools.count(1)
        self._system = self.exchange.system
        self._housekeeping_ns = now_ns

    def publish(self, events: list[Event], now_ns: int) -> None:
        self.market_data.publish(events, now_ns)
        for event in events:
            if isinstance(event, PRIVATE):
                for session in self._sessions:
                    session.tell(event)

    def tick(self, now_ns: int) -> int:
        due_ns = self.exchange.tick(now_ns)
        self.publish(self.engine.take_events(), now_ns)
        if now_ns >= self._housekeeping_ns:
            self._housekeeping_ns = now_ns + _HOUSEKEEPING_NS
            for session in list(self._sessions):
                session.tick(now_ns)
        return min(due_ns, self._housekeeping_ns)

    def perform(self, action: Action, now_ns: int) -> dict[str, Any]:
        done = super().perform(action, now_ns)
        self.market_data.publish_instruments()
        if self.exchange.system != self._system:
            self._system = self.exchange.system
            for session in self._sessions:
                session.tell_status()
        return done

    def begin(self) -> None:
        self.exchange.begin()
        for session in self._sessions:
            session.connection.cut()
        self.market_data.begin()

    def add_account(self, config: AccountConfig) -> Account:
        account = self.engine.open_account(config.balances)
        account.maker_rate, account.taker_rate = config.maker_rate, config.taker_rate
        self.exchange.add_key(config.api_key, config.secret, account)
        return account

    def connection_of(self, path: str) -> ConnectionName | None:
        private = {PRIVATE_PATH: ConnectionName.WS_API, LEVEL3_PATH: ConnectionName.WS_API}
        return ConnectionName.STREAM if path == PUBLIC_PATH else private.get(path)

    def open_session(self, outlet: Outlet[bytes], target: str, ip: str, now_ns: int) -> Session:
        name = self.connection_of(target.partition("?")[0]) or ConnectionName.STREAM
        session = Session(
            self.exchange,
            self.market_data,
            self.reporter,
            Connection(self.faults, name, outlet),
            next(self._numbers),
            now_ns,
        )
        self._sessions[session] = None
        return session

    def close_session(self, session: AnySession) -> None:
        assert isinstance(session, Session)  # noqa: S101 - opened here
        session.close()
        del self._sessions[session]

    def receive(self, request: HttpRequest, outlet: Outlet[HttpReply], now_ns: int) -> None:
        rest.receive(self, request, outlet, now_ns)

    def read_action(self, body: str) -> Action:
        action: Action = _read_action(body)
        return action


class KrakenDialect(Dialect):
    """How an exchange of this dialect is opened."""

    name = "kraken"
    account = AccountConfig(DEFAULT_KEY, DEFAULT_SECRET, DEFAULT_BALANCES)
    symbols = SYMBOLS

    def open(
        self,
        now_ns: int,
        *,
        seed: int,
        rate: float,
        symbols: Any,
        limits: Any,
        temper: Temper,
    ) -> Venue:
        return Venue(now_ns, seed=seed, rate=rate, symbols=symbols, temper=temper)

    def addresses(self, websockets: str) -> Mapping[str, str]:
        return {
            "public": websockets + PUBLIC_PATH,
            "private": websockets + PRIVATE_PATH,
            "level3": websockets + LEVEL3_PATH,
        }

    def expected_secret(self, secret: str) -> str:
        return "" if is_secret(secret) else "a secret in base64"

    def expected_symbol(self, symbol: Any) -> str:
        expected = f"{symbol.base}/{symbol.quote}"
        return "" if symbol.name == expected else f"BASE/QUOTE: {expected}"
