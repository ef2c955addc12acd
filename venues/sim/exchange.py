"""The exchange's API without a wire: a named request and its time in, one reply out.

Method names are those of the WebSocket API; REST maps its endpoints onto them. A request is
weighed, authenticated, read, checked and executed here, synchronously; what it caused waits in
``engine.events``. There is no clock here, and no randomness but the generator passed in.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final, TypeVar

from venues.sim import auth, errors, orders, rules
from venues.sim.accounts import Account, ApiKey, Ed25519Key, HmacKey
from venues.sim.engine import Engine, Market, OrderFile
from venues.sim.errors import ApiError
from venues.sim.fixed import ONE, show
from venues.sim.limits import DAY_NS, Limit, RequestCounter
from venues.sim.orders import Execution, NewOrder, Order
from venues.sim.parameters import Parameters
from venues.sim.statistics import DayStatistics, candle_row
from venues.sim.symbols import AVERAGE_PRICE_MINUTES, SYMBOLS, Symbol
from venues.sim.tape import INTERVALS_NS

MILLISECOND_NS: Final = 1_000_000
MICROSECOND_NS: Final = 1_000

SYMBOL_STATUSES: Final = frozenset({"TRADING", "HALT", "BREAK"})
CANCEL_RESTRICTIONS: Final = frozenset({"ONLY_NEW", "ONLY_PARTIALLY_FILLED"})
TICKER_TYPES: Final = frozenset({"FULL", "MINI"})
CANCEL_REPLACE_MODES: Final = frozenset({"STOP_ON_FAILURE", "ALLOW_FAILURE"})
RATE_LIMIT_MODES: Final = frozenset({"DO_NOTHING", "CANCEL_ONLY"})
LONGEST_LOOKUP_HOURS: Final = 24

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

    __slots__ = ("_account", "now_ns", "p", "unit_ns")

    def __init__(self, p: Parameters, account: Account | None, now_ns: int, unit_ns: int) -> None:
        self.p = p
        self._account = account
        self.now_ns = now_ns
        self.unit_ns = unit_ns

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
    # Weight is charged for failures only (CHANGELOG 2026-04-02).
    free_on_success: bool = False
    # The reply shows the unfilled order count.
    counts_orders: bool = False

    def weigh(self, values: Mapping[str, str]) -> int:
        return self.weight if isinstance(self.weight, int) else self.weight(values)


class Exchange:
    """Accounts, keys, limits and the table of methods around the matching engine."""

    def __init__(
        self,
        rng: random.Random,
        symbols: tuple[Symbol, ...] = SYMBOLS,
        limits: Limits = LIMITS,
    ) -> None:
        self.limits = limits
        self.engine = Engine(symbols, self.limits.orders, rng)
        self.keys: dict[str, ApiKey] = {}
        self._requests: dict[str, RequestCounter] = {}

    # -- accounts ------------------------------------------------------------------------------

    def add_hmac_key(self, api_key: str, secret: str, account: Account) -> None:
        self.keys[api_key] = HmacKey(api_key, account, secret)

    def add_ed25519_key(self, api_key: str, public_key: bytes, account: Account) -> None:
        self.keys[api_key] = Ed25519Key(api_key, account, public_key)

    # -- requests ------------------------------------------------------------------------------

    def call(self, method: Method, values: Mapping[str, str], origin: Origin, now_ns: int) -> Reply:
        """Handle one request and return its reply."""
        requests = self.requests_of(origin.ip)
        weight = method.weigh(values)
        account: Account | None = None
        reply = Reply()
        try:
            requests.admit(weight, now_ns)
            if method.signed:
                account = self.authenticate(values, origin, now_ns).account
            call = Call(Parameters(values), account, now_ns, origin.unit_ns)
            reply.result = method.handler(self, call)
            requests.charge(0 if method.free_on_success else weight, now_ns)
        except ApiError as error:
            reply.error = error
            requests.charge(0 if error.code == -1003 else weight, now_ns)
        reply.weight = requests.weight.state(now_ns)
        if method.counts_orders and account is not None:
            reply.order_counts = account.orders.states(now_ns)
        return reply

    def authenticate(self, values: Mapping[str, str], origin: Origin, now_ns: int) -> ApiKey:
        """Return the key a signed request is made with; raise what is wrong with it."""
        if origin.api_key is None and origin.session is not None:
            auth.check_time(values, now_ns)
            return origin.session
        key = auth.find_key(self.keys, origin.api_key)
        auth.check_time(values, now_ns)
        auth.check_signature(key, origin.payload, values.get("signature"))
        return key

    def requests_of(self, ip: str) -> RequestCounter:
        """Return the counter of an IP."""
        found = self._requests.get(ip)
        if found is None:
            if len(self._requests) >= IPS_KEPT:
                del self._requests[next(iter(self._requests))]
            found = self._requests[ip] = RequestCounter(self.limits.weight, self.limits.raw)
        return found

    # -- general -------------------------------------------------------------------------------

    def ping(self, call: Call) -> dict[str, Any]:
        call.p.finish()
        return {}

    def time(self, call: Call) -> dict[str, Any]:
        call.p.finish()
        return {"serverTime": call.now}

    def exchange_info(self, call: Call) -> dict[str, Any]:
        p = call.p
        name, names = p.text("symbol"), p.names("symbols")
        permissions, status = p.text("permissions"), _read_status(p)
        show_sets = p.boolean("showPermissionSets", default=True)
        p.finish()
        if sum(value is not None for value in (name, names, permissions)) > 1:
            raise errors.bad_combination()
        if status is not None and (name is not None or names is not None):
            raise errors.bad_combination()
        chosen = self._choose(name, names)
        if permissions is not None and "SPOT" not in permissions:
            chosen = []
        if status not in {None, "TRADING"}:
            chosen = []
        listed = [market.symbol.published() for market in chosen]
        if not show_sets:
            listed = [entry | {"permissionSets": []} for entry in listed]
        return {
            "timezone": "UTC",
            "serverTime": call.now,
            "rateLimits": self.limits.published(),
            "exchangeFilters": [],
            "symbols": listed,
        }

    # -- market data ---------------------------------------------------------------------------

    def depth(self, call: Call) -> dict[str, Any]:
        market = self._market(call.p)
        limit = call.p.count("limit", 100, 5_000)
        self._check_status(call.p)
        call.p.finish()
        return depth_snapshot(market, limit)

    def recent_trades(self, call: Call) -> list[dict[str, Any]]:
        return self._trades(call, None)

    def historical_trades(self, call: Call) -> list[dict[str, Any]]:
        return self._trades(call, call.p.integer("fromId"))

    def _trades(self, call: Call, from_id: int | None) -> list[dict[str, Any]]:
        market = self._market(call.p)
        limit = call.p.count("limit", 500, 1_000)
        call.p.finish()
        trades = market.tape.trades
        if from_id is None:
            chosen = list(islice(trades, max(0, len(trades) - limit), None))
        else:
            chosen = list(islice((one for one in trades if one.trade_id >= from_id), limit))
        return [
            {
                "id": trade.trade_id,
                "price": show(trade.price),
                "qty": show(trade.quantity),
                "quoteQty": show(trade.quote),
                "time": trade.time_ns // call.unit_ns,
                "isBuyerMaker": trade.buyer_is_maker,
                "isBestMatch": True,
            }
            for trade in chosen
        ]

    def aggregate_trades(self, call: Call) -> list[dict[str, Any]]:
        p = call.p
        market = self._market(p)
        limit, from_id = p.count("limit", 500, 1_000), p.integer("fromId")
        start_ns, end_ns = _read_span(p)
        p.finish()
        found = [
            one
            for one in market.tape.aggregates
            if (from_id is None or one.aggregate_id >= from_id)
            and (start_ns is None or one.time_ns >= start_ns)
            and (end_ns is None or one.time_ns < end_ns + MILLISECOND_NS)
        ]
        oldest_first = from_id is not None or start_ns is not None
        return [
            {
                "a": one.aggregate_id,
                "p": show(one.price),
                "q": show(one.quantity),
                "f": one.first_id,
                "l": one.last_id,
                "T": one.time_ns // call.unit_ns,
                "m": one.buyer_is_maker,
                "M": True,
            }
            for one in _page(found, limit, oldest_first=oldest_first)
        ]

    def klines(self, call: Call) -> list[list[Any]]:
        p = call.p
        market = self._market(p)
        interval = p.need_text("interval")
        if interval not in INTERVALS_NS:
            raise errors.bad_interval()
        limit = p.count("limit", 500, 1_000)
        start_ns, end_ns = _read_span(p)
        zone_ns = _read_zone(p)
        p.finish()
        last_ns = call.now_ns if end_ns is None else min(end_ns, call.now_ns)
        found = list(market.tape.candles(interval, start_ns or 0, last_ns, zone_ns))
        return [
            candle_row(candle, interval, call.unit_ns, zone_ns)
            for candle in _page(found, limit, oldest_first=start_ns is not None)
        ]

    def average_price(self, call: Call) -> dict[str, Any]:
        market = self._market(call.p)
        call.p.finish()
        trades = market.tape.trades
        return {
            "mins": AVERAGE_PRICE_MINUTES,
            "price": show(market.average_price(call.now_ns)),
            "closeTime": trades[-1].time_ns // call.unit_ns if trades else 0,
        }

    def ticker_price(self, call: Call) -> Any:
        return self._per_symbol(
            call, lambda market: {"symbol": market.symbol.name, "price": show(_last_price(market))}
        )

    def ticker_book(self, call: Call) -> Any:
        def shown(market: Market) -> dict[str, Any]:
            best = market.book.best()
            return {
                "symbol": market.symbol.name,
                "bidPrice": show(best.bid),
                "bidQty": show(best.bid_quantity),
                "askPrice": show(best.ask),
                "askQty": show(best.ask_quantity),
            }

        return self._per_symbol(call, shown)

    def ticker_day(self, call: Call) -> Any:
        kind = call.p.choice("type", TICKER_TYPES, ApiError(-1139, "Invalid ticker type."))

        def shown(market: Market) -> dict[str, Any]:
            day = DayStatistics(market, call.now_ns)
            return day.mini(call.unit_ns) if kind == "MINI" else day.full(call.unit_ns)

        return self._per_symbol(call, shown)

    # -- trading -------------------------------------------------------------------------------

    def place(self, call: Call) -> dict[str, Any]:
        market, request = self._read_order(call)
        call.p.finish()
        refusal = call.account.orders.full(call.now_ns)
        if refusal is not None:
            raise refusal
        return self._place(call, market, request)

    def test_order(self, call: Call) -> dict[str, Any]:
        rates = call.p.boolean("computeCommissionRates", default=False)
        _, _ = self._read_order(call)
        call.p.finish()
        if not rates:
            return {}
        account = call.account
        nothing = {"maker": show(0), "taker": show(0)}
        return {
            "standardCommissionForOrder": {
                "maker": show(account.maker_rate),
                "taker": show(account.taker_rate),
            },
            "specialCommissionForOrder": nothing,
            "taxCommissionForOrder": nothing,
            "discount": _NO_DISCOUNT,
        }

    def cancel(self, call: Call) -> dict[str, Any]:
        p = call.p
        market = self._market(p)
        order_id, client_id = _read_order_names(p)
        new_client_id = p.client_id("newClientOrderId")
        restriction = _read_restriction(p)
        p.finish()
        return self._cancel(call, market, order_id, client_id, new_client_id, restriction)

    def cancel_all(self, call: Call) -> list[dict[str, Any]]:
        market = self._market(call.p)
        call.p.finish()
        file = self.engine.file(call.account, market.symbol.name)
        if not file.open:
            raise errors.cancel_rejected()
        answers = []
        for order in list(file.open.values()):
            former = self.engine.cancel(call.account, market, order, None, call.now_ns)
            answers.append(orders.canceled(order, former, call.unit_ns))
        return answers

    def cancel_replace(self, call: Call) -> dict[str, Any]:
        p = call.p
        bad_mode = errors.invalid_data("cancelReplaceMode")
        p.need_text("cancelReplaceMode")
        stop = p.choice("cancelReplaceMode", CANCEL_REPLACE_MODES, bad_mode) == "STOP_ON_FAILURE"
        bad_limit_mode = errors.invalid_data("orderRateLimitExceededMode")
        limit_mode = p.choice("orderRateLimitExceededMode", RATE_LIMIT_MODES, bad_limit_mode)
        order_id, client_id = _read_order_names(p, "cancelOrderId", "cancelOrigClientOrderId")
        cancel_client_id = p.client_id("cancelNewClientOrderId")
        restriction = _read_restriction(p)
        # Filters and order count are evaluated before anything is canceled (rest-api.md).
        market, request = self._read_order(call)
        p.finish()
        exceeded = call.account.orders.full(call.now_ns)
        if exceeded is not None and limit_mode != "CANCEL_ONLY":
            raise exceeded
        outcome = _CancelReplace(stop=stop, exceeded=exceeded)
        try:
            outcome.canceled = self._cancel(
                call, market, order_id, client_id, cancel_client_id, restriction
            )
        except ApiError as error:
            outcome.cancel_error = error
        if outcome.may_place:
            try:
                outcome.placed = self._place(call, market, request)
            except ApiError as error:
                outcome.place_error = error
        elif exceeded is None:
            # A new order that was not attempted still counts as unfilled.
            call.account.orders.add(1, call.now_ns)
        return outcome.answer()

    def amend(self, call: Call) -> dict[str, Any]:
        p = call.p
        market = self._market(p)
        order_id, client_id = _read_order_names(p)
        new_client_id = p.client_id("newClientOrderId")
        quantity = p.need_decimal("newQty")
        p.finish()
        file = self.engine.file(call.account, market.symbol.name)
        order = _find(file, order_id, client_id, open_only=True)
        if order is None:
            raise errors.amend_rejected("Unknown order sent.")
        if quantity == order.quantity:
            raise errors.amend_rejected("The requested action would change no state; rejecting")
        if quantity > order.quantity:
            raise errors.amend_rejected("Order amend (quantity increase) is not supported.")
        rules.check_quantity(quantity, market)
        rules.check_notional(order.price, quantity, market)
        if len(order.amends) >= market.symbol.max_amends:
            raise errors.filter_failure("MAX_NUM_ORDER_AMENDS")
        amendment = self.engine.amend(
            call.account, market, order, quantity, new_client_id, call.now_ns
        )
        return orders.amended(order, amendment, call.unit_ns)

    # -- account -------------------------------------------------------------------------------

    def order_status(self, call: Call) -> dict[str, Any]:
        market = self._market(call.p)
        order_id, client_id = _read_order_names(call.p)
        call.p.finish()
        file = self.engine.file(call.account, market.symbol.name)
        order = _find(file, order_id, client_id, open_only=False)
        if order is None:
            raise errors.no_such_order()
        return orders.queried(order, call.unit_ns)

    def open_orders(self, call: Call) -> list[dict[str, Any]]:
        name = call.p.text("symbol")
        call.p.finish()
        return [
            orders.queried(order, call.unit_ns)
            for market in self._choose(name, None)
            for order in self.engine.file(call.account, market.symbol.name).open.values()
        ]

    def all_orders(self, call: Call) -> list[dict[str, Any]]:
        p = call.p
        market = self._market(p)
        order_id, limit = p.integer("orderId"), p.count("limit", 500, 1_000)
        start_ns, end_ns = _read_span(p, LONGEST_LOOKUP_HOURS)
        p.finish()
        found = [
            order
            for order in self.engine.file(call.account, market.symbol.name).orders.values()
            if (order_id is None or order.order_id >= order_id)
            and (start_ns is None or order.created_ns >= start_ns)
            and (end_ns is None or order.created_ns < end_ns + MILLISECOND_NS)
        ]
        oldest_first = order_id is not None or start_ns is not None
        return [
            orders.queried(order, call.unit_ns)
            for order in _page(found, limit, oldest_first=oldest_first)
        ]

    def my_trades(self, call: Call) -> list[dict[str, Any]]:
        p = call.p
        market = self._market(p)
        order_id, from_id = p.integer("orderId"), p.integer("fromId")
        limit = p.count("limit", 500, 1_000)
        start_ns, end_ns = _read_span(p, LONGEST_LOOKUP_HOURS)
        p.finish()
        timed = start_ns is not None or end_ns is not None
        if timed and (order_id is not None or from_id is not None):
            raise errors.bad_combination()

        def wanted(one: Execution) -> bool:
            trade = one.trade
            return (
                (order_id is None or one.order_id == order_id)
                and (from_id is None or trade.trade_id >= from_id)
                and (start_ns is None or trade.time_ns >= start_ns)
                and (end_ns is None or trade.time_ns < end_ns + MILLISECOND_NS)
            )

        executions = self.engine.file(call.account, market.symbol.name).executions
        found = [one for one in executions if wanted(one)]
        oldest_first = from_id is not None or start_ns is not None
        return [
            orders.traded(market.symbol.name, one, call.unit_ns)
            for one in _page(found, limit, oldest_first=oldest_first)
        ]

    def account_status(self, call: Call) -> dict[str, Any]:
        omit_zero = call.p.boolean("omitZeroBalances", default=False)
        call.p.finish()
        account = call.account
        return {
            "makerCommission": account.maker_rate * 10_000 // ONE,
            "takerCommission": account.taker_rate * 10_000 // ONE,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": _rates(account),
            "canTrade": True,
            "canWithdraw": False,
            "canDeposit": False,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": account.updated_ns // call.unit_ns,
            "accountType": "SPOT",
            "balances": [
                {
                    "asset": asset,
                    "free": show(account.balance(asset).free),
                    "locked": show(account.balance(asset).locked),
                }
                for asset in self.assets()
                if not omit_zero or account.balance(asset).free or account.balance(asset).locked
            ],
            "permissions": ["SPOT"],
            "uid": account.number,
        }

    def commission(self, call: Call) -> dict[str, Any]:
        market = self._market(call.p)
        call.p.finish()
        nothing = {name: show(0) for name in ("maker", "taker", "buyer", "seller")}
        return {
            "symbol": market.symbol.name,
            "standardCommission": _rates(call.account),
            "specialCommission": nothing,
            "taxCommission": nothing,
            "discount": _NO_DISCOUNT,
        }

    def order_counts(self, call: Call) -> list[dict[str, Any]]:
        call.p.finish()
        return call.account.orders.states(call.now_ns)

    def amendments(self, call: Call) -> list[dict[str, Any]]:
        p = call.p
        market, order_id = self._market(p), p.need_integer("orderId")
        from_id, limit = p.integer("fromExecutionId"), p.count("limit", 500, 1_000)
        p.finish()
        file = self.engine.file(call.account, market.symbol.name)
        order = _find(file, order_id, None, open_only=False)
        if order is None:
            raise errors.no_such_order()
        return [
            {
                "symbol": market.symbol.name,
                "orderId": order.order_id,
                "executionId": one.execution_id,
                "origClientOrderId": one.former_client_id,
                "newClientOrderId": one.client_id,
                "origQty": show(one.former_quantity),
                "newQty": show(one.quantity),
                "time": one.time_ns // call.unit_ns,
            }
            for one in order.amends
            if from_id is None or one.execution_id >= from_id
        ][:limit]

    def my_filters(self, call: Call) -> dict[str, Any]:
        market = self._market(call.p)
        call.p.finish()
        return {
            "exchangeFilters": [],
            "symbolFilters": market.symbol.filters(),
            "assetFilters": [],
        }

    # -- what general clients ask of the venue's other services when they load the markets -------

    def coins(self, call: Call) -> list[dict[str, Any]]:
        """Return the assets as the wallet service lists them; none of them can leave."""
        call.p.finish()
        nothing = show(0)
        return [
            {
                "coin": asset,
                "name": asset,
                "depositAllEnable": False,
                "withdrawAllEnable": False,
                "trading": True,
                "isLegalMoney": False,
                "free": show(call.account.balance(asset).free),
                "locked": show(call.account.balance(asset).locked),
                "freeze": nothing,
                "withdrawing": nothing,
                "ipoing": nothing,
                "ipoable": nothing,
                "storage": nothing,
                "networkList": [],
            }
            for asset in self.assets()
        ]

    def no_margin_pairs(self, call: Call) -> list[Any]:
        call.p.finish()
        return []

    def no_derivatives(self, call: Call) -> dict[str, Any]:
        """Return the exchangeInfo of a venue that lists no futures."""
        call.p.finish()
        return {
            "timezone": "UTC",
            "serverTime": call.now,
            "rateLimits": [],
            "exchangeFilters": [],
            "assets": [],
            "symbols": [],
        }

    # -- inside --------------------------------------------------------------------------------

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

    def _market(self, p: Parameters) -> Market:
        return self.market(p.need_text("symbol"))

    def _choose(self, name: str | None, names: list[str] | None) -> list[Market]:
        if name is not None:
            return [self.market(name)]
        if names is not None:
            return [self.market(one) for one in names]
        return list(self.engine.markets.values())

    def _check_status(self, p: Parameters) -> None:
        if _read_status(p) not in {None, "TRADING"}:
            raise errors.symbol_status_differs()

    def _per_symbol(self, call: Call, shown: Callable[[Market], dict[str, Any]]) -> Any:
        """Answer for one symbol with an object, for several or all with an array."""
        p = call.p
        name, names = p.text("symbol"), p.names("symbols")
        status = _read_status(p)
        p.finish()
        if name is not None and names is not None:
            raise errors.bad_combination()
        chosen = self._choose(name, names)
        other_status = status not in {None, "TRADING"}
        if name is not None:
            if other_status:
                raise errors.symbol_status_differs()
            return shown(chosen[0])
        return [] if other_status else [shown(market) for market in chosen]

    def _read_order(self, call: Call) -> tuple[Market, NewOrder]:
        """Read a new order and hold it against its symbol's filters."""
        market = self._market(call.p)
        request = rules.read_order(call.p)
        if request.quote_quantity:
            quantity = rules.quantity_for_quote(request, market)
            request = replace(request, quantity=quantity)
        open_orders = len(self.engine.file(call.account, market.symbol.name).open)
        rules.check_order(request, market, open_orders, call.now_ns)
        return market, request

    def _place(self, call: Call, market: Market, request: NewOrder) -> dict[str, Any]:
        # Counted first: the fills of this very order take it off again.
        call.account.orders.add(1, call.now_ns)
        try:
            placed = self.engine.place(call.account, market, request, call.now_ns)
        except ApiError:
            call.account.orders.add(-1, call.now_ns)
            raise
        return orders.placed(
            placed.order, request.response, placed.executions, placed.prevented, call.unit_ns
        )

    def _cancel(
        self,
        call: Call,
        market: Market,
        order_id: int | None,
        client_id: str | None,
        new_client_id: str | None,
        restriction: str | None,
    ) -> dict[str, Any]:
        file = self.engine.file(call.account, market.symbol.name)
        order = _find(file, order_id, client_id, open_only=True)
        if order is None:
            raise errors.cancel_rejected()
        if restriction is not None and restriction != f"ONLY_{order.status}":
            raise errors.cancel_rejected("Order was not canceled due to cancel restrictions.")
        former = self.engine.cancel(call.account, market, order, new_client_id, call.now_ns)
        return orders.canceled(order, former, call.unit_ns)


@dataclass(slots=True)
class _CancelReplace:
    """The two halves of a cancelReplace and the status its outcome has (rest-api.md, table)."""

    stop: bool
    exceeded: ApiError | None
    canceled: dict[str, Any] | None = None
    cancel_error: ApiError | None = None
    placed: dict[str, Any] | None = None
    place_error: ApiError | None = None

    @property
    def may_place(self) -> bool:
        if self.stop and self.cancel_error is not None:
            return False
        if self.exceeded is not None:
            self.place_error = self.exceeded
            return False
        return True

    def answer(self) -> dict[str, Any]:
        if self.canceled is not None and self.placed is not None:
            return self._halves()
        both_failed = self.canceled is None and self.placed is None
        status = 400 if both_failed else 409
        if self.exceeded is not None and self.stop:
            status = 429
        retry_at_ms = self.exceeded.retry_at_ms if self.exceeded and status == 429 else None
        if both_failed:
            raise ApiError(
                -2022,
                "Order cancel-replace failed.",
                status=status,
                data=self._halves(),
                retry_at_ms=retry_at_ms,
            )
        raise ApiError(
            -2021,
            "Order cancel-replace partially failed.",
            status=status,
            data=self._halves(),
            retry_at_ms=retry_at_ms,
        )

    def _halves(self) -> dict[str, Any]:
        placed: Any = self.placed
        result = "SUCCESS" if placed is not None else "NOT_ATTEMPTED"
        if self.place_error is not None:
            placed, result = self.place_error.body(), "FAILURE"
        cancel_error = self.cancel_error
        return {
            "cancelResult": "SUCCESS" if cancel_error is None else "FAILURE",
            "newOrderResult": result,
            "cancelResponse": self.canceled if cancel_error is None else cancel_error.body(),
            "newOrderResponse": placed,
        }


# -- what several methods share ----------------------------------------------------------------

_NO_DISCOUNT: Final = {
    "enabledForAccount": False,
    "enabledForSymbol": False,
    "discountAsset": "BNB",
    "discount": show(0),
}


def depth_snapshot(market: Market, limit: int) -> dict[str, Any]:
    """Return up to ``limit`` levels a side, as GET /api/v3/depth and <symbol>@depth20 show them."""
    book = market.book
    return {
        "lastUpdateId": book.update_id,
        "bids": [[show(price), show(total)] for price, total in book.bids.top(limit)],
        "asks": [[show(price), show(total)] for price, total in book.asks.top(limit)],
    }


def _rates(account: Account) -> dict[str, str]:
    return {
        "maker": show(account.maker_rate),
        "taker": show(account.taker_rate),
        "buyer": show(0),
        "seller": show(0),
    }


def _last_price(market: Market) -> int:
    last = market.tape.last_price
    return market.symbol.opening_price if last is None else last


def _page(found: list[T], limit: int, *, oldest_first: bool) -> list[T]:
    """Return the oldest ``limit`` when the caller named a start, else the most recent ones."""
    return found[:limit] if oldest_first else found[-limit:]


def _read_status(p: Parameters) -> str | None:
    return p.choice("symbolStatus", SYMBOL_STATUSES, errors.bad_symbol_status())


def _read_span(p: Parameters, longest_hours: int | None = None) -> tuple[int | None, int | None]:
    """Return startTime and endTime in nanoseconds."""
    start_ns, end_ns = _time_ns(p.integer("startTime")), _time_ns(p.integer("endTime"))
    if longest_hours is None or start_ns is None or end_ns is None:
        return start_ns, end_ns
    if end_ns - start_ns > longest_hours * DAY_NS // 24:
        raise errors.interval_too_long(longest_hours)
    return start_ns, end_ns


def _time_ns(stamp: int | None) -> int | None:
    if stamp is None:
        return None
    return stamp * (MICROSECOND_NS if stamp >= auth.FIRST_MICROSECOND_STAMP else MILLISECOND_NS)


def _read_zone(p: Parameters) -> int:
    """Return ``timeZone`` (hours, or hours:minutes, from -12:00 to +14:00) in nanoseconds."""
    text = p.text("timeZone")
    if text is None:
        return 0
    sign = -1 if text.startswith("-") else 1
    hours, _, minutes = text.removeprefix("+").removeprefix("-").partition(":")
    if not (hours.isdecimal() and len(hours) <= 2 and (minutes or "0").isdecimal()):
        raise errors.invalid_data("timeZone")
    total = sign * (int(hours) * 60 + int(minutes or 0))
    if not -12 * 60 <= total <= 14 * 60:
        raise errors.invalid_data("timeZone")
    return total * 60 * 1_000_000_000


def _read_order_names(
    p: Parameters, by_id: str = "orderId", by_client_id: str = "origClientOrderId"
) -> tuple[int | None, str | None]:
    order_id, client_id = p.integer(by_id), p.client_id(by_client_id)
    if order_id is None and client_id is None:
        raise errors.missing_both(by_client_id, by_id)
    return order_id, client_id


def _read_restriction(p: Parameters) -> str | None:
    refusal = errors.bad_cancel_restrictions()
    return p.choice("cancelRestrictions", CANCEL_RESTRICTIONS, refusal)


def _find(
    file: OrderFile, order_id: int | None, client_id: str | None, *, open_only: bool
) -> Order | None:
    """Return an order by id, else by client id; raise -2039 when both are sent and disagree."""
    order: Order | None
    if order_id is None:
        assert client_id is not None  # noqa: S101 - one of both was required
        return file.open_named(client_id) if open_only else file.named(client_id)
    order = (file.open if open_only else file.orders).get(order_id)
    if order is not None and client_id is not None and client_id not in order.names:
        raise errors.client_id_differs()
    return order


def _depth_weight(values: Mapping[str, str]) -> int:
    text = values.get("limit", "100")
    limit = int(text) if text.isdecimal() and len(text) < 9 else 100
    for up_to, weight in ((100, 5), (500, 25), (1_000, 50)):
        if limit <= up_to:
            return weight
    return 250


def _symbol_weight(one: int, all_symbols: int) -> Weight:
    return lambda values: one if "symbol" in values else all_symbols


def _day_weight(values: Mapping[str, str]) -> int:
    if "symbol" in values:
        return 2
    return 2 if "symbols" in values else 80  # fewer than 21 symbols exist here


METHODS: Final[dict[str, Method]] = {
    "ping": Method(Exchange.ping, 1),
    "time": Method(Exchange.time, 1),
    "exchangeInfo": Method(Exchange.exchange_info, 20),
    "depth": Method(Exchange.depth, _depth_weight),
    "trades.recent": Method(Exchange.recent_trades, 25),
    "trades.historical": Method(Exchange.historical_trades, 25),
    "trades.aggregate": Method(Exchange.aggregate_trades, 4),
    "klines": Method(Exchange.klines, 2),
    "uiKlines": Method(Exchange.klines, 2),
    "avgPrice": Method(Exchange.average_price, 2),
    "ticker.price": Method(Exchange.ticker_price, _symbol_weight(2, 4)),
    "ticker.book": Method(Exchange.ticker_book, _symbol_weight(2, 4)),
    "ticker.24hr": Method(Exchange.ticker_day, _day_weight),
    "order.place": Method(Exchange.place, 1, signed=True, free_on_success=True, counts_orders=True),
    "order.test": Method(
        Exchange.test_order,
        lambda values: 20 if values.get("computeCommissionRates") == "true" else 1,
        signed=True,
    ),
    "order.cancel": Method(Exchange.cancel, 1, signed=True, free_on_success=True),
    "openOrders.cancelAll": Method(Exchange.cancel_all, 1, signed=True, free_on_success=True),
    "order.cancelReplace": Method(
        Exchange.cancel_replace, 1, signed=True, free_on_success=True, counts_orders=True
    ),
    "order.amend.keepPriority": Method(Exchange.amend, 4, signed=True),
    "order.amendments": Method(Exchange.amendments, 4, signed=True),
    "order.status": Method(Exchange.order_status, 4, signed=True),
    "openOrders.status": Method(Exchange.open_orders, _symbol_weight(6, 80), signed=True),
    "allOrders": Method(Exchange.all_orders, 20, signed=True),
    "myTrades": Method(
        Exchange.my_trades, lambda values: 5 if "orderId" in values else 20, signed=True
    ),
    "myFilters": Method(Exchange.my_filters, 40, signed=True),
    "account.status": Method(Exchange.account_status, 20, signed=True),
    "account.commission": Method(Exchange.commission, 20, signed=True),
    "account.rateLimits.orders": Method(Exchange.order_counts, 40, signed=True),
}

# Endpoints of REST alone.
COINS: Final = Method(Exchange.coins, 10, signed=True)
NO_MARGIN_PAIRS: Final = Method(Exchange.no_margin_pairs, 1)
NO_DERIVATIVES: Final = Method(Exchange.no_derivatives, 1)
