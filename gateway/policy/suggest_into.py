"""A suggestion, put into a copy of the policy's directory, to be tested, compared and replayed before it is in force.

policy.csv keeps every line it had; those to take out become comments. tests.yaml loses the cases of the agent,
which name rules it no longer has, and gets one for each suggested rule that needs no arguments: what agents sent
is never copied out of the journal.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import indent

from gateway.config import yamlfile
from gateway.core.model import JsonObject
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
    kept = _without(csv.read_text(encoding="utf-8"), suggestion)
    csv.write_text(f"{kept.rstrip()}\n\n{text}", encoding="utf-8")
    (directory / cases.FILE).unlink(missing_ok=True)
    new = load(directory, servers)
    _write_cases(policy, suggestion.agent, _new_cases(new, suggestion), directory / cases.FILE)
    cases.require(load(directory, servers))


def _without(text: str, suggestion: Suggestion) -> str:
    """The file, with the lines to take out as comments."""
    out = {member.where.line for member in suggestion.gone}
    out |= {rule.where.line for rule in suggestion.orphans}
    lines = text.split("\n")
    return "\n".join(f"# {line}" if n in out else line for n, line in enumerate(lines, 1))


def _write_cases(
    policy: PolicySnapshot, agent: str, more: Sequence[JsonObject], file: Path
) -> None:
    """Writes the cases of all other agents, and `more`. The others keep their text where it can be cut out line by
    line; else they are written as JSON."""
    standing, said = _kept_cases(policy, agent)
    if not said and not more:
        return
    new = "".join(f"  - {json.dumps(case)}\n" for case in more)
    as_json = "".join(f"  - {json.dumps(case, ensure_ascii=False)}\n" for case in said)
    for kept in (standing, indent(standing, "  "), as_json):
        file.write_text(f"cases:\n{kept}{new}", encoding="utf-8")
        if _reads(file) == [*said, *more]:
            break


def _kept_cases(policy: PolicySnapshot, agent: str) -> tuple[str, Sequence[JsonObject]]:
    """The lines of the cases of all others, and what they say."""
    path = policy.directory / cases.FILE
    if not path.exists():
        return "", []
    tree, lines = yamlfile.read(path), path.read_text(encoding="utf-8").split("\n")
    played = cases.run(policy)
    starts = [(yamlfile.line_of(tree, ["cases", n]) or 1) - 1 for n in range(len(played))]
    ends = [*starts[1:], len(lines)]
    kept = [n for n, result in enumerate(played) if result.case.agent != agent]
    standing = "".join("\n".join((*lines[starts[n] : ends[n]], "")) for n in kept)
    return standing, [yamlfile.plain(tree["cases"][n]) for n in kept]


def _reads(path: Path) -> object:
    """The cases in a file; None where it cannot be read."""
    try:
        return yamlfile.plain(yamlfile.read(path)["cases"])
    except Misconfigured:
        return None


def _new_cases(new: PolicySnapshot, suggestion: Suggestion) -> Sequence[JsonObject]:
    made = list[JsonObject]()
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
        case: JsonObject = {
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
        made.append(case)
    return made
