"""The exchange's API without a wire: a named request and its time in, one reply out.

A request is weighed, authenticated and handed to its method here, synchronously; what it caused
waits in ``engine.events``. There is no clock here, and no randomness but the generator passed in.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from venues.sim.accounts import Account
from venues.sim.binance import auth, errors
from venues.sim.binance.commissions import Commissions
from venues.sim.binance.errors import ApiError
from venues.sim.binance.keys import ApiKey, Ed25519Key, HmacKey
from venues.sim.binance.limits import Limit, OrderCounter, RequestCounter
from venues.sim.binance.parameters import Parameters
from venues.sim.binance.symbols import STATUSES, SYMBOLS
from venues.sim.durations import MICROSECOND_NS, MILLISECOND_NS
from venues.sim.engine import Engine, Market
from venues.sim.faults import Moment
from venues.sim.orders import NewOrder
from venues.sim.symbols import Symbol

# How a caller may request times; milliseconds are the default.
UNITS_NS: Final = {"MILLISECOND": MILLISECOND_NS, "MICROSECOND": MICROSECOND_NS}

_CLIENT_ID_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CLIENT_ID_LENGTH: Final = 22

# IPs whose use is remembered; a loopback exchange sees one, and a flood of others must not grow it.
IPS_KEPT: Final = 1_000


@dataclass(frozen=True, slots=True)
class Limits:
    """The published rate limits (exchangeInfo.rateLimits)."""

    weight: Limit
    orders: tuple[Limit, ...]
    raw: Limit

    def published(self) -> list[dict[str, Any]]:
        return [limit.published() for limit in (self.weight, *self.orders, self.raw)]


LIMITS: Final = Limits(
    weight=Limit("REQUEST_WEIGHT", "MINUTE", 1, 6_000),
    orders=(Limit("ORDERS", "SECOND", 10, 50), Limit("ORDERS", "DAY", 1, 160_000)),
    raw=Limit("RAW_REQUESTS", "MINUTE", 5, 300_000),
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who sends a request and how it is signed.

    ``session`` is the key a connection has logged on with; it serves where the request names no
    key of its own. ``payload`` is what the signature covers.
    """

    ip: str
    api_key: str | None = None
    payload: bytes = b""
    session: ApiKey | None = None
    unit_ns: int = MILLISECOND_NS


@dataclass(slots=True)
class Reply:
    """The answer to one request: a result, or the error that refused it."""

    result: Any = None
    error: ApiError | None = None
    weight: dict[str, Any] = field(default_factory=dict)
    order_counts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def status(self) -> int:
        return 200 if self.error is None else self.error.status


class Call:
    """One request while it is handled."""

    __slots__ = ("_account", "free", "now_ns", "p", "seen_ns", "unit_ns")

    def __init__(
        self, p: Parameters, account: Account | None, moment: Moment, unit_ns: int
    ) -> None:
        self.p = p
        self._account = account
        self.now_ns = moment.now_ns
        self.seen_ns = moment.seen_ns
        self.unit_ns = unit_ns
        self.free = False
        """Set by a method whose success happens to cost nothing."""

    @property
    def account(self) -> Account:
        assert self._account is not None  # noqa: S101 - signed methods only
        return self._account

    @property
    def now(self) -> int:
        """The time in the caller's unit."""
        return self.now_ns // self.unit_ns


Handler = Callable[["Exchange", Call], Any]
T = TypeVar("T")
Weight = int | Callable[[Mapping[str, str]], int]


@dataclass(frozen=True, slots=True)
class Method:
    """What the venue documents of a method besides its parameters."""

    handler: Handler
    weight: Weight
    signed: bool = False
    # The permission that the key of a signed request needs.
    permission: str = "USER_DATA"
    # Weight is charged for failures only (CHANGELOG 2026-04-02).
    free_on_success: bool = False
    # The reply shows the unfilled order count.
    counts_orders: bool = False

    def weigh(self, values: Mapping[str, str]) -> int:
        return self.weight if isinstance(self.weight, int) else self.weight(values)


class Exchange:
    """Accounts, keys and limits around the matching engine."""

    statuses = STATUSES

    def __init__(
        self,
        rng: random.Random,
        symbols: tuple[Symbol, ...] = SYMBOLS,
        limits: Limits = LIMITS,
    ) -> None:
        self.limits = limits
        self._commissions = Commissions(limits.orders)
        self.engine = Engine(symbols, self._commissions)
        self._rng = rng
        self.keys: dict[str, ApiKey] = {}
        self._requests: dict[str, RequestCounter] = {}

    # -- accounts ------------------------------------------------------------------------------

    def add_hmac_key(self, api_key: str, secret: str, account: Account) -> None:
        self.keys[api_key] = HmacKey(api_key, account, secret)

    def add_ed25519_key(self, api_key: str, public_key: bytes, account: Account) -> None:
        self.keys[api_key] = Ed25519Key(api_key, account, public_key)

    def revoke_key(self, api_key: str) -> None:
        """Delete a key; sessions that logged on with it are told so at their next request."""
        del self.keys[api_key]

    # -- requests ------------------------------------------------------------------------------

    def call(
        self,
        method: Method,
        values: Mapping[str, str],
        origin: Origin,
        now_ns: int,
        moment: Moment | None = None,
    ) -> Reply:
        """Handle one request and return its reply; ``moment`` sets its times apart."""
        moment = Moment.at(now_ns) if moment is None else moment
        requests = self.requests_of(origin.ip)
        weight = method.weigh(values)
        account: Account | None = None
        reply = Reply()
        try:
            requests.admit(weight, now_ns)
            if method.signed:
                key = self.authenticate(values, origin, method.permission, moment.received_ns)
                account = key.account
            call = Call(Parameters(values), account, moment, origin.unit_ns)
            reply.result = method.handler(self, call)
            requests.charge(0 if method.free_on_success or call.free else weight, now_ns)
        except ApiError as error:
            reply.error = error
            requests.charge(0 if error.code == -1003 else weight, now_ns)
        reply.weight = requests.weight.state(now_ns)
        if method.counts_orders and account is not None:
            reply.order_counts = self.counter(account).states(now_ns)
        return reply

    def authenticate(
        self, values: Mapping[str, str], origin: Origin, permission: str | None, now_ns: int
    ) -> ApiKey:
        """Return the key a signed request is made with; raise what is wrong with it."""
        if origin.api_key is None and origin.session is not None:
            key = origin.session
            auth.check_time(values, now_ns)
        else:
            key = auth.find_key(self.keys, origin.api_key)
            auth.check_time(values, now_ns)
            auth.check_signature(key, origin.payload, values.get("signature"))
        if not key.allows(permission, origin.ip):
            raise errors.rejected_key()
        return key

    def requests_of(self, ip: str) -> RequestCounter:
        """Return the counter of an IP."""
        found = self._requests.get(ip)
        if found is None:
            if len(self._requests) >= IPS_KEPT:
                del self._requests[next(iter(self._requests))]
            found = self._requests[ip] = RequestCounter(self.limits.weight, self.limits.raw)
        return found

    # -- orders --------------------------------------------------------------------------------

    def counter(self, account: Account) -> OrderCounter:
        """Return the unfilled order count of an account."""
        return self._commissions.counter(account)

    def new_client_id(self) -> str:
        """Return a client order id as the venue makes them up."""
        return "".join(self._rng.choices(_CLIENT_ID_LETTERS, k=_CLIENT_ID_LENGTH))

    def named(self, request: NewOrder) -> NewOrder:
        """Return a new order with a client order id: its own, else one that the venue makes up."""
        if request.client_id:
            return request
        return replace(request, client_id=self.new_client_id())

    # -- what requests share -------------------------------------------------------------------

    def assets(self) -> list[str]:
        """Return every asset that some symbol trades, in order."""
        markets = self.engine.markets.values()
        return sorted({asset for m in markets for asset in (m.symbol.base, m.symbol.quote)})

    def market(self, name: str) -> Market:
        """Return a market by symbol; raise -1121 when there is none."""
        found = self.engine.markets.get(name)
        if found is None:
            raise errors.bad_symbol()
        return found

    def choose(self, name: str | None, names: list[str] | None) -> list[Market]:
        """Return the market named, the markets named, or all."""
        if name is not None:
            return [self.market(name)]
        if names is not None:
            return [self.market(one) for one in names]
        return list(self.engine.markets.values())


def page(found: list[T], limit: int, *, oldest_first: bool) -> list[T]:
    """Return the oldest ``limit`` when the caller named a start, else the most recent ones."""
    return found[:limit] if oldest_first else found[-limit:]
