"""Signatures are the published ones, nonces rise, and a token is seen by nobody."""

import json
from typing import Any

import pytest

from core.model.errors import BadConfig
from core.model.venue import Credentials, HttpAnswer, HttpRequest, WireRequest
from tests.venues.kraken import world
from venues.kraken import VENUE
from venues.kraken.history import fetch_token
from venues.kraken.signer import KeySigner

DOC_SECRET = (
    "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
)
"""The example of the venue's documentation."""
ORACLE = world.SHARED / "signing" / "ccxt_oracle" / "kraken.json"
TOKEN = "visibly/fake+token=="


def signer(secret: str = DOC_SECRET, key: str = "FAKEKEY") -> KeySigner:
    return KeySigner(Credentials({"api_key": key, "api_secret": secret}))


def post(path: str, body: bytes) -> HttpRequest:
    return HttpRequest("POST", path, body=body, signed=True)


def test_the_vector_of_the_documentation() -> None:
    body = b"ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
    signed = signer().rest(post("/0/private/AddOrder", body), 1_616_492_376_594_000)
    assert signed.body == b"nonce=1616492376594&" + body
    assert signed.headers == {
        "Content-Type": "application/x-www-form-urlencoded",
        "API-Key": "FAKEKEY",
        "API-Sign": (
            "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
        ),
    }


@pytest.mark.skipif(not ORACLE.exists(), reason="the recorded requests are not here")
def test_the_requests_of_another_client_are_signed_as_it_signs_them() -> None:
    told = json.loads(ORACLE.read_text(encoding="utf-8"))
    keys = told["credentials"]["kraken"]
    checked = 0
    for vector in told["vectors"]:
        request: dict[str, Any] = vector["request"]
        nonce, _, rest = (request["body"] or "").partition("&")
        if not nonce.startswith("nonce="):
            continue
        path = request["url"].removeprefix("https://api.kraken.com")
        now_ns = int(nonce.removeprefix("nonce=")) * 1_000
        signed = signer(keys["secret"], keys["apiKey"]).rest(post(path, rest.encode()), now_ns)
        assert signed.body == request["body"].encode()
        assert signed.headers["API-Sign"] == request["headers"]["API-Sign"]
        assert signed.headers["API-Key"] == request["headers"]["API-Key"]
        checked += 1
    assert checked >= 4


def test_a_nonce_rises_whatever_the_clock_does() -> None:
    one = signer()
    times_ns = (5_000_000, 5_000_000, 5_000_100, 9_000_000, 1_000)
    bodies = [one.rest(post("/0/private/Balance", b""), now_ns).body for now_ns in times_ns]
    nonces = [int(body.removeprefix(b"nonce=")) for body in bodies]
    assert nonces == [5_000, 5_001, 5_002, 9_000, 9_001]
    assert one.in_order


REFUSED = HttpAnswer(200, {}, b'{"error":["EAPI:Invalid nonce"]}')


def nonce_of(one: KeySigner, now_ns: int) -> int:
    body = one.rest(post("/0/private/Balance", b""), now_ns).body
    return int(body.removeprefix(b"nonce="))


@pytest.mark.parametrize("ahead_s", [1, 90, 3_600, 86_400])
def test_a_nonce_that_was_refused_is_overtaken_however_far_the_clock_was_ahead(
    ahead_s: int,
) -> None:
    now_ns = 1_790_000_000 * 10**9
    used = now_ns // 1_000 + ahead_s * 1_000_000
    one = signer()
    refused = 0
    while nonce_of(one, now_ns) <= used:
        assert one.take(post("/0/private/Balance", b""), REFUSED) is REFUSED
        refused += 1
    assert refused <= 8


def test_a_nonce_leaps_by_little_again_once_one_was_taken() -> None:
    one = signer()
    balance = post("/0/private/Balance", b"")
    first = nonce_of(one, 1_000)
    for _ in range(3):
        one.take(balance, REFUSED)
    assert nonce_of(one, 1_000) == first + (1 + 8 + 64) * 1_000_000 + 1
    one.take(balance, HttpAnswer(0, {}, b"no route"))
    one.take(balance, HttpAnswer(200, {}, b'{"error":[],"result":{}}'))
    before = nonce_of(one, 1_000)
    one.take(balance, REFUSED)
    assert nonce_of(one, 1_000) == before + 1_000_001


def granted(body: bytes, status: int = 200) -> tuple[KeySigner, HttpAnswer]:
    one = signer()
    return one, fetch_token().arriving(one, HttpAnswer(status, {}, body))


def test_a_token_is_kept_and_goes_where_the_encoder_says() -> None:
    body = json.dumps({"error": [], "result": {"token": TOKEN, "expires": 900}}).encode()
    one, answer = granted(body)
    assert json.loads(answer.body) == {
        "error": [],
        "result": {"token": "*" * len(TOKEN), "expires": 900},
    }
    text = b'{"method":"x","params":{"token":""}}'
    left = one.wire(WireRequest(1, text, b"token", text.index(b'""') + 1))
    assert json.loads(left) == {"method": "x", "params": {"token": TOKEN}}
    assert one.wire(WireRequest(1, text)) == text


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":[],"result":{"token":"visibly/fake+token==","expires":900}',
        b'{"result":{"token":"visibly/fake+token=="}}',
        b'{"error":"visibly/fake+token=="}',
        b"<html>visibly/fake+token==</html>",
        b'{"error":[],"result":["visibly/fake+token=="]}',
    ],
)
def test_of_an_answer_that_cannot_be_read_nothing_is_passed_on(body: bytes) -> None:
    _, answer = granted(body)
    assert b"visibly" not in answer.body
    assert json.loads(answer.body)["error"]


def test_a_token_that_cannot_stand_in_a_request_is_masked_and_is_none() -> None:
    one, answer = granted(b'{"error":[],"result":{"token":"visibly/fake\\"+token=="}}')
    assert b"visibly" not in answer.body
    assert one.wire(WireRequest(1, b'""', b"token", 1)) == b'""'


def test_a_refused_token_is_told_and_the_old_one_kept() -> None:
    one, answer = granted(b'{"error":["EAPI:Invalid key"]}')
    assert json.loads(answer.body) == {"error": ["EAPI:Invalid key"]}
    assert one.wire(WireRequest(1, b'""', b"token", 1)) == b'""'


def test_other_answers_are_passed_on_as_they_are() -> None:
    answer = HttpAnswer(200, {}, b'{"error":[],"result":{"token":"no secret here"}}')
    assert signer().take(post("/0/private/Balance", b""), answer) is answer
    silence = HttpAnswer(0, {}, b"no route")
    assert fetch_token().arriving(signer(), silence) is silence


@pytest.mark.parametrize(
    ("key", "secret"), [("", DOC_SECRET), ("a b", DOC_SECRET), ("K", ""), ("K", "not base64!")]
)
def test_keys_that_cannot_be_used_are_refused_and_never_quoted(key: str, secret: str) -> None:
    with pytest.raises(BadConfig) as error:
        signer(secret, key)
    assert "not base64!" not in str(error.value)


def test_a_secret_is_in_nothing_that_is_printed() -> None:
    one = signer()
    assert repr(one) == "<KeySigner>"
    signed = one.rest(post("/0/private/Balance", b"x=1"), 1)
    assert DOC_SECRET not in repr(signed)


def test_what_the_venue_wants_in_a_key_file() -> None:
    assert [field.name for group in VENUE.key_fields for field in group] == [
        "api_key",
        "api_secret",
    ]
    assert VENUE.key_kind(Credentials({"api_key": "a", "api_secret": "b"})).value == "logs_on"
