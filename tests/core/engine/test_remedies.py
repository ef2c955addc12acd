"""Remedies by themselves: what a venue's refusal asks of us."""

from __future__ import annotations

import pytest

from core.engine.remedies import Remedies
from core.engine.turn import Turn
from core.model.commands import FetchAccount, OrderKind, Place, Riskless, TimeInForce
from core.model.events import Reply, Side, Verdict
from core.model.halts import WHOLE_RUN, HaltKind
from core.model.units import NS_PER_S
from core.model.venue import Remedy
from core.state.inflight import InFlightRequest
from core.state.orders import Orders
from core.state.risk import Risk, RiskLimits
from venues.kit.names import Prefixed

NOW_NS = 1_000 * NS_PER_S
PLACE = Place(0, "ours-1", Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 100, 5)
LIMITS = RiskLimits(
    max_order_lots=10,
    max_order_notional=10_000,
    max_position_lots=100,
    max_open_orders=10,
    collar_bps=100,
    max_book_age_ns=NS_PER_S,
    max_feed_age_ns=NS_PER_S,
    max_orders_per_s=10,
    max_rejects=1,
    reject_window_ns=NS_PER_S,
    max_daily_loss=1_000,
)


class Rig:
    """The refusals of a venue that has one remedy for each."""

    def __init__(self, remedy: Remedy) -> None:
        self.turn, self.risk = Turn(NOW_NS), Risk()
        self.risk.add(0, LIMITS)
        self.remedies = Remedies(
            remedy=lambda code, text: remedy,
            orders=Orders(Prefixed("ours-", 1)),
            risk=self.risk,
            turn=self.turn,
        )

    def refused(self, command: Place | Riskless, verdict: Verdict = Verdict.REFUSED) -> None:
        asked = InFlightRequest(1, command, 0, NOW_NS, NOW_NS + NS_PER_S)
        reply = Reply(request_id=1, verdict=verdict, code="-7", text="no")
        self.remedies.on_reply(asked, reply, NOW_NS)


def test_one_refusal_too_many_halts_its_instrument() -> None:
    rig = Rig(Remedy.COUNT)
    rig.refused(PLACE)
    assert not rig.turn.halts
    rig.refused(PLACE)
    [halt] = rig.turn.halts
    assert (halt.instrument, halt.kind) == (0, HaltKind.BREAKER)
    assert "-7 no" in halt.why


@pytest.mark.parametrize(
    ("remedy", "where"), [(Remedy.HALT, WHOLE_RUN), (Remedy.HALT_INSTRUMENT, 0)]
)
def test_a_refusal_for_good_halts_what_it_is_about(remedy: Remedy, where: int) -> None:
    rig = Rig(remedy)
    rig.refused(PLACE)
    [halt] = rig.turn.halts
    assert (halt.instrument, halt.kind) == (where, HaltKind.REFUSED)


def test_a_question_that_is_refused_for_good_halts_as_well() -> None:
    rig = Rig(Remedy.HALT)
    rig.refused(FetchAccount())
    assert [halt.kind for halt in rig.turn.halts] == [HaltKind.REFUSED]


def test_what_halts_already_is_not_said_again() -> None:
    rig = Rig(Remedy.HALT)
    rig.risk.halt("refused before", HaltKind.REFUSED)
    rig.refused(PLACE)
    assert not rig.turn.halts


def test_silence_asks_for_nothing() -> None:
    rig = Rig(Remedy.HALT)
    rig.refused(PLACE, Verdict.DISCARDED)
    assert not rig.turn.halts


@pytest.mark.parametrize(
    ("code", "text", "words"),
    [("-7", "no", "-7 no"), ("EOrder:Nothing left", "", "EOrder:Nothing left"), ("", "no", "no")],
)
def test_a_halt_has_the_venues_own_words(code: str, text: str, words: str) -> None:
    rig = Rig(Remedy.HALT)
    asked = InFlightRequest(1, FetchAccount(), 0, NOW_NS, NOW_NS + NS_PER_S)
    reply = Reply(request_id=1, verdict=Verdict.FATAL, code=code, text=text)
    rig.remedies.on_reply(asked, reply, NOW_NS)
    [halt] = rig.turn.halts
    assert halt.why == f"the venue refuses for good: {words}"


def test_an_error_that_is_a_text_alone_is_one() -> None:
    rig = Rig(Remedy.COUNT)
    asked = InFlightRequest(1, PLACE, 0, NOW_NS, NOW_NS + NS_PER_S)
    reply = Reply(request_id=1, verdict=Verdict.REFUSED, code="EOrder:Nothing left")
    for _ in range(2):
        rig.remedies.on_reply(asked, reply, NOW_NS)
    [halt] = rig.turn.halts
    assert halt.kind is HaltKind.BREAKER


def test_a_refusal_that_names_no_error_asks_for_nothing() -> None:
    rig = Rig(Remedy.HALT)
    asked = InFlightRequest(1, PLACE, 0, NOW_NS, NOW_NS + NS_PER_S)
    rig.remedies.on_reply(asked, Reply(request_id=1, verdict=Verdict.REFUSED), NOW_NS)
    assert not rig.turn.halts
