"""Any bytes give events or one of two typed errors; a word outside a closed set books nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import Drifted, Malformed
from core.model.events import AccountReport, Event, FillReport, Ignored, OrderReport, Reply
from tests.venues.conformance import samples
from tests.venues.conformance.mutation import mutated
from tests.venues.conformance.samples import Answered, Heard, Samples, Told

Shown = Told | Answered | Heard
Read = Callable[[bytes], list[Event]]
Path = tuple[str | int, ...]

STREAMED = [
    pytest.param(shown, told, id=f"{name}-{number}")
    for name, shown in samples.EVERY.items()
    for number, told in enumerate(shown.told)
]
ANSWERS = [
    pytest.param(shown, answered, id=f"{name}-{type(answered.command).__name__}-{number}")
    for name, shown in samples.EVERY.items()
    for number, answered in enumerate(shown.answered)
]

HEARD = [
    pytest.param(shown, heard, id=f"{name}-heard-{number}")
    for name, shown in samples.EVERY.items()
    for number, heard in enumerate(shown.heard)
]
ALL = [*STREAMED, *ANSWERS, *HEARD]

EXTREMES = (0, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**40)
"""Integers at which somebody's arithmetic ends."""

OTHERS: tuple[Any, ...] = (None, True, 7, -1.5, "", "x", "9" * 45, [], [1], {}, {"x": 1})
"""One value of each type, and texts that are no numbers or too long ones."""


def reader(shown: Samples, sample: Shown) -> Read:
    """Return what reads messages like this one; an adapter that has read nothing else."""
    adapter = shown.adapter()

    def read(payload: bytes) -> list[Event]:
        if not isinstance(sample, Told) and sample.command is not None:
            return [adapter.answer(sample.command, 1, 200, {}, payload)]
        assert not isinstance(sample, Answered)
        events: list[Event] = []
        adapter.decode(sample.connection, payload, events)
        return events

    return read


def body(sample: Shown) -> bytes:
    return sample.body if isinstance(sample, Answered) else sample.payload


def survives(read: Read, payload: bytes) -> list[Event]:
    """Return the events of a message, none where it is refused with a typed error."""
    try:
        return read(payload)
    except (Malformed, Drifted):
        return []


def places(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every place in a message with what stands there."""
    yield path, value
    if isinstance(value, dict):
        for name, one in value.items():
            yield from places(one, (*path, name))
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from places(one, (*path, at))


def changed(value: Any, path: Path, change: Callable[[Any, str | int], Any]) -> Any:
    """Return a message in which ``change`` has had its way with the holder of one place."""
    if len(path) == 1:
        return change(value, path[0])
    inner = changed(value[path[0]], path[1:], change)
    if isinstance(value, dict):
        return {name: inner if name == path[0] else one for name, one in value.items()}
    return [inner if at == path[0] else one for at, one in enumerate(value)]


def without(holder: Any, key: str | int) -> Any:
    if isinstance(holder, dict):
        return {name: one for name, one in holder.items() if name != key}
    return [one for at, one in enumerate(holder) if at != key]


def renamed(holder: Any, key: str | int) -> Any:
    if isinstance(holder, dict):
        return {(f"{name}_" if name == key else name): one for name, one in holder.items()}
    return [*holder, holder[int(key)]]


def with_value(new: Any) -> Callable[[Any, str | int], Any]:
    def put(holder: Any, key: str | int) -> Any:
        if isinstance(holder, dict):
            return {name: new if name == key else one for name, one in holder.items()}
        return [new if at == key else one for at, one in enumerate(holder)]

    return put


def written(message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


@pytest.mark.parametrize(("shown", "told"), STREAMED)
def test_a_documented_message_becomes_its_events(shown: Samples, told: Told) -> None:
    assert tuple(reader(shown, told)(told.payload)) == told.events


@pytest.mark.parametrize(("shown", "answered"), ANSWERS)
def test_a_documented_answer_proves_its_events(shown: Samples, answered: Answered) -> None:
    [reply] = reader(shown, answered)(answered.body)
    assert isinstance(reply, Reply)
    assert reply.events == answered.events


@pytest.mark.parametrize(("shown", "sample"), ALL)
def test_a_message_torn_at_any_byte_is_refused(shown: Samples, sample: Shown) -> None:
    read, payload = reader(shown, sample), body(sample)
    for end in range(len(payload)):
        with pytest.raises((Malformed, Drifted)):
            read(payload[:end])


@pytest.mark.parametrize(("shown", "sample"), ALL)
def test_a_message_with_a_tail_is_refused(shown: Samples, sample: Shown) -> None:
    read, payload = reader(shown, sample), body(sample)
    for tail in (b"x", b"{}", b",", b"\x00"):
        with pytest.raises((Malformed, Drifted)):
            read(payload + tail)


@pytest.mark.parametrize(("shown", "sample"), ALL)
def test_a_field_that_is_dropped_renamed_or_of_another_type_ends_nothing(
    shown: Samples, sample: Shown
) -> None:
    read, message = reader(shown, sample), json.loads(body(sample))
    for path, _ in places(message):
        if path:
            for change in (without, renamed, *map(with_value, OTHERS)):
                survives(read, written(changed(message, path, change)))


@pytest.mark.parametrize(("shown", "sample"), ALL)
def test_a_field_that_stands_twice_ends_nothing(shown: Samples, sample: Shown) -> None:
    read, payload = reader(shown, sample), body(sample)
    for path, value in places(json.loads(payload)):
        if path and isinstance(path[-1], str):
            field = written(path[-1]) + b":"
            twice = field + written(value) + b"," + field
            survives(read, payload.replace(field, twice, 1))


@pytest.mark.parametrize(("shown", "sample"), ALL)
def test_a_number_at_its_extremes_gives_events_or_a_typed_error(
    shown: Samples, sample: Shown
) -> None:
    read, message = reader(shown, sample), json.loads(body(sample))
    for path, value in places(message):
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            continue
        for extreme in EXTREMES:
            new = str(extreme) if isinstance(value, str) else extreme
            survives(read, written(changed(message, path, with_value(new))))


@pytest.mark.parametrize(("shown", "told"), STREAMED)
def test_a_word_outside_of_a_closed_set_is_never_booked(shown: Samples, told: Told) -> None:
    read, message = reader(shown, told), json.loads(told.payload)
    found = {path[-1] for path, _ in places(message) if path}
    assert set(told.words) <= found
    for path, _ in places(message):
        if path and path[-1] in told.words:
            for event in survives(read, written(changed(message, path, with_value("zzz")))):
                assert not isinstance(event, OrderReport | FillReport | AccountReport), event


UNKNOWN: tuple[object, ...] = (
    *({"zzz": 1}, {"e": "zzz"}, {"channel": "zzz", "data": []}, {"method": "zzz"}),
    *([], [1], 7, "zzz", None),
)


@pytest.mark.parametrize("name", samples.EVERY)
def test_a_message_of_a_kind_that_nobody_knows_is_ignored_or_refused(name: str) -> None:
    shown = samples.EVERY[name]
    for connection in range(len(shown.adapter().connections)):
        for message in UNKNOWN:
            read = reader(shown, Told(connection=connection, payload=b"", events=()))
            events = survives(read, written(message))
            assert all(isinstance(event, Ignored | Reply) for event in events), events


MANY_WAYS = [
    pytest.param(
        [(reader(shown, one), body(one)) for one in shown.every],
        id=name,
    )
    for name, shown in samples.EVERY.items()
    if shown.told
]
"""Every message of a venue, with what reads it."""

Ways = list[tuple[Read, bytes]]


@pytest.mark.parametrize("ways", MANY_WAYS)
@given(data=st.data())
def test_changed_bytes_give_events_or_a_typed_error(ways: Ways, data: st.DataObject) -> None:
    read, message = data.draw(st.sampled_from(ways))
    payload = bytearray(message)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(payload) - 1))
        payload[at] = data.draw(st.integers(0, 255))
    survives(read, bytes(payload))


@pytest.mark.parametrize("ways", MANY_WAYS)
@given(data=st.data())
def test_a_message_that_drifted_gives_events_or_a_typed_error(
    ways: Ways, data: st.DataObject
) -> None:
    read, message = data.draw(st.sampled_from(ways))
    survives(read, written(data.draw(st.composite(mutated)(json.loads(message)))))


@pytest.mark.parametrize("ways", MANY_WAYS)
@given(data=st.data(), noise=st.binary(max_size=60))
def test_any_bytes_give_events_or_a_typed_error(
    ways: Ways, data: st.DataObject, noise: bytes
) -> None:
    read, message = data.draw(st.sampled_from(ways))
    survives(read, message[: data.draw(st.integers(0, 20))] + noise)


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize("ways", MANY_WAYS)
def test_nesting_without_end_is_refused(ways: Ways) -> None:
    for read, message in ways:
        inside = message[:-1] + b',"new":' + DEEP + message[-1:]
        for payload in (inside, DEEP, b'{"x":' * 100_000):
            with pytest.raises((Malformed, Drifted)):
                read(payload)


LONGEST = 4 * 1024 * 1024
"""No venue's message is longer: its largest snapshots have some hundred kilobytes."""


@pytest.mark.parametrize("name", samples.EVERY)
def test_a_message_longer_than_its_connection_takes_is_not_looked_at(name: str) -> None:
    shown = samples.EVERY[name]
    for told in {told.connection: told for told in shown.told}.values():
        with pytest.raises(Malformed, match="longer"):
            reader(shown, told)(told.payload + b" " * LONGEST)
