"""One connection of the WebSocket API, without its socket (web-socket-api.md).

Requests go in as text; responses and private events go out through ``connection``, in the order in
which they came about.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from venues.sim.binance import errors
from venues.sim.binance.auth import sorted_payload
from venues.sim.binance.errors import ApiError
from venues.sim.binance.exchange import UNITS_NS, Exchange, Origin, Reply
from venues.sim.binance.keys import ApiKey, Ed25519Key
from venues.sim.binance.methods import METHODS
from venues.sim.binance.order_views import in_unit
from venues.sim.binance.parameters import Parameters, as_text
from venues.sim.durations import MILLISECOND_NS
from venues.sim.faults import Connection, Moment, Part

PATH: Final = "/ws-api/v3"
CONNECT_WEIGHT: Final = 2
SESSION_WEIGHT: Final = 2
MAX_ACTIVE_SUBSCRIPTIONS: Final = 1_000
MAX_SUBSCRIPTIONS_EVER: Final = 65_535

_encode = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(float_hook=str).decode


class Subscription:
    """Events of one account; ``by_logon`` tells it from one made by signature."""

    __slots__ = ("account", "by_logon")

    def __init__(self, account: int, *, by_logon: bool) -> None:
        self.account = account
        self.by_logon = by_logon


class ApiSession:
    """Login state and user data subscriptions of one connection."""

    def __init__(
        self, exchange: Exchange, connection: Connection[bytes], target: str, ip: str, now_ns: int
    ) -> None:
        options = dict(parse_qsl(urlsplit(target).query))
        self.connection = connection
        self.unit_ns = UNITS_NS.get(options.get("timeUnit", "").upper(), MILLISECOND_NS)
        self._return_rate_limits = options.get("returnRateLimits", "true").lower() != "false"
        self._exchange = exchange
        self._ip = ip
        self._connected_ns = now_ns
        self._key: ApiKey | None = None
        self._authorized_ns: int | None = None
        self._subscriptions: dict[int, Subscription] = {}
        self._next_subscription_id = 0
        self._own_methods: dict[str, Callable[[Mapping[str, str], Origin, int], Any]] = {
            "session.logon": self._logon,
            "session.status": self._session_status,
            "session.logout": self._logout,
            "session.subscriptions": self._list_subscriptions,
            "userDataStream.subscribe": self._subscribe,
            "userDataStream.subscribe.signature": self._subscribe_by_signature,
            "userDataStream.unsubscribe": self._unsubscribe,
        }

    # -- in ------------------------------------------------------------------------------------

    def receive(self, text: str | bytes, now_ns: int) -> None:
        """Answer one request."""
        request_id: Any = None
        try:
            request = _decode(text)
            self._check_session()
            request_id = request["id"]
            values = {key: as_text(value) for key, value in request.get("params", {}).items()}
        except ApiError as error:
            self._answer("", request_id, self._return_rate_limits, Reply(error=error), now_ns)
            return
        name = request["method"].removeprefix("v3/")
        default = str(self._return_rate_limits)
        show_limits = values.get("returnRateLimits", default).lower() == "true"
        self.connection.request(
            name,
            partial(self._dispatch, name, values),
            partial(self._answer, name, request_id, show_limits),
            now_ns,
        )

    def _check_session(self) -> None:
        """Revoke the session, by a response without id, when its key exists no more."""
        key = self._key
        if key is not None and self._exchange.keys.get(key.api_key) is not key:
            self._key = self._authorized_ns = None
            raise errors.rejected_key()

    def _answer(
        self, name: str, request_id: Any, show_limits: bool, reply: Reply, now_ns: int
    ) -> None:
        response = _response(request_id, reply, now_ns, show_limits)
        self.connection.send(_encode(response), Part.REPLIES, name)

    def _dispatch(self, name: str, values: dict[str, str], moment: Moment) -> Reply:
        now_ns = moment.now_ns
        origin = Origin(
            ip=self._ip,
            api_key=values.get("apiKey"),
            payload=sorted_payload(values),
            session=self._key,
            unit_ns=self.unit_ns,
        )
        if name in METHODS:
            return self._exchange.call(METHODS[name], values, origin, now_ns, moment)
        if name not in self._own_methods:
            return Reply(error=errors.unsupported_operation())
        requests = self._exchange.requests_of(self._ip)
        reply = Reply()
        try:
            requests.admit(SESSION_WEIGHT, now_ns)
            reply.result = self._own_methods[name](values, origin, now_ns)
        except ApiError as error:
            reply.error = error
        requests.charge(SESSION_WEIGHT, now_ns)
        reply.weight = requests.weight.state(now_ns)
        return reply

    # -- out -----------------------------------------------------------------------------------

    def tell(self, account: int, event: dict[str, Any]) -> None:
        """Pass on a private event to the subscription of that account, if there is one."""
        for number, subscription in self._subscriptions.items():
            if subscription.account == account:
                self._send_event(number, event)

    def control(self, now_ns: int) -> None:
        """Pings and pongs are free here."""

    def announce_shutdown(self, now_ns: int) -> None:
        """Tell the client that the server is about to go (Server Shutdown)."""
        event = in_unit({"e": "serverShutdown", "E": now_ns}, self.unit_ns)
        self.connection.send(_encode({"event": event}), Part.REPORTS, event["e"])

    def _send_event(self, number: int, event: dict[str, Any]) -> None:
        scaled = in_unit(event, self.unit_ns)
        name = f"{event['e']}.{event['x']}" if "x" in event else event["e"]
        self.connection.send(
            _encode({"subscriptionId": number, "event": scaled}), Part.REPORTS, name
        )

    # -- session -------------------------------------------------------------------------------

    def _logon(self, values: Mapping[str, str], origin: Origin, now_ns: int) -> Any:
        if origin.api_key is None:
            raise errors.missing("apiKey")
        Parameters(values).finish()
        key = self._exchange.authenticate(values, origin, None, now_ns)
        if not isinstance(key, Ed25519Key):
            raise ApiError(-4056, "HMAC_SHA256 API key is not supported.")
        self._key, self._authorized_ns = key, now_ns
        return self._status(now_ns)

    def _session_status(self, values: Mapping[str, str], origin: Origin, now_ns: int) -> Any:
        Parameters(values).finish()
        return self._status(now_ns)

    def _logout(self, values: Mapping[str, str], origin: Origin, now_ns: int) -> Any:
        Parameters(values).finish()
        self._key = self._authorized_ns = None
        self._end([n for n, one in self._subscriptions.items() if one.by_logon], now_ns)
        return self._status(now_ns)

    def _status(self, now_ns: int) -> dict[str, Any]:
        since = self._authorized_ns
        return {
            "apiKey": None if self._key is None else self._key.api_key,
            "authorizedSince": None if since is None else since // self.unit_ns,
            "connectedSince": self._connected_ns // self.unit_ns,
            "returnRateLimits": self._return_rate_limits,
            "serverTime": now_ns // self.unit_ns,
            "userDataStream": bool(self._subscriptions),
        }

    # -- user data -----------------------------------------------------------------------------

    def _list_subscriptions(self, values: Mapping[str, str], origin: Origin, now_ns: int) -> Any:
        Parameters(values).finish()
        return [{"subscriptionId": number} for number in self._subscriptions]

    def _subscribe(self, values: Mapping[str, str], origin: Origin, now_ns: int) -> Any:
        Parameters(values).finish()
        if self._key is None:
            raise errors.bad_key_format()
        if not self._key.allows("USER_STREAM", origin.ip):
            raise errors.rejected_key()
        return self._add_subscription(self._key.account.number, by_logon=True)

    def _subscribe_by_signature(
        self, values: Mapping[str, str], origin: Origin, now_ns: int
    ) -> Any:
        if origin.api_key is None:
            raise errors.missing("apiKey")
        Parameters(values).finish()
        key = self._exchange.authenticate(values, origin, "USER_STREAM", now_ns)
        return self._add_subscription(key.account.number, by_logon=False)

    def _unsubscribe(self, values: Mapping[str, str], origin: Origin, now_ns: int) -> Any:
        p = Parameters(values)
        number = p.integer("subscriptionId")
        p.finish()
        if number is None:
            self._end(list(self._subscriptions), now_ns)
        elif number in self._subscriptions:
            self._end([number], now_ns)
        else:
            raise errors.subscription_inactive()
        return {}

    def _add_subscription(self, account: int, *, by_logon: bool) -> dict[str, int]:
        if any(one.account == account for one in self._subscriptions.values()):
            raise errors.subscription_active()
        full = len(self._subscriptions) >= MAX_ACTIVE_SUBSCRIPTIONS
        if full or self._next_subscription_id >= MAX_SUBSCRIPTIONS_EVER:
            raise errors.too_many_subscriptions()
        number = self._next_subscription_id
        self._next_subscription_id += 1
        self._subscriptions[number] = Subscription(account, by_logon=by_logon)
        return {"subscriptionId": number}

    def _end(self, numbers: list[int], now_ns: int) -> None:
        for number in numbers:
            self._send_event(number, {"e": "eventStreamTerminated", "E": now_ns})
            del self._subscriptions[number]


def _decode(text: str | bytes) -> dict[str, Any]:
    """Return a well-formed request; numbers with a fraction stay the text they were sent as."""
    try:
        request = _read(text)
    except (ValueError, RecursionError):
        raise errors.bad_json() from None
    if not isinstance(request, dict) or not isinstance(request.get("params", {}), dict):
        raise errors.bad_json()
    if not isinstance(request.get("method"), str):
        raise errors.missing("method")
    if "id" not in request or not isinstance(request["id"], str | int | None):
        raise errors.missing("id")
    return request


def _response(request_id: Any, reply: Reply, now_ns: int, show_limits: bool) -> dict[str, Any]:
    response: dict[str, Any] = {"id": request_id, "status": reply.status}
    if reply.error is None:
        response["result"] = reply.result
    else:
        response["error"] = _error(reply.error, now_ns)
    if show_limits:
        weight = [reply.weight] if reply.weight else []
        response["rateLimits"] = [*reply.order_counts, *weight]
    return response


def _error(error: ApiError, now_ns: int) -> dict[str, Any]:
    body = error.body()
    data = dict(error.data or {})
    if error.retry_at_ms is not None:
        data |= {"serverTime": now_ns // MILLISECOND_NS, "retryAfter": error.retry_at_ms}
    if data:
        body["data"] = data
    return body
