"""A market stream connection: subscriptions, properties, error codes, limits."""

import json
from typing import Any

import pytest

from tests.venues.sim.binance.driver import MS, START_NS
from venues.sim.binance.streams import StreamSession
from venues.sim.binance.venue import Venue
from venues.sim.fixed import ONE
from venues.sim.matching import BUY
from venues.sim.venue import TooManyMessagesError


class Out:
    """An outlet that keeps what leaves."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, payload: bytes) -> None:
        self.sent.append(json.loads(payload))

    def cut(self) -> None:
        raise AssertionError("no fault is on")


class Client:
    """One session with a clock that leaves room for any number of messages."""

    def __init__(self, target: str = "/ws") -> None:
        self.venue = Venue(START_NS, rate=0)
        self.out = Out()
        self.session = self.venue.open_stream_session(self.out, target)
        self.now_ns = START_NS

    def say(self, message: Any) -> Any:
        self.now_ns += 1_000 * MS
        text = message if isinstance(message, str) else json.dumps(message)
        self.session.receive(text, self.now_ns)
        return self.out.sent[-1]

    def stir(self) -> list[Any]:
        """Change the best bid; return what was heard of it."""
        before = len(self.out.sent)
        market = self.venue.exchange.engine.markets["BTCUSDT"]
        price = (market.book.best().bid or 100 * ONE) + ONE
        self.venue.exchange.engine.house_order(market, BUY, price, ONE, self.now_ns, rest=True)
        self.venue.advance(self.now_ns)
        return self.out.sent[before:]


def test_raw_and_combined_payloads() -> None:
    (raw,) = Client("/ws/btcusdt@bookTicker").stir()
    assert raw["s"] == "BTCUSDT"
    (combined,) = Client("/stream?streams=btcusdt@trade/btcusdt@bookTicker").stir()
    assert combined["stream"] == "btcusdt@bookTicker"
    assert combined["data"]["s"] == "BTCUSDT"


def test_subscribe_list_unsubscribe() -> None:
    client = Client()
    subscribe = {"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 1}
    assert client.say(subscribe) == {"result": None, "id": 1}
    assert client.say({"method": "LIST_SUBSCRIPTIONS", "id": 3}) == {
        "result": ["btcusdt@bookTicker"],
        "id": 3,
    }
    assert len(client.stir()) == 1
    client.say({"method": "UNSUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": "a1"})
    assert client.stir() == []
    assert client.say({"method": "LIST_SUBSCRIPTIONS", "id": None})["result"] == []


def test_subscribing_twice_does_not_double() -> None:
    client = Client("/ws/btcusdt@bookTicker")
    client.say({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 1})
    assert len(client.stir()) == 1


def test_the_combined_property() -> None:
    client = Client("/ws/btcusdt@bookTicker")
    assert (
        client.say({"method": "GET_PROPERTY", "params": ["combined"], "id": 1})["result"] is False
    )
    assert client.say({"method": "SET_PROPERTY", "params": ["combined", True], "id": 2}) == {
        "result": None,
        "id": 2,
    }
    assert "stream" in client.stir()[0]


@pytest.mark.parametrize(
    ("message", "code", "msg"),
    [
        ("{", 3, "Invalid JSON"),
        ([], 2, "missing field `method`"),
        ({"id": 1}, 2, "missing field `method`"),
        ({"method": "JOIN", "id": 1}, 2, "unknown variant `JOIN`, expected one of `SUBSCRIBE`"),
        ({"method": "SUBSCRIBE", "params": []}, 2, "request ID must be an unsigned integer"),
        ({"method": "SUBSCRIBE", "params": [], "id": 1.5}, 2, "request ID"),
        ({"method": "SUBSCRIBE", "params": [], "id": "x" * 37}, 2, "request ID"),
        ({"method": "SUBSCRIBE", "params": {}, "id": 1}, 2, "params"),
        ({"method": "SUBSCRIBE", "params": [1], "id": 1}, 2, "stream name"),
        ({"method": "LIST_SUBSCRIPTIONS", "params": ["x"], "id": 1}, 2, "too many parameters"),
        ({"method": "SET_PROPERTY", "params": ["split", True], "id": 1}, 0, "Unknown property"),
        ({"method": "SET_PROPERTY", "params": [1, True], "id": 1}, 2, "property name"),
        ({"method": "SET_PROPERTY", "params": [], "id": 1}, 2, "property name"),
        ({"method": "SET_PROPERTY", "params": ["combined", 1], "id": 1}, 1, "expected Boolean"),
        ({"method": "GET_PROPERTY", "params": ["combined", 1], "id": 1}, 2, "too many"),
    ],
)
def test_error_codes(message: Any, code: int, msg: str) -> None:
    client = Client("/ws/btcusdt@bookTicker")
    answer = client.say(message)
    assert answer["code"] == code
    assert msg in answer["msg"]
    assert len(client.stir()) == 1


def test_a_connection_listens_to_at_most_1024_streams() -> None:
    client = Client()
    names = [f"s{number}@trade" for number in range(1_024)]
    assert client.say({"method": "SUBSCRIBE", "params": names, "id": 1})["result"] is None
    assert client.say({"method": "SUBSCRIBE", "params": ["x@trade"], "id": 2})["code"] == 2
    assert client.say({"method": "SUBSCRIBE", "params": names[:9], "id": 3})["result"] is None


def test_a_sixth_message_within_a_second_is_too_many() -> None:
    client = Client()
    for step in range(5):
        client.session.receive('{"method":"LIST_SUBSCRIPTIONS","id":1}', START_NS + step * MS)
    with pytest.raises(TooManyMessagesError):
        client.session.receive("{", START_NS + 999 * MS)
    client.session.receive("{", START_NS + 1_000 * MS)


def test_shutdown_is_announced_in_both_forms() -> None:
    raw, combined = Client("/ws"), Client("/stream?streams=&timeUnit=microsecond")
    for client in (raw, combined):
        client.session.announce_shutdown(START_NS)
    assert raw.out.sent == [{"e": "serverShutdown", "E": START_NS // MS}]
    assert combined.out.sent == [
        {"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": START_NS // 1_000}}
    ]


def test_a_closed_session_hears_nothing() -> None:
    client = Client("/ws/btcusdt@bookTicker")
    client.session.close()
    assert client.stir() == []


@pytest.mark.parametrize("path", ["/ws", "/ws/btcusdt@trade", "/stream"])
def test_paths_of_market_streams(path: str) -> None:
    assert StreamSession.accepts(path)
    assert not StreamSession.accepts("/elsewhere" + path)


@pytest.mark.parametrize(
    "request_id",
    ["6c1b5f0e-9a3d-4f7b-8f53-0d6f3f1f9a10", "a b/c.d:e", "", "é" * 36, 2**63 - 1, -(2**63), None],
)
def test_a_request_id_is_any_text_of_36_characters_or_a_long(request_id: Any) -> None:
    client = Client()
    said = {"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": request_id}
    assert client.say(said) == {"result": None, "id": request_id}


@pytest.mark.parametrize("stream", ["btcusdt@referencePrice", "!ticker@arr", "!bookTicker"])
def test_a_stream_that_is_left_out_is_refused_and_never_silent(stream: str) -> None:
    client = Client()
    answer = client.say({"method": "SUBSCRIBE", "params": [stream], "id": 1})
    assert answer["code"] == 2
    assert client.say({"method": "LIST_SUBSCRIPTIONS", "id": 2})["result"] == []
    opened = Client(f"/ws/{stream}")
    assert opened.say({"method": "LIST_SUBSCRIPTIONS", "id": 2})["result"] == []
