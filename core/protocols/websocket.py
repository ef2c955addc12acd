"""WebSocket frames for a client: bytes in, messages out; messages in, masked bytes out (RFC 6455).

Here lives all of the protocol after the upgrade: framing, fragments, control frames, the close
handshake, UTF-8, size limits and permessage-deflate (RFC 7692). What never does: sockets, clocks,
randomness, and any decision. The caller reads and writes, answers pings with ``frame(PONG, ..)``,
and brings the masks, so that a replayed session yields the same bytes.

Any bytes in give messages or one ``ProtocolViolation``, and the same ones however they are torn.
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from struct import Struct
from typing import Final

from core.model.errors import Malformed, Misuse
from core.model.wire import Entropy

__all__ = [
    "BINARY",
    "CLOSE",
    "PING",
    "PONG",
    "TEXT",
    "ClientCodec",
    "DeflateParams",
    "ProtocolViolation",
    "State",
    "parse_close",
]

# Opcodes (RFC 6455, 11.8). Plain ints: they are compared once a frame.
_CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

# Bits of the first two bytes of a frame (RFC 6455, 5.2).
_FIN: Final = 0x80
_RSV1: Final = 0x40
_RSV: Final = 0x70
_OPCODE: Final = 0x0F
_TEXT_HEAD: Final = _FIN | TEXT
_MASKED: Final = 0x80

# Close codes we send ourselves (RFC 6455, 7.4.1).
_PROTOCOL_ERROR: Final = 1002
_INVALID_PAYLOAD: Final = 1007
_TOO_BIG: Final = 1009
_NO_CODE: Final = 1005  # "no status received": said to the caller, never on the wire

# A control frame carries at most 125 bytes, and is never fragmented (RFC 6455, 5.5).
_MAX_CONTROL_BYTES: Final = 125
_MAX_REASON_BYTES: Final = _MAX_CONTROL_BYTES - 2

# A sync flush ends in an empty stored block, whose last four bytes stay off the wire
# (RFC 7692, 7.2.1).
_FLUSH_TAIL: Final = b"\x00\x00\xff\xff"

# Messages shorter than this go out uncompressed: deflating an order of 300 bytes takes 8 to 25 us,
# masking it 1 us, and an order is in a hurry. Always legal (RFC 7692, 6).
_MIN_DEFLATE_BYTES: Final = 1024

# Longest payload masked through the table below; about the size of the largest order request.
# The table takes 130 KiB.
_TABLE_BYTES: Final = 1024
# _ONES[n] times a 32-bit mask repeats the mask n times: cheaper than building the bytes.
_ONES: Final = [((1 << 32 * n) - 1) // 0xFFFF_FFFF for n in range(_TABLE_BYTES // 4 + 1)]

_head = Struct(">HH").unpack_from
# The mask is packed little-endian, so that its lowest byte falls on the payload's first.
_pack_short = Struct("<BBI").pack
_pack_medium = Struct("<BBBBI").pack
_utf8_decoder = codecs.getincrementaldecoder("utf-8")


class ProtocolViolation(Malformed):
    """The server broke RFC 6455 or 7692; ``close_code`` is what to close the connection with."""

    def __init__(self, message: str, *, close_code: int = _PROTOCOL_ERROR) -> None:
        super().__init__(message)
        self.close_code = close_code


class State(Enum):
    """Where a connection stands in the closing handshake (RFC 6455, 7)."""

    OPEN = "open"
    CLOSE_SENT = "close sent"  # ours is out; the server may still finish what it was saying
    CLOSE_RECEIVED = "close received"  # theirs is in; answer with close()
    FAILED = "failed"  # the server broke the protocol; say why with close(), then hang up
    CLOSED = "closed"  # nothing more in either direction


class _Step(Enum):
    SEND_CLOSE = "send close"
    RECEIVE_CLOSE = "receive close"
    FAIL = "fail"


# An absent cell is an error: a second close() is our misuse; the other two cannot happen, since
# nothing is read any more where they are absent.
_NEXT: Final = {
    (State.OPEN, _Step.SEND_CLOSE): State.CLOSE_SENT,
    (State.OPEN, _Step.RECEIVE_CLOSE): State.CLOSE_RECEIVED,
    (State.OPEN, _Step.FAIL): State.FAILED,
    (State.CLOSE_SENT, _Step.RECEIVE_CLOSE): State.CLOSED,
    (State.CLOSE_SENT, _Step.FAIL): State.CLOSED,
    (State.CLOSE_RECEIVED, _Step.SEND_CLOSE): State.CLOSED,
    (State.FAILED, _Step.SEND_CLOSE): State.CLOSED,
}

# What frame() takes. After our own close no more data (RFC 6455, 5.5.1), but pongs are still owed.
# The end of the input forbids nothing: what came before it in the same read may be answered.
_SENDABLE: Final = {
    State.OPEN: frozenset({TEXT, BINARY, PING, PONG}),
    State.CLOSE_SENT: frozenset({PING, PONG}),
    State.CLOSE_RECEIVED: frozenset({TEXT, BINARY, PING, PONG}),
    State.FAILED: frozenset({TEXT, BINARY, PING, PONG}),
    State.CLOSED: frozenset[int](),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeflateParams:
    """permessage-deflate as offered or as agreed (RFC 7692, 7.1); windows are powers of two."""

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int = 15
    client_max_window_bits: int = 15

    def __post_init__(self) -> None:
        for bits in (self.server_max_window_bits, self.client_max_window_bits):
            if not 8 <= bits <= 15:
                raise Misuse(f"a deflate window of 2**{bits} bytes; allowed are 2**8 to 2**15")


def parse_close(body: bytes) -> tuple[int, str]:
    """Code and reason of a close body; (1005, "") if the server gave none.

    Raises ``ProtocolViolation`` if it breaks RFC 6455, 5.5.1 or 7.4; never for a body that
    ``ClientCodec.receive`` returned, since those are checked.
    """
    if not body:
        return _NO_CODE, ""
    if len(body) == 1:
        raise ProtocolViolation("close body of one byte: a close code takes two")
    code = body[0] << 8 | body[1]
    if not _is_close_code(code):
        raise ProtocolViolation(f"close code {code} is not allowed on the wire")
    try:
        return code, body[2:].decode()
    except UnicodeDecodeError:
        raise ProtocolViolation("close reason is not UTF-8", close_code=_INVALID_PAYLOAD) from None


def _is_close_code(code: int) -> bool:
    """Whether a close frame may carry this code (RFC 6455, 7.4, and the IANA registry)."""
    return 3000 <= code <= 4999 or (1000 <= code <= 1014 and code not in {1004, 1005, 1006})


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def websocket(max_message_bytes: int) -> Callable[[Entropy], ClientCodec]:
    """Return what makes the codec of each link, for ``Connection.protocol``."""

    def protocol(entropy: Entropy) -> ClientCodec:
        return ClientCodec(mask_source=entropy, max_message_bytes=max_message_bytes)

    return protocol


class ClientCodec:
    """One client connection's frames, both ways. Not thread-safe; bounded memory.

    - ``mask_source`` is called once for every frame sent and gives a fresh, unpredictable 32-bit
      int (RFC 6455, 5.3). Injected, so that replay is deterministic.
    - ``max_message_bytes`` is the largest message accepted, fragments joined and inflated, and
      the largest compressed one. Anything beyond is a violation with close code 1009.
    - ``deflate`` is what the handshake agreed on, or None.

    ``fault`` is the violation that ended this connection's input, or None: look at it after every
    ``receive``; its ``close_code`` is for ``close``. ``state`` tells where the closing handshake
    stands.
    """

    __slots__ = (
        "_deflater",
        "_fin",
        "_inflater",
        "_inside",
        "_mask_source",
        "_max_hot_bytes",
        "_max_hot_send_bytes",
        "_max_message_bytes",
        "_message",
        "_missing",
        "_opcode",
        "_reading",
        "_sendable",
        "_tail",
        "_unzip",
        "_utf8",
        "fault",
        "state",
    )

    def __init__(
        self,
        *,
        mask_source: Callable[[], int],
        max_message_bytes: int,
        deflate: DeflateParams | None = None,
    ) -> None:
        self.fault: ProtocolViolation | None = None
        self.state = State.OPEN
        self._sendable = _SENDABLE[State.OPEN]
        self._reading = True
        self._mask_source = mask_source
        self._max_message_bytes = max_message_bytes
        self._max_hot_bytes = min(max_message_bytes, 0xFFFF)
        self._max_hot_send_bytes = _TABLE_BYTES if deflate is None else _MIN_DEFLATE_BYTES - 1
        self._inflater = None if deflate is None else _Inflater(deflate, max_message_bytes)
        self._deflater = None if deflate is None else _Deflater(deflate)
        # what is left over from earlier reads
        self._inside = False  # anything below is in use, or nothing is read any more
        self._tail = b""  # a header or control frame not yet whole: at most 126 bytes
        self._opcode = 0  # of the data message in progress; 0 between messages
        self._unzip: _Inflater | None = None  # of the message in progress, if it is compressed
        self._message = bytearray()  # payload of the message in progress
        self._missing = 0  # bytes of the current data frame still to come
        self._fin = False  # the current data frame is the message's last
        self._utf8: codecs.IncrementalDecoder | None = None

    # -- receiving ---------------------------------------------------------------------------

    def receive(self, data: bytes | bytearray | memoryview) -> list[tuple[int, bytes]]:
        """The messages and control frames that these bytes complete, in wire order.

        Each is (opcode, payload): TEXT is checked UTF-8, CLOSE a checked body for ``parse_close``.
        On a violation the list holds what came before it and ``fault`` is set. After a fault or
        the server's close every further byte is ignored.
        """
        if type(data) is not bytes:
            data = bytes(data)
        messages: list[tuple[int, bytes]] = []
        pos = 0
        if self._inside:
            data = self._tail + data
            pos = self._take_frames(data, 0, messages)
        end = len(data)
        last_head = end - 4
        limit = self._max_hot_bytes
        while True:
            # Nearly every frame there is: whole, unfragmented, uncompressed text below 64 KiB.
            # What is not quite that is left to the careful path, faults included.
            while pos <= last_head:
                head, size = _head(data, pos)
                if head == 0x817E:
                    start = pos + 4
                    if size < 126:
                        break
                elif 0x8100 <= head < 0x817E:
                    start = pos + 2
                    size = head - 0x8100
                else:
                    break
                stop = start + size
                if stop > end or size > limit:
                    break
                payload = data[start:stop]
                if not payload.isascii() and not _is_utf8(payload):
                    break
                messages.append((TEXT, payload))
                pos = stop
            if pos >= end:
                return messages
            pos = self._take_frames(data, pos, messages)

    def _take_frames(self, data: bytes, pos: int, messages: list[tuple[int, bytes]]) -> int:
        """Take one frame after the other until a new message can begin, or no byte is left."""
        end = len(data)
        self._tail = b""
        try:
            while pos < end and self._reading:
                take = self._take_payload if self._missing else self._take_frame
                pos = take(data, pos, messages)
                if not self._opcode:
                    break
        except ProtocolViolation as fault:
            self.fault = fault
            self._forget_message()
            self._step(_Step.FAIL)
        self._inside = bool(self._opcode or self._tail or not self._reading)
        return pos if self._reading else end

    def _take_frame(self, data: bytes, pos: int, messages: list[tuple[int, bytes]]) -> int:
        """Take a header and what follows of its payload; hold back what is not yet whole."""
        start = pos + 2
        available = len(data) - start
        if available < 0:
            return self._hold_back(data, pos)
        first, size = data[pos], data[pos + 1]
        opcode = first & _OPCODE
        self._check_head(first, opcode, size)
        if opcode >= CLOSE:
            if available < size:
                return self._hold_back(data, pos)
            stop = start + size
            self._take_control(opcode, data[start:stop], messages)
            return stop
        if size >= 126:
            width = 2 if size == 126 else 8
            if available < width:
                return self._hold_back(data, pos)
            size = int.from_bytes(data[start : start + width])
            start += width
            _check_length(size, width)
        self._begin_frame(first, opcode, size)
        return self._take_payload(data, start, messages)

    def _hold_back(self, data: bytes, pos: int) -> int:
        self._tail = data[pos:]
        return len(data)

    def _check_head(self, first: int, opcode: int, second: int) -> None:
        """RFC 6455, 5.1, 5.2, 5.4 and 5.5, as far as the first two bytes tell."""
        compressed = first & _RSV == _RSV1 and opcode in {TEXT, BINARY}
        if first & _RSV and not (compressed and self._inflater):
            raise ProtocolViolation("reserved bit set that no extension gave a meaning")
        if second & _MASKED:
            raise ProtocolViolation("masked frame from a server")
        if opcode in {CLOSE, PING, PONG}:
            if not first & _FIN:
                raise ProtocolViolation("fragmented control frame")
            if second > _MAX_CONTROL_BYTES:
                raise ProtocolViolation("control frame of more than 125 bytes")
        elif opcode == _CONTINUATION:
            if not self._opcode:
                raise ProtocolViolation("continuation frame without a message to continue")
        elif opcode not in {TEXT, BINARY}:
            raise ProtocolViolation(f"reserved opcode {opcode:#x}")
        elif self._opcode:
            raise ProtocolViolation("new message before the last fragment of the one before")

    def _begin_frame(self, first: int, opcode: int, size: int) -> None:
        if len(self._message) + size > self._max_message_bytes:
            raise ProtocolViolation(
                f"message of more than {self._max_message_bytes} bytes", close_code=_TOO_BIG
            )
        if opcode:
            self._opcode = opcode
            self._unzip = self._inflater if first & _RSV1 else None
            # Compressed text is checked when it is whole and inflated.
            self._utf8 = _utf8_decoder() if opcode == TEXT and not self._unzip else None
        self._fin = bool(first & _FIN)
        self._missing = size

    def _take_payload(self, data: bytes, pos: int, messages: list[tuple[int, bytes]]) -> int:
        part = data[pos : pos + self._missing]
        self._message += part
        self._missing -= len(part)
        whole = self._fin and not self._missing
        if self._utf8 is not None:
            # Checked as it arrives: a bad byte is known at once, not after the last fragment.
            try:
                self._utf8.decode(part, whole)
            except UnicodeDecodeError:
                raise _not_utf8() from None
        if whole:
            self._end_message(messages)
        return pos + len(part)

    def _end_message(self, messages: list[tuple[int, bytes]]) -> None:
        opcode, payload = self._opcode, bytes(self._message)
        if self._unzip is not None:
            payload = self._unzip.inflate(payload)
            if opcode == TEXT and not _is_utf8(payload):
                raise _not_utf8()
        self._forget_message()
        messages.append((opcode, payload))

    def _forget_message(self) -> None:
        self._opcode = 0
        self._missing = 0
        self._message = bytearray()
        self._utf8 = None

    def _take_control(self, opcode: int, payload: bytes, messages: list[tuple[int, bytes]]) -> None:
        if opcode == CLOSE:
            parse_close(payload)
            self._step(_Step.RECEIVE_CLOSE)
        messages.append((opcode, payload))

    # -- sending -----------------------------------------------------------------------------

    def frame(self, opcode: int, payload: bytes) -> bytes:
        """One whole message or ping or pong as one masked frame, compressed where worthwhile.

        Raises ``Misuse`` if the state does not allow it, if the opcode is another one (closing is
        ``close``), or for a ping or pong of more than 125 bytes.
        """
        if opcode == TEXT:
            return self.message(payload)
        if opcode not in self._sendable:
            raise self._misused(opcode)
        return self._frame_carefully(opcode, payload)

    def message(self, body: bytes) -> bytes:
        """One text message as one frame. Raises ``Misuse`` once a close was sent."""
        if TEXT not in self._sendable:
            raise self._misused(TEXT)
        size = len(body)
        if size > self._max_hot_send_bytes:
            return self._frame_carefully(TEXT, body)
        mask = self._mask_source()
        words = (size + 3) >> 2
        masked = int.from_bytes(body, "little") ^ mask * _ONES[words]
        payload = masked.to_bytes(words << 2, "little")[:size]
        if size < 126:
            return _pack_short(_TEXT_HEAD, _MASKED | size, mask) + payload
        return _pack_medium(_TEXT_HEAD, 0xFE, size >> 8, size & 0xFF, mask) + payload

    def _misused(self, opcode: int) -> Misuse:
        what = f"a frame of opcode {opcode:#x}"
        return Misuse(f"{what} cannot be sent in state '{self.state.value}'")

    def pong(self, payload: bytes) -> bytes:
        """The answer to a ping (RFC 6455, 5.5.3). Raises ``Misuse`` as ``frame`` does."""
        return self.frame(PONG, payload)

    def farewell(self) -> bytes:
        """Our close frame, with the code of ``fault`` where there is one."""
        return self.close(1000 if self.fault is None else self.fault.close_code)

    def reason(self, payload: bytes) -> str:
        """What the server's close body says: its code and its words."""
        code, words = parse_close(payload)
        if code == _NO_CODE:
            return "closed by the venue, without a code"
        return f"closed by the venue: {code} {words}".rstrip()

    def close(self, code: int | None = 1000, reason: str = "") -> bytes:
        """Our close frame, to start or to answer the closing handshake; None sends no code.

        Raises ``Misuse`` if a close was sent already, if the code may not be sent, or if the
        reason has no code or is longer than 123 bytes of UTF-8.
        """
        encoded = reason.encode()
        if code is None:
            if reason:
                raise Misuse("a close reason needs a close code")
            body = b""
        elif _is_close_code(code):
            body = code.to_bytes(2) + encoded
        else:
            raise Misuse(
                f"close code {code} may not be sent; allowed are 1000 to 1014 but 1004 to "
                "1006, and 3000 to 4999"
            )
        if len(encoded) > _MAX_REASON_BYTES:
            raise Misuse(f"close reason of {len(encoded)} bytes; at most 123 fit")
        self._step(_Step.SEND_CLOSE)
        return _masked_frame(_FIN | CLOSE, body, self._mask_source())

    def _frame_carefully(self, opcode: int, payload: bytes) -> bytes:
        first = _FIN | opcode
        if opcode > BINARY:
            if len(payload) > _MAX_CONTROL_BYTES:
                raise Misuse(f"ping or pong of {len(payload)} bytes; at most 125 fit")
        elif (
            self._deflater is not None
            and self._deflater.usable
            and len(payload) >= _MIN_DEFLATE_BYTES
        ):
            first |= _RSV1
            payload = self._deflater.deflate(payload)
        return _masked_frame(first, payload, self._mask_source())

    def _step(self, step: _Step) -> None:
        state = _NEXT.get((self.state, step))
        if state is None:
            raise Misuse(f"cannot {step.value} in state '{self.state.value}'")
        self.state = state
        self._sendable = _SENDABLE[state]
        self._reading = state in {State.OPEN, State.CLOSE_SENT}


class _Inflater:
    """The server's messages out of deflate, one whole message at a time (RFC 7692, 7.2.2)."""

    __slots__ = ("_fresh_each_message", "_limit", "_stream", "_window_bits")

    def __init__(self, params: DeflateParams, max_message_bytes: int) -> None:
        self._limit = max_message_bytes
        self._window_bits = -params.server_max_window_bits  # negative: zlib's raw deflate
        self._fresh_each_message = params.server_no_context_takeover
        self._stream = zlib.decompressobj(self._window_bits)

    def inflate(self, payload: bytes) -> bytes:
        """Inflate one message; never holds more than one byte beyond the limit."""
        room = self._limit + 1
        parts = []
        rest = payload + _FLUSH_TAIL
        # A sender may end its deflate stream inside a message and go on with a new one (RFC 7692,
        # 7.2.3.4). Once: each further stream costs the sender two bytes, and us a window.
        for _ in range(2):
            try:
                part = self._stream.decompress(rest, room)
            except zlib.error:
                raise _not_deflate() from None
            parts.append(part)
            room -= len(part)
            if not room:
                raise ProtocolViolation(
                    f"message inflates to more than {self._limit} bytes", close_code=_TOO_BIG
                )
            rest = self._stream.unused_data
            if not self._stream.eof:
                break
            self._stream = zlib.decompressobj(self._window_bits)
        if rest:
            raise _not_deflate()
        if self._fresh_each_message:
            self._stream = zlib.decompressobj(self._window_bits)
        return b"".join(parts)


class _Deflater:
    """Our messages into deflate (RFC 7692, 7.2.1)."""

    __slots__ = ("_fresh_each_message", "_stream", "_window_bits", "usable")

    def __init__(self, params: DeflateParams) -> None:
        # zlib cannot write raw deflate with a window of 2**8; then all goes out uncompressed.
        self.usable = params.client_max_window_bits > 8
        self._window_bits = -max(9, params.client_max_window_bits)
        self._fresh_each_message = params.client_no_context_takeover
        self._stream = zlib.compressobj(wbits=self._window_bits)

    def deflate(self, payload: bytes) -> bytes:
        deflated = self._stream.compress(payload) + self._stream.flush(zlib.Z_SYNC_FLUSH)
        if self._fresh_each_message:
            self._stream = zlib.compressobj(wbits=self._window_bits)
        return deflated[: -len(_FLUSH_TAIL)]


def _not_deflate() -> ProtocolViolation:
    return ProtocolViolation("compressed message is not deflate data", close_code=_INVALID_PAYLOAD)


def _not_utf8() -> ProtocolViolation:
    return ProtocolViolation("text message is not UTF-8", close_code=_INVALID_PAYLOAD)


def _check_length(size: int, width: int) -> None:
    """RFC 6455, 5.2: the fewest bytes that hold the length, and its highest bit 0."""
    if size < 126 or (width == 8 and size <= 0xFFFF):
        raise ProtocolViolation("frame length not in its shortest form")
    if size >> 63:
        raise ProtocolViolation("frame length with its highest bit set")


def _masked_frame(first: int, payload: bytes, mask: int) -> bytes:
    """Any frame of ours, at any length (RFC 6455, 5.2 and 5.3)."""
    size = len(payload)
    key = mask.to_bytes(4, "little")
    if size < 126:
        head = bytes((first, _MASKED | size))
    elif size <= 0xFFFF:
        head = bytes((first, _MASKED | 126)) + size.to_bytes(2)
    else:
        head = bytes((first, _MASKED | 127)) + size.to_bytes(8)
    words = (size + 3) >> 2
    masked = int.from_bytes(payload, "little") ^ int.from_bytes(key * words, "little")
    return head + key + masked.to_bytes(words << 2, "little")[:size]
