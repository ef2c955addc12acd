"""What every watch of the auditor has: what it may hear, and where it reports what must not be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from core.engine.engine import Engine
from core.model.events import Side
from core.model.strategy import Quote
from core.model.units import ASSET_DECIMALS
from tools.world.dialect import Dialect, Request, Sent
from tools.world.witness import Requested
from venues.sim.engine import Market
from venues.sim.fixed import DECIMALS

if TYPE_CHECKING:
    from tools.world.audit.ledger import Booked, Ledger
    from venues.sim.events import OrderChanged

__all__ = ["Request", "Sent"]

ATOMS: Final = 10 ** (ASSET_DECIMALS - DECIMALS)
"""Our atoms in one unit of the exchange."""


class Breach(Exception):
    """An invariant does not hold."""

    def __init__(self, invariant: str, text: str) -> None:
        super().__init__(f"{invariant}: {text}")
        self.invariant = invariant
        self.text = text


class Findings:
    """The first breach of a world, which the world raises between two steps."""

    def __init__(self) -> None:
        self.breach: Breach | None = None

    def note(self, invariant: str, text: str) -> None:
        """Say what must not be."""
        if self.breach is None:
            self.breach = Breach(invariant, text)


class Limits(NamedTuple):
    """What the configuration allows on one instrument; sizes in units of 1e-8."""

    max_position: int
    max_order: int
    max_open_orders: int
    max_orders_per_s: int
    collar_bps: int
    max_book_age_ns: int
    max_feed_age_ns: int
    max_rejects: int
    reject_window_ns: int
    max_daily_loss: int
    """In units of 1e-8 of the quote asset."""


class Context(NamedTuple):
    """What all watches share."""

    markets: Mapping[str, Market]
    limits: dict[str, Limits]
    ledger: Ledger
    findings: Findings
    dialect: Dialect


class Watch:
    """One watch: override what it has to hear."""

    def __init__(self, context: Context) -> None:
        self.markets = context.markets
        self.limits = context.limits
        self.ledger = context.ledger
        self.note = context.findings.note
        self.dialect = context.dialect

    def on_boot(self) -> None:
        """A new boot begins, which knows nothing of what the one before was told."""

    def on_noted(self, now_ns: int) -> None:
        """Our side has noted what its next boot begins from."""

    def on_new_folder(self) -> None:
        """The next boot begins in a run folder in which nothing is."""

    def on_report(self, order: Booked, event: OrderChanged) -> None:
        """The exchange tells of one of our orders; the ledger has it already."""

    def on_order(self, order: Sent, now_ns: int) -> None:
        """An order leaves our side."""

    def on_request(self, request: Request, now_ns: int) -> None:
        """Any request leaves our side, orders included."""

    def on_market(self, now_ns: int) -> None:
        """Market data reaches our side."""

    def on_told(self, payload: bytes, now_ns: int) -> None:
        """A private message reaches our side."""

    def on_fed(self, payload: bytes, now_ns: int) -> None:
        """A message of the market connection reaches our side, whole."""

    def on_down(self) -> None:
        """The private connection in use is lost."""

    def on_left(self, now_ns: int) -> None:
        """Our side says that the venue lists none of its orders."""

    def on_requested(self, asked: Requested) -> None:
        """The strategy has asked for an order, and the desk has taken it."""

    def on_quoted(self, symbol: str, side: Side, wanted: Quote | None) -> None:
        """The strategy wants a side quoted like that, or not at all."""

    def on_callback(self, name: str, arguments: tuple[Any, ...]) -> None:
        """The strategy is called."""

    def on_raised(self) -> None:
        """The strategy has raised something."""

    def at_rest(self, engine: Engine, now_ns: int) -> None:
        """Nothing strikes, nothing moves, nothing is under way: hold all against the exchange."""
