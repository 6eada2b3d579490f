"""What a list is decided on, and what a call takes: grants and fences, asked together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.core.cover import Cover, cover
from gateway.core.fence import Fence, Scope
from gateway.core.model import Classified, Flow, JsonObject
from gateway.core.over import Ear, Over, always
from gateway.errors import Refused
from gateway.fences.live import LiveFences
from gateway.fences.log import FenceLog
from gateway.line.bounds import Bounds, Covered
from gateway.reasons import Reason
from gateway.values import replace
from tests.free import NoFences, NoGrants
from tests.grants.given import call


class Remembering(NoGrants):
    """Remembers which calls had a person's leave."""

    def __init__(self) -> None:
        self.approved: list[bool] = []

    def claims(self, cover: Cover, classified: Classified, approved: bool) -> tuple[Any, ...]:
        self.approved.append(approved)
        return ()


@pytest.mark.parametrize(
    ("scope", "value", "shown"),
    [
        ("agent", "agent:a", False),
        ("server", "git", False),
        ("tier", "data", False),
        ("all", "", False),
        ("agent", "agent:b", True),
        ("server", "files", True),
        ("tier", "admin", True),
    ],
)
def test_a_list_shows_nothing_that_is_fenced(
    scope: Scope, value: str, shown: bool, tmp_path: Path
) -> None:
    log = FenceLog(tmp_path)
    bounds = Bounds(NoGrants(), LiveFences(log))
    assert bounds.shows(call("a"))
    log.fence(Fence(scope, value, "operator:ada", "strange", 5))
    assert bounds.shows(call("a")) is shown


@pytest.mark.parametrize(
    ("method", "params", "fulfilled", "approved"),
    [
        ("tools/call", {"name": "t", "arguments": {}}, {"approve"}, True),
        ("tools/call", {"name": "t", "arguments": {}}, {"hold"}, False),
        ("tasks/update", {"taskId": "1", "inputResponses": {}}, {"approve"}, False),
        ("tasks/get", {"taskId": "1"}, {"approve"}, True),
    ],
)
def test_leave_lets_out_its_call_and_nothing_a_task_is_told_later(
    method: str, params: JsonObject, fulfilled: set[str], approved: bool
) -> None:
    grants = Remembering()
    bounds = Bounds(grants, NoFences())
    one = call("a")
    request = replace(one.resolved.request, method=method, params=params)
    out = Flow(frozenset(), egress=True, mode="lax")
    one = replace(one, resolved=replace(one.resolved, request=request), flow=out)
    bounds.take(bounds.cover(one, ()), fulfilled)
    assert grants.approved == [approved]


def test_what_no_grant_was_looked_for_takes_nothing() -> None:
    bounds = Bounds(NoGrants(), NoFences())
    with pytest.raises(Refused) as caught:
        bounds.take(None, ())
    assert caught.value.reason is Reason.GRANT_NEEDED


def _made(classified: Classified) -> Covered:
    return Covered(classified, cover(classified.resolved.request.identity))


def test_an_answer_is_withheld_where_a_fence_has_fallen(tmp_path: Path) -> None:
    log = FenceLog(tmp_path)
    bounds = Bounds(NoGrants(), LiveFences(log))
    covered = _made(call("a"))
    assert not bounds.withholds(covered)
    log.fence(Fence("server", "git", "operator:ada", "strange", 5))
    assert bounds.withholds(covered)


@pytest.mark.parametrize(
    ("scope", "value"), [("server", "git"), ("tier", "data"), ("agent", "agent:a"), ("all", "")]
)
def test_what_comes_after_a_call_is_told_until_a_fence_stops_that_call(
    scope: Scope, value: str, tmp_path: Path
) -> None:
    log, told = FenceLog(tmp_path), list[Any]()
    bounds = Bounds(NoGrants(), LiveFences(log))
    over, waiting = Over(), list[Callable[[], bool]]()

    def tell(_: str, params: JsonObject, still: Callable[[], bool] = always) -> None:
        told.append(params["data"])
        waiting.append(still)

    ear = Ear(over, tell)
    after = bounds.after(_made(call("a")), ear)
    log.fence(Fence("server", "files", "operator:ada", "strange", 5))
    after.tell("notifications/message", {"data": "heard"})
    [still] = waiting
    before = still()
    log.fence(Fence(scope, value, "operator:ada", "strange", 6))
    after.tell("notifications/message", {"data": "withheld"})
    assert told == ["heard"] and after.over is over
    assert (before, still()) == (True, False)
