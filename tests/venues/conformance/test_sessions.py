"""A connection's script: each step refused, lost or late, on any venue; and no secret in a run."""

from __future__ import annotations

import pytest

from core.engine.outbound import REPLY_NS
from core.model.events import Reply, Verdict
from core.model.units import NS_PER_S
from core.model.venue import Credentials
from core.state.inflight import InFlightRequest
from tests.venues.conformance import samples
from tests.venues.conformance.samples import Samples
from tests.venues.conformance.stage import Stage

KEYED = [
    pytest.param(shown, keys, id=f"{name}-{number}")
    for name, shown in samples.EVERY.items()
    for number, keys in enumerate(shown.keys)
    if shown.sent
]
"""Venues that ask anything yet, with each kind of key."""


def steps(shown: Samples, keys: Credentials) -> list[tuple[int, int]]:
    """Return every step there is: its line, and its place in the script."""
    stage = Stage(shown, keys)
    scripts = [stage.adapter.script(connection) for connection in range(len(stage.engine.sessions))]
    return [
        (connection, at) for connection, script in enumerate(scripts) for at in range(len(script))
    ]


STEPS = [
    pytest.param(shown, keys, *step, id=f"{name}-{number}-{step[0]}-{step[1]}")
    for name, shown in samples.EVERY.items()
    for number, keys in enumerate(shown.keys)
    if shown.sent
    for step in steps(shown, keys)
]


SHORT = 12
"""Words of a secret that may stand elsewhere, such as the first and last line of a PEM file."""


class Director:
    """Answers all as granted, but the step ``at`` of a line's first connection: that is its own."""

    def __init__(self, stage: Stage, connection: int, at: int, verdict: Verdict | None) -> None:
        self.stage = stage
        self.connection = connection
        self.at = at
        self.verdict = verdict
        self.struck: InFlightRequest | None = None
        self.begun = 0
        self.script = [type(one) for one in stage.adapter.script(connection)]

    def __call__(self, asked: InFlightRequest) -> Reply | None:
        stage = self.stage
        if not stage.is_step(asked, self.connection):
            return stage.grants(asked)
        place = self.begun
        self.begun += 1
        if self.struck is None and place == self.at:
            self.struck, self.begun = asked, 0
            if self.verdict is None:
                return None
            return Reply(request_id=asked.request_id, verdict=self.verdict, code="7", text="no")
        return stage.grants(asked)


def directed(
    shown: Samples, keys: Credentials, connection: int, at: int, verdict: Verdict | None
) -> tuple[Stage, Director]:
    stage = Stage(shown, keys)
    director = Director(stage, connection, at, verdict)
    stage.answers = director
    stage.starts()
    return stage, director


def is_whole(stage: Stage, director: Director) -> None:
    """The script was worked off from its beginning on, once more, and the connection is ready."""
    assert stage.session(director.connection).ready, stage.log_lines
    assert director.begun == len(director.script)


@pytest.mark.parametrize(("shown", "keys"), KEYED)
def test_a_script_of_which_each_step_is_granted_makes_every_connection_ready(
    shown: Samples, keys: Credentials
) -> None:
    stage = Stage(shown, keys).starts()
    assert all(session.ready for session in stage.engine.sessions), stage.log_lines
    assert not stage.dropped


@pytest.mark.parametrize(("shown", "keys", "connection", "at"), STEPS)
def test_a_step_that_is_refused_gives_its_connection_up_and_the_next_begins_anew(
    shown: Samples, keys: Credentials, connection: int, at: int
) -> None:
    stage, director = directed(shown, keys, connection, at, Verdict.REFUSED)
    stage.lives(1)
    kind = director.script[at].__name__
    assert stage.dropped[0] == (connection, f"{kind} refused: 7 no")
    is_whole(stage, director)
    assert not stage.stopped


@pytest.mark.parametrize(("shown", "keys", "connection", "at"), STEPS)
def test_a_step_that_is_refused_for_good_ends_the_run(
    shown: Samples, keys: Credentials, connection: int, at: int
) -> None:
    stage, director = directed(shown, keys, connection, at, Verdict.FATAL)
    assert director.script[at].__name__ in stage.stopped
    assert "7 no" in stage.stopped


@pytest.mark.parametrize(("shown", "keys", "connection", "at"), STEPS)
def test_a_step_that_is_not_answered_gives_its_connection_up_and_the_next_begins_anew(
    shown: Samples, keys: Credentials, connection: int, at: int
) -> None:
    stage, director = directed(shown, keys, connection, at, None)
    assert not stage.session(connection).ready
    stage.lives(REPLY_NS / NS_PER_S + 1)
    mine = [why for link, why in stage.dropped if link == connection]
    silent = stage.session(connection).connection.silence_ns <= REPLY_NS
    assert "was not answered" in mine[0] or (silent and "silent" in mine[0])
    stage.lives(1)
    is_whole(stage, director)


@pytest.mark.parametrize(("shown", "keys", "connection", "at"), STEPS)
def test_an_answer_that_comes_late_is_no_step_of_the_connection_that_stands_then(
    shown: Samples, keys: Credentials, connection: int, at: int
) -> None:
    stage, director = directed(shown, keys, connection, at, None)
    assert director.struck is not None
    late = director.struck
    stage.answers = lambda asked: None  # nothing of the second connection is answered yet
    stage.drop(connection, "lost", redial_now=True)
    stage.lives(0.2)
    session = stage.session(connection)
    assert session.sendable
    expected = session.next_step()
    stage.brings(
        late, stage.grants(late), link=late.connection if late.connection < 0 else connection
    )
    stage.lives(0.2)
    assert session.next_step() is expected
    assert not session.ready


@pytest.mark.parametrize(("shown", "keys"), KEYED)
def test_no_secret_is_in_the_journal_the_log_or_the_words_of_a_request(
    shown: Samples, keys: Credentials
) -> None:
    stage = Stage(shown, keys).starts().lives(5)
    stage.engine.leave("told to", stage.now_ns)
    stage.lives(1)
    secret = {one.name for group in shown.venue.key_fields for one in group if one.secret}
    texts = [keys.fields[name] for name in secret & keys.fields.keys()]
    values = [word for text in texts for word in text.split() if len(word) > SHORT]
    assert len(values) >= len(texts)
    told = [record.payload for record in stage.journal.records]
    told += [text.encode() for text in (*stage.log_lines, *stage.words)]
    assert told
    assert not [one for one in told for value in values if value.encode() in one]
