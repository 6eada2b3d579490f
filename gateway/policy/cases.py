"""tests.yaml: what a policy must say, as cases a person reads. A policy that fails its own cases is not used.

    cases:
      - tells: a reader may read the log
        agent: agent:analyst
        server: git
        tool: git_log
        arguments: {repo_path: /srv/app}
        expect: allow
        rule: P010

`rule` is the id of the deciding rule, or why there is none: `no_rule`, `unclassified`. `duties`: the ids
of the rules that lay a duty on the call, all of them. `shadows`: the same of the rules on trial.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from pydantic import Field, model_validator

from gateway.config import yamlfile
from gateway.config.yamlfile import Strict
from gateway.core.model import Effect, JsonObject, Tier
from gateway.core.reverse import Guard, Level, Reversal
from gateway.errors import Misconfigured, Where
from gateway.files.listing import is_there
from gateway.policy.asking import Asked, Reply, ask, target
from gateway.policy.snapshot import PolicySnapshot
from gateway.reasons import Reason
from gateway.values import Value

FILE: Final = "tests.yaml"


class Case(Strict):
    """One request and the decision it must get."""

    tells: str = Field(min_length=1)
    agent: str = Field(pattern="^(agent|operator):.")
    """An operator is asked about inverse calls only: `undo:<tool>`, intent `undo`, tier admin."""
    server: str
    tool: str = Field(min_length=1)
    """As in policy.csv: a tool's bare name, or `prompt:x`, `resource:uri`, `template:uri`, `method:x`."""
    tenant: str = "local"
    intent: str = "general"
    task: str = "none"
    on_behalf_of: str = ""
    arguments: JsonObject = Field(default_factory=dict)
    level: Level | None = None
    """How far the call can be undone. Left out, conditions on it are open, as before it is known."""
    guard: Guard = "none"
    expect: Literal["allow", "deny"]
    rule: str
    duties: tuple[str, ...] = ()
    shadows: tuple[str, ...] = ()
    tier: Tier | None = None
    effect: Effect | None = None
    destination: str | None = None

    @model_validator(mode="after")
    def _rule_fits(self) -> Case:
        none = self.expect == "deny" and self.rule in ("no_rule", "unclassified")
        if not none and not self.rule.startswith("P" if self.expect == "allow" else "D"):
            raise ValueError(f"rule {self.rule!r} cannot be behind {self.expect}")
        return self

    def asked(self) -> Asked:
        return Asked(
            self.agent,
            target(self.server, self.tool),
            self.arguments,
            self.tenant,
            self.intent,
            self.task,
            reversal=None if self.level is None else Reversal(self.level, guard=self.guard),
            on_behalf_of=self.on_behalf_of,
        )


class _File(Strict):
    cases: tuple[Case, ...]


class Result(Value):
    """One case, what was decided, and what was wrong with that (nothing: empty)."""

    case: Case
    where: Where
    reply: Reply
    problem: str


def read(policy: PolicySnapshot) -> Sequence[tuple[Case, Where]]:
    """The cases of the policy's own tests.yaml; none if it has none. Raises `Misconfigured` at file:line."""
    path = policy.directory / FILE
    if not is_there(path):
        return []
    tree = yamlfile.read(path)
    file = yamlfile.validate(tree, _File, str(path))
    return [
        (case, Where(str(path), yamlfile.line_of(tree, ["cases", index])))
        for index, case in enumerate(file.cases)
    ]


def run(policy: PolicySnapshot) -> Sequence[Result]:
    """Each of them, played. Raises as `read`."""
    return [_played(policy, case, where) for case, where in read(policy)]


def require(policy: PolicySnapshot) -> PolicySnapshot:
    """The same policy, if it passes its own cases. Raises `Misconfigured` at the first that fails."""
    for result in run(policy):
        if result.problem:
            raise Misconfigured(f"{result.case.tells}: {result.problem}", result.where)
    return policy


def unreached(policy: PolicySnapshot, results: Sequence[Result]) -> Sequence[Misconfigured]:
    """Every rule no case is decided by, as the error it is."""
    decisions = [result.reply.decision for result in results]
    reached = {decision.rule for decision in decisions}
    reached |= {duty.rule for decision in decisions for duty in decision.obligations}
    reached |= {shadow.rule for decision in decisions for shadow in decision.shadows}
    return [
        Misconfigured(f"no case in tests.yaml is decided by {rule.id}", rule.where)
        for rule in policy.book.rules
        if rule.id not in reached
    ]


def judged(policy: PolicySnapshot, result: Result) -> str:
    """What would be wrong with the same case under another policy; nothing: empty."""
    return "; ".join(_wrong(result.case, ask(policy, result.case.asked())))


def _played(policy: PolicySnapshot, case: Case, where: Where) -> Result:
    reply = ask(policy, case.asked())
    return Result(case, where, reply, "; ".join(_wrong(case, reply)))


def _wrong(case: Case, reply: Reply) -> Iterator[str]:
    decision, classified = reply.decision, reply.classified
    got = "allow" if decision.permitted else "deny"
    by = decision.rule or ("no_rule" if decision.reason is Reason.NO_RULE else str(decision.reason))
    if (got, by) != (case.expect, case.rule):
        why = f" ({decision.near_miss})" if decision.near_miss else ""
        yield f"expected {case.expect} by {case.rule}, got {got} by {by}{why}"
    others = {
        "duties": [duty.rule for duty in decision.obligations],
        "shadows": [shadow.rule for shadow in decision.shadows],
    }
    for kind, found_here in others.items():
        rules, hoped = sorted(found_here), sorted(getattr(case, kind))
        if rules != hoped:
            yield f"expected the {kind} {', '.join(hoped) or 'none'}, got {', '.join(rules) or 'none'}"
    for name in ("tier", "effect", "destination"):
        wanted, found = getattr(case, name), getattr(classified, name, None)
        if wanted is not None and wanted != found:
            yield f"expected {name} {wanted}, got {found}"
