"""Bounds that hold nobody back, and a channel nobody uses: for tests of what lies before and behind them."""

from __future__ import annotations

from collections.abc import Collection

from gateway.core.cover import Cover, cover
from gateway.core.fence import Catchable, Fence
from gateway.core.model import Answer, Classified, JsonObject, Label, WorkloadIdentity
from gateway.core.record import Claim
from gateway.fences.live import Watched
from gateway.line.bounds import Bounds


class Deaf:
    """A channel nobody uses here."""

    async def notify(self, method: str, params: JsonObject) -> None:
        raise AssertionError

    async def ask(self, method: str, params: JsonObject) -> Answer:
        raise AssertionError


class AtOnce:
    """Nothing is held back."""

    def now(self) -> float:
        return 0.0

    async def even(self, since: float) -> None:
        return


class NoGrants:
    """Everybody's role is enough."""

    def cover(self, classified: Classified, without: Collection[str] = ()) -> Cover:
        return cover(classified.resolved.request.identity)

    def covers_some(self, classified: Classified) -> bool:
        return True

    def destinations(self, identity: WorkloadIdentity) -> tuple[str, ...]:
        return ()

    def in_force(self, identity: WorkloadIdentity) -> None:
        return None

    def claims(self, cover: Cover, classified: Classified, approved: bool) -> tuple[Claim, ...]:
        return ()

    def labels(self, root: str) -> frozenset[Label]:
        return frozenset()


class NoFences:
    """Nobody is stopped."""

    def check(self, caught: Catchable) -> None:
        return None

    def standing(self) -> tuple[Fence, ...]:
        return ()

    def watching(self, caught: Catchable) -> Watched:
        return Watched(set(), caught)


def unbounded() -> Bounds:
    return Bounds(NoGrants(), NoFences())
