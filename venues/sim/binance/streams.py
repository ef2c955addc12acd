"""One connection of the market streams, without its socket (web-socket-streams.md).

What a client says goes in as text, replies and payloads go out through ``connection``; the socket's
side only moves bytes and closes when ``TooManyMessagesError`` is raised.
"""

from collections import deque
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from venues.sim.binance.exchange import UNITS_NS
from venues.sim.binance.market_data import MarketData
from venues.sim.durations import MILLISECOND_NS, SECOND_NS
from venues.sim.faults import Connection, Part
from venues.sim.venue import TooManyMessagesError

MAX_STREAMS: Final = 1_024
MESSAGES_PER_SECOND: Final = 5

_METHODS: Final = (
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "LIST_SUBSCRIPTIONS",
    "SET_PROPERTY",
    "GET_PROPERTY",
)
# The page says alphanumeric; the venue takes any text, such as the dashed UUID of its own clients.
LONGEST_ID: Final = 36


class MessageBudget:
    """At most ``MESSAGES_PER_SECOND`` incoming messages in any second; control frames count."""

    def __init__(self) -> None:
        self._times_ns: deque[int] = deque(maxlen=MESSAGES_PER_SECOND)

    def spend(self, now_ns: int) -> None:
        """Count one message; raise TooManyMessagesError when it is one too many."""
        times = self._times_ns
        if len(times) == MESSAGES_PER_SECOND and now_ns - times[0] < SECOND_NS:
            raise TooManyMessagesError
        times.append(now_ns)


class _InvalidError(Exception):
    """A control message the venue answers with an error code."""

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg


class StreamSession:
    """Subscriptions and properties of one connection."""

    def __init__(self, market_data: MarketData, connection: Connection[bytes], target: str) -> None:
        """Open the session that a request for ``target`` (path and query) requests."""
        parts = urlsplit(target)
        options = dict(parse_qsl(parts.query))
        self.connection = connection
        self.combined = parts.path.startswith("/stream")
        self.unit_ns = UNITS_NS.get(options.get("timeUnit", "").upper(), MILLISECOND_NS)
        self.budget = MessageBudget()
        self._market_data = market_data
        self._streams: dict[str, None] = {}
        if self.combined:
            asked = options.get("streams", "")
        else:
            asked = parts.path.removeprefix("/ws").removeprefix("/")
        wanted = [name for name in asked.split("/") if name][:MAX_STREAMS]
        self._subscribe([name for name in wanted if not market_data.leaves_out(name)])

    @staticmethod
    def accepts(path: str) -> bool:
        """Whether ``path`` is one that serves market streams."""
        return path in {"/ws", "/stream"} or path.startswith(("/ws/", "/stream/", "/stream?"))

    def deliver(self, payload: bytes) -> None:
        self.connection.send(payload, Part.DATA)

    def receive(self, text: str | bytes, now_ns: int) -> None:
        """Answer one control message; raise TooManyMessagesError when there are too many."""
        self.budget.spend(now_ns)
        request: Any = None
        try:
            request = self._decode(text)
            reply = {"result": self._handle(request), "id": request.get("id")}
        except _InvalidError as error:
            reply = {"code": error.code, "msg": error.msg}
            if isinstance(request, dict) and "id" in request:
                reply["id"] = request["id"]
        self.connection.send(msgspec.json.encode(reply), Part.REPLIES)

    def control(self, now_ns: int) -> None:
        """Count a ping or pong among the messages."""
        self.budget.spend(now_ns)

    def announce_shutdown(self, now_ns: int) -> None:
        """Tell the client that the server is about to go (Server Shutdown)."""
        event: dict[str, Any] = {"e": "serverShutdown", "E": now_ns // self.unit_ns}
        if self.combined:
            event = {"stream": "!serverShutdown", "data": event}
        self.connection.send(msgspec.json.encode(event), Part.DATA)

    def close(self) -> None:
        self.connection.close()
        for stream in self._streams:
            self._market_data.unsubscribe(stream, self)
        self._streams.clear()

    def _decode(self, text: str | bytes) -> dict[str, Any]:
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _InvalidError(3, "Invalid JSON: expected value at line 1 column 1") from None
        if not isinstance(request, dict):
            raise _InvalidError(2, "Invalid request: missing field `method` at line 1 column 1")
        if "method" not in request:
            column = len(text)
            raise _InvalidError(
                2, f"Invalid request: missing field `method` at line 1 column {column}"
            )
        method = request["method"]
        if method not in _METHODS:
            known = ", ".join(f"`{name}`" for name in _METHODS)
            raise _InvalidError(
                2,
                f"Invalid request: unknown variant `{method}`, expected one of {known}"
                " at line 1 column 28",
            )
        if "id" not in request or not _is_id(request["id"]):
            raise _InvalidError(2, "Invalid request: request ID must be an unsigned integer")
        return request

    def _handle(self, request: dict[str, Any]) -> Any:
        method, params = request["method"], request.get("params", [])
        if not isinstance(params, list):
            raise _InvalidError(2, "Invalid request: params must be an array")
        match method:
            case "SUBSCRIBE":
                self._subscribe(_names(params))
            case "UNSUBSCRIBE":
                for name in _names(params):
                    self._market_data.unsubscribe(name, self)
                    self._streams.pop(name, None)
            case "LIST_SUBSCRIPTIONS":
                if params:
                    raise _InvalidError(2, "Invalid request: too many parameters")
                return list(self._streams)
            case "SET_PROPERTY":
                self._set_property(params)
            case _:
                return self._get_property(params)
        return None

    def _subscribe(self, names: list[str]) -> None:
        if len({**self._streams, **dict.fromkeys(names)}) > MAX_STREAMS:
            raise _InvalidError(
                2, f"Invalid request: a connection can listen to at most {MAX_STREAMS} streams"
            )
        not_here = next((name for name in names if self._market_data.leaves_out(name)), None)
        if not_here is not None:
            raise _InvalidError(2, f"Invalid request: {not_here} is not served by this exchange")
        for name in names:
            self._streams[name] = None
            self._market_data.subscribe(name, self)

    def _set_property(self, params: list[Any]) -> None:
        self._check_property(params)
        if len(params) > 2:
            raise _InvalidError(2, "Invalid request: too many parameters")
        if len(params) < 2 or not isinstance(params[1], bool):
            raise _InvalidError(1, "Invalid value type: expected Boolean")
        self.combined = params[1]

    def _get_property(self, params: list[Any]) -> bool:
        self._check_property(params)
        if len(params) > 1:
            raise _InvalidError(2, "Invalid request: too many parameters")
        return self.combined

    @staticmethod
    def _check_property(params: list[Any]) -> None:
        if not params or not isinstance(params[0], str):
            raise _InvalidError(2, "Invalid request: property name must be a string")
        if params[0] != "combined":
            raise _InvalidError(0, "Unknown property")


def _names(params: list[Any]) -> list[str]:
    if not all(isinstance(name, str) for name in params):
        raise _InvalidError(2, "Invalid request: stream name must be a string")
    return params


def _is_id(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, str) and len(value) <= LONGEST_ID
