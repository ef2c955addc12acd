"""Our own limits, and what a halt stops."""

from __future__ import annotations

from typing import Any, Final

from core.risk import Risk
from tools.world.canaries.canary import Canary, Change


def _nothing(self: Any, *_: Any, **__: Any) -> None: ...


CANARIES: Final[dict[str, Canary]] = {
    "order_after_halt": Canary(
        "a halt stops nothing",
        (Change(Risk, "halt", _nothing), Change(Risk, "halt_instrument", _nothing)),
    ),
}
