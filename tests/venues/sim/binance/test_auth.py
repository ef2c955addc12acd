"""Signatures and the timing rule, with the venue's published vectors."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.venues.sim.binance.driver import MS, START_NS, Desk
from venues.sim.binance import auth
from venues.sim.binance.errors import ApiError
from venues.sim.binance.keys import Ed25519Key, HmacKey

# The example keys of rest-api.md; published for illustration.
DOC_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
DOC_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"


def doc_key() -> HmacKey:
    return HmacKey(DOC_KEY, Desk().party().account, DOC_SECRET)


ORDER = (
    "&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
    "&timestamp=1499827319559"
)
REST_VECTORS = [
    (
        "symbol=LTCBTC" + ORDER,
        "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
    ),
    (
        "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96" + ORDER,
        "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
    ),
]


@pytest.mark.parametrize(("payload", "signature"), REST_VECTORS)
def test_published_rest_vectors(payload: str, signature: str) -> None:
    for query, body in (
        (f"{payload}&signature={signature}", ""),
        ("", f"{payload}&signature={signature}"),
        (f"signature={signature}&{payload}", ""),
    ):
        covered = auth.rest_payload(query, body).removeprefix(b"&")
        auth.check_signature(doc_key(), covered, signature)
        auth.check_signature(doc_key(), covered, signature.upper())
        with pytest.raises(ApiError, match="-1022"):
            auth.check_signature(doc_key(), covered + b"0", signature)


def test_rest_payload_is_query_then_body_without_separator() -> None:
    assert auth.rest_payload("a=1&b=2", "c=3&signature=x") == b"a=1&b=2c=3"


def test_published_websocket_api_vector() -> None:
    values = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01000000",
        "price": "52000.00",
        "recvWindow": "100",
        "timestamp": "1645423376532",
        "apiKey": DOC_KEY,
        "signature": "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
    }
    auth.check_signature(doc_key(), auth.sorted_payload(values), values["signature"])


def test_ed25519_signatures_are_case_sensitive() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    key = Ed25519Key("k", Desk().party().account, private.public_key().public_bytes_raw())
    signature = base64.b64encode(private.sign(b"payload")).decode()
    auth.check_signature(key, b"payload", signature)
    for wrong in (signature.swapcase(), "not base64!", "", "AAAA"):
        with pytest.raises(ApiError):
            auth.check_signature(key, b"payload", wrong)


NOW_MS = START_NS // MS


@pytest.mark.parametrize(
    ("values", "msg"),
    [
        ({"timestamp": str(NOW_MS)}, None),
        ({"timestamp": str(NOW_MS * 1000)}, None),
        ({"timestamp": str(NOW_MS + 999)}, None),
        (
            {"timestamp": str(NOW_MS + 1000)},
            "Timestamp for this request was 1000ms ahead of the server's time.",
        ),
        ({"timestamp": str(NOW_MS - 5000)}, None),
        (
            {"timestamp": str(NOW_MS - 5001)},
            "Timestamp for this request is outside of the recvWindow.",
        ),
        ({"timestamp": str(NOW_MS - 60_000), "recvWindow": "60000"}, None),
        ({"timestamp": str(NOW_MS - 2), "recvWindow": "1.999"}, "outside of the recvWindow"),
        ({"timestamp": str(NOW_MS), "recvWindow": "60000.001"}, "Cannot be greater than 60000"),
        ({}, "Mandatory parameter 'timestamp' was not sent"),
        ({"timestamp": "soon"}, "Illegal characters found in parameter 'timestamp'"),
        ({"timestamp": str(NOW_MS), "recvWindow": "x"}, "Illegal characters"),
    ],
)
def test_timing_rule(values: dict[str, str], msg: str | None) -> None:
    if msg is None:
        auth.check_time(values, START_NS)
        return
    with pytest.raises(ApiError, match=msg):
        auth.check_time(values, START_NS)


@pytest.mark.parametrize(
    ("api_key", "code"), [(None, -2014), ("", -2014), ("white space", -2014), ("unknown", -2015)]
)
def test_keys_that_do_not_exist(api_key: Any, code: int) -> None:
    with pytest.raises(ApiError) as caught:
        auth.find_key({}, api_key)
    assert (caught.value.code, caught.value.status) == (code, 401)
