"""The venue's declarations hold together, and a run that could not trade is refused."""

import msgspec
import pytest

from core.model import commands
from core.model.commands import Command
from core.model.errors import BadConfig
from core.model.events import Verdict
from core.model.venue import Environment, Remedy, Role, Stream, SyncKind, cancel_kinds
from tests.venues.kraken import world
from venues.kraken import VENUE, decode
from venues.kraken.adapter import SpotAdapter

ADAPTER = world.adapter()


def test_the_endpoints_are_those_of_the_documentation() -> None:
    live = VENUE.endpoints[Environment.LIVE]
    assert live.rest == "https://api.kraken.com"
    assert live.lines == {
        "market": "wss://ws.kraken.com/v2",
        "trade": "wss://ws-auth.kraken.com/v2",
    }
    assert Environment.TESTNET not in VENUE.endpoints, "the venue has none for spot"


def test_one_connection_tells_of_all_markets() -> None:
    [line] = ADAPTER.lines
    assert (line.name, line.carries) == ("market", frozenset({Role.MARKET}))
    assert line.keepalive is not None
    assert 2 * line.keepalive.every_ns < 60_000_000_000, "the venue closes what is silent a minute"
    assert line.max_message_bytes == decode.MAX_MESSAGE


def test_a_run_with_a_key_is_refused() -> None:
    with pytest.raises(BadConfig, match="watch"):
        VENUE.adapter(world.subscription(keyed=True))


def test_a_missing_url_is_named() -> None:
    bare = msgspec.structs.replace(world.subscription(), line_urls={})
    with pytest.raises(BadConfig, match="market"):
        VENUE.adapter(bare)


def test_a_book_is_proved_by_checksums() -> None:
    feed = ADAPTER.book_feed(world.BTC)
    assert (feed.sync, feed.depth) == (SyncKind.CHECKSUMMED, 100)


def every_command() -> list[type[Command]]:
    found = [one for one in vars(commands).values() if isinstance(one, type)]
    roots = ("Command", "Riskless")
    return [one for one in found if issubclass(one, Command) and one.__name__ not in roots]


@pytest.mark.parametrize("kind", every_command(), ids=lambda kind: kind.__name__)
def test_every_command_has_a_cost_in_known_limits(kind: type[Command]) -> None:
    kinds = {limit.kind for limit in ADAPTER.limits}
    cost = dict(ADAPTER.cost(kind(*(0 for _ in kind.__struct_fields__))))
    assert set(cost) <= kinds


def test_a_cancel_shares_no_limit_with_questions() -> None:
    assert cancel_kinds(ADAPTER) == frozenset()


def test_the_name_of_a_pair() -> None:
    assert ADAPTER.symbol_of("BTC", "USD") == "BTC/USD"


def test_a_refusal_is_judged_by_its_text() -> None:
    assert ADAPTER.remedy(1, "EOrder:Insufficient funds") is Remedy.PAUSE


def test_a_run_of_tops_alone_has_no_books() -> None:
    adapter = VENUE.adapter(world.subscription(streams=(Stream.TOP,)))
    assert isinstance(adapter, SpotAdapter)
    assert adapter.placed(b"{}") is None


def test_no_answer_at_all_proves_nothing() -> None:
    reply = ADAPTER.answer(commands.FetchTime(), 1, 0, {}, b"no route")
    assert reply.verdict is Verdict.UNKNOWN
