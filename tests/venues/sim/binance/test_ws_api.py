"""A WebSocket API connection: requests, sessions, user data."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.venues.sim.binance.driver import MS, START_NS, limit
from tests.venues.sim.binance.test_streams import Out
from venues.sim.binance.venue import Venue
from venues.sim.fixed import ONE

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


class Client:
    """One connection, and a venue with an HMAC key and an Ed25519 key of one account."""

    def __init__(self, target: str = "/ws-api/v3", venue: Venue | None = None) -> None:
        self.venue = venue or Venue(START_NS, rate=0)
        if venue is None:
            exchange = self.venue.exchange
            account = exchange.engine.open_account({"USDT": 10_000 * ONE, "BTC": 10 * ONE})
            exchange.add_hmac_key("hmac-key", "fake", account)
            exchange.add_ed25519_key("ed-key", PRIVATE.public_key().public_bytes_raw(), account)
            other = exchange.engine.open_account({"USDT": 10_000 * ONE})
            exchange.add_hmac_key("other-key", "fake", other)
        self.out = Out()
        self.session = self.venue.open_api_session(self.out, target, "ip", START_NS)
        self.now_ns = START_NS

    def send(self, method: str, **params: Any) -> Any:
        """Send a request; return its response, leaving events in ``out``."""
        text = json.dumps({"id": "r", "method": method, "params": params})
        before = len(self.out.sent)
        self.session.receive(text, self.now_ns)
        self.venue.advance(self.now_ns)
        responses = [one for one in self.out.sent[before:] if "status" in one]
        self.out.sent[before:] = [one for one in self.out.sent[before:] if "status" not in one]
        assert len(responses) == 1
        return responses[0]

    def signed(self, method: str, key: str = "hmac-key", **params: Any) -> Any:
        params |= {"apiKey": key, "timestamp": self.now_ns // MS}
        payload = "&".join(f"{name}={value}" for name, value in sorted(params.items())).encode()
        if key == "ed-key":
            params["signature"] = base64.b64encode(PRIVATE.sign(payload)).decode()
        else:
            params["signature"] = hmac.new(b"fake", payload, hashlib.sha256).hexdigest()
        return self.send(method, **params)


def test_a_response_holds_id_status_result_and_rate_limits() -> None:
    answer = Client().send("time")
    assert answer["id"] == "r"
    assert answer["status"] == 200
    assert answer["result"] == {"serverTime": START_NS // MS}
    assert answer["rateLimits"] == [
        {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": 6000,
            "count": 3,  # connecting weighs 2
        }
    ]


def test_version_prefix_and_hidden_rate_limits() -> None:
    assert "rateLimits" not in Client().send("v3/ping", returnRateLimits=False)
    hidden = Client("/ws-api/v3?returnRateLimits=false")
    assert "rateLimits" not in hidden.send("ping")
    assert "rateLimits" in hidden.send("ping", returnRateLimits=True)


def test_microseconds_on_request() -> None:
    client = Client("/ws-api/v3?timeUnit=MICROSECOND")
    assert client.send("time")["result"]["serverTime"] == START_NS // 1_000


@pytest.mark.parametrize(
    ("text", "code", "request_id"),
    [
        ("{", -1135, None),
        ("[]", -1135, None),
        ('{"id":1,"method":"time","params":[]}', -1135, None),
        ('{"id":1}', -1102, None),
        ('{"method":"time"}', -1102, None),
        ('{"id":[1],"method":"time"}', -1102, None),
        ('{"id":1,"method":"orders.lose"}', -1020, 1),
    ],
)
def test_malformed_requests(text: str, code: int, request_id: Any) -> None:
    client = Client()
    client.session.receive(text, START_NS)
    (answer,) = client.out.sent
    assert (answer["status"], answer["error"]["code"], answer["id"]) == (400, code, request_id)


def test_signed_order_shows_order_counts_before_weight() -> None:
    answer = Client().signed("order.place", **limit("BUY", "60000", "0.01"))
    assert answer["result"]["status"] == "NEW"
    assert [(one["rateLimitType"], one["count"]) for one in answer["rateLimits"]] == [
        ("ORDERS", 1),
        ("ORDERS", 1),
        ("REQUEST_WEIGHT", 2),
    ]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"signature": "00"}, 400, -1022),
        ({"signature": ""}, 400, -1102),
        ({"apiKey": "nobody"}, 401, -2015),
        ({"apiKey": "white space"}, 401, -2014),
    ],
)
def test_wrong_credentials(change: dict[str, str], status: int, code: int) -> None:
    params = {"apiKey": "hmac-key", "timestamp": START_NS // MS, "signature": "0" * 64} | change
    answer = Client().send("account.status", **params)
    assert (answer["status"], answer["error"]["code"]) == (status, code)


def test_numbers_in_json_are_signed_as_their_text() -> None:
    client = Client()
    client.signed("order.place", **limit("BUY", "60000", "0.01"))
    answer = client.signed("order.status", symbol="BTCUSDT", orderId=1, recvWindow=5000)
    assert answer["status"] == 200
    text = (
        '{"id":1,"method":"account.status","params":{"apiKey":"hmac-key","omitZeroBalances":true,'
        '"recvWindow":5000.500,"signature":"%s","timestamp":%d}}'
    )
    stamp = START_NS // MS
    payload = f"apiKey=hmac-key&omitZeroBalances=true&recvWindow=5000.500&timestamp={stamp}"
    signature = hmac.new(b"fake", payload.encode(), hashlib.sha256).hexdigest()
    client.session.receive(text % (signature, stamp), START_NS)
    assert client.out.sent[-1]["status"] == 200


def test_refused_by_limit_says_when_to_retry() -> None:
    client = Client()
    for _ in range(50):
        client.signed("order.place", **limit("BUY", "60000", "0.0001"))
    answer = client.signed("order.place", **limit("BUY", "60000", "0.0001"))
    assert answer["status"] == 429
    assert answer["error"]["code"] == -1015
    assert answer["error"]["data"] == {
        "serverTime": START_NS // MS,
        "retryAfter": (START_NS // MS // 10_000 + 1) * 10_000,
    }


def test_half_failed_cancel_replace_carries_both_halves() -> None:
    client = Client()
    values = limit("BUY", "60000", "0.01", cancelReplaceMode="ALLOW_FAILURE", cancelOrderId=9)
    answer = client.signed("order.cancelReplace", **values)
    assert (answer["status"], answer["error"]["code"]) == (409, -2021)
    assert answer["error"]["data"]["cancelResult"] == "FAILURE"
    assert answer["error"]["data"]["newOrderResponse"]["status"] == "NEW"


# -- sessions ------------------------------------------------------------------------------------


def test_logon_with_ed25519_then_requests_without_signature() -> None:
    client = Client()
    assert client.send("session.status")["result"]["apiKey"] is None
    answer = client.signed("session.logon", "ed-key")["result"]
    assert answer == {
        "apiKey": "ed-key",
        "authorizedSince": START_NS // MS,
        "connectedSince": START_NS // MS,
        "returnRateLimits": True,
        "serverTime": START_NS // MS,
        "userDataStream": False,
    }
    order = limit("BUY", "60000", "0.01", timestamp=START_NS // MS)
    assert client.send("order.place", **order)["status"] == 200
    assert client.send("order.place", **limit("BUY", "60000", "0.01"))["error"]["code"] == -1102
    assert client.send("session.logout")["result"]["apiKey"] is None
    assert client.send("order.place", **order)["error"]["code"] == -2014


def test_an_explicit_key_overrides_the_session() -> None:
    client = Client()
    client.signed("session.logon", "ed-key")
    answer = client.signed("account.status", "other-key", omitZeroBalances="true")
    assert [one["asset"] for one in answer["result"]["balances"]] == ["USDT"]


def test_logon_takes_ed25519_only() -> None:
    assert Client().signed("session.logon", "hmac-key")["error"]["code"] == -4056
    assert Client().send("session.logon")["error"]["code"] == -1102


def test_a_session_whose_key_was_deleted_is_revoked_by_a_response_without_id() -> None:
    client = Client()
    client.signed("session.logon", "ed-key")
    client.venue.exchange.revoke_key("ed-key")
    answer = client.send("time")
    assert (answer["id"], answer["status"], answer["error"]["code"]) == (None, 401, -2015)
    assert client.send("time")["status"] == 200
    assert client.send("session.status")["result"]["apiKey"] is None


# -- user data -----------------------------------------------------------------------------------


def test_events_are_wrapped_with_their_subscription() -> None:
    client = Client()
    assert client.signed("userDataStream.subscribe.signature")["result"] == {"subscriptionId": 0}
    assert client.send("session.status")["result"]["userDataStream"] is True
    assert client.send("session.subscriptions")["result"] == [{"subscriptionId": 0}]
    order = client.signed("order.place", **limit("BUY", "60000", "0.01"))["result"]
    report, position = client.out.sent
    assert report["subscriptionId"] == 0
    assert report["event"]["x"] == "NEW"
    assert report["event"]["T"] == order["transactTime"] == START_NS // MS
    assert position["event"]["e"] == "outboundAccountPosition"


def test_subscribe_after_logon_ends_with_logout() -> None:
    client = Client()
    assert client.send("userDataStream.subscribe")["error"]["code"] == -2014
    client.signed("session.logon", "ed-key")
    assert client.send("userDataStream.subscribe")["result"] == {"subscriptionId": 0}
    assert client.send("userDataStream.subscribe")["error"]["code"] == -2035
    assert client.signed("userDataStream.subscribe.signature", "other-key")["result"] == {
        "subscriptionId": 1
    }
    client.send("session.logout")
    assert client.out.sent == [
        {
            "subscriptionId": 0,
            "event": {"e": "eventStreamTerminated", "E": START_NS // MS},
        }
    ]
    assert client.send("session.subscriptions")["result"] == [{"subscriptionId": 1}]


def test_unsubscribe_one_or_all() -> None:
    client = Client()
    client.signed("userDataStream.subscribe.signature")
    client.signed("userDataStream.subscribe.signature", "other-key")
    assert client.send("userDataStream.unsubscribe", subscriptionId=7)["error"]["code"] == -2036
    assert client.send("userDataStream.unsubscribe", subscriptionId=0)["result"] == {}
    client.signed("order.place", **limit("BUY", "60000", "0.01"))
    assert [one["event"]["e"] for one in client.out.sent] == ["eventStreamTerminated"]
    assert client.send("userDataStream.unsubscribe")["result"] == {}
    assert client.send("session.subscriptions")["result"] == []


def test_events_reach_every_connection_of_the_account_and_no_other() -> None:
    first = Client()
    second, stranger = Client(venue=first.venue), Client(venue=first.venue)
    second.signed("userDataStream.subscribe.signature")
    stranger.signed("userDataStream.subscribe.signature", "other-key")
    first.signed("order.place", **limit("BUY", "60000", "0.01"))
    assert [one["event"]["e"] for one in second.out.sent] == [
        "executionReport",
        "outboundAccountPosition",
    ]
    assert stranger.out.sent == []
    first.venue.close_api_session(second.session)
    first.signed("order.place", **limit("BUY", "60000", "0.01"))
    assert len(second.out.sent) == 2


def test_shutdown_is_announced() -> None:
    client = Client()
    client.session.announce_shutdown(START_NS)
    assert client.out.sent == [{"event": {"e": "serverShutdown", "E": START_NS // MS}}]
