"""A credential is for something: when that is over, so is the credential."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from gateway.core.credential import ITSELF, CredentialLease, LeaseState
from gateway.core.fence import Catchable, Fence
from gateway.core.grant import Grant, Standing, State, Terms
from gateway.core.model import Label, Tier
from gateway.credentials.alive import Alive
from gateway.errors import Refused
from gateway.reasons import Reason
from gateway.values import replace

SECOND = 1_000_000
LEASE = CredentialLease(
    id="l1",
    server="db",
    provider="fake",
    tier="tool",
    tenant="local",
    agent="agent:ann",
    task="T-1",
    grants=("child", "parent"),
    run="r",
    state=LeaseState.ACTIVE,
    ref="",
    asked_at=0,
    ends_at=900 * SECOND,
    expires_at=None,
    changed_at=0,
)


def standing(name: str, idle: int | None = None) -> Standing:
    terms = Terms(tiers=frozenset({Tier.TOOL}), tools=("db/*",), seconds=600, idle=idle)
    grant = Grant(
        id=name,
        tenant="local",
        agent="agent:ann",
        task="T-1",
        intent="general",
        terms=terms,
        root=name,
        root_task="T-1",
        created_by="operator:ada",
        created_at=0,
    )
    return Standing(grant, "active", "", 1, 0, None, None, None, 0)


class Grants:
    """A `GrantStore` that counts how often it is looked into."""

    def __init__(self, *rows: Standing) -> None:
        self.rows = {row.grant.id: row for row in rows}
        self.changes = 1
        self.looks = 0

    def find(self, grant_id: str) -> Standing | None:
        self.looks += 1
        return self.rows.get(grant_id)

    def end(self, name: str, state: State) -> None:
        self.rows[name] = replace(self.rows[name], state=state)
        self.changes += 1

    def epoch(self) -> int:
        return self.changes

    def changed(self) -> None: ...

    def since(self, rev: int, at: int = -1) -> Sequence[Standing]:
        return []

    def had(self, tenant: str, agent: str, task: str) -> bool:
        return False

    def all(self, at: int = -1) -> Sequence[Standing]:
        return []

    def below(self, grants: Sequence[str]) -> Sequence[str]:
        raise AssertionError

    def labels(self, root: str) -> frozenset[Label]:
        return frozenset()

    def close(self) -> None: ...


class Fences:
    """`ports.Fences` with some in it."""

    def __init__(self, *fences: Fence) -> None:
        self.fences = fences

    def check(self, caught: Catchable) -> None:
        if any(caught.caught.by(fence) for fence in self.fences):
            raise Refused(Reason.FENCED, "fenced")

    def standing(self) -> tuple[Fence, ...]:
        return tuple(self.fences)

    def watching(self, caught: Catchable) -> Any:
        raise NotImplementedError


class World:
    def __init__(self, *rows: Standing, fences: Sequence[Fence] = ()) -> None:
        self.now = SECOND
        self.grants = Grants(*(rows or (standing("child"), standing("parent"))))
        self.alive = Alive(Fences(*fences), self.grants, lambda: self.now)

    def why(self, lease: CredentialLease = LEASE) -> str:
        return self.alive.why_dead(lease)


@pytest.mark.parametrize("name", ["child", "parent"])
@pytest.mark.parametrize("state", ["revoked", "completed"])
def test_it_is_over_with_its_grant_and_with_any_above_it(name: str, state: State) -> None:
    world = World()
    assert world.why() == ""
    world.grants.end(name, state)
    assert world.why() == f"grant {name} is {state}"


def test_it_is_over_with_a_grant_nobody_uses() -> None:
    world = World(standing("child", idle=60), standing("parent"))
    world.now = 59 * SECOND
    assert world.why() == ""
    world.now = 61 * SECOND
    assert world.why() == "grant child is idle"


def test_it_goes_on_while_its_grant_is_used() -> None:
    world = World(standing("child", idle=60), standing("parent"))
    for second in range(0, 600, 30):
        world.now = second * SECOND
        world.grants.rows["child"] = replace(world.grants.rows["child"], used_at=world.now)
        assert world.why() == ""


def test_it_is_over_when_its_grant_expires() -> None:
    world = World()
    world.now = 600 * SECOND
    assert world.why() == "grant child is expired"


def test_a_grant_that_is_not_there_is_none() -> None:
    assert World(standing("child")).why() == "grant parent is gone"


@pytest.mark.parametrize(
    ("scope", "value"),
    [
        ("agent", "agent:ann"),
        ("task", "T-1"),
        ("grant", "parent"),
        ("server", "db"),
        ("tier", "tool"),
        ("tenant", "local"),
        ("all", ""),
    ],
)
def test_every_fence_ends_what_it_concerns_but_not_the_gateways_own(scope: Any, value: str) -> None:
    world = World(fences=[Fence(scope, value, "operator:ada", "", 0)])
    assert world.why() == "fenced"
    assert world.why(replace(LEASE, agent=ITSELF, grants=(), task="")) == ""


def test_grants_are_looked_up_again_only_when_some_grant_has_changed() -> None:
    world = World()
    for _ in range(50):
        world.why()
    assert world.grants.looks == 2
    world.grants.changes += 1
    world.why()
    assert world.grants.looks == 4
