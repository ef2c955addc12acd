"""What is escaped in a query or form, and that its order stays."""

from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st

from venues.kit.forms import escaped, form


def test_all_but_letters_digits_and_four_signs_is_escaped() -> None:
    assert escaped("aZ09-._~") == "aZ09-._~"
    assert escaped('/ +&="é') == "%2F%20%2B%26%3D%22%C3%A9"


def test_fields_stand_in_the_order_they_are_given() -> None:
    assert form({"nonce": 7, "pair": "BTC/USD", "a": ""}) == "nonce=7&pair=BTC%2FUSD&a="
    assert form({}) == ""


@given(st.dictionaries(st.text("abc", min_size=1), st.text(max_size=20), max_size=5))
def test_a_form_is_read_as_it_was_written(fields: dict[str, str]) -> None:
    assert parse_qsl(form(fields), keep_blank_values=True) == list(fields.items())
