"""How leases end: once, in time, whatever the provider says, and after a crash."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.credential import LeaseState
from gateway.credentials import ending
from gateway.values import replace
from tests.credentials.lending import SECOND, UNREACHABLE, World, who


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "PAUSES", (0.001, 0.002))


async def one(world: World, agent: str = "ann") -> str:
    return (await world.lender.lend("tried", who(agent))).lease


async def looked(world: World) -> None:
    world.ending.changed()
    await asyncio.sleep(0)
    await world.settled()


async def asked(world: World, times: int) -> None:
    """Agent ann is fenced, and the provider was asked so often to end what she has."""
    world.dead["agent:ann"] = "fenced"
    world.ending.changed()
    async with asyncio.timeout(20):
        while len(world.provider.revoked) < times:
            await asyncio.sleep(0.001)


async def test_what_is_over_is_ended_and_what_is_not_goes_on() -> None:
    world = World()
    ann, bob = await one(world), await one(world, "bob")
    told: list[str] = []
    held = world.ending.live[ann]
    held.credential.over.then(lambda: told.append(ann))
    world.dead["agent:ann"] = "grant g1 is revoked"
    await looked(world)
    assert world.provider.alive == {bob}
    assert (world.ledger.rows[ann].state, world.ledger.rows[bob].state) == ("revoked", "active")
    assert world.ledger.rows[ann].said == "grant g1 is revoked"
    assert told == [ann]
    assert world.lender.find("tried", who()) is None
    assert world.journal.told[-1] == "credentials/revoked"


async def test_its_term_ends_it_too() -> None:
    world = World()
    lease = await one(world)
    world.pass_(900)
    await looked(world)
    assert world.ledger.rows[lease].state is LeaseState.REVOKED


async def test_one_that_cannot_be_called_back_is_said_to_last() -> None:
    world = World()
    world.provider.can_revoke, world.provider.seconds = False, 3600
    lease = await one(world)
    world.dead["agent:ann"] = "fenced"
    await looked(world)
    row = world.ledger.rows[lease]
    assert (row.state, row.expires_at) == (LeaseState.LASTING, world.now + 3600 * SECOND)


async def test_one_whose_own_term_has_passed_has_expired() -> None:
    world = World()
    world.provider.can_revoke, world.provider.seconds = False, 60
    lease = await one(world)
    world.pass_(60)
    await looked(world)
    assert world.ledger.rows[lease].state is LeaseState.EXPIRED


async def test_a_provider_that_does_not_answer_is_asked_until_it_does() -> None:
    world = World()
    lease = await one(world)
    world.provider.keeps = UNREACHABLE
    await asked(world, 4)
    row = world.ledger.rows[lease]
    assert row.state is LeaseState.REVOKING and row.attempts >= 3
    world.provider.keeps = None
    await world.settled()
    assert world.ledger.rows[lease].state is LeaseState.REVOKED


async def test_when_its_own_term_has_passed_meanwhile_it_is_a_persons(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.provider.seconds = 900
    lease = await one(world)
    world.provider.keeps = UNREACHABLE
    await asked(world, 1)
    world.pass_(901)
    await world.settled()
    row = world.ledger.rows[lease]
    assert (row.state, world.journal.told[-1]) == ("revoke_failed", "credentials/revoke_failed")
    assert lease in caplog.text and "not revoked" in caplog.text


async def test_a_bug_in_a_provider_is_as_no_answer() -> None:
    world = World()
    await one(world)
    world.provider.keeps = ZeroDivisionError()
    await asked(world, 2)
    world.provider.keeps = None
    await world.settled()
    assert world.provider.alive == set()


async def test_an_end_that_cannot_be_written_down_is_written_when_it_can() -> None:
    world = World()
    lease = await one(world)
    world.journal.broken = "the disk is full"
    await asked(world, 2)
    assert world.ledger.rows[lease].state is LeaseState.ACTIVE
    world.journal.broken = None
    await world.settled()
    assert world.ledger.rows[lease].state is LeaseState.REVOKED


async def test_what_a_dead_process_left_is_ended_without_its_secret() -> None:
    earlier, world = World(), World()
    lease = await one(earlier)
    pending = replace(earlier.ledger.rows[lease], id="asked", state=LeaseState.PENDING, ref="")
    world.ledger.left = [earlier.ledger.rows[lease], pending]
    await world.ending.adopt()
    await world.settled()
    assert world.provider.revoked == [lease, "asked"]
    assert {row.state for row in world.ledger.rows.values()} == {LeaseState.REVOKED}


async def test_one_of_a_provider_nobody_has_any_more_is_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    earlier, world = World(), World()
    lease = await one(earlier)
    world.ledger.left = [replace(earlier.ledger.rows[lease], provider="gone")]
    world.pass_(3600)
    await world.ending.adopt()
    await world.settled()
    assert world.ledger.rows[lease].state is LeaseState.REVOKE_FAILED
    assert "no such provider" in caplog.text


async def test_closing_ends_all() -> None:
    world = World()
    leases = {await one(world, agent) for agent in ("ann", "bob", "cid")}
    async with asyncio.timeout(20):
        await world.lender.aclose()
        await world.ending.aclose()
    assert world.provider.alive == set()
    assert {row.id for row in world.rows(LeaseState.REVOKED)} == leases


async def test_closing_says_how_many_are_left_for_the_next_gateway(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ending, "CLOSE_SECONDS", 0.01)
    world = World()
    world.provider.keeps = UNREACHABLE
    leases = {await one(world, agent) for agent in ("ann", "bob")}
    async with asyncio.timeout(20):
        await world.lender.aclose()
        await world.ending.aclose()
    assert world.provider.alive == leases
    assert "2 credentials are not ended yet" in caplog.text
