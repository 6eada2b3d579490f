"""Verified claims become names: who, of which tenant, on which task and for what purpose, as the operator says.

Pure. Exact strings and literal beginnings only; there is no pattern to get wrong. A claim that is not
there, or is no plain word, is a refusal. `act` (RFC 8693): who acts is the agent, `sub` is for whom.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.config.issuers import AGENT, PRINCIPAL, WORD, From, IssuerSettings, Kind
from gateway.identity.profile import Claimed, ClaimError
from gateway.values import Value

MAX_ACTORS: Final = 4
_TASKS: Final[Mapping[Kind, From]] = {
    "kubernetes": From(claim="/kubernetes.io/pod/uid"),
    "github": From(claim="run_id"),
}
_NO_TASK: Final = From(value="standing")
_MISSING: Final = object()


class Reader(Value):
    """How one issuer's claims are read."""

    agent: From
    tenant: From
    task: From
    intent: From
    grant: From
    principal: From | None
    require: Mapping[str, str | int | bool | tuple[str, ...]]
    delegation: bool

    @classmethod
    def of(cls, settings: IssuerSettings, tenant: str) -> Reader:
        """`tenant`: whose agents are where the settings say nothing of it."""
        oauth = settings.kind == "oauth"
        task = From(claim="task") if oauth else _TASKS.get(settings.kind, _NO_TASK)
        return cls(
            agent=settings.naming,
            tenant=settings.tenant or From(value=tenant),
            task=settings.task or task,
            intent=settings.intent or From(value="general"),
            grant=settings.grant or From(claim="grant"),
            principal=settings.principal,
            require=settings.require,
            delegation=settings.delegation,
        )

    def __call__(self, claims: Mapping[str, Any]) -> Claimed:
        """Raises `ClaimError`."""
        for claim, wanted in self.require.items():
            _check(claim, look_up(claims, claim), wanted)
        acting = self._delegated(claims) if "act" in claims else claims
        unnamed = self.grant.claim is not None and look_up(claims, self.grant.claim) is _MISSING
        return Claimed(
            agent=named(self.agent, acting, AGENT),
            tenant=named(self.tenant, claims, WORD),
            task=named(self.task, claims, WORD),
            intent=named(self.intent, claims, WORD),
            grant="" if unnamed else named(self.grant, claims, WORD),
            on_behalf_of=self._principal(claims),
        )

    def _principal(self, claims: Mapping[str, Any]) -> str:
        """For whom; empty for itself alone."""
        if "act" in claims:
            return named(From(claim="sub"), claims, PRINCIPAL)
        if self.principal is None:
            return ""
        own = self.agent.claim is not None and look_up(claims, self.agent.claim)
        said = self.principal.claim is not None and look_up(claims, self.principal.claim)
        return "" if own and own == said else named(self.principal, claims, PRINCIPAL)

    def _delegated(self, claims: Mapping[str, Any]) -> Mapping[str, Any]:
        """Who acts."""
        if not self.delegation:
            raise ClaimError("it is a delegated token, which this issuer's settings do not accept")
        actor = actors(claims)[0]
        if actor.get("iss", claims.get("iss")) != claims.get("iss"):
            raise ClaimError("claim act names an actor of another issuer")
        return actor


def actors(claims: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Everybody in `act`, who acts now first. Those before are told, and decide nothing (RFC 8693, 4.1).
    Raises `ClaimError`."""
    chain: list[Mapping[str, Any]] = []
    actor = claims.get("act")
    while actor is not None:
        if not isinstance(actor, dict) or not isinstance(actor.get("sub"), str):
            raise ClaimError("claim act is malformed")
        chain.append(actor)
        if len(chain) > MAX_ACTORS:
            raise ClaimError(f"claim act names more than {MAX_ACTORS} actors")
        actor = actor.get("act")
    if not chain:
        raise ClaimError("claim act is malformed")
    return chain


def named(way: From, claims: Mapping[str, Any], shape: re.Pattern[str]) -> str:
    """One fact. Raises `ClaimError` naming the claim."""
    name = way.value if way.claim is None else _told(way, look_up(claims, way.claim))
    if name is None or not shape.fullmatch(name):
        raise ClaimError(f"claim {way.claim} is missing, malformed or not listed")
    return name


def _told(way: From, said: Any) -> str | None:
    if not isinstance(said, str):
        return None
    if way.names is not None:
        return way.names.get(said)
    if not said.startswith(way.after):
        return None
    return way.before + said[len(way.after) :]


def look_up(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by a JSON pointer through objects; `_MISSING` when there is none."""
    if not name.startswith("/"):
        return claims.get(name, _MISSING)
    found: Any = claims
    for step in name[1:].split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or key not in found:
            return _MISSING
        found = found[key]
    return found


def _check(claim: str, said: Any, wanted: str | int | bool | tuple[str, ...]) -> None:
    among = wanted if isinstance(wanted, tuple) else (wanted,)
    # By type too: True is 1 to Python, and "1" is not 1 to anybody who pins an id.
    if not any(type(said) is type(each) and said == each for each in among):
        raise ClaimError(f"claim {claim} is not as the settings require")
