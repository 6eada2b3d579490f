"""The seams of grants: where they are kept, what the Line asks of them, and where they are asked for.

It knows the core's values and nothing of any adapter.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal, Protocol

from gateway.core.cover import Cover
from gateway.core.grant import Standing
from gateway.core.model import Answer, Classified, JsonObject, Label, WorkloadIdentity
from gateway.core.record import Claim
from gateway.values import Value, field


class GrantStore(Protocol):
    """Where grants are kept, over all gateway processes of one journal (journals/grants.py). Claims of lines
    (`core.grant.Give`, `End`) give and end them."""

    def epoch(self) -> int:
        """Grows with every grant given or ended, by whatever process. One system call, no more."""
        ...

    def changed(self) -> None:
        """A line that gave or ended a grant is durable: let every process know."""
        ...

    def since(self, rev: int, at: int = -1) -> Sequence[Standing]:
        """All given, used up or ended after `rev`, in order; of those that are over at `at` only the latest change.
        Raises `JournalError`."""
        ...

    def had(self, tenant: str, agent: str, task: str) -> bool:
        """Was this agent's task ever given one, over by now or not? Raises `JournalError`."""
        ...

    def find(self, grant_id: str) -> Standing | None:
        """One grant as it stands now. Raises `JournalError`."""
        ...

    def all(self, at: int = -1) -> Sequence[Standing]:
        """The latest change first: every grant; `at`: that was neither ended nor over then. Raises `JournalError`."""
        ...

    def below(self, grants: Sequence[str]) -> Sequence[str]:
        """These and all that were handed on from them, over by now or not. Raises `JournalError`."""
        ...

    def labels(self, root: str) -> frozenset[Label]:
        """What has been read in a task (`core.flow.root_of`), so far. Raises `JournalError`."""
        ...

    def close(self) -> None: ...


class Grants(Protocol):
    """Steps 7 and 10 of the Line (grants/book.py). Synchronous: nothing awaits between look-up and decision."""

    def cover(self, classified: Classified, without: Sequence[str] = ()) -> Cover:
        """The grants this very call is made under; none where a standing role is enough. `without`: of a task
        with several, those that were found to have not enough left, as they were found.
        Raises `Refused` (grant_needed, grant_over, grant_spent, outside_grant), `JournalError`."""
        ...

    def covers_some(self, classified: Classified) -> bool:
        """Could some call of this class be covered now: what a list is decided on. Never raises `Refused`."""
        ...

    def destinations(self, identity: WorkloadIdentity) -> Sequence[str]:
        """As the grants in force for this caller name them. Never raises `Refused`."""
        ...

    def in_force(self, identity: WorkloadIdentity) -> Hashable:
        """All that `covers_some` rests on for this caller now. Never raises `Refused`."""
        ...

    def claims(self, cover: Cover, classified: Classified, approved: bool) -> tuple[Claim, ...]:
        """What the call takes when its intent is written: budgets, labels. `approved`: a person let this call out."""
        ...

    def labels(self, root: str) -> frozenset[Label]: ...


class GrantAct(Value):
    """One thing that is asked about grants."""

    verb: Literal["create", "delegate", "list", "show", "revoke", "complete"]
    grant: str = ""
    """Which grant; for `delegate` the one that is handed on. Empty for `create` and `list`."""
    said: JsonObject = field(default_factory=dict)
    """The body of the request, as it was sent."""


class GrantDesk(Protocol):
    """Where orchestrators and agents ask for grants (grants/counter.py): decided and on record, as a call is."""

    async def act(self, identity: WorkloadIdentity, act: GrantAct) -> Answer:
        """The grant as it stands afterwards, or `{"grants": [...]}`; an error with its reason. Never raises."""
        ...
