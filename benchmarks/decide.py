"""What one decision costs at 10, 1,000 and 10,000 rules, asked for the first time and again, in one run.

    python -m benchmarks.decide [--json]

Three shapes of policy: `spread` (many servers and tools), `crowded` (four servers, few tools, many
roles and tenants), `flat` (the same as `spread` asked of one Casbin enforcer over all rules, which is how
it costs without an index). Goals at 10,000 rules: under 300 us the first time, under 20 us again.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import copyfile

from benchmarks.options import options
from gateway.core.model import AccessRequest, Effect, Tier
from gateway.policy import PolicySnapshot, load
from gateway.policy.rules import Rule
from gateway.policy.verdicts import Verdicts, asked
from gateway.values import replace

MODEL = Path(__file__).parents[1] / "policies" / "model.conf"
SIZES = (10, 1_000, 10_000)
TIERS = tuple(Tier)
CONSTRAINTS = "conditions: {short: {arguments: {message: {type: string, maxLength: 100}}}}\n"
NOBODY = frozenset[str]()

Shape = Callable[[int, int], tuple[str, str, str, str, str]]


def spread(number: int, size: int) -> tuple[str, str, str, str, str]:
    """Tier, server, tool, role, tenant of a rule: a server per 250 rules, some tools by prefix."""
    server = number % max(1, size // 250)
    tool = f"tool_{number % 97}" if number % 5 else f"tool_{number % 9}*"
    return TIERS[number % 3], f"s{server}", tool, f"role:r{number % 7}", "local"


def crowded(number: int, size: int) -> tuple[str, str, str, str, str]:
    """Four servers, ten tools each; what makes it large is who may."""
    tool = f"tool_{number // 12 % 10}"
    role, tenant = f"role:r{number // 120 % 40}", f"t{number // 4800}"
    return TIERS[number % 3], f"s{number % 4}", tool, role, tenant


def written(home: Path, size: int, shape: Shape) -> PolicySnapshot:
    """A policy of `size` rules, one in fifty a deny."""
    rules, members, servers = [], set(), set()
    for number in range(size):
        tier, server, tool, role, tenant = shape(number, size)
        servers.add(server)
        members.add((f"agent:{role[5:]}", role, tenant))
        when = "short" if number % 3 == 0 else "-"
        if number % 50 == 49:
            rules.append(f"p, D{number}, {tier}, {server}, never_*, *, *, *, *, -, deny")
        else:
            about = f"{role}, {tenant}, general, local, {when}, allow"
            rules.append(f"p, P{number}, {tier}, {server}, {tool}, {about}")
    rules += [f"g, {', '.join(member)}" for member in sorted(members)]
    entry = "{tools: {'*': {tier: data, effect: read}}}"
    copyfile(MODEL, home / "model.conf")
    (home / "policy.csv").write_text("\n".join(rules))
    (home / "tiers.yaml").write_text(
        "servers:\n" + "".join(f"  {server}: {entry}\n" for server in sorted(servers))
    )
    (home / "constraints.yaml").write_text(CONSTRAINTS)
    return load(home, {})


def questions(policy: PolicySnapshot, count: int) -> Sequence[AccessRequest]:
    """Calls that allow rules over the whole file permit."""
    allows = [rule for rule in policy.book.rules if rule.allows]
    return [_for(allows[i * len(allows) // count]) for i in range(count)]


def _for(rule: Rule) -> AccessRequest:
    row = rule.row
    return AccessRequest(
        subject=f"agent:{row.role[5:]}",
        tenant=row.tenant,
        intent=row.intent,
        tier=Tier(row.tier),
        server=row.server,
        tool=row.tool.replace("*", "0"),
        destination=row.destination,
        effect=Effect.READ,
        arguments={"message": "hello"},
    )


def microseconds(ask: Callable[[AccessRequest], bool], asking: Sequence[AccessRequest]) -> float:
    """Median over rounds of the mean cost of one decision; all of them must permit."""
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        permitted = [ask(question) for question in asking]
        rounds.append((time.perf_counter() - start) / len(asking) * 1e6)
        if not all(permitted):
            raise SystemExit("a decision that should permit did not: the figures mean nothing")
    return statistics.median(rounds)


def flat(policy: PolicySnapshot) -> Callable[[AccessRequest], bool]:
    """One enforcer over all rules."""
    rows = [rule.row for rule in policy.book.rules]
    held = frozenset({"short"})

    def ask(question: AccessRequest) -> bool:
        return policy.pdp.verdicts.engine.ask(rows, asked(question, (held, NOBODY))).permitted

    return ask


def anew(policy: PolicySnapshot) -> Callable[[AccessRequest], bool]:
    """The policy as the gateway asks it for the first time."""
    pdp = policy.pdp

    def ask(question: AccessRequest) -> bool:
        unasked = Verdicts(pdp.index, pdp.verdicts.engine)
        return replace(pdp, verdicts=unasked).decide(question).permitted

    return ask


def again(policy: PolicySnapshot) -> Callable[[AccessRequest], bool]:
    """The policy as the gateway asks it from then on."""
    return lambda question: policy.decide(question).permitted


def measured() -> list[dict[str, object]]:
    """A row per shape and size."""
    table: list[dict[str, object]] = []
    for name, shape in (("spread", spread), ("crowded", crowded), ("flat", spread)):
        first = 0.0
        for size in SIZES:
            with tempfile.TemporaryDirectory() as home:
                start = time.perf_counter()
                policy = written(Path(home), size, shape)
                load_ms = (time.perf_counter() - start) * 1e3
            asking = questions(policy, 20 if name == "flat" else 500)
            one = flat(policy) if name == "flat" else anew(policy)
            cost = microseconds(one, asking)
            first = first or cost
            table.append(
                {
                    "shape": name,
                    "rules": size,
                    "us": round(cost, 1),
                    "again_us": round(microseconds(again(policy), asking), 1),
                    "ratio": round(cost / first, 2),
                    "load_ms": round(load_ms),
                }
            )
    return table


def main() -> None:
    given, table = options(__doc__, json=False), measured()
    if given.json:
        print(json.dumps(table, indent=2))
        return
    print(f"{'shape':<10}{'rules':>8}{'us':>10}{'again us':>10}{'ratio':>8}{'load ms':>9}")
    for row in table:
        print("{shape:<10}{rules:>8}{us:>10}{again_us:>10}{ratio:>8}{load_ms:>9}".format(**row))


if __name__ == "__main__":
    main()
