from __future__ import annotations

import pytest

from gateway.core.decide import admit
from gateway.core.model import Classified, Effect, Endpoint, Target, Tier
from gateway.errors import Refused, Where
from gateway.policy.asking import Asked
from gateway.values import replace


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        (Endpoint("tier", Tier.DATA), "a call of tier tool at /data/mcp"),
        (Endpoint("all"), "a call of tier tool at /mcp, with a token for admin and data"),
    ],
)
def test_whether_it_was_the_endpoint_or_the_token_is_said_to_the_operator(
    endpoint: Endpoint, said: str
) -> None:
    resolved = Asked("agent:ann", Target("git", "tool", "git_add"), endpoint=endpoint).resolved()
    request = resolved.request
    identity = replace(request.identity, tiers=frozenset({Tier.DATA, Tier.ADMIN}))
    resolved = replace(resolved, request=replace(request, identity=identity))
    with pytest.raises(Refused) as no:
        admit(Classified(resolved, Tier.TOOL, Effect.WRITE, "local", Where("tiers.yaml")))
    assert no.value.detail == said
