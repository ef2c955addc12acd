"""Signatures equal the venue's published ones and those of an independent client."""

import hmac
import json
from base64 import b64decode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import BadConfig
from core.model.venue import Credentials, HttpRequest, WireRequest
from tests.venues.binance import world
from venues.binance import VENUE
from venues.binance.signer import KeySigner

HMAC = KeySigner(world.DOC_KEYS)


def hmac_keys(secret: str, key: str = "K") -> Credentials:
    return Credentials({"api_key": key, "api_secret": secret})


def pem_keys(pem: str, key: str = "K") -> Credentials:
    return Credentials({"api_key": key, "private_key": pem})


DOC_ED25519 = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u\n"
    "-----END PRIVATE KEY-----\n"
)
"""The example key of fix-api.md."""

NOW_NS = world.NOW_NS
BODY = b'{"id":"p1","method":"order.place","params":{"price":"52000.00"}}'


def wire(signing: str) -> dict[str, Any]:
    request = WireRequest(1, BODY, signing.encode(), len(BODY) - 2)
    params: dict[str, Any] = json.loads(HMAC.wire(request))["params"]
    return params


def test_the_websocket_vector_of_the_documentation() -> None:
    params = wire(
        "price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT"
        "&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
    )
    assert params["signature"] == "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"


def test_a_symbol_beyond_ascii_is_signed_as_it_is() -> None:
    params = wire(
        "price=0.10000000&quantity=1.00000000&recvWindow=5000&side=BUY&symbol=１２３４５６"
        "&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
    )
    assert params["signature"] == "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"


@pytest.mark.parametrize(
    ("symbol", "signature"),
    [
        ("LTCBTC", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        (
            "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96",
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        ),
    ],
)
def test_the_rest_vectors_of_the_documentation(symbol: str, signature: str) -> None:
    query = (
        f"symbol={symbol}&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
        "&recvWindow=5000&timestamp=1499827319559"
    )
    signed = HMAC.rest(HttpRequest("POST", "/api/v3/order", query, signed=True), NOW_NS)
    assert signed.target == f"/api/v3/order?{query}&signature={signature}"
    assert signed.headers == {"X-MBX-APIKEY": world.DOC_KEY}


def test_a_public_request_carries_no_key() -> None:
    signed = HttpRequest("GET", "/api/v3/time").leaving(HMAC, NOW_NS)
    assert (signed.target, dict(signed.headers)) == ("/api/v3/time", {})


def test_the_ed25519_vector_of_the_documentation() -> None:
    """It is of a FIX logon, five fields of its header; of requests none is published with a key."""
    private = load_pem_private_key(DOC_ED25519.encode(), None)
    assert isinstance(private, Ed25519PrivateKey)
    logon = "A\x01EXAMPLE\x01SPOT\x011\x0120240627-11:17:25.223"
    fix = KeySigner(pem_keys(DOC_ED25519))._sign(logon.encode())
    assert fix == (
        b"4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gCA=="
    )
    request = WireRequest(1, BODY, b"timestamp=1", len(BODY) - 2)
    params = json.loads(KeySigner(pem_keys(DOC_ED25519)).wire(request))["params"]
    private.public_key().verify(b64decode(params["signature"]), b"apiKey=K&timestamp=1")


def test_an_ed25519_signature_is_escaped_in_an_url() -> None:
    request = HttpRequest("GET", "/api/v3/account", "timestamp=1", signed=True)
    target = KeySigner(pem_keys(DOC_ED25519)).rest(request, NOW_NS).target
    assert target.endswith("%3D%3D")
    assert not set("+/=") & set(target.partition("&signature=")[2])


@given(st.text("abcXYZ019", min_size=1, max_size=150), st.binary(max_size=300))
def test_signatures_equal_the_standard_librarys_for_keys_of_any_length(
    secret: str, payload: bytes
) -> None:
    expected = hmac.new(secret.encode(), payload, "sha256").hexdigest().encode()
    assert KeySigner(hmac_keys(secret))._sign(payload) == expected


def test_a_request_that_needs_no_signature_goes_as_it_is() -> None:
    assert HMAC.wire(WireRequest(1, BODY)) is BODY


def test_only_ed25519_keys_log_a_session_on() -> None:
    assert VENUE.logs_on(pem_keys(DOC_ED25519))
    assert not VENUE.logs_on(world.DOC_KEYS)


@pytest.mark.parametrize("secret", ["", "two words", "line\nline", "sécret"])
def test_a_secret_that_cannot_be_one_is_refused_without_being_quoted(secret: str) -> None:
    with pytest.raises(BadConfig) as caught:
        KeySigner(hmac_keys(secret))
    assert not secret or secret not in str(caught.value)


def test_a_broken_pem_says_how_to_make_a_good_one() -> None:
    broken = DOC_ED25519.replace("MC4C", "AAAA")
    with pytest.raises(BadConfig, match="openssl genpkey") as caught:
        KeySigner(pem_keys(broken))
    assert "IIJEYWtG" not in str(caught.value)


def test_an_rsa_key_is_refused_with_what_is_allowed() -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(BadConfig, match="allowed are Ed25519 private keys"):
        KeySigner(pem_keys(pem))


@pytest.mark.parametrize("key", ["", 'k"', "k k", "k\n"])
def test_an_api_key_that_would_break_a_message_is_refused(key: str) -> None:
    with pytest.raises(BadConfig, match="API key"):
        KeySigner(hmac_keys(world.DOC_SECRET, key))


def test_no_secret_shows_in_a_repr() -> None:
    assert repr(HMAC) == "<KeySigner>"
    assert repr(world.DOC_KEYS) == "Credentials(...)"


def test_the_account_is_told_by_the_api_key_alone() -> None:
    assert VENUE.account(pem_keys(DOC_ED25519)) == VENUE.account(hmac_keys("other")) == "K"
    assert VENUE.account(None) is None


SEED_ED25519 = (
    Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)

ORACLE = world.SHARED / "signing" / "ccxt_oracle" / "binance.json"


@pytest.mark.skipif(not ORACLE.exists(), reason="the independent client's vectors are not here")
def test_signatures_equal_an_independent_clients() -> None:
    oracle = json.loads(ORACLE.read_text())
    checked = 0
    for vector in oracle["vectors"]:
        request = vector["request"]
        signed = request["body"] or request["url"].partition("?")[2]
        query, found, signature = signed.partition("&signature=")
        if not found or "/api/v3/" not in request["url"]:
            continue
        keys = oracle["credentials"][vector["credentials"]]
        given = (
            pem_keys(SEED_ED25519, keys["apiKey"])
            if "Ed25519" in vector["note"]
            else hmac_keys(keys["secret"], keys["apiKey"])
        )
        signer = KeySigner(given)
        target = signer.rest(HttpRequest("GET", "/", query, signed=True), NOW_NS).target
        assert target.partition("&signature=")[2] == signature
        checked += 1
    assert checked >= 6
