"""Secrets in what arrives are masked, wherever it is torn, and nothing else is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.conceal import MOST, UNREADABLE, Concealer, conceal

TOKEN = b"visibly/fake+token=="
FIELDS = ("token", "refresh_token")


class Kept:
    def __init__(self) -> None:
        self.told: list[tuple[str, bytes]] = []

    def keep(self, field: str, value: bytes) -> None:
        self.told.append((field, value))

    def stream(self) -> Concealer:
        return Concealer(FIELDS, self.keep)


MESSAGE = (
    b'\x81\x7e{"is": "token", "a": "token","refresh_token" :\n"%b","n":{"token":"%b"},'
    b'"tokens":"shown","token":null,"x":"\\"token\\":\\"shown\\""}\n{"token": "%b\\"end"}'
) % (TOKEN, TOKEN, TOKEN)


@settings(max_examples=200)
@given(st.lists(st.integers(0, len(MESSAGE)), max_size=12))
def test_wherever_a_stream_is_torn_each_value_is_masked_at_equal_length_and_kept_whole(
    cuts: list[int],
) -> None:
    kept = Kept()
    stream, at, out = kept.stream(), 0, b""
    for cut in (*sorted(cuts), len(MESSAGE)):
        out += stream.conceal(MESSAGE[at:cut])
        at = cut
    end = TOKEN + b'\\"end'
    assert kept.told == [("refresh_token", TOKEN), ("token", TOKEN), ("token", end)]
    expected = MESSAGE.replace(end, b"*" * len(end)).replace(TOKEN, b"*" * len(TOKEN))
    assert out == expected


def test_each_byte_by_itself() -> None:
    kept = Kept()
    stream = kept.stream()
    out = b"".join(stream.conceal(MESSAGE[n : n + 1]) for n in range(len(MESSAGE)))
    assert TOKEN not in out
    assert len(out) == len(MESSAGE)
    assert [field for field, _ in kept.told] == ["refresh_token", "token", "token"]


def test_what_holds_no_secret_is_passed_on_as_it_is() -> None:
    data = b'{"tok":"en","e":"kline"}' * 100
    assert Kept().stream().conceal(data) is data


def test_a_value_that_never_ends_is_masked_and_not_hoarded() -> None:
    kept = Kept()
    stream = kept.stream()
    assert stream.conceal(b'{"token":"') == b'{"token":"'
    for _ in range(10):
        assert set(stream.conceal(b"x" * MOST)) == {ord("*")}
    assert stream._value is not None
    assert len(stream._value) == MOST


@pytest.mark.parametrize(
    "body",
    [
        b'{"token":"visibly/fake+token=="',
        b"<html>visibly/fake+token==</html>",
        b'{"\\u0074oken":"visibly/fake+token=="}',
        b'{"token":["visibly/fake+token=="]}',
        b'{"a":[{"token":{"b":"visibly/fake+token=="}}]}',
    ],
)
def test_of_an_answer_whose_secret_is_not_found_as_it_stands_nothing_is_left(body: bytes) -> None:
    assert conceal(body, FIELDS, Kept().keep) == UNREADABLE


def test_an_answer_that_tells_an_error_instead_is_passed_on() -> None:
    body = b'{"error":["EAPI:Invalid key"],"token":null}'
    assert conceal(body, FIELDS, Kept().keep) == body


def test_an_answer_is_read_on_with_its_secrets_masked() -> None:
    kept = Kept()
    body = json.dumps({"result": {"token": "abc", "expires": 900}}).encode()
    assert json.loads(conceal(body, FIELDS, kept.keep)) == {
        "result": {"token": "***", "expires": 900}
    }
    assert kept.told == [("token", b"abc")]
