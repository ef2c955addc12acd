"""What has to be so after every strike: the run, its words and its journal against the ledger."""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final

from core.model.errors import HotloopError
from tools import replay
from tools.cli import Exit
from tools.crash_test.application import Journaled, Run, Watched
from tools.crash_test.exchange import Exchange
from tools.crash_test.patience import PATIENCE_S, Wrong, until

NONE_LEFT: Final = "the venue lists none of our orders"
NOT_PROVED: Final = "it is not proved that no order of ours is left"

VANISH_S: Final = 2.0
"""Within which a guardian has to cancel what a dead run left, and a boot what it finds."""


def compare(run: Run, exchange: Exchange) -> None:
    """Halt the run for an instant, and hold its position against the ledger."""
    status = halt(run, exchange)
    believed = status["positions"][0]["position"]
    owned = exchange.position()
    if believed != owned:
        raise Wrong(f"the run holds {believed}, the ledger {owned}")
    run.tell("resume")
    until("it trades again", run.trading)


def halt(run: Run, exchange: Exchange) -> dict[str, Any]:
    """Halt the run, and return its status once no order of it is open."""
    run.tell("halt", "compared")

    def quiet() -> dict[str, Any]:
        status = run.status()
        # One whose absence is not proved yet is told apart: that takes longer than any delay may.
        alive = [each for each in status.get("open_orders", []) if each["state"] != "unknown"]
        return {} if not status or alive or exchange.open_orders() else status

    return until("no order is left after a halt", quiet)


def force_cancelled(exchange: Exchange, by: str, within_s: float = VANISH_S) -> None:
    """Wait until no order is open. Raises ``Wrong`` where one stays."""
    until(f"{by} takes all out", lambda: not exchange.open_orders(), within_s)


def cleared(exchange: Exchange, left: Sequence[str]) -> None:
    """See that the boot after has cancelled what no guardian could. Raises ``Wrong``."""
    until(
        f"the next boot takes out {', '.join(left)}",
        lambda: not set(left) & set(exchange.open_orders()),
        VANISH_S,
    )


def ended(run: Watched, codes: Sequence[int]) -> int:
    """Wait until a run has ended by itself; return its exit code. Raises ``Wrong``."""
    until("the run ends", lambda: run.process.poll() is not None, PATIENCE_S)
    code = int(run.process.returncode)
    if code not in codes:
        raise Wrong(f"it ended with {code}, not with {codes}: {run.said()[-500:]}")
    return code


def check_words(code: int, said: str, logged: str, left: Sequence[str]) -> None:
    """Hold what an ended run has said against the ledger, ``left`` open there. Raises ``Wrong``.

    ``said`` is "" where nobody has read it.
    """
    if left and NONE_LEFT in said + logged:
        raise Wrong(f"it said that {NONE_LEFT}, and these were open: {left}")
    if code == Exit.OK and NONE_LEFT not in logged:
        raise Wrong("it ended with 0, and its log does not say that nothing is left")
    if code == Exit.OK and said and NONE_LEFT not in said:
        raise Wrong("it ended with 0, and does not say that nothing is left")
    if code == Exit.ORDERS_SURVIVED and said and NOT_PROVED not in said:
        raise Wrong(f"it ended with {code}, and does not say that nothing is proved")
    if code == Exit.FAILED and said and "hotloop: " not in said:
        raise Wrong(f"it ended with {code}, and does not say why")


def check_orders(names: Sequence[str], journaled: set[str]) -> None:
    """Hold all orders that the exchange ever had against the journal. Raises ``Wrong``."""
    if len(names) != len(set(names)):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise Wrong(f"placed twice: {twice}")
    if unknown := sorted(set(names) - journaled):
        raise Wrong(f"sent and not in the journal: {unknown}")


def check_replay(folder: Path, boots: Sequence[int]) -> int:
    """See that these boots replay to the byte; return how many of them had anything to replay.

    One that was killed at its very beginning has not. Raises ``Wrong``.
    """
    replayed = 0
    for boot in boots:
        args = argparse.Namespace(journal=folder, boot=boot, json=True, strategy=None, set=[])
        told = io.StringIO()
        try:
            with redirect_stdout(told), redirect_stderr(io.StringIO()):
                code = replay.run(args)
        except HotloopError as error:
            raise Wrong(f"boot {boot} does not replay: {error}") from error
        found = json.loads(told.getvalue().rstrip().rpartition("\n")[2])
        if code or not found["identical"]:
            raise Wrong(f"boot {boot} replays otherwise: {found['first_difference']}")
        replayed += bool(found["inputs"])
    return replayed


def check_all(folder: Path, exchange: Exchange, journaled: Journaled, *, traded: bool) -> int:
    """Hold exchange and journal against each other; return how many boots were replayed.

    A boot that has ``traded`` must be one of them. Raises ``Wrong``.
    """
    journaled.read_on()
    check_orders(exchange.orders(), journaled.names)
    replayed = check_replay(folder, journaled.new_boots())
    if traded and not replayed:
        raise Wrong("it traded, and nothing was replayed")
    return replayed
