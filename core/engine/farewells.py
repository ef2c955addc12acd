"""What is said on connections before they are closed in order, and for how long that is awaited.

What there is to say is the venue's (``Adapter.farewell``): a session is logged out, a timer is
stopped that would cancel orders. One word follows the other once it was answered, whatever with;
a venue that does not answer keeps no connection open beyond ``FAREWELL_NS``. Why a connection is
closed, and what comes then, is for ``core.engine.connections``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from core.engine.outbound import Outbound
from core.model.commands import Riskless
from core.model.units import NS_PER_S
from core.state.inflight import InFlightRequest
from core.state.throttle import Share

FAREWELL_NS: Final = 2 * NS_PER_S
"""For all that is said on one connection: some ten round trips, and a fifth of what any other
answer is awaited for, as nothing is lost but manners."""


class _Farewell:
    """What is still to be said on one connection."""

    __slots__ = ("awaited", "until_ns", "words")

    def __init__(self, words: Iterable[Riskless], until_ns: int) -> None:
        self.words = deque(words)
        self.until_ns = until_ns
        self.awaited = 0
        """The request whose answer is awaited, 0 while the next word could not be said."""


class Farewells:
    """Connections that are being left, by link."""

    __slots__ = ("_links", "_outbound")

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._links: dict[int, _Farewell] = {}

    def __contains__(self, link: int) -> bool:
        return link in self._links

    def __len__(self) -> int:
        return len(self._links)

    def begin(self, link: int, words: Iterable[Riskless], now_ns: int) -> bool:
        """Begin to say what there is to say; return whether an end of it is to be awaited."""
        farewell = _Farewell(words, now_ns + FAREWELL_NS)
        if farewell.words:
            self._links[link] = farewell
            self._say(link, farewell, now_ns)
        return link in self._links

    def _say(self, link: int, farewell: _Farewell, now_ns: int) -> None:
        word = farewell.words[0]
        farewell.awaited = self._outbound.request(word, now_ns, share=Share.RESOLUTION, link=link)

    def on_answer(self, request: InFlightRequest, now_ns: int) -> int | None:
        """Something was answered, or will not be; return the link on which all is said by that."""
        for link, farewell in self._links.items():
            if farewell.awaited == request.request_id:
                farewell.words.popleft()
                if not farewell.words:
                    del self._links[link]
                    return link
                self._say(link, farewell, now_ns)
                return None
        return None

    def lost(self, link: int) -> None:
        """A connection is gone: nothing can be said on it any more."""
        self._links.pop(link, None)

    def step(self, now_ns: int) -> list[int]:
        """Say what could not be said yet; return the links on which too long was waited."""
        over = [link for link, farewell in self._links.items() if now_ns >= farewell.until_ns]
        for link in over:
            del self._links[link]
        for link, farewell in self._links.items():
            if not farewell.awaited:
                self._say(link, farewell, now_ns)
        return over
