"""The venue's budgets and bans."""

from __future__ import annotations

from typing import Any, Final

from core.throttle import Throttle
from tools.world.canaries.canary import Canary, Change


def _always(self: Any, *_: Any) -> bool:
    return True


CANARIES: Final[dict[str, Canary]] = {
    "throttle_off": Canary(
        "requests leave whatever the venue's budgets and bans say",
        (Change(Throttle, "take", _always),),
    ),
}
