"""What holds nobody back, says nothing and stands still: for tests of what lies before and behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping

from gateway.core.cover import Cover, cover
from gateway.core.fence import Catchable, Fence
from gateway.core.model import (
    Answer,
    Classified,
    JsonObject,
    Label,
    Resolved,
    Tier,
    WorkloadIdentity,
)
from gateway.core.record import Claim
from gateway.fences.live import Watched
from gateway.line.bounds import Bounds
from gateway.ports import Mark


class Deaf:
    """A channel nobody uses here."""

    async def notify(self, method: str, params: JsonObject) -> None:
        raise AssertionError

    async def ask(self, method: str, params: JsonObject) -> Answer:
        raise AssertionError


class Still:
    """The part of a tool server beside its calls: nothing ever changes there."""

    async def fetch(self, method: str, params: JsonObject) -> JsonObject:
        return {}

    async def changes(self) -> AsyncIterator[str]:
        for change in list[str]():
            yield change

    def describe(self) -> JsonObject:
        return {}

    async def fence(self) -> bool:
        return True

    async def aclose(self) -> None:
        return


class Even:
    """The part of a policy beside its rules: one class of calls for each name, reached by all and read by nobody."""

    classify: Callable[[Resolved], Classified]

    def possible(self, resolved: Resolved, towards: object = ()) -> list[Classified]:
        return [self.classify(resolved)]

    def reaches(self, identity: WorkloadIdentity, server: str, tiers: Collection[Tier]) -> bool:
        return True

    def constant(self, classified: Classified) -> bool:
        return False

    def marks(self, classified: Classified | None) -> Mapping[str, Mark]:
        return {}


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
