"""Messages that drifted: any value of them, at any depth, replaced, removed or added."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=45),
    st.lists(st.integers(0, 3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(0, 3), max_size=3),
)


def mutated(draw: st.DrawFn, value: Any) -> Any:
    """Return a message with one value of it changed."""
    if isinstance(value, dict) and value and draw(st.integers(0, 5)):
        name = draw(st.sampled_from(sorted(value)))
        kept = {key: one for key, one in value.items() if key != name}
        if draw(st.integers(0, 4)) == 0:
            return kept
        return kept | {name: mutated(draw, value[name])}
    if isinstance(value, list) and value and draw(st.integers(0, 5)):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], mutated(draw, value[at]), *value[at + 1 :]]
    return draw(VALUES)
