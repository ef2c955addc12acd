"""``hotloop sim``: the built-in exchange alone, until Ctrl-C.

Prints one line of JSON when it is ready; nothing else goes to standard output.
"""

import argparse
import json
import os
import re
import signal
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final

import trio

from core.model.errors import BadParameter
from tools.cli import Exit
from venues.sim.accounts import STANDARD_RATE
from venues.sim.dialects import DIALECTS
from venues.sim.fixed import ONE, NotDecimalError, TooPreciseError, parse
from venues.sim.server import (
    BINANCE,
    AccountConfig,
    RunningExchange,
    ServerConfig,
    serve,
)
from venues.sim.symbols import Symbol, symbol_of
from venues.sim.traders import QUOTES_PER_SIDE, Temper
from venues.sim.venue import RATE

# A symbol's letters: no lower case, since streams name it in lower case.
_SYMBOL_NAME: Final = re.compile(r"(?:(?![a-z])[\w./-]){1,50}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``hotloop sim``."""
    parser.add_argument(
        "--venue",
        type=venue,
        default=BINANCE,
        metavar="NAME",
        help=f"whose dialect it speaks: {', '.join(sorted(DIALECTS))} (default: %(default)s)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--port",
        type=_port,
        default=0,
        help="REST port; WebSockets take the next one (default: any two free ports)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="the same seed makes the same background traders"
    )
    parser.add_argument(
        "--rate",
        type=_rate,
        default=RATE,
        metavar="EVENTS_PER_SECOND",
        help="book events a second over all symbols; 0 for empty books (default: %(default)g)",
    )
    parser.add_argument("--tls", action="store_true", help="https and wss with a CA of its own")
    parser.add_argument(
        "--ca-out", type=Path, metavar="FILE", help="with --tls: where to write the CA's PEM"
    )
    parser.add_argument(
        "--account",
        type=account,
        action="append",
        default=[],
        metavar="KEY:SECRET:ASSET=AMOUNT,..",
        help="add an account; SECRET may be ed25519/ and a raw public key in base64 with binance, "
        "and is in base64 with kraken",
    )
    parser.add_argument(
        "--fees",
        type=fees,
        default=(STANDARD_RATE, STANDARD_RATE),
        metavar="MAKER:TAKER",
        help="commission rates of every account (default: 0.001:0.001)",
    )
    parser.add_argument(
        "--pay-in-bnb", action="store_true", help="every account pays its commission in BNB"
    )
    parser.add_argument(
        "--symbol",
        type=symbol,
        action="append",
        default=[],
        metavar="NAME:BASE:QUOTE:PRICE:TICK:STEP[:MIN_NOTIONAL]",
        help="a symbol instead of the usual three; may be given again",
    )
    parser.add_argument(
        "--volatility",
        type=_volatility,
        default=1.0,
        metavar="X",
        help="how fast prices drift, against the usual (default: %(default)g)",
    )
    parser.add_argument(
        "--depth",
        type=_depth,
        default=QUOTES_PER_SIDE,
        metavar="ORDERS",
        help="about how many orders market makers keep a side (default: %(default)d)",
    )
    parser.add_argument("--cpu", type=_cpu, metavar="N", help="pin the exchange to this CPU")


def run(args: argparse.Namespace) -> int:
    """Run the exchange until SIGINT or SIGTERM; return the exit code."""
    _check(args)
    if args.cpu is not None:
        os.sched_setaffinity(0, {args.cpu})
    maker_rate, taker_rate = args.fees
    accounts = (
        replace(one, maker_rate=maker_rate, taker_rate=taker_rate, pays_in_bnb=args.pay_in_bnb)
        for one in (DIALECTS[args.venue].account, *args.account)
    )
    config = ServerConfig(
        host=args.host,
        port=args.port,
        seed=args.seed,
        rate=args.rate,
        tls=args.tls,
        ca_out=args.ca_out,
        dialect=args.venue,
        accounts=tuple(accounts),
        symbols=tuple(args.symbol) or None,
        temper=Temper(args.volatility, args.depth),
    )
    exit_code = Exit.OK
    try:
        trio.run(_run_until_signal, config)
    except* OSError as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        print(f"hotloop sim: {_explain(error, args)}", file=sys.stderr)
        exit_code = Exit.MISUSE
    return exit_code


def _check(args: argparse.Namespace) -> None:
    """Refuse options that do not go together. Raises ``BadParameter``."""
    if args.ca_out is not None and not args.tls:
        raise BadParameter(
            f"--ca-out {args.ca_out}: without --tls there is no CA to write; add --tls"
        )
    if args.ca_out is not None and args.ca_out.exists() and not args.ca_out.is_file():
        raise BadParameter(f"--ca-out {args.ca_out}: is there, and no regular file")
    dialect = DIALECTS[args.venue]
    for one in args.account:
        if expected := dialect.expected_secret(one.secret):
            raise BadParameter(f"--account {one.api_key}: its SECRET has to be {expected}")
    for one in args.symbol:
        if expected := dialect.expected_symbol(one):
            raise BadParameter(f"--symbol {one.name}: {args.venue} names it by {expected}")
    for option, names in (
        ("--symbol", [one.name for one in args.symbol]),
        ("--account", [one.api_key for one in (dialect.account, *args.account)]),
    ):
        for name, times in Counter(names).items():
            if times > 1:
                raise BadParameter(f"{option} {name}: is there already; give each once")


def _explain(error: BaseException, args: argparse.Namespace) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"cannot write {error.filename}: {error.strerror}; choose another --ca-out"
    return f"cannot listen on {args.host}:{args.port}: {error}; choose another --host or --port"


async def _run_until_signal(config: ServerConfig) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            running: RunningExchange = await nursery.start(serve, config)
            print(json.dumps(running.announcement()), flush=True)
            async for _ in signals:
                break
            nursery.cancel_scope.cancel()


def venue(text: str) -> str:
    """Read the name of a dialect; raise ArgumentTypeError that says which there are."""
    if text not in DIALECTS:
        raise argparse.ArgumentTypeError(
            f"{text!r}: the exchange speaks {' and '.join(sorted(DIALECTS))}"
        )
    return text


def account(text: str) -> AccountConfig:
    """Read ``KEY:SECRET:ASSET=AMOUNT,..``; raise ArgumentTypeError that names what is wrong."""
    parts = text.split(":")
    if len(parts) != 3 or not parts[0] or not parts[1]:
        raise argparse.ArgumentTypeError("expected KEY:SECRET:ASSET=AMOUNT,..")
    api_key, secret, deposits = parts
    balances: dict[str, int] = {}
    for deposit in filter(None, deposits.split(",")):
        asset, equals, amount = deposit.partition("=")
        try:
            balances[asset] = parse(amount)
        except (NotDecimalError, TooPreciseError):
            equals = ""
        if not equals or not asset.isalnum():
            raise argparse.ArgumentTypeError(
                f"{deposit!r}: expected ASSET=AMOUNT with at most 8 decimals, like USDT=1000.5"
            )
    return AccountConfig(api_key, secret, balances)


def fees(text: str) -> tuple[int, int]:
    """Read ``MAKER:TAKER``; raise ArgumentTypeError that says what was expected."""
    rates = text.split(":")
    try:
        maker, taker = (parse(rate) for rate in rates)
    except (NotDecimalError, TooPreciseError, ValueError):
        maker = taker = -1
    if not (0 <= maker < ONE and 0 <= taker < ONE):
        raise argparse.ArgumentTypeError(f"{text!r}: expected MAKER:TAKER, like 0.001:0.001")
    return maker, taker


def symbol(text: str) -> Symbol:
    """Read a symbol; raise ArgumentTypeError that says what was expected."""
    expected = (
        "NAME:BASE:QUOTE:PRICE:TICK:STEP[:MIN_NOTIONAL], like ETHBTC:ETH:BTC:0.05:0.00001:0.001"
    )
    name, base, quote, *numbers = text.split(":") if text.count(":") in {5, 6} else [""] * 3
    try:
        units = [parse(number) for number in numbers]
    except (NotDecimalError, TooPreciseError):
        units = []
    if _SYMBOL_NAME.fullmatch(name) is None or not base or not quote or not units or 0 in units:
        raise argparse.ArgumentTypeError(f"{text!r}: expected {expected}")
    price, tick, step = units[:3]
    if base == quote:
        raise argparse.ArgumentTypeError(f"{text!r}: expected two assets as BASE and QUOTE")
    if tick * step % ONE or price % tick:
        raise argparse.ArgumentTypeError(
            f"{text!r}: PRICE has to be many TICKs, and TICK times STEP many 0.00000001"
        )
    return symbol_of(name, base, quote, price, tick, step, *units[3:])


def _volatility(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = -1.0
    if not 0 <= factor <= 1_000:
        raise argparse.ArgumentTypeError(f"{text!r}: expected 0 to 1000")
    return factor


def _depth(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:9]) <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r}: expected 1 to 100000")
    return int(text)


def _cpu(text: str) -> int:
    allowed = sorted(os.sched_getaffinity(0))
    if not text.isdecimal() or int(text) not in allowed:
        raise argparse.ArgumentTypeError(f"{text!r}: expected one of {allowed}")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_534:
        raise argparse.ArgumentTypeError(f"{text!r}: expected 0 to 65534")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r}: expected 0 to 100000")
    return rate
