"""What a run prints while it goes on: whoever watches it sees why nothing is traded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.io.runtime import Runtime
from core.model.halts import HaltKind
from tests.world.test_recovery import World, world
from tools.progress import Progress


def progress(w: World) -> Progress:
    runtime: Any = SimpleNamespace(
        engine=w.engine,
        hops=SimpleNamespace(snapshot=dict),
        now_ns=lambda: w.now_ns,
        troubles={},
        heard=True,
        log=w.log_lines.append,
    )
    return Progress(cast(Runtime, runtime))


def test_what_is_halted_is_said_with_its_reason_once_and_when_it_ends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    w = world()
    shown = progress(w)
    shown.show()
    assert "halted" not in capsys.readouterr().err
    symbol = w.engine.table[0].symbol
    w.engine.risk.halt_instrument(0, "its grid \x1b[2J has changed", HaltKind.CONTRADICTION)
    w.engine.on_control(b"halt enough", w.now_ns)
    shown.show()
    said = capsys.readouterr().err
    assert f"hotloop: {symbol} is halted: its grid \\x1b[2J has changed\n" in said
    assert "hotloop: the run is halted: halted by the operator: enough\n" in said
    shown.show()
    said = capsys.readouterr().err
    assert "is halted" not in said
    assert f"{symbol} halted " in said, "the line shows it for as long as it is so"
    w.engine.on_control(b"resume", w.now_ns)
    shown.show()
    said = capsys.readouterr().err
    assert "hotloop: the run is no longer halted\n" in said
    assert f"hotloop: {symbol} is no longer halted\n" in said
