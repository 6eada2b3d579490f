"""The vocabulary: every value that travels the Line, frozen, in the order a call meets it.

Read this file first. It knows nothing of HTTP, SQLite, Casbin or time.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, Literal

from gateway.core.frame import Frame
from gateway.core.over import Ear
from gateway.errors import Where
from gateway.reasons import Reason
from gateway.values import Value, field

JsonObject = dict[str, Any]
"""A JSON object as parsed once, strictly, by the wire. Never mutated after that."""
RequestId = str | int


class Tier(StrEnum):
    """The segment a call belongs to. Exactly one; unclassified means unreachable."""

    DATA = "data"
    TOOL = "tool"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Position for "may only be raised": data < tool < admin."""
        return _TIER_RANK[self]


_TIER_RANK: Final = {Tier.DATA: 0, Tier.TOOL: 1, Tier.ADMIN: 2}


class Effect(StrEnum):
    """What a call does to the world."""

    READ = "read"
    WRITE = "write"
    DESTROY = "destroy"

    @property
    def rank(self) -> int:
        """Position for "may only be raised": read < write < destroy."""
        return _EFFECT_RANK[self]


_EFFECT_RANK: Final = {Effect.READ: 0, Effect.WRITE: 1, Effect.DESTROY: 2}


class Era(StrEnum):
    """The two state machines of MCP: handshake sessions up to 2025-11-25, stateless from 2026-07-28."""

    SESSIONS = "sessions"
    STATELESS = "stateless"


class Endpoint(Value, dict=True):
    """One address agents can reach. Its own OAuth resource (audience).

    `all` is /mcp, `tier` is /{tier}/mcp, `server` is /servers/{server}/mcp. The admin tier is
    reachable at its own endpoint and nowhere else. `grants` is /grants: no MCP, but where grants are
    asked for; `events` is /ssf/events, where transmitters tell of security events."""

    kind: Literal["all", "tier", "server", "grants", "events"]
    tier: Tier | None = None
    server: str | None = None

    @cached_property
    def tiers(self) -> frozenset[Tier]:
        """The tiers a call may have when it comes in here."""
        if self.kind == "tier" and self.tier is not None:
            return frozenset({self.tier})
        return frozenset({Tier.DATA, Tier.TOOL})

    @cached_property
    def path(self) -> str:
        """The URL path, without host."""
        if self.kind == "server":
            return f"/servers/{self.server}/mcp"
        fixed = {"all": "/mcp", "grants": "/grants", "events": "/ssf/events"}
        return fixed.get(self.kind) or f"/{self.tier}/mcp"


# Step 2: who is calling.


class Evidence(Value):
    """What an edge saw of the caller. Unbelieved (RATS, RFC 9334)."""

    authorization: tuple[str, ...]
    """Every Authorization header value, in order: exactly one is acceptable."""
    endpoint: Endpoint
    proofs: tuple[str, ...] = ()
    """Every DPoP header value."""
    method: str = ""
    """Of the HTTP request; empty where there is none."""
    path: str = ""
    """The same; the endpoint's, or one below it."""
    certificate: bytes = b""
    """The client's, in DER, as the TLS handshake verified it against the configured authorities."""


class WorkloadIdentity(Value, dict=True):
    """Who the caller is, verified for one endpoint."""

    issuer: str
    agent: str
    """Always with its kind in front, `agent:<name>`, so that it can never equal a role."""
    tenant: str
    task: str
    intent: str
    """Bound by whoever minted the token; an agent cannot name it per call."""
    tiers: frozenset[Tier]
    token_id: str
    expires_at: int
    """From when on nobody is believed by this proof. Seconds since the epoch, what two clocks may differ included."""
    grant: str = ""
    """The grant the token names; empty: those of its agent and task are looked up."""
    on_behalf_of: str = ""
    """The principal it acts for, as a delegated token says (RFC 8693); empty: for nobody but itself."""

    @cached_property
    def owner(self) -> str:
        """Whose its tasks and sessions are: the agent's, under issuer and tenant, for its principal, by any token."""
        who = f"{self.issuer} {self.tenant} {self.agent}"
        return f"{who} for {self.on_behalf_of}" if self.on_behalf_of else who


class ClientFacts(Value):
    """What the agent's MCP client says of itself. Forwarded, never believed, never a policy subject."""

    protocol_version: str
    capabilities: JsonObject = field(default_factory=dict)
    info: JsonObject | None = None
    log_level: str | None = None
    """The least severe log message it asked to hear; None: it did not say."""
    roots_at: float = 0.0
    """When it last said that its roots changed, by the loop's clock; 0: never."""
    said_in: JsonObject | None = None
    """The `_meta` that says all this, to the letter as a server of its own era is to be told; None: none does."""


class Request(Value):
    """One JSON-RPC request of an identified agent, parsed strictly. What was parsed is what is forwarded."""

    endpoint: Endpoint
    identity: WorkloadIdentity
    era: Era
    id: RequestId
    method: str
    params: JsonObject
    client: ClientFacts
    session: str | None = None
    """The gateway's session id (sessions era only); `ear` is its."""
    extra_headers: tuple[tuple[str, str], ...] = ()
    """`Mcp-Param-*` headers no schema of ours declares: forwarded and otherwise ignored (2026-07-28)."""
    ear: Ear | None = None
    frame: Frame | None = None
    """Whoever changes its params leaves it out."""


# Steps 4 and 5: what is being asked for.

Kind = Literal["tool", "prompt", "resource", "template", "method", "about"]
"""`about`: what a server says of itself. Approved like the others, and never called."""


class Target(Value):
    """One thing of one tool server, by the server's own name for it."""

    server: str
    kind: Kind
    name: str
    """Tool or prompt name, resource URI, URI template, or (kind `method`) a JSON-RPC method."""

    @property
    def policy_name(self) -> str:
        """The name in the `tool` column of policy.csv: bare for tools, `prompt:x`, `resource:uri`, ..."""
        return self.name if self.kind == "tool" else f"{self.kind}:{self.name}"


class Entry(Value):
    """A catalogue entry: an approved descriptor under its public name."""

    target: Target
    public_name: str
    descriptor: JsonObject
    """The approved text, raw, every field: what an agent is shown (under its public name)."""
    digest: str
    """`sha256:<hex>` of the canonical descriptor, as approved."""


class ItsSelf(Value):
    """What a server says of itself, as far as agents may hear it."""

    info: JsonObject | None
    """`serverInfo`; None when it gave no name that can be shown."""
    capabilities: JsonObject
    instructions: str | None


class Resolved(Value):
    """Step 4's answer: the target, and the params as the tool server must get them."""

    request: Request
    target: Target
    entry: Entry | None
    """None for targets that have no descriptor (vendor methods, unlisted resources)."""
    params: JsonObject
    decided_on: JsonObject | None = None
    """The arguments of the call that made the task this one is about, which it is decided on; None: about none."""
    decided_level: tuple[str, str] | None = None
    """Level and guard of that call; None where there was none, or they were not known."""

    @property
    def arguments(self) -> JsonObject:
        """The arguments policy may look at: those of a call or a prompt, else the params without `_meta`."""
        if self.decided_on is not None:
            return self.decided_on
        if self.request.method in ("tools/call", "prompts/get"):
            return said if isinstance(said := self.params.get("arguments"), dict) else {}
        return {name: value for name, value in self.params.items() if name != "_meta"}


Label = Literal["private", "untrusted"]
"""private: not everybody may know it. untrusted: anybody may have written it."""
FlowMode = Literal["lax", "strict"]
"""lax: no way out once both were read. strict: none once either was."""


class Flow(Value):
    """What a call reads, and whether it lets something out."""

    reads: frozenset[Label]
    egress: bool
    mode: FlowMode


class Classified(Value):
    """Step 5's answer: the one tier, the effect and the destination of this call, and the line that said so."""

    resolved: Resolved
    tier: Tier
    effect: Effect
    destination: str
    where: Where
    flow: Flow | None = None
    """What it reads and whether it lets something out; None where no flow is controlled."""


# Steps 6 and 7: may it.


class AccessRequest(Value):
    """The question to the PDP. Every string non-empty. Shapes as AuthZEN: subject, resource, action, context."""

    subject: str
    tenant: str
    intent: str
    tier: Tier
    server: str
    tool: str
    """`Target.policy_name`."""
    destination: str
    effect: Effect
    arguments: JsonObject | None
    """None asks "could some call be allowed?" (a list): conditions on arguments are then open."""
    task: str = ""
    level: str | None = None
    """How far this call can be undone (`core.reverse.Level`). None: not known yet; rules on it are open until it is."""
    guard: str | None = None
    """What protects a later writer from its undo; known when the level is."""
    on_behalf_of: str = ""


class Obligation(Value):
    """A duty attached to a permit, by the rule that demands it. One that is not fulfilled is a deny."""

    name: Literal["approve", "hold"]
    rule: str
    where: Where
    seconds: int = 0
    """How long a call is held; 0 where time plays no part."""


class Shadow(Value):
    """A rule that is tried out: it would deny this call, and does not."""

    rule: str
    where: Where


class Decision(Value):
    """The answer, always with its reason."""

    permitted: bool
    reason: Reason
    rule: str | None = None
    """The id of the deciding rule (P010, D900); None on default deny."""
    where: Where | None = None
    near_miss: str = ""
    """For the operator only: the closest rule and what it failed on."""
    obligations: tuple[Obligation, ...] = ()
    shadows: tuple[Shadow, ...] = ()
    """Rules on trial that would have denied what is permitted. They change nothing."""


# Steps 11 to 14: what is written, what came back.


class CallRecord(Value):
    """What the journal keeps of a call from its first line on. Arguments are already protected."""

    call_id: str
    agent: str
    tenant: str
    task: str
    intent: str
    endpoint: str
    method: str
    server: str
    target: str
    tier: str
    effect: str
    destination: str
    rule: str
    where: str
    policy_version: str
    descriptor: str
    """Digest of the pinned descriptor the call was decided on; empty when there is none."""
    arguments: Mapping[str, Any]
    """Protected: sealed, redacted or detected values are already replaced (see journals/protect.py)."""
    arguments_digest: str
    """Of the originals. Empty on its way to the journal where they are kept as they came: who reads them makes it."""
    beside: Mapping[str, Any] = field(default_factory=dict)
    """What else was forwarded of a call's params (`inputResponses`, a vendor's members), protected."""
    grant: str = ""
    """The grant it was made under; empty when a standing role was enough."""
    trace: str = ""
    """The agent's `traceparent` (W3C Trace Context); empty when it sent none that can be read."""
    session: str = ""
    """The gateway's session it came in (sessions era); empty when there was none."""
    duties: str = ""
    """The duties laid on it, by which rule each, joined by blanks: `O1=approve O2=hold:60`."""
    shadows: str = ""
    """Ids of the rules on trial that would have denied it, joined by blanks."""
    on_behalf_of: str = ""
    """As in `WorkloadIdentity`."""


class Own(Value):
    """What of a call's record is its own, where all else is that of others like it. Members as in `CallRecord`."""

    arguments: JsonObject
    arguments_digest: str
    beside: JsonObject
    trace: str
    session: str


OutcomeKind = Literal["ok", "tool_error", "rejected", "in_doubt"]


class RpcError(Value):
    """A JSON-RPC error object, raw: every member passes through verbatim."""

    code: int
    message: str
    data: Any = None
    has_data: bool = False
    more: JsonObject | None = None
    """Members no specification names."""

    def as_json(self) -> JsonObject:
        """The `error` member as it goes on the wire."""
        body: JsonObject = {**(self.more or {}), "code": self.code, "message": self.message}
        if self.has_data:
            body["data"] = self.data
        return body


class Outcome(Value):
    """What the tool server did with one forwarded call. A value, never an exception.

    ok          a result
    tool_error  a result with isError true
    rejected    a JSON-RPC error: `error`; with `detail` it is our own, and says why nothing was forwarded
    in_doubt    forwarded, result unknown (timeout, broken stream, dead server): `detail` says why"""

    kind: OutcomeKind
    result: JsonObject | None = None
    error: RpcError | None = None
    detail: str = ""
    carried: bool = False
    """The larger members of the result have gone to the agent already (`ports.Outlet`); `result` is the rest."""
    credential: str = ""
    """The lease of the credential it was forwarded with; empty when its server needs none."""
    pid: int | None = None
    """Of a call in doubt: the process of ours that has it, where that is the one its server is described by."""
    rounded: bool = False
    """A number of the result is not the one that stood there, for no double is. Said only where it is asked."""
    turned_away: bool = False
    """It was sent. That nothing was done is the server's word, by a status of HTTP."""


class Answer(Value):
    """What goes back to the agent for one request: a result or an error, never both."""

    result: JsonObject | None = None
    error: RpcError | None = None
    http_status: int = 200
    """For the stateless era; the sessions era carries errors in 200."""
    carried: bool = False
    """As in `Outcome`: what is left to write is `result` and the end."""
    ticket: str = ""
    """What the call waits for a person with."""
    lasting: bool = False
    """The very same result is given again to who asks again: what is made of it may be kept."""
    call_id: str = ""
    """Of a call that was forwarded, with its result."""
