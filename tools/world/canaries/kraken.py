"""What Kraken alone has to be obeyed in: states, sessions, nonces, its timer, checksums."""

from __future__ import annotations

from typing import Any, Final

import core.state.risk
from core.engine.connections import Connections
from core.engine.dead_man import DeadMansSwitch
from core.engine.market_data import MarketData
from core.model.events import Notice
from core.model.venue import HttpAnswer, HttpRequest, Signed
from core.state.book import Book
from core.state.sequence import Checksummed
from tools.world.canaries.canary import Canary, Change
from venues.kraken.signer import KeySigner


def _always(*_: Any) -> bool:
    return True


_on_notice: Final = Connections.on_notice


def _stay(self: Connections, notice: Notice) -> None:
    if notice is not Notice.LOGGED_OUT:
        _on_notice(self, notice)


_rest: Final = KeySigner.rest


def _by_the_clock(self: KeySigner, request: HttpRequest, now_ns: int) -> Signed:
    self._nonce = 0
    return _rest(self, request, now_ns)


_take: Final = KeySigner.take


def _go_on_from_it(self: KeySigner, request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
    nonce = self._nonce
    try:
        return _take(self, request, answer)
    finally:
        self._nonce = nonce


_step: Final = DeadMansSwitch.step


def _set_once(self: DeadMansSwitch, now_ns: int, *, way_open: bool, needless: bool) -> None:
    if needless or not self._armed:
        _step(self, now_ns, way_open=way_open, needless=needless)


_resync: Final = MarketData.resync


def _lose_all(self: MarketData, book: Book) -> None:
    _resync(self, book)
    for other in self.books:
        if other.live:
            other.invalidate("lost along with another")
            self._turn.changed[other.instrument] = other


CANARIES: Final[dict[str, Canary]] = {
    "closed_market_traded": Canary(
        "orders are placed whatever state the venue says that it is in",
        (Change(core.state.risk, "_is_taken", _always),),
    ),
    "refused_token_kept": Canary(
        "a session whose token was refused is gone on with",
        (Change(Connections, "on_notice", _stay),),
    ),
    "nonce_of_the_clock": Canary(
        "a nonce is the time, and no more than the one before it where time stands still",
        (Change(KeySigner, "rest", _by_the_clock),),
    ),
    "nonce_never_leaps": Canary(
        "a nonce that was refused is followed by the next one, however far the key's is ahead",
        (Change(KeySigner, "take", _go_on_from_it),),
    ),
    "timer_set_once": Canary(
        "the venue's timer is set once, and not anew before it runs out",
        (Change(DeadMansSwitch, "step", _set_once),),
    ),
    "timer_left_running": Canary(
        "who leaves has the venue's timer run on",
        (Change(DeadMansSwitch, "stop", _always),),
    ),
    "checksum_ignored": Canary(
        "a book is believed whatever its checksum says",
        (Change(Checksummed, "agrees", _always),),
    ),
    "all_books_anew": Canary(
        "one book that is lost takes all others with it",
        (Change(MarketData, "resync", _lose_all),),
    ),
}
