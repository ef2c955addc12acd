"""Others on our account: what they pay in, lock, trade and list, here and on other symbols.

The exchange tells of all of it, but for what is in its history alone. Here lives what leaves our
orders alone. Somebody who trades with us in the market, and orders of others that rest beside ours,
are the stranger's in ``exchange_faults``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from core.model.units import NS_PER_MS
from tools.world.anywhere import Anywhere, logged
from tools.world.strikes import Fault, Struck
from venues.sim.actions import Action, ActionError, Deposit, Lock, perform
from venues.sim.binance.actions import Allocate, AskElsewhere
from venues.sim.engine import Market
from venues.sim.fixed import ONE, show
from venues.sim.ledger import DEFAULT_KEY
from venues.sim.orders import Execution
from venues.sim.symbols import symbol_of
from venues.sim.tape import Trade

TOLD_S: Final = 70.0
"""Within which what others do is told: a second line on one subject waits for a minute."""

ASKED_S: Final = 130.0
"""Within which what nobody tells is found by asking: two periods of reconciliation."""

SHARE: Final = 1_000
"""One part in so many of what is free is locked, or paid out."""


def act(w: Anywhere, action: Action) -> bool:
    """Do something, if it can be done; only a shared account bears that our side is not told."""
    try:
        perform(action, w.venue.host, w.venue_ns)
    except ActionError:
        return False
    w.venue.advance(w.venue_ns)
    w.auditor.seen.note_seen("others")
    w.auditor.ledger.others_traded |= not w.auditor.shared
    return True


def _payment(w: Anywhere, market: Market) -> Action:
    asset, draw = market.symbol.base, w.draw.faults
    free = w.account.balances[asset].free
    amount = draw.randint(1, ONE) if draw.random() < 0.6 else -(free // SHARE)
    return Deposit(DEFAULT_KEY, asset, ("-" if amount < 0 else "") + show(abs(amount)))


def _lock(w: Anywhere, market: Market) -> Action:
    asset = w.draw.faults.choice((market.symbol.base, market.symbol.quote))
    return Lock(DEFAULT_KEY, asset, show(w.account.balances[asset].free // SHARE))


def _allocation(w: Anywhere, market: Market) -> Action:
    draw, terms = w.draw.faults, market.symbol
    size = draw.randint(50, 300) * terms.step_size
    price = market.book.best().bid + draw.randint(-40, 40) * terms.tick_size
    return _allocated(w, market, size, price)


def _allocated(w: Anywhere, market: Market, size: int, price: int) -> Action:
    name, size_and_price = market.symbol.name, (show(size), show(price))
    if w.draw.faults.random() < 0.5:
        return Allocate(DEFAULT_KEY, name, "BUY", *size_and_price)
    return Allocate(DEFAULT_KEY, name, "SELL", *size_and_price)


def _list(w: Anywhere, market: Market) -> Action:
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


ACTS: Final[tuple[Callable[[Anywhere, Market], Action], ...]] = (
    _payment,
    _lock,
    _allocation,
    _list,
)


def _acts(w: Anywhere) -> tuple[Callable[[Anywhere, Market], Action], ...]:
    """Return what others can do: the venue may have no locks, allocations or lists."""
    return tuple(act for act in ACTS if act.__name__.lstrip("_") not in w.dialect.acts_lacking)


def others_act(w: Anywhere) -> Struck | None:
    """Somebody pays in or out, locks, is allocated, or places an order list on our account."""
    draw = w.draw.faults
    market = w.venue.engine.markets[draw.choice(w.symbols)]
    if not market.book.best().bid or not market.book.best().ask:
        return None
    named = logged(w, "others on the account")
    return Struck(None, named, TOLD_S) if act(w, draw.choice(_acts(w))(w, market)) else None


def _quoted(w: Anywhere) -> Market | None:
    """Return a market of ours that has prices."""
    market = w.venue.engine.markets[w.draw.faults.choice(w.symbols)]
    best = market.book.best()
    return market if best.bid and best.ask else None


def others_off_grid(w: Anywhere) -> Struck | None:
    """Others are allocated something at a price and of a size that are no whole ticks and lots."""
    market = _quoted(w)
    if market is None:
        return None
    draw, terms = w.draw.faults, market.symbol
    size = draw.randint(50, 300) * terms.step_size + terms.step_size // 2
    price = market.book.best().bid + terms.tick_size // 2
    named = logged(w, "others on the account")
    return Struck(None, named, TOLD_S) if act(w, _allocated(w, market, size, price)) else None


def others_off_grid_before(w: Anywhere) -> Struck | None:
    """The history has a trade of others in a finer grid than today's; nobody tells of it."""
    market = _quoted(w)
    if market is None:
        return None
    draw, terms, now_ns = w.draw.faults, market.symbol, w.venue_ns
    size = draw.randint(50, 300) * terms.step_size + terms.step_size // 2
    price = market.book.best().bid + terms.tick_size // 2
    notional, buys = size * price // ONE, draw.random() < 0.5
    notional -= notional % terms.cost_step
    legs = {terms.base: size if buys else -size, terms.quote: -notional if buys else notional}
    if any(w.account.balance(asset).free + amount < 0 for asset, amount in legs.items()):
        return None
    orders = market.next_order_id(), market.next_order_id()
    trade = Trade(market.next_trade_id(), price, size, notional, now_ns, *orders, not buys)
    engine = w.venue.engine
    execution = Execution(trade, orders[not buys], buys, False, 0, terms.quote)
    engine.file(w.account, terms.name).executions.append(execution)
    for asset, amount in legs.items():
        w.account.balance(asset).free += amount
    w.account.updated_ns = now_ns
    engine._tell_balances(w.account, tuple(legs), now_ns)
    w.venue.advance(now_ns)
    w.auditor.seen.note_seen("others")
    w.auditor.ledger.others_traded = True
    named = logged(w, f"off today's grid of {terms.name}")
    return Struck(None, named, ASKED_S)


ELSEWHERE: Final = symbol_of("SOLUSDT", "SOL", "USDT", 150 * ONE, ONE // 100, ONE // 1_000)
"""A pair that no configuration names, of an asset that others of its pairs are paid in, too."""


def others_elsewhere(w: Anywhere) -> Struck | None:
    """Others trade, and leave an order, on a symbol that is not traded here."""
    now_ns, terms = w.venue_ns, ELSEWHERE
    engine, draw = w.venue.engine, w.draw.faults
    market = engine.markets.setdefault(terms.name, Market(terms))
    price, size = terms.opening_price, draw.randint(50, 300) * terms.step_size
    engine.house_order(market, False, price, size, now_ns, rest=True)
    size += draw.choice((0, 50)) * terms.step_size
    before = sum(w.engine.counts.ignored.values())
    taken = w.dialect.place_elsewhere(w.venue, terms.name, True, price, size, now_ns)
    w.venue.advance(now_ns)
    if not taken:
        return None
    w.auditor.seen.note_seen("others")
    w.auditor.ledger.others_traded |= not w.auditor.shared
    named = logged(w, "others on the account")
    return Struck(None, lambda: named() or sum(w.engine.counts.ignored.values()) > before, TOLD_S)


FAULTS: Final = (
    Fault(60, "others_act", 0.6, others_act),
    Fault(60, "others_off_grid", 0.6, others_off_grid, share=0.15),
    Fault(60, "others_off_grid_before", 0.6, others_off_grid_before, share=0.25),
    Fault(60, "others_elsewhere", 0.6, others_elsewhere, share=0.15),
)
