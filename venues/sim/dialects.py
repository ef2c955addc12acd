"""The dialects that the exchange speaks, by the names that ``--venue`` takes."""

from collections.abc import Mapping
from typing import Final

from venues.sim.binance.venue import BinanceDialect
from venues.sim.venue import Dialect

DIALECTS: Final[Mapping[str, Dialect]] = {dialect.name: dialect for dialect in (BinanceDialect(),)}
