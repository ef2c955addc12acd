"""The dialects that the exchange speaks, by the names that ``--venue`` takes."""

from collections.abc import Mapping
from typing import Final

from venues.sim.binance.venue import BinanceDialect
from venues.sim.kraken.venue import KrakenDialect
from venues.sim.venue import Dialect

_ALL: Final[tuple[Dialect, ...]] = (BinanceDialect(), KrakenDialect())
DIALECTS: Final[Mapping[str, Dialect]] = {dialect.name: dialect for dialect in _ALL}
