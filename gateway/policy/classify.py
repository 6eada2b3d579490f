"""Step 5: the one tier, the effect and the destination of a call, by tiers.yaml alone.

Precedence (tests/policy/test_classify.py has one test per number):

1. Only the server's own section for the target's kind is looked at. A tool whose name imitates
   another kind (`prompt:x`) has no class.
2. The first entry whose pattern matches, from top to bottom, gives tier and effect. A resource URI that
   climbs (a `..` step, plain or percent-encoded, a backslash, a control character) or is disguised (a
   letter, digit or other plain character percent-encoded, an empty step, a scheme in capitals) matches
   by its exact name only: `file:///srv/*` says nothing of `file:///srv/../etc`, and a deny of
   `file:///srv/keys*` is not got round by `file:///srv/%6beys`. One with another spelling (spellings.py) has a class
   by a prefix only if no other entry speaks of one of them: `file:///srv/%2Fkeys` has none.
3. No entry: no class. The call is refused as unclassified, whatever policy.csv says.
4. Every argument rule of that entry is asked; each that applies can lift the tier, the effect or both.
   Lifting takes the higher of the two: no rule, and no order of rules, can lower anything.
5. A rule that cannot be told (argument missing, wrong type, anything raised) applies.
6. The destination is the entry's; else the server's in bulkhead.yaml.
7. A destination taken from an argument is the canonical host of its URL; if it cannot be told, or is spelt
   `local` (which only an operator can say), the call has no class and is refused.
8. Where the file keeps account of flow, a call reads what its entry says, anything if it says nothing; and
   it lets something out if its entry says so, or says nothing and it takes effect anywhere but `local`.

It reads the target and the parsed arguments. Headers, `_meta`, annotations and names an agent made up
never reach it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from gateway.config import destinations
from gateway.core.model import Classified, Effect, Flow, JsonObject, Resolved, Target, Tier
from gateway.errors import Refused
from gateway.policy import patterns, pointers, spellings
from gateway.policy.fragments import judge
from gateway.policy.predicates import Facts
from gateway.policy.tiers import SECTION, ByArgument, Line, Raise, Tiers
from gateway.reasons import Reason

LOCAL: Final = "local"
"""The destination of what stays on this machine."""

MOST: Final = 16_384
"""Lines remembered. Names that agents make up take no more room."""
LONGEST: Final = 512
"""Characters of such a name that is remembered."""
_STEP: Final = re.compile(r"[/?#&=;:]")
_DISGUISED: Final = re.compile(
    r"%(?:25)*(?:2[DdEe]|3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff]|7[Ee])"
    r"|\A | \Z"
    r"|\A[^:/?#A-Z]*+[A-Z][^:/?#]*+:"
    r"|\A[^:/?#]+:(?://[^/?#]*)?+[^?#]*//"
)
"""Other spellings of a URI that has a plain one (RFC 3986, 6.2.2), blanks around it, steps a file system leaves out."""
_IMITATIONS: Final = tuple(f"{kind}:" for kind in SECTION)


@dataclass(frozen=True, slots=True)
class Classifier:
    """tiers.yaml, ready to be asked."""

    tiers: Tiers
    defaults: Mapping[str, str]
    """Server id -> destination in bulkhead.yaml."""
    witnesses: Mapping[str, Sequence[str]]
    """Server id -> hosts that stand for all its rules can tell apart: for lists, where no argument is known."""
    fresh: str
    """A label that is in none of them."""
    _lines: dict[Target, Line] = field(default_factory=dict, compare=False, repr=False)
    """What was found, as long as there is room: the files do not change under one version."""
    _written: dict[str, spellings.Written] = field(default_factory=dict, compare=False, repr=False)
    """Per server, how its resources are spelt."""

    def classify(self, resolved: Resolved) -> Classified:
        """The class of this very call. Raises `Refused` (unclassified)."""
        line = self.line(resolved.target)
        tier, effect = line.entry.tier, line.entry.effect
        facts = _facts(resolved)
        for rule in line.entry.lifts:
            if applies(rule, resolved.arguments, facts):
                tier, effect = lifted(rule, tier, effect)
        destination = self.destination(line, resolved.target.server, resolved.arguments)
        return Classified(resolved, tier, effect, destination, line.where, flow(line, destination))

    def possible(self, resolved: Resolved, towards: Sequence[str] = ()) -> Sequence[Classified]:
        """Every class a call of this target could have. `towards`: patterns of destinations, to be told apart beside
        those of the rules. Raises `Refused` (unclassified)."""
        line = self.line(resolved.target)
        return [
            Classified(resolved, tier, effect, destination, line.where, flow(line, destination))
            for tier, effect in classes(line)
            for destination in self._destinations(line, resolved.target, towards)
        ]

    def constant(self, target: Target) -> bool:
        """Do no arguments lift its calls or say where they take effect? Raises `Refused` (unclassified)."""
        entry = self.line(target).entry
        return not entry.lifts and not isinstance(entry.destination, ByArgument)

    def line(self, target: Target) -> Line:
        """The entry that speaks for a target. Raises `Refused` (unclassified)."""
        found = self._lines.get(target)
        if found is None:
            found = self._line(target)
            if len(self._lines) < MOST and len(target.name) <= LONGEST:
                self._lines[target] = found
        return found

    def _line(self, target: Target) -> Line:
        if target.kind == "tool" and target.name.startswith(_IMITATIONS):
            raise _no_class(f"tool {target.name!r} imitates the name of another kind")
        exactly = target.kind == "resource" and (
            _climbs(target.name) or _DISGUISED.search(target.name) is not None
        )
        section = SECTION.get(target.kind)
        lines = self.tiers.get(target.server, {}).get(section, ()) if section else ()
        found = _first(lines, target.name, exactly)
        if found is None:
            raise _no_class(
                f"tiers.yaml says nothing of {target.kind} {target.name!r} of {target.server}"
            )
        if target.kind == "resource" and target.name not in found.pattern.exact:
            for other in self._spellings(target.server).others(target.name):
                if _first(lines, other) not in (None, found):
                    raise _no_class(f"resource {target.name!r} may be taken for {other!r}")
        return found

    def _spellings(self, server: str) -> spellings.Written:
        found = self._written.get(server)
        if found is None:
            lines = self.tiers[server]["resources"]
            found = self._written[server] = spellings.Written(line.pattern for line in lines)
        return found

    def destination(self, line: Line, server: str, arguments: JsonObject) -> str:
        """Where a call that this entry speaks for takes effect. Raises `Refused` (unclassified)."""
        rule = line.entry.destination
        if not isinstance(rule, ByArgument):
            return rule or self._default(server)
        url = pointers.look_up(arguments, rule.argument)
        host = destinations.host_of(url) if isinstance(url, str) else None
        if host in (None, LOCAL):
            raise Refused(
                Reason.UNCLASSIFIED,
                f"no host can be told from argument {rule.argument}",
                line.where,
            )
        return str(host)

    def _destinations(self, line: Line, target: Target, towards: Sequence[str]) -> Sequence[str]:
        rule = line.entry.destination
        if isinstance(rule, ByArgument):
            hosts = dict.fromkeys(self.witnesses.get(target.server, ()))
            for text in towards:
                with suppress(ValueError):  # no call leads there
                    hosts.update(dict.fromkeys(patterns.hosts(text).witnesses(self.fresh)))
            return [host for host in hosts if host != LOCAL]
        return [rule or self._default(target.server)]

    def _default(self, server: str) -> str:
        return self.defaults.get(server, LOCAL)


def _first(lines: Sequence[Line], name: str, exactly: bool = False) -> Line | None:
    """The first entry that speaks of a name."""
    for line in lines:
        if name in line.pattern.exact or (not exactly and line.pattern.matches(name)):
            return line
    return None


def flow(line: Line, destination: str) -> Flow | None:
    """What a call reads and whether it lets something out; None where no account is kept of it."""
    if line.flow is None:
        return None
    egress = destination != LOCAL if line.entry.egress is None else line.entry.egress
    return Flow(line.entry.labels, egress, line.flow)


def classes(line: Line) -> Sequence[tuple[Tier, Effect]]:
    """Tier and effect under every choice of argument rules that apply; the entry's own first."""
    found = {(line.entry.tier, line.entry.effect): None}
    for rule in line.entry.lifts:
        found |= {lifted(rule, *already): None for already in found}
    return list(found)


def lifted(rule: Raise, tier: Tier, effect: Effect) -> tuple[Tier, Effect]:
    """Tier and effect, where this rule applies: the higher of each."""
    return (
        max(tier, rule.tier or tier, key=lambda each: each.rank),
        max(effect, rule.effect or effect, key=lambda each: each.rank),
    )


def applies(rule: Raise, arguments: JsonObject, facts: Facts) -> bool:
    """Law: only a plain answer spares a call from being lifted."""
    try:
        value = pointers.look_up(arguments, rule.argument)
        if value is pointers.MISSING:
            return True
        if rule.matches is not None:
            return judge(rule.matches, value, facts) is not False
        return rule.unless is None or judge(rule.unless, value, facts) is not True
    except Exception:
        return True


def _facts(resolved: Resolved) -> Facts:
    identity = resolved.request.identity
    return {
        "agent": identity.agent,
        "tenant": identity.tenant,
        "intent": identity.intent,
        "task": identity.task,
        "on_behalf_of": identity.on_behalf_of,
    }


def _climbs(uri: str) -> bool:
    """True if a server that decodes it, even twice, could be led above where it seems to be."""
    once = unquote(uri)
    return any(
        "\\" in text or not text.isprintable() or {".", ".."} & set(_STEP.split(text))
        for text in (uri, once, unquote(once))
    )


def _no_class(detail: str) -> Refused:
    return Refused(Reason.UNCLASSIFIED, detail)
