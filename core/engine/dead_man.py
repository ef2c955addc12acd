"""The dead-man switch: the venue takes our orders out by itself once it hears no more of us.

Here a venue's timer is set while orders have a way, set anew long before it runs out, and stopped
when the run has left, when it is halted with nothing open, and before the venue's own maintenance:
a timer that runs out there cancels orders that nobody has given up. A switch of the whole account
is never set where others act on it: it would cancel theirs as well. What cancels orders while
we live is not here: those that it has cancelled are told like any other that the venue cancels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from core.engine.outbound import Outbound
from core.model.commands import SetDeadMan
from core.model.events import Reply, Verdict
from core.model.units import NS_PER_S
from core.model.venue import DeadMan, DeadManKind, Scope
from core.state.inflight import InFlightRequest
from core.state.throttle import Share

AGAIN_NS: Final = 2 * NS_PER_S
"""After a refusal: often enough for a window of a minute, too seldom to be a load."""

MOST_STOPS: Final = 2
"""How often who leaves has it stopped: the first request may be lost, or come while the venue takes
none. One that still runs then cancels what others place on the account within its window."""


class DeadMansSwitch:
    """One run's use of its venue's timer, if there is one."""

    __slots__ = (
        "_armed",
        "_due_ns",
        "_log",
        "_outbound",
        "_setting",
        "_stopping",
        "_stops",
        "_switch",
        "_trouble",
        "_used",
    )

    def __init__(
        self, *, switch: DeadMan, shared: bool, outbound: Outbound, log: Callable[[str], None]
    ) -> None:
        """``shared`` says that others act on the account."""
        self._switch = switch
        self._used = is_used(switch, shared=shared)
        self._outbound = outbound
        self._log = log
        self._armed = False
        """Whether the timer may be running."""
        self._setting = False
        """Whether the venue was told to set it, and has not answered."""
        self._stopping = False
        """Whether the venue was told to stop it, and has not answered."""
        self._stops = 0
        """How often it was stopped to leave."""
        self._due_ns = 0
        self._trouble = ""

    def step(self, now_ns: int, *, way_open: bool, needless: bool) -> None:
        """Set the timer where it is due; ``needless`` says that it must not, or need not, run.

        Without a way nothing is done: then it has to run out.
        """
        if not self._used or not way_open:
            return
        if needless:
            if self._armed and not self._under_way and not self._backs_off(now_ns):
                self._stopping = self._set(0, now_ns)
        elif (
            now_ns >= self._due_ns
            and not self._stopping
            and self._set(self._switch.window_ns, now_ns)
        ):
            self._armed = self._setting = True
            self._due_ns = now_ns + self._switch.renew_ns

    def stop(self, now_ns: int) -> bool:
        """Stop the timer, to leave: no order of ours is left.

        Returns whether nothing more is to be awaited: the venue has stopped it, cannot be told, or
        has been told in vain often enough.
        """
        if self._under_way:
            return False
        if not self._armed or self._stops == MOST_STOPS:
            return True
        if self._backs_off(now_ns):
            return False
        self._stops += 1
        self._stopping = self._set(0, now_ns)
        return not self._stopping

    @property
    def _under_way(self) -> bool:
        """Whether an answer is awaited: what sets the timer may arrive behind what stops it, where
        both are on their way.
        """
        return self._setting or self._stopping

    def _backs_off(self, now_ns: int) -> bool:
        return bool(self._trouble) and now_ns < self._due_ns

    def _set(self, timeout_ns: int, now_ns: int) -> bool:
        return bool(self._outbound.request(SetDeadMan(timeout_ns), now_ns, share=Share.RESOLUTION))

    def on_reply(self, request: InFlightRequest, reply: Reply, now_ns: int) -> None:
        """Take a reply; after a refusal it is tried again soon, and that is said once."""
        command = request.command
        if type(command) is not SetDeadMan:
            return
        done = reply.verdict is Verdict.DONE
        trouble = "" if done else reply.words
        if command.timeout_ns:
            self._setting = False
            self._said("set", trouble)
            if trouble:
                self._due_ns = min(self._due_ns, now_ns + AGAIN_NS)
        else:
            self._stopping, self._armed = False, not done
            self._said("stopped", trouble)
            self._due_ns = 0 if done else now_ns + AGAIN_NS

    def _said(self, what: str, trouble: str) -> None:
        if trouble != self._trouble:
            self._log(f"dead-man switch: {f'not {what}: {trouble}' if trouble else what}")
        self._trouble = trouble

    def on_no_reply(self, request: InFlightRequest) -> None:
        """Whether it is set nobody knows: it is set anew at once, or stopped once more later."""
        command = request.command
        if type(command) is not SetDeadMan:
            return
        if command.timeout_ns:
            self._setting, self._due_ns = False, 0
        else:
            self._stopping = False
            self._said("stopped", "no answer")
            self._due_ns = request.due_ns + AGAIN_NS


def is_used(switch: DeadMan, *, shared: bool) -> bool:
    """Whether a run uses its venue's switch: ``shared`` says that others act on the account."""
    return switch.kind is DeadManKind.TIMER and not (shared and switch.scope is Scope.ACCOUNT)
