"""The venues that there are worlds of, by the names that ``--venue`` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tools.world.dialect import Dialect
from tools.world.of_binance import BINANCE
from tools.world.of_kraken import KRAKEN

DIALECTS: Final[Mapping[str, Dialect]] = {one.name: one for one in (BINANCE, KRAKEN)}
