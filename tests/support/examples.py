"""The number of examples of hypothesis: few in every run, many on request."""

from __future__ import annotations

import os

from hypothesis import settings

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"


def load_profile() -> None:
    """Set the defaults. There are no deadlines: a busy machine is not a bug."""
    settings.register_profile("quick", deadline=None, max_examples=25)
    settings.register_profile("thorough", deadline=None, max_examples=1000)
    settings.load_profile("thorough" if THOROUGH else "quick")


def examples(number: int) -> int:
    """``number`` in a thorough run, a tenth of it in a quick one."""
    return number if THOROUGH else number // 10
