"""``hotloop replay --strategy``: simulated, labelled, the same every time."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from core.model.events import Fill, Side
from core.model.strategy import Desk, Strategy
from core.model.units import NS_PER_S
from core.model.venue import KeyKind
from core.state import hops as hop
from core.state.journal import Kind
from core.state.position import Position
from tests.core.contracts import SPOT
from tests.strategies.desk import instrument
from tests.tools.test_replay import header_of, run, save
from tools import whatif
from tools.recording import Recording
from tools.whatif import LATENCY_NS
from tools.world.tank import LATENCY_NS as TANK_LATENCY_NS
from tools.world.tank import Tank

TAKER = ("--strategy", "taker", "--set", "size=0.01", "--set", "max_position=0.05")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tank = Tank(seed=5, rate=400).run(6).leave()
    return save(tmp_path_factory.mktemp("run"), tank)


def as_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    assert run(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_another_strategy_trades_on_the_recorded_market(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = as_json(capsys, recorded, *TAKER, "--set", "threshold_percent=60")
    assert found["simulated"] is True
    assert found["strategy"] == "taker"
    assert found["parameters"]["threshold_percent"] == 60
    (boot,) = found["boots"]
    (symbol,) = boot["symbols"]
    assert boot["left"], "every simulated order ended before the simulation"
    assert boot["latency_ns"] == 2 * TANK_LATENCY_NS
    assert boot["latency_measured_on"] > 10
    assert symbol["orders"] >= symbol["orders_accepted"] > 0
    assert symbol["fills_as_taker"] > 0
    assert symbol["fills_as_maker"] == 0
    assert float(symbol["position"]) == pytest.approx(
        float(symbol["bought"]) - float(symbol["sold"])
    )
    assert symbol["fees"]


def test_other_parameters_change_what_it_does(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    near = as_json(capsys, recorded, "--set", "half_spread_bps=0.2")
    far = as_json(capsys, recorded, "--set", "half_spread_bps=5")
    assert near["strategy"] == far["strategy"] == "maker"
    assert near["parameters"]["size"] == far["parameters"]["size"] == "0.01"
    assert near["boots"][0]["symbols"][0]["fills_as_maker"] > 0
    assert far["boots"][0]["symbols"][0]["fills_as_maker"] == 0


def test_it_is_the_same_every_time(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = [as_json(capsys, recorded, "--strategy", "maker") for _ in range(2)]
    assert again[0] == again[1]


def test_every_line_that_could_be_taken_for_real_is_labelled(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(recorded, *TAKER) == 0
    blocks = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert len(blocks) == 3
    assert all(line.startswith("SIMULATED") for line in blocks)
    assert "no order was sent" in blocks[-1]


def test_a_recording_without_a_key_is_simulated_with_a_stated_latency(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tank = Tank(seed=5).run(3).leave()
    public = [
        r for r in tank.journal.records if r.connection != 1 or r.kind in (Kind.ASK, Kind.ANSWER)
    ]
    save(tmp_path, tank, records=public, header=replace(header_of(tank), key=KeyKind.NONE))
    (boot,) = as_json(
        capsys,
        tmp_path,
        "--strategy",
        "maker",
        "--set",
        "size=0.01",
        "--set",
        "max_position=0.05",
        "--set",
        "half_spread_bps=0.5",
    )["boots"]
    assert (boot["latency_ns"], boot["latency_measured_on"]) == (LATENCY_NS, 0)
    assert boot["symbols"][0]["orders_accepted"] > 0


def test_another_configuration_is_no_obstacle_but_nothing_is_measured(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tank = Tank(seed=5).run(2).leave()
    save(tmp_path, tank, header=replace(header_of(tank), config_digest="another"))
    (boot,) = as_json(capsys, tmp_path, "--strategy", "maker")["boots"]
    assert boot["latency_measured_on"] == 0


def test_a_recording_that_was_cut_off_is_left_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tank = Tank(seed=5).run(2)
    save(tmp_path, tank, end=False)
    (boot,) = as_json(capsys, tmp_path, "--strategy", "maker")["boots"]
    assert boot["left"]


def orders(capsys: pytest.CaptureFixture[str], folder: Path) -> int:
    arguments = (*TAKER, "--set", "threshold_percent=51", "--set", "cool_down_ms=100")
    (boot,) = as_json(capsys, folder, *arguments)["boots"]
    assert boot["left"]
    return int(boot["symbols"][0]["orders"])


def test_it_trades_on_after_the_market_connection_was_lost_and_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tank = Tank(seed=5).run(0.5)
    tank.cut(0)
    tank.run(4).leave()
    assert orders(capsys, save(tmp_path, tank)) > 10


def test_it_leaves_when_the_run_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tank = Tank(seed=5).run(1)
    tank.engine.leave("test", tank.now_ns)
    at_leave = len(tank.journal.records)
    tank.run(3)
    (tmp_path / "short").mkdir()
    (tmp_path / "long").mkdir()
    short = save(tmp_path / "short", tank, records=tank.journal.records[:at_leave])
    assert orders(capsys, save(tmp_path / "long", tank)) == orders(capsys, short) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--strategy", "makr"), "did you mean maker?"),
        (("--set", "size"), "must be KEY=VALUE"),
        (("--set", "sise=1"), "sise: no such key"),
        (("--set", "half_spread_bps=abc"), "half_spread_bps"),
        (("--strategy", "taker"), "size: missing"),
        ((*TAKER, "--set", "cool_down_ms=0"), "from 1 to"),
    ],
)
def test_what_no_strategy_takes_is_refused(
    recorded: Path,
    arguments: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(recorded, *arguments) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""


# -- what is told ----------------------------------------------------------------------------


class Breaks(Strategy[Any]):
    """Raises as soon as it is started."""

    def on_start(self, desk: Desk) -> None:
        raise ZeroDivisionError("it breaks")


def test_a_strategy_that_raises_fails_and_is_told_why(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(recorded, "--strategy", "tests.tools.test_whatif:Breaks") == 1
    out = capsys.readouterr().out
    assert "  fatal     strategy raised ZeroDivisionError: it breaks" in out
    assert "  halted    " in out


def test_only_answers_to_orders_tell_the_latency() -> None:
    acks = whatif._Acks()
    acks.record(hop.ORDER_ACK, 5)
    acks.record(hop.CANCEL_ACK, 7)
    assert acks.taken_ns == [5]


def test_the_venues_clock_is_as_far_from_ours_as_it_was_in_the_recording(tmp_path: Path) -> None:
    tank = Tank(seed=5)
    tank.skew_ns = 3 * NS_PER_S
    tank.run(2).leave()
    measured = whatif._measure(Recording(save(tmp_path, tank), 1))
    assert measured.offset_ns == tank.engine.clock.offset_ns != 0


def symbol_of(lots: int, pnl: int | None) -> dict[str, Any]:
    position = Position(SPOT)
    side = Side.BUY if lots > 0 else Side.SELL
    position.on_fill(side, Fill("1", 1, 100, abs(lots), 10**15, "BNB", True, 1))
    engine = SimpleNamespace(
        positions=[position], executions=SimpleNamespace(pnl=lambda index: pnl)
    )
    world: Any = SimpleNamespace(engine=engine, exchange=None)
    return whatif._symbol(world, instrument())


def test_what_is_held_has_its_sign_and_fees_and_a_pnl_where_there_is_a_price() -> None:
    short = symbol_of(-3, None)
    assert short["position"] == "-0.003"
    assert short["fees"] == {"BNB": "0.001"}
    assert short["profit"] is None
    assert symbol_of(3, 200)["position"] == "0.003"
    assert symbol_of(3, 200)["profit"] is not None


def test_refusals_are_told_and_that_nothing_can_be_placed_without_amounts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    boot = {
        "boot": 1,
        "seconds": 1.0,
        "latency_ns": 5_000_000,
        "latency_measured_on": 0,
        "events": 1,
        "refusals": {"-2010 Market is closed.": 4},
        "halted": "",
        "fatal": "",
        "symbols": [],
    }
    result = {"strategy": "maker", "parameters": {}, "fee_bps": 10, "boots": [boot]}
    whatif._tell(result, trades=False)
    out = capsys.readouterr().out
    assert "  refused   4 times: -2010 Market is closed." in out
    assert "(assumed, none was recorded)" in out
    assert "states no risk amounts, so nothing can be placed" in out
    whatif._tell(result, trades=True)
    assert "states no risk amounts" not in capsys.readouterr().out


def test_a_torn_tail_is_told(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    segment = sorted((recorded / "journal").glob("*.journal"))[-1]
    whole = segment.read_bytes()
    try:
        segment.write_bytes(whole + b"\x01" * 11)
        run(recorded, "--strategy", "maker")
    finally:
        segment.write_bytes(whole)
    assert "11 bytes were torn" in capsys.readouterr().err
