from __future__ import annotations

from pathlib import Path

from gateway.policy.index import Index
from gateway.policy.rules import Rule, Rulebook
from tests.policy.written import ALLOW, READER, loaded

WRITER = "g, agent:ann, role:writer, local"


def book(home: Path, *lines: str) -> Rulebook:
    return loaded(home, "\n".join((ALLOW, READER, *lines))).book


def ids(rules: list[Rule] | tuple[Rule, ...] | object) -> list[str]:
    assert isinstance(rules, list)
    return [rule.id for rule in rules]


def test_candidates_come_in_the_order_of_the_file_each_once(tmp_path: Path) -> None:
    index = Index(
        book(
            tmp_path,
            "p, D9, *, *, *, *, *, *, *, -, deny",
            "p, P3, data, git, git_*|git_log, role:reader, local, general, local, -, allow",
            "p, P2, data, git, git_push, role:reader, local, general, local, -, allow",
        )
    )
    assert ids(index.candidates("data", "git", "git_log", ["role:reader"])) == ["P1", "D9", "P3"]


def test_rules_for_roles_one_does_not_have_are_left_out(tmp_path: Path) -> None:
    index = Index(
        book(
            tmp_path,
            "p, P2, data, git, *, role:writer, local, general, local, -, allow",
            "p, D1, data, git, *, role:writer, *, *, *, -, deny",
            WRITER,
        )
    )
    assert ids(index.candidates("data", "git", "git_log", ["role:reader"])) == ["P1"]
    assert index.roles("agent:ann", "local") == {"role:reader", "role:writer"}
    assert index.roles("agent:ann", "acme") == frozenset()


def test_a_deny_for_any_server_stands_in_every_cell_named_or_not(tmp_path: Path) -> None:
    index = Index(book(tmp_path, "p, D1, tool, *, *, *, *, *, *, -, deny"))
    assert ids(index.candidates("tool", "git", "x", [])) == ["D1"]
    assert ids(index.candidates("tool", "new", "x", [])) == ["D1"]
    assert ids(index.candidates("data", "new", "x", [])) == []


def test_neighbours_are_for_anybody_and_not_too_many(tmp_path: Path) -> None:
    lines = [ALLOW.replace("P1", f"P1{n}") for n in range(50)]
    index = Index(book(tmp_path, *lines))
    assert len(index.neighbours("data", "git", "git_log", 5)) == 5
    assert len(index.neighbours("data", "git", "git_log", 100)) == 51
    assert index.neighbours("data", "git", "git_push", 5) == []
