"""The contract of tests that say nothing about contracts."""

from __future__ import annotations

from core.model.contract import Linear
from core.model.units import Grid

SPOT = Linear.spot("BTC", "USDT", Grid("0.01"), Grid("0.001"))
