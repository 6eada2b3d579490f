"""The seams: what the Line needs of the world, as small protocols. Each has a conformance suite in tests/conformance.

It knows the core's values and nothing of any adapter.
"""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Mapping,
    Sequence,
)
from typing import Any, Final, Literal, Protocol, TypeVar

from gateway.core.apart import EventRow as EventRow
from gateway.core.approval import Ticket
from gateway.core.credential import Behalf, Credential
from gateway.core.decide import Decided
from gateway.core.fence import Catchable, Fence
from gateway.core.grant import Grant
from gateway.core.model import (
    AccessRequest,
    Answer,
    CallRecord,
    Classified,
    ClientFacts,
    Decision,
    Endpoint,
    Entry,
    Evidence,
    JsonObject,
    Outcome,
    Request,
    Resolved,
    RpcError,
    Tier,
    WorkloadIdentity,
)
from gateway.core.over import Ear
from gateway.core.record import Claim, Line, Permit, Queued, Sealed, State
from gateway.core.resolve import Table
from gateway.core.reverse import Reversal, Settled
from gateway.values import Value

Mark = Literal["sealed", "redacted"]
"""sealed: kept encrypted, for undo and nobody's eyes; redacted: only a salted commitment is kept."""


class Verifier(Protocol):
    """Evidence -> WorkloadIdentity (identity/). One file per kind of proof."""

    def verify(self, evidence: Evidence, now: int) -> WorkloadIdentity:
        """The identity behind the evidence, for `evidence.endpoint` only. `now`: seconds since the epoch.

        Raises `Refused` (no_token, bad_token, unknown_key, issuer_silent, bad_proof, expired_token,
        wrong_audience, insufficient_scope). Synchronous and free of I/O: nothing awaits between a look-up and a
        decision."""
        ...

    def recall(self, evidence: Evidence, now: int) -> WorkloadIdentity | None:
        """What `verify` said of the same evidence before, where it would say so again: everything it rested on is
        still so. None: it is to be asked. Never raises."""
        ...

    async def refreshed(self, evidence: Evidence) -> bool:
        """After `unknown_key` and `issuer_silent`: waits, a little, for a look at the issuer's present keys, or for
        what it says of the token. False: it is too soon for one, so asking again would not help. Never raises."""
        ...


class PolicyView(Protocol):
    """One loaded, checked, immutable version of policies/ (policy/). Swapped whole, never changed."""

    @property
    def version(self) -> str:
        """`sha256:<hex>` over the policy files' exact bytes."""
        ...

    def classify(self, resolved: Resolved) -> Classified:
        """Tier, effect and destination of this very call. Raises `Refused` (unclassified)."""
        ...

    def possible(self, resolved: Resolved, towards: Sequence[str] = ()) -> Sequence[Classified]:
        """Every class a call of this target could have, over all arguments: what a list is decided on. `towards`:
        destinations its caller's grants name, which tell others apart than the policy does.

        A list shows an entry iff `decide` permits one of these with `arguments=None` in a tier that is
        served there. Raises `Refused` (unclassified)."""
        ...

    def decide(self, question: AccessRequest) -> Decision:
        """The PDP. Pure CPU, so not async. Never raises: a failure inside is a deny (decision_failed)."""
        ...

    def reaches(self, identity: WorkloadIdentity, server: str, tiers: Collection[Tier]) -> bool:
        """Does any rule let this caller do anything at a server, in one of these tiers?"""
        ...

    def constant(self, classified: Classified) -> bool:
        """Is every call of this target by this caller classified and decided like this one, whatever its arguments
        and its level? False where that is not certain."""
        ...

    def marks(self, classified: Classified | None) -> Mapping[str, Mark]:
        """JSON pointers (RFC 6901) into the call's arguments that the journal may not keep in clear: the same for
        every call of a target. None, of a call that has no class: whatever is marked anywhere."""
        ...


class Policies(Protocol):
    """Where the current PolicyView is found (policy/live.py). A bad new version never replaces a good one."""

    @property
    def current(self) -> PolicyView: ...


class Pending(Protocol):
    """A line on its way to the disk."""

    @property
    def line(self) -> Queued: ...

    def hurry(self) -> None:
        """Somebody will wait for it: it goes to the disk now."""
        ...

    def sealed(self) -> Awaitable[Sealed]:
        """Ends when the line is durable. Raises `JournalError` if it cannot be, `Refused` if a claim did not hold."""
        ...


class Journal(Protocol):
    """The append-only record of calls (journals/). Adapters: sqlite, memory."""

    @property
    def sound(self) -> bool:
        """False from a failure to write until lines are sealed again. While it is false nothing may be
        forwarded on the strength of a line that is only queued."""
        ...

    def append(self, line: Line) -> Pending:
        """Queue one line; lines are sealed in the order of these calls: at once when somebody waits for
        one of them or a later one, else a few milliseconds later; a later line of a call never without the
        earlier ones. Raises `JournalError` at once when it is known to be unable to write. Never blocks."""
        ...

    async def recover(self) -> Sequence[str]:
        """At start: settle every intent whose gateway process is gone as in_doubt. Returns their call ids."""
        ...

    async def aclose(self) -> None:
        """Seal what is queued, then close."""
        ...


class CallRow(Value):
    """One call as the journal's projection has it. Times: microseconds since the epoch."""

    record: CallRecord
    state: State
    created_at: int
    settled_at: int | None
    outcome: Mapping[str, Any]
    """Body of the latest settling line ({} while intent): outcome kind, result digest, reason, ..."""


class CallFilter(Value):
    """Which calls: every given field must match. `since`: begun then or later; `until_after`: under way then, or begun
    later. In microseconds."""

    agent: str | None = None
    server: str | None = None
    state: State | None = None
    tier: str | None = None
    task: str | None = None
    since: int | None = None
    grant: str | None = None
    tenant: str | None = None
    until_after: int | None = None

    def fits(self, row: CallRow) -> bool:
        """True when the row has every given field."""
        wanted = (
            (self.agent, row.record.agent),
            (self.server, row.record.server),
            (self.state, row.state),
            (self.tier, row.record.tier),
            (self.task, row.record.task),
            (self.grant, row.record.grant),
            (self.tenant, row.record.tenant),
        )
        if any(value is not None and value != found for value, found in wanted):
            return False
        after, ended = self.until_after, row.settled_at
        if after is not None and ended is not None and ended < after:
            return False
        return self.since is None or row.created_at >= self.since


MIN_PREFIX: Final = 6
"""Characters of an id that name it where they are only its: for people."""


class JournalReader(Protocol):
    """Reading side of the same store, for people and tools; opens read-only, also while a gateway writes."""

    def calls(self, where: CallFilter, limit: int) -> Sequence[CallRow]:
        """Newest first."""
        ...

    def call(self, call_id: str) -> CallRow | None:
        """One call; a unique prefix of at least `MIN_PREFIX` characters will do."""
        ...

    def events(self, after: int, limit: int) -> Sequence[EventRow]:
        """Lines with seq > after, oldest first, payloads unopened: a cursor that misses nothing."""
        ...

    def lines(self, call_id: str) -> Sequence[EventRow]:
        """All lines of one call (its whole id), oldest first, with their payloads."""
        ...


class Remembered(Protocol):
    """What all gateway processes must know that one learned (journals/remembered.py). The oldest is forgotten."""

    def note(self, kind: str, owner: str, facts: Mapping[str, JsonObject]) -> None:
        """Keep these facts by name, after the earlier ones of the name. Never fails; whoever waits for a
        journal line appended later has waited for it, too."""
        ...

    async def written(self) -> None:
        """Returns when all noted so far can be found, or cannot be kept."""
        ...

    async def find(self, kind: str, owner: str, name: str) -> Sequence[JsonObject]:
        """The facts of that name, oldest first."""
        ...


class Protector(Protocol):
    """What keeps secrets out of the journal (journals/protect.py)."""

    def protect(self, arguments: JsonObject, marks: Mapping[str, Mark]) -> tuple[JsonObject, str]:
        """The arguments as the journal may keep them, and a keyed digest of the originals where they differ."""
        ...

    def digest(self, value: JsonObject) -> str:
        """What tells it from every other value, whether or not it is kept."""
        ...

    def protect_text(self, text: str) -> str:
        """A detail line with well-known secret shapes replaced."""
        ...

    def seal(self, value: Any) -> JsonObject:
        """`{"sealed": ...}`: any JSON value, kept whole for undo and nobody's eyes.

        Raises `ValueError` when it is too large to be kept."""
        ...

    def unseal(self, kept: Mapping[str, Any]) -> Any:
        """The value behind `{"sealed": ...}`. Raises `ValueError` for what was not sealed here."""
        ...

    def restore(self, kept: Any, redacted: Any = None) -> Any:
        """Arguments as they were. `redacted` stands for each value that was marked so; without it, and for
        what was too large to be kept, that raises `ValueError`."""
        ...

    def keeps(self, arguments: JsonObject) -> bool:
        """Would `restore` give these back, were nothing of them marked? False: they are too large."""
        ...


class Watching(Protocol):
    """A call under way, entered around its forward as `asyncio.timeout` is. Where a fence fell on it, leaving it
    raises nothing, and there is no outcome."""

    def __enter__(self) -> Any: ...

    def __exit__(self, *raised: Any) -> bool: ...


class Fences(Protocol):
    """Step 3 of the Line, and its second look at step 14 (fences/live.py). Synchronous."""

    def check(self, caught: Catchable) -> None:
        """Raises `Refused` (fenced), by fences set a moment ago, by whatever process, too."""
        ...

    def standing(self) -> tuple[Fence, ...]:
        """Every fence there is now."""
        ...

    def watching(self, caught: Catchable) -> Watching:
        """One call that is about to be forwarded."""
        ...


class Prepared(Protocol):
    """A write that may be forwarded: what it would overwrite is leased and captured."""

    @property
    def reversal(self) -> Reversal: ...

    @property
    def body(self) -> JsonObject:
        """What the intent's line says of it; what must not be seen is sealed."""
        ...

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What it takes in the commit of that line. If one does not hold, it is prepared anew."""
        ...

    @property
    def looks(self) -> bool:
        """Is the world looked at again when it is answered? That takes time."""
        ...


P = TypeVar("P", bound=Prepared)


class Reverser(Protocol[P]):
    """Step 9 of the Line and its part of step 14 (undo/reverser.py). Asked for writes only."""

    async def prepare(self, call_id: str, classified: Classified, secret: bool) -> P:
        """Leases, pre-image, level. A pack that fails lowers the level; it never guesses.

        `secret`: the journal may not keep all arguments in clear; then nothing made of them either.

        Raises `Refused` (overloaded: a resource is not free), `JournalError`."""
        ...

    def at_once(self, call_id: str, classified: Classified, secret: bool) -> P | None:
        """The same of a write of which nothing has to be read first, and whose resources are free: no time passes, and
        it has them with its intent. None where that cannot be."""
        ...

    async def settle(self, prepared: P, outcome: Outcome) -> Settled:
        """Post-image and what it says of the outcome. Raises nothing but cancellation."""
        ...

    def body(self, prepared: P, settled: Settled) -> JsonObject:
        """What the outcome's line says of it. Never raises."""
        ...

    def release(self, call_id: str) -> None:
        """The end of the call, whatever way it went. Leases of a call in doubt are kept until its
        server has had time to come to an end with it."""
        ...


class Purpose(Value):
    """Why the gateway calls by itself: written with the call, so that nobody takes it for an agent's."""

    operator: str
    """`operator:<name>` of who asked for it."""
    task: str
    """The undo it is a step of."""
    body: JsonObject
    """What the intent's line says of it: `{"undo_of": <call id>, "step": 1}`."""
    claims: tuple[Claim, ...] = ()
    """What its intent stands or falls with."""


class Errands(Protocol):
    """Inverse calls the gateway makes by itself (errands.py): each with its own lines, forwarded at most once."""

    async def act(
        self, server: str, tool: str, arguments: JsonObject, purpose: Purpose
    ) -> tuple[str, Outcome, Pending]:
        """One inverse call: its call id, its outcome, and the line of that. The policy is asked as
        `purpose.operator`, tier admin, tool `undo:<tool>`; its intent is durable before the forward.

        Raises `Refused` (recorded; or a claim that did not hold: overloaded) and `JournalError`."""
        ...

    def permitted(self, server: str, tool: str, arguments: JsonObject, operator: str) -> Decision:
        """What the policy would say of an inverse call, now. Nothing is written."""
        ...


class Tickets(Protocol):
    """What persons are asked for, over all gateway processes of one journal (journals/tickets.py).
    Claims of lines decide them and use them up (`core.approval`)."""

    async def ask(self, ticket: Ticket) -> Ticket:
        """The ticket that speaks for this question: an earlier one, or this, durable on return.

        Raises `Refused` (overloaded), `JournalError`."""
        ...

    async def find(self, name: str) -> Ticket | None:
        """One ticket by its id, or a prefix of at least `MIN_PREFIX` characters. Raises `JournalError`."""
        ...

    async def since(self, at: int) -> Sequence[Ticket]:
        """All made since `at` (microseconds), newest first. Raises `JournalError`."""
        ...


class Approvals(Protocol):
    """The duty `approve` (approvals/asking.py)."""

    async def leave(
        self,
        call_id: str,
        decided: Decided,
        reversal: Reversal | None,
        marks: Mapping[str, Mark],
        grant: Grant | None,
    ) -> Claim:
        """What the call's first line uses up: the leave a person gave for this very call.

        Raises `Refused` (approval_needed, approval_denied: it names the ticket; overloaded),
        `JournalError`."""
        ...


class Events(Protocol):
    """Where transmitters tell of security events (fences/receiving.py)."""

    async def take(self, text: str) -> None:
        """One security event token. Who it names is stopped, durably, on return.

        Raises `Refused` (bad_token, unknown_key, wrong_audience; recorded), `JournalError`."""
        ...


class Channel(Protocol):
    """The way back to the agent while one request of its is open (wire/agents).

    One that can send its agent away to come back has a `pause()`; one that takes results in pieces an `outlet`."""

    async def notify(self, method: str, params: JsonObject) -> None:
        """A notification on that request's own stream, before its answer. Dropped if the agent is gone."""
        ...

    async def ask(self, method: str, params: JsonObject) -> Answer:
        """A request to the agent's client (sampling, elicitation, roots) and its answer.

        An agent that cannot be asked on this wire answers with a JSON-RPC error (-32601)."""
        ...


class Outlet(Protocol):
    """Where the members of a large result go while it is still coming: the `outlet` of a channel that has one.

    Its end is withheld until the call's outcome is durable; where that is not "ok", the agent sees a
    body that breaks off."""

    async def begin(self) -> bool:
        """Before the first piece. False: the result must be read whole."""
        ...

    async def write(self, *pieces: bytes) -> None:
        """The next bytes. Returns when there is room for more; dropped if nobody reads any longer."""
        ...

    def add(self, pieces: Sequence[bytes]) -> bool:
        """The same, where nothing has to be waited for. False: nothing of them is taken."""
        ...


class Outbound(Value):
    """One message for a tool server. Carries nothing of the agent's credentials."""

    method: str
    params: JsonObject
    client: ClientFacts
    principal: str
    """Who it is done for, to key sessions by; never sent."""
    extra_headers: tuple[tuple[str, str], ...] = ()
    outlet: Outlet | None = None
    """Where a large result may go in pieces. None: only the whole is of use."""
    session: str = ""
    """The agent's session at the gateway, if it has one; never sent."""
    behalf: Behalf | None = None
    """Who it is done for, to choose a credential by; None: for the gateway itself. Never sent."""
    credential: Credential | None = None
    """The gateway's own, for this very server, tier and grant."""
    ear: Ear | None = None
    """Of that session."""
    exact: bool = False
    """The outcome is to say whether a number in it was `rounded`."""


class ToolServer(Protocol):
    """One tool server (wire/servers). Adapters: stdio, http; either protocol era inside."""

    async def call(self, permit: Permit, message: Outbound, channel: Channel) -> Outcome:
        """Forward at most once. Never raises for what the server did: a dead, slow or lying server is an
        `Outcome` naming the server. Cancelling the caller's task cancels the call at the server."""
        ...

    async def fetch(self, method: str, params: JsonObject) -> JsonObject:
        """A list (`*/list`) by the gateway's own identity: raw result. `server/discover` has it greeted, if need
        be, and gives what it says of itself then, as `describe`.

        Raises `ServerUnavailable`."""
        ...

    def changes(self) -> AsyncIterator[str]:
        """Yields each `notifications/*/list_changed`, "restarted" after a new connection, "new process" before one."""
        ...

    def describe(self) -> JsonObject:
        """What is known of it now, as plain JSON: transport, state, era, protocol_version, server_info,
        capabilities, instructions, last_error. What the server has not said is None.

        Of a process of ours: `pid` while it answers, and `process`, the last one that was started: its `pid`,
        and whether it is `over`, with all it started."""
        ...

    async def fence(self) -> bool:
        """Stop whatever earlier calls may still be doing. True: nothing of them can take effect any
        more (its process was ended); False: that cannot be done from here, only waited for."""
        ...

    async def aclose(self) -> None:
        """End it: whole process tree, or all connections."""
        ...


Told = Callable[[str, JsonObject], None]
Updated = Callable[[str, JsonObject, str], None]
"""Get the method and the params of a notification; and whose session alone it is for, if not "". They must not wait."""
Watch = tuple[Literal["resource", "task"], str]
"""One thing to be told about: a resource by the server's own URI, or a task by its id."""


class Watched(Protocol):
    """What is watched at one tool server (wire/servers), counted over all agents."""

    async def acquire(self, watch: Watch) -> RpcError | None:
        """Have the server tell of this, once more; its error when it will not."""

    def release(self, watch: Watch, session: str = "") -> None:
        """One `acquire` less. With the last one the server is told. `session`: whose `resources/subscribe` it was."""

    def tells(self, watch: Watch, session: str) -> bool:
        """Whether the server tells this session by itself, which then need not hear what it tells everybody."""

    def on_update(self, told: Updated) -> None:
        """Have `told` called with each update of a resource or a task, by the server's own URIs and ids."""


class WatchedServer(ToolServer, Protocol):
    """A tool server whose resources and tasks can be watched."""

    @property
    def watches(self) -> Watched: ...


class ServerUnavailable(Exception):
    """A catalogue read could not be answered. The message names the server and says what happened."""

    def __init__(self, message: str, error: RpcError | None = None) -> None:
        super().__init__(message)
        self.error = error
        """The server's JSON-RPC error when it was reached and said no (-32601: it has no such list)."""


class Catalogue(Protocol):
    """What there is to reach (catalogue/): one immutable table at a time, swapped whole."""

    @property
    def current(self) -> Table: ...

    @property
    def unseen(self) -> Collection[str]:
        """Servers that are shown as they were the last time, and were not looked at since the start."""
        ...

    async def seen(self, server: str) -> None:
        """Returns when that look is over. Raises `Refused` (server_unavailable) when it takes too long."""
        ...


class About(Value):
    """What an endpoint says of itself in `initialize` and `server/discover`."""

    server_info: JsonObject
    capabilities: JsonObject
    instructions: str | None = None


class Shelves(Protocol):
    """The catalogue as agents see it (catalogue/lists.py)."""

    def about(self, endpoint: Endpoint) -> About:
        """Name, capabilities and instructions of what stands behind an endpoint."""
        ...

    def list(self, request: Request, visible: Callable[[Entry], bool]) -> Answer:
        """The answer to one of the four list methods, with only the visible entries."""
        ...


class Following(Protocol):
    """What one agent is told unasked: by one `subscriptions/listen`, or in one session."""

    async def subscribe(self, request: Request, channel: Channel) -> Answer:
        """A `resources/subscribe` (or `tasks/get`, for a task to be told about), decided and recorded."""
        ...

    def unsubscribe(self, request: Request) -> Answer:
        """A `resources/unsubscribe`. Stopping needs no leave."""
        ...

    def renew(self, identity: WorkloadIdentity) -> None:
        """The caller came with a newer token: what it is told is decided on that one from here on."""
        ...

    def close(self) -> None:
        """Nobody listens any more."""
        ...


MayHave = Callable[[WorkloadIdentity], bool]
"""Asked when an agent comes back: may it still have what was kept? Not if a fence fell on it, or on the call, since."""


class Gate(Protocol):
    """What stands behind every agent-facing wire (gate/front.py). A wire knows this and nothing else of the house."""

    def recalled(self, evidence: Evidence) -> WorkloadIdentity | None:
        """Step 2 for a caller that was identified by the same before, and still is. None: `identify` it."""
        ...

    async def identify(self, evidence: Evidence) -> WorkloadIdentity:
        """Step 2. Raises `Refused` (401, 403). Waits, a little, only for a token's key that is nowhere in memory."""
        ...

    async def met(self, endpoint: Endpoint, identity: WorkloadIdentity) -> None:
        """Returns when this endpoint's server is known, or cannot be had: a client keeps what it hears first."""
        ...

    def about(self, endpoint: Endpoint, identity: WorkloadIdentity) -> About:
        """What this caller may know of this endpoint."""
        ...

    def left(self, identity: WorkloadIdentity) -> int:
        """Seconds for which this caller's token is still good, by the clock that tokens are judged by."""
        ...

    def keeps(self, request: Request) -> MayHave:
        """What comes of a request is about to be kept for an agent that may come back for it."""
        ...

    def follow(self, request: Request, kinds: frozenset[str], told: Told) -> Following:
        """Have this caller told when its own view of the lists in `kinds` has changed, and of what it subscribes to."""
        ...

    async def answer(self, request: Request, channel: Channel) -> Answer:
        """Any JSON-RPC request but the wire's own (initialize, ping, server/discover). Never raises."""
        ...
