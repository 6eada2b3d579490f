"""Who gets which credential, from where, and for how long."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.core.credential import LIVE, Credential, LeaseState
from gateway.core.model import Tier
from gateway.credential_ports import NoCredential
from gateway.credentials import lender
from gateway.credentials.lender import MOST
from gateway.values import replace
from tests import clock
from tests.credentials.lending import NEVER_MADE, SECOND, UNREACHABLE, World, who


async def lent(world: World, **account: Any) -> Credential:
    async with asyncio.timeout(20):
        return await world.lender.lend("tried", who(**account))


async def test_one_is_got_once_and_is_in_memory_from_then_on() -> None:
    world = World()
    assert world.lender.find("tried", who()) is None
    credential = await lent(world)
    assert world.lender.find("tried", who()) is credential
    assert await lent(world) is credential
    assert len(world.provider.asked) == 1
    assert credential.headers == (("Authorization", f"Bearer secret-of-{credential.lease}"),)
    assert world.journal.told == ["credentials/issued"]


@pytest.mark.parametrize(
    "other",
    [
        {"agent": "bob"},
        {"task": "T-2"},
        {"grants": ("g1",)},
        {"tier": Tier.TOOL},
        {"tenant": "acme"},
        {"issuer": "elsewhere"},
    ],
)
async def test_another_agent_task_grant_tier_tenant_or_issuer_has_another(other: Any) -> None:
    world = World()
    mine = await lent(world)
    theirs = await lent(world, **other)
    assert theirs.lease != mine.lease
    assert world.lender.find("tried", who()) is mine


async def test_another_token_of_the_same_agent_matters_only_where_tokens_are_traded() -> None:
    plain, traded = World(), World(per_token=True)
    traded.tokens |= {"jti-1": "the-token-1", "jti-2": "the-token-2"}
    for world, same in ((plain, True), (traded, False)):
        first = await lent(world, token="jti-1")
        second = await lent(world, token="jti-2")
        assert (first is second) is same
    assert [one.token for one in traded.provider.asked] == ["the-token-1", "the-token-2"]
    assert [one.token for one in plain.provider.asked] == [""]


async def test_after_one_that_its_server_would_not_have_the_next_call_gets_a_new_one() -> None:
    world = World()
    stale, bobs = await lent(world), await lent(world, agent="bob")
    world.pass_(60)
    stale.turned_away.say()
    assert world.lender.find("tried", who()) is None
    fresh = await lent(world)
    await world.settled()
    assert fresh.lease != stale.lease
    assert world.provider.revoked == [stale.lease]
    assert world.lender.find("tried", who(agent="bob")) is bobs
    [ended] = world.rows(LeaseState.REVOKED)
    assert (ended.id, ended.said) == (stale.lease, "its server would not have it")


async def test_a_server_that_will_have_none_is_not_shown_a_new_one_for_each_call() -> None:
    world = World()
    (await lent(world)).turned_away.say()
    with pytest.raises(NoCredential, match="would not have a new one"):
        await lent(world)
    world.pass_(1.1)
    await lent(world)
    assert len(world.provider.asked) == 2
    await world.settled()


async def test_all_who_need_one_at_once_share_the_asking() -> None:
    world = World()
    world.provider.holds = asyncio.Event()
    async with asyncio.timeout(20):
        asking = [asyncio.create_task(world.lender.lend("tried", who())) for _ in range(20)]
        await asyncio.sleep(0)
        asking[0].cancel()  # one who goes away takes nothing from the others
        world.provider.holds.set()
        got = await asyncio.gather(*asking[1:])
    assert len({one.lease for one in got}) == len(world.provider.asked) == 1


@pytest.mark.parametrize(
    ("provider", "account", "configured", "lasts"),
    [(None, None, 900, 900), (300, None, 900, 300), (3600, 120, 900, 120), (None, 3600, 60, 60)],
)
async def test_it_lasts_as_long_as_the_shortest_of_all(
    provider: int | None, account: int | None, configured: int, lasts: int
) -> None:
    world = World(seconds=configured)
    world.provider.seconds = provider
    ends = None if account is None else world.now + account * SECOND
    await lent(world, ends_at=ends)
    (row,) = world.rows(LeaseState.ACTIVE)
    assert (row.ends_at - world.now) // SECOND == lasts
    assert row.expires_at == (None if provider is None else world.now + provider * SECOND)


async def test_a_new_one_is_got_before_the_end_of_the_old_which_goes_on_until_then() -> None:
    world = World()
    old = await lent(world)
    world.pass_(841)
    assert world.lender.find("tried", who()) is None
    new = await lent(world)
    assert new.lease != old.lease
    assert not old.over.said
    assert {row.id for row in world.rows(LeaseState.ACTIVE)} == {old.lease, new.lease}


@pytest.mark.parametrize(
    ("lasts", "held", "from_then"),
    [(900, 310.0, 590), (900, 10.0, 840), (900, 3_600.0, 450), (300, 310.0, 150)],
)
async def test_a_call_that_may_take_long_goes_with_one_that_outlasts_it(
    lasts: int, held: float, from_then: int
) -> None:
    """Its process is ended with its credential. Half of the time of each is used, at the least."""
    world = World(seconds=lasts, held=held)
    old = await lent(world)
    world.pass_(from_then - 1)
    assert world.lender.find("tried", who()) is old
    world.pass_(1)
    new = await lent(world)
    assert new.lease != old.lease and not old.over.said
    (row,) = [row for row in world.rows(LeaseState.ACTIVE) if row.id == new.lease]
    assert row.ends_at - world.now == lasts * SECOND


async def test_a_fence_ends_what_a_long_call_goes_with_at_once() -> None:
    world = World(held=310)
    old = await lent(world)
    world.pass_(600)
    new = await lent(world)
    world.dead["agent:ann"] = "fenced"
    world.ending.changed()
    await asyncio.sleep(0)
    assert old.over.said and new.over.said
    await world.settled()
    assert world.provider.alive == set()


async def test_an_agents_token_that_cannot_be_made_leaves_nothing_to_end() -> None:
    """Its keys are gone."""
    world = World(per_token=True)
    world.tokens = None  # type: ignore[assignment]
    with pytest.raises(NoCredential):
        await lent(world)
    await world.settled()
    assert (world.ending.live, world.rows(*LIVE)) == ({}, [])


async def test_none_is_got_when_the_grant_ends_with_the_old_one() -> None:
    world = World()
    ends = world.now + 100 * SECOND
    credential = await lent(world, ends_at=ends)
    world.pass_(99)
    assert world.lender.find("tried", who(ends_at=ends)) is credential
    world.pass_(1)
    with pytest.raises(NoCredential):
        await lent(world, ends_at=ends)


async def test_a_clock_that_is_set_back_makes_none_last_longer() -> None:
    world = World()
    credential = await lent(world)
    world.pass_(-3600)
    clock.ahead(899)
    await asyncio.sleep(0)
    assert world.lender.find("tried", who()) is credential
    clock.ahead(2)
    async with asyncio.timeout(20):
        while not credential.over.said:
            await asyncio.sleep(0)
    await world.settled()
    (row,) = world.rows(LeaseState.REVOKED)
    assert (row.said, world.provider.alive) == ("its term is over", set())


async def test_who_goes_on_with_a_new_token_is_not_cut_off_with_the_old_one() -> None:
    """Calls under way lose what ends: who is let in for longer gets a new one before."""
    world = World()
    first, later = world.now + 300 * SECOND, world.now + 1_000 * SECOND
    old = await lent(world, ends_at=first)
    world.pass_(239)
    assert world.lender.find("tried", who(ends_at=later)) is old
    world.pass_(1)
    new = await lent(world, ends_at=later)
    assert new.lease != old.lease and not old.over.said
    (row,) = [row for row in world.rows(LeaseState.ACTIVE) if row.id == new.lease]
    assert row.ends_at == later


async def test_one_that_is_not_over_is_used_where_no_newer_one_is_to_be_had() -> None:
    world = World()
    old = await lent(world)
    world.pass_(850)
    world.provider.refuses = UNREACHABLE
    assert await lent(world) is old
    world.pass_(50)
    with pytest.raises(NoCredential):
        await lent(world)


@pytest.mark.parametrize("fault", [TimeoutError(), KeyError("access_token")])
async def test_however_a_provider_fails_nothing_was_forwarded(fault: Exception) -> None:
    """What is raised past this is taken for a call that may have reached its server."""
    world = World()
    world.provider.refuses = fault
    with pytest.raises(NoCredential, match=type(fault).__name__):
        await lent(world)
    (row,) = world.ledger.rows.values()
    assert row.state is LeaseState.REVOKED


async def test_a_tier_without_a_provider_gets_nothing() -> None:
    world = World()
    with pytest.raises(NoCredential, match="tier admin"):
        await lent(world, tier=Tier.ADMIN)
    assert world.provider.asked == []


async def test_a_provider_that_says_no_is_not_asked_again_at_once() -> None:
    world = World()
    world.provider.refuses = NEVER_MADE
    for _ in range(3):
        with pytest.raises(NoCredential, match="it said no"):
            await lent(world)
    assert len(world.provider.asked) == 1
    assert [row.state for row in world.ledger.rows.values()] == [LeaseState.FAILED]
    world.provider.refuses = None
    world.pass_(2)
    await lent(world)


async def test_what_may_have_been_made_is_ended() -> None:
    """The provider made it, and its answer was lost."""
    world = World()
    world.provider.refuses = UNREACHABLE
    with pytest.raises(NoCredential):
        await lent(world)
    await world.settled()
    (row,) = world.ledger.rows.values()
    assert (row.state, world.provider.revoked) == (LeaseState.REVOKED, [row.id])


async def test_its_lease_is_on_disk_before_its_provider_is_asked() -> None:
    world = World()
    world.provider.holds = asyncio.Event()
    async with asyncio.timeout(20):
        asking = asyncio.create_task(world.lender.lend("tried", who()))
        while not world.provider.asked:
            await asyncio.sleep(0)
        assert [row.state for row in world.ledger.rows.values()] == [LeaseState.PENDING]
        world.provider.holds.set()
        await asking


async def test_one_that_cannot_be_written_down_is_not_used() -> None:
    world = World()
    world.journal.broken = "the disk is full"
    with pytest.raises(NoCredential, match="written down"):
        await lent(world)
    world.journal.broken = None
    await world.settled()
    assert world.provider.alive == set()


async def test_one_that_was_fenced_while_it_was_got_is_ended_and_not_given() -> None:
    world = World()
    world.provider.holds = asyncio.Event()
    async with asyncio.timeout(20):
        asking = asyncio.create_task(world.lender.lend("tried", who()))
        await asyncio.sleep(0)
        world.dead["agent:ann"] = "fenced"
        world.provider.holds.set()
        with pytest.raises(NoCredential, match="fenced"):
            await asking
    await world.settled()
    assert world.provider.alive == set()
    assert world.lender.find("tried", who()) is None


async def test_there_is_a_bound() -> None:
    world = World()
    await lent(world)
    (held,) = world.ending.live.values()
    world.ending.live |= {f"x{number}": held for number in range(MOST)}
    with pytest.raises(NoCredential, match="in use"):
        await lent(world, agent="bob")


async def test_one_agent_does_not_take_every_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes with ever new tokens, and each is traded."""
    monkeypatch.setattr(lender, "EACH", 3)
    world = World()
    for number in range(3):
        await lent(world, task=f"T-{number}")
    with pytest.raises(NoCredential, match="of one agent"):
        await lent(world, task="T-3")
    assert await lent(world, agent="bob", task="T-3")
    assert await lent(world, tenant="acme", task="T-3")


async def test_the_gateway_reads_with_the_least_and_undoes_with_the_most() -> None:
    world = World()
    least, most = (world.lender.own_account("tried", least=one) for one in (True, False))
    assert (least.tier, most.tier) == (Tier.DATA, Tier.TOOL)
    own = await world.lender.own("tried")
    assert own.lease != (await lent(world)).lease


async def test_a_credential_shows_no_secret_when_it_is_printed() -> None:
    world = World()
    credential = await lent(world)
    (held,) = world.ending.live.values()
    assert "secret-of" not in f"{credential!r} {held.minted!r} {held.lease!r}"
    assert "the-token" not in repr(replace(world.provider.asked[0], token="the-token"))
