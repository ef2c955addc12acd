"""Lines, scripts, limits and costs of a run on Binance Spot."""

import pytest

from core.model import commands
from core.model.commands import (
    CancelMany,
    Command,
    FetchBook,
    FetchOpenOrders,
    FetchPositions,
    Logout,
    Ping,
    Place,
    PlaceMany,
    Replace,
    SetDeadMan,
    SubscribeBook,
    SubscribeMarket,
    SubscribeStatus,
    UnsubscribeBook,
)
from core.model.events import FRAMES, NO_INSTRUMENT, Rule, Scope
from core.model.units import NS_PER_S
from core.model.venue import Adapter, Environment, Signer
from tests.venues.binance import world
from venues.binance import VENUE, decode

ADAPTER = world.ADAPTER
MARKET, TRADE = ADAPTER.connections


def test_the_parts_answer_the_questions_of_a_venue() -> None:
    adapter: Adapter = ADAPTER
    signer: Signer = VENUE.signer(world.DOC_KEYS)
    assert (adapter, repr(signer)) == (ADAPTER, "<KeySigner>")


def test_two_connections_market_and_trade() -> None:
    assert (decode.MARKET, decode.TRADE) == (0, 1)
    assert (MARKET.name, MARKET.url, MARKET.private) == ("market", "ws://localhost:2/stream", False)
    assert (TRADE.name, TRADE.url, TRADE.private) == (
        "trade",
        "ws://localhost:3/ws-api/v3",
        True,
    )


def test_a_connection_is_renewed_before_the_venue_drops_it_and_dead_after_two_missed_pings() -> (
    None
):
    for connection in (MARKET, TRADE):
        assert 40 * NS_PER_S < connection.silence_ns < 60 * NS_PER_S
        assert 23 * 3600 * NS_PER_S < connection.lifetime_ns < 24 * 3600 * NS_PER_S


def test_the_market_connection_takes_five_frames_a_second() -> None:
    (frames,) = (limit for limit in ADAPTER.limits if limit.kind == FRAMES)
    assert (frames.amount, frames.interval_ns, frames.rule) == (5, NS_PER_S, Rule.SLIDING)
    assert (frames.scope, frames.where) == (Scope.CONNECTION, MARKET.name)


def test_every_environment_has_both_connections_and_verified_tls() -> None:
    assert VENUE.environments == [Environment.TESTNET, Environment.LIVE]
    for environment in VENUE.environments:
        places = VENUE.places(environment)
        assert set(places) == {"rest", "stream", "ws_api"}
        assert places.pop("rest").startswith("https://")
        assert all(url.startswith("wss://") for url in places.values())


ROOTS = ("Command", "Riskless")
OF_THE_MARKET_CONNECTION = (SubscribeMarket, SubscribeBook, UnsubscribeBook, Ping)
"""Frames there count against that connection alone. The first is all that is ever sent."""
NEVER_SENT = (SetDeadMan, SubscribeStatus, PlaceMany, CancelMany, FetchPositions, Logout)
"""The venue has no such timer, takes no several orders in one request, and knows no positions."""


def every_command() -> list[type[Command]]:
    found = [one for one in vars(commands).values() if isinstance(one, type)]
    return [one for one in found if issubclass(one, Command) and one.__name__ not in ROOTS]


@pytest.mark.parametrize("kind", every_command(), ids=lambda kind: kind.__name__)
def test_every_command_has_a_cost_in_known_limits(kind: type[Command]) -> None:
    kinds = {limit.kind for limit in ADAPTER.limits}
    command = kind(*(0 for _ in kind.__struct_fields__))
    cost = dict(ADAPTER.cost(command))
    assert set(cost) <= kinds
    assert (cost == {}) is (kind in (*OF_THE_MARKET_CONNECTION, *NEVER_SENT))
    assert ("orders" in cost) is (kind in (Place, Replace))


def test_the_costs_that_differ_by_their_arguments() -> None:
    assert dict(ADAPTER.cost(FetchOpenOrders(0)))["weight"] == 6
    assert dict(ADAPTER.cost(FetchOpenOrders(NO_INSTRUMENT)))["weight"] == 80
    assert dict(ADAPTER.cost(FetchBook(0)))["weight"] == 50
