"""The record codec and the torn-tail rule, over any bytes."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.errors import JournalCorrupt
from core.model.venue import KeyKind
from core.state.journal import (
    HEAD_BYTES,
    INPUTS,
    OUTPUTS,
    Answer,
    Ask,
    Header,
    Kind,
    MemoryJournal,
    Record,
    Stop,
    decode,
    encode,
    following,
    pack,
    tail,
    unpack,
)

HEADER = Header(
    run_id="20260101-maker",
    boot=3,
    config_digest="00ff",
    seeds={"strategy": 7},
    venue="binance",
    strategy="maker",
    start_ns=1_700_000_000_000_000_000,
    key=KeyKind.SIGNS,
)

words = st.tuples(
    st.sampled_from(list(Kind)),
    st.integers(-1, 300),
    st.integers(-(2**63), 2**63 - 1),
    st.binary(max_size=60),
)


def scan(data: bytes) -> tuple[list[Record], Stop, int]:
    """Return the records, why they end, and where."""
    records: list[Record] = []
    at = 0
    while isinstance(found := decode(data, at), Record):
        records.append(found)
        at = following(at, HEAD_BYTES + len(found.payload))
    return records, found, at


def fields(record: Record) -> tuple[int, int, int, bytes]:
    return record.kind, record.connection, record.time_ns, record.payload


@given(st.lists(words, max_size=6))
def test_records_come_back_as_written(written: list[tuple[Kind, int, int, bytes]]) -> None:
    records, stop, at = scan(data := b"".join(encode(*word) for word in written))
    assert [fields(record) for record in records] == written
    assert (stop, at) == (Stop.EMPTY, len(data))


@given(st.lists(words, max_size=4))
@settings(max_examples=25)
def test_a_cut_at_every_byte_leaves_exactly_the_whole_records_before_it(
    written: list[tuple[Kind, int, int, bytes]],
) -> None:
    data = b""
    ends = []
    for word in written:
        ends.append(len(data) + HEAD_BYTES + len(word[3]))
        data += encode(*word)
    for cut in range(len(data) + 1):
        records, stop, at = scan(data[:cut])
        assert len(records) == sum(end <= cut for end in ends)
        assert stop is not Stop.BROKEN
        assert tail(data[:cut], at).resumes == -1


@given(st.binary(max_size=400), st.integers(0, 400))
def test_any_bytes_give_records_or_a_stop(data: bytes, start: int) -> None:
    _, stop, at = scan(data)
    assert stop in Stop
    found = tail(data, at)
    assert 0 <= found.left <= max(len(data) - at, 0)
    assert isinstance(decode(data, start), Record | Stop)


@given(st.lists(words, min_size=1, max_size=4), st.data())
def test_a_flipped_bit_is_never_taken_for_a_record(
    written: list[tuple[Kind, int, int, bytes]], data: st.DataObject
) -> None:
    whole = bytearray(b"".join(encode(*word) for word in written))
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8
    records, _, _ = scan(bytes(whole))
    assert [fields(record) for record in records] == written[: len(records)]


def test_records_begin_at_multiples_of_eight() -> None:
    assert {len(encode(Kind.NOTE, 0, 0, bytes(size))) % 8 for size in range(20)} == {0}


def test_nothing_after_the_last_record_is_a_clean_end() -> None:
    data = encode(Kind.NOTE, 0, 1, b"x")
    assert tail(data + bytes(640), len(data)).left == 0


def test_a_payload_without_its_first_word_is_a_torn_tail() -> None:
    first, second = encode(Kind.NOTE, 0, 1, b"x"), encode(Kind.SEND, 1, 2, b"order")
    torn = first + bytes(8) + second[8:] + bytes(64)
    records, stop, at = scan(torn)
    assert (len(records), stop) == (1, Stop.EMPTY)
    found = tail(torn, at)
    assert (found.left, found.resumes) == (HEAD_BYTES + len(b"order"), -1)


def test_a_broken_record_before_whole_ones_is_corruption() -> None:
    first, second = encode(Kind.BYTES, 0, 1, b"tick"), encode(Kind.SEND, 1, 2, b"order")
    damaged = bytearray(first + first + second)
    damaged[len(first) + HEAD_BYTES] ^= 1
    records, stop, at = scan(bytes(damaged))
    assert (len(records), stop) == (1, Stop.BROKEN)
    assert tail(bytes(damaged), at).resumes == 2 * len(first)


def test_a_hole_before_whole_records_is_corruption() -> None:
    first = encode(Kind.BYTES, 0, 1, b"tick")
    _, stop, at = scan(data := first + bytes(4096) + first)
    assert stop is Stop.EMPTY
    assert tail(data, at).resumes == len(first) + 4096


def test_a_length_no_record_has_is_broken() -> None:
    assert decode((HEAD_BYTES - 1).to_bytes(8, "little") + bytes(64), 0) is Stop.BROKEN


def test_search_for_records_gives_up_on_hostile_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.state.journal.SEARCH_BYTES", 1000)
    trap = (400).to_bytes(4, "little") + bytes(12) + int(Kind.NOTE).to_bytes(4, "little") + bytes(4)
    data = trap * 20 + encode(Kind.NOTE, 0, 1, b"x")
    assert tail(data, 0).resumes == -1


@pytest.mark.parametrize(
    "body",
    [
        HEADER,
        Answer(7, 200, {"x-mbx-used-weight-1m": "5"}, b"{}"),
        Ask(8, "POST", "/cancel", "x=1", {"content-type": "x"}, b"id=7", True, True),
    ],
)
def test_bodies_come_back_as_packed(body: Header | Answer | Ask) -> None:
    assert unpack(pack(body), type(body)) == body


@given(st.binary(max_size=80))
def test_any_body_bytes_give_a_body_or_one_typed_error(data: bytes) -> None:
    for body in (Header, Answer, Ask):
        with contextlib.suppress(JournalCorrupt):
            assert isinstance(unpack(data, body), body)


def test_every_kind_is_input_output_or_about_the_journal_itself() -> None:
    assert set(Kind) - INPUTS - OUTPUTS == {Kind.HEADER, Kind.NOTE, Kind.END}
    assert not INPUTS & OUTPUTS


def test_the_documented_kinds_are_the_kinds() -> None:
    page = (Path(__file__).parents[3] / "docs" / "journal.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| ([0-9]+) \| ([A-Z]+) \|", page, re.MULTILINE)
    assert {int(value): name for value, name in documented} == {kind: kind.name for kind in Kind}


def test_a_memory_journal_keeps_what_a_file_would() -> None:
    journal = MemoryJournal()
    journal.append(Kind.BYTES, 1, 5, bytearray(b"tick"))
    journal.append(Kind.SEND, 2, 6, memoryview(b"order"))
    data = encode(Kind.BYTES, 1, 5, b"tick") + encode(Kind.SEND, 2, 6, b"order")
    assert journal.records == scan(data)[0]
