"""What a task may do now, and whether anybody has stopped it: steps 3, 7 and 10 of the Line, and its look back at 14.

It puts two questions together that are always asked together. It knows the ports and no store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from functools import partial

from gateway.core import fence
from gateway.core.approval import DUTY, UNSEEN
from gateway.core.credential import Behalf
from gateway.core.fence import Catchable, Caught, Fence
from gateway.core.flow import Passage, closed
from gateway.core.model import Classified, JsonObject, Label, WorkloadIdentity
from gateway.core.over import Ear, always
from gateway.core.record import Claim
from gateway.core.tasks import brings_more
from gateway.errors import Refused
from gateway.grant_ports import Grants
from gateway.line.heeding import Heeding
from gateway.ports import Channel, Fences
from gateway.reasons import Reason
from gateway.values import replace


class Covered(Behalf):
    """Step 7's answer: what a call is made under, and what a fence would catch it by."""

    out: Passage | None = None
    """Its way out, once it is taken; None where it lets nothing out, or a person has let it."""

    @property
    def caught(self) -> Caught:
        """What a fence may stop it by. Most calls meet none, so it is worked out when there is one."""
        return fence.call(self.classified, self.cover)


class Bounds:
    """One for all calls of a gateway. Nothing here waits."""

    def __init__(self, grants: Grants, fences: Fences) -> None:
        self._grants = grants
        self._fences = fences
        self.watching = fences.watching
        """Entered around the forward, with what it is made under: a fence that falls on the call cuts it off."""

    def admit(self, identity: WorkloadIdentity) -> tuple[Fence, ...]:
        """Step 3. Every fence there is now: none of them stops this caller. Raises `Refused` (fenced)."""
        fallen = self._fences.standing()
        if fallen:
            self._fences.check(fence.caller(identity))
        return fallen

    def fallen(self) -> tuple[Fence, ...]:
        """Every fence there is now."""
        return self._fences.standing()

    def cover(
        self, classified: Classified, fallen: tuple[Fence, ...], without: Sequence[str] = ()
    ) -> Covered:
        """Step 7: the policy has permitted the call, and only then may an agent hear more than "no".
        `fallen`: the fences there were at step 3, a moment ago, without a wait in between. `without`: grants that
        have not enough left, as that was found.

        Raises `Refused` (fenced, grant_needed, grant_over, grant_spent, outside_grant), `JournalError`."""
        covered = Covered(classified, self._grants.cover(classified, without))
        if fallen:
            self._fences.check(covered)
        return covered

    def shows(self, classified: Classified) -> bool:
        """Could some call of this class be made now? What a list is decided on, beside the policy."""
        try:
            self._fences.check(fence.listed(classified))
        except Refused:
            return False
        return self._grants.covers_some(classified)

    def towards(self, identity: WorkloadIdentity) -> Sequence[str]:
        """The destinations its grants name: a list looks at each, for others may be outside of them."""
        return self._grants.destinations(identity)

    def standing(self, identity: WorkloadIdentity) -> Hashable:
        """What `shows` rests on for this caller now: another value, perhaps another list. Raises nothing."""
        return (self._fences.standing(), self._grants.in_force(identity))

    def take(
        self, covered: Covered | None, fulfilled: Collection[str]
    ) -> tuple[Covered, tuple[Claim, ...]]:
        """Step 10: what the call takes in the commit of its intent. A person's leave for this very call
        opens the way out for it; what a task is told later needs the way open. Raises `Refused` for a call that
        step 7 never saw."""
        if covered is None:
            raise Refused(Reason.GRANT_NEEDED, "not covered by anything")
        cover, classified = covered.cover, covered.classified
        if not cover.chain and classified.flow is None:
            return covered, ()
        seen = DUTY in fulfilled and UNSEEN not in fulfilled
        approved = seen and not brings_more(classified.resolved.request)
        claims = self._grants.claims(cover, classified, approved)
        for claim in claims:
            if isinstance(claim, Passage) and claim.out is not None:
                covered = replace(covered, out=claim)
        return covered, claims

    def heed(self, out: Passage, channel: Channel) -> Channel:
        """The way back for a call that lets something out: its tool's questions are answered while it may."""
        return Heeding(channel, partial(self._shut, out))

    def _shut(self, out: Passage) -> str:
        own = self._grants.labels(out.own) if out.own else frozenset[Label]()
        return closed(out, self._grants.labels(out.root) | own)

    def after(self, covered: Covered, ear: Ear) -> Ear:
        """What the server says after the call is told while no fence stops that call. It may be kept for long: what
        a fence would catch it by is, and its arguments are not."""
        caught = fence.call(covered.classified, covered.cover)

        def tell(method: str, params: JsonObject, still: Callable[[], bool] = always) -> None:
            if not self.withholds(caught):
                ear.tell(method, params, lambda: still() and not self.withholds(caught))

        return Ear(ear.over, tell)

    def withholds(self, covered: Catchable) -> bool:
        """Step 14: has a fence fallen on it meanwhile? Then nobody gets what came of it."""
        try:
            self._fences.check(covered)
        except Refused:
            return True
        return False
