"""The opening handshake rule by rule (RFC 6455, 4.1; RFC 7692, 7.1), whole and torn."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto import WSConnection
from wsproto.connection import ConnectionType
from wsproto.events import AcceptConnection, RejectConnection, Request
from wsproto.extensions import PerMessageDeflate

from core.model.errors import ConnectionLost, HandshakeRefused, Malformed, Misuse, RemoteFault
from core.protocols.websocket import DeflateParams
from core.protocols.websocket_handshake import ClientHandshake, Upgraded, UpgradeRefused
from tests.core.protocols.frames import pieces

# RFC 6455, 1.3
NONCE = base64.b64decode("dGhlIHNhbXBsZSBub25jZQ==")
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def dial(deflate: DeflateParams | None = None, subprotocols: Sequence[str] = ()) -> ClientHandshake:
    return ClientHandshake(
        host="venue.example",
        target="/ws?a=b",
        nonce=NONCE,
        deflate=deflate,
        subprotocols=subprotocols,
    )


def answer(*extra: str, status: str = "101 Switching Protocols", **changed: str) -> bytes:
    """A correct 101; keywords replace one of its headers (or, empty, leave it out)."""
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": ACCEPT}
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [f"{name}: {value}" for name, value in headers.items() if value]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, *extra, "", ""]).encode("latin-1")


Outcome = tuple[Upgraded | None, RemoteFault | None]


def outcome(handshake: ClientHandshake, parts: Sequence[bytes]) -> Outcome:
    """What came of feeding these reads; bytes after an upgrade are part of what is left over."""
    for i, part in enumerate(parts):
        try:
            upgraded = handshake.receive(part)
        except RemoteFault as fault:
            return None, fault
        if upgraded is not None:
            leftover = upgraded.leftover + b"".join(parts[i + 1 :])
            return (
                Upgraded(upgraded.headers, upgraded.deflate, upgraded.subprotocol, leftover),
                None,
            )
    return None, None


def described(found: Outcome) -> object:
    upgraded, fault = found
    return upgraded, type(fault), str(fault)


def answered(
    wire: bytes, fresh: Callable[[], ClientHandshake] = dial, *, hung_up: bool = False
) -> Outcome:
    """What came of these bytes, having proved that tearing them changes nothing."""
    end = [b""] if hung_up else []
    found = outcome(fresh(), [wire, *end])
    torn = outcome(fresh(), [wire[i : i + 1] for i in range(len(wire))] + end)
    assert described(torn) == described(found)
    return found


def upgraded_by(wire: bytes, fresh: Callable[[], ClientHandshake] = dial) -> Upgraded:
    upgraded, fault = answered(wire, fresh)
    assert fault is None
    assert upgraded is not None
    return upgraded


def assert_malformed(wire: bytes, about: str, fresh: Callable[[], ClientHandshake] = dial) -> None:
    _, fault = answered(wire, fresh)
    assert isinstance(fault, Malformed)
    assert about in str(fault)


# -- the request ---------------------------------------------------------------------------------


def test_the_request_has_what_rfc_6455_asks_for() -> None:
    assert dial().request == (
        b"GET /ws?a=b HTTP/1.1\r\n"
        b"Host: venue.example\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
        b"\r\n"
    )


def test_the_request_carries_offers_and_headers_of_the_caller() -> None:
    request = ClientHandshake(
        host="venue.example:9443",
        target="/",
        nonce=NONCE,
        deflate=DeflateParams(
            server_no_context_takeover=True,
            client_no_context_takeover=True,
            server_max_window_bits=10,
            client_max_window_bits=9,
        ),
        subprotocols=("v2.json", "v1.json"),
        headers=[("User-Agent", "hotloop")],
    ).request
    assert b"Host: venue.example:9443\r\n" in request
    assert b"Sec-WebSocket-Protocol: v2.json, v1.json\r\n" in request
    assert b"User-Agent: hotloop\r\n" in request
    assert (
        b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
        b"client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9\r\n"
    ) in request


@pytest.mark.parametrize(
    ("host", "target", "header"),
    [
        ("a\r\nb", "/", ("A", "b")),
        ("venue.example", "/a b", ("A", "b")),
        ("venue.example", "/é", ("A", "b")),
        ("venue.example", "/", ("A", "b\r\nEvil: 1")),
        ("venue.example", "/", ("Host", "twice")),
    ],
)
def test_what_cannot_be_written_as_http_is_our_misuse(
    host: str, target: str, header: tuple[str, str]
) -> None:
    with pytest.raises(Misuse, match="HTTP"):
        ClientHandshake(host=host, target=target, nonce=NONCE, headers=[header])


def test_a_nonce_takes_16_bytes() -> None:
    with pytest.raises(Misuse, match="16"):
        ClientHandshake(host="venue.example", target="/", nonce=b"short")


# -- 101 -----------------------------------------------------------------------------------------


def test_a_correct_101_opens_and_leaves_the_first_frames() -> None:
    upgraded = upgraded_by(answer("Server: venue") + b"\x81\x02hi\r\n\r\n")
    assert upgraded.leftover == b"\x81\x02hi\r\n\r\n"
    assert upgraded.deflate is None
    assert upgraded.subprotocol is None
    assert (b"server", b"venue") in upgraded.headers


def test_tokens_are_read_without_regard_to_case_and_among_others() -> None:
    wire = answer("connection: UPGRADE", Upgrade="WebSocket", Connection="keep-alive")
    assert upgraded_by(wire).leftover == b""


def test_interim_answers_are_passed_over() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    assert upgraded_by(early + answer() + b"\x8a\x00").leftover == b"\x8a\x00"


@pytest.mark.parametrize(
    ("changed", "about"),
    [
        ({"Upgrade": ""}, "Upgrade: websocket"),
        ({"Upgrade": "h2c"}, "Upgrade: websocket"),
        ({"Upgrade": "websocket, h2c"}, "Upgrade: websocket"),
        ({"Connection": ""}, "Connection: Upgrade"),
        ({"Connection": "close"}, "Connection: Upgrade"),
        ({"Sec_WebSocket_Accept": ""}, "Sec-WebSocket-Accept"),
        ({"Sec_WebSocket_Accept": ACCEPT.lower()}, "Sec-WebSocket-Accept"),
        ({"Sec_WebSocket_Accept": ACCEPT[:-1]}, "Sec-WebSocket-Accept"),
    ],
)
def test_a_101_that_breaks_a_rule_is_malformed(changed: dict[str, str], about: str) -> None:
    wire = answer(**changed)
    assert_malformed(wire, about)


def test_a_second_accept_header_is_malformed() -> None:
    assert_malformed(answer(f"Sec-WebSocket-Accept: {ACCEPT}"), "Sec-WebSocket-Accept")


def test_only_an_offered_subprotocol_may_be_chosen() -> None:
    def offering() -> ClientHandshake:
        return dial(subprotocols=["v1", "v2"])

    chosen = answer("Sec-WebSocket-Protocol: v2")
    assert upgraded_by(chosen, offering).subprotocol == "v2"
    assert upgraded_by(answer(), offering).subprotocol is None
    assert_malformed(chosen, "subprotocol 'v2'")
    assert_malformed(answer("Sec-WebSocket-Protocol: v1, v2"), "subprotocol", offering)
    assert_malformed(answer("Sec-WebSocket-Protocol: V1"), "subprotocol", offering)


# -- other answers -------------------------------------------------------------------------------


def test_a_refusal_carries_status_headers_and_body() -> None:
    body = b'{"code": -1003, "msg": "Too many requests"}'
    wire = answer("Retry-After: 17", f"Content-Length: {len(body)}", status="429 Too Many Requests")
    _, fault = answered(wire + body)
    assert isinstance(fault, UpgradeRefused)
    assert isinstance(fault, HandshakeRefused)
    assert fault.status == 429
    assert fault.retry_after_s == 17
    assert fault.body == body
    assert (b"retry-after", b"17") in fault.headers
    assert "429" in str(fault)
    assert "Too many requests" in str(fault)


@pytest.mark.parametrize("status", ["200 OK", "301 Moved", "403 Forbidden", "418 teapot", "503 x"])
def test_every_other_status_is_a_refusal(status: str) -> None:
    _, fault = answered(answer("Content-Length: 0", status=status))
    assert isinstance(fault, UpgradeRefused)
    assert fault.status == int(status[:3])
    assert fault.body == b""


@pytest.mark.parametrize("value", ["Wed, 21 Oct 2015 07:28:00 GMT", "-1", "1.5", "1" * 5000, ""])
def test_a_retry_after_that_is_no_count_of_seconds_is_none(value: str) -> None:
    _, fault = answered(answer(f"Retry-After: {value}", "Content-Length: 0", status="429 x"))
    assert isinstance(fault, UpgradeRefused)
    assert fault.retry_after_s is None


def test_a_chunked_body_is_joined() -> None:
    wire = answer("Transfer-Encoding: chunked", status="403 Forbidden")
    _, fault = answered(wire + b"3\r\nfor\r\n6\r\nbidden\r\n0\r\n\r\n")
    assert isinstance(fault, UpgradeRefused)
    assert fault.body == b"forbidden"


def test_of_a_long_body_the_beginning_is_kept() -> None:
    wire = answer("Content-Length: 1000000", status="403 Forbidden") + b"x" * 3000
    _, fault = answered(wire)
    assert isinstance(fault, UpgradeRefused)
    assert fault.body == b"x" * 1024


def test_a_body_cut_short_is_kept_as_far_as_it_came() -> None:
    wire = answer("Content-Length: 100", status="403 Forbidden") + b"partial"
    assert answered(wire) == (None, None)
    _, fault = answered(wire, hung_up=True)
    assert isinstance(fault, UpgradeRefused)
    assert fault.body == b"partial"


def test_a_body_that_breaks_its_framing_ends_there() -> None:
    wire = answer("Transfer-Encoding: chunked", status="403 Forbidden") + b"2\r\nno\r\nzz\r\n"
    _, fault = answered(wire)
    assert isinstance(fault, UpgradeRefused)
    assert fault.body == b"no"


@pytest.mark.parametrize("wire", [b"", b"HTTP/1.1 101 Switching", answer()[:-1]])
def test_hanging_up_before_the_answer_is_whole_is_a_lost_connection(wire: bytes) -> None:
    _, fault = answered(wire, hung_up=True)
    assert isinstance(fault, ConnectionLost)


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-venue\r\n\r\n",
        b"\r\n\r\n",
        b"HTTP/1.1 abc Nope\r\n\r\n",
        b"HTTP/1.1 101 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 101 OK\r\nUpgrade : websocket\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\n\n",
    ],
)
def test_what_is_not_http_is_malformed(wire: bytes) -> None:
    assert_malformed(wire, "not HTTP/1.1")


def test_headers_of_more_than_16_kib_are_malformed() -> None:
    room = 16 * 1024 - len(answer("Padding: "))
    assert upgraded_by(answer("Padding: " + "x" * room) + b"\x8a\x00").leftover == b"\x8a\x00"
    assert_malformed(answer("Padding: " + "x" * (room + 1)), "more than 16384 bytes")
    assert_malformed(b"x" * 20_000, "more than 16384 bytes")
    assert_malformed(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000, "more than 16384 bytes")


# -- permessage-deflate --------------------------------------------------------------------------


def agreed(reply: str, offer: DeflateParams) -> DeflateParams | None:
    wire = answer(f"Sec-WebSocket-Extensions: {reply}")
    return upgraded_by(wire, lambda: dial(offer)).deflate


@pytest.mark.parametrize(
    ("reply", "params"),
    [
        ("permessage-deflate", DeflateParams()),
        ("Permessage-Deflate", DeflateParams()),
        (
            "permessage-deflate; server_no_context_takeover",
            DeflateParams(server_no_context_takeover=True),
        ),
        (
            "permessage-deflate;client_no_context_takeover ; server_max_window_bits=8",
            DeflateParams(client_no_context_takeover=True, server_max_window_bits=8),
        ),
        (
            'permessage-deflate; client_max_window_bits="10"',
            DeflateParams(client_max_window_bits=10),
        ),
    ],
)
def test_the_server_may_narrow_the_offer(reply: str, params: DeflateParams) -> None:
    assert agreed(reply, DeflateParams()) == params


def test_the_server_may_decline_deflate() -> None:
    assert upgraded_by(answer(), lambda: dial(DeflateParams())).deflate is None


def test_what_we_announced_of_ourselves_holds_without_an_echo() -> None:
    offer = DeflateParams(client_no_context_takeover=True, client_max_window_bits=10)
    assert agreed("permessage-deflate", offer) == offer


@pytest.mark.parametrize(
    ("reply", "about"),
    [
        ("permessage-bzip2", "not offered"),
        ("permessage-deflate, permessage-deflate", "not offered"),
        ("permessage-deflate; unknown", "unknown parameter 'unknown'"),
        ("permessage-deflate; server_no_context_takeover=1", "a value"),
        ("permessage-deflate; client_no_context_takeover; client_no_context_takeover", "twice"),
        ("permessage-deflate; server_max_window_bits", "8 to 15"),
        ("permessage-deflate; client_max_window_bits", "8 to 15"),
        ("permessage-deflate; server_max_window_bits=7", "8 to 15"),
        ("permessage-deflate; server_max_window_bits=16", "8 to 15"),
        ("permessage-deflate; server_max_window_bits=08", "8 to 15"),
        ("permessage-deflate; server_max_window_bits=", "8 to 15"),
        ("permessage-deflate;", "unknown parameter ''"),
    ],
)
def test_an_answer_that_is_not_among_the_offer_is_malformed(reply: str, about: str) -> None:
    wire = answer(f"Sec-WebSocket-Extensions: {reply}")
    assert_malformed(wire, about, lambda: dial(DeflateParams()))


def test_an_extension_nobody_offered_is_malformed() -> None:
    assert_malformed(answer("Sec-WebSocket-Extensions: permessage-deflate"), "not offered")


@pytest.mark.parametrize(
    ("offer", "about"),
    [
        (DeflateParams(server_no_context_takeover=True), "lacks server_no_context_takeover"),
        (DeflateParams(server_max_window_bits=12), "server_max_window_bits"),
        (DeflateParams(client_max_window_bits=12), "client_max_window_bits=13"),
    ],
)
def test_what_was_demanded_must_be_granted(offer: DeflateParams, about: str) -> None:
    reply = "permessage-deflate; client_max_window_bits=13"
    wire = answer(f"Sec-WebSocket-Extensions: {reply}")
    assert_malformed(wire, about, lambda: dial(offer))


# -- any bytes, and a real server ------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(
    wire=st.binary(max_size=100)
    | st.builds(
        lambda at, noise, body: answer("Content-Length: 3")[:at] + noise + answer()[at:] + body,
        st.integers(0, 150),
        st.binary(max_size=6),
        st.binary(max_size=6),
    ),
    cuts=st.lists(st.integers(0, 200), max_size=5),
)
def test_any_bytes_give_an_upgrade_or_one_fault(wire: bytes, cuts: list[int]) -> None:
    found = answered(wire, hung_up=True)
    assert found != (None, None)
    parts = [part for part in pieces(wire, cuts) if part]
    assert described(outcome(dial(), [*parts, b""])) == described(found)


def test_wsproto_accepts_our_request_and_we_its_answer() -> None:
    server = WSConnection(ConnectionType.SERVER)
    handshake = dial(DeflateParams(), subprotocols=["v1"])
    server.receive_data(handshake.request)
    (request,) = server.events()
    assert isinstance(request, Request)
    assert (request.host, request.target) == ("venue.example", "/ws?a=b")
    reply = server.send(AcceptConnection(subprotocol="v1", extensions=[PerMessageDeflate()]))
    upgraded = handshake.receive(reply)
    assert upgraded is not None
    assert upgraded.subprotocol == "v1"
    assert upgraded.deflate == DeflateParams()


def test_wsproto_refuses_and_we_say_why() -> None:
    server = WSConnection(ConnectionType.SERVER)
    handshake = dial()
    server.receive_data(handshake.request)
    list(server.events())
    with pytest.raises(UpgradeRefused, match="403") as caught:
        handshake.receive(server.send(RejectConnection(status_code=403)))
    assert caught.value.status == 403
