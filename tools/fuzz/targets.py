"""Who reads bytes from outside, and what each of them may answer with.

A target is one reader and the errors it promises for input that is none. Here is also what must
hold of what it returns: torn anywhere it is the same, integers fit where they will be kept, and a
frame read by its first bytes means what it means when it is looked through. Nothing here is random.
"""

from __future__ import annotations

import contextlib
import tempfile
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec import Struct

from core.engine import checkpoint
from core.io import control
from core.io.hlog import HlogFile, encode_histogram
from core.io.journal_file import JournalFile, read
from core.io.last_boot import last_boot
from core.model import config
from core.model.commands import Since
from core.model.errors import (
    BadConfig,
    BadParameter,
    ConnectionLost,
    Drifted,
    HandshakeRefused,
    JournalCorrupt,
    Malformed,
)
from core.model.events import Event, Side
from core.model.units import NS_PER_S
from core.model.venue import Credentials, KeyKind
from core.protocols.websocket import ClientCodec, DeflateParams
from core.protocols.websocket_handshake import ClientHandshake
from core.state import journal
from core.state.hops import INDEX, Histogram, Hops
from core.state.journal import Answer, Ask, Header, Kind, Record
from tools import app, files
from tools.bad_input import GOOD, KEYS
from tools.bench import wire
from tools.fuzz import corpus
from tools.fuzz.corpus import QUESTIONS, START_NS, Conversation, Outlet
from tools.hop_log import decode_histogram, read_hlog
from tools.scratch import scratch
from venues.binance import VENUE, decode
from venues.sim import control as switches
from venues.sim.binance.rest import respond
from venues.sim.http import HttpRequest
from venues.sim.venue import TooManyMessagesError

MAX_MESSAGE: Final = 1 << 16
"""Longest WebSocket message here: below the longest case, so that cases meet the limit."""

INT64: Final = range(-(2**63), 2**63)

Read = Callable[[bytes], object]


class Broken(AssertionError):
    """A reader returned what it must not."""


class Target(Struct, frozen=True):
    """One reader of bytes from outside."""

    name: str
    read: Read
    """Returns, or raises one of ``allowed``; anything else is a defect."""
    allowed: tuple[type[Exception], ...]
    corpus: Callable[[], list[bytes]]
    """Legal inputs; one byte or two in front may choose what is to read the rest."""
    memory: int = 4 << 20
    """Bytes that reading may take, besides some for each of the input. The regular expressions of
    a head of HTTP take most, 3 MB for its longest; modules imported on the way 2 MB."""


@cache
def said() -> Conversation:
    return Conversation()


# -- WebSocket -------------------------------------------------------------------------------


def _codec(*, deflate: bool) -> ClientCodec:
    return ClientCodec(
        mask_source=lambda: 0x0403_0201,
        max_message_bytes=MAX_MESSAGE,
        deflate=DeflateParams() if deflate else None,
    )


def _frames(data: bytes) -> object:
    """Read frames whole and torn; the first byte says whether compression was agreed on."""
    deflate = data[:1] == b"d"
    whole = _codec(deflate=deflate)
    messages = whole.receive(data[1:])
    for parts in (_halves(data[1:]), _crumbs(data[1:])):
        torn = _codec(deflate=deflate)
        if list(chain.from_iterable(map(torn.receive, parts))) != messages:
            raise Broken("torn frames give other messages")
        if (str(torn.fault), torn.state) != (str(whole.fault), whole.state):
            raise Broken("torn frames end otherwise")
    if any(len(payload) > MAX_MESSAGE for _, payload in messages):
        raise Broken("a message is longer than allowed")
    return messages


def _halves(data: bytes) -> Iterator[bytes]:
    yield data[: len(data) // 2]
    yield data[len(data) // 2 :]


def _crumbs(data: bytes) -> Iterator[bytes]:
    """Cut bytes into pieces of one to four where headers are, and larger ones further on."""
    at, size = 0, 1
    while at < len(data):
        yield data[at : at + size]
        at += size
        size = size % 4 + 1 if at < 600 else size * 2


def _frame_corpus() -> list[bytes]:
    frames = [wire.frame(payload) for payload in (*said().market[:4], *said().trade[:2])]
    fragments = b"\x01\x03abc\x89\x01p\x00\x02de\x80\x01f"
    close = b"\x88\x07\x03\xe8going"
    hello = bytes.fromhex("c107f248cdc9c90700")  # RFC 7692, 7.2.3.1
    plain = [*frames, b"".join(frames), fragments, close, b"\x8a\x00", fragments + close]
    return [b"p" + one for one in plain] + [b"d" + one for one in (hello * 2, *plain[:2], close)]


_NONCE: Final = bytes(range(16))


def _handshake(data: bytes) -> object:
    """Read the answer to an upgrade, whole and torn; the end of it is the server hanging up."""
    verdicts = {_upgrade(parts) for parts in ([data, b""], [*_halves(data), b""])}
    if len(verdicts) > 1:
        raise Broken(f"a torn answer is another one: {verdicts}")
    return verdicts


def _upgrade(parts: list[bytes]) -> str:
    """Return how a handshake ended, in words. Other errors than it promises pass through."""
    dial = ClientHandshake(host="h", target="/", nonce=_NONCE, deflate=DeflateParams())
    leftover = b""
    upgraded = None
    try:
        for part in parts:
            if upgraded is None:
                upgraded = dial.receive(part)
            else:
                leftover += part
    except (Malformed, HandshakeRefused, ConnectionLost) as error:
        return repr(error)
    if upgraded is None:
        raise Broken("a server that has hung up is still waited for")
    return repr((upgraded.headers, upgraded.deflate, upgraded.leftover + leftover))


def _handshake_corpus() -> list[bytes]:
    accept = wire.accept_key("AAECAwQFBgcICQoLDA0ODw==").encode()
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    accepted = head + b"Sec-WebSocket-Accept: " + accept + b"\r\n"
    deflate = b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=15\r\n"
    refused = b"HTTP/1.1 429 Too Many\r\nRetry-After: 5\r\nContent-Length: 11\r\n\r\n"
    chunked = b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    return [
        accepted + b"\r\n",
        accepted + deflate + b"\r\n" + wire.frame(b"{}"),
        b"HTTP/1.1 100 Continue\r\n\r\n" + accepted + b"\r\n",
        refused + b'{"code":-1}',
        chunked,
    ]


# -- the venue's messages --------------------------------------------------------------------


def _connection(connection: int) -> Read:
    def read(payload: bytes) -> object:
        events = _decoded(connection, payload)
        _check(events)
        if _looked_through(connection, payload) != events:
            raise Broken("the frame means something else when it is looked through")
        return events

    return read


def _decoded(connection: int, payload: bytes) -> list[Event]:
    events: list[Event] = []
    said().adapter.decode(connection, payload, events)
    return events


def _looked_through(connection: int, payload: bytes) -> list[Event]:
    """Return what a frame means whose first bytes are not enough to choose its decoder.

    One with a key twice is left out: which of the two chooses is open. So is one of full length.
    """
    if len(payload) >= decode.MAX_FRAME or _has_key_twice(payload):
        return _decoded(connection, payload)
    return _decoded(connection, b" " + payload)


_CHOOSERS: Final = (b'"stream"', b'"e"', b'"id"', b'"event"')


def _has_key_twice(payload: bytes) -> bool:
    return b"\\u" in payload or any(payload.count(key) > 1 for key in _CHOOSERS)


def _check(events: list[Event]) -> None:
    """Hold what was read against what the machines take for granted."""
    for event in events:
        for number in _integers(msgspec.to_builtins(event, enc_hook=str)):
            if number not in INT64 and not type(event).__name__.startswith(_AMOUNTS):
                raise Broken(f"{number} does not fit 64 bits: {event}")
        side = getattr(event, "side", Side.BUY)
        if not isinstance(side, Side):
            raise Broken(f"a side that is none: {event}")


_AMOUNTS: Final = ("Account", "Balance", "Fill", "Order", "Reply")
"""Events with amounts in atoms, which are wider on purpose."""


def _integers(value: object) -> Iterator[int]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _integers(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _integers(one)
    elif isinstance(value, int):
        yield value


_STATUS: Final = (200, 400, 404, 418, 429, 503)


def _rest(data: bytes) -> object:
    """Read an answer; the first byte chooses the question, the second the status."""
    if len(data) < 2:
        return None
    command = QUESTIONS[data[0] % len(QUESTIONS)]
    status = _STATUS[data[1] % len(_STATUS)]
    reply = said().adapter.answer(command, 1, status, {}, data[2:])
    _check([reply])
    return reply


def _rest_corpus() -> list[bytes]:
    good = [bytes((index, 0)) + answer.body for index, answer in said().answers]
    refused = b'{"code":-2013,"msg":"Order does not exist."}'
    return [*good, b"\x00\x01" + refused, b"\x03\x03" + refused, b"\x00\x05<html>no</html>"]


def _headers(data: bytes) -> object:
    """Read the headers of an answer, a line each."""
    pairs = (line.partition(b":") for line in data.split(b"\n"))
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, _, value in pairs}
    reply = said().adapter.answer(QUESTIONS[1], 1, 429, headers, b"{}")
    _check([reply])
    return reply


def _headers_corpus() -> list[bytes]:
    date = b"date:Thu, 01 Jan 2026 00:00:00 GMT"
    use = b"x-mbx-used-weight-1m:70\nx-mbx-order-count-10s:3"
    return [date + b"\nretry-after:5\n" + use, b"retry-after:604800\n" + date]


# -- configuration and control socket --------------------------------------------------------


def _config(data: bytes) -> object:
    """Read a configuration as a run does, up to the application that would be built of it."""
    with _file(data, "run.toml") as path:
        found = files.read_config(path)
    if ":" in found.strategy.name:
        return found  # it would be imported
    return app.wire(found, "run.toml", scope="h-", boot=1, seed=1, key=KeyKind.NONE)


def _keys(data: bytes) -> object:
    """Read a key file, or a private key."""
    if data.startswith(b"-----"):
        return VENUE.signer(
            Credentials({"api_key": "key", "private_key": data.decode("utf-8", "replace")})
        )
    with _file(data, "keys.toml") as path:
        keys = files.read_keys(
            config.load(GOOD, "run.toml"), path.with_name("run.toml"), VENUE.key_fields
        )
    return keys and VENUE.signer(keys)


def _keys_corpus() -> list[bytes]:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return [KEYS.encode(), pem]


def _config_corpus() -> list[bytes]:
    more = '[loop]\nmode = "spin"\ncpu = 1\n[journal]\nsegment_mb = 4\n[run]\ndir = "."\n'
    return [GOOD.encode(), (GOOD + more).encode(), GOOD.replace("maker", "taker").encode()]


def _control(data: bytes) -> object:
    """Read a request; a parameter it sets is checked as a run would."""
    request = control.decode(data)
    if request.verb == "set":
        key, value = request.arguments
        application = _application()
        application.parameters_with(application.strategy.parameters, key, value)
    return request


@cache
def _application() -> app.Application:
    loaded = config.load(GOOD, "run.toml")
    return app.wire(loaded, "run.toml", scope="h-", boot=1, seed=1, key=KeyKind.NONE)


def _control_corpus() -> list[bytes]:
    return [
        b'{"verb":"status"}',
        b'{"verb":"halt","arguments":["by hand"]}',
        b'{"verb":"set","arguments":["size","0.02"]}',
        b'{"verb":"set","arguments":["half_spread_bps","5"]}',
    ]


# -- files of a run --------------------------------------------------------------------------


@contextlib.contextmanager
def _file(data: bytes, *place: str) -> Iterator[Path]:
    """A file with these bytes in a folder of its own, as long as the block lasts."""
    with scratch("fuzz") as folder:
        path = Path(folder, *place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(data)
        yield path


SEGMENT_MEMORY: Final = 2 * journal.SEARCH_BYTES
"""A record that says it is as long as a segment is looked for in the file, a segment at once."""


def _journal(data: bytes) -> object:
    """Read a segment by itself, and what every record says."""
    with _file(data, "journal", "000001.journal") as path:
        return [_understood(record) for record in read(path.parents[1])]


def _understood(record: Record) -> object:
    if record.kind == Kind.HEADER:
        return journal.unpack(record.payload, Header)
    if record.kind == Kind.ANSWER:
        return journal.unpack(record.payload, Answer)
    if record.kind == Kind.ASK:
        return journal.unpack(record.payload, Ask)
    return None


def _boot(data: bytes) -> object:
    """Read what a boot has left, as the next one does."""
    with _file(data, "journal", "000001.journal") as path:
        return last_boot(path.parents[1])


def _record(data: bytes) -> object:
    """Read records whose checksums are right, whatever they say; a byte chooses their kind."""
    if not data:
        return None
    kind = list(Kind)[data[0] % len(Kind)]
    head = journal.encode(Kind.HEADER, -1, 0, journal.pack(HEADER))
    segment = head + journal.encode(kind, 0, 1, data[1:])
    _journal(segment)
    return _boot(segment)


HEADER: Final = Header(
    run_id="fuzz",
    boot=1,
    segment=1,
    config_digest="",
    seeds={"run": 1},
    venue="binance",
    strategy="maker",
    start_ns=START_NS,
    key=KeyKind.SIGNS,
)


def _records() -> list[tuple[Kind, bytes]]:
    request = said().http[-1]
    position = checkpoint.PositionNote(
        symbol="BTCUSDT",
        tick="0.01",
        lot="0.00001",
        bought_lots=1,
        sold_lots=0,
        bought_value=1,
        sold_value=0,
        fees_atoms={"BNB": 1},
        settled=Since("7", 7, START_NS),
        recent_buys={"7": 7},
        recent_sells={},
    )
    point = checkpoint.Checkpoint(boot=1, time_ns=1, positions=[position], orders=[])
    number = checkpoint.AcknowledgementNote(
        symbol="BTCUSDT",
        tick="0.01",
        lot="0.00001",
        client_order_id="fuzz-1",
        venue_order_id="7",
        side=Side.BUY,
        price_ticks=1,
        size_lots=1,
    )
    ask = Ask(1, request.method, request.path, "", {}, b"", signed=True, cancels=False)
    return [
        (Kind.HEADER, journal.pack(HEADER)),
        (Kind.NOTE, checkpoint.PREFIX + checkpoint.encode(point)),
        (Kind.NOTE, checkpoint.NUMBER + checkpoint.encode(number)),
        (Kind.BYTES, wire.frame(said().market[0])),
        (Kind.ASK, journal.pack(ask)),
        (Kind.ANSWER, journal.pack(Answer(1, 200, {"a": "b"}, b"{}"))),
        (Kind.END, b"left"),
    ]


def _record_corpus() -> list[bytes]:
    kinds = list(Kind)
    return [bytes((kinds.index(kind),)) + payload for kind, payload in _records()]


def _journal_corpus() -> list[bytes]:
    """Return a segment as the writer leaves it, and one that was not ended."""
    with tempfile.TemporaryDirectory() as folder:
        writer = JournalFile(Path(folder), HEADER, segment_bytes=1 << 13, keep_segments=2)
        for kind, payload in _records()[1:]:
            writer.append(kind, 0, START_NS, payload)
        live = next(Path(folder).rglob("*.journal")).read_bytes()
        writer.close()
        ended = next(Path(folder).rglob("*.journal")).read_bytes()
    return [ended, live]


def _hlog(data: bytes) -> object:
    with _file(data, "hops.hlog") as path:
        return read_hlog(path)


def _hlog_corpus() -> list[bytes]:
    hops = Hops()
    for hop in list(INDEX.values())[:2]:
        hops.record(hop, 5_000)
    while hops.fold():
        pass
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hops.hlog"
        log = HlogFile(path, START_NS)
        log.put(hops.interval(START_NS, START_NS + NS_PER_S))
        log.close()
        return [path.read_bytes()]


def _histogram(data: bytes) -> object:
    """Read a histogram that is already unpacked, so that changes reach its counts."""
    packed = zlib.compress(data)
    head = (0x1C849304 | 0x10).to_bytes(4) + len(packed).to_bytes(4)
    return decode_histogram(b64encode(head + packed).decode())


def _histogram_corpus() -> list[bytes]:
    histogram = Histogram()
    for value in (1, 1_000, 5_000_000):
        histogram.record(value, 3)
    return [zlib.decompress(b64decode(encode_histogram(histogram))[8:])]


# -- the built-in exchange -------------------------------------------------------------------


def _api(data: bytes) -> object:
    """Say something to the WebSocket API; it always answers."""
    venue, outlet = corpus.exchange(), Outlet()
    session = venue.open_api_session(outlet, "/ws-api/v3", "ip", START_NS)
    session.receive(_text(data), START_NS)
    venue.advance(START_NS)
    venue.close_api_session(session)
    return _answered(outlet.sent)


def _text(data: bytes) -> str | bytes:
    """Return a message as trio-websocket hands it over: a text, or bytes that need not be one."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _answered(sent: list[bytes]) -> object:
    if not sent:
        raise Broken("the exchange does not answer")
    return [msgspec.json.decode(payload) for payload in sent]


def _streams(data: bytes) -> object:
    venue, outlet = corpus.exchange(), Outlet()
    session = venue.open_stream_session(outlet, "/stream")
    session.receive(_text(data), START_NS)
    venue.advance(START_NS)
    session.close()
    return _answered(outlet.sent)


def _http(data: bytes) -> object:
    """Ask by REST, or the switch panel: method, path and query in the first line, then a body."""
    head, _, body = data.partition(b"\n")
    method, _, target = head.decode("latin-1").partition(" ")
    path, _, query = target.partition("?")
    request = HttpRequest(
        method, path, query, body.decode("utf-8", "replace"), {"x-mbx-apikey": corpus.API_KEY}
    )
    venue = corpus.exchange()
    if path in switches.PATHS:
        return switches.answer(venue, request, START_NS)
    return respond(venue.exchange, request, START_NS)


def _http_corpus() -> list[bytes]:
    asked = [f"{one.method} {one.path}?{one.query}\n".encode() for one in said().http]
    fault = b'{"fault":"drop","on":"replies","line":"rest","times":1}'
    action = b'{"action":"status","symbol":"BTCUSDT","status":"HALT"}'
    return [
        *asked,
        f"POST {switches.FAULTS}\n".encode() + fault,
        f"GET {switches.FAULTS}".encode(),
        f"POST {switches.ACTIONS}\n".encode() + action,
    ]


# -- all of them -----------------------------------------------------------------------------

PUBLIC: Final = (Malformed, Drifted)

TARGETS: Final = (
    Target("frames", _frames, (), _frame_corpus),
    Target("handshake", _handshake, (), _handshake_corpus),
    Target("market", _connection(decode.MARKET), PUBLIC, lambda: said().market),
    Target("trade", _connection(decode.TRADE), PUBLIC, lambda: said().trade),
    Target("rest", _rest, PUBLIC, _rest_corpus),
    Target("headers", _headers, PUBLIC, _headers_corpus),
    Target("config", _config, (BadConfig,), _config_corpus),
    Target("keys", _keys, (BadConfig,), _keys_corpus),
    Target("control", _control, (control.Refused, BadConfig), _control_corpus),
    Target("journal", _journal, (JournalCorrupt,), _journal_corpus, memory=SEGMENT_MEMORY),
    Target("boot", _boot, (JournalCorrupt,), _journal_corpus, memory=SEGMENT_MEMORY),
    Target("record", _record, (JournalCorrupt,), _record_corpus),
    Target("hlog", _hlog, (BadParameter,), _hlog_corpus),
    Target("histogram", _histogram, (Malformed,), _histogram_corpus),
    Target("sim-api", _api, (), lambda: said().requests),
    Target("sim-streams", _streams, (TooManyMessagesError,), lambda: said().subscriptions),
    Target("sim-rest", _http, (), _http_corpus),
)
