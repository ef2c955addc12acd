"""What others do to this venue alone, and all that may be done to it."""

from typing import Any, Final, Literal, get_args

from venues.sim.actions import (
    Action,
    ActionError,
    Amount,
    Deposit,
    Host,
    Lock,
    Reset,
    SetAccount,
    SetBackground,
    SetFilters,
    SetKey,
    SetStatus,
    account_of,
    market_of,
    units,
)
from venues.sim.binance import errors
from venues.sim.binance.exchange import Call, Exchange
from venues.sim.binance.methods import METHODS
from venues.sim.binance.order_views import Tag
from venues.sim.binance.parameters import Parameters
from venues.sim.binance.rules import SIDES
from venues.sim.durations import MILLISECOND_NS
from venues.sim.faults import Moment
from venues.sim.matching import SelfTrade
from venues.sim.orders import NewOrder


class Allocate(Action, frozen=True, tag="allocate"):
    """The account of a key has an order filled by smart order routing: trade id -1."""

    api_key: str
    symbol: str
    side: Literal["BUY", "SELL"]
    quantity: Amount
    price: Amount

    def perform(self, exchange: Host, now_ns: int) -> dict[str, Any]:
        account, market = account_of(exchange, self.api_key), market_of(exchange, self.symbol)
        quantity, price = units(self.quantity), units(self.price)
        if quantity <= 0 or price <= 0:
            raise ActionError("quantity and price are above 0")
        request = NewOrder(
            side=SIDES[self.side], kind="LIMIT", time_in_force="IOC", price=price,
            quantity=quantity, quote_quantity=0, client_id="",
            self_trade=SelfTrade.NONE, tag=Tag("FULL"),
        )  # fmt: skip
        here = _here(exchange)
        here.counter(account).add(1, now_ns)
        order = here.engine.allocate(account, market, here.named(request), price, now_ns)
        return {"orderId": order.order_id}


class AskElsewhere(Action, frozen=True, tag="request"):
    """The account of a key requests something elsewhere, past signature, IP and weight.

    ``method`` is any signed one of the WebSocket API: orders, order lists, cancels.
    """

    api_key: str
    method: str
    parameters: dict[str, str]

    def perform(self, exchange: Host, now_ns: int) -> dict[str, Any]:
        account = account_of(exchange, self.api_key)
        method = METHODS.get(self.method)
        if method is None or not method.signed:
            raise ActionError(f"there is no signed method {self.method!r}")
        moment = Moment.at(now_ns)
        call = Call(Parameters(self.parameters), account, moment, MILLISECOND_NS)
        try:
            return {"result": method.handler(_here(exchange), call)}
        except errors.ApiError as error:
            raise ActionError(error.msg) from None


AnyAction = (
    Reset | SetStatus | SetBackground | SetFilters | Deposit | Lock | Allocate | AskElsewhere
    | SetAccount | SetKey
)  # fmt: skip
ACTIONS: Final[tuple[type[Action], ...]] = get_args(AnyAction)


def _here(exchange: Host) -> Exchange:
    assert isinstance(exchange, Exchange)  # noqa: S101 - this venue's actions are done to it
    return exchange
