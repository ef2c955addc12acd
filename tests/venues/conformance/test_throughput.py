"""What a message costs to read, held against a plain decoding of its JSON, which none avoids."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns

import msgspec
import pytest

from core.model.events import Event
from tests.venues.conformance import samples
from tests.venues.conformance.samples import Samples

MOST_TIMES = 12
"""What is read, checked and made an event of takes 3 to 7 times as long as its JSON alone."""
ROUNDS, READS = 100, 10

TOLD = [pytest.param(shown, id=name) for name, shown in samples.EVERY.items() if shown.told]


def least_ns(read: Callable[[], object]) -> int:
    """Return the time of the fastest of some rounds: whatever else runs here makes none faster."""
    rounds = []
    for _ in range(ROUNDS):
        began_ns = perf_counter_ns()
        for _ in range(READS):
            read()
        rounds.append(perf_counter_ns() - began_ns)
    return min(rounds)


@pytest.mark.parametrize("shown", TOLD)
def test_messages_are_read_within_their_budget(shown: Samples) -> None:
    adapter, plain = shown.adapter(), msgspec.json.Decoder().decode

    def decode() -> None:
        for told in shown.told:
            events: list[Event] = []
            adapter.decode(told.connection, told.payload, events)

    def parse() -> None:
        for told in shown.told:
            plain(told.payload)

    assert least_ns(decode) <= MOST_TIMES * least_ns(parse)
