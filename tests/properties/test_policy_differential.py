"""The PDP against twenty lines that share nothing with it: not the index, not Casbin, not the matchers."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from gateway.core.model import AccessRequest, Effect, Tier
from tests.policy.written import loaded

SERVERS: Final = ("git", "time", "web")
TOOLS: Final = ("get_a", "get_b", "put_a", "put_b", "drop", "prompt:get_a")
PATTERNS: Final = (*TOOLS, "get_*", "put_*|drop", "*", "get_a|put_a", "prompt:*")
AGENTS: Final = ("agent:a", "agent:b", "agent:c")
ROLES: Final = ("role:x", "role:y", "role:z")
TENANTS: Final = ("one", "two")
INTENTS: Final = ("general", "triage")
HOSTS: Final = ("local", "a.example", "b.example", "c.a.example")
HOST_PATTERNS: Final = ("*", "*", "*.example", "local|a.example", "local", "*.a.example")
WHENS: Final = ("-", "-", "-", "short", "rude", "short&rude")
ARGUMENTS: Final[tuple[dict[str, object], ...]] = (
    {},
    {"m": "no"},
    {"m": "yes"},
    {"m": "long"},
    {"m": 1},
)
CONSTRAINTS: Final = (
    "conditions:\n"
    "  short: {arguments: {m: {maxLength: 3}}}\n"
    "  rude: {arguments: {m: {enum: [no, long]}}}\n"
)
TIERS: Final = "servers:\n" + "".join(
    f"  {s}: {{tools: {{'*': {{tier: data, effect: read}}}}}}\n" for s in SERVERS
)

Fields = tuple[str, ...]
POLICIES: Final = 40
REQUESTS: Final = 250


def expected(
    rules: list[Fields], members: set[Fields], asked: AccessRequest
) -> tuple[str | None, list[str]]:
    """The deciding rule by the words of docs/reference/policy.md, None if none decides; and which rules on
    trial would have denied what it permits."""

    def name(pattern: str) -> bool:
        return any(
            asked.tool == p or (p[-1] == "*" and asked.tool[: len(p) - 1] == p[:-1])
            for p in pattern.split("|")
        )

    def host(pattern: str) -> bool:
        return pattern == "*" or any(
            asked.destination == p or (p[0] == "*" and asked.destination[-len(p) + 1 :] == p[1:])
            for p in pattern.split("|")
        )

    m = (asked.arguments or {}).get("m")
    told = {"short": len(m) <= 3, "rude": m in ("no", "long")} if isinstance(m, str) else {}
    found: dict[str, list[str]] = {"deny": [], "allow": [], "would-deny": []}
    for effect, matched in found.items():
        for rule, tier, server, tool, role, tenant, intent, where, when, does in rules:
            words = (tier, asked.tier), (server, asked.server), (tenant, asked.tenant)
            if (
                does == effect
                and all(w in ("*", a) for w, a in (*words, (intent, asked.intent)))
                and (role == "*" or (asked.subject, role, asked.tenant) in members)
                and name(tool)
                and host(where)
                and all(w == "-" or told.get(w, effect != "allow") for w in when.split("&"))
            ):
                matched.append(rule)
    decides = next(iter([*found["deny"], *found["allow"]]), None)
    return decides, found["would-deny"] if (decides or "")[:1] == "P" else []


def a_policy(dice: random.Random) -> tuple[list[Fields], set[Fields]]:
    """A policy biased towards allows; every role is given and used, as the reader demands."""
    members: set[Fields] = {
        (a, r, t) for a in AGENTS for r in ROLES for t in TENANTS if dice.random() < 0.7
    }
    members |= {(AGENTS[0], role, TENANTS[0]) for role in ROLES}
    rules: list[Fields] = []
    for number in range(dice.randint(8, 40)):
        role = ROLES[number] if number < len(ROLES) else dice.choice(ROLES)
        cells = (dice.choice(tuple(Tier)), dice.choice(SERVERS), dice.choice(PATTERNS), role)
        about = (dice.choice(TENANTS), dice.choice(INTENTS), dice.choice(HOST_PATTERNS))
        rules.append((f"P{number}", *cells, *about, dice.choice(WHENS), "allow"))
    words = ["deny"] * dice.randint(0, 3) + ["would-deny"] * dice.randint(2, 6)
    for number, word in enumerate(words):
        fields = [
            value if dice.random() < 0.75 else "*"
            for value in (*cells[:2], dice.choice(PATTERNS), role, *about)
        ]
        rules.append((f"{word[0].upper()}{number}", *fields, dice.choice(WHENS), word))
    dice.shuffle(rules)
    return rules, members


def a_request(dice: random.Random, rules: list[Fields], members: set[Fields]) -> AccessRequest:
    """Mostly near some allow rule, sometimes anything."""
    _, tier, server, tool, role, tenant, intent, *_ = dice.choice(
        [rule for rule in rules if rule[-1] == "allow"]
    )
    holders = sorted(a for a, r, t in members if (r, t) == (role, tenant)) or AGENTS
    pick = dice.random() < 0.9
    named = [t for t in TOOLS if t in tool.split("|") or t.startswith(tool.rstrip("*"))] or TOOLS
    return AccessRequest(
        subject=dice.choice(holders if pick else AGENTS),
        tenant=tenant if pick else dice.choice(TENANTS),
        intent=intent if pick else dice.choice(INTENTS),
        tier=Tier(tier) if pick else dice.choice(tuple(Tier)),
        server=server if pick else dice.choice((*SERVERS, "new")),
        tool=dice.choice(named) if pick else dice.choice((*TOOLS, "other")),
        destination=dice.choice(HOSTS),
        effect=Effect.READ,
        arguments=dice.choice(ARGUMENTS),
    )


def test_ten_thousand_requests_are_decided_as_the_independent_evaluator_decides_them(
    tmp_path: Path,
) -> None:
    dice = random.Random(20261124)
    disagreements: list[tuple[object, ...]] = []
    permitted = denied = shadowed = 0
    for _ in range(POLICIES):
        rules, members = a_policy(dice)
        csv = "".join(f"p, {', '.join(rule)}\n" for rule in rules)
        csv += "".join(f"g, {', '.join(member)}\n" for member in sorted(members))
        policy = loaded(tmp_path, csv, TIERS, CONSTRAINTS)
        for _ in range(REQUESTS):
            asked = a_request(dice, rules, members)
            decision = policy.decide(asked)
            rule, on_trial = expected(rules, members, asked)
            shadows = [shadow.rule for shadow in decision.shadows]
            if (decision.rule, decision.permitted) != (rule, (rule or "")[:1] == "P"):
                disagreements.append((asked, decision, rule))
            if shadows != on_trial:
                disagreements.append((asked, decision, on_trial))
            shadowed += bool(shadows)
            permitted += decision.permitted
            denied += decision.rule is not None and not decision.permitted
    assert disagreements == []
    assert permitted >= POLICIES * REQUESTS / 3
    assert denied >= POLICIES * REQUESTS / 50
    assert shadowed >= POLICIES * REQUESTS / 50
