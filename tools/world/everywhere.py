"""The faults that strike in both rings, by theme: a new module of them is listed here."""

from __future__ import annotations

from typing import Final

from tools.world import (
    connection_faults,
    exchange_faults,
    kraken_faults,
    message_faults,
    order_faults,
    others_faults,
    reset_faults,
)
from tools.world.strikes import Fault

SHARED: Final[tuple[tuple[Fault, ...], ...]] = (
    message_faults.FAULTS,
    order_faults.FAULTS,
    exchange_faults.FAULTS,
    connection_faults.FAULTS,
    others_faults.FAULTS,
    reset_faults.FAULTS,
    kraken_faults.FAULTS,
)
