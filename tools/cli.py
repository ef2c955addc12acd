"""The command line: finds a command, runs it, and turns how it ended into an exit code.

Here live the table of commands, the exit codes and the one place where a typed error becomes a
line on stderr. What a command does lives in the module of its name, imported only when it is the
one that was asked for, so that ``hotloop --help`` is instant. An error outside the typed tree is a
defect of ours and comes out with its traceback, but for files that the system refuses.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from enum import IntEnum
from typing import Any, NamedTuple, Protocol, cast

from core.model.errors import HotloopError, Misuse, OrdersSurvived, RemoteFault
from core.model.wording import plain_lines


class Exit(IntEnum):
    """How a command ended; ``docs/exit-codes.md`` is for whoever calls it."""

    OK = 0
    FAILED = 1
    MISUSE = 2
    REMOTE = 3
    ORDERS_SURVIVED = 4
    INTERRUPTED = 130
    NO_READER = 141


MEANINGS = {
    Exit.OK: "done; stopped on request (Ctrl-C, SIGTERM) counts, once no order of ours is left",
    Exit.FAILED: "ended early: a limit halted it, a check failed, or an error of ours; a halt by "
    "the operator is none of these",
    Exit.MISUSE: "wrong arguments, configuration or files; nothing was sent",
    Exit.REMOTE: "the venue could not be reached, refused us, or broke its protocol",
    Exit.ORDERS_SURVIVED: "it is not proved that none of our orders is left: LOOK AT THE VENUE",
    Exit.INTERRUPTED: "stopped by Ctrl-C with nothing to finish",
    Exit.NO_READER: "whoever read its output has gone",
}


class Command(NamedTuple):
    """What ``--help`` says about a command without importing it."""

    about: str
    example: str


COMMANDS = {
    "demo": Command(
        "trade against the built-in exchange for a while, and report",
        "hotloop demo --seconds 60 --dir runs/first",
    ),
    "sim": Command(
        "run the built-in exchange alone",
        "hotloop sim --port 8000 --seed 7 --rate 2000 --account KEY:SECRET:USDT=100000,BTC=2",
    ),
    "run": Command("trade one strategy on one venue", "hotloop run hotloop.toml --seconds 600"),
    "check": Command("verify all that can be without an order", "hotloop check hotloop.toml"),
    "venues": Command("show what each venue can do", "hotloop venues --json"),
    "ctl": Command(
        "watch and steer a running house",
        "hotloop ctl runs/first status --json",
    ),
    "position": Command(
        "show what a run folder holds, or set it",
        'hotloop position runs/first set BTCUSDT 0.117 65000 --why "counted at the venue"',
    ),
    "flatten": Command(
        "trade every position to zero, where no run does it",
        "hotloop flatten hotloop.toml",
    ),
    "replay": Command(
        "feed a recorded run through the same code, compare each byte",
        "hotloop replay runs/first",
    ),
    "bench": Command(
        "race tick to order against other systems on this machine",
        "hotloop bench --against picows,nautilus_trader --html bench.html",
    ),
    "dst": Command(
        "try the whole process in simulated worlds, under faults",
        "hotloop dst --minutes 5",
    ),
    "report": Command("show where the time of a run went", "hotloop report runs/first --json"),
    "new-venue": Command(
        "lay out the folder of a venue that is not there yet",
        "hotloop new-venue lakeside",
    ),
}


TRADING = ("demo", "flatten", "run")
"""The commands whose output must never hold them up."""


class CommandModule(Protocol):
    """What the module ``tools.<command>`` offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it; return an exit code, or raise a ``HotloopError``."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` names, and return its exit code."""
    _open_standard_descriptors()
    arguments = sys.argv[1:] if argv is None else list(argv)
    if not arguments or arguments[0] not in TRADING:
        return ended(arguments)
    terminal = importlib.import_module("tools.terminal")
    with ExitStack() as output:
        try:
            output.enter_context(terminal.Terminal())
        except OSError as error:
            print(f"hotloop: the output cannot be passed on: {error.strerror}", file=sys.stderr)
            return Exit.MISUSE
        try:
            return ended(arguments)
        except Exception:  # noqa: BLE001 - it is raised on, as an exit
            traceback.print_exc()  # as Python would show it, but without waiting for a reader
            raise SystemExit(Exit.FAILED) from None


def _open_standard_descriptors() -> None:
    """Open to nowhere what we were started without.

    Where a process is started with its output closed (``>&-``, some service managers), the first
    file that it opens, the journal say, would be what everything is printed into.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def ended(arguments: Sequence[str]) -> int:
    """Run a command in this process's own output; turn what it raises into an exit code."""
    try:
        code = _run(arguments)
        sys.stdout.flush()  # here, where a reader that has gone is no surprise
    except HotloopError as error:
        return _tell([error])
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # What is still buffered goes nowhere, or the interpreter would stumble over it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.NO_READER
    except OSError as error:
        # Before a run trades: what fails from then on comes in a group, and with a traceback.
        if error.errno in _NO_FILES:
            print(f"hotloop: {error.strerror}: raise the limit (ulimit -n 256)", file=sys.stderr)
            return Exit.MISUSE
        if error.filename is None:
            if error.errno not in _NO_ROOM:
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            print(f"hotloop: the output cannot be written: {error.strerror}", file=sys.stderr)
            return Exit.FAILED
        print(f"hotloop: {error.filename}: {error.strerror}", file=sys.stderr)
        return Exit.MISUSE
    except BaseExceptionGroup as group:
        errors = leaves(group)
        typed = [error for error in errors if isinstance(error, HotloopError)]
        if typed and len(typed) == len(errors):
            return _tell(typed)
        if all(isinstance(error, KeyboardInterrupt) for error in errors):
            return Exit.INTERRUPTED
        raise
    return code


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a print meets on a disk that is full; where a file of ours is one, its error names it."""


_NO_FILES = (errno.EMFILE, errno.ENFILE)
"""What whoever opens a file, a socket or a pipe meets where few may be open."""


def leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """Return the errors that a group of groups comes down to."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found.extend(leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found


def exit_code(error: HotloopError) -> Exit:
    """Return the exit code of an error's branch."""
    if isinstance(error, OrdersSurvived):
        return Exit.ORDERS_SURVIVED
    if isinstance(error, Misuse):
        return Exit.MISUSE
    return Exit.REMOTE if isinstance(error, RemoteFault) else Exit.FAILED


_WORST_FIRST = (Exit.ORDERS_SURVIVED, Exit.FAILED, Exit.MISUSE, Exit.REMOTE)


def _tell(errors: Sequence[HotloopError]) -> Exit:
    """Say each error once; return the exit code of the worst."""
    for text in dict.fromkeys(str(error) for error in errors):
        print(f"hotloop: {plain_lines(text)}", file=sys.stderr)
    return worst(exit_code(error) for error in errors)


def worst(codes: Iterable[Exit]) -> Exit:
    """Return the exit code that says most of several."""
    found = set(codes)
    return next(code for code in _WORST_FIRST if code in found)


def _module(command: str) -> CommandModule:
    return cast(CommandModule, importlib.import_module(f"tools.{command.replace('-', '_')}"))


def _run(arguments: Sequence[str]) -> int:
    chosen = arguments[0] if arguments and arguments[0] in COMMANDS else None
    module = _module(chosen) if chosen else None
    parser, command = _parser(chosen, module)
    args, unknown = parser.parse_known_args(arguments)
    if unknown:
        command.error(f"unrecognized arguments: {' '.join(unknown)}")
    if module is None:
        raise AssertionError("argparse accepts nothing without a command")
    return module.run(args)


def _parser(
    chosen: str | None, module: CommandModule | None
) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """Return the parser of the whole line, and the chosen command's own, whose usage is shown."""
    parser = argparse.ArgumentParser(
        prog="hotloop",
        description="A trading core: one strategy, one venue, one pinned event loop.",
        epilog=_epilog("hotloop demo"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    own = parser
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        subparser = commands.add_parser(
            name,
            help=command.about,
            description=command.about[0].upper() + command.about[1:] + ".",
            epilog=_epilog(command.example),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if module is not None and name == chosen:
            module.add_arguments(subparser)
            own = subparser
    return parser, own


def _epilog(example: str) -> str:
    codes = "\n".join(f"  {code.value:3}  {meaning}" for code, meaning in MEANINGS.items())
    return f"example:\n  {example}\n\nexit codes:\n{codes}"


class _Version(argparse.Action):
    """Looks the version up only when it is asked for: that reads the installed metadata."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        version = importlib.import_module("importlib.metadata").version("hotloop")
        print(f"hotloop {version}")
        parser.exit()
