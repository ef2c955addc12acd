"""The operator's words by themselves: what each does, and what is said to whoever spoke."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from core.engine.operator import Operator
from core.model.commands import OrderKind, Place, TimeInForce
from core.model.events import Side
from core.model.halts import HaltKind
from core.model.instrument import InstrumentTable
from core.model.views import SessionState
from core.state.orders import Orders
from core.state.risk import Risk
from tests.core.engine.test_remedies import LIMITS
from tests.strategies.desk import instrument
from venues.kit.names import Prefixed


class Parameters(Struct, frozen=True):
    size: str = "1"


def with_one(parameters: Struct, key: str, value: str) -> Struct:
    return replace(parameters, **{key: value})


class Rig:
    """A run that trades; what a word does to it is noted."""

    def __init__(self) -> None:
        self.risk = Risk()
        self.risk.add(0, LIMITS)
        self.orders = Orders(Prefixed("ours-", 1))
        self.done: list[str] = []
        self.log: list[str] = []
        self.strategy = SimpleNamespace(parameters=Parameters(), on_parameters="on_parameters")
        self.flattening = SimpleNamespace(
            wanted=False,
            verdict="",
            begin=lambda: self.done.append("begin"),
            stop=lambda why: self.done.append("stop"),
            step=lambda: self.done.append("step"),
            progress=lambda: "under way",
        )
        parts: dict[str, Any] = {
            "desk": SimpleNamespace(session=SessionState.TRADING),
            "gate": SimpleNamespace(
                private=True,
                refresh=lambda: self.done.append("refresh"),
                force_cancel_all=lambda: self.done.append("take out"),
            ),
            "flattening": self.flattening,
            "resolution": SimpleNamespace(give_up=lambda order: self.done.append("give up")),
            "account": SimpleNamespace(in_dispute=False, on_resume=lambda was_in_dispute: None),
            "callbacks": SimpleNamespace(strategy=self.strategy, call=self.done.append),
        }
        self.operator = Operator(
            table=InstrumentTable([instrument()]),
            orders=self.orders,
            risk=self.risk,
            parameters_with=with_one,
            log=self.log.append,
            **parts,
        )

    def say(self, word: str, rest: str = "") -> str:
        self.done.clear()
        return self.operator.words[word](rest)


def test_halt_stops_placing_and_takes_out_what_stands() -> None:
    rig = Rig()
    assert rig.say("halt", "lunch").startswith("nothing more is placed")
    assert rig.risk.halted == "halted by the operator: lunch"
    assert rig.done == ["stop", "refresh", "take out"]


def test_resume_says_what_stays_halted() -> None:
    rig = Rig()
    rig.say("halt")
    assert rig.say("resume") == "BTCUSDT may be traded"
    rig.risk.halt("lost too much", HaltKind.DAILY_LOSS)
    assert "stays halted: lost too much" in rig.say("resume")


def test_flatten_takes_orders_out_before_it_trades() -> None:
    rig = Rig()
    assert rig.say("flatten") == "under way"
    assert rig.done == ["begin", "refresh", "take out", "step"]


def test_cancel_all_halts_nothing() -> None:
    rig = Rig()
    assert rig.say("cancel-all") == "none of our orders is open"
    assert rig.done == ["take out"]
    assert rig.risk.halted == ""


def test_a_parameter_is_set_and_told_to_the_strategy() -> None:
    rig = Rig()
    assert rig.say("set", "size 2") == "size = 2"
    assert rig.strategy.parameters == Parameters("2")
    assert rig.done == ["on_parameters"]


def test_only_an_order_in_doubt_is_given_up() -> None:
    rig = Rig()
    assert "no open order of ours has the id nobody" in rig.say("absent", "nobody")
    place = Place(0, rig.orders.next_id(), Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 100, 5)
    order = rig.orders.add(place, 0)
    assert "only an unknown order can be given up" in rig.say("absent", place.client_order_id)
    assert not rig.done
    rig.orders.on_doubt(order)
    assert rig.say("absent", place.client_order_id).startswith("counts as never accepted")
    assert rig.done == ["give up", "refresh"]
    assert place.client_order_id in rig.log[-1]
