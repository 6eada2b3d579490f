"""`bulkhead policy`, as an operator runs it: words in, words and an exit status out."""

from __future__ import annotations

import json
from contextlib import chdir
from pathlib import Path
from subprocess import CompletedProcess

from gateway.core import record
from gateway.values import replace
from tests.cli.command import run
from tests.journals.calls import call_record
from tests.journals.writing import write
from tests.policy.written import ALLOW, READER, written

EXPLAIN = ("explain", "--agent", "ann", "--server", "git", "--tool", "git_log")
CASE = """\
cases:
  - {tells: ann reads, agent: 'agent:ann', server: git, tool: git_log, expect: allow, rule: P1}
"""


def home(tmp_path: Path, csv: str = f"{ALLOW}\n{READER}\n", cases: str = CASE) -> Path:
    written(tmp_path, csv, cases=cases)
    (tmp_path / "bulkhead.yaml").write_text("servers:\n  git: {command: [git]}\n")
    return tmp_path


def journal(place: Path) -> Path:
    return place / ".bulkhead" / "journal.db"


def bulkhead(where: Path, *words: str) -> CompletedProcess[str]:
    with chdir(where):
        return run("policy", *words)


def test_check_is_content_with_a_sound_policy(tmp_path: Path) -> None:
    done = bulkhead(home(tmp_path), "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1 rules, 0 errors, sha256:")


def test_check_says_file_and_line_of_a_misspelt_rule_without_a_traceback(tmp_path: Path) -> None:
    done = bulkhead(home(tmp_path, f"{READER}\n{ALLOW.replace('data', 'dtaa')}\n"), "check")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip().endswith("policy.csv:2: 'dtaa' is no tier")
    assert "Traceback" not in done.stderr


def test_check_reads_the_cases_too(tmp_path: Path) -> None:
    done = bulkhead(home(tmp_path, cases=CASE.replace("P1}", "P1, why: x}")), "check")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip().endswith("tests.yaml:2: cases.0.why: unknown key")


def test_check_fails_on_a_rule_that_never_decides(tmp_path: Path) -> None:
    again = ALLOW.replace("P1", "P2")
    done = bulkhead(home(tmp_path, f"{ALLOW}\n{again}\n{READER}\n"), "check", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["findings"] == [
        {
            "severity": "error",
            "message": "P2 never decides: P1 always does",
            "where": "policies/policy.csv:2",
        }
    ]


def test_test_passes_when_every_rule_is_reached(tmp_path: Path) -> None:
    done = bulkhead(home(tmp_path), "test")
    assert (done.returncode, done.stdout) == (0, "1 cases, 0 failed, 0 rules unreached\n")


def test_test_fails_on_a_failing_case_and_on_an_unreached_rule(tmp_path: Path) -> None:
    csv = f"{ALLOW}\n{READER}\np, D1, *, *, git_push, *, *, *, *, -, deny\n"
    done = bulkhead(home(tmp_path, csv, CASE.replace("P1", "P7")), "test")
    assert done.returncode == 1
    assert "tests.yaml:2: ann reads: expected allow by P7, got allow by P1" in done.stdout
    assert "policies/policy.csv:3: no case in tests.yaml is decided by D1" in done.stdout


def test_explain_names_the_rule_and_what_others_failed_on(tmp_path: Path) -> None:
    done = bulkhead(home(tmp_path), *EXPLAIN)
    assert done.returncode == 0
    assert "allowed   by P1 (policies/policy.csv:1)" in done.stdout

    denied = bulkhead(tmp_path, *EXPLAIN, "--intent", "mischief", "--json")
    told = json.loads(denied.stdout)
    assert denied.returncode == 1
    assert (told["permitted"], told["reason"]) == (False, "no_rule")
    assert told["considered"][0]["failed"] == ["intent general"]


def test_explain_asks_about_what_an_operator_does(tmp_path: Path) -> None:
    rule = "p, P2, admin, git, undo:git_commit, role:keeper, local, undo, *, -, allow"
    policy = f"{ALLOW}\n{rule}\n{READER}\ng, operator:olga, role:keeper, local\n"
    asked = "explain --server git --tool undo:git_commit --intent undo --agent".split()
    done = bulkhead(home(tmp_path, policy), *asked, "operator:olga")
    assert "allowed   by P2 (policies/policy.csv:2)" in done.stdout
    assert bulkhead(tmp_path, *asked, "operator:nobody").returncode == 1


def test_explain_says_when_the_endpoint_does_not_serve_the_tier(tmp_path: Path) -> None:
    done = bulkhead(home(tmp_path), *EXPLAIN, "--endpoint", "/tool/mcp")
    assert done.returncode == 1
    assert "other_tier: /tool/mcp does not serve data" in done.stdout


def test_explain_says_where_a_role_alone_is_not_enough(tmp_path: Path) -> None:
    where = home(tmp_path)
    assert "grant " not in bulkhead(where, *EXPLAIN).stdout
    (where / "policies" / "intents.yaml").write_text("standing: [tool]\n")
    done = bulkhead(where, *EXPLAIN)
    assert "grant     needed: a role alone is not enough in tier data" in done.stdout
    assert json.loads(bulkhead(where, *EXPLAIN, "--json").stdout)["grant_needed"] is True


def test_explain_says_which_duties_a_call_has_and_that_no_read_is_held(tmp_path: Path) -> None:
    duties = "p, O1, *, git, *, *, *, *, *, -, approve\np, O2, *, git, *, *, *, *, *, -, hold:9\n"
    where = home(tmp_path, f"{ALLOW}\n{READER}\n{duties}")
    done = bulkhead(where, *EXPLAIN)
    assert "duty      approve by O1 (policies/policy.csv:3)\n" in done.stdout
    assert "duty      hold by O2 (policies/policy.csv:4), and a read cannot be held" in done.stdout


def test_explain_refuses_words_it_does_not_understand(tmp_path: Path) -> None:
    home(tmp_path)
    twice = ["--arguments", '{"a": 1, "a": 2}']  # as the gateway reads an agent's
    for extra in (twice, ["--arguments", "{"], ["--arguments", "[]"], ["--endpoint", "/nowhere"]):
        assert bulkhead(tmp_path, *EXPLAIN, *extra).returncode == 2
    assert bulkhead(tmp_path, "explain", "--agent", "ann").returncode == 2


async def test_explain_asks_the_policy_of_now_about_a_recorded_call(tmp_path: Path) -> None:
    await write(journal(home(tmp_path)), record.refusal(RECORDED, 1, "no_rule", ""))
    done = bulkhead(tmp_path, "explain", RECORDED.call_id[:8], "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert (told["rule"], told["recorded"]["state"]) == ("P1", "refused")
    assert told["recorded"]["policy_version"] == "sha256:old"
    assert bulkhead(tmp_path, "explain", "nothing-here").returncode == 1


RECORDED = call_record(
    "0123456789abcdef",
    agent="agent:ann",
    rule="",
    where="",
    policy_version="sha256:old",
    descriptor="",
    arguments={},
    arguments_digest="",
)


async def test_explain_asks_for_whom_the_agent_acted(tmp_path: Path) -> None:
    place = home(tmp_path, cases="")
    written(
        tmp_path,
        f"{ALLOW.replace('-', 'theirs')}\n{READER}\n",
        constraints="conditions: {theirs: {arguments: {owner: {equals: on_behalf_of}}}}",
    )
    words = (*EXPLAIN, "--arguments", '{"owner": "user:ada"}')
    assert bulkhead(place, *words, "--for", "user:ada").returncode == 0
    assert bulkhead(place, *words).returncode == 1
    call = replace(RECORDED, arguments={"owner": "user:ada"}, on_behalf_of="user:ada")
    await write(journal(place), record.intent(call, 1))
    assert bulkhead(place, "explain", call.call_id).returncode == 0


async def test_explain_asks_about_a_recorded_write_at_the_level_it_had(tmp_path: Path) -> None:
    csv = f"{ALLOW.replace('data', 'tool').replace('-', 'lost')}\n{READER}\n"
    place = home(tmp_path, csv)
    tiers = (place / "policies" / "tiers.yaml").read_text()
    (place / "policies" / "tiers.yaml").write_text(
        tiers.replace("tier: data, effect: read", "tier: tool, effect: write")
    )
    (place / "policies" / "constraints.yaml").write_text(
        "conditions: {lost: {level: {below: compensable}}}"
    )
    for number, level in enumerate(("none", "exact")):
        written = replace(
            RECORDED, call_id=f"level-{number}", tier="tool", effect="write", rule="P1"
        )
        body = {"undo": {"level": level, "guard": "none"}}
        await write(journal(place), record.intent(written, 1, body))
    assert bulkhead(place, "explain", "level-0").returncode == 0
    denied = bulkhead(place, "explain", "level-1", "--json")
    assert denied.returncode == 1
    assert json.loads(denied.stdout)["considered"][0]["failed"] == ["when lost"]


async def test_explain_calls_a_read_of_the_gateways_own_by_its_name(tmp_path: Path) -> None:
    own = replace(RECORDED, agent="bulkhead:undo", tier="admin", where="for call w47e3og6tyhcojqt")
    await write(journal(home(tmp_path)), record.intent(own, 1))
    done = bulkhead(tmp_path, "explain", RECORDED.call_id)
    assert (done.returncode, done.stdout) == (2, "")
    assert "the gateway's own read for call w47e3og6tyhcojqt" in done.stderr
