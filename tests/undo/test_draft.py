"""A drafted pack loads as it stands, and claims no more than what there is to undo with."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.catalogue.canonical import digest
from gateway.core.model import JsonObject, Target
from gateway.core.reverse import Captured, Level
from gateway.undo.draft import Offered, draft
from gateway.undo.packs import Packs
from gateway.undo.scope import Scope
from gateway.undo.toolpack import ToolPack
from gateway.values import replace
from tests.undo import notes
from tests.undo.notes import tool

TEXT = {"type": "string"}
TOOLS = [
    tool("get_note", {"id": TEXT}, notes.NOTE),
    tool("create_note", {"body": TEXT, "id": TEXT}),
    tool("delete_note", {"id": TEXT}),
    tool("send_note", {"id": TEXT, "address": TEXT}),
    {**tool("count", {}), "annotations": {"readOnlyHint": True}},
    tool("vacuum", {}),
]


def offered(tools: list[JsonObject], name: str = "notes", version: str = "1.4.0") -> Offered:
    return Offered(name, version, [(each, digest(each)) for each in tools])


def loaded(place: Path, text: str, companion: bool) -> Packs:
    approved = notes.pins(TOOLS) | (notes.pins(notes.COMPANION, "notes-undo") if companion else {})
    return notes.load(place, text, having=notes.servers(companion=companion), approved=approved)


def test_with_a_companion_every_record_is_captured_and_written_back(tmp_path: Path) -> None:
    text = draft("notes", offered(TOOLS), offered(notes.COMPANION, "notes-undo"))
    packs = loaded(tmp_path, text, companion=True)
    answer = packs.find(Target("notes", "tool", "delete_note"), "1.4.0")
    assert isinstance(answer, ToolPack)
    was = {"record": Captured("value", {"state": "sha256:a", "value": {"body": "x"}})}
    scope = Scope({"id": "a/b"}, pre=was)
    assert answer.keys(scope) == ("notes:/record/a%2Fb",)
    case = answer.choose(scope)
    assert case is not None
    (step,) = case.steps(replace(scope, post={"record": Captured("absent")}))
    assert (step.server, step.tool) == ("notes-undo", "put_record")
    assert step.arguments == {"key": "a/b", "value": {"body": "x"}, "expect": "absent"}
    made = answer.choose(replace(scope, pre={"record": Captured("absent")}))
    assert made is not None
    (step,) = made.steps(replace(scope, post=was))
    assert step.arguments == {"key": "a/b", "expect": "sha256:a"}


def test_without_one_it_claims_nothing_and_names_what_may_help(tmp_path: Path) -> None:
    text = draft("notes", offered(TOOLS), None)
    assert 'Tools that may take it back: "delete_note".' in text
    packs = loaded(tmp_path, text, companion=False)
    answer = packs.find(Target("notes", "tool", "create_note"), "1.4.0")
    assert isinstance(answer, ToolPack)
    case = answer.choose(Scope({"id": "a", "body": "b"}, pre={"get_note": Captured("value", {})}))
    assert case is not None
    assert case.level is Level.NONE


def test_a_read_of_the_server_that_is_called_record_takes_what_that_server_says() -> None:
    read = {**tool("record", {"id": TEXT}), "annotations": {"readOnlyHint": True}}
    text = draft("notes", offered([read, tool("send_note", {"id": TEXT})]), None)
    assert 'capture: {record: {use: "record", arguments: {id: "${args.id}"}}}' in text


def test_a_tool_that_does_more_than_write_a_record_is_not_written_back(tmp_path: Path) -> None:
    text = draft("notes", offered(TOOLS), offered(notes.COMPANION, "notes-undo"))
    packs = loaded(tmp_path, text, companion=True)
    answer = packs.find(Target("notes", "tool", "send_note"), "1.4.0")
    assert isinstance(answer, ToolPack)
    assert [case.level for case in answer.tool.cases] == [Level.NONE]
    assert '"vacuum": nothing known tells what it changes' in text
    assert "count:" not in text


def test_what_drops_a_record_writes_one_and_is_told_apart_from_what_puts_it(
    tmp_path: Path,
) -> None:
    """The names a companion of the how-to gives its tools."""
    tools = [
        TOOLS[0],
        tool("put_note", {"id": TEXT, "body": TEXT}),
        tool("drop_note", {"id": TEXT}),
    ]
    text = draft("notes", offered(tools), offered(notes.COMPANION, "notes-undo"))
    approved = notes.pins(tools) | notes.pins(notes.COMPANION, "notes-undo")
    packs = notes.load(tmp_path, text, having=notes.servers(companion=True), approved=approved)
    answer = packs.find(Target("notes", "tool", "drop_note"), "1.4.0")
    assert isinstance(answer, ToolPack)
    assert [case.level for case in answer.tool.cases] == [Level.EXACT, Level.EXACT]
    alone = draft("notes", offered(tools), None)
    assert 'take it back: "drop_note".' in alone
    assert 'take it back: "put_note".' in alone


def test_a_tool_that_takes_any_query_is_not_taken_for_one_that_reads() -> None:
    store = [tool("store_state", {}), tool("read_record", {"key": TEXT})]
    sql = [tool("query", {"sql": TEXT}), tool("query_schema", {}), tool("list_tables", {})]
    text = draft("db", offered(sql, "db"), offered(store, "db-undo"))
    assert [line for line in text.splitlines() if line.endswith("{}")] == ['  "query": {}']


@pytest.mark.parametrize("version", ["", "1.4.0", "v2-beta.1", "0.0.0-development", "latest"])
def test_a_draft_is_in_force_for_the_very_version_and_no_other(
    tmp_path: Path, version: str
) -> None:
    text = draft("notes", offered(TOOLS, version=version), offered(notes.COMPANION, "notes-undo"))
    packs = loaded(tmp_path, text, companion=True)
    target = Target("notes", "tool", "delete_note")
    assert isinstance(packs.find(target, version), ToolPack)
    for other in {None, "", "1.4.0", "nightly"} - {version}:
        assert not isinstance(packs.find(target, other), ToolPack)


def test_a_version_no_pack_can_name_gets_no_draft() -> None:
    with pytest.raises(ValueError, match="which no pack can name"):
        draft("notes", offered(TOOLS, version="1.0 (build 5), final"), None)


def test_a_server_that_only_reads_needs_no_pack() -> None:
    with pytest.raises(ValueError, match="changes anything"):
        draft("notes", offered(TOOLS[:1]), None)


def test_a_server_nobody_can_read_gets_no_draft() -> None:
    with pytest.raises(ValueError, match="companion"):
        draft("notes", offered(TOOLS[-1:]), None)


def test_what_a_server_says_of_itself_cannot_leave_its_place(tmp_path: Path) -> None:
    evil = 'x"\nundo_pack: 2\n# ${args.id}'
    tools = [
        tool("get_it", {"id": TEXT}),
        tool(evil, {"id": TEXT}),
        tool("put_it", {evil: TEXT, "id": TEXT}),
    ]
    text = draft("notes", Offered(evil, "1.0", [(each, digest(each)) for each in tools]), None)
    packs = notes.load(tmp_path, text, approved=notes.pins(tools))
    assert set(packs.by_server["notes"].tools) == {evil, "put_it"}
