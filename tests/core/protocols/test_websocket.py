"""RFC 6455 and 7692 rule by rule; each whole, torn at every byte, and behind a good message."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest

from core.model.errors import Malformed, Misuse
from core.protocols.websocket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    ClientCodec,
    DeflateParams,
    ProtocolViolation,
    State,
    parse_close,
)
from tests.core.protocols.frames import (
    CONTINUATION,
    Messages,
    codec,
    deflated,
    frame,
    received,
    unmasked,
)

DEFLATE = DeflateParams()
GREETING = frame(TEXT, b"hello")


def take(
    wire: bytes, *, max_message_bytes: int = 1 << 20, deflate: DeflateParams | None = None
) -> tuple[Messages, ProtocolViolation | None]:
    """What a codec makes of these bytes, having proved that tearing them changes nothing."""

    def fresh() -> ClientCodec:
        return codec(max_message_bytes=max_message_bytes, deflate=deflate)

    whole, torn = fresh(), fresh()
    messages, fault = received(whole, [wire])
    assert received(torn, (wire[i : i + 1] for i in range(len(wire)))) == (messages, fault)
    assert torn.state is whole.state
    led = fresh()
    assert received(led, [GREETING + wire]) == ([(TEXT, b"hello"), *messages], fault)
    return messages, whole.fault


def messages_of(
    wire: bytes, *, max_message_bytes: int = 1 << 20, deflate: DeflateParams | None = None
) -> Messages:
    messages, fault = take(wire, max_message_bytes=max_message_bytes, deflate=deflate)
    assert fault is None
    return messages


def assert_fault(
    wire: bytes,
    close_code: int,
    about: str,
    *,
    max_message_bytes: int = 1 << 20,
    deflate: DeflateParams | None = None,
) -> None:
    messages, fault = take(wire + GREETING, max_message_bytes=max_message_bytes, deflate=deflate)
    assert messages == []
    assert isinstance(fault, Malformed)
    assert fault.close_code == close_code
    assert about in str(fault)


# -- framing (5.2, 5.3) --------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 2, 125, 126, 127, 0xFFFF, 0x10000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_every_length_form_is_read(opcode: int, size: int) -> None:
    payload = b"x" * size
    reader = codec()
    assert reader.receive(frame(opcode, payload) + GREETING) == [
        (opcode, payload),
        (TEXT, b"hello"),
    ]
    if size <= 127:
        assert messages_of(frame(opcode, payload)) == [(opcode, payload)]


def test_many_frames_of_one_read_come_in_wire_order() -> None:
    expected = [(TEXT, b"%d" % i) for i in range(200)]
    assert messages_of(b"".join(frame(*message) for message in expected)) == expected


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_read_may_be_any_buffer_and_is_copied(kind: type[bytes]) -> None:
    buffer = bytearray(GREETING)
    ((_, payload),) = codec().receive(kind(buffer))
    buffer[:] = bytes(len(buffer))
    assert payload == b"hello"
    assert type(payload) is bytes


def test_an_empty_read_changes_nothing() -> None:
    reader = codec()
    assert reader.receive(b"") == []
    assert reader.receive(GREETING[:3]) == []
    assert reader.receive(b"") == []
    assert reader.receive(GREETING[3:]) == [(TEXT, b"hello")]


@pytest.mark.parametrize("rsv", range(1, 8))
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
def test_reserved_bits_are_refused(opcode: int, rsv: int) -> None:
    assert_fault(frame(opcode, b"", rsv=rsv), 1002, "reserved bit")


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_reserved_opcodes_are_refused(opcode: int) -> None:
    assert_fault(frame(opcode, b"x"), 1002, "reserved opcode")


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
def test_masked_frames_from_a_server_are_refused(opcode: int) -> None:
    assert_fault(frame(opcode, b"", mask=b"\x01\x02\x03\x04"), 1002, "masked")


@pytest.mark.parametrize(("size", "width"), [(0, 2), (125, 2), (125, 8), (126, 8), (0xFFFF, 8)])
def test_lengths_not_in_their_shortest_form_are_refused(size: int, width: int) -> None:
    assert_fault(frame(TEXT, b"", size=size, width=width), 1002, "shortest form")


def test_a_length_with_its_highest_bit_set_is_refused() -> None:
    assert_fault(frame(BINARY, b"", size=1 << 63, width=8), 1002, "highest bit")


# -- fragments (5.4) -----------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_fragments_are_joined(opcode: int) -> None:
    wire = (
        frame(opcode, b"one ", fin=False)
        + frame(CONTINUATION, b"", fin=False)
        + frame(CONTINUATION, b"two ", fin=False)
        + frame(CONTINUATION, b"three")
    )
    assert messages_of(wire + GREETING) == [(opcode, b"one two three"), (TEXT, b"hello")]


def test_control_frames_between_fragments_come_first() -> None:
    wire = (
        frame(TEXT, b"one ", fin=False)
        + frame(PING, b"p" * 125)
        + frame(CONTINUATION, b"two", fin=False)
        + frame(PONG)
        + frame(CONTINUATION)
    )
    assert messages_of(wire) == [(PING, b"p" * 125), (PONG, b""), (TEXT, b"one two")]


@pytest.mark.parametrize("fin", [True, False])
def test_a_continuation_of_nothing_is_refused(fin: bool) -> None:
    assert_fault(frame(CONTINUATION, b"x", fin=fin), 1002, "without a message")


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_new_message_inside_a_fragmented_one_is_refused(opcode: int, fin: bool) -> None:
    assert_fault(frame(TEXT, b"x", fin=False) + frame(opcode, b"y", fin=fin), 1002, "new message")


def test_a_whole_text_after_fragments_is_not_taken_by_the_fast_path() -> None:
    reader = codec()
    assert reader.receive(frame(BINARY, b"x", fin=False)) == []
    assert reader.receive(GREETING) == []
    assert reader.fault is not None


# -- control frames (5.5) ------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_fragmented_control_frames_are_refused(opcode: int) -> None:
    assert_fault(frame(opcode, b"", fin=False), 1002, "fragmented control")


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
@pytest.mark.parametrize("size", [126, 0x10000])
def test_control_frames_of_more_than_125_bytes_are_refused(opcode: int, size: int) -> None:
    assert_fault(frame(opcode, b"", size=size), 1002, "125")


@pytest.mark.parametrize("body", [b"", b"\x03\xe8", b"\x03\xe8bye", b"\x0b\xb8" + "é".encode()])
def test_a_close_is_handed_on_and_ends_the_input(body: bytes) -> None:
    reader = codec()
    assert reader.receive(frame(CLOSE, body) + GREETING) == [(CLOSE, body)]
    assert reader.receive(GREETING) == []
    assert reader.fault is None
    assert reader.state is State.CLOSE_RECEIVED
    assert messages_of(frame(CLOSE, body) + b"\xff" * 20) == [(CLOSE, body)]


def test_a_close_between_fragments_drops_the_unfinished_message() -> None:
    assert messages_of(frame(TEXT, b"x", fin=False) + frame(CLOSE) + frame(CONTINUATION)) == [
        (CLOSE, b"")
    ]


# -- close bodies (5.5.1, 7.4) -------------------------------------------------------------------


@pytest.mark.parametrize("code", [*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999])
def test_allowed_close_codes_are_read(code: int) -> None:
    body = code.to_bytes(2) + b"why"
    assert messages_of(frame(CLOSE, body)) == [(CLOSE, body)]
    assert parse_close(body) == (code, "why")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535])
def test_other_close_codes_are_refused(code: int) -> None:
    assert_fault(frame(CLOSE, code.to_bytes(2)), 1002, str(code))


def test_a_close_body_of_one_byte_is_refused() -> None:
    assert_fault(frame(CLOSE, b"\x03"), 1002, "one byte")


def test_a_close_reason_that_is_not_utf8_is_refused() -> None:
    assert_fault(frame(CLOSE, b"\x03\xe8\xff"), 1007, "UTF-8")


def test_a_close_without_a_body_reads_as_1005() -> None:
    assert parse_close(b"") == (1005, "")


# -- text (8.1) ----------------------------------------------------------------------------------

NOT_UTF8 = [
    b"\x80",
    b"\xc3",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xfe",
    b"ok \xce\xba\xe1\xbd edited",
]


def test_text_beyond_ascii_is_read() -> None:
    text = "κόσμε €£ 𝄞 \0 \U0010ffff".encode()
    assert messages_of(frame(TEXT, text) + GREETING) == [(TEXT, text), (TEXT, b"hello")]


@pytest.mark.parametrize("text", NOT_UTF8)
def test_text_that_is_not_utf8_is_refused(text: bytes) -> None:
    assert_fault(frame(TEXT, text), 1007, "UTF-8")
    assert_fault(frame(TEXT, text, fin=False) + frame(CONTINUATION), 1007, "UTF-8")
    assert_fault(frame(TEXT, deflated(text), rsv=4), 1007, "UTF-8", deflate=DEFLATE)
    assert messages_of(frame(BINARY, text)) == [(BINARY, text)]


def test_a_character_may_be_split_between_fragments() -> None:
    text = "€𝄞".encode()
    wire = b"".join(frame(CONTINUATION, text[i : i + 1], fin=False) for i in range(1, len(text)))
    assert messages_of(frame(TEXT, text[:1], fin=False) + wire + frame(CONTINUATION)) == [
        (TEXT, text)
    ]


@pytest.mark.parametrize("text", [b"\xf4\x90", b"\xc0", b"\xed\xa0\x80", b"a\xff"])
def test_a_bad_byte_is_known_before_its_frame_is_whole(text: bytes) -> None:
    reader = codec()
    assert reader.receive(frame(TEXT, text, size=1000)[: 4 + len(text)]) == []
    assert reader.fault is not None
    assert reader.fault.close_code == 1007


# -- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 125, 126, 300])
def test_messages_up_to_the_limit_are_read_and_one_byte_more_is_refused(limit: int) -> None:
    within, beyond = b"x" * limit, b"x" * (limit + 1)
    for opcode in (TEXT, BINARY):
        assert take(frame(opcode, within), max_message_bytes=5 + limit)[1] is None
        reader = codec(max_message_bytes=limit)
        assert reader.receive(frame(opcode, within)) == [(opcode, within)]
        assert reader.receive(frame(opcode, beyond)) == []
        assert reader.fault is not None
        assert reader.fault.close_code == 1009


def test_the_limit_holds_for_the_sum_of_fragments() -> None:
    wire = frame(BINARY, b"x" * 6, fin=False) + frame(CONTINUATION, b"x" * 5)
    assert messages_of(wire, max_message_bytes=11) == [(BINARY, b"x" * 11)]
    assert_fault(wire, 1009, "more than 10", max_message_bytes=10)


def test_a_huge_length_is_refused_at_its_header() -> None:
    assert_fault(frame(BINARY, b"", size=(1 << 63) - 1), 1009, "more than")


def test_control_frames_do_not_count_towards_the_limit() -> None:
    wire = frame(TEXT, b"x" * 5, fin=False) + frame(PING, b"p" * 125) + frame(CONTINUATION)
    assert messages_of(wire, max_message_bytes=5) == [(PING, b"p" * 125), (TEXT, b"x" * 5)]


def test_an_announced_length_reserves_no_memory() -> None:
    reader = codec(max_message_bytes=1 << 40)
    tracemalloc.start()
    try:
        reader.receive(frame(BINARY, b"", size=1 << 39))
        for _ in range(100):
            reader.receive(b"x" * 100)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_a_message_torn_into_tiny_reads_is_joined_without_copying_it_again_and_again() -> None:
    # Copying what is there at each of 10,000 reads would move 5 GB, and take seconds.
    payload = b"x" * 1_000_000
    wire = frame(TEXT, payload)
    reader = codec()
    parts = [wire[i : i + 100] for i in range(0, len(wire), 100)]
    assert received(reader, parts) == ([(TEXT, payload)], None)


# -- after a fault -------------------------------------------------------------------------------


def test_messages_before_a_fault_are_handed_on_and_none_after() -> None:
    reader = codec()
    assert reader.receive(GREETING + frame(PING) + frame(3) + GREETING) == [
        (TEXT, b"hello"),
        (PING, b""),
    ]
    fault = reader.fault
    assert fault is not None
    assert reader.receive(GREETING) == []
    assert reader.receive(frame(CLOSE)) == []
    assert reader.fault is fault
    assert reader.state is State.FAILED


# -- permessage-deflate (RFC 7692) ---------------------------------------------------------------


def test_compressed_messages_are_inflated() -> None:
    text = b'{"price": "1.0"}' * 20
    compressor = zlib.compressobj(wbits=-15)
    wire = b""
    for _ in range(3):  # the second and third refer to the window of the first
        body = compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)
        wire += frame(TEXT, body[:-4], rsv=4)
    assert messages_of(wire + GREETING, deflate=DEFLATE) == [(TEXT, text)] * 3 + [(TEXT, b"hello")]


def test_without_server_context_every_message_stands_alone() -> None:
    params = DeflateParams(server_no_context_takeover=True)
    wire = frame(TEXT, deflated(b"a" * 50), rsv=4) * 2
    assert messages_of(wire, deflate=params) == [(TEXT, b"a" * 50)] * 2
    compressor = zlib.compressobj(wbits=-15)
    bodies = [
        compressor.compress(b"once upon a time") + compressor.flush(zlib.Z_SYNC_FLUSH)
        for _ in range(2)
    ]
    first, second = (frame(TEXT, body[:-4], rsv=4) for body in bodies)
    messages, fault = take(first + second, deflate=params)
    assert messages == [(TEXT, b"once upon a time")]
    assert fault is not None
    assert "deflate" in str(fault)


def test_compressed_fragments_carry_the_bit_on_the_first_only() -> None:
    body = deflated(b"fragmented " * 9)
    wire = frame(TEXT, body[:5], fin=False, rsv=4) + frame(PING) + frame(CONTINUATION, body[5:])
    assert messages_of(wire, deflate=DEFLATE) == [(PING, b""), (TEXT, b"fragmented " * 9)]
    again = frame(TEXT, body[:5], fin=False, rsv=4) + frame(CONTINUATION, body[5:], rsv=4)
    assert_fault(again, 1002, "reserved bit", deflate=DEFLATE)


@pytest.mark.parametrize("rsv", [1, 2, 3, 5, 6, 7])
def test_deflate_gives_a_meaning_to_one_reserved_bit_only(rsv: int) -> None:
    assert_fault(frame(TEXT, deflated(b"x"), rsv=rsv), 1002, "reserved bit", deflate=DEFLATE)


def test_control_frames_are_never_compressed() -> None:
    assert_fault(frame(PING, deflated(b"x"), rsv=4), 1002, "reserved bit", deflate=DEFLATE)


@pytest.mark.parametrize(
    "body", [b"\x07", b"\xff\xff", b"\x00\x01\x00\x00\x00", b"\x06" + b"x" * 40]
)
def test_what_is_not_deflate_is_refused(body: bytes) -> None:
    assert_fault(frame(BINARY, body, rsv=4), 1007, "deflate", deflate=DEFLATE)


def test_an_empty_compressed_message_is_empty() -> None:
    # RFC 7692, 7.2.3.6
    assert messages_of(frame(TEXT, b"\x00", rsv=4), deflate=DEFLATE) == [(TEXT, b"")]


@pytest.mark.parametrize(
    "body",
    [
        "f248cdc9c90700",  # 7.2.3.1: one compressed block
        "000500faff48656c6c6f00",  # 7.2.3.3: a block without compression
        "f348cdc9c9070000",  # 7.2.3.4: a block with BFINAL set
        "f248050000 00ffff cac9c90700",  # 7.2.3.5: two blocks
    ],
)
def test_the_examples_of_rfc_7692_inflate_to_hello(body: str) -> None:
    assert messages_of(frame(TEXT, bytes.fromhex(body), rsv=4), deflate=DEFLATE) == [
        (TEXT, b"Hello")
    ]


def test_a_deflate_stream_that_ended_is_followed_by_a_fresh_one() -> None:
    final = bytes.fromhex("f348cdc9c9070000")
    wire = frame(TEXT, final, rsv=4) * 2 + frame(TEXT, deflated(b"more"), rsv=4)
    assert messages_of(wire, deflate=DEFLATE) == [(TEXT, b"Hello")] * 2 + [(TEXT, b"more")]


def test_a_message_of_many_deflate_streams_is_refused() -> None:
    assert_fault(frame(TEXT, b"\x03\x00" * 50, rsv=4), 1007, "deflate", deflate=DEFLATE)


def test_inflating_beyond_the_limit_is_refused_with_bounded_memory() -> None:
    limit = 100_000
    bomb = deflated(bytes(100_000_000))
    assert len(bomb) < limit
    reader = codec(max_message_bytes=limit, deflate=DEFLATE)
    tracemalloc.start()
    try:
        assert reader.receive(frame(BINARY, bomb, rsv=4)) == []
        assert tracemalloc.get_traced_memory()[1] < 20 * limit
    finally:
        tracemalloc.stop()
    assert reader.fault is not None
    assert reader.fault.close_code == 1009


def test_a_message_that_inflates_to_the_limit_is_read() -> None:
    reader = codec(max_message_bytes=1000, deflate=DEFLATE)
    assert reader.receive(frame(BINARY, deflated(bytes(1000)), rsv=4)) == [(BINARY, bytes(1000))]
    assert reader.receive(frame(BINARY, deflated(bytes(1001)), rsv=4)) == []
    assert reader.fault is not None


@pytest.mark.parametrize("bits", [7, 16])
def test_impossible_windows_are_our_misuse(bits: int) -> None:
    with pytest.raises(Misuse, match="window"):
        DeflateParams(server_max_window_bits=bits)


# -- sending (5.1 to 5.3) ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size", [0, 1, 2, 3, 4, 5, 125, 126, 127, 1021, 1024, 1025, 0xFFFF, 0x10000, 0x10003]
)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_every_length_form_is_written_masked(opcode: int, size: int) -> None:
    payload = (b"%d " % size * size)[:size]
    wire = codec().frame(opcode, payload)
    assert unmasked(wire) == (0x80 | opcode, payload)
    assert len(wire) - size == (6 if size < 126 else 8 if size <= 0xFFFF else 14)


def test_every_frame_takes_a_mask_of_its_own() -> None:
    masks = iter([0, 1, 0xFFFF_FFFF, 0x1234_5678, 7])
    writer = ClientCodec(mask_source=lambda: next(masks), max_message_bytes=100)
    frames = [writer.frame(TEXT, b"abcde"), writer.frame(BINARY, b"x" * 2000)]
    frames += [writer.frame(PONG, b"abcde"), writer.frame(TEXT, b"x" * 300), writer.close()]
    assert [data[-len(unmasked(data)[1]) - 4 :][:4] for data in frames] == [
        mask.to_bytes(4, "little") for mask in (0, 1, 0xFFFF_FFFF, 0x1234_5678, 7)
    ]


@pytest.mark.parametrize("opcode", [PING, PONG])
def test_pings_and_pongs_take_125_bytes_and_no_more(opcode: int) -> None:
    assert unmasked(codec().frame(opcode, b"x" * 125)) == (0x80 | opcode, b"x" * 125)
    for size in (126, 2000):
        with pytest.raises(Misuse, match="125"):
            codec().frame(opcode, b"x" * size)


@pytest.mark.parametrize("opcode", [CONTINUATION, 3, CLOSE, 0xB, 0x81])
def test_frame_takes_no_other_opcode(opcode: int) -> None:
    with pytest.raises(Misuse, match="opcode"):
        codec().frame(opcode, b"")


@pytest.mark.parametrize("takeover", [True, False])
def test_long_messages_are_compressed_and_short_ones_are_not(takeover: bool) -> None:
    writer = codec(deflate=DeflateParams(client_no_context_takeover=not takeover))
    text = b"0123456789" * 200
    assert unmasked(writer.frame(TEXT, text[:1023])) == (0x81, text[:1023])
    inflater = zlib.decompressobj(wbits=-15)
    for _ in range(3):
        if not takeover:
            inflater = zlib.decompressobj(wbits=-15)
        first, body = unmasked(writer.frame(TEXT, text))
        assert first == 0xC1
        assert len(body) < 100
        assert inflater.decompress(body + b"\0\0\xff\xff") == text


def test_the_agreed_client_window_is_kept() -> None:
    writer = codec(deflate=DeflateParams(client_max_window_bits=9))
    text = b"".join(b"%d," % i for i in range(2000)) * 2
    _, body = unmasked(writer.frame(TEXT, text))
    assert zlib.decompressobj(wbits=-9).decompress(body + b"\0\0\xff\xff") == text


def test_a_client_window_that_zlib_cannot_keep_means_no_compression() -> None:
    writer = codec(deflate=DeflateParams(client_max_window_bits=8))
    assert unmasked(writer.frame(TEXT, b"x" * 2000)) == (0x81, b"x" * 2000)


# -- the closing handshake (5.5.1, 7) ------------------------------------------------------------

# What may be sent where: data, a pong, a close.
ALLOWED = {
    State.OPEN: (True, True, True),
    State.CLOSE_SENT: (False, True, False),
    State.CLOSE_RECEIVED: (True, True, True),
    State.FAILED: (True, True, True),
    State.CLOSED: (False, False, False),
}


def codec_in(state: State) -> ClientCodec:
    result = codec()
    if state in (State.CLOSE_SENT, State.CLOSED):
        result.close()
    if state in (State.CLOSE_RECEIVED, State.CLOSED):
        result.receive(frame(CLOSE))
    if state is State.FAILED:
        result.receive(frame(3))
    assert result.state is state
    return result


@pytest.mark.parametrize("state", State)
def test_what_may_be_sent_in_each_state(state: State) -> None:
    def allowed(act: int) -> bool:
        writer = codec_in(state)
        try:
            (lambda: writer.frame(TEXT, b""), lambda: writer.frame(PONG, b""), writer.close)[act]()
        except Misuse:
            return False
        return True

    assert tuple(allowed(act) for act in range(3)) == ALLOWED[state]


def test_after_our_close_the_server_may_finish_what_it_was_saying() -> None:
    reader = codec()
    assert unmasked(reader.close(1001, "leaving")) == (0x88, b"\x03\xe9leaving")
    assert reader.receive(GREETING + frame(CLOSE, b"\x03\xe9")) == [
        (TEXT, b"hello"),
        (CLOSE, b"\x03\xe9"),
    ]
    assert reader.state is State.CLOSED


def test_a_fault_after_our_close_ends_it() -> None:
    reader = codec_in(State.CLOSE_SENT)
    assert reader.receive(frame(3)) == []
    assert reader.fault is not None
    assert reader.state is State.CLOSED


def test_answering_a_close_ends_it() -> None:
    reader = codec_in(State.CLOSE_RECEIVED)
    assert unmasked(reader.close(None)) == (0x88, b"")
    assert reader.state is State.CLOSED


def test_a_close_reason_takes_123_bytes_and_no_more() -> None:
    assert unmasked(codec().close(4000, "é" * 61)) == (0x88, b"\x0f\xa0" + "é".encode() * 61)
    writer = codec()
    with pytest.raises(Misuse, match="123"):
        writer.close(4000, "é" * 62)
    assert writer.state is State.OPEN


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_close_codes_that_may_not_be_sent_are_our_misuse(code: int) -> None:
    with pytest.raises(Misuse, match=str(code)):
        codec().close(code)


def test_a_close_reason_needs_a_code() -> None:
    with pytest.raises(Misuse, match="needs a close code"):
        codec().close(None, "why")
