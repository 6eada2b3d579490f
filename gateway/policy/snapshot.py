"""One version of policies/, read, checked and frozen: the `PolicyView` the Line decides by.

It ties the readers to the PDP and the classifier; each of them knows its own part only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.core.decide import question
from gateway.core.model import (
    AccessRequest,
    Classified,
    Decision,
    Resolved,
    Target,
    Tier,
    WorkloadIdentity,
)
from gateway.errors import Misconfigured, Refused, Where
from gateway.files.listing import is_there
from gateway.policy import conditions, intents, patterns, pinned, rules, tiers
from gateway.policy.classify import Classifier
from gateway.policy.conditions import Condition
from gateway.policy.decide import Pdp
from gateway.policy.engine import Engine, EngineFault
from gateway.policy.index import Index
from gateway.policy.intents import Intents
from gateway.policy.rules import Rulebook
from gateway.policy.tiers import Tiers
from gateway.policy.verdicts import Verdicts
from gateway.ports import Mark
from gateway.settings import ITSELF, ServerSettings
from gateway.values import Value, replace

CONDITIONS: Final = "constraints.yaml"
FILES: Final = (
    "model.conf",
    "policy.csv",
    "tiers.yaml",
    CONDITIONS,
    "tests.yaml",
    intents.FILE,
)


class PolicySnapshot(Value):
    """Implements `ports.PolicyView`. Safe to ask from any thread; never changes."""

    version: str
    directory: Path
    book: Rulebook
    tiers: Tiers
    conditions: Mapping[str, Condition]
    classifier: Classifier
    pdp: Pdp
    intents: Intents
    every_mark: Mapping[str, Mark]

    @property
    def keeps_flow(self) -> bool:
        """Is there a `flow` on top of tiers.yaml?"""
        return tiers.keep_flow(self.tiers)

    def classify(self, resolved: Resolved) -> Classified:
        """Tier, effect and destination of this very call. Raises `Refused` (unclassified)."""
        return self.classifier.classify(resolved)

    def possible(self, resolved: Resolved, towards: Sequence[str] = ()) -> Sequence[Classified]:
        """Every class a call of this target could have. Raises `Refused` (unclassified)."""
        return self.classifier.possible(resolved, towards)

    def decide(self, question: AccessRequest) -> Decision:
        """The PDP's answer. A resource with other spellings is denied if one of them is, and has the duties and
        the rules on trial of all. Never raises."""
        decision = self.pdp.decide(question)
        if not decision.permitted:
            return decision
        for other in self.pdp.index.spellings.others_of(question.tool):
            also = self.pdp.decide(replace(question, tool=other), allowed=True)
            if not also.permitted:
                return also
            duties = dict.fromkeys((*decision.obligations, *also.obligations))
            shadows = dict.fromkeys((*decision.shadows, *also.shadows))
            decision = replace(decision, obligations=tuple(duties), shadows=tuple(shadows))
        return decision

    def reaches(self, identity: WorkloadIdentity, server: str, tiers: Collection[Tier]) -> bool:
        """See `ports.PolicyView`. What a deny closes whatever is asked is not reached."""
        roles = {*self.pdp.index.roles(identity.agent, identity.tenant), patterns.ANY}
        tenants, intents = (patterns.ANY, identity.tenant), (patterns.ANY, identity.intent)
        for tier in tiers:
            rules = [
                rule
                for rule in self.pdp.index.of(tier, server, roles)
                if rule.row.tenant in tenants and rule.row.intent in intents
            ]
            closed = [rule for rule in rules if rule.word == "deny" and not rule.conditions]
            for rule in rules:
                if rule.allows and not any(each.covers(rule) for each in closed):
                    return True
        return False

    def constant(self, classified: Classified) -> bool:
        """See `ports.PolicyView`."""
        if not self.classifier.constant(classified.resolved.target):
            return False
        return self.pdp.constant(question(classified))

    def marks(self, classified: Classified | None) -> Mapping[str, Mark]:
        """See `ports.PolicyView`."""
        if classified is None:
            return self.every_mark
        return self.classifier.line(classified.resolved.target).entry.arguments

    def marks_of(self, target: Target) -> Mapping[str, Mark]:
        """The marks of any call of a target; none for one that has no class."""
        try:
            return self.classifier.line(target).entry.arguments
        except Refused:
            return {}


def load(directory: Path, servers: Mapping[str, ServerSettings]) -> PolicySnapshot:
    """The policy in a directory, for the servers of bulkhead.yaml. Raises `Misconfigured` at file:line.

    constraints.yaml and tests.yaml may be absent: no conditions, no cases.
    """
    for name in FILES:
        # Passed over in silence, it would be as if its author had not written it: no case, every standing.
        other = (directory / name).with_suffix(".yml")
        if name.endswith(".yaml") and is_there(other):
            raise Misconfigured(f"nobody reads it: its name must be {name}", Where(str(other)))
    version = fingerprint(directory)
    snapshot = _read(directory, servers, version)
    if fingerprint(directory) != version:
        raise Misconfigured("the files changed while they were read", Where(str(directory)))
    return snapshot


def fingerprint(directory: Path) -> str:
    """`sha256:<hex>` over names, lengths and exact bytes of the policy files."""
    digest = hashlib.sha256()
    for name in FILES:
        try:
            if not (directory / name).is_file():
                continue  # a reader that needs it says so
            raw = (directory / name).read_bytes()
        except OSError:
            continue
        digest.update(f"{name} {len(raw)}\n".encode() + raw)
    return f"sha256:{digest.hexdigest()}"


def _read(directory: Path, servers: Mapping[str, ServerSettings], version: str) -> PolicySnapshot:
    model = pinned.model(directory / "model.conf")
    read_tiers = tiers.read(directory / "tiers.yaml")
    known = conditions.read(directory / CONDITIONS)
    book = rules.read(directory / "policy.csv", {*read_tiers, *servers, ITSELF}, known)
    book, read_tiers = _placed(book, read_tiers, directory)
    try:
        engine = Engine(model, [(m.agent, m.role, m.tenant) for m in book.members])
    except EngineFault as fault:
        raise Misconfigured(str(fault), Where(str(directory / "model.conf"))) from None
    index, fresh = Index(book), f"w{version[-32:]}"
    defaults = {name: server.destination for name, server in servers.items()}
    return PolicySnapshot(
        version=version,
        directory=directory,
        book=book,
        tiers=read_tiers,
        conditions=known,
        classifier=Classifier(read_tiers, defaults, _witnesses(book, fresh), fresh),
        pdp=Pdp(index, Verdicts(index, engine), known, {rule.id: rule for rule in book.rules}),
        intents=intents.read(directory / intents.FILE, servers, read_tiers),
        every_mark=tiers.every_mark(read_tiers),
    )


def _witnesses(book: Rulebook, fresh: str) -> Mapping[str, Sequence[str]]:
    """Per server, hosts that stand for all its allow rules can tell apart. The fresh label is in no rule."""
    found: dict[str, dict[str, None]] = {}
    for rule in book.rules:
        if rule.allows:
            hosts = patterns.hosts(rule.row.destination).witnesses(fresh)
            found.setdefault(rule.row.server, {}).update(dict.fromkeys(hosts))
    return {server: tuple(hosts) for server, hosts in found.items()}


def _placed(book: Rulebook, read_tiers: Tiers, directory: Path) -> tuple[Rulebook, Tiers]:
    """The same, with places as `policies/policy.csv:12`: journals and transcripts name no machine's paths."""
    home = directory.resolve()

    def near(where: Where) -> Where:
        return replace(where, file=f"{home.name}/{Path(where.file).name}")

    def each(lines: Iterable[tiers.Line]) -> tuple[tiers.Line, ...]:
        return tuple(replace(line, where=near(line.where)) for line in lines)

    return (
        Rulebook(
            tuple(replace(rule, where=near(rule.where)) for rule in book.rules),
            tuple(replace(member, where=near(member.where)) for member in book.members),
        ),
        {
            server: {section: each(lines) for section, lines in sections.items()}
            for server, sections in read_tiers.items()
        },
    )
