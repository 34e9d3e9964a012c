"""How many examples hypothesis tries: in CI as many as tests ask for, for people a few and always the same.

$HYPOTHESIS_PROFILE is "ci" or "people"; else it is "ci" where $CI is set.
"""

from __future__ import annotations

import os

from hypothesis import settings

ALL = 100  # what a test without @tries has in CI

settings.register_profile("ci", max_examples=ALL, deadline=None)
settings.register_profile("people", max_examples=15, deadline=None, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "people"))


def tries(count: int) -> settings:
    """So many examples in CI, in proportion for people."""
    return settings(max_examples=max(5, count * settings.default.max_examples // ALL))
