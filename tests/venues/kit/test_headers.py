"""When to come back, and what is not believed."""

import pytest

from venues.kit.headers import MAX_RETRY_S, count, retry_ns

DATE = "Tue, 21 Jul 2026 15:29:45 GMT"
DATE_NS = 1_784_647_785 * 10**9


def test_retry_after_counts_from_the_date_of_the_answer_and_a_second_for_its_cut() -> None:
    assert retry_ns({"retry-after": "30", "date": DATE}) == DATE_NS + 31 * 10**9


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"retry-after": "30"},
        {"date": DATE},
        {"retry-after": "soon", "date": DATE},
        {"retry-after": DATE},
        {"retry-after": "Tue, 21 Jul 2026 15:29:44 GMT", "date": DATE},
        {"retry-after": "Tue, 28 Jul 2026 15:29:46 GMT", "date": DATE},
        {"retry-after": "-5", "date": DATE},
        {"retry-after": "9" * 30, "date": DATE},
        {"retry-after": str(MAX_RETRY_S + 1), "date": DATE},
        {"retry-after": "30", "date": "yesterday"},
        {"retry-after": "30", "date": "Tue, 99 Jul 2026 15:29:45 GMT"},
    ],
)
def test_what_cannot_be_known_is_no_time(headers: dict[str, str]) -> None:
    assert retry_ns(headers) == 0


def test_retry_after_may_name_a_date() -> None:
    later = "Tue, 21 Jul 2026 15:31:45 GMT"
    assert retry_ns({"retry-after": later, "date": DATE}) == DATE_NS + 121 * 10**9


def test_a_count_is_plain_digits_that_fit() -> None:
    assert count("070") == 70
    for text in ("", "-1", "1.0", "١", "9" * 19, " 1"):
        assert count(text) is None
