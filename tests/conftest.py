"""How thorough the property tests are: a tenth of the campaign by default, all of it with ``make test-full``."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_TENTH = settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("tenth", _TENTH)
settings.register_profile("full", _TENTH, max_examples=1000, derandomize=False)
settings.load_profile("full" if os.environ.get("GUARD_TEST_CAMPAIGNS") == "full" else "tenth")
