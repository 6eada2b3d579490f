"""How a call is written down: the journal's record of as much as was known when it was decided or refused.

Pure: arguments arrive already protected; it sees no secret and writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from gateway.core.model import (
    CallRecord,
    Classified,
    Decision,
    JsonObject,
    Obligation,
    Own,
    Request,
    Resolved,
)
from gateway.errors import Where
from gateway.values import replace

Reached: TypeAlias = Request | Resolved | Classified
"""The furthest value a call came to."""


MAX_NAME: Final = 200
"""Characters kept of a name an agent made up."""
_TRACEPARENT: Final = re.compile("00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_OWN: Final = frozenset({"name", "arguments", "_meta"})


def describe(
    call_id: str,
    reached: Reached,
    *,
    arguments: Mapping[str, Any],
    arguments_digest: str,
    policy_version: str,
    beside: Mapping[str, Any] | None = None,
    rule: str = "",
    where: Where | None = None,
    clean: Callable[[str], str] = str,
) -> CallRecord:
    """The record of one call. What is not known is the empty string. `clean`: keeps secrets out of a name."""
    request, resolved, classified = _known(reached)
    identity, entry = request.identity, resolved and resolved.entry
    return CallRecord(
        call_id=call_id,
        agent=identity.agent,
        tenant=identity.tenant,
        task=identity.task,
        intent=identity.intent,
        endpoint=request.endpoint.path,
        method=request.method[:MAX_NAME],
        server=(resolved.target if resolved else request.endpoint).server or "",
        target=clean(resolved.target.policy_name if resolved else asked_for(request)),
        tier=classified.tier.value if classified else "",
        effect=classified.effect.value if classified else "",
        destination=classified.destination if classified else "",
        rule=rule,
        where=str(where) if where else "",
        policy_version=policy_version,
        descriptor=entry.digest if entry else "",
        arguments=arguments,
        arguments_digest=arguments_digest,
        beside=beside or {},
        trace=trace_of(request.params),
        session=request.session or "",
        on_behalf_of=identity.on_behalf_of,
    )


def _known(reached: Reached) -> tuple[Request, Resolved | None, Classified | None]:
    if isinstance(reached, Classified):
        return reached.resolved.request, reached.resolved, reached
    if isinstance(reached, Resolved):
        return reached.request, reached, None
    return reached, None, None


def duty(laid: Obligation) -> str:
    """By which rule, and what it asks for, as policy.csv has it: `O1=hold:60`."""
    return f"{laid.rule}={laid.name}" + f":{laid.seconds}" * bool(laid.seconds)


def with_others(entry: CallRecord, decision: Decision) -> CallRecord:
    """The same, with the rules that had a word beside the deciding one."""
    if not decision.obligations and not decision.shadows:
        return entry
    duties = " ".join(map(duty, decision.obligations))
    shadows = " ".join(shadow.rule for shadow in decision.shadows)
    return replace(entry, duties=duties, shadows=shadows)


def like(
    classified: Classified,
    decision: Decision,
    grant: str,
    policy_version: str,
    clean: Callable[[str], str],
) -> CallRecord:
    """What calls like this one have in common: the record of none, without all that is a call's own."""
    entry = describe(
        "",
        classified,
        arguments={},
        arguments_digest="",
        policy_version=policy_version,
        rule=decision.rule or "",
        where=decision.where,
        clean=clean,
    )
    return replace(with_others(entry, decision), grant=grant, trace="", session="")


def whole(call_id: str, record: CallRecord, own: Own | None) -> CallRecord:
    """One call's record, out of what it has in common with others and its own."""
    if own is None:
        return record
    return replace(
        record,
        call_id=call_id,
        arguments=own.arguments,
        arguments_digest=own.arguments_digest,
        beside=own.beside,
        trace=own.trace,
        session=own.session,
    )


def trace_of(params: JsonObject) -> str:
    """The `traceparent` in `_meta`, of version 00; empty for anything else (MCP: SEP-414)."""
    meta = params.get("_meta")
    if not isinstance(meta, dict) or "traceparent" not in meta:
        return ""
    said = meta["traceparent"]
    return said if isinstance(said, str) and _TRACEPARENT.fullmatch(said) else ""


def asked_for(request: Request) -> str:
    """The name an agent used, when it led nowhere, as far as it is kept."""
    for member in ("name", "uri"):
        name = request.params.get(member)
        if isinstance(name, str):
            return name[:MAX_NAME]
    return ""


def asked_with(request: Request) -> JsonObject:
    """The arguments to write down of a call that came no further."""
    arguments = request.params.get("arguments")
    return arguments if isinstance(arguments, dict) else {}


def beside(resolved: Resolved) -> JsonObject:
    """What policy does not look at and the tool server gets all the same, beside `_meta`."""
    if _OWN.issuperset(resolved.params):
        return {}
    if resolved.request.method not in ("tools/call", "prompts/get"):
        return {}  # their params are their arguments
    return {name: value for name, value in resolved.params.items() if name not in _OWN}
