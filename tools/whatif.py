"""``hotloop replay --strategy``: what another strategy would have done on a recorded market.

Here the arguments become a strategy, a recording what is assumed of its venue, and a simulation
(``tools.world.recorded``) what is told of it. Everything about it is SIMULATED, and every output
says so. ``docs/replay.md`` lists what is assumed.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

import strategies
from core.engine.engine import Engine
from core.engine.outbound import Port
from core.engine.replay import WATCH_EVERY, Untimed, replay
from core.model import config
from core.model.config import Config, StrategySection
from core.model.errors import BadConfig, BadParameter
from core.model.instrument import Instrument
from core.model.units import ASSET_DECIMALS, NS_PER_MS, NS_PER_S, format_decimal
from core.model.venue import KeyKind
from core.state.hops import ORDER_ACK, Hops
from core.state.journal import Header, Journal
from tools.app import Application
from tools.cli import Exit
from tools.recording import Recording, progress_bar
from tools.world.recorded import Measured, RecordedWorld
from venues.sim.accounts import STANDARD_RATE
from venues.sim.fixed import ONE

LATENCY_NS = 5 * NS_PER_MS
"""From sending an order to its answer where the recording shows none."""


def run(path: Path, boot: int | None, name: str | None, texts: list[str], *, as_json: bool) -> int:
    """Simulate every boot, print what came of it, and return the exit code."""
    recording = Recording(path, boot)
    changed = _changed(recording, name, texts)
    found: list[dict[str, Any]] = []
    with progress_bar(recording) as show:
        for header, records in recording.boots():
            measured = _measure(Recording(path, header.boot))
            application = recording.wire(replace(header, key=KeyKind.SIGNS), changed)
            world = RecordedWorld(application, measured)
            for number, record in enumerate(records):
                world.feed(record)
                if number % WATCH_EVERY == 0:
                    show(record)
            world.end()
            found.append(_summary(header, world))
    recording.warn_of_torn()
    result = {
        "simulated": True,
        "strategy": changed.strategy.name,
        "parameters": changed.strategy.parameters,
        "fee_bps": STANDARD_RATE * 10_000 // ONE,
        "boots": found,
    }
    if as_json:
        print(json.dumps(result))
    else:
        _tell(result, trades=changed.trades)
    return Exit.FAILED if any(one["fatal"] for one in found) else Exit.OK


def _changed(recording: Recording, name: str | None, texts: Sequence[str]) -> Config:
    """Return the run's configuration with another strategy or parameters in it."""
    section = recording.config.strategy
    raw = dict(section.parameters) if name in (None, section.name) else {}
    name = name or section.name
    kind = strategies.find(name, "--strategy").Parameters
    types = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise BadParameter(f"--set {text}: must be KEY=VALUE")
        try:
            raw[key] = msgspec.convert(value, types.get(key, str), strict=False)
        except msgspec.ValidationError:
            raw[key] = value  # which the check below refuses, and says what is allowed
    changed = replace(recording.config, strategy=StrategySection(name, raw))
    config.parameters(changed, kind, "--set")
    return changed


# -- what the recording shows of its venue ---------------------------------------------------


class _Acks(Untimed):
    """Keeps how long the answers to orders took."""

    __slots__ = ("taken_ns",)

    def __init__(self) -> None:
        super().__init__()
        self.taken_ns: list[int] = []

    def record(self, hop: int, ns: int) -> None:
        if hop == ORDER_ACK:
            self.taken_ns.append(ns)


def _measure(recording: Recording) -> Measured:
    """Replay one boot as it was, where that is possible, for what it had measured itself."""
    acks, engines = _Acks(), []
    for header, records in recording.boots():
        try:
            application = recording.wire(header, recording.config_of(header))
        except BadConfig:
            break

        def engine_of(
            port: Port,
            stamp: Callable[[], int],
            journal: Journal,
            _: Hops,
            application: Application = application,
        ) -> Engine:
            engines.append(application.engine(port, stamp, journal, acks))
            return engines[-1]

        replay(records, engine_of)
    offset_ns = engines[-1].clock.offset_ns if engines else 0
    taken_ns = acks.taken_ns
    latency_ns = round(statistics.median(taken_ns)) if taken_ns else LATENCY_NS
    return Measured(latency_ns, len(taken_ns), offset_ns)


# -- what came of it -------------------------------------------------------------------------


def _summary(header: Header, world: RecordedWorld) -> dict[str, Any]:
    """Return what one boot's simulation did, in plain data."""
    engine, measured = world.engine, world.measured
    return {
        "boot": header.boot,
        "seconds": round((world.now_ns - header.start_ns) / NS_PER_S, 3),
        "latency_ns": measured.latency_ns,
        "latency_measured_on": measured.acks,
        "events": engine.counts.messages,
        "refusals": dict(engine.counts.refusals),
        "halted": engine.risk.halted,
        "fatal": engine.gate.fatal,
        "left": engine.left,
        "symbols": [_symbol(world, row) for row in engine.table],
    }


def _symbol(world: RecordedWorld, row: Instrument) -> dict[str, Any]:
    engine, exchange = world.engine, world.exchange
    makers, takers = exchange.fills(row.symbol) if exchange else (0, 0)
    position = engine.positions[row.index]
    pnl = engine.executions.pnl(row.index)
    size = row.lot.text(abs(position.lots))
    fees = sorted(position.fees_atoms.items())
    return {
        "symbol": row.symbol,
        "orders": exchange.arrived[row.index] if exchange else 0,
        "orders_accepted": len(exchange.orders(row.symbol)) if exchange else 0,
        "fills_as_maker": makers,
        "fills_as_taker": takers,
        "bought": row.lot.text(position.bought_lots),
        "sold": row.lot.text(position.sold_lots),
        "position": f"-{size}" if position.lots < 0 else size,
        "fees": {asset: _amount(atoms) for asset, atoms in fees},
        "profit": None if pnl is None else row.contract.money(pnl),
        "quote": row.settle,
    }


def _amount(atoms: int) -> str:
    return format_decimal(atoms, ASSET_DECIMALS).rstrip("0").rstrip(".")


def _tell(result: dict[str, Any], *, trades: bool) -> None:
    shown = ", ".join(f"{key} = {value}" for key, value in result["parameters"].items())
    print(f"SIMULATED: {result['strategy']} ({shown or 'no parameters'}) on the recorded market")
    for one in result["boots"]:
        acks = one["latency_measured_on"]
        source = f"the median of {acks} recorded answers" if acks else "assumed, none was recorded"
        print(f"SIMULATED boot {one['boot']}: {one['seconds']:.1f} s, {one['events']:,} events")
        print(f"  latency   {one['latency_ns'] / NS_PER_MS:.3f} ms ({source})")
        print(f"  fee       {result['fee_bps']} bps of each fill, maker and taker alike")
        for name, count in one["refusals"].items():
            print(f"  refused   {count} times: {name}")
        for symbol in one["symbols"]:
            _tell_symbol(symbol)
        for word in ("halted", "fatal"):
            if one[word]:
                print(f"  {word:<9} {one[word]}")
    if not trades:
        print("SIMULATED: the configuration states no risk amounts, so nothing can be placed")
    print("SIMULATED: no order was sent; the market did not react, see docs/replay.md")


def _tell_symbol(symbol: dict[str, Any]) -> None:
    fees = ", ".join(f"{text} {asset}" for asset, text in symbol["fees"].items())
    pnl = "unknown: no price at the end" if symbol["profit"] is None else symbol["profit"]
    print(f"  {symbol['symbol']}")
    print(f"    orders    {symbol['orders']}, {symbol['orders_accepted']} of them accepted")
    print(f"    fills     {symbol['fills_as_maker']} as maker, {symbol['fills_as_taker']} as taker")
    print(f"    bought    {symbol['bought']}, sold {symbol['sold']}")
    print(f"    position  {symbol['position']}")
    print(f"    fees      {fees or 'none'}")
    print(f"    profit    {pnl} {symbol['quote']}, fees paid, at the last middle price")
