"""Times of venues are exact to the nanosecond, and nothing else is a time."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import Malformed
from venues.kit import times
from venues.kit.times import rfc3339_ns, unix_ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2023-10-06T17:35:55.440295Z", 1_696_613_755_440_295_000),
        ("2023-10-06T17:35:55.440295123Z", 1_696_613_755_440_295_123),
        ("2023-10-06T17:35:55.4Z", 1_696_613_755_400_000_000),
        ("2023-10-06T17:35:55Z", 1_696_613_755_000_000_000),
    ],
)
def test_a_time_is_read_to_the_nanosecond(text: str, ns: int) -> None:
    assert rfc3339_ns(text) == ns


@given(st.integers(0, 7_000_000_000), st.integers(0, 999_999))
def test_a_time_is_the_one_that_was_written(second: int, microsecond: int) -> None:
    moment = datetime.fromtimestamp(second, UTC)
    text = f"{moment:%Y-%m-%dT%H:%M:%S}.{microsecond:06d}Z"
    assert rfc3339_ns(text) == second * 10**9 + microsecond * 1_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Z",
        "2023-10-06",
        "2023-10-06T17:35:55",
        "2023-10-06T17:35:55.Z0",
        "2023-10-06T17:35:55.440295",
        "2023-10-06T17:35:55.440295+00:00",
        "2023-10-06T17:35:55.4402951234Z",
        "2023-10-06T17:35:55x440295Z",
        "2023-10-06T17:35:55.-40295Z",
        "2023-13-06T17:35:55.440295Z",
        "1969-10-06T17:35:55.440295Z",
        "2023-10-06 17:35:55.440295Z",
        "٢٠٢٣-10-06T17:35:55.440295Z",
    ],
)
def test_what_is_no_time_in_utc_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        rfc3339_ns(text)


def test_seconds_since_the_epoch_are_exact() -> None:
    assert unix_ns(b"1688667796.8802") == 1_688_667_796_880_200_000
    assert unix_ns(b"1688667796.12345678901") == 1_688_667_796_123_456_789
    for literal in (b"-1", b"1e12", b"null", b'"1"'):
        with pytest.raises(Malformed):
            unix_ns(literal)


def test_the_seconds_that_are_remembered_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "_CACHE_SECONDS", 5)
    before = len(times._seconds)
    for second in range(60):
        moment = datetime(2023, 1, 1, 0, 0, second, tzinfo=UTC)
        assert rfc3339_ns(f"{moment:%Y-%m-%dT%H:%M:%S}Z") == int(moment.timestamp()) * 10**9
        assert len(times._seconds) <= max(before, 5)
