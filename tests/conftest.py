"""What all tests share: hypothesis without deadlines, because a busy machine is no defect, and a
state folder of their own.

``HYPOTHESIS_PROFILE=long`` asks every property that states no number of its own 20,000 examples.
"""

import os
import tempfile

from hypothesis import settings

_STATE = tempfile.TemporaryDirectory(prefix="hotloop-state-")
"""No test counts what runs of the user have lost today, nor the other way round."""
os.environ["XDG_STATE_HOME"] = _STATE.name

settings.register_profile("here", deadline=None)
settings.register_profile("long", deadline=None, max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "here"))
