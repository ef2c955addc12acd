"""Requests that trade: place, cancel, replace, amend (rest-api.md, Trading endpoints)."""

from dataclasses import dataclass, replace
from typing import Any, Final

from venues.sim.binance import errors, list_methods, order_views, rules
from venues.sim.binance.commissions import discount
from venues.sim.binance.errors import ApiError
from venues.sim.binance.exchange import Call, Exchange
from venues.sim.binance.parameters import Parameters
from venues.sim.engine import TRADING, Market
from venues.sim.fixed import show
from venues.sim.orders import NewOrder
from venues.sim.refusals import Refused

CANCEL_RESTRICTIONS: Final = frozenset({"ONLY_NEW", "ONLY_PARTIALLY_FILLED"})
CANCEL_REPLACE_MODES: Final = frozenset({"STOP_ON_FAILURE", "ALLOW_FAILURE"})
RATE_LIMIT_MODES: Final = frozenset({"DO_NOTHING", "CANCEL_ONLY"})


def place(exchange: Exchange, call: Call) -> dict[str, Any]:
    market, request = _read_order(exchange, call)
    call.p.finish()
    refusal = exchange.counter(call.account).full(call.now_ns)
    if refusal is not None:
        raise refusal
    return _place(exchange, call, market, request)


def test_order(exchange: Exchange, call: Call) -> dict[str, Any]:
    rates = call.p.boolean("computeCommissionRates", default=False)
    _, _ = _read_order(exchange, call)
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
        "discount": discount(account),
    }


def cancel(exchange: Exchange, call: Call) -> dict[str, Any]:
    p = call.p
    market = exchange.market(p.need_text("symbol"))
    order_id, client_id = p.order_names()
    new_client_id = p.client_id("newClientOrderId")
    restriction = _read_restriction(p)
    p.finish()
    return _cancel(exchange, call, market, order_id, client_id, new_client_id, restriction)


def cancel_all(exchange: Exchange, call: Call) -> list[dict[str, Any]]:
    market = exchange.market(call.p.need_text("symbol"))
    call.p.finish()
    rules.check_may_cancel(call.account, market)
    file = exchange.engine.file(call.account, market.symbol.name)
    if not file.open:
        raise errors.cancel_rejected()
    answers = []
    for order in list(file.open.values()):
        if not order.is_open:
            continue  # gone with the list it belongs to
        one = exchange.engine.list_of(order)
        if one is not None:
            answers.append(list_methods.canceled(exchange, call, market, one, None))
            continue
        name = exchange.new_client_id()
        former = exchange.engine.cancel(call.account, market, order, name, call.now_ns)
        answers.append(order_views.canceled(order, former, call.unit_ns))
    return answers


def cancel_replace(exchange: Exchange, call: Call) -> dict[str, Any]:
    p = call.p
    bad_mode = errors.invalid_data("cancelReplaceMode")
    p.need_text("cancelReplaceMode")
    stop = p.choice("cancelReplaceMode", CANCEL_REPLACE_MODES, bad_mode) == "STOP_ON_FAILURE"
    bad_limit_mode = errors.invalid_data("orderRateLimitExceededMode")
    limit_mode = p.choice("orderRateLimitExceededMode", RATE_LIMIT_MODES, bad_limit_mode)
    order_id, client_id = p.order_names("cancelOrderId", "cancelOrigClientOrderId")
    cancel_client_id = p.client_id("cancelNewClientOrderId")
    restriction = _read_restriction(p)
    # Filters and order count are evaluated before anything is canceled (rest-api.md).
    market, request = _read_order(exchange, call)
    p.finish()
    exceeded = exchange.counter(call.account).full(call.now_ns)
    if exceeded is not None and limit_mode != "CANCEL_ONLY":
        raise exceeded
    outcome = _CancelReplace(stop=stop, exceeded=exceeded)
    try:
        outcome.canceled = _cancel(
            exchange, call, market, order_id, client_id, cancel_client_id, restriction
        )
    except ApiError as error:
        outcome.cancel_error = error
    if stop and outcome.cancel_error is not None:
        if exceeded is None:
            # A new order that was not attempted still counts as unfilled.
            exchange.counter(call.account).add(1, call.now_ns)
    elif exceeded is not None:
        outcome.place_error = exceeded
    else:
        try:
            outcome.placed = _place(exchange, call, market, request)
        except ApiError as error:
            outcome.place_error = error
    return outcome.answer()


def amend(exchange: Exchange, call: Call) -> dict[str, Any]:
    p = call.p
    market = exchange.market(p.need_text("symbol"))
    order_id, client_id = p.order_names()
    new_client_id = p.client_id("newClientOrderId")
    quantity = p.need_decimal("newQty")
    p.finish()
    if market.status != TRADING:
        raise errors.market_closed("order.amend.keepPriority")
    file = exchange.engine.file(call.account, market.symbol.name)
    order = file.find(order_id, client_id)
    if order is None:
        raise errors.amend_rejected("Unknown order sent.")
    if quantity == order.quantity:
        raise errors.amend_rejected("The requested action would change no state; rejecting")
    if quantity > order.quantity:
        raise errors.amend_rejected("Order amend (quantity increase) is not supported.")
    rules.check_quantity(quantity, market)
    rules.check_notional(order.price, quantity, market)
    if len(order.amends) >= market.symbol.max_amends:
        raise errors.amend_rejected("Filter failure: MAX_NUM_ORDER_AMENDS")
    name = new_client_id or exchange.new_client_id()
    try:
        amendment = exchange.engine.amend(call.account, market, order, quantity, name, call.now_ns)
    except Refused as refused:
        raise errors.of(refused) from None
    # CHANGELOG 2026-04-02: free when the order expires because of the amendment.
    call.free = not order.is_open
    answer = order_views.amended(order, amendment, call.unit_ns)
    one = exchange.engine.list_of(order)
    return answer if one is None else answer | {"listStatus": order_views.amended_shown(one)}


def _read_order(exchange: Exchange, call: Call) -> tuple[Market, NewOrder]:
    """Read a new order and hold it against its symbol's filters."""
    market = exchange.market(call.p.need_text("symbol"))
    request = rules.read_order(call.p)
    if request.quote_quantity:
        quantity = rules.quantity_for_quote(request, market)
        request = replace(request, quantity=quantity)
    open_orders = exchange.engine.file(call.account, market.symbol.name).open.values()
    rules.check_order(request, market, open_orders, call.now_ns)
    return market, request


def _place(exchange: Exchange, call: Call, market: Market, request: NewOrder) -> dict[str, Any]:
    rules.check_may_trade(call.account, market)
    if market.status != TRADING:
        raise errors.market_closed("order.place")
    # Counted first: the fills of this very order take it off again.
    exchange.counter(call.account).add(1, call.now_ns)
    request = exchange.named(request)
    try:
        placed = exchange.engine.place(call.account, market, request, call.now_ns)
    except Refused as refused:
        exchange.counter(call.account).add(-1, call.now_ns)
        raise errors.of(refused) from None
    return order_views.placed(
        placed.order, request.tag.response, placed.executions, placed.prevented, call.unit_ns
    )


def _cancel(
    exchange: Exchange,
    call: Call,
    market: Market,
    order_id: int | None,
    client_id: str | None,
    new_client_id: str | None,
    restriction: str | None,
) -> dict[str, Any]:
    rules.check_may_cancel(call.account, market)
    file = exchange.engine.file(call.account, market.symbol.name)
    order = file.find(order_id, client_id)
    if order is None:
        raise errors.cancel_rejected()
    if restriction is not None and restriction != f"ONLY_{order.status}":
        raise errors.cancel_rejected("Order was not canceled due to cancel restrictions.")
    name = new_client_id or exchange.new_client_id()
    former = exchange.engine.cancel(call.account, market, order, name, call.now_ns)
    return order_views.canceled(order, former, call.unit_ns)


@dataclass(slots=True)
class _CancelReplace:
    """The two halves of a cancelReplace and the status its outcome has (rest-api.md, table)."""

    stop: bool
    exceeded: ApiError | None
    canceled: dict[str, Any] | None = None
    cancel_error: ApiError | None = None
    placed: dict[str, Any] | None = None
    place_error: ApiError | None = None

    def answer(self) -> dict[str, Any]:
        """Return the result of two successes; raise -2021 or -2022 for anything else."""
        if self.canceled is not None and self.placed is not None:
            return self._halves()
        both_failed = self.canceled is None and self.placed is None
        status, retry_at_ms = 400 if both_failed else 409, None
        if self.exceeded is not None and self.stop:
            status, retry_at_ms = 429, self.exceeded.retry_at_ms
        code, words = (-2022, "failed") if both_failed else (-2021, "partially failed")
        raise ApiError(
            code,
            f"Order cancel-replace {words}.",
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


def _read_restriction(p: Parameters) -> str | None:
    refusal = errors.bad_cancel_restrictions()
    return p.choice("cancelRestrictions", CANCEL_RESTRICTIONS, refusal)
