"""Settings every test shares. The campaign profile is the long run of `make campaign`."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A shared machine is slow at times: only what a property finds may fail it, never how long it took.
settings.register_profile("default", max_examples=50, deadline=None)
settings.register_profile(
    "campaign", max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("default")
