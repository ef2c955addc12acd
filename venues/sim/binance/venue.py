"""The whole exchange without a wire: its market, its traders and the connections it serves.

Whoever drives it passes the time in and moves the bytes: real sockets in ``server``, a simulated
world in tests. After every request ``settle`` distributes what it caused.
"""

import random
from typing import Any, Final

from venues.sim import actions
from venues.sim.actions import AnyAction
from venues.sim.binance.exchange import LIMITS, Exchange, Limits
from venues.sim.binance.market_data import MarketData
from venues.sim.binance.streams import StreamSession
from venues.sim.binance.ws_api import CONNECT_WEIGHT, ApiSession
from venues.sim.engine import Told
from venues.sim.faults import Line, LineName, Outlet, Switchboard
from venues.sim.symbols import SYMBOLS, Symbol
from venues.sim.traders import USUAL, Temper, Traders

# Book events a second that the background makes unless told otherwise.
RATE: Final = 1_000.0


class Venue:
    """One exchange, its background and its sessions."""

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
        # A generator each, so that requests and faults do not change what the background does.
        self.exchange = Exchange(random.Random(f"client ids {seed}"), symbols, limits)
        self.traders = Traders(self.exchange.engine, random.Random(f"traders {seed}"), rate, temper)
        if rate > 0:
            self.traders.open(now_ns)
        self.exchange.engine.take_events()
        self.market_data = MarketData(self.exchange.engine, now_ns)
        self.faults = Switchboard(random.Random(f"faults {seed}"))
        self.faults.arriving = self._catch_up
        self._rate = rate
        self._stream_lines: list[Line[bytes]] = []
        # A dictionary as an ordered set: events reach sessions in the order they connected.
        self._api_sessions: dict[ApiSession, None] = {}

    def step(self, now_ns: int) -> int:
        """Play the background and say what is due; return when to step again."""
        next_trader_ns = self.traders.step(now_ns)
        self.release(now_ns)
        next_data_ns = min(self.market_data.tick(now_ns), self.faults.next_due_ns)
        return next_data_ns if next_trader_ns is None else min(next_data_ns, next_trader_ns)

    def _catch_up(self, now_ns: int) -> None:
        """Play the background up to a request, so that what it causes is never older."""
        self.traders.step(now_ns)
        self.settle(now_ns)

    def release(self, now_ns: int) -> None:
        """Let happen what faults have held back, and distribute what it caused."""
        self.traders.step(now_ns)
        self.faults.release(now_ns)
        self.settle(now_ns)

    def settle(self, now_ns: int) -> None:
        """Distribute every event since the last time."""
        self.faults.turn(now_ns)
        for event in self.exchange.engine.take_events():
            if isinstance(event, Told):
                for session in self._api_sessions:
                    session.tell(event.account, event.event)
            else:
                self.market_data.publish(event, now_ns)

    def perform(self, action: AnyAction, now_ns: int) -> dict[str, Any]:
        """Have others do something to the exchange. Raises ``ActionError`` that says why not."""
        self._catch_up(now_ns)
        done = actions.perform(action, self.exchange, now_ns)
        if isinstance(action, actions.Reset):
            self._begin(now_ns)
        self.settle(now_ns)
        return done

    def _begin(self, now_ns: int) -> None:
        """Open the market again after a reset, which no connection survives."""
        if self._rate > 0:
            self.traders.open(now_ns)
        self.exchange.engine.take_events()
        self.market_data.begin()
        for line in [*self._stream_lines, *(session.line for session in self._api_sessions)]:
            line.cut()

    def open_stream_session(self, outlet: Outlet[bytes], target: str) -> StreamSession:
        """Connect a client of the market streams; it closes its session itself."""
        line = Line(self.faults, LineName.STREAM, outlet)
        self._stream_lines = [one for one in self._stream_lines if one.is_open]
        self._stream_lines.append(line)
        return StreamSession(self.market_data, line, target)

    def open_api_session(
        self, outlet: Outlet[bytes], target: str, ip: str, now_ns: int
    ) -> ApiSession:
        """Connect a client of the WebSocket API; to be closed with ``close_api_session``."""
        self.exchange.requests_of(ip).charge(CONNECT_WEIGHT, now_ns)
        line = Line(self.faults, LineName.WS_API, outlet)
        session = ApiSession(self.exchange, line, target, ip, now_ns)
        self._api_sessions[session] = None
        return session

    def close_api_session(self, session: ApiSession) -> None:
        session.line.close()
        del self._api_sessions[session]
