"""The fault switchboard: what each fault does, within its scope and no further.

The last part is the same over real sockets of the loopback.
"""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
import trio
from trio_websocket import ConnectionClosed, wrap_client_stream

from tests.venues.sim.binance.driver import MS, START_NS, limit
from venues.sim import control
from venues.sim.binance.answers import CANCELS, PLACING, BinanceAnswers
from venues.sim.binance.rest import receive
from venues.sim.binance.venue import Venue
from venues.sim.faults import (
    MAX_STANDING,
    ConnectionName,
    Fault,
    FaultError,
    Kind,
    Switchboard,
)
from venues.sim.fixed import ONE
from venues.sim.http import HttpReply, HttpRequest
from venues.sim.server import ServerConfig, running_exchange

SECOND = 1_000 * MS


class Out:
    """An outlet that keeps what leaves."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.is_cut = False

    def send(self, payload: bytes) -> None:
        self.sent.append(json.loads(payload))

    def cut(self) -> None:
        self.is_cut = True


class RestOut:
    """Keeps the reply to one REST request."""

    def __init__(self) -> None:
        self.replies: list[HttpReply] = []
        self.is_cut = False

    def send(self, payload: HttpReply) -> None:
        self.replies.append(payload)

    def cut(self) -> None:
        self.is_cut = True


class Client:
    """A logged-on connection that is told of its orders, and the exchange with its faults."""

    def __init__(self) -> None:
        self.now_ns = START_NS
        self.venue = Venue(START_NS, rate=0)
        exchange = self.venue.exchange
        self.account = exchange.engine.open_account({"USDT": 10**6 * ONE, "BTC": 10 * ONE})
        exchange.add_hmac_key("key", "fake", self.account)
        self.out = Out()
        self.session = self.venue.open_api_session(self.out, "/ws-api/v3", "ip", START_NS)
        self.session._key = exchange.keys["key"]
        self.ask("userDataStream.subscribe")
        self.out.sent.clear()
        self._asked = 0

    def fault(self, kind: str, **scope: Any) -> int:
        described = msgspec.convert({"fault": kind} | scope, Fault)
        return self.venue.faults.switch_on(described, self.now_ns)

    def ask(self, method: str, **values: Any) -> None:
        text = json.dumps({"id": method, "method": method, "params": values})
        self.session.receive(text, self.now_ns)
        self.venue.advance(self.now_ns)

    def place(self, price: str = "60000", name: str = "a") -> None:
        stamp = self.now_ns // MS
        order = limit("BUY", price, "0.01", newClientOrderId=name, timestamp=stamp)
        self.ask("order.place", **order)

    def cancel(self, name: str = "a") -> None:
        values = {"symbol": "BTCUSDT", "origClientOrderId": name, "timestamp": self.now_ns // MS}
        self.ask("order.cancel", **values)

    def rest(self, path: str = "/api/v3/time") -> RestOut:
        out = RestOut()
        receive(self.venue, HttpRequest("GET", path), out, self.now_ns)
        return out

    def wait(self, milliseconds: int) -> None:
        self.now_ns += milliseconds * MS
        self.venue.step(self.now_ns)

    def open_orders(self) -> list[str]:
        file = self.venue.exchange.engine.file(self.account, "BTCUSDT")
        return [order.client_id for order in file.open.values()]

    def heard(self) -> list[str]:
        """Return what arrived: the event's name, or the code of a reply."""
        return [
            one["event"]["e"] if "event" in one else str(one.get("error", {}).get("code", "ok"))
            for one in self.out.sent
        ]


HEARD = ["ok", "executionReport", "outboundAccountPosition"]


def test_without_faults_everything_passes_at_once() -> None:
    client = Client()
    client.place()
    assert client.heard() == HEARD


@pytest.mark.parametrize("part", ["replies", "reports"])
def test_a_dropped_message_never_arrives_and_the_rest_does(part: str) -> None:
    client = Client()
    client.fault("drop", on=part)
    client.place()
    client.wait(10_000)
    assert client.heard() == (HEARD[1:] if part == "replies" else HEARD[:1])
    assert client.open_orders() == ["a"]


def test_a_dropped_request_is_never_executed() -> None:
    client = Client()
    client.fault("drop", on="requests")
    client.place()
    client.wait(10_000)
    assert (client.heard(), client.open_orders()) == ([], [])


def test_a_delayed_request_is_executed_late_and_then_reported() -> None:
    client = Client()
    client.fault("delay", on="requests", delay_ms=500, times=1)
    client.place()
    client.wait(499)
    assert client.open_orders() == []
    client.wait(1)
    assert client.heard() == HEARD
    assert client.open_orders() == ["a"]


def test_a_delayed_reply_is_passed_by_the_report() -> None:
    client = Client()
    client.fault("delay", on="replies", delay_ms=50)
    client.place()
    client.wait(50)
    assert client.heard() == [*HEARD[1:], "ok"]


def test_a_duplicated_message_arrives_twice_the_second_time_when_told() -> None:
    client = Client()
    client.fault("duplicate", on="reports", methods=["executionReport"], delay_ms=20)
    client.place()
    assert client.heard() == HEARD
    client.wait(20)
    assert client.heard() == [*HEARD, "executionReport"]


def test_a_reordered_message_is_overtaken_by_the_next() -> None:
    client = Client()
    client.fault("reorder", on="reports", methods=["executionReport"])
    client.place()
    assert client.heard() == ["ok", "outboundAccountPosition", "executionReport"]


def test_a_reordered_message_that_nothing_overtakes_leaves_after_a_second() -> None:
    client = Client()
    client.fault("reorder", on="replies")
    client.ask("time")
    client.wait(999)
    assert client.heard() == []
    client.wait(1)
    assert client.heard() == ["ok"]


@pytest.mark.parametrize(
    ("scope", "status", "code"),
    [
        ({"fault": "server_error"}, 503, -1000),
        ({"fault": "timeout"}, 408, -1007),
        ({"fault": "throttled"}, 429, -1003),
        ({"fault": "banned", "retry_ms": 2_000}, 418, -1003),
        ({"fault": "clock"}, 400, -1021),
        ({"fault": "maintenance"}, 400, -2010),
    ],
)
def test_a_refusal_has_the_venues_code_and_nothing_is_executed(
    scope: dict[str, Any], status: int, code: int
) -> None:
    client = Client()
    client.fault(scope.pop("fault"), **scope)
    client.place()
    [answer] = client.out.sent
    assert (answer["status"], answer["error"]["code"]) == (status, code)
    assert client.open_orders() == []


@pytest.mark.parametrize("kind", ["server_error", "timeout"])
def test_a_failure_may_come_after_the_execution(kind: str) -> None:
    client = Client()
    client.fault(kind, executed=True, methods=["order.place"])
    client.place()
    assert client.heard()[1:] == HEARD[1:], "the reports are true"
    assert client.out.sent[0]["status"] >= 400
    assert client.open_orders() == ["a"]


def test_a_time_to_come_back_is_told_where_the_venue_tells_one() -> None:
    client = Client()
    for kind, scope in (("throttled", {}), ("throttled", {"retry_ms": 1_500})):
        number = client.fault(kind, **scope)
        client.ask("time")
        [plain] = client.rest().replies
        assert plain.headers.get("Retry-After") == ("2" if scope else None)
        data = client.out.sent[-1]["error"].get("data", {})
        assert data.get("retryAfter") == (client.now_ns // MS + 1_500 if scope else None)
        client.venue.faults.switch_off(number)


@pytest.mark.parametrize("executed", [False, True])
def test_a_disconnect_comes_before_or_after_the_execution_and_says_nothing(executed: bool) -> None:
    client = Client()
    client.fault("disconnect", executed=executed, methods=["order.place"])
    client.place()
    assert client.out.is_cut
    assert client.heard() == []
    assert client.open_orders() == (["a"] if executed else [])


def test_what_is_held_back_for_a_connection_that_ended_never_leaves() -> None:
    client = Client()
    client.fault("delay", on="replies", delay_ms=50)
    client.ask("time")
    client.venue.close_api_session(client.session)
    client.wait(100)
    assert client.heard() == []


def test_a_rest_request_is_cut_off_too() -> None:
    client = Client()
    client.fault("disconnect", line="rest")
    out = client.rest()
    assert (out.is_cut, out.replies) == (True, [])


def test_silence_says_nothing_until_it_is_over_and_executes_all() -> None:
    client = Client()
    client.fault("silence", line="ws_api", seconds=1.0)
    client.place()
    assert client.open_orders() == ["a"]
    assert client.heard() == []
    assert client.rest().replies, "other lines go on"
    client.wait(1_000)
    client.ask("time")
    assert client.heard() == ["ok"]


def test_maintenance_refuses_orders_and_lets_cancels_through() -> None:
    client = Client()
    client.place()
    client.fault("maintenance")
    client.place(name="b")
    client.cancel()
    assert client.open_orders() == []
    assert client.heard()[len(HEARD) :][0] == "-2010"


def test_a_halt_refuses_cancels_as_well() -> None:
    client = Client()
    client.place()
    client.fault("maintenance", methods=[*PLACING, *CANCELS])
    client.cancel()
    assert client.out.sent[-1]["error"] == {"code": -2011, "msg": "Market is closed."}
    assert client.open_orders() == ["a"]


def test_a_refused_cancel_leaves_the_order_standing() -> None:
    client = Client()
    client.place()
    client.fault("refuse_cancel", times=1)
    client.cancel()
    assert client.out.sent[-1]["error"]["code"] == -2011
    assert client.open_orders() == ["a"]
    client.cancel()
    assert client.open_orders() == []


# -- scope -----------------------------------------------------------------------------------


def test_a_fault_hits_as_often_as_told_and_is_counted() -> None:
    client = Client()
    client.fault("server_error", times=2)
    for _ in range(3):
        client.ask("time")
    assert client.heard() == ["-1000", "-1000", "ok"]
    assert client.venue.faults.hits == {Kind.SERVER_ERROR: 2}
    assert client.venue.faults.standing() == []


def test_a_fault_is_over_when_its_time_is() -> None:
    client = Client()
    client.fault("server_error", seconds=0.5)
    client.ask("time")
    client.wait(500)
    client.ask("time")
    assert client.heard() == ["-1000", "ok"]


def test_a_fault_keeps_to_its_methods_and_their_kinds() -> None:
    client = Client()
    client.fault("drop", on="reports", methods=["executionReport.CANCELED"])
    client.fault("server_error", methods=["order"])
    client.ask("time")
    client.place()
    assert client.heard() == ["ok", "-1000"]
    assert not Fault(fault=Kind.CLOCK, methods=("order",)).covers(ConnectionName.REST, "orders")


def test_a_fault_keeps_to_its_connection() -> None:
    client = Client()
    client.fault("server_error", line="rest")
    client.ask("time")
    assert client.heard() == ["ok"]
    assert client.rest().replies[0].status == 503


def test_chance_is_drawn_from_the_generator_passed_in() -> None:
    def hits(seed: int) -> list[bool]:
        board = Switchboard(random.Random(seed), BinanceAnswers())
        board.switch_on(Fault(fault=Kind.CLOCK, chance=0.5), START_NS)
        kinds = frozenset({Kind.CLOCK})
        return [bool(board.hit(kinds, None, ConnectionName.REST, "time")) for _ in range(64)]

    assert hits(1) == hits(1) != hits(2)
    assert 16 < sum(hits(1)) < 48


def test_faults_combine() -> None:
    client = Client()
    client.fault("duplicate", on="replies")
    client.fault("delay", on="replies", delay_ms=10)
    client.fault("clock", methods=["time"])
    client.ask("time")
    assert client.heard() == []
    client.wait(10)
    assert client.heard() == ["-1021", "-1021"]


@pytest.mark.parametrize(
    "described",
    [
        {"fault": "drop"},
        {"fault": "clock", "on": "replies"},
        {"fault": "duplicate", "on": "requests"},
        {"fault": "delay", "on": "replies"},
        {"fault": "clock", "delay_ms": 5},
        {"fault": "clock", "executed": True},
        {"fault": "clock", "retry_ms": 5},
        {"fault": "banned"},
        {"fault": "silence", "times": 1},
        {"fault": "nonsense"},
        {"fault": "clock", "chance": 0},
        {"fault": "clock", "unheard": 1},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(described: dict[str, Any]) -> None:
    with pytest.raises((FaultError, msgspec.ValidationError)):
        msgspec.convert(described, Fault)


def test_only_so_many_faults_stand_at_once() -> None:
    board = Switchboard(random.Random(0), BinanceAnswers())
    for _ in range(MAX_STANDING):
        board.switch_on(Fault(fault=Kind.CLOCK), START_NS)
    with pytest.raises(FaultError, match="on already"):
        board.switch_on(Fault(fault=Kind.CLOCK), START_NS)
    board.clear()
    assert not board


# -- acceptance and replicas that are late -------------------------------------------------------


def test_a_request_accepted_late_is_executed_long_after_its_window() -> None:
    client = Client()
    client.fault("late", delay_ms=30_000, times=1)
    client.place()
    client.wait(9_999)
    assert client.heard() == []
    client.wait(1)
    assert client.heard() == ["-1007"]
    client.wait(19_999)
    assert client.open_orders() == []
    client.wait(1)
    assert client.open_orders() == ["a"]
    assert client.heard() == ["-1007", *HEARD[1:]]


def test_a_request_accepted_a_little_late_is_answered_when_it_is_executed() -> None:
    client = Client()
    client.fault("late", delay_ms=8_000, times=1)
    client.place()
    client.wait(8_000)
    assert client.heard() == HEARD


def test_a_request_out_of_its_window_is_refused_late_too() -> None:
    client = Client()
    client.fault("late", delay_ms=8_000)
    values = limit("BUY", "60000", "0.01", timestamp=client.now_ns // MS - 6_000)
    client.ask("order.place", **values)
    client.wait(8_000)
    assert client.heard() == ["-1021"]


def test_a_replica_shows_what_was_so_much_earlier() -> None:
    client = Client()
    client.place(name="early")
    client.wait(10_000)
    client.place("50000", name="late")
    client.cancel("early")
    client.wait(10_000)
    client.fault("lag", delay_ms=15_000)
    seen = _query(client, "openOrders.status", symbol="BTCUSDT")
    assert [(one["clientOrderId"], one["status"]) for one in seen] == [("early", "NEW")]
    gone = _query(client, "order.status", symbol="BTCUSDT", origClientOrderId="late")
    assert gone["code"] == -2013
    balances = _query(client, "account.status")["balances"]
    assert next(one["locked"] for one in balances if one["asset"] == "USDT") == "600.00000000"
    client.wait(15_000)
    seen = _query(client, "openOrders.status", symbol="BTCUSDT")
    assert [one["clientOrderId"] for one in seen] == ["late"]


def test_a_replica_knows_of_a_trade_only_later() -> None:
    client = Client()
    client.account.taker_rate = 0
    client.ask("order.place", **limit("SELL", "60000", "0.01", timestamp=client.now_ns // MS))
    client.place()
    client.fault("lag", delay_ms=5_000)
    client.wait(4_999)
    assert _query(client, "myTrades", symbol="BTCUSDT") == []
    client.wait(1)
    assert len(_query(client, "myTrades", symbol="BTCUSDT")) == 2


def _query(client: Client, method: str, **values: Any) -> Any:
    client.out.sent.clear()
    client.ask(method, **values | {"timestamp": client.now_ns // MS})
    [reply] = client.out.sent
    return reply.get("result", reply.get("error"))


@pytest.mark.parametrize(
    ("kind", "scope", "code"),
    [
        ("overloaded", {}, "-1008"),
        ("forbidden", {}, "-1002"),
        ("banned", {"retry_ms": 120_000, "in_text": True}, "-1003"),
    ],
)
def test_more_of_what_a_venue_in_trouble_answers(
    kind: str, scope: dict[str, Any], code: str
) -> None:
    client = Client()
    client.fault(kind, **scope)
    client.place()
    assert client.heard() == [code]
    assert client.open_orders() == []


def test_a_firewall_answers_with_a_page_of_html() -> None:
    client = Client()
    client.fault("forbidden")
    [reply] = client.rest().replies
    assert (reply.status, reply.content_type) == (403, "text/html")


def test_a_ban_may_say_its_end_in_words_alone() -> None:
    client = Client()
    client.fault("banned", retry_ms=120_000, in_text=True)
    [reply] = client.rest().replies
    assert reply.status == 418
    assert "Retry-After" not in reply.headers
    until_ms = client.now_ns // MS + 120_000
    assert f"IP banned until {until_ms}." in json.loads(reply.body)["msg"]


# -- the switch panel --------------------------------------------------------------------------


def panel(venue: Venue, **request: Any) -> tuple[int, Any]:
    asked = HttpRequest(**{"method": "GET", "path": control.FAULTS} | request)
    reply = control.answer(venue, asked, START_NS)
    return reply.status, json.loads(reply.body)


def test_the_panel_switches_on_shows_and_switches_off() -> None:
    venue = Venue(START_NS, rate=0)
    board = venue.faults
    body = '{"fault": "drop", "on": "replies", "times": 2}'
    assert panel(venue, method="POST", body=body) == (200, {"number": 1})
    assert panel(venue, method="POST", body='{"fault": "clock"}') == (200, {"number": 2})
    status, shown = panel(venue)
    assert status == 200
    assert [one["fault"] for one in shown["on"]] == ["drop", "clock"]
    assert shown["on"][0]["left"] == 2
    assert panel(venue, method="DELETE", query="number=1") == (200, {})
    assert [one.number for one in board.standing()] == [2]
    assert panel(venue, method="DELETE") == (200, {})
    assert board.standing() == []


@pytest.mark.parametrize(
    "request_",
    [
        {"method": "POST", "body": "{"},
        {"method": "POST", "body": '{"fault": "banned"}'},
        {"method": "DELETE", "query": "number=7"},
        {"method": "DELETE", "query": "number=x"},
        {"method": "DELETE", "query": "all"},
    ],
)
def test_the_panel_says_what_is_wrong(request_: dict[str, str]) -> None:
    status, said = panel(Venue(START_NS, rate=0), **request_)
    assert status == 400
    assert said["error"]


@pytest.mark.parametrize("ip", ["192.0.2.1", "", "::ffff:192.0.2.1"])
def test_the_panel_answers_on_the_loopback_only(ip: str) -> None:
    venue = Venue(START_NS, rate=0)
    assert panel(venue, method="POST", body='{"fault": "clock"}', ip=ip)[0] == 403
    assert panel(venue, method="POST", path=control.ACTIONS, body="{}", ip=ip)[0] == 403
    assert not venue.faults


def test_whoever_drives_the_exchange_is_woken_for_what_is_held_back() -> None:
    woken: list[int] = []
    wake: Callable[[int], None] = woken.append
    client = Client()
    client.venue.faults.wake = wake
    client.fault("delay", on="replies", delay_ms=7)
    client.ask("time")
    assert woken == [client.now_ns + 7 * MS]
    assert client.venue.faults.next_due_ns == woken[0]


@pytest.mark.parametrize(
    "name", [*Kind, *[field.name for field in msgspec.structs.fields(Fault)][1:]]
)
def test_every_fault_and_field_is_documented(name: str) -> None:
    page = (Path(__file__).parents[4] / "docs" / "sim.md").read_text()
    assert f"\n| `{name}` |" in page


# -- over sockets ------------------------------------------------------------------------------


async def test_a_running_exchange_is_switched_from_outside() -> None:
    async with running_exchange(ServerConfig(rate=0)) as sim, httpx.AsyncClient() as http:
        switches = sim.rest + control.FAULTS
        clock = sim.rest + "/api/v3/time"
        said = await http.post(switches, json={"fault": "throttled", "retry_ms": 1, "times": 1})
        assert said.json() == {"number": 1}
        limited = await http.get(clock)
        assert (limited.status_code, limited.headers["retry-after"]) == (429, "1")
        assert (await http.get(clock)).status_code == 200
        assert (await http.get(switches)).json() == {"on": [], "hits": {"throttled": 1}}
        await http.post(switches, json={"fault": "disconnect", "times": 1})
        with pytest.raises(httpx.TransportError):
            await http.get(clock)
        await http.post(switches, json={"fault": "delay", "on": "replies", "delay_ms": 2})
        assert (await http.get(clock)).status_code == 200


async def test_a_firewall_refuses_to_open_a_websocket() -> None:
    async with running_exchange(ServerConfig(rate=0)) as sim:
        for connection, address in (("ws_api", sim.ws_api), ("stream", sim.stream + "/ws")):
            described = {
                "fault": "forbidden",
                "methods": ["connect"],
                "line": connection,
                "times": 1,
            }
            sim.venue.faults.switch_on(msgspec.convert(described, Fault), time.time_ns())
            assert await _handshake(address) == b"HTTP/1.1 403"
            assert await _handshake(address) == b"HTTP/1.1 101"


async def _handshake(address: str) -> bytes:
    """Ask for a WebSocket, and return how the answer begins."""
    parts = urlsplit(address)
    asked = (
        f"GET {parts.path} HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with trio.fail_after(5):
        async with await trio.open_tcp_stream("127.0.0.1", parts.port or 0) as stream:
            await stream.send_all(asked.encode())
            return bytes(await stream.receive_some(12))


def test_only_a_fault_that_names_it_refuses_a_connection() -> None:
    board = Switchboard(random.Random(0), BinanceAnswers())
    board.switch_on(Fault(fault=Kind.FORBIDDEN), START_NS)
    assert board.refuses(ConnectionName.STREAM) is None
    board.switch_on(Fault(fault=Kind.BANNED, retry_ms=1, methods=("connect",)), START_NS)
    assert board.refuses(ConnectionName.STREAM) == 418


async def test_a_running_connection_is_delayed_silenced_and_cut() -> None:
    async with running_exchange(ServerConfig(rate=0)) as sim:

        def fault(kind: str, **scope: Any) -> int:
            described = msgspec.convert({"fault": kind} | scope, Fault)
            return sim.venue.faults.switch_on(described, time.time_ns())

        port = urlsplit(sim.ws_api).port
        assert port is not None
        async with (
            await trio.open_tcp_stream("127.0.0.1", port) as stream,
            trio.open_nursery() as nursery,
        ):
            socket = await wrap_client_stream(nursery, stream, "sim", "/ws-api/v3")
            ask = '{"id": 1, "method": "time"}'
            fault("delay", on="replies", delay_ms=2, times=1)
            with trio.fail_after(5):
                await socket.send_message(ask)
                assert json.loads(await socket.get_message())["status"] == 200
            silence = fault("silence")
            with trio.move_on_after(0.05) as patience:
                await socket.ping()
            assert patience.cancelled_caught
            sim.venue.faults.switch_off(silence)
            fault("disconnect")
            with trio.fail_after(5):
                await socket.send_message(ask)
                with pytest.raises(ConnectionClosed):
                    await socket.get_message()
