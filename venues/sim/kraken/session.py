"""One WebSocket of version 2, without its socket.

Requests go in as text; responses, messages of channels and reports leave through ``connection`` in
the order in which they came about. A private channel and every order method want a session token.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import Any, Final

import msgspec

from venues.sim.accounts import Account
from venues.sim.durations import MINUTE_NS, SECOND_NS
from venues.sim.events import Moved, OrderChanged, Told
from venues.sim.faults import Connection, ConnectionName, Kind, Moment, Part
from venues.sim.kraken import keys, trading, words
from venues.sim.kraken.exchange import Exchange, Reply, Token
from venues.sim.kraken.limits import Counter
from venues.sim.kraken.market_data import (
    BOOK_DEPTHS,
    INTERVALS,
    LEVEL3_DEPTHS,
    MarketData,
    Topic,
    wrong,
)
from venues.sim.kraken.numbers import stamp
from venues.sim.kraken.reports import Reporter
from venues.sim.kraken.words import ApiError
from venues.sim.orders import Order

# A client that says nothing and listens to nothing is cut off after about a minute.
IDLE_NS: Final = MINUTE_NS
HEARTBEAT_NS: Final = SECOND_NS
# Symbols of level3 on one connection, and what each costs of the rate at which they may be asked.
LEVEL3_SYMBOLS: Final = 200
LEVEL3_COSTS: Final = {10: 5, 100: 25, 1000: 100}
LEVEL3_RATE: Final = 200
VERSION: Final = "2.0.10"

WRONG_FOR_PRIVATE: Final = (
    "Private data and trading are unavailable on this endpoint. Try ws-auth.kraken.com"
)
WRONG_FOR_PUBLIC: Final = (
    "Public market data subscriptions are unavailable on this endpoint. Try ws.kraken.com"
)

PUBLIC: Final = frozenset({"ticker", "book", "trade", "ohlc", "instrument"})
PRIVATE: Final = frozenset({"executions", "balances"})
# What ``order_status: false`` leaves of the executions.
_TRANSITIONS: Final = frozenset({"new", "trade", "filled", "canceled", "expired"})

_FIELDS: Final = {
    "add_order": frozenset(
        {
            "order_type", "side", "order_qty", "symbol", "limit_price", "limit_price_type",
            "triggers", "time_in_force", "margin", "post_only", "reduce_only", "effective_time",
            "expire_time", "deadline", "cl_ord_id", "order_userref", "conditional", "display_qty",
            "fee_preference", "no_mpp", "stp_type", "cash_order_qty", "validate", "sender_sub_id",
            "stop_price", "trigger", "token",
        }
    ),
    "amend_order": frozenset(
        {
            "order_id", "cl_ord_id", "order_qty", "display_qty", "limit_price", "limit_price_type",
            "post_only", "trigger_price", "trigger_price_type", "deadline", "symbol", "token",
        }
    ),
    "cancel_order": frozenset({"order_id", "cl_ord_id", "order_userref", "token"}),
}  # fmt: skip
_NUMBERS: Final = (
    "order_qty", "limit_price", "display_qty", "cash_order_qty", "trigger_price", "price",
    "timeout",
)  # fmt: skip

_encode = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(float_hook=Decimal).decode
_CHECKSUM: Final = frozenset({Kind.CHECKSUM})


class Private:
    """A subscription to a private channel: whose, and how far it has counted."""

    __slots__ = ("account", "all_states", "rate_counter", "sequence", "token")

    def __init__(self, token: Token, params: dict[str, Any]) -> None:
        self.token = token
        self.account: Account = token.key.account
        self.all_states = params.get("order_status", True) is not False
        self.rate_counter = params.get("ratecounter", False) is True
        self.sequence = 0

    def next(self) -> int:
        self.sequence += 1
        return self.sequence


class Session:
    """Subscriptions and requests of one connection."""

    def __init__(
        self,
        exchange: Exchange,
        market_data: MarketData,
        reporter: Reporter,
        connection: Connection[bytes],
        number: int,
        now_ns: int,
    ) -> None:
        self.connection = connection
        self._exchange = exchange
        self._market_data = market_data
        self._reporter = reporter
        self._number = number
        self._is_private = connection.name is ConnectionName.WS_API
        self._topics: dict[Topic, None] = {}
        self._private: dict[str, Private] = {}
        self._level3_rate = Counter()
        self._heard_ns = self._said_ns = now_ns
        self._methods: dict[str, Callable[[dict[str, Any], Moment], list[Reply]]] = {
            "ping": self._ping,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "add_order": self._add_order,
            "amend_order": self._amend_order,
            "edit_order": self._edit_order,
            "cancel_order": self._cancel_order,
            "cancel_all": self._cancel_all,
            "cancel_all_orders_after": self._cancel_after,
            "batch_add": self._batch_add,
            "batch_cancel": self._batch_cancel,
        }
        self.tell_status()

    # -- in ------------------------------------------------------------------------------------

    def receive(self, text: str | bytes, now_ns: int) -> None:
        """Answer one request."""
        self._heard_ns = now_ns
        request = _decode(text)
        method = request.get("method") if request is not None else None
        if request is None or not isinstance(method, str):
            self._respond({"error": "JSON object required", "success": False}, "", now_ns)
            return
        params = request.get("params", {})
        self.connection.request(
            method,
            partial(self._execute, method, params if isinstance(params, dict) else {}),
            partial(self._answer, method, request.get("req_id"), now_ns),
            now_ns,
        )

    def control(self, now_ns: int) -> None:
        """Pings and pongs of the protocol are free, and keep no connection alive."""

    def announce_shutdown(self, now_ns: int) -> None:
        """The venue closes without a word."""

    def _execute(self, method: str, params: dict[str, Any], moment: Moment) -> list[Reply]:
        handler = self._methods.get(method)
        if handler is None:
            return [Reply(error="Unsupported event")]
        try:
            self._check_host(method, params)
            _check_fields(method, params)
            _check_numbers(params)
            return handler(params, moment)
        except ApiError as error:
            channel = _channel(params)
            return [Reply({"channel": channel} if channel in PRIVATE else None, error.text)]

    def _check_host(self, method: str, params: dict[str, Any]) -> None:
        """Raise where one of the venue's hosts is requested what another one serves."""
        channel = _channel(params)
        if method in {"subscribe", "unsubscribe"}:
            is_private = channel in PRIVATE or channel == "level3"
            is_public = channel in PUBLIC
        else:
            is_private, is_public = method != "ping" and method in self._methods, False
        if is_private and not self._is_private:
            raise ApiError(WRONG_FOR_PRIVATE)
        if is_public and self._is_private:
            raise ApiError(WRONG_FOR_PUBLIC)

    def _answer(
        self,
        method: str,
        req_id: Any,
        received_ns: int,
        replies: Reply | list[Reply],
        now_ns: int,
    ) -> None:
        for reply in [replies] if isinstance(replies, Reply) else replies:
            response: dict[str, Any] = {"method": "pong" if method == "ping" else method}
            if req_id is not None:
                response["req_id"] = req_id
            if reply.error is not None:
                response |= {"error": reply.error, "success": False}
                if isinstance(reply.result, dict):
                    response |= reply.result
            elif method != "ping":
                response |= {"result": reply.result, "success": True}
            response |= {"time_in": stamp(received_ns), "time_out": stamp(now_ns)}
            self._respond(response, method, now_ns)
            for then in reply.then:
                then(now_ns)

    # -- out -----------------------------------------------------------------------------------

    def _respond(self, response: dict[str, Any], method: str, now_ns: int) -> None:
        self._said_ns = now_ns
        self.connection.send(_encode(response), Part.REPLIES, method)

    def deliver(self, name: str, payload: bytes) -> None:
        """Pass on a message of a public channel, with a wrong checksum where a fault says so."""
        board = self.connection.board
        if board and board.hit(_CHECKSUM, None, self.connection.name, name):
            payload = wrong(payload)
        self._said_ns = max(self._said_ns, board.now_ns)
        self.connection.send(payload, Part.DATA, name)

    def tell_status(self) -> None:
        """Say how the trading engine is: on connection, and when that changes."""
        data = {
            "version": VERSION,
            "system": self._exchange.system,
            "api_version": "v2",
            "connection_id": self._number,
            "upcoming_maintenance": [],
            "emergency": [],
        }
        message = {"channel": "status", "type": "update", "data": [data]}
        self.connection.send(_encode(message), Part.DATA, "status")

    def tell(self, event: Told) -> None:
        """Pass on what has happened to an account that this connection listens to."""
        if isinstance(event, OrderChanged):
            self._tell_order(event)
        elif isinstance(event, Moved):
            private = self._private.get("balances")
            if private is not None and private.account.number == event.account:
                name = "balances.deposit" if event.execution is None else "balances.trade"
                self._report("balances", [self._reporter.moved(event)], name, event.time_ns)

    def _tell_order(self, event: OrderChanged) -> None:
        private = self._private.get("executions")
        if private is None or private.account.number != event.account:
            return
        for report in self._reporter.of(event):
            if not private.all_states and report["exec_type"] not in _TRANSITIONS:
                continue
            if private.rate_counter:
                pair = self._exchange.pairs.by_name[event.order.symbol]
                counted = self._exchange.counted(private.account, pair, event.time_ns)
                report["ratecount"] = round(counted, 2)
            name = f"executions.{report['exec_type']}"
            self._report("executions", [report], name, event.time_ns)

    def _report(
        self, channel: str, data: list[Any], name: str, now_ns: int, kind: str = "update"
    ) -> None:
        sequence = self._private[channel].next()
        message = {"channel": channel, "type": kind, "data": data, "sequence": sequence}
        self._said_ns = max(self._said_ns, now_ns)
        self.connection.send(_encode(message), Part.REPORTS, name)

    def tick(self, now_ns: int) -> None:
        """Say a heartbeat where nothing else was said, or give a client up that does nothing."""
        listens = bool(self._topics or self._private)
        if not listens and now_ns - self._heard_ns >= IDLE_NS:
            self.connection.cut()
        elif listens and now_ns - self._said_ns >= HEARTBEAT_NS:
            self._said_ns = now_ns
            self.connection.send(b'{"channel":"heartbeat"}', Part.DATA, "heartbeat")

    def close(self) -> None:
        """Forget the connection; what held its tokens holds them no more."""
        self.connection.close()
        for topic in self._topics:
            self._market_data.unsubscribe(topic, self)
        self._topics.clear()
        for private in self._private.values():
            private.token.held -= 1
        self._private.clear()

    # -- subscriptions -------------------------------------------------------------------------

    def _ping(self, params: dict[str, Any], moment: Moment) -> list[Reply]:
        return [Reply()]

    def _subscribe(self, params: dict[str, Any], moment: Moment) -> list[Reply]:
        channel = _channel(params)
        if channel in PRIVATE:
            return [self._subscribe_private(channel, params, moment)]
        if channel == "instrument":
            return [self._subscribe_topic(("instrument", "", None), params, {}, moment.now_ns)]
        symbols = self._symbols(channel, params)
        if channel == "level3":
            self._token(params, moment, None)
            self._count_level3(params, symbols, moment.now_ns)
        return [self._subscribe_symbol(channel, name, params, moment.now_ns) for name in symbols]

    def _symbols(self, channel: str, params: dict[str, Any]) -> list[Any]:
        if channel not in PUBLIC and channel != "level3":
            raise ApiError("Unsupported event")
        symbols = params.get("symbol")
        if not isinstance(symbols, list) or not symbols:
            raise ApiError("Symbol(s) required")
        return symbols

    def _subscribe_symbol(
        self, channel: str, name: Any, params: dict[str, Any], now_ns: int
    ) -> Reply:
        if not isinstance(name, str) or name not in self._exchange.pairs.by_name:
            error = f"Currency pair not supported {name}"
            return Reply(error=error, result={"symbol": name})
        try:
            detail, shown = _detail(channel, params)
        except ApiError as error:
            return Reply(error=error.text, result={"symbol": name})
        shown = {"symbol": name} | shown
        return self._subscribe_topic((channel, name, detail), params, shown, now_ns)

    def _subscribe_topic(
        self, topic: Topic, params: dict[str, Any], shown: dict[str, Any], now_ns: int
    ) -> Reply:
        channel, name, _ = topic
        # A symbol has one book of each kind on a connection, whatever its depth.
        taken = topic in self._topics or (
            channel in {"book", "level3"} and any(one[:2] == topic[:2] for one in self._topics)
        )
        if taken:
            return Reply(error="Already subscribed", result={"symbol": name} if name else None)
        self._market_data.subscribe(topic, self, now_ns)
        self._topics[topic] = None
        wants = params.get("snapshot", channel != "trade") is not False
        reply = Reply({"channel": channel, "snapshot": wants} | shown)
        if wants:
            label = f"{channel}.{name}" if name else channel
            reply.then.append(lambda now_ns: self._snapshot(topic, label, now_ns))
        return reply

    def _snapshot(self, topic: Topic, label: str, now_ns: int) -> None:
        if topic in self._topics:
            self.deliver(label, self._market_data.snapshot(topic, now_ns))

    def _count_level3(self, params: dict[str, Any], symbols: list[Any], now_ns: int) -> None:
        depth = params.get("depth", LEVEL3_DEPTHS[0])
        held = sum(1 for channel, _, _ in self._topics if channel == "level3")
        if held + len(symbols) > LEVEL3_SYMBOLS:
            raise ApiError("EGeneral:Invalid arguments:too many symbols")
        cost = LEVEL3_COSTS.get(depth, 0) * len(symbols) if isinstance(depth, int) else 0
        if self._level3_rate.value(LEVEL3_RATE, now_ns) + cost > LEVEL3_RATE:
            raise ApiError(words.API_RATE)
        self._level3_rate.add(cost, LEVEL3_RATE, now_ns)

    def _subscribe_private(self, channel: str, params: dict[str, Any], moment: Moment) -> Reply:
        token = self._token(params, moment, None)
        if channel in self._private:
            raise ApiError("Already subscribed")
        private = self._private[channel] = Private(token, params)
        token.held += 1
        if channel == "balances":
            wants = params.get("snapshot", True) is not False
            reply = Reply({"channel": channel, "snapshot": wants})
            if wants:
                reply.then.append(partial(self._balances_snapshot, private))
            return reply
        orders = params.get("snap_orders", True) is not False
        trades = params.get("snap_trades", False) is True
        threshold = int(self._exchange.rates(private.account).threshold)
        reply = Reply(
            {
                "channel": channel,
                "maxratecount": threshold,
                "snap_orders": orders,
                "snap_trades": trades,
            }
        )
        if orders or trades:
            reply.then.append(partial(self._executions_snapshot, private, orders, trades))
        return reply

    def _balances_snapshot(self, private: Private, now_ns: int) -> None:
        data = self._reporter.balances(private.account)
        self._report("balances", data, "balances.snapshot", now_ns, "snapshot")

    def _executions_snapshot(
        self, private: Private, orders: bool, trades: bool, now_ns: int
    ) -> None:
        data = []
        if orders:
            standing = self._exchange.open_orders(private.account)
            data += [self._reporter.standing(order) for order in standing]
        if trades:
            data += self._reporter.last_trades(private.account)
        self._report("executions", data, "executions.snapshot", now_ns, "snapshot")

    def _unsubscribe(self, params: dict[str, Any], moment: Moment) -> list[Reply]:
        channel = _channel(params)
        if channel in PRIVATE:
            private = self._private.pop(channel, None)
            if private is None:
                raise ApiError("Subscription Not Found")
            private.token.held -= 1
            return [Reply({"channel": channel})]
        if channel == "instrument":
            return [self._leave(("instrument", "", None), {})]
        return [
            self._unsubscribe_symbol(channel, name, params)
            for name in self._symbols(channel, params)
        ]

    def _unsubscribe_symbol(self, channel: str, name: Any, params: dict[str, Any]) -> Reply:
        if not isinstance(name, str):
            return Reply(error="Subscription Not Found", result={"symbol": name})
        try:
            detail, shown = _detail(channel, params)
        except ApiError as error:
            return Reply(error=error.text, result={"symbol": name})
        return self._leave((channel, name, detail), {"symbol": name} | shown)

    def _leave(self, topic: Topic, shown: dict[str, Any]) -> Reply:
        if topic not in self._topics:
            return Reply(error="Subscription Not Found", result=shown)
        del self._topics[topic]
        self._market_data.unsubscribe(topic, self)
        return Reply({"channel": topic[0]} | shown)

    # -- orders --------------------------------------------------------------------------------

    def _token(self, params: dict[str, Any], moment: Moment, permission: str | None) -> Token:
        if "token" not in params:
            raise ApiError("Token(s) not found")
        token = self._exchange.token(params["token"], moment.now_ns)
        if permission is not None and permission not in token.key.permissions:
            raise ApiError(words.PERMISSION)
        return token

    def _account(self, params: dict[str, Any], moment: Moment, permission: str) -> Account:
        return self._token(params, moment, permission).key.account

    def _add_order(self, params: dict[str, Any], moment: Moment) -> list[Reply]:
        account = self._account(params, moment, keys.MODIFY)
        trading.check_deadline(params, moment.received_ns, moment.now_ns)
        if params.get("validate") is True:
            pair = trading.pair_of(self._exchange, params.get("symbol"))
            trading.read_order(params, pair, moment.now_ns)
            return [Reply({})]
        order = trading.add(self._exchange, account, params, moment.now_ns)
        return [Reply(self._placed(order))]

    def _placed(self, order: Order) -> dict[str, Any]:
        result: dict[str, Any] = {"order_id": self._exchange.order_id(order)}
        if order.client_id:
            result["cl_ord_id"] = order.client_id
        if order.tag.userref is not None:
            result["order_userref"] = order.tag.userref
        return result

    def _batch_add(self, params: dict[str, Any], moment: Moment) -> list[Reply]:
        account = self._account(params, moment, keys.MODIFY)
        trading.check_deadline(params, moment.received_ns, moment.now_ns)
        done = trading.add_batch(
            self._exchange,
            account,
            params.get("symbol"),
            params.get("orders"),
            moment.now_ns,
            validate=params.get("validate") is True,
        )
        results: list[dict[str, Any]] = [
            {"success": False, "error": one.text}
            if isinstance(one, ApiError)
            else self._placed(one) | {"success": True}
            for one in done
        ]
        return [Reply(results)]

    def _amend_order(self, params: dict[str, Any], moment: Moment) -> list[Reply]:
        account = self._account(params, moment, keys.MODIFY)
        trading.check_deadline(params, moment.received_ns, moment.now_ns)
        _, amend_id = trading.amend(self._exchange, account, params, moment.now_ns)
        named = {name: params[name] for name in ("order_id", "cl_ord_id") if name in params}
        return [Reply({"amend_id": amend_id} | named)]

    def _edit_order(self, params: dict[str, Any], moment: Moment) -> list[Reply]:
        account = self._account(params, moment, keys.MODIFY)
        trading.check_deadline(params, moment.received_ns, moment.now_ns)
        former, order = trading.edit(self._exchange, account, params, moment.now_ns)
        former_id = self._exchange.order_id(former)
        return [Reply({"order_id": self._exchange.order_id(order), "original_order_id": former_id})]

    def _cancel_order(self, params: dict[str, Any], moment: Moment) -> list[Reply]:
        account = self._account(params, moment, keys.CANCEL)
        replies = []
        for order in trading.chosen(self._exchange, account, params):
            try:
                done = trading.cancel(self._exchange, account, order, moment.now_ns)
                replies.append(Reply(self._placed(done)))
            except ApiError as error:
                replies.append(Reply(error=error.text))
        return replies

    def _cancel_all(self, params: dict[str, Any], moment: Moment) -> list[Reply]:
        account = self._account(params, moment, keys.CANCEL)
        return [Reply({"count": trading.cancel_all(self._exchange, account, moment.now_ns)})]

    def _cancel_after(self, params: dict[str, Any], moment: Moment) -> list[Reply]:
        account = self._account(params, moment, keys.CANCEL)
        timeout = params.get("timeout")
        return [Reply(trading.cancel_after(self._exchange, account, timeout, moment.now_ns))]

    def _batch_cancel(self, params: dict[str, Any], moment: Moment) -> list[Reply]:
        account = self._account(params, moment, keys.CANCEL)
        count = trading.cancel_batch(
            self._exchange,
            account,
            params.get("orders"),
            params.get("cl_ord_id"),
            moment.now_ns,
        )
        return [Reply({"count": count})]


def _channel(params: dict[str, Any]) -> str:
    """Return the channel that a request names; it may name none, or something that is no name."""
    channel = params.get("channel")
    return channel if isinstance(channel, str) else ""


def _detail(channel: str, params: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return what sets a subscription apart from others of its channel, and how it is shown."""
    if channel in {"book", "level3"}:
        depths = BOOK_DEPTHS if channel == "book" else LEVEL3_DEPTHS
        depth = params.get("depth", depths[0])
        if type(depth) is not int or depth not in depths:
            raise ApiError("Subscription depth not supported")
        return depth, {"depth": depth}
    if channel == "ticker":
        trigger = params.get("event_trigger", "trades")
        if trigger not in ("bbo", "trades"):
            raise ApiError("Event trigger not supported")
        return trigger, {"event_trigger": trigger}
    if channel == "ohlc":
        interval = params.get("interval", INTERVALS[0])
        if type(interval) is not int or interval not in INTERVALS:
            raise ApiError("Subscription interval not supported")
        return interval, {"interval": interval}
    return None, {}


def _check_fields(method: str, params: dict[str, Any]) -> None:
    """Raise for a field that the method has not, which the venue does not pass over."""
    known = _FIELDS.get(method)
    unknown = [] if known is None else [name for name in params if name not in known]
    if unknown:
        kind = method.replace("_", " ")
        raise ApiError(f"Unsupported field: '{unknown[0]}' for the given msg type: {kind}")


def _check_numbers(params: dict[str, Any]) -> None:
    """Raise where a number was sent as text: this protocol takes numbers for numbers."""
    orders = params.get("orders")
    inner: Iterable[Any] = orders if isinstance(orders, list) else ()
    for one in (params, params.get("triggers"), *inner):
        for name in _NUMBERS:
            if isinstance(one, dict) and isinstance(one.get(name), str):
                raise ApiError(f"{name.capitalize()} field must be a number_float")


def _decode(text: str | bytes) -> dict[str, Any] | None:
    """Return a request, its numbers exactly as they were sent."""
    try:
        request = _read(text)
    except (ValueError, RecursionError):
        return None
    return request if isinstance(request, dict) else None
