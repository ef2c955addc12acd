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


class House:
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
                take_everything_out=lambda: self.done.append("take out"),
            ),
            "flattening": self.flattening,
            "proof": SimpleNamespace(give_up=lambda order: self.done.append("give up")),
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
    house = House()
    assert house.say("halt", "lunch").startswith("nothing more is placed")
    assert house.risk.halted == "halted by the operator: lunch"
    assert house.done == ["stop", "refresh", "take out"]


def test_resume_says_what_stays_halted() -> None:
    house = House()
    house.say("halt")
    assert house.say("resume") == "BTCUSDT may be traded"
    house.risk.halt("lost too much", HaltKind.DAILY_LOSS)
    assert "stays halted: lost too much" in house.say("resume")


def test_flatten_takes_orders_out_before_it_trades() -> None:
    house = House()
    assert house.say("flatten") == "under way"
    assert house.done == ["begin", "refresh", "take out", "step"]


def test_cancel_all_halts_nothing() -> None:
    house = House()
    assert house.say("cancel-all") == "none of our orders is open"
    assert house.done == ["take out"]
    assert house.risk.halted == ""


def test_a_parameter_is_set_and_told_to_the_strategy() -> None:
    house = House()
    assert house.say("set", "size 2") == "size = 2"
    assert house.strategy.parameters == Parameters("2")
    assert house.done == ["on_parameters"]


def test_only_an_order_in_doubt_is_given_up() -> None:
    house = House()
    assert "no open order of ours has the id nobody" in house.say("absent", "nobody")
    place = Place(0, house.orders.next_id(), Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 100, 5)
    order = house.orders.add(place, 0)
    assert "only an unknown order can be given up" in house.say("absent", place.client_order_id)
    assert not house.done
    house.orders.on_doubt(order)
    assert house.say("absent", place.client_order_id).startswith("counts as never accepted")
    assert house.done == ["give up", "refresh"]
    assert place.client_order_id in house.log[-1]
