"""The wire: nothing leaves during a ban, unjournaled, or before it may. I3, I7, I8, I11, rule 10.

What our side has been told is taken from the bytes that reached it, not from what it says it knows.
"""

from __future__ import annotations

from typing import Final

from core.model.units import NS_PER_MS, NS_PER_S
from core.protocols.websocket import BINARY, CLOSE
from tools.world.audit.watch import Context, Sent, Watch
from tools.world.dialect import CANCEL, PLACING, Request

BAN_TOLERANCE_NS: Final = 100 * NS_PER_MS
"""How far our measure of the venue's clock may be off when a ban ends."""

SLOW_NS: Final = 65 * NS_PER_S
"""How long a 429 that names no time is obeyed at most: until the venue's minute is over."""

LEAST_BAN_NS: Final = 5 * NS_PER_S + BAN_TOLERANCE_NS
"""How long silence may be kept at a ban, however soon that is over: who asks again at once is
banned for longer."""


class Ear:
    """Hears the messages in what a server sends; deaf once it is no legal WebSocket any more, or
    the server has said that it closes.
    """

    def __init__(self) -> None:
        self._closed = False
        self._left = b""
        self._message = b""

    def hear(self, data: bytes) -> list[bytes]:
        """Return the data messages that these bytes complete."""
        heard: list[bytes] = []
        left = self._left + data
        while len(left) >= 2 and not self._closed:
            opcode, size, at = left[0] & 0x0F, left[1], 2
            if size >= 126:
                at = 4 if size == 126 else 10
                size = int.from_bytes(left[2:at], "big") if size < 128 else 1 << 60
            if len(left) < at + size:
                break
            final = left[0] & 0x80
            payload, left = left[at : at + size], left[at + size :]
            self._closed = opcode == CLOSE
            if opcode <= BINARY:
                self._message += payload
                if final:
                    heard.append(self._message)
                    self._message = b""
        self._left = left
        return heard


class Connection(Watch):
    """What our side was told on its connections, and what it may say by that."""

    def __init__(self, context: Context, *, with_depth: bool) -> None:
        super().__init__(context)
        self._with_depth = with_depth
        self.closed = ""
        """Why nothing may be placed any more, "" while it may."""
        self.stepped_back_ns = 0
        """How far a fault has set the exchange's clock back: unnoticed until it is measured."""
        self._used: set[str] = set()
        self._untold = False
        """Whether our side has not been told yet what those before it, or others, have spent."""
        self._boots = 0
        """How many boots there were before this one."""
        self._journaled: set[bytes] = set()
        self._journal_failed = False
        self._subscribed: set[int] = set()
        """Private connections that are told what becomes of our orders."""
        self._heard_on = 0
        self._proved: set[str] = set()
        self._with_image: set[str] = set()
        self._banned_until_ns = self._ban_before_ns = 0
        self._shut_until_ns = 0
        self._ears: dict[int, Ear] = {}
        """What takes the frames of each private connection apart."""
        self._slow_until_ns = 0
        self._quiet_until_ns = 0
        """Until when our side may be quiet after a ban, which may be over before."""
        self.counted_late = False
        """Whether orders were on their way for seconds: the exchange counts them when they come."""
        self.cuts = 0
        """How often the private connection in use was lost."""
        self.stops = 0
        """How often the process did not run for seconds."""

    # -- what our side says --------------------------------------------------------------------

    def on_sent(self, request: Request, payload: bytes, now_ns: int) -> None:
        """A request leaves by the private connection."""
        self.check_ban(request.method, now_ns)
        if request.kind != CANCEL:
            self.check_shut(request.method, now_ns)
        name, places = self.dialect.request_name(payload), request.kind in PLACING
        if name not in self._journaled and not (self._journal_failed and not places):
            self.note("I11", f"{request.method} {name.decode()} leaves before it is journaled")
        if request.kind == CANCEL:
            self._check_whose(request)

    def check_ban(self, what: str, now_ns: int) -> None:
        """Nothing leaves, and nothing is dialled, while a ban lasts."""
        if now_ns < self._banned_until_ns - BAN_TOLERANCE_NS - self.stepped_back_ns:
            left_ms = (self._banned_until_ns - now_ns) // NS_PER_MS
            self.note("I8", f"{what} leaves while a ban has {left_ms} ms to go")

    def check_shut(self, what: str, now_ns: int) -> None:
        """Nothing but cancels leaves, and nothing is dialled, while the venue takes no connection
        for too many requests.
        """
        if now_ns < self._shut_until_ns - BAN_TOLERANCE_NS - self.stepped_back_ns:
            left_ms = (self._shut_until_ns - now_ns) // NS_PER_MS
            self.note("I8", f"{what} leaves, and no connection is taken for {left_ms} ms more")

    def _check_whose(self, request: Request) -> None:
        name, order = request.client_id, (request.values.get("symbol", ""), request.number)
        if (name and not name.startswith(self.ledger.scope)) or order in self.ledger.foreign:
            self.note("rule 10", f"an order of others is cancelled: {request.values}")

    def on_order(self, order: Sent, now_ns: int) -> None:
        client_id, symbol = order.client_id, order.symbol
        if client_id in self._used:
            self.note("I3", f"client id {client_id} is sent twice")
        self._used.add(client_id)
        if not client_id.startswith(self.ledger.scope):
            self.note("I3", f"client id {client_id} is outside our scope")
        if self.closed:
            self.note("I7", f"{client_id} is sent although nothing may be: {self.closed}")
        if not self._subscribed:
            self.note("I7", f"{client_id} is sent while the private stream is down")
        if self._with_depth and symbol not in self._with_image:
            self.note("I7", f"{client_id} is sent without a book of {symbol} on this connection")
        if not self._proved & {symbol, ""}:
            self.note("I7", f"{client_id} is sent before {symbol} is reconciled")

    # -- what our side is told -----------------------------------------------------------------

    def on_banned(self, until_ns: int, now_ns: int) -> None:
        """Our side is told over REST that it is banned."""
        self._ban(until_ns, now_ns)
        self._ban_before_ns = self._banned_until_ns

    def on_shut(self, until_ns: int) -> None:
        """Our side is told at a handshake that it has asked for too much."""
        self._shut_until_ns = max(self._shut_until_ns, until_ns)

    def on_stopped(self) -> None:
        """The process does not run for so long that the books it holds are of no use any more."""
        self.stops += 1
        self._with_image.clear()

    def hear(self, link: int, data: bytes) -> list[bytes]:
        """Bytes of the private connection reach our side; what they allow may be done in that
        turn.
        """
        self._ban_before_ns = self._banned_until_ns
        self._heard_on = link
        return self._ears.setdefault(link, Ear()).hear(data)

    def on_throttled(self, now_ns: int) -> None:
        """Our side is told over REST to be slower."""
        self._slow_until_ns = now_ns + SLOW_NS

    def others_spend(self, now_ns: int) -> None:
        """Others on our address use weight up, and nobody tells our side before its next reply."""
        self._untold = True
        self.on_throttled(now_ns)

    def is_slow(self, now_ns: int) -> bool:
        """Whether our side has good reason to ask for nothing."""
        return now_ns < self.slow_until_ns

    @property
    def slow_until_ns(self) -> int:
        """Until when our side has good reason to ask for nothing."""
        return max(self._slow_until_ns, self._quiet_until_ns, self._shut_until_ns)

    def was_banned(self, since_ns: int) -> bool:
        """Whether our side was banned at some moment since then, by what it was told."""
        return max(self._quiet_until_ns, self._shut_until_ns) > since_ns

    def on_told(self, payload: bytes, now_ns: int) -> None:
        if self.dialect.throttled(payload):
            self.on_throttled(now_ns)
        if self.dialect.subscribed(payload):
            self._subscribed.add(self._heard_on)

    def on_refused_all(self, until_ns: int, now_ns: int, skew_ns: int) -> None:
        """Our side is told on a connection that it is banned, until then by the venue's clock."""
        self._ban(until_ns - skew_ns, now_ns)

    def _ban(self, until_ns: int, now_ns: int) -> None:
        self._banned_until_ns = max(self._banned_until_ns, until_ns)
        self._quiet_until_ns = max(self._quiet_until_ns, until_ns, now_ns + LEAST_BAN_NS)

    def on_turn_over(self) -> None:
        """What was read last has been carried to the end."""
        self._ban_before_ns = self._banned_until_ns

    def on_closed(self) -> None:
        """Our side closes the private connection: a ban behind what it has refused was not read."""
        self._banned_until_ns = self._ban_before_ns

    def on_snapshot(self, symbol: str) -> None:
        """A snapshot of a symbol's book has reached our side."""
        self._with_image.add(symbol)

    def on_listed(self, symbol: str) -> None:
        """The list of open orders of a symbol has reached our side."""
        # Where nobody tells what is spent, what an earlier boot has spent is never known.
        self._untold = bool(self._boots) and not self.dialect.tells_spent
        self._proved.add(symbol)

    def on_cut(self, link: int, *, private: bool, in_use: bool) -> None:
        """A connection is lost; where it is not ``in_use``, another has taken its place."""
        self._ears.pop(link, None)
        self._subscribed.discard(link)
        if not in_use:
            return
        if private:
            self.cuts += 1
            self._proved.clear()
        else:
            self._with_image.clear()

    def on_died(self) -> None:
        """The process is gone, and every connection with it."""
        self._ears.clear()
        self._subscribed.clear()
        self._proved.clear()

    def on_boot(self) -> None:
        self._subscribed.clear()
        self._proved.clear()
        self._with_image.clear()
        self.closed = ""
        self._journal_failed = False
        self._banned_until_ns = self._ban_before_ns = self._quiet_until_ns = 0
        self._shut_until_ns = 0
        self._untold = True
        self._boots += 1

    def answered(self, payload: bytes) -> None:
        """The exchange itself, and no fault, answers a request."""
        if self.dialect.refused_for_limits(payload):
            self.refused(payload[:200].decode())

    def refused(self, what: str) -> None:
        """The exchange itself, and no fault, refuses because our side asks for too much."""
        if not (self._untold or self.counted_late):
            self.note("I8", f"the exchange had to refuse: {what}")

    def journaled(self, payload: bytes) -> None:
        """The journal holds a request."""
        self._journaled.add(self.dialect.request_name(payload))

    def journal_failed(self) -> None:
        """The journal has refused a record: from here on cancels may leave without one."""
        self._journal_failed = True
