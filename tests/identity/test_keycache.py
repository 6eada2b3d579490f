"""Keys of an issuer: rotation, floods of unknown ids, and an issuer that does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.identity.keycache import GAP, STALE, Fetched, KeyCache, Unfetched
from gateway.identity.profile import VerificationKey


def a_key() -> VerificationKey:
    return VerificationKey("EdDSA", Ed25519PrivateKey.generate().public_key())


@dataclass
class Issuer:
    """Remembers how often it was asked; answers with what it has now, or not at all."""

    keys: dict[str, VerificationKey] = field(default_factory=lambda: {"k1": a_key()})
    max_age: int | None = None
    down: bool = False
    broken: bool = False
    asked: int = 0
    now: float = 1_000.0
    gate: anyio.Event | None = None

    async def fetch(self) -> Fetched:
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.down:
            raise Unfetched("down")
        if self.broken:
            raise RuntimeError("a bug")
        return Fetched(dict(self.keys), self.max_age)

    def cache(self) -> KeyCache:
        return KeyCache("test", self.fetch, lambda: self.now)


@asynccontextmanager
async def kept(cache: KeyCache) -> AsyncIterator[None]:
    keeping = asyncio.create_task(cache.keep())
    try:
        with anyio.fail_after(20):
            yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_a_key_that_was_made_meanwhile_comes_with_the_first_token_that_names_it() -> None:
    issuer = Issuer()
    cache = issuer.cache()
    await cache.look()
    issuer.keys["k2"] = a_key()
    issuer.now += GAP
    async with kept(cache):
        assert cache.key("k2") is None
        assert await cache.refreshed()
    assert cache.key("k2") is issuer.keys["k2"]


async def test_a_flood_of_unknown_ids_is_one_fetch() -> None:
    issuer = Issuer()
    cache = issuer.cache()
    await cache.look()
    issuer.now += GAP
    issuer.gate = anyio.Event()
    async with kept(cache), anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(cache.refreshed)
        await anyio.wait_all_tasks_blocked()
        issuer.gate.set()
    assert issuer.asked == 2


async def test_the_next_flood_waits_its_turn_and_no_caller_waits_with_it() -> None:
    issuer = Issuer()
    cache = issuer.cache()
    await cache.look()
    async with kept(cache):
        issuer.now += GAP - 1
        assert not await cache.refreshed()
        assert issuer.asked == 1
        issuer.now += 1
        assert await cache.refreshed()
    assert issuer.asked == 2


async def test_an_issuer_that_is_down_takes_no_key_away_for_a_day() -> None:
    issuer = Issuer()
    cache = issuer.cache()
    await cache.look()
    issuer.down = True
    issuer.now += STALE - 1
    await cache.look()
    assert cache.key("k1") is issuer.keys["k1"]
    issuer.now += 1
    assert cache.key("k1") is None
    assert not cache.alive


async def test_a_fetch_that_breaks_is_a_miss_and_ends_nothing() -> None:
    issuer = Issuer()
    cache = issuer.cache()
    await cache.look()
    issuer.broken = True
    await cache.look()
    assert cache.key("k1") is issuer.keys["k1"]
    issuer.broken = False
    issuer.keys["k2"] = a_key()
    await cache.look()
    assert cache.key("k2") is issuer.keys["k2"]


async def test_a_key_the_issuer_dropped_is_gone_and_one_it_kept_is_the_same_object() -> None:
    issuer = Issuer()
    kept_key = VerificationKey("EdDSA", issuer.keys["k1"].public)
    cache = issuer.cache()
    await cache.look()
    first = cache.key("k1")
    issuer.keys = {"k1": kept_key}
    await cache.look()
    assert cache.key("k1") is first
    issuer.keys = {"k2": a_key()}
    await cache.look()
    assert cache.key("k1") is None


async def test_keys_are_fetched_again_before_they_are_old() -> None:
    issuer = Issuer(max_age=1)  # shorter than is allowed: a minute
    cache = issuer.cache()
    await cache.look()
    assert cache._due_at == issuer.now + 48
    issuer.max_age = 86_400  # longer than is allowed: an hour
    await cache.look()
    assert cache._due_at == issuer.now + 2_880


async def test_an_issuer_that_never_answered_has_no_key_and_holds_nobody_up() -> None:
    issuer = Issuer(down=True)
    cache = issuer.cache()
    await cache.look()
    assert not cache.alive
    assert cache.key("k1") is None
    assert not await cache.refreshed()
