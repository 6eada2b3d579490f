"""A call that nobody made, to ask the policy about: for tests.yaml, `policy explain` and the lint.

It builds the same values the Line builds, so what is asked here is decided as there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from gateway.core import act
from gateway.core.decide import question
from gateway.core.model import (
    AccessRequest,
    Classified,
    ClientFacts,
    Decision,
    Endpoint,
    Era,
    JsonObject,
    Kind,
    Request,
    Resolved,
    Target,
    Tier,
    WorkloadIdentity,
)
from gateway.core.reverse import Reversal
from gateway.errors import Refused
from gateway.policy.classify import LOCAL
from gateway.policy.snapshot import PolicySnapshot
from gateway.reasons import Reason
from gateway.settings import ITSELF
from gateway.values import Value, field, replace

_METHOD: Final[dict[Kind, tuple[str, str]]] = {
    "tool": ("tools/call", "name"),
    "prompt": ("prompts/get", "name"),
    "resource": ("resources/read", "uri"),
    "template": ("resources/read", "uri"),
}
UNDO: Final = "undo:"
"""In front of an inverse call's name."""
GRANTS: Final = "grants:"
CREATE: Final = f"{GRANTS}create"
DELEGATE: Final = f"{GRANTS}delegate"
ELEVATE: Final = f"{GRANTS}elevate"
_EVERYWHERE: Final = Endpoint("all")


class Asked(Value):
    """Who would call what, with which arguments."""

    agent: str
    target: Target
    arguments: JsonObject = field(default_factory=dict)
    tenant: str = "local"
    intent: str = "general"
    task: str = "none"
    endpoint: Endpoint = _EVERYWHERE
    reversal: Reversal | None = None
    """How the call could be undone. None: as before anybody looked, so conditions on it are open."""
    on_behalf_of: str = ""

    def resolved(self) -> Resolved:
        """As step 4 would have left it."""
        target = self.target
        params: JsonObject = dict(self.arguments)
        method = target.name
        if target.kind in _METHOD:
            method, member = _METHOD[target.kind]
            params = {**params, member: target.name}
            if target.kind in ("tool", "prompt"):
                params = {member: target.name, "arguments": self.arguments}
        return Resolved(self._request(method, params), target, None, params)

    def _request(self, method: str, params: JsonObject) -> Request:
        identity = WorkloadIdentity(
            issuer="asking",
            agent=self.agent,
            tenant=self.tenant,
            task=self.task,
            intent=self.intent,
            tiers=frozenset(Tier),
            token_id="asking",
            expires_at=0,
            on_behalf_of=self.on_behalf_of,
        )
        facts = ClientFacts(protocol_version="")
        return Request(self.endpoint, identity, Era.STATELESS, 0, method, params, facts)


class Reply(Value):
    """What the policy says of it. `classified` is None when the target has no class."""

    decision: Decision
    classified: Classified | None = None


def ask(policy: PolicySnapshot, asked: Asked) -> Reply:
    """Steps 5 and 6 for a call that nobody made; for what is the gateway's own business, as it asks itself."""
    if is_own(asked):
        return Reply(_own(policy, asked))
    try:
        classified = policy.classify(asked.resolved())
    except Refused as no:
        return Reply(Decision(False, no.reason, where=no.where, near_miss=no.detail))
    return Reply(policy.decide(question(classified, asked.reversal)), classified)


def _own(policy: PolicySnapshot, asked: Asked) -> Decision:
    """As grants/counter.py and errands.py ask: of a request for a grant, the rule for its name is not all."""
    name, question = asked.target.name, own_question(policy, asked)
    if name == CREATE:
        why = act.not_theirs(asked.tenant, asked.on_behalf_of, asked.arguments)
        if why:
            return Decision(
                False, Reason.NO_RULE, near_miss=f"{why}: no rule lets an agent do that"
            )
    decision = policy.decide(question)
    if decision.permitted and _elevates(policy, asked):
        decision = policy.decide(replace(question, tool=ELEVATE))
    if decision.obligations and name.startswith((GRANTS, UNDO)):
        why = "there is a duty on it, and nobody can be asked here"
        return replace(decision, permitted=False, reason=Reason.DENIED_BY_RULE, near_miss=why)
    return decision


def _elevates(policy: PolicySnapshot, asked: Asked) -> bool:
    """Is it about a grant with the tier admin in it, named or not?"""
    if asked.target.name not in (CREATE, DELEGATE):
        return False
    tiers, ceiling = asked.arguments.get("tiers"), policy.intents.ceilings.get(asked.intent)
    if isinstance(tiers, list) and tiers:
        return Tier.ADMIN in tiers
    return (
        asked.target.name == CREATE and ceiling is not None and Tier.ADMIN in ceiling.unasked_tiers
    )


def is_own(asked: Asked) -> bool:
    """An operator's inverse call or word, or a request for a grant: none has a line in tiers.yaml."""
    return asked.agent.startswith("operator:") or asked.target.server == ITSELF


def own_question(policy: PolicySnapshot, asked: Asked) -> AccessRequest:
    """As the gateway asks about it: an inverse call takes effect where its server's calls do."""
    target, home = asked.target, LOCAL
    if target.name.startswith(UNDO):
        home = policy.classifier.defaults.get(target.server, LOCAL)
    return act.question(
        asked.agent,
        asked.tenant,
        asked.intent,
        target.server,
        target.policy_name,
        asked.arguments,
        asked.task,
        home,
        asked.on_behalf_of,
    )


@lru_cache(maxsize=1_024)
def endpoint_at(path: str) -> Endpoint:
    """The endpoint at a URL path of the gateway; what operators do comes in at none.

    Raises `ValueError` for any other text."""
    match path.strip("/").split("/"):
        case ["grants"]:
            return Endpoint("grants")
        case ["mcp"] | [""]:
            return _EVERYWHERE
        case ["servers", server, "mcp"]:
            return Endpoint("server", server=server)
        case [tier, "mcp"] if tier in tuple(Tier):
            return Endpoint("tier", Tier(tier))
    raise ValueError(f"{path!r} is not /mcp, /TIER/mcp or /servers/ID/mcp")


def target(server: str, policy_name: str) -> Target:
    """The target behind a name as policy.csv and the journal write it (`git_log`, `prompt:x`)."""
    kind, colon, rest = policy_name.partition(":")
    kinds: dict[str, Kind] = {
        "prompt": "prompt",
        "resource": "resource",
        "template": "template",
        "method": "method",
    }
    if colon and kind in kinds:
        return Target(server, kinds[kind], rest)
    return Target(server, "tool", policy_name)
