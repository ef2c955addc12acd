"""Every command has a cost and a request, or is refused as what the venue cannot do."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from core.model import commands
from core.model.commands import (
    Cancel,
    Command,
    OrderKind,
    Place,
    PlaceMany,
    Replace,
    Riskless,
    TimeInForce,
)
from core.model.errors import Misuse, RemoteFault
from core.model.events import Side, Verdict
from core.model.venue import HttpRequest, Remedy, Role, WireRequest
from tests.venues.conformance import samples
from tests.venues.conformance.samples import Refused, Samples, Sent

NOW_NS = 1_700_000_000_000_000_000

SENT = [
    pytest.param(shown, sent, id=f"{name}-{type(sent.command).__name__}-{number}")
    for name, shown in samples.EVERY.items()
    for number, sent in enumerate(shown.sent)
]
REFUSED = [
    pytest.param(shown, refused, id=f"{name}-{refused.code}-{refused.text[:40]}")
    for name, shown in samples.EVERY.items()
    for refused in shown.refused
]


def every_command() -> list[type[Command]]:
    kinds = [one for one in vars(commands).values() if isinstance(one, type)]
    return [one for one in kinds if issubclass(one, Command) and one not in (Command, Riskless)]


@pytest.mark.parametrize(("shown", "sent"), SENT)
def test_a_command_leaves_as_the_documentation_writes_it(shown: Samples, sent: Sent) -> None:
    request = shown.adapter().encode(sent.command, 1, NOW_NS)
    if isinstance(sent.message, Mapping):
        assert isinstance(request, WireRequest)
        told = json.loads(request.body)
        assert {name: told.get(name) for name in sent.message} == dict(sent.message)
    else:
        assert request == sent.message


@pytest.mark.parametrize("name", samples.EVERY)
@pytest.mark.parametrize("kind", every_command(), ids=lambda kind: kind.__name__)
def test_a_command_has_a_cost_in_known_limits_or_is_none_of_the_venue(
    name: str, kind: type[Command]
) -> None:
    adapter = samples.EVERY[name].adapter()
    command = kind(*(() if _is_many(kind, name) else 0 for name in kind.__struct_fields__))
    try:
        cost = dict(adapter.cost(command))
    except Misuse:
        return
    assert set(cost) <= {limit.kind for limit in adapter.limits}
    assert all(tokens >= 0 for tokens in cost.values())


def _is_many(kind: type[Command], field: str) -> bool:
    return str(kind.__annotations__.get(field, "")).startswith("tuple")


@pytest.mark.parametrize(("shown", "sent"), SENT)
def test_an_order_is_read_again_from_what_was_recorded_and_nothing_else_is(
    shown: Samples, sent: Sent
) -> None:
    """After a crash that is all that names the orders sent since the last note."""
    command, adapter = sent.command, shown.adapter()
    placed: tuple[Place, ...] = ()
    if isinstance(command, Place):
        placed = (command,)
    elif isinstance(command, PlaceMany):
        placed = command.places
    elif isinstance(command, Replace):
        placed = (command.new,)
    request = adapter.encode(command, 7, NOW_NS)
    assert adapter.placed(request.body) == placed


@pytest.mark.parametrize("name", samples.EVERY)
def test_every_venue_that_takes_orders_shows_one(name: str) -> None:
    shown = samples.EVERY[name]
    if not shown.adapter().capabilities.orders:
        pytest.skip("it takes no orders yet")
    assert any(isinstance(sent.command, Place) for sent in shown.sent)


@pytest.mark.parametrize("name", samples.EVERY)
def test_the_opening_script_of_every_connection_can_be_sent(name: str) -> None:
    adapter = samples.EVERY[name].adapter()
    for connection in range(len(adapter.connections)):
        for number, command in enumerate(adapter.script(connection), 1):
            request = adapter.encode(command, number, NOW_NS)
            if isinstance(request, WireRequest):
                assert request.connection == connection
            assert dict(adapter.cost(command)).keys() <= {one.kind for one in adapter.limits}


@pytest.mark.parametrize("name", samples.EVERY)
def test_an_order_is_charged_to_every_limit_that_its_cancel_is_charged_to(name: str) -> None:
    """Else cancels are the first to find one used up."""
    adapter = samples.EVERY[name].adapter()
    if not any(Role.ORDERS in connection.carries for connection in adapter.connections):
        pytest.skip("it takes no orders yet")
    placed = Place(0, "x", Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 1, 1)
    assert set(dict(adapter.cost(placed))) >= set(dict(adapter.cost(Cancel(0, "x", ""))))


@pytest.mark.parametrize(("shown", "refused"), REFUSED)
def test_a_documented_error_proves_what_it_says(shown: Samples, refused: Refused) -> None:
    assert shown.judged is not None
    assert shown.judged(refused.code, refused.text) is refused.verdict
    if refused.remedy is not None:
        assert shown.adapter().remedy(refused.code, refused.text) is refused.remedy


@pytest.mark.parametrize("name", samples.EVERY)
def test_an_error_that_nobody_documents_has_a_remedy_all_the_same(name: str) -> None:
    adapter = samples.EVERY[name].adapter()
    for code, text in (("", ""), ("-987654", "zzz"), ("x" * 10_000, "x" * 10_000), ("\u0663", "")):
        assert isinstance(adapter.remedy(code, text), Remedy)


@pytest.mark.parametrize("name", samples.EVERY)
def test_what_is_asked_by_rest_is_a_whole_request(name: str) -> None:
    for sent in samples.EVERY[name].sent:
        if isinstance(sent.message, HttpRequest):
            assert sent.message.method in ("GET", "POST", "DELETE", "PUT")
            assert sent.message.path.startswith("/")
            assert sent.message.target.isascii()


@pytest.mark.parametrize("name", samples.EVERY)
@pytest.mark.parametrize("status", [418, 429])
@pytest.mark.parametrize("date", ["", "Sun, 06 Nov 1994 08:49:37 GMT", "no date"])
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\xff\x00", b"null", b"[]", b"{}", b'{"error":["E"]}', b"[" * 9_000]
)
def test_whatever_a_handshake_is_refused_with_is_read_or_one_typed_error(
    name: str, status: int, date: str, body: bytes
) -> None:
    headers = {"retry-after": "12345678901234567890", "date": date}
    try:
        reply = samples.EVERY[name].adapter().answer(commands.FetchTime(), 0, status, headers, body)
    except RemoteFault:
        return
    assert reply.verdict is not Verdict.DONE
