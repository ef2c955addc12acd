"""What all tests share: hypothesis without deadlines, because a busy machine is no defect, and a
state folder of their own.

``HYPOTHESIS_PROFILE=long`` asks every property that states no number of its own 20,000 examples.
"""

import os
import re
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import settings

from core.state import book

_STATE = tempfile.TemporaryDirectory(prefix="hotloop-state-")
"""No test counts what runs of the user have lost today, nor the other way round."""
os.environ["XDG_STATE_HOME"] = _STATE.name

settings.register_profile("here", deadline=None)
settings.register_profile("long", deadline=None, max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "here"))

_COMPILED = not book.__file__.endswith(".py")
_STAND_IN = re.compile(r"object expected; got (types\.SimpleNamespace|tests\.)")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, object, object]:
    with _skipping_stand_ins():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup() -> Generator[None, object, object]:
    with _skipping_stand_ins():
        return (yield)


@contextmanager
def _skipping_stand_ins() -> Iterator[None]:
    """Skip what hands a stand-in to a compiled component: that takes the classes it names alone."""
    try:
        yield
    except TypeError as error:
        if _COMPILED and _STAND_IN.search(str(error)):
            pytest.skip("a compiled component takes no stand-in")
        raise
