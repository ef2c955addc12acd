"""``python -m tools.fuzz``: feed hostile bytes to every reader of bytes from outside.

A seed makes one case of each target. What fails is printed with its target, its seed, its bytes and
the one command that repeats it. A reader fails that raises anything but what it promises, returns
what it must not, or takes more memory or CPU time than any input is worth.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import signal
import sys
import time
import traceback
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from types import FrameType
from typing import Final, NoReturn

from msgspec import Struct

from tools.arguments import seconds
from tools.fuzz.mutation import case
from tools.fuzz.targets import TARGETS, Target

MEMORY_A_BYTE: Final = 80
"""Memory for each byte of an input: a level of a book in JSON has 9 bytes, and as two texts and two
tuples some 300; nothing in between is kept."""

CPU_S: Final = 5.0
"""Nothing that is linear in a megabyte takes so long, on any machine; what is quadratic does."""

SHOWN: Final = 400
"""Bytes of a failing input that are printed as they are; all of them are in the command."""

EACH: Final = 50
"""Seeds of one target before the next has its turn."""


class Failure(Struct, frozen=True):
    """A case that did not end as it must."""

    target: str
    seed: str
    data: bytes
    why: str
    where: str = ""
    """Innermost places first."""

    def text(self) -> str:
        """Return what a person needs to know, and the command that repeats it."""
        coded = base64.b64encode(self.data).decode()
        by_seed = f"python -m tools.fuzz --target {self.target} --seed {self.seed}"
        by_bytes = f"python -m tools.fuzz --target {self.target} --input {coded}"
        return (
            f"{self.target}, seed {self.seed}, {len(self.data)} bytes: {self.why}{self.where}\n"
            f"    {self.data[:SHOWN]!r}\n"
            f"repeat: {by_seed if self.seed else by_bytes}\n"
            + (f"keep: {self.target} {coded}\n" if len(coded) <= 10 * SHOWN else "")
        )


class Endless(BaseException):
    """A case takes more CPU time than any is worth; no reader can catch it by accident."""


def attempt(target: Target, seed: str, data: bytes) -> Failure | None:
    """Have a target read bytes; return what was wrong about it, if anything."""
    with _Watch() as watch:
        target.read(data)
    error = watch.error
    if error is not None and not isinstance(error, target.allowed):
        why = f"{type(error).__name__}: {str(error)[:SHOWN]}"
        return Failure(target.name, seed, data, why, _places(error))
    most = target.memory + MEMORY_A_BYTE * len(data)
    if watch.peak > most:
        why = f"took {watch.peak} bytes of memory, more than {most}"
        return Failure(target.name, seed, data, why)
    return None


class _Watch:
    """Notes how a block ends, whatever it raises, and how much memory it took at most.

    Breaks off what takes more than ``CPU_S`` of CPU time. Only Ctrl-C passes.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.peak = 0

    def __enter__(self) -> _Watch:
        tracemalloc.start()
        self._before = signal.signal(signal.SIGVTALRM, _expire)
        signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, self._before)
        self.peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        self.error = error
        return not isinstance(error, KeyboardInterrupt)


def _expire(number: int, frame: FrameType | None) -> NoReturn:
    raise Endless(f"took more than {CPU_S:g} s of CPU time")


def _places(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return "".join(f"\n    {frame.filename}:{frame.lineno}" for frame in reversed(frames))


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 where every case ended as it must."""
    args = _parser().parse_args(argv)
    chosen = [target for target in TARGETS if args.target in ("", target.name)]
    if args.input is not None or args.seed is not None:
        return _repeat(chosen, args)
    return _fuzz(chosen, args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [target.name for target in TARGETS]
    parser.add_argument("--target", choices=names, default="", help="this reader alone")
    parser.add_argument("--seconds", type=seconds, metavar="N", help="go on for N seconds")
    parser.add_argument("--seeds", type=_count, default=1_000, metavar="N", help="default: 1000")
    parser.add_argument("--first", type=int, default=0, metavar="S", help="seed to begin with")
    parser.add_argument("--seed", metavar="S", help="this case alone")
    parser.add_argument("--input", type=_bytes, metavar="BASE64", help="these bytes alone")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more: no case shows nothing")
    return number


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise argparse.ArgumentTypeError(f"no base64: {error}") from None


def _repeat(targets: Sequence[Target], args: argparse.Namespace) -> int:
    failed = 0
    for target in targets:
        seed = args.seed or ""
        data = args.input if args.input is not None else of(target, seed, target.corpus())
        failure = attempt(target, seed, data)
        print(failure.text() if failure else f"{target.name}: {len(data)} bytes, nothing is wrong")
        failed += failure is not None
    return 1 if failed else 0


def of(target: Target, seed: str, corpus: Sequence[bytes]) -> bytes:
    """Return the case that a seed is for a target."""
    return case(f"{target.name}:{seed}", corpus)


def _fuzz(targets: Sequence[Target], args: argparse.Namespace) -> int:
    corpora = [(target, target.corpus()) for target in targets]
    began_s = time.monotonic()
    end_s = began_s + (args.seconds or float("inf"))
    last = float("inf") if args.seconds else args.first + args.seeds
    seed, cases = args.first, 0
    failures: dict[tuple[str, str], Failure] = {}
    again: Counter[tuple[str, str]] = Counter()
    while seed < last and time.monotonic() < end_s:
        stop = int(min(last, seed + EACH))
        for target, corpus in corpora:
            for one in range(seed, stop):
                cases += 1
                failure = attempt(target, str(one), of(target, str(one), corpus))
                if failure is not None:
                    kind = (target.name, failure.where)
                    again[kind] += 1
                    failures.setdefault(kind, failure)
        seed = stop
        _tell(seed - args.first, cases, len(failures), time.monotonic() - began_s)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    for kind, failure in failures.items():
        print(failure.text(), f"seen {again[kind]} times", sep="")
    line = f"{cases} cases of {len(targets)} targets, seeds {args.first} to {seed - 1}"
    print(f"{line}: {len(failures)} kinds of failure")
    return 1 if failures else 0


def _tell(seeds: int, cases: int, failures: int, seconds: float) -> None:
    """Say how far it is, on a terminal only."""
    if sys.stderr.isatty():
        rate = cases / max(seconds, 1e-9)
        line = f"\r{seeds} seeds, {cases} cases, {rate:.0f} a second, {failures} kinds of failure"
        print(line, end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
