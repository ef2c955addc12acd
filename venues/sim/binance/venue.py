"""The whole exchange without a wire, in the words of Binance Spot."""

import base64
import binascii
import random
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from venues.sim.accounts import Account
from venues.sim.actions import Action
from venues.sim.binance import rest
from venues.sim.binance.actions import AnyAction
from venues.sim.binance.answers import BinanceAnswers
from venues.sim.binance.exchange import LIMITS, Exchange, Limits
from venues.sim.binance.market_data import MarketData
from venues.sim.binance.order_views import told
from venues.sim.binance.streams import StreamSession
from venues.sim.binance.symbols import SYMBOLS
from venues.sim.binance.ws_api import CONNECT_WEIGHT, ApiSession
from venues.sim.binance.ws_api import PATH as WS_API_PATH
from venues.sim.durations import SECOND_NS
from venues.sim.events import Aggregated, BestMoved, Event, Printed
from venues.sim.faults import Connection, ConnectionName, Outlet
from venues.sim.http import HttpReply, HttpRequest
from venues.sim.ledger import DEFAULT_BALANCES, DEFAULT_KEY, DEFAULT_SECRET
from venues.sim.symbols import Symbol
from venues.sim.traders import USUAL, Temper
from venues.sim.venue import RATE, AccountConfig, AnyVenue, Dialect, Manners, Session

ED25519_PREFIX: Final = "ed25519/"
_ED25519_BYTES: Final = 32
"""Begins a secret that is a raw public key in base64; any other is an HMAC secret."""

_read_action = msgspec.json.Decoder(AnyAction).decode


class Venue(AnyVenue):
    """One exchange, its background and its sessions."""

    manners = Manners(
        connections=300,
        window_ns=300 * SECOND_NS,
        lifetime_seconds=24 * 3600,
        ping_seconds=20,
        pong_seconds=60,
    )

    def __init__(
        self,
        now_ns: int,
        *,
        seed: int = 0,
        rate: float = RATE,
        symbols: tuple[Symbol, ...] = SYMBOLS,
        limits: Limits = LIMITS,
        temper: Temper = USUAL,
    ) -> None:
        self.exchange = Exchange(random.Random(f"client ids {seed}"), symbols, limits)
        super().__init__(
            now_ns, self.exchange, BinanceAnswers(), seed=seed, rate=rate, temper=temper
        )
        self.market_data = MarketData(self.engine, now_ns)
        self._stream_connections: list[Connection[bytes]] = []
        # A dictionary as an ordered set: events reach sessions in the order they connected.
        self._api_sessions: dict[ApiSession, None] = {}

    def publish(self, events: list[Event], now_ns: int) -> None:
        for event in events:
            if isinstance(event, Printed | Aggregated | BestMoved):
                self.market_data.publish(event, now_ns)
            elif self._api_sessions and (words := told(event)) is not None:
                for session in self._api_sessions:
                    session.tell(event.account, words)

    def tick(self, now_ns: int) -> int:
        return self.market_data.tick(now_ns)

    def begin(self) -> None:
        self.market_data.begin()
        for connection in [
            *self._stream_connections,
            *(session.connection for session in self._api_sessions),
        ]:
            connection.cut()

    def add_account(self, config: AccountConfig) -> Account:
        """Open an account with its key; the secret's form decides how requests are signed."""
        account = self.engine.open_account(config.balances)
        account.maker_rate, account.taker_rate = config.maker_rate, config.taker_rate
        account.pays_in_bnb = config.pays_in_bnb
        if config.secret.startswith(ED25519_PREFIX):
            raw = base64.b64decode(config.secret.removeprefix(ED25519_PREFIX), validate=True)
            self.exchange.add_ed25519_key(config.api_key, raw, account)
        else:
            self.exchange.add_hmac_key(config.api_key, config.secret, account)
        return account

    def connection_of(self, path: str) -> ConnectionName | None:
        if path == WS_API_PATH:
            return ConnectionName.WS_API
        return ConnectionName.STREAM if StreamSession.accepts(path) else None

    def open_session(self, outlet: Outlet[bytes], target: str, ip: str, now_ns: int) -> Session:
        if target.partition("?")[0] == WS_API_PATH:
            return self.open_api_session(outlet, target, ip, now_ns)
        return self.open_stream_session(outlet, target)

    def close_session(self, session: Session) -> None:
        if isinstance(session, ApiSession):
            self.close_api_session(session)
        elif isinstance(session, StreamSession):
            session.close()

    def open_stream_session(self, outlet: Outlet[bytes], target: str) -> StreamSession:
        """Connect a client of the market streams; it closes its session itself."""
        connection = Connection(self.faults, ConnectionName.STREAM, outlet)
        self._stream_connections = [one for one in self._stream_connections if one.is_open]
        self._stream_connections.append(connection)
        return StreamSession(self.market_data, connection, target)

    def open_api_session(
        self, outlet: Outlet[bytes], target: str, ip: str, now_ns: int
    ) -> ApiSession:
        """Connect a client of the WebSocket API; to be closed with ``close_api_session``."""
        self.exchange.requests_of(ip).charge(CONNECT_WEIGHT, now_ns)
        connection = Connection(self.faults, ConnectionName.WS_API, outlet)
        session = ApiSession(self.exchange, connection, target, ip, now_ns)
        self._api_sessions[session] = None
        return session

    def close_api_session(self, session: ApiSession) -> None:
        session.connection.close()
        del self._api_sessions[session]

    def receive(self, request: HttpRequest, outlet: Outlet[HttpReply], now_ns: int) -> None:
        rest.receive(self, request, outlet, now_ns)

    def read_action(self, body: str) -> Action:
        action: Action = _read_action(body)
        return action


class BinanceDialect(Dialect):
    """How an exchange of this dialect is opened."""

    name = "binance"
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
        return Venue(
            now_ns,
            seed=seed,
            rate=rate,
            symbols=symbols,
            limits=LIMITS if limits is None else limits,
            temper=temper,
        )

    def addresses(self, websockets: str) -> Mapping[str, str]:
        return {"stream": websockets, "ws_api": websockets + WS_API_PATH}

    def expected_secret(self, secret: str) -> str:
        if not secret.startswith(ED25519_PREFIX):
            return ""
        try:
            raw = base64.b64decode(secret.removeprefix(ED25519_PREFIX), validate=True)
        except binascii.Error:
            raw = b""
        expected = f"the {_ED25519_BYTES} raw bytes of an Ed25519 public key in base64"
        return "" if len(raw) == _ED25519_BYTES else expected

    def expected_symbol(self, symbol: Any) -> str:
        return "letters and digits, like ETHBTC" if "/" in symbol.name else ""
