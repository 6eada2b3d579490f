"""A suggestion, put into a copy of the policy's directory, to be tested, compared and replayed before it is in force.

policy.csv keeps every line it had; those to take out become comments. tests.yaml loses the cases of the agent,
which name rules it no longer has, and gets one for each suggested rule that needs no arguments: what agents sent
is never copied out of the journal.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gateway.config import yamlfile
from gateway.errors import Misconfigured, Where
from gateway.policy import cases
from gateway.policy.asking import Asked, ask, target
from gateway.policy.snapshot import FILES, PolicySnapshot, load
from gateway.policy.suggest import Suggestion
from gateway.settings import ServerSettings


def write(
    policy: PolicySnapshot,
    suggestion: Suggestion,
    text: str,
    directory: Path,
    servers: Mapping[str, ServerSettings],
) -> None:
    """`text`: the suggestion's lines, comments and all. Raises `Misconfigured` when there is something already,
    or when the policy that comes of it would not be taken."""
    try:
        directory.mkdir(mode=0o755, parents=True)
        for name in FILES:
            if (policy.directory / name).exists():
                shutil.copyfile(policy.directory / name, directory / name)
    except OSError as error:
        raise Misconfigured(f"cannot be written: {error.strerror}", Where(str(directory))) from None
    csv = directory / "policy.csv"
    kept = _without(csv.read_text(), suggestion)
    csv.write_text(f"{kept.rstrip()}\n\n{text}")
    (directory / cases.FILE).unlink(missing_ok=True)
    new = load(directory, servers)
    made = [*_kept_cases(policy, suggestion.agent), *_new_cases(new, suggestion)]
    if made:
        (directory / cases.FILE).write_text("cases:\n" + "".join(made))
    cases.require(load(directory, servers))


def _without(text: str, suggestion: Suggestion) -> str:
    """The file, with the lines to take out as comments."""
    out = {member.where.line for member in suggestion.gone}
    out |= {rule.where.line for rule in suggestion.orphans}
    lines = text.split("\n")
    return "\n".join(f"# {line}" if n in out else line for n, line in enumerate(lines, 1))


def _kept_cases(policy: PolicySnapshot, agent: str) -> Iterator[str]:
    """The cases of all others, as they stand."""
    path = policy.directory / cases.FILE
    if not path.exists():
        return
    lines = path.read_text().splitlines(keepends=True)
    tree = yamlfile.read(path)
    played = cases.run(policy)
    starts = [yamlfile.line_of(tree, ["cases", n]) or 1 for n in range(len(played))]
    for result, start, end in zip(played, starts, [*starts[1:], len(lines) + 1], strict=True):
        if result.case.agent != agent:
            yield "".join(lines[start - 1 : end - 1])


def _new_cases(new: PolicySnapshot, suggestion: Suggestion) -> Sequence[str]:
    made = []
    for rule in suggestion.rules:
        tool = min(rule.tools)
        place = rule.place
        asked = Asked(
            suggestion.agent,
            target(place.server, tool),
            tenant=place.tenant,
            intent=place.intent,
        )
        decision = ask(new, asked).decision
        if not decision.permitted or decision.rule != rule.id:
            continue  # it wants arguments, and they are the operator's to make up
        case = {
            "tells": f"{suggestion.agent} calls {tool} as it did",
            "agent": suggestion.agent,
            "server": place.server,
            "tool": tool,
            "tenant": place.tenant,
            "intent": place.intent,
            "expect": "allow",
            "rule": rule.id,
            "duties": [duty.rule for duty in decision.obligations],
            "shadows": [shadow.rule for shadow in decision.shadows],
        }
        made.append(f"  - {json.dumps(case)}\n")
    return made
