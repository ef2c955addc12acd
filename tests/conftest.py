"""What all tests share: hypothesis without deadlines, because a busy machine is no defect.

``HYPOTHESIS_PROFILE=long`` asks every property that states no number of its own 20,000 examples.
"""

import os

from hypothesis import settings

settings.register_profile("here", deadline=None)
settings.register_profile("long", deadline=None, max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "here"))
