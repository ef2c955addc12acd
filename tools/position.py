"""``hotloop position``: what a run folder holds, and a person's word on it.

Here is shown what the next start in a folder goes on from, and here it is set: as of the newest
trade of the account when that start first asks. What was set is in the journal, with its reason,
like all that the next boot starts from.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

from msgspec import UNSET
from msgspec.structs import replace

from core.engine.checkpoint import RESTORED, Checkpoint, PositionNote, Restored, encode
from core.io.clock import EngineClock
from core.io.journal_file import JournalFile, next_boot
from core.io.last_boot import last_boot, last_header
from core.io.run_folder import RunFolder, is_run_folder
from core.model import config
from core.model.errors import BadConfig, BadParameter, Malformed
from core.model.units import Grid, format_decimal, parse_decimal
from core.model.venue import KeyKind
from core.state.journal import Header, Kind
from tools.cli import Exit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``hotloop position``."""
    parser.add_argument("folder", type=Path, metavar="RUNDIR", help="a run folder")
    actions = parser.add_subparsers(dest="action", metavar="set | moved")
    actions.add_parser("moved", help="the folder that this one was copied from is gone for good")
    setting = actions.add_parser("set", help="say what is held, as of the next start")
    setting.add_argument("symbol", metavar="SYMBOL", help="as the venue writes it")
    setting.add_argument("size", metavar="SIZE", help="in the base asset; below zero: sold short")
    setting.add_argument("price", metavar="PRICE", help="what it has cost, in the quote asset")
    setting.add_argument("--why", default="no reason given", help="for the journal")
    setting.add_argument(
        NO_ORDER_STANDS,
        action="store_true",
        help="after a run that died: you have seen at the venue that none of its orders stands",
    )


def run(args: argparse.Namespace) -> int:
    """Show or set; return the exit code. Refused while a run lives in the folder."""
    if not is_run_folder(args.folder):
        raise BadParameter(
            f"{args.folder} is no run folder: no run was ever started in it. What a configuration "
            "names as [run] dir is one"
        )
    with RunFolder(args.folder) as folder:
        if args.action == "moved":
            print(f"{args.folder}: goes on in the place of {folder.moved()}")
        held = last_boot(folder.path)
        if args.action == "set":
            _check_symbol(args.symbol, held, folder.config)
            why = args.why
            if held is not None and held.may_stand:
                _check_said(held, said=args.no_order_stands)
                why = f"{why} (said: no order of the run that died stands)"
            held = _set(folder.path, held, args.symbol, args.size, args.price, why)
    print("\n".join(told(held)))
    return Exit.OK


def told(held: Restored | None) -> Iterator[str]:
    """Tell what the next start goes on from."""
    if held is None or not (held.checkpoint.positions or held.damage):
        yield "nothing was traded here, and nothing is held"
        return
    for note in held.checkpoint.positions:
        yield f"{note.symbol}  {size_of(note)}{_cost(note)}{_since(note)}"
    for order in held.checkpoint.orders:
        yield f"in doubt: order {order.client_order_id} on {order.symbol}"
    for halt in held.halts:
        yield f"halted{f' {halt.symbol}' if halt.symbol else ''}: {halt.why}"
    if held.may_stand:
        yield f"the last run did not leave in order: orders of it may stand ({_in_doubt(held)})"
    if held.damage:
        yield f"damaged: {held.damage}; the figures above are those of the last checkpoint"


def size_of(note: PositionNote) -> str:
    """Return the size of a position as people write it."""
    return f"{'-' if note.lots < 0 else ''}{Grid(note.lot).text(abs(note.lots))}"


def _cost(note: PositionNote) -> str:
    """Return what is held at which price on the average, fees aside."""
    if not note.lots or note.terms is not UNSET:
        return ""  # not price times size
    tick = Grid(note.tick)
    paid = note.bought_value - note.sold_value
    hundredths = round(100 * paid / note.lots)
    return f" at {format_decimal(hundredths * tick.step_mantissa, tick.decimals + 2)}"


def _since(note: PositionNote) -> str:
    if note.settled is None:
        return "  (set; trades from the next start on are counted)"
    return f"  (up to trade {note.settled.trade_id})" if note.settled.trade_id else ""


# -- setting ---------------------------------------------------------------------------------

NO_ORDER_STANDS = "--no-order-stands"


def _check_symbol(symbol: str, held: Restored | None, configuration: Path) -> None:
    """Refuse a symbol that this folder has never heard of. Raises ``BadParameter``."""
    known = [note.symbol for note in held.checkpoint.positions] if held is not None else []
    with suppress(OSError, BadConfig, UnicodeDecodeError):
        known += config.load(configuration.read_text(encoding="utf-8"), str(configuration)).symbols
    if symbol in known:
        return
    near = get_close_matches(symbol, known, 1)
    raise BadParameter(
        f"{symbol} was never traded in this run folder"
        + (f"; did you mean {near[0]}?" if near else ".")
        + f" Its symbols are {', '.join(sorted(set(known))) or 'not known: start a run there once'}"
    )


def _check_said(held: Restored, *, said: bool) -> None:
    """Refuse to set what orders of a run that died may still change. Raises ``BadParameter``."""
    if not said:
        raise BadParameter(
            "the last run did not leave in order, so orders of it may stand "
            f"({_in_doubt(held)}): what they trade before the next start would be taken to be in "
            "the size that is set. Start the run once more and stop it: that takes them out, and "
            "proves it. Or look at the venue, cancel what stands, and say so: "
            f"position RUNDIR set SYMBOL SIZE PRICE {NO_ORDER_STANDS}"
        )


def _in_doubt(held: Restored) -> str:
    """Return what is known of the orders that may stand."""
    names = [note.client_order_id for note in held.checkpoint.orders]
    names += [note.client_order_id for note in held.numbers]
    told = [", ".join(dict.fromkeys(names))] if names else []
    if held.sent:
        told.append(f"{len(held.sent)} requests since the last checkpoint")
    if held.damage:
        told.append("and what the journal has lost")
    return "; ".join(told) or "its journal has no word of them"


def _set(
    path: Path, held: Restored | None, symbol: str, size: str, price: str, why: str
) -> Restored:
    if held is None:
        nothing = Checkpoint(boot=0, time_ns=0, positions=[], orders=[])
        held = Restored(checkpoint=nothing, ended_ns=0, clean=True)
    notes = {note.symbol: note for note in held.checkpoint.positions}
    before = notes.get(symbol)
    notes[symbol] = after = set_note(before, symbol, size, price)
    day = held.checkpoint.day
    if day is not None:
        # What was made today remains; what is stated now counts from the next price on.
        days = [each.rebased() if each.symbol == symbol else each for each in day.symbols]
        day = replace(day, symbols=days)
    left = replace(held.checkpoint, positions=list(notes.values()), day=day)
    held = replace(held, checkpoint=left)
    was = "nothing" if before is None else size_of(before)
    _write(path, held, f"position of {symbol} set from {was} to {size_of(after)}: {why}")
    return held


def set_note(before: PositionNote | None, symbol: str, size: str, price: str) -> PositionNote:
    """Return a position that was stated. Raises ``BadParameter``."""
    amount = size.removeprefix("-")
    try:
        lot, lots = _counted(amount, before.lot if before else None)
        tick, ticks = _counted(price, before.tick if before else None)
    except Malformed as error:
        raise BadParameter(f"position of {symbol}: {error}") from error
    short = size.startswith("-")
    return PositionNote(
        symbol=symbol,
        tick=tick,
        lot=lot,
        bought_lots=0 if short else lots,
        sold_lots=lots if short else 0,
        bought_value=0 if short else lots * ticks,
        sold_value=lots * ticks if short else 0,
        fees_atoms={},
        settled=None,
        recent_buys={},
        recent_sells={},
        flow_atoms=before.flow_atoms if before else {},
    )


def _counted(text: str, step: str | None) -> tuple[str, int]:
    """Return a step, the known one where it fits, and how many of it an amount is."""
    mantissa, decimals = parse_decimal(text)
    if step is not None:
        # What does not fit a step that was noted, or stated too fine, is stated in its own: the
        # next start counts in the venue's, or says that it cannot.
        with suppress(Malformed):
            return step, Grid(step).count_of(mantissa, decimals, text)
    own = format_decimal(1, decimals)
    return own, Grid(own).count_of(mantissa, decimals, text)


def _write(path: Path, held: Restored, why: str) -> None:
    """Put what was set into the journal, as a boot that was no run."""
    now_ns = EngineClock().now_ns()
    found = last_header(path)
    header = Header(
        run_id=found.run_id if found else "",
        boot=next_boot(path),
        config_digest="",
        seeds={},
        venue=found.venue if found else "",
        strategy=found.strategy if found else "",
        start_ns=now_ns,
        key=found.key if found else KeyKind.NONE,
    )
    journal = JournalFile(path, header)
    journal.append(Kind.NOTE, 0, now_ns, why.encode())
    journal.append(Kind.NOTE, 0, now_ns, RESTORED + encode(held))
    journal.append(Kind.END, 0, now_ns, why.encode())
    journal.close()
