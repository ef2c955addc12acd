"""What a server would write: frames built field by field, legal or not."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from core.protocols.websocket import ClientCodec, DeflateParams, ProtocolViolation

Messages = list[tuple[int, bytes]]

CONTINUATION = 0


def codec(*, max_message_bytes: int = 1 << 20, deflate: DeflateParams | None = None) -> ClientCodec:
    return ClientCodec(
        mask_source=lambda: 0x0403_0201, max_message_bytes=max_message_bytes, deflate=deflate
    )


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = None,
    width: int | None = None,
    size: int | None = None,
) -> bytes:
    """One frame; ``width`` forces the bytes of the length field, ``size`` a length that lies."""
    size = len(payload) if size is None else size
    if width is None:
        width = 0 if size < 126 else 2 if size <= 0xFFFF else 8
    short = {0: size, 2: 126, 8: 127}[width]
    head = bytes((fin << 7 | rsv << 4 | opcode, (mask is not None) << 7 | short))
    return head + (size.to_bytes(width) if width else b"") + (mask or b"") + payload


def deflated(payload: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def unmasked(data: bytes) -> tuple[int, bytes]:
    """First byte and payload of the one client frame that these bytes are."""
    assert data[1] & 0x80, "a client's frame is masked"
    size, start = data[1] & 0x7F, 2
    if size >= 126:
        start += 2 if size == 126 else 8
        size = int.from_bytes(data[2:start])
    mask, payload = data[start : start + 4], data[start + 4 :]
    assert len(payload) == size
    return data[0], bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def pieces(data: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    start = 0
    for cut in [*sorted(cuts), len(data)]:
        yield data[start:cut]
        start = cut


def received(
    reader: ClientCodec, parts: Iterable[bytes]
) -> tuple[Messages, tuple[str, int] | None]:
    """All messages, and the fault as something that compares."""
    messages: Messages = []
    for part in parts:
        messages += reader.receive(part)
    return messages, verdict(reader.fault)


def verdict(fault: ProtocolViolation | None) -> tuple[str, int] | None:
    return None if fault is None else (str(fault), fault.close_code)
