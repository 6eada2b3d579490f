"""What a grant gives to who asks for less than there is."""

from __future__ import annotations

import pytest

from gateway.core.grant import Terms
from gateway.core.model import Tier

DATA, ADMIN = Tier.DATA, Tier.ADMIN


@pytest.mark.parametrize(
    ("tiers", "unasked"),
    [({DATA}, {DATA}), ({DATA, ADMIN}, {DATA}), ({ADMIN}, {ADMIN})],
)
def test_admin_is_for_who_asks_for_it_unless_there_is_no_other(
    tiers: set[Tier], unasked: set[Tier]
) -> None:
    terms = Terms(tiers=frozenset(tiers), tools=("git/*",), seconds=60)
    assert terms.unasked_tiers == unasked
