"""What others do to the exchange while it runs: its staff, other systems, the account elsewhere.

Here lives what each action is and how it is carried out. What never lives here: what goes wrong on
the way of a message, which is the switchboard's (``faults``).
"""

from dataclasses import replace
from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta, Struct

from venues.sim.accounts import PERMISSIONS, Account
from venues.sim.binance import errors
from venues.sim.binance.exchange import Call, Exchange, Moment
from venues.sim.binance.methods import METHODS
from venues.sim.binance.parameters import Parameters
from venues.sim.binance.rules import SIDES
from venues.sim.durations import MILLISECOND_NS
from venues.sim.engine import STATUSES, Market
from venues.sim.fixed import NotDecimalError, TooPreciseError, parse
from venues.sim.matching import SelfTrade
from venues.sim.orders import NewOrder

Amount = Annotated[str, Meta(pattern=r"^-?[0-9]{1,20}(\.[0-9]{1,8})?$")]


class ActionError(Exception):
    """An action cannot be done; the message says why."""


class Action(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="action"):
    """One thing done to the exchange."""

    def perform(self, exchange: Exchange, now_ns: int) -> dict[str, Any]:
        """Do it, and return what there is to say about it. Raises ``ActionError``."""
        raise NotImplementedError


class Reset(Action, frozen=True, tag="reset"):
    """Begin everything anew: ids, books, orders, trades and opening balances; keys stay."""

    def perform(self, exchange: Exchange, now_ns: int) -> dict[str, Any]:
        exchange.engine.begin()
        return {}


class SetStatus(Action, frozen=True, tag="status"):
    """A symbol changes its state (enums.md, Symbol status)."""

    symbol: str
    status: str

    def perform(self, exchange: Exchange, now_ns: int) -> dict[str, Any]:
        if self.status not in STATUSES:
            raise ActionError(f"status {self.status!r}: expected one of {sorted(STATUSES)}")
        _market(exchange, self.symbol).status = self.status
        return {}


class SetBackground(Action, frozen=True, tag="background"):
    """The background quotes a symbol on these sides alone; without any the book is left empty."""

    symbol: str
    sides: frozenset[Literal["BUY", "SELL"]]

    def perform(self, exchange: Exchange, now_ns: int) -> dict[str, Any]:
        market = _market(exchange, self.symbol)
        exchange.engine.house_quotes(market, frozenset(SIDES[side] for side in self.sides))
        return {}


class SetFilters(Action, frozen=True, tag="filters"):
    """A symbol's grid or limits change; what stands keeps its price and size."""

    symbol: str
    tick_size: Amount | None = None
    step_size: Amount | None = None
    min_notional: Amount | None = None
    max_market_quantity: Amount | None = None
    max_orders: Annotated[int, Meta(ge=1)] | None = None
    max_amends: Annotated[int, Meta(ge=0)] | None = None

    def perform(self, exchange: Exchange, now_ns: int) -> dict[str, Any]:
        market = _market(exchange, self.symbol)
        changed: dict[str, Any] = {
            name: _units(value) if isinstance(value, str) else value
            for name in self.__struct_fields__
            if name != "symbol" and (value := getattr(self, name)) is not None
        }
        if any(changed.get(name) == 0 for name in ("tick_size", "step_size")):
            raise ActionError("tick_size and step_size are above 0")
        market.symbol = replace(market.symbol, **changed)
        return {}


class Deposit(Action, frozen=True, tag="deposit"):
    """An asset comes to the account of a key, or leaves it when the amount is negative."""

    api_key: str
    asset: str
    amount: Amount

    def perform(self, exchange: Exchange, now_ns: int) -> dict[str, Any]:
        account = _account(exchange, self.api_key)
        exchange.engine.deposit(account, self.asset, _units(self.amount), now_ns)
        return {}


class Lock(Action, frozen=True, tag="lock"):
    """Another system locks part of a balance, or unlocks it when the amount is negative."""

    api_key: str
    asset: str
    amount: Amount

    def perform(self, exchange: Exchange, now_ns: int) -> dict[str, Any]:
        account = _account(exchange, self.api_key)
        exchange.engine.lock_outside(account, self.asset, _units(self.amount), now_ns)
        return {}


class Allocate(Action, frozen=True, tag="allocate"):
    """The account of a key has an order filled by smart order routing: trade id -1."""

    api_key: str
    symbol: str
    side: Literal["BUY", "SELL"]
    quantity: Amount
    price: Amount

    def perform(self, exchange: Exchange, now_ns: int) -> dict[str, Any]:
        account, market = _account(exchange, self.api_key), _market(exchange, self.symbol)
        quantity, price = _units(self.quantity), _units(self.price)
        if quantity <= 0 or price <= 0:
            raise ActionError("quantity and price are above 0")
        request = NewOrder(
            side=SIDES[self.side], kind="LIMIT", time_in_force="IOC", price=price,
            quantity=quantity, quote_quantity=0, client_id=None, response="FULL",
            self_trade=SelfTrade.NONE, strategy_id=None, strategy_type=None,
        )  # fmt: skip
        account.orders.add(1, now_ns)
        order = exchange.engine.allocate(account, market, request, price, now_ns)
        return {"orderId": order.order_id}


class AskElsewhere(Action, frozen=True, tag="request"):
    """The account of a key asks for something elsewhere, past signature, IP and weight.

    ``method`` is any signed one of the WebSocket API: orders, order lists, cancels.
    """

    api_key: str
    method: str
    parameters: dict[str, str]

    def perform(self, exchange: Exchange, now_ns: int) -> dict[str, Any]:
        account = _account(exchange, self.api_key)
        method = METHODS.get(self.method)
        if method is None or not method.signed:
            raise ActionError(f"there is no signed method {self.method!r}")
        moment = Moment.at(now_ns)
        call = Call(Parameters(self.parameters), account, moment, MILLISECOND_NS)
        return {"result": method.handler(exchange, call)}


class SetAccount(Action, frozen=True, tag="account"):
    """The venue's staff change what the account of a key may do and what it pays."""

    api_key: str
    may_trade: bool | None = None
    disabled: bool | None = None
    pays_in_bnb: bool | None = None
    not_permitted: frozenset[str] | None = None
    restricted: frozenset[str] | None = None
    maker_rate: Amount | None = None
    taker_rate: Amount | None = None

    def perform(self, exchange: Exchange, now_ns: int) -> dict[str, Any]:
        account = _account(exchange, self.api_key)
        for name in ("may_trade", "disabled", "pays_in_bnb", "not_permitted", "restricted"):
            value = getattr(self, name)
            if value is not None:
                setattr(account, name, value)
        for name in ("maker_rate", "taker_rate"):
            value = getattr(self, name)
            if value is not None:
                setattr(account, name, _units(value))
        return {}


class SetKey(Action, frozen=True, tag="key"):
    """The owner of a key changes its permissions and the IPs it may come from, or deletes it."""

    api_key: str
    permissions: frozenset[str] | None = None
    ips: frozenset[str] | None = None
    revoked: bool = False

    def perform(self, exchange: Exchange, now_ns: int) -> dict[str, Any]:
        _account(exchange, self.api_key)
        key = exchange.keys[self.api_key]
        if self.permissions is not None:
            if not self.permissions <= PERMISSIONS:
                raise ActionError(f"permissions: expected some of {sorted(PERMISSIONS)}")
            key.permissions = self.permissions
        if self.ips is not None:
            key.ips = self.ips
        if self.revoked:
            exchange.revoke_key(self.api_key)
        return {}


AnyAction = (
    Reset | SetStatus | SetBackground | SetFilters | Deposit | Lock | Allocate | AskElsewhere
    | SetAccount | SetKey
)  # fmt: skip
ACTIONS: Final[tuple[type[Action], ...]] = get_args(AnyAction)


def perform(action: AnyAction, exchange: Exchange, now_ns: int) -> dict[str, Any]:
    """Do an action. Raises ``ActionError`` that says why it cannot be done."""
    try:
        return action.perform(exchange, now_ns)
    except errors.ApiError as error:
        raise ActionError(error.msg) from None


def _account(exchange: Exchange, api_key: str) -> Account:
    key = exchange.keys.get(api_key)
    if key is None:
        raise ActionError(f"there is no key {api_key!r}")
    return key.account


def _market(exchange: Exchange, symbol: str) -> Market:
    found = exchange.engine.markets.get(symbol)
    if found is None:
        raise ActionError(f"there is no symbol {symbol!r}")
    return found


def _units(text: str) -> int:
    try:
        amount = parse(text.removeprefix("-"))
    except (NotDecimalError, TooPreciseError):
        raise ActionError(f"{text!r}: expected a decimal of at most 8 decimals") from None
    return -amount if text.startswith("-") else amount
