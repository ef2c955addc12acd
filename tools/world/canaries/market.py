"""Books: what is applied to them, and when they may be read."""

from __future__ import annotations

from typing import Any, Final

from core.engine.market_data import MarketData
from core.state.book import Book
from core.state.sequence import Admission, Checksummed, RestBridged
from tools.world.canaries.canary import Canary, Change


def _apply_all(self: Any, first_seq: int, last_seq: int) -> Admission:
    if last_seq <= self.seq:
        return Admission.IGNORE
    self.seq = last_seq
    return Admission.APPLY


def _stay_live(self: Any, why: str) -> None:
    self.gaps += 1


_resync: Final = MarketData.resync


def _leave_orders(self: MarketData, book: Book) -> None:
    cancels, self._cancel_when_stale = self._cancel_when_stale, False
    _resync(self, book)
    self._cancel_when_stale = cancels


_is_quiet: Final = MarketData._is_quiet


def _look_on(self: MarketData, book: Book) -> bool:
    cancels, self._cancel_when_stale = self._cancel_when_stale, False
    quiet = _is_quiet(self, book)
    self._cancel_when_stale = cancels
    return quiet


def _believe(self: Any, bbo: Any) -> bool:
    return False


def _in_time(self: Any, *_: Any) -> bool:
    return True


def _let_be(self: Any, book: Book) -> None:
    """The snapshot may have counted further than the feed ever will."""


CANARIES: Final[dict[str, Canary]] = {
    "snapshot_ahead_believed": Canary(
        "a snapshot may be numbered beyond all that the feed tells",
        (Change(MarketData, "_hold_to_feed", _let_be),),
    ),
    "stale_keeps_orders": Canary(
        "orders stand on a book that is lost", (Change(MarketData, "resync", _leave_orders),)
    ),
    "silence_borne": Canary(
        "orders stand on a feed that has long been silent",
        (Change(MarketData, "_is_quiet", _look_on),),
    ),
    "late_feed_believed": Canary(
        "a feed may be as late as it likes", (Change(MarketData, "_in_time", _in_time),)
    ),
    "gap_ignored": Canary(
        "a change is applied whatever is missing before it",
        (Change(RestBridged, "admit", _apply_all), Change(Checksummed, "agrees", _in_time)),
    ),
    "far_price_believed": Canary(
        "a best price is believed however far it stands off the proved levels",
        (Change(Book, "_is_far", _believe),),
    ),
    "stale_book_read": Canary(
        "a book stays readable when its proof is gone",
        (Change(Book, "invalidate", _stay_live),),
    ),
}
