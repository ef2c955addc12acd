"""What others do to the exchange while it runs: its staff, other systems, the account elsewhere.

Here lives what each action is and how it is carried out. What never lives here: what goes wrong on
the way of a message, which is the switchboard's (``faults``), and what one venue alone knows of,
which its dialect adds.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Protocol

from msgspec import Meta, Struct

from venues.sim.accounts import Account
from venues.sim.engine import Engine, Market
from venues.sim.fixed import NotDecimalError, TooPreciseError, parse
from venues.sim.keys import Key
from venues.sim.refusals import Refused

Amount = Annotated[str, Meta(pattern=r"^-?[0-9]{1,20}(\.[0-9]{1,8})?$")]


class ActionError(Exception):
    """An action cannot be done; the message says why."""


class Host(Protocol):
    """What an exchange shows to those who do something to it."""

    engine: Engine
    statuses: frozenset[str]
    """The states that a symbol may have at this venue."""

    @property
    def keys(self) -> Mapping[str, Key]:
        """Every key by its name."""

    def revoke_key(self, api_key: str) -> None:
        """Delete a key."""


class Action(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="action"):
    """One thing done to the exchange."""

    def perform(self, exchange: Host, now_ns: int) -> dict[str, Any]:
        """Do it, and return what there is to say about it. Raises ``ActionError``."""
        raise NotImplementedError


class Reset(Action, frozen=True, tag="reset"):
    """Begin everything anew: ids, books, orders, trades and opening balances; keys stay."""

    def perform(self, exchange: Host, now_ns: int) -> dict[str, Any]:
        exchange.engine.begin()
        return {}


class SetStatus(Action, frozen=True, tag="status"):
    """A symbol changes its state, to one of those that the venue has."""

    symbol: str
    status: str

    def perform(self, exchange: Host, now_ns: int) -> dict[str, Any]:
        if self.status not in exchange.statuses:
            raise ActionError(
                f"status {self.status!r}: expected one of {sorted(exchange.statuses)}"
            )
        market_of(exchange, self.symbol).status = self.status
        return {}


class SetBackground(Action, frozen=True, tag="background"):
    """The background quotes a symbol on these sides alone; without any the book is left empty."""

    symbol: str
    sides: frozenset[Literal["BUY", "SELL"]]

    def perform(self, exchange: Host, now_ns: int) -> dict[str, Any]:
        market = market_of(exchange, self.symbol)
        exchange.engine.house_quotes(market, frozenset(side == "BUY" for side in self.sides))
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

    def perform(self, exchange: Host, now_ns: int) -> dict[str, Any]:
        market = market_of(exchange, self.symbol)
        changed: dict[str, Any] = {
            name: units(value) if isinstance(value, str) else value
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

    def perform(self, exchange: Host, now_ns: int) -> dict[str, Any]:
        account = account_of(exchange, self.api_key)
        exchange.engine.deposit(account, self.asset, units(self.amount), now_ns)
        return {}


class Lock(Action, frozen=True, tag="lock"):
    """Another system locks part of a balance, or unlocks it when the amount is negative."""

    api_key: str
    asset: str
    amount: Amount

    def perform(self, exchange: Host, now_ns: int) -> dict[str, Any]:
        account = account_of(exchange, self.api_key)
        exchange.engine.lock_outside(account, self.asset, units(self.amount), now_ns)
        return {}


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

    def perform(self, exchange: Host, now_ns: int) -> dict[str, Any]:
        account = account_of(exchange, self.api_key)
        for name in ("may_trade", "disabled", "pays_in_bnb", "not_permitted", "restricted"):
            value = getattr(self, name)
            if value is not None:
                setattr(account, name, value)
        for name in ("maker_rate", "taker_rate"):
            value = getattr(self, name)
            if value is not None:
                setattr(account, name, units(value))
        return {}


class SetKey(Action, frozen=True, tag="key"):
    """The owner of a key changes its permissions and the IPs it may come from, or deletes it."""

    api_key: str
    permissions: frozenset[str] | None = None
    ips: frozenset[str] | None = None
    revoked: bool = False

    def perform(self, exchange: Host, now_ns: int) -> dict[str, Any]:
        account_of(exchange, self.api_key)
        key = exchange.keys[self.api_key]
        if self.permissions is not None:
            if not self.permissions <= key.ALL:
                raise ActionError(f"permissions: expected some of {sorted(key.ALL)}")
            key.permissions = self.permissions
        if self.ips is not None:
            key.ips = self.ips
        if self.revoked:
            exchange.revoke_key(self.api_key)
        return {}


def perform(action: Action, exchange: Host, now_ns: int) -> dict[str, Any]:
    """Do an action. Raises ``ActionError`` that says why it cannot be done."""
    try:
        return action.perform(exchange, now_ns)
    except Refused as refused:
        raise ActionError(str(refused)) from None


def account_of(exchange: Host, api_key: str) -> Account:
    key = exchange.keys.get(api_key)
    if key is None:
        raise ActionError(f"there is no key {api_key!r}")
    return key.account


def market_of(exchange: Host, symbol: str) -> Market:
    found = exchange.engine.markets.get(symbol)
    if found is None:
        raise ActionError(f"there is no symbol {symbol!r}")
    return found


def units(text: str) -> int:
    try:
        amount = parse(text.removeprefix("-"))
    except (NotDecimalError, TooPreciseError):
        raise ActionError(f"{text!r}: expected a decimal of at most 8 decimals") from None
    return -amount if text.startswith("-") else amount
