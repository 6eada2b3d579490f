from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.policy import rules
from tests.policy.written import ALLOW, READER

SERVERS = {"git"}
CONDITIONS = {"short", "own"}


def read(home: Path, text: str | bytes) -> rules.Rulebook:
    path = home / "policy.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return rules.read(path, SERVERS, CONDITIONS)


def refusal(home: Path, text: str | bytes) -> tuple[int | None, str]:
    with pytest.raises(Misconfigured) as caught:
        read(home, text)
    assert caught.value.where is not None
    return caught.value.where.line, caught.value.message


def test_rules_and_members_keep_their_lines(tmp_path: Path) -> None:
    book = read(tmp_path, f"# a comment\n\n{ALLOW}\r\n\t{READER}  \n")
    assert [(rule.id, rule.where.line) for rule in book.rules] == [("P1", 3)]
    assert [(m.agent, m.role, m.tenant, m.where.line) for m in book.members] == [
        ("agent:ann", "role:reader", "local", 4)
    ]


@pytest.mark.parametrize("column", ["data", "git", "role:reader", "local", "general"])
def test_an_allow_names_tier_server_role_tenant_and_intent(tmp_path: Path, column: str) -> None:
    line, message = refusal(tmp_path, f"{READER}\n{ALLOW.replace(column, '*', 1)}\n")
    assert line == 2
    assert "only a deny may say any" in message


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("data", "dtaa", "is no tier"),
        ("data", "DATA", "is no tier"),
        ("data", "data|tool", "is no tier"),
        ("git,", "gti,", "neither in tiers.yaml nor in bulkhead.yaml"),
        ("git,", "Git,", "is no server"),
        ("role:reader", "reader", "is no role"),
        ("role:reader", "agent:ann", "is no role"),
        ("role:reader", "role:", "is no role"),
        ("local, general", "lo cal, general", "is no tenant"),
        ("general", "gen*", "is no intent"),
        ("git_log", "git_*_log", "only at the end"),
        ("git_log", "git_log|", "empty, padded"),
        ("git_log", "git_log | git_x", "empty, padded"),
        ("local, -", "https://x, -", "is not a host"),
        ("local, -", "*.*, -", "is not a host"),
        ("local, -", "API.x, -", "is not a host"),
        ("local, -", "api.x:8443, -", "without a port"),
        ("local, -", "local|*.x:443, -", "without a port"),
        ("local, -", "api.x., -", "is not a host"),
        ("local, -", "127.1, -", "is not a host"),
        ("local, -", "::1, -", "is not a host"),
        ("local, -", "[0::1], -", "is not a host"),
        ("-,", "shrot,", "is not in constraints.yaml"),
        ("-,", "short&short,", "twice"),
        ("-,", "short & own,", "is not in constraints.yaml"),
        ("P1", "D1", "allow rules are named P"),
        ("P1", "1", "allow rules are named P"),
        ("P1", "p1", "allow rules are named P"),
        ("allow", "deny", "deny rules D"),
        ("allow", "approve", "duties O"),
        ("P1", "O1", "duties O"),
        ("allow", "would-deny", "would-deny rules W"),
        ("P1", "W1", "would-deny rules W"),
        ("allow", "would_deny", "exactly allow"),
        ("allow", "hold", "exactly allow, deny, approve, hold:<seconds> or would-deny"),
        ("allow", "hold:0", "exactly allow"),
        ("allow", "hold: 5", "exactly allow"),
        ("P1", "", "id is empty"),
    ],
)
def test_a_misspelt_field_is_refused_with_file_and_line(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    line, message = refusal(tmp_path, f"{READER}\n{ALLOW.replace(old, new, 1)}\n")
    assert line == 2
    assert says in message


def test_a_mark_of_byte_order_is_told_by_its_name_and_a_long_line_is_not_told_whole(
    tmp_path: Path,
) -> None:
    with pytest.raises(Misconfigured, match=r"policy.csv:1: .* byte order mark"):
        read(tmp_path, f"\ufeff# rules\n{READER}\n")
    assert len(refusal(tmp_path, "x" * 5000)[1]) < 300


@pytest.mark.parametrize("line", [ALLOW, READER])
def test_a_line_that_is_there_twice_is_refused_and_names_the_first(
    tmp_path: Path, line: str
) -> None:
    place, message = refusal(tmp_path, f"{ALLOW}\n{READER}\n{line}\n")
    assert place == 3
    assert "at line" in message


@pytest.mark.parametrize(
    "bad",
    [
        f"{ALLOW} # because",
        ALLOW.replace("git_log", "git#log"),
        ALLOW.replace("git_log", '"git_log"'),
        ALLOW.replace("git_log", "git_l\u043eg"),
        ALLOW.replace("git_log", "git_log\u200b"),
        "# a comment with \u202e in it",
        ALLOW.replace("git_log", "git\x0blog"),
        ALLOW.replace("git_log", "git\rlog"),
        "\ufeff# a mark of byte order",
    ],
)
def test_inline_comments_quotes_and_anything_beyond_ascii_are_refused(
    tmp_path: Path, bad: str
) -> None:
    line, _ = refusal(tmp_path, f"{READER}\n{bad}\n")
    assert line == 2


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"# fine\n\xff\xfe\n")[0] == 2
    assert refusal(tmp_path, f"{ALLOW}\n".encode("utf-16"))[0] == 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("g, ann, role:reader, local", "write agent:<name>"),
        ("g, agent:, role:reader, local", "write agent:<name>"),
        ("g, agent:*, role:reader, local", "write agent:<name>"),
        ("g, agent:Ann, role:reader, local", "small letters"),
        ("g, agent:spiffe://x/ann, role:reader, local", "small letters"),
        ("g, agent:ann, reader, local", "write role:<name>"),
        ("g, agent:ann, role:reader, *", "is no tenant"),
        ("g, agent:ann, role:reader", "3 belong"),
        ("g, agent:ann, role:reader, local, 2030-01-01", "3 belong"),
        ("g, role:writer, role:reader, local", "roles have no roles"),
    ],
)
def test_a_membership_is_an_agent_a_role_and_a_tenant(tmp_path: Path, line: str, says: str) -> None:
    place, message = refusal(tmp_path, f"{ALLOW}\n{line}\n")
    assert place == 2
    assert says in message


def test_role_chains_of_any_depth_are_refused(tmp_path: Path) -> None:
    chain = "".join(f"g, role:r{n}, role:r{n + 1}, local\n" for n in range(12))
    assert refusal(tmp_path, f"{READER}\n{chain}")[0] == 2


def test_a_role_on_one_side_only_is_a_misspelt_role(tmp_path: Path) -> None:
    assert refusal(tmp_path, f"{ALLOW}\n")[0] == 1
    lines = f"{ALLOW}\n{READER}\n"
    assert refusal(tmp_path, f"{lines}p, D1, *, *, *, role:raeder, *, *, *, -, deny\n")[0] == 3
    assert refusal(tmp_path, f"{lines}g, agent:bob, role:raeder, local\n")[0] == 3


def test_a_missing_file_and_a_huge_one_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Misconfigured, match="cannot read"):
        rules.read(tmp_path / "none.csv", SERVERS, CONDITIONS)
    monkeypatch.setattr(rules, "MAX_BYTES", 10)
    with pytest.raises(Misconfigured, match="larger than"):
        read(tmp_path, f"{ALLOW}\n")
