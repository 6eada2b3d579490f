from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.policy import cases, load, suggest_into
from gateway.policy.suggest import suggest
from tests.policy.recording import kept
from tests.policy.test_suggest import CSV, TIERS, C, call
from tests.policy.written import written

CASES = """\
# What this policy must say.
cases:
  - tells: bob reads
    agent: agent:bob
    server: git
    tool: log
    expect: allow
    rule: P1
    shadows: [W1]

  - {tells: ann commits, agent: 'agent:ann', server: git, tool: commit, expect: deny, rule: no_rule}
  - {tells: a stranger, agent: 'agent:x', server: git, tool: log, expect: deny, rule: no_rule}
"""


def test_the_policy_that_comes_of_it_is_whole_and_passes_its_cases(tmp_path: Path) -> None:
    now = load(written(tmp_path, CSV, TIERS, C, CASES), {})
    cases.require(now)
    calls = kept(call(now, "c1", "git/log"), call(now, "c2", "git/commit", m="yes"))
    found = suggest(now, "agent:ann", calls)
    text = "".join(f"{rule.line}\n" for rule in found.rules)
    text += "".join(f"{each.line}\n" for each in found.carried)
    text += "".join(f"{line}\n" for line in found.members)
    suggest_into.write(now, found, text, tmp_path / "new", {})
    new = load(tmp_path / "new", {})
    told = [result.case.tells for result in cases.run(new)]
    # The commit needs arguments, and those of agents are never copied.
    assert told == ["bob reads", "a stranger", "agent:ann calls log as it did"]
    assert [result.problem for result in cases.run(new) if result.problem] == []
    csv = (tmp_path / "new" / "policy.csv").read_text()
    assert "# g, agent:ann, role:reader, local" in csv
    assert (tmp_path / "policies" / "policy.csv").read_text() == CSV


BOB = "{tells: bob reads, agent: 'agent:bob', server: git, tool: log, expect: allow, rule: P1, shadows: [W1]}"


@pytest.mark.parametrize(
    "text",
    [
        f"cases:\n- {BOB}\n",
        f"cases:\n# why\n- {BOB}  # so\n",
        f"cases: [{BOB}]\n",
        f"cases: [\n  {BOB},\n]\n",
        f"cases:\n      - {BOB}\n",
        f"cases:\n  -\n    {BOB[1:-1].replace(', ', chr(10) + '    ')}\n",
        f"---\ncases:\n  - {BOB}\n...\n",
    ],
    ids=["flush", "told", "list", "lines", "deep", "dash", "ended"],
)
def test_cases_are_kept_however_they_are_written(tmp_path: Path, text: str) -> None:
    now = load(written(tmp_path, CSV, TIERS, C, text), {})
    found = suggest(now, "agent:ann", kept(call(now, "c1", "git/log")))
    lines = [rule.line for rule in found.rules] + [each.line for each in found.carried]
    text_of = "\n".join([*lines, *found.members, ""])
    suggest_into.write(now, found, text_of, tmp_path / "new", {})
    told = [result.case.tells for result in cases.run(load(tmp_path / "new", {}))]
    assert told == ["bob reads", "agent:ann calls log as it did"]
    stands = (tmp_path / "new" / "tests.yaml").read_text()
    assert ("# so" in stands) is ("# so" in text)


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    now = load(written(tmp_path, CSV, TIERS, C, CASES), {})
    found = suggest(now, "agent:ann", kept(call(now, "c1", "git/log")))
    with pytest.raises(Misconfigured, match="cannot be written"):
        suggest_into.write(now, found, "", tmp_path / "policies", {})
    assert (tmp_path / "policies" / "policy.csv").read_text() == CSV


def test_a_role_that_no_rule_names_any_more_is_nobody_elses_either(tmp_path: Path) -> None:
    """Bob's line for it gave him nothing in his tenant; left alone it would be an error."""
    csv = CSV + (
        "p, P4, data, git, log, role:night, moon, general, local, -, allow\n"
        "g, agent:ann, role:night, moon\n"
        "g, agent:bob, role:night, local\n"
    )
    now = load(written(tmp_path, csv, TIERS, C), {})
    found = suggest(now, "agent:ann", kept())
    suggest_into.write(now, found, "", tmp_path / "new", {})
    new = load(tmp_path / "new", {})
    assert [rule.id for rule in new.book.rules] == ["P1", "P3", "W1"]
    assert [str(member.agent) for member in new.book.members] == ["agent:bob"]
