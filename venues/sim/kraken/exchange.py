"""Accounts, keys, tokens, counters and timers around the matching engine.

Synchronous; time is an argument, randomness (of tokens) a generator passed in.
"""

import heapq
import random
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from venues.sim.accounts import Account
from venues.sim.durations import MINUTE_NS, SECOND_NS
from venues.sim.engine import Engine
from venues.sim.kraken import words
from venues.sim.kraken.commissions import Fees
from venues.sim.kraken.keys import ApiKey
from venues.sim.kraken.limits import RATES, Counter, Rates, Tier
from venues.sim.kraken.numbers import ORDER, name_of, read_name
from venues.sim.kraken.pairs import MAINTENANCE, STATUSES, Pair, Pairs
from venues.sim.kraken.words import ApiError
from venues.sim.market import CANCEL_ONLY, POST_ONLY, TRADING
from venues.sim.orders import Execution, Order
from venues.sim.symbols import Symbol

# A token has to be used so long after it was made (GetWebSocketsToken).
TOKEN_NS: Final = 15 * MINUTE_NS
# Tokens remembered; the oldest that nobody holds are forgotten beyond it.
TOKENS_KEPT: Final = 10_000
_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH: Final = 43

# What the trading engine as a whole may be (status channel).
SYSTEM: Final = {
    "online": TRADING,
    "cancel_only": CANCEL_ONLY,
    "post_only": POST_ONLY,
    "maintenance": MAINTENANCE,
}
NEVER_NS: Final = 2**63 - 1


@dataclass(slots=True)
class Token:
    """A session token: whose it is, and how many live connections have subscribed with it."""

    key: ApiKey
    made_ns: int
    held: int = 0


@dataclass(slots=True)
class Reply:
    """The answer to one request."""

    result: Any = None
    error: str | None = None
    status: int = 200
    then: list[Any] = field(default_factory=list)
    """What else leaves once the answer has, in order: for WebSockets alone."""


class Tag(NamedTuple):
    """What an order of this venue carries that no other venue knows."""

    userref: int | None = None
    post_only: bool = False
    type_name: str = "limit"
    expire_ns: int = 0
    amended: bool = False


class Exchange:
    """What is shared by all who are connected."""

    statuses = frozenset(STATUSES)

    def __init__(self, rng: random.Random, symbols: tuple[Symbol, ...]) -> None:
        self.engine = Engine(symbols, Fees())
        self.pairs = Pairs(self.engine.markets.values())
        self.keys: dict[str, ApiKey] = {}
        self.system = "online"
        self.tiers: dict[int, Tier] = {}
        self.tokens: dict[str, Token] = {}
        self._rng = rng
        self._calls: dict[int, Counter] = {}
        self._rates: dict[tuple[int, str], Counter] = {}
        self._dead_men: dict[int, int] = {}
        self.fired = 0
        """How often a dead man's switch has cancelled what was open."""
        self._expiring: list[tuple[int, int, int, str]] = []
        self._amends = 0

    def begin(self) -> None:
        """Forget what was counted, promised and expired, after a reset."""
        self.tokens.clear()
        self._calls.clear()
        self._rates.clear()
        self._dead_men.clear()
        self._expiring.clear()

    # -- keys and tokens -----------------------------------------------------------------------

    def add_key(self, api_key: str, secret: str, account: Account) -> None:
        self.keys[api_key] = ApiKey(api_key, account, secret)

    def revoke_key(self, api_key: str) -> None:
        """Delete a key, and its tokens with it."""
        del self.keys[api_key]
        self.end_sessions(api_key)

    def end_sessions(self, api_key: str) -> None:
        """Take none of a key's tokens any more; what was subscribed to with one goes on."""
        self.tokens = {
            text: token for text, token in self.tokens.items() if token.key.api_key != api_key
        }

    def new_token(self, key: ApiKey, now_ns: int) -> str:
        """Return a token that has to be used within fifteen minutes."""
        text = "".join(self._rng.choices(_LETTERS, k=_LENGTH))
        self.tokens[text] = Token(key, now_ns)
        if len(self.tokens) > TOKENS_KEPT:
            idle = next((name for name, one in self.tokens.items() if not one.held), None)
            if idle is not None:
                del self.tokens[idle]
        return text

    def token(self, text: Any, now_ns: int) -> Token:
        """Return a token that is still good; raise ESession:Invalid session for any other."""
        found = self.tokens.get(text) if isinstance(text, str) else None
        if found is None or (not found.held and now_ns - found.made_ns >= TOKEN_NS):
            raise ApiError(words.INVALID_SESSION)
        return found

    # -- limits --------------------------------------------------------------------------------

    def rates(self, account: Account) -> Rates:
        """Return the limits of an account's tier."""
        return RATES[self.tiers.get(account.number, Tier.INTERMEDIATE)]

    def count_call(self, account: Account, cost: float, now_ns: int) -> None:
        """Count a call of REST; raise EAPI:Rate limit exceeded where there are too many."""
        rates = self.rates(account)
        counter = self._calls.setdefault(account.number, Counter())
        if counter.value(rates.calls_decay, now_ns) + cost > rates.calls:
            raise ApiError(words.API_RATE)
        counter.add(cost, rates.calls_decay, now_ns)

    def count(self, account: Account, pair: Pair, cost: float, now_ns: int) -> None:
        """Add to an account's counter for a pair, which nobody may stop."""
        rates = self.rates(account)
        self._counter(account, pair).add(cost, rates.decay, now_ns)

    def is_over(self, account: Account, pair: Pair, now_ns: int) -> bool:
        """Whether an account's counter for a pair is above its threshold."""
        return self.counted(account, pair, now_ns) > self.rates(account).threshold

    def counted(self, account: Account, pair: Pair, now_ns: int) -> float:
        """Return an account's counter for a pair."""
        return self._counter(account, pair).value(self.rates(account).decay, now_ns)

    def _counter(self, account: Account, pair: Pair) -> Counter:
        return self._rates.setdefault((account.number, pair.name), Counter())

    # -- orders --------------------------------------------------------------------------------

    def new_amend_id(self) -> str:
        self._amends += 1
        return name_of("T", 0, self._amends)

    def order_id(self, order: Order) -> str:
        """Return an order's id as the venue writes it."""
        return name_of(ORDER, self.pairs.by_name[order.symbol].number, order.order_id)

    def trade_id(self, pair: Pair, execution: Execution) -> str:
        """Return the id of an account's side of a trade, which each side has its own of."""
        count = execution.trade.trade_id * 2 + execution.is_buyer
        return name_of("T", pair.number, count)

    def find(self, account: Account, text: Any) -> Order | None:
        """Return any order of an account by the venue's id."""
        read = read_name(ORDER, text)
        pair = None if read is None else self.pairs.by_number.get(read[0])
        if read is None or pair is None:
            return None
        return self.engine.file(account, pair.name).orders.get(read[1])

    def open_orders(self, account: Account) -> list[Order]:
        """Return the open orders of an account, oldest first."""
        found = [
            order
            for pair in self.pairs.all
            for order in self.engine.file(account, pair.name).open.values()
        ]
        return sorted(found, key=lambda order: (order.created_ns, order.order_id))

    def open_named(self, account: Account, cl_ord_id: str) -> Order | None:
        """Return the open order of a client id, which is unique over all pairs."""
        for pair in self.pairs.all:
            found = self.engine.file(account, pair.name).open_named(cl_ord_id)
            if found is not None:
                return found
        return None

    def cancel(self, account: Account, order: Order, now_ns: int) -> None:
        """Cancel an open order; its ids stay."""
        market = self.engine.markets[order.symbol]
        order.expiry_reason = "User requested"
        self.engine.cancel(account, market, order, None, now_ns)

    def cancel_all(self, account: Account, now_ns: int) -> int:
        """Cancel all open orders of an account; return how many there were."""
        orders = self.open_orders(account)
        for order in orders:
            self.cancel(account, order, now_ns)
        return len(orders)

    # -- time ----------------------------------------------------------------------------------

    def arm(self, account: Account, seconds: int, now_ns: int) -> int:
        """Cancel everything of an account in so many seconds, never for 0; return when."""
        if not seconds:
            self._dead_men.pop(account.number, None)
            return 0
        self._dead_men[account.number] = now_ns + seconds * SECOND_NS
        return self._dead_men[account.number]

    def armed_ns(self, account: Account) -> int:
        """Return when everything of an account is cancelled, 0 for never."""
        return self._dead_men.get(account.number, 0)

    def expire_at(self, order: Order, time_ns: int) -> None:
        """End an order by itself at a time."""
        heapq.heappush(self._expiring, (time_ns, order.owner, order.order_id, order.symbol))

    def tick(self, now_ns: int) -> int:
        """Do what time has brought; return when the next thing is due."""
        due = [number for number, at_ns in self._dead_men.items() if at_ns <= now_ns]
        for number in due:
            if self.system != "maintenance":
                del self._dead_men[number]
                self.fired += 1
                self.cancel_all(self.engine.accounts[number], now_ns)
        while self._expiring and self._expiring[0][0] <= now_ns:
            _, owner, order_id, name = heapq.heappop(self._expiring)
            account = self.engine.accounts[owner]
            order = self.engine.file(account, name).open.get(order_id)
            if order is not None:
                market = self.engine.markets[name]
                self.engine.end(account, market, order, "EXPIRED", "Order expired", now_ns)
        waits = list(self._dead_men.values()) if self.system != "maintenance" else []
        waits += [self._expiring[0][0]] if self._expiring else []
        return min(waits, default=NEVER_NS)

    def set_system(self, system: str, now_ns: int) -> None:
        """The trading engine changes its state, and every pair with it.

        When it comes back, those whose dead man's switch is armed find nothing left
        (cancel_all_orders_after).
        """
        came_back = self.system == "maintenance" != system
        self.system = system
        for market in self.engine.markets.values():
            market.status = SYSTEM[system]
        if came_back:
            armed, self._dead_men = self._dead_men, {}
            for number in armed:
                self.fired += 1
                self.cancel_all(self.engine.accounts[number], now_ns)
