"""Others on our account: what they pay in, lock, trade and list.

The exchange tells of all of it. Here lives what leaves our orders alone. Somebody who trades with
us in the market, and orders of others that rest beside ours, are the stranger's in
``exchange_faults``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from core.model.units import NS_PER_MS
from tools.world.anywhere import Anywhere, logged
from tools.world.strikes import Fault, Struck
from venues.sim.actions import ActionError, Deposit, Lock, perform
from venues.sim.binance.actions import Allocate, AnyAction, AskElsewhere
from venues.sim.engine import Market
from venues.sim.fixed import ONE, show
from venues.sim.ledger import DEFAULT_KEY

TOLD_S: Final = 70.0
"""Within which what others do is told: a second line on one subject waits for a minute."""

SHARE: Final = 1_000
"""One part in so many of what is free is locked, or paid out."""


def act(w: Anywhere, action: AnyAction) -> bool:
    """Do something, if it can be done; only a shared account bears that our side is not told."""
    try:
        perform(action, w.venue.exchange, w.venue_ns)
    except ActionError:
        return False
    w.venue.settle(w.venue_ns)
    w.auditor.seen.note_seen("others")
    w.auditor.ledger.others_traded |= not w.auditor.shared
    return True


def _payment(w: Anywhere, market: Market) -> AnyAction:
    asset, draw = market.symbol.base, w.draw.faults
    free = w.account.balances[asset].free
    amount = draw.randint(1, ONE) if draw.random() < 0.6 else -(free // SHARE)
    return Deposit(DEFAULT_KEY, asset, ("-" if amount < 0 else "") + show(abs(amount)))


def _lock(w: Anywhere, market: Market) -> AnyAction:
    asset = w.draw.faults.choice((market.symbol.base, market.symbol.quote))
    return Lock(DEFAULT_KEY, asset, show(w.account.balances[asset].free // SHARE))


def _allocation(w: Anywhere, market: Market) -> AnyAction:
    draw, terms = w.draw.faults, market.symbol
    size = draw.randint(50, 300) * terms.step_size
    price = market.book.best().bid + draw.randint(-40, 40) * terms.tick_size
    size_and_price = show(size), show(price)
    if draw.random() < 0.5:
        return Allocate(DEFAULT_KEY, terms.name, "BUY", *size_and_price)
    return Allocate(DEFAULT_KEY, terms.name, "SELL", *size_and_price)


def _list(w: Anywhere, market: Market) -> AnyAction:
    """An order list of theirs, far off: a limit above, a stop below."""
    terms, best = market.symbol, market.book.best()
    far = best.bid // 100 // terms.tick_size * terms.tick_size
    values = {
        "symbol": terms.name,
        "side": "SELL",
        "quantity": show(300 * terms.step_size),
        "aboveType": "LIMIT_MAKER",
        "abovePrice": show(best.ask + far),
        "belowType": "STOP_LOSS",
        "belowStopPrice": show(best.bid - far),
        "timestamp": str(w.venue_ns // NS_PER_MS),
    }
    return AskElsewhere(DEFAULT_KEY, "orderList.place.oco", values)


ACTS: Final[tuple[Callable[[Anywhere, Market], AnyAction], ...]] = (
    _payment,
    _lock,
    _allocation,
    _list,
)


def others_act(w: Anywhere) -> Struck | None:
    """Somebody pays in or out, locks, is allocated, or places an order list on our account."""
    draw = w.draw.faults
    market = w.venue.exchange.engine.markets[draw.choice(w.symbols)]
    if not market.book.best().bid or not market.book.best().ask:
        return None
    named = logged(w, "others on the account")
    return Struck(None, named, TOLD_S) if act(w, draw.choice(ACTS)(w, market)) else None


FAULTS: Final = (Fault(60, "others_act", 0.6, others_act),)
