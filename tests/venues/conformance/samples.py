"""What a venue shows of itself: documented messages, and what each of them means.

``tests/venues/NAME/samples.py`` holds one ``Samples`` as ``SAMPLES``, with messages as the venue's
documentation prints them, or as they were recorded.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct

import venues
from core.model.commands import Command
from core.model.events import Event, Verdict
from core.model.instrument import Instrument
from core.model.venue import Adapter, Credentials, HttpRequest, Remedy, Venue


class Told(Struct, frozen=True, kw_only=True):
    """A message on a connection, and its events."""

    connection: int
    payload: bytes
    events: tuple[Event, ...]
    words: tuple[str, ...] = ()
    """Names of its fields whose words are a closed set."""


class Answered(Struct, frozen=True, kw_only=True):
    """The body of a good REST answer to a command, and the facts that it proves."""

    command: Command
    body: bytes
    events: tuple[Event, ...]


class Sent(Struct, frozen=True, kw_only=True):
    """A command, and what leaves for it: the JSON of a message, or a REST request."""

    command: Command
    message: Mapping[str, Any] | HttpRequest


class Refused(Struct, frozen=True, kw_only=True):
    """One documented error, what it proves of the request, and what it asks of us."""

    code: str
    text: str
    verdict: Verdict
    remedy: Remedy | None = None
    """``None`` where no order can be refused with it."""


class Heard(Struct, frozen=True, kw_only=True):
    """A legal message of which only that is tried that holds for any; what it means is elsewhere.

    ``command`` is what it answers, ``None`` on a connection.
    """

    payload: bytes
    connection: int = 0
    command: Command | None = None


class Traded(NamedTuple):
    """A trade of the account, as ``Samples.history`` is to tell it."""

    number: int
    """From 1, rising."""
    order: int
    at_ns: int
    ticks: int
    lots: int


History = Callable[[Sequence[Traded]], Callable[[HttpRequest], bytes]]
"""Answers questions about our own trades as the venue documents it: in pages, if it has any.

The trades are those of the first instrument, all of them buys; more come to them meanwhile.
"""


class Samples(Struct, frozen=True, kw_only=True):
    """One venue, as its documentation shows it."""

    venue: Venue
    adapter: Callable[[], Adapter]
    """Makes an adapter that has learned ``instruments``."""
    instruments: tuple[Instrument, ...]
    keys: tuple[Credentials, ...]
    """Keys of each kind it takes, visibly fake."""
    told: tuple[Told, ...] = ()
    answered: tuple[Answered, ...] = ()
    sent: tuple[Sent, ...] = ()
    refused: tuple[Refused, ...] = ()
    heard: tuple[Heard, ...] = ()
    history: History | None = None
    judged: Callable[[str, str], Verdict] | None = None
    """Returns what an error of the venue proves."""

    def __repr__(self) -> str:
        return f"<Samples of {self.venue.name}>"

    @property
    def every(self) -> Sequence[Told | Answered | Heard]:
        """All messages that are shown."""
        return (*self.told, *self.answered, *self.heard)


def of(name: str) -> Samples:
    """Return what a venue shows of itself."""
    samples = importlib.import_module(f"tests.venues.{name}.samples").SAMPLES
    assert isinstance(samples, Samples)
    return samples


EVERY = {name: of(name) for name in venues.names()}
