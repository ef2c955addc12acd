"""What each venue can do, as its code declares it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

import venues
from core.model.commands import OrderKind, TimeInForce
from core.model.units import NS_PER_S
from core.model.venue import (
    AmendKind,
    DeadMan,
    DeadManKind,
    Environment,
    Scope,
    Subscription,
)
from tools.cli import main
from tools.venues import declared, table
from venues.binance import VENUE
from venues.binance.adapter import SpotAdapter


def answers(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    assert main(["venues", "--json"]) == 0
    told: dict[str, dict[str, Any]] = json.loads(capsys.readouterr().out)
    return told


def test_every_venue_tells_all_of_itself(capsys: pytest.CaptureFixture[str]) -> None:
    told = answers(capsys)
    assert [*told] == [*venues.names()]
    for name in venues.names():
        venue = venues.find(name)
        assert venue is not None
        one = told[name]
        assert one["environments"].keys() == {"sim", *map(str, venue.environments)}
        fields = [[field.name for field in group] for group in venue.key_fields]
        assert [[field["name"] for field in group] for group in one["keys"]] == fields
        assert one["streams"]
        assert one["limits"]
        assert one["connections"]
        assert one["verified"], "somebody else's word"


def test_what_is_told_is_what_the_adapter_goes_by() -> None:
    told = declared(VENUE)
    places = VENUE.places(Environment.LIVE)
    adapter = SpotAdapter(
        Subscription(
            symbols=(),
            streams=(),
            rest_url=places["rest"],
            urls=places,
            session_logon=True,
            request_expiry_ms=5_000,
        )
    )
    can = adapter.capabilities
    assert {(kind, tif) for kind, tif in told.orders} == can.orders
    assert (told.amend, told.replace, told.test_place) == (can.amend, can.replace, can.test_place)
    assert told.request_expiry_ms == 5_000
    assert [limit["name"] for limit in told.limits] == [limit.name for limit in adapter.limits]


def test_the_table_has_every_venue_and_fits_on_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["venues"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == list(venues.names())
    assert max(map(len, lines)) <= 100
    assert any(line.startswith("key file") and "api_secret" in line for line in lines)


def test_more_venues_than_fit_beside_each_other_stand_below() -> None:
    told = declared(VENUE)
    lines = list(table({"one": told, "two": told, "three": told}))
    assert [line.split() for line in lines if line.strip() in ("one", "three")] == [["three"]]
    assert max(map(len, lines)) <= 100


def test_what_differs_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    real = SpotAdapter.capabilities.fget  # type: ignore[attr-defined] # a property's own function
    timer = DeadMan(
        kind=DeadManKind.TIMER,
        scope=Scope.ACCOUNT,
        window_ns=60 * NS_PER_S,
        renew_ns=20 * NS_PER_S,
    )
    changes = {
        "orders": frozenset({(OrderKind.LIMIT, TimeInForce.GTC)}),
        "amend": AmendKind.PRICE_AND_SIZE,
        "batch": 15,
        "batch_cancel": 50,
        "request_expiry_ns": None,
        "dead_man": timer,
    }
    monkeypatch.setattr(
        SpotAdapter, "capabilities", property(lambda self: replace(real(self), **changes))
    )
    text = "\n".join(table({"one": declared(VENUE)}))
    for words in (
        "orders            limit: gtc\n",
        "amend             price and size\n",
        "in one request    15 new orders, 50 cancels\n",
        "requests expire   never\n",
        "dead-man switch   timer after 60 s, of the account\n",
    ):
        assert words in text
