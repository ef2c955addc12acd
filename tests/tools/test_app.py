"""What a strategy's own checks may do to a run whose parameter is being set."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec import Struct

from core.model.errors import BadConfig
from tools.app import Application

STUMBLES: dict[str, BaseException] = {
    "exit": SystemExit(0),
    "key": KeyError("size"),
    "deep": RecursionError(),
    "odd": AttributeError("no such thing"),
}


class Parameters(Struct, frozen=True):
    how: str = "well"

    def __post_init__(self) -> None:
        if self.how in STUMBLES:
            raise STUMBLES[self.how]


@pytest.mark.parametrize("how", STUMBLES)
def test_whatever_a_strategys_check_raises_is_a_refused_parameter(how: str) -> None:
    application = cast(
        Any, SimpleNamespace(config=SimpleNamespace(strategy=SimpleNamespace(name="m:M")))
    )
    with pytest.raises(BadConfig, match=f"it raised {type(STUMBLES[how]).__name__}"):
        Application.parameters_with(application, Parameters(), "how", how)
    assert Application.parameters_with(application, Parameters(), "how", "badly") == Parameters(
        "badly"
    )
