"""``hotloop flatten``: trade every position of a configuration to zero, where no process runs.

Here a run is started like any other, with a strategy that does nothing, and steered: once the
instruments are known the word ``flatten`` is said, how far it is is shown, and when it has ended
the run is left, its orders proved gone. What flattening is lives in ``core.engine.flatten``; a run
that lives is told by ``hotloop ctl RUNDIR flatten``.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import trio
from msgspec.structs import replace

from core.io.run_folder import runner
from core.io.runtime import Ending, Runtime
from core.io.scope_lock import holder
from core.model.config import Config
from core.model.errors import BadConfig, BadParameter
from core.model.venue import Environment
from tools import app
from tools.cli import Exit
from tools.files import beside, read_config, read_keys
from tools.run import close, trade

LOOK_S = 0.25
"""Between two looks how far it is: a slice and its answer take about as long."""

PATIENCE_S = 300.0
"""How long by default nothing may move before the run is left: longer than the pauses after slices
that took nothing, and than a venue's ordinary interruption."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``hotloop flatten``."""
    parser.add_argument("config", type=Path, metavar="CONFIG.toml")
    parser.add_argument(
        "--patience",
        type=float,
        default=PATIENCE_S,
        metavar="N",
        help=f"leave when nothing has moved for so many seconds ({PATIENCE_S:g})",
    )
    parser.add_argument(
        "--live", action="store_true", help='needed where environment = "live": real money'
    )


def run(args: argparse.Namespace) -> int:
    """Flatten; return ``OK`` where nothing that can be traded is left, ``FAILED`` where it is.

    Raises ``BadConfig`` and ``BadParameter`` before anything is sent.
    """
    config = read_config(args.config)
    if not 0 < args.patience < math.inf:
        raise BadParameter(f"--patience {args.patience}: must be a number of seconds above 0")
    if config.environment is Environment.LIVE and not args.live:
        raise BadConfig(
            f'{args.config}: environment = "live" trades real money: add --live if that is meant'
        )
    venue = app.venue_of(config, str(args.config))
    keys = read_keys(config, args.config, venue.key_fields)
    if keys is None:
        raise BadConfig(f"{args.config}: no [keys]: nothing can be traded without them")
    _refuse_beside_a_run(config, args.config, venue.account(keys))
    way = Way(args.patience)
    ending = trade(config, args.config, keys, seconds=None, instead=way.begin)
    return _close(ending, way)


def _refuse_beside_a_run(config: Config, path: Path, account: str | None) -> None:
    """Point to the run that trades this configuration, where one does. Raises ``BadConfig``."""
    folder = beside(path, config.run.dir)
    pid = runner(folder)
    if pid:
        raise BadConfig(
            f"a process (pid {pid}) runs in {folder}: hotloop ctl {folder} flatten tells that one"
        )
    scope = app.scope_of(config, account)
    pid = holder(app.lock_of(config, scope))
    if pid:
        raise BadConfig(
            f"a process (pid {pid}) trades this account and strategy from another run folder: "
            "hotloop ctl RUNDIR flatten tells that one, with its folder for RUNDIR"
        )


class Way:
    """What steers one run to where it is flat."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self.flat = False
        self.verdict = ""
        self.done: list[str] = []
        """What has become of each symbol."""

    def begin(self, runtime: Runtime) -> Way:
        self._runtime = runtime
        return self

    async def __call__(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Say the word once it can be understood, and watch until it has come to its end."""
        task_status.started()
        engine = self._runtime.engine
        moved_s = trio.current_time()
        begun, said = False, ""
        while not engine.flattening.verdict:
            if len(engine.table) and not begun:
                begun = True
                self._runtime.post(self._say)
            now = engine.flattening.progress() if begun else "asking the venue for its rules"
            if now != said:
                said, moved_s = now, trio.current_time()
            if trio.current_time() - moved_s > self._patience_s:
                self._end(f"not flat: nothing moved for {self._patience_s:g} s: {said}")
                return
            await trio.sleep(LOOK_S)
        self.flat = engine.flattening.flat
        self._end(engine.flattening.verdict)

    def _say(self) -> None:
        self._runtime.control("flatten")

    def _end(self, verdict: str) -> None:
        self.verdict = verdict
        flattening = self._runtime.engine.flattening
        self.done = [flattening.text(leg) for leg in flattening.legs]
        self._runtime.stop("flat" if self.flat else "not flat")


def _close(ending: Ending, way: Way) -> int:
    """Say what is left, and return the exit code. Raises ``OrdersSurvived``."""
    # That the run is halted is what it was for: how it ended says the verdict.
    code = close(replace(ending, halted=""))
    for line in way.done:
        print(f"hotloop: {line}")
    print(f"hotloop: {way.verdict or f'not flat: {ending.why}'}")
    return code if code or way.flat else Exit.FAILED
