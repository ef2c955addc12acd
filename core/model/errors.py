"""The tree of everything that can go wrong, in three branches.

Here lives each error that may pass from one layer to another, and no other error does. Its branch
says whose fault it is and what to do.

- ``Misuse``: our own code or configuration is wrong. Fix it; nothing was sent.
- ``RemoteFault``: the other side sent or did something it must not. Drop the connection or the
  message, and recover.
- ``Fatal``: going on would be unsafe. Close the gate, cancel, leave with a non-zero exit code.

No error here ever changes an order's state: only the venue's own words do.
"""

from __future__ import annotations


class HotloopError(Exception):
    """Root of the tree; every message says what is wrong and, where known, what to do next."""


# -- our misuse ------------------------------------------------------------------------------


class Misuse(HotloopError):
    """A caller broke a rule of this application; nothing was sent."""


class BadConfig(Misuse):
    """A configuration cannot be used.

    The message names file, key and value at fault, and what is allowed.
    """


class BadParameter(Misuse):
    """A strategy parameter or a command's argument is outside what it allows."""


# -- the remote's fault ----------------------------------------------------------------------


class RemoteFault(HotloopError):
    """The other side is at fault; recover by dropping what it concerns."""


class Malformed(RemoteFault):
    """Bytes that are no legal message of the protocol; the connection that sent them is lost."""


class OffGrid(Malformed):
    """A legal number that is no multiple of the instrument's step; never rounded to one."""


class OutOfSequence(RemoteFault):
    """A feed skipped, repeated or reversed; the book it concerns is no longer whole."""


class Drifted(RemoteFault):
    """A message is legal but lacks what we need: the venue's interface has changed under us."""


class HandshakeRefused(RemoteFault):
    """The venue answered a dial with something other than an open session.

    ``status`` is the HTTP status where there was one, else 0; ``retry_after_s`` is the venue's
    own wish, or ``None`` where it stated none.
    """

    def __init__(self, message: str, *, status: int = 0, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class ConnectionLost(RemoteFault):
    """A connection ended: reset, closed, half open, or too slow to take what we send."""


class Untrusted(RemoteFault):
    """The peer's certificate does not prove who it is; never traded with."""


# -- fatal -----------------------------------------------------------------------------------


class Fatal(HotloopError):
    """Going on would be unsafe: stop placing, cancel our own orders, leave non-zero."""


class JournalFailed(Fatal):
    """The journal cannot be written; nothing may be placed any more (cancels may)."""


class JournalCorrupt(Fatal):
    """A journal cannot be read to its end although more was written. A torn tail is no
    corruption.
    """


class JournalUnknown(JournalCorrupt):
    """A journal has another format: it is not damaged, but this version cannot read it."""


class Unguarded(Fatal):
    """No guardian could be started; without one nothing is placed."""


class OrdersSurvived(Fatal):
    """The run ended, and the venue has not confirmed that none of our orders is open."""
