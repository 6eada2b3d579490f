"""One agent, however busy, leaves the others a place."""

from __future__ import annotations

import pytest

from gateway.core.model import WorkloadIdentity
from gateway.values import replace
from gateway.wire.agents.exchange import Rejected
from gateway.wire.agents.inwork import InWork

LOUD = WorkloadIdentity("urn:a", "local", "agent:loud", "t", "general", frozenset(), "id", 0)
QUIET = replace(LOUD, agent="agent:quiet")


def test_one_agent_never_has_the_last_quarter() -> None:
    work = InWork(8)
    for _ in range(6):
        work.enter(LOUD)
    with pytest.raises(Rejected) as no:
        work.enter(LOUD)
    work.enter(QUIET)
    work.enter(QUIET)
    with pytest.raises(Rejected):
        work.enter(QUIET)
    assert no.value.reply.status == 503


def test_a_place_is_free_again_when_its_work_is_done() -> None:
    work = InWork(1)
    for who in (LOUD, QUIET, LOUD):
        work.leave(work.enter(who))
