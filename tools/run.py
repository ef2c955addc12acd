"""``hotloop run``: trade one strategy on one venue, as a configuration says.

Here the files of a run are opened and the application is started; what is alive in it belongs to
``core.io.runtime``. ``trade`` is shared with ``hotloop demo``.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import trio

from core.engine.checkpoint import Losses
from core.engine.engine import Setup
from core.engine.understudy import Understudy
from core.io.clock import EngineClock
from core.io.control import Control
from core.io.day_file import DayFile, state_folder
from core.io.guarded import Guarded
from core.io.guardian import Charge
from core.io.hang import Stacks
from core.io.hlog import HlogFile
from core.io.journal_file import JournalFile, next_boot, segments
from core.io.last_boot import last_boot, last_header
from core.io.one_process import OneProcess
from core.io.process import check_descriptors, configure
from core.io.run_folder import RunFolder
from core.io.run_log import RunLog
from core.io.runtime import Beside, Ending, EngineOf, Plan, Runtime
from core.io.scope_lock import ScopeLock
from core.model.config import Config, digest
from core.model.errors import BadConfig, JournalFailed, OrdersSurvived
from core.model.venue import Credentials, Environment, KeyKind
from core.model.wording import plain, plain_lines
from core.state.journal import Header, Journal
from tools import app
from tools.arguments import seconds
from tools.cli import Exit
from tools.files import (
    beside,
    find_strategies_beside,
    owner_of,
    read_config,
    read_keys,
)
from tools.progress import Progress
from tools.sources import source_digest

MEGABYTE = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``hotloop run``."""
    parser.add_argument("config", type=Path, metavar="CONFIG.toml")
    parser.add_argument("--seconds", type=seconds, metavar="N", help="stop after so many seconds")
    parser.add_argument(
        "--live", action="store_true", help='needed where environment = "live": real money'
    )


def run(args: argparse.Namespace) -> int:
    """Trade until told to stop; return the exit code."""
    config = read_config(args.config)
    if config.environment is Environment.LIVE and not args.live:
        raise BadConfig(
            f'{args.config}: environment = "live" trades real money: add --live if that is meant'
        )
    find_strategies_beside(args.config)
    venue = app.venue_of(config, str(args.config))
    keys = read_keys(config, args.config, venue.key_fields)
    ending = trade(config, args.config, keys, seconds=args.seconds)
    return close(ending, keyless=keys is None)


def engine_of_application(application: app.Application) -> EngineOf:
    """Return what makes the engine of a run."""
    return application.engine


def trade(
    config: Config,
    path: Path,
    keys: Credentials | None,
    *,
    seconds: float | None,
    engine_of: Callable[[app.Application], EngineOf] = engine_of_application,
    instead: Callable[[Runtime], Beside] | None = None,
    state: Path | None = None,
) -> Ending:
    """Run a checked configuration, ``path`` being where it was read, to its end.

    ``engine_of`` is for measuring: it makes the engine of an application otherwise than a run does.
    ``instead`` makes a task that steers the run in the place of the strategy, which does nothing.
    ``state`` is where the day's losses of the account are kept, the user's own state folder if it
    is not said.
    """
    check_descriptors()
    account = app.venue_of(config, str(path)).account(keys)
    scope = app.scope_of(config, account)
    # Without keys nothing can be placed: any number of runs may watch.
    lock = ScopeLock(app.lock_of(config, scope)) if keys else None
    with (
        OneProcess() as process,
        RunFolder(beside(path, config.run.dir)) as folder,
        lock or nullcontext(),
        Stacks(folder.stacks) as stacks,
    ):
        process.in_child(folder.forked)
        if lock is not None:
            process.in_child(lock.forked)
        folder.bind(owner_of(config, account, scope), last_header(folder.path))
        flattens = instead is not None
        day = (
            DayFile(state or state_folder(os.environ), app.lock_of(config, scope)) if keys else None
        )
        own = str(folder.path.resolve())
        journaled = bool(segments(folder.path))
        losses = day.open(own, journaled=journaled, now_s=time.time()) if day else Losses()
        if losses.unknown:
            print(f"hotloop: {losses.unknown}", file=sys.stderr)
        try:
            runtime, application = _runtime(
                config, path, keys, folder, scope, engine_of, losses, flattens=flattens
            )
        except JournalFailed as error:  # before anything is sent: no restart can help
            raise BadConfig(str(error)) from error
        process.in_child(runtime.forked)
        process.last_words = runtime.last_words
        show = Progress(runtime)
        guarded = _guarded(runtime, application, path, keys, folder) if keys else None
        control = _control(runtime, application, folder, guarded)
        beside_it: list[Beside] = [guarded.keep, control.serve] if guarded else [control.serve]
        if instead is not None:
            beside_it.append(instead(runtime))
        if day is not None:
            beside_it.append(day.keeper(runtime.engine.pnl.own, runtime.log))
            with suppress(OSError):  # opening it has told that it cannot be written
                day.begin(own)
        hung = partial(_say_hung, runtime, stacks)
        ending = trio.run(
            lambda: runtime.run(seconds, watch=show.show, beside=beside_it, hung=hung)
        )
        if day is not None:
            _keep_day(day, runtime, ending)
        return ending


def _keep_day(day: DayFile, runtime: Runtime, ending: Ending) -> None:
    """Note what was made here for runs in other folders, and forget what is long over."""
    own = runtime.engine.pnl.own()
    try:
        if own.day:
            day.write(own)
        if ending.proved or ending.unsent:
            day.left(proved=ending.proved)
        day.sweep(time.time())
    except OSError as error:
        print(f"hotloop: {day.path}: {error.strerror or error}", file=sys.stderr)


def _say_hung(runtime: Runtime, stacks: Stacks, told: str) -> None:
    """Say that the process ends although nothing is proved: its loop makes no turn."""
    why = f"{told}: the loop hangs in {stacks.write()}, so the process ends where it is"
    runtime.log(why)
    print(f"hotloop: {why}; the guardian cancels: LOOK AT THE VENUE", file=sys.stderr, flush=True)


def _guarded(
    runtime: Runtime, application: app.Application, path: Path, keys: Credentials, folder: RunFolder
) -> Guarded:
    """Return what keeps a guardian with these keys; it runs the very code that we run."""
    return Guarded(
        (sys.executable, "-P", "-m", "tools.guardian"),
        os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        Charge(
            pid=os.getpid(),
            folder=str(folder.path.resolve()),
            scope=application.setup.scope,
            lock=app.lock_of(application.config, application.setup.scope),
            venue=application.config.venue,
            subscription=application.subscription,
            ca_file=_ca_file(application.config, path),
            stacks=str(folder.stacks.resolve()),
            hang_timeout_s=application.config.run.hang_timeout_s,
            keys=keys,
            carried=runtime.carried,
        ),
        left=lambda: runtime.engine.left or runtime.engine.unsent,
        log=runtime.log,
    )


def _control(
    runtime: Runtime, application: app.Application, folder: RunFolder, guarded: Guarded | None
) -> Control:
    def check(key: str, value: str) -> None:
        application.parameters_with(application.strategy.parameters, key, value)

    def about() -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "boot": application.setup.boot,
            "run_folder": str(folder.path.resolve()),
            "guardian": str(guarded.state) if guarded else "none: nothing can be placed",
        }

    return Control(folder.path, runtime, check=check, about=about)


def _runtime(
    config: Config,
    path: Path,
    keys: Credentials | None,
    folder: RunFolder,
    scope: str,
    engine_of: Callable[[app.Application], EngineOf],
    losses: Losses,
    *,
    flattens: bool,
) -> tuple[Runtime, app.Application]:
    with ExitStack() as unless_built:
        log = RunLog(folder.log)
        unless_built.callback(log.close)
        built = _built(config, path, keys, folder, scope, engine_of, losses, log, flattens=flattens)
        unless_built.pop_all()
    return built


def _built(
    config: Config,
    path: Path,
    keys: Credentials | None,
    folder: RunFolder,
    scope: str,
    engine_of: Callable[[app.Application], EngineOf],
    losses: Losses,
    log: RunLog,
    *,
    flattens: bool,
) -> tuple[Runtime, app.Application]:
    clock = EngineClock()
    for line in configure(config.loop.cpu):
        log.write(clock.now_ns(), line)
        print(f"hotloop: {line}", file=sys.stderr)
    restored = last_boot(folder.path)
    if restored is not None and restored.damage:
        print(
            f"hotloop: {restored.damage}. Nothing of it is deleted. The run takes its own orders "
            "out and places none until you have compared the position (hotloop position "
            f"{folder.path}) with the venue's, and resumed it",
            file=sys.stderr,
        )
    boot = next_boot(folder.path)
    folder.keep_config(path.read_text(encoding="utf-8"), boot)
    seed = secrets.randbits(63)
    key = app.venue_of(config, str(path)).key_kind(keys)
    application = app.wire(
        config, str(path), scope=scope, boot=boot, seed=seed, key=key, flattens=flattens
    )
    header = Header(
        run_id=scope,
        boot=boot,
        config_digest=digest(config),
        seeds={"run": seed},
        venue=config.venue,
        strategy=application.setup.strategy,
        start_ns=clock.now_ns(),
        key=key,
        strategy_digest=source_digest(type(application.strategy)),
    )
    runtime = Runtime(
        Plan(
            connections=application.adapter.connections,
            rest_url=application.subscription.rest_url,
            ca_file=_ca_file(config, path),
            spin=config.loop.spins,
            warm_ns=config.loop.warm_ns,
            rehearses=config.loop.rehearses,
            kernel_stamps=config.loop.kernel_stamps,
            seed=seed,
            leave_timeout_s=config.run.leave_timeout_s,
            hang_timeout_s=config.run.hang_timeout_s,
            start_timeout_s=config.run.start_timeout_s,
        ),
        engine_of(application),
        clock=clock,
        signer=application.venue.signer(keys) if keys else None,
        restored=restored,
        losses=losses,
        journal=JournalFile(
            folder.path,
            header,
            segment_bytes=config.journal.segment_mb * MEGABYTE,
            keep_segments=config.journal.keep_segments,
        ),
        hop_log=HlogFile(folder.hop_log, clock.now_ns()),
        log=log,
        understudy_of=partial(_understudy, config, path, keys, application.setup, key, clock)
        if keys
        else None,
    )
    return runtime, application


def _understudy(
    config: Config,
    path: Path,
    keys: Credentials,
    setup: Setup,
    key: KeyKind,
    clock: EngineClock,
    journal: Journal,
) -> Understudy:
    """Return what rehearses for a run: all that it is made of once more."""
    application = app.wire(
        config, str(path), scope=setup.scope, boot=setup.boot, seed=setup.seed, key=key
    )
    return Understudy(
        application.engine,
        streams=setup.streams,
        feed_of=application.adapter.book_feed,
        journal=journal,
        sign=application.venue.signer(keys).wire,
        stamp=clock.now_ns,
    )


def _ca_file(config: Config, path: Path) -> str | None:
    name = config.endpoints.ca_file
    return None if name is None else str(beside(path, name))


def close(ending: Ending, *, keyless: bool = False) -> int:
    """Say how a run ended, and return its exit code. Raises ``OrdersSurvived``.

    ``keyless`` runs can have no orders.
    """
    if not ending.left and not ending.unsent:
        orders = "; ".join(ending.survivors) or "none known to us"
        raise OrdersSurvived(
            f"it is not proved that no order of ours is left ({orders}): look at the venue"
        )
    # What a venue or a strategy says is in there: no terminal is to obey it.
    why = plain(ending.why)
    print(f"hotloop: left ({why}); {_confirmation(ending, keyless=keyless)}", file=sys.stderr)
    if ending.traceback:
        print(plain_lines(ending.traceback), end="", file=sys.stderr)
    if ending.fatal or ending.halted:
        print(f"hotloop: {plain(ending.fatal or ending.halted)}", file=sys.stderr)
        return Exit.REMOTE if ending.remote else Exit.FAILED
    proved = ending.proved or (keyless and ending.reached)
    return Exit.OK if proved else Exit.REMOTE


def _confirmation(ending: Ending, *, keyless: bool) -> str:
    """Say what is known of our orders, and no more."""
    if ending.proved:
        return "the venue lists none of our orders"
    if not ending.heard:
        return "the venue was not reached: this run sent no order, and nothing is proved of others"
    if keyless:
        return "no order was sent: there is no key"
    return "this run sent no order; the venue did not list what others may have left"
