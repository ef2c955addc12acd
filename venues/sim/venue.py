"""The whole exchange without a wire: its market, its traders and the connections it serves.

Whoever drives it passes the time in and moves the bytes: real sockets in ``server``, a simulated
world in tests. After every request ``settle`` distributes what it caused. What a dialect adds is
what its clients say and hear.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from venues.sim import actions
from venues.sim.accounts import STANDARD_RATE, Account
from venues.sim.actions import Action, Host
from venues.sim.engine import Engine
from venues.sim.events import Event
from venues.sim.faults import Answers, ConnectionName, Outlet, Switchboard
from venues.sim.http import HttpReply, HttpRequest
from venues.sim.traders import Temper, Traders

# Book events a second that the background makes unless told otherwise.
RATE: Final = 1_000.0


@dataclass(frozen=True, slots=True)
class AccountConfig:
    """One account; the dialect says what its ``secret`` is.

    Rates are fractions of 1e-8 of what a fill brings.
    """

    api_key: str
    secret: str
    balances: dict[str, int]
    maker_rate: int = STANDARD_RATE
    taker_rate: int = STANDARD_RATE
    pays_in_bnb: bool = False


class TooManyMessagesError(Exception):
    """A client sent more than the venue allows; the connection must be closed."""


class Session(Protocol):
    """One WebSocket without its socket: what it does with what a client sends."""

    def receive(self, text: str | bytes, now_ns: int) -> None:
        """Take one message. Raises ``TooManyMessagesError``."""

    def control(self, now_ns: int) -> None:
        """Count a ping or a pong. Raises ``TooManyMessagesError``."""

    def announce_shutdown(self, now_ns: int) -> None:
        """Tell the client that the exchange is about to go."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How a venue treats its WebSockets; None where it does nothing of the kind.

    At most ``connections`` attempts of one IP in ``window_ns``. ``ping_seconds`` is between the
    pings it sends, ``pong_seconds`` its patience for their answers.
    """

    connections: int
    window_ns: int
    lifetime_seconds: float | None = None
    ping_seconds: float | None = None
    pong_seconds: float = 0.0


class AnyVenue(ABC):
    """One exchange, its background and its sessions, in the words of one dialect."""

    manners: Manners

    def __init__(
        self,
        now_ns: int,
        host: Host,
        answers: Answers,
        *,
        seed: int,
        rate: float,
        temper: Temper,
    ) -> None:
        self.host = host
        self.engine: Engine = host.engine
        # A generator each, so that requests and faults do not change what the background does.
        self.traders = Traders(self.engine, random.Random(f"traders {seed}"), rate, temper)
        if rate > 0:
            self.traders.open(now_ns)
        self.engine.take_events()
        self.faults = Switchboard(random.Random(f"faults {seed}"), answers)
        self.faults.arriving = self._catch_up
        self._rate = rate

    # -- what a dialect adds -------------------------------------------------------------------

    @abstractmethod
    def publish(self, events: list[Event], now_ns: int) -> None:
        """Tell everybody what has happened."""

    @abstractmethod
    def tick(self, now_ns: int) -> int:
        """Say what is due by now; return when the next thing is."""

    @abstractmethod
    def begin(self) -> None:
        """Begin anew after a reset, and break every connection off."""

    @abstractmethod
    def add_account(self, config: AccountConfig) -> Account:
        """Open an account with its key."""

    @abstractmethod
    def connection_of(self, path: str) -> ConnectionName | None:
        """Return the kind of WebSocket that a path opens, None where there is none."""

    @abstractmethod
    def open_session(self, outlet: Outlet[bytes], target: str, ip: str, now_ns: int) -> Session:
        """Connect a WebSocket; to be closed with ``close_session``."""

    @abstractmethod
    def close_session(self, session: Session) -> None:
        """Forget a WebSocket that is gone."""

    @abstractmethod
    def receive(self, request: HttpRequest, outlet: Outlet[HttpReply], now_ns: int) -> None:
        """Take a request; its reply leaves through ``outlet``, or not where a fault is on."""

    @abstractmethod
    def read_action(self, body: str) -> Action:
        """Return the action that a text describes. Raises ``msgspec.DecodeError``."""

    # -- running it ----------------------------------------------------------------------------

    def step(self, now_ns: int) -> int:
        """Play the background and say what is due; return when to step again."""
        next_trader_ns = self.traders.step(now_ns)
        self.release(now_ns)
        next_data_ns = min(self.tick(now_ns), self.faults.next_due_ns)
        return next_data_ns if next_trader_ns is None else min(next_data_ns, next_trader_ns)

    def _catch_up(self, now_ns: int) -> None:
        """Play the background up to a request, so that what it causes is never older."""
        self.traders.step(now_ns)
        self.advance(now_ns)

    def release(self, now_ns: int) -> None:
        """Let happen what faults have held back, and distribute what it caused."""
        self.traders.step(now_ns)
        self.faults.release(now_ns)
        self.advance(now_ns)

    def advance(self, now_ns: int) -> None:
        """Distribute every event since the last time."""
        self.faults.turn(now_ns)
        self.publish(self.engine.take_events(), now_ns)

    def perform(self, action: Action, now_ns: int) -> dict[str, Any]:
        """Have others do something to the exchange. Raises ``ActionError`` that says why not."""
        self._catch_up(now_ns)
        done = actions.perform(action, self.host, now_ns)
        if isinstance(action, actions.Reset):
            if self._rate > 0:
                self.traders.open(now_ns)
            self.engine.take_events()
            self.begin()
        self.advance(now_ns)
        return done


class Dialect(ABC):
    """How an exchange of this dialect is opened, and what it has unless told otherwise."""

    name: str
    account: AccountConfig
    symbols: tuple[Any, ...]

    @abstractmethod
    def open(
        self, now_ns: int, *, seed: int, rate: float, symbols: Any, limits: Any, temper: Temper
    ) -> AnyVenue:
        """Open an exchange."""

    @abstractmethod
    def addresses(self, websockets: str) -> Mapping[str, str]:
        """Return the WebSocket addresses by their names, below a base like ``ws://host:port``."""

    @abstractmethod
    def expected_secret(self, secret: str) -> str:
        """Return what a secret of this dialect is, where this is none; else nothing."""

    @abstractmethod
    def expected_symbol(self, symbol: Any) -> str:
        """Return how a symbol of this dialect is named, where this one is not; else nothing."""
