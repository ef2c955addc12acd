"""Whatever is wrong with a message is one of two errors, and an unknown field is none."""

import pytest
from msgspec import Struct

from core.model.errors import Drifted, Malformed
from venues.kit.messages import FAILURES, decoder, refuse


class Tick(Struct):
    price: str


decode = decoder(Tick)


def read(payload: bytes) -> Tick:
    try:
        return decode(payload)
    except FAILURES as error:
        refuse(error)


def test_a_field_that_nobody_knows_is_skipped() -> None:
    assert read(b'{"price":"1","more":[{}]}') == Tick("1")


@pytest.mark.parametrize("payload", [b'{"price":1}', b"{}", b"[]", b"null"])
def test_legal_json_without_what_is_needed_has_drifted(payload: bytes) -> None:
    with pytest.raises(Drifted, match="not as documented"):
        read(payload)


@pytest.mark.parametrize(
    "payload", [b"", b"<html>", b'{"price":"1"', b'{"price":"\xff"}', b'{"x":' + b"[" * 100_000]
)
def test_what_is_no_json_is_malformed(payload: bytes) -> None:
    with pytest.raises(Malformed):
        read(payload)
