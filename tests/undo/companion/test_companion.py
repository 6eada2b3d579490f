"""A companion in twenty lines: what its owner writes, and what it promises then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from gateway.core.reverse import Captured
from gateway.undo import changes
from gateway.undo.changes import GROWS, LARGE
from gateway.undo.companion import ABSENT, Companion, No, state
from tests.system import starter

OWNERS = """
import sqlite3, sys
from gateway.undo.companion import Companion
db = sqlite3.connect(sys.argv[1], check_same_thread=False)
notes = Companion("notes-undo")
@notes.alone
def alone():
    return db
@notes.read
def read(key):
    row = db.execute("SELECT body FROM notes WHERE id = ?", [key]).fetchone()
    return {"body": row[0]} if row else None
@notes.put
def put(key, value):
    db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", [key, value["body"]])
@notes.delete
def delete(key):
    db.execute("DELETE FROM notes WHERE id = ?", [key])
notes.run()
"""


def made(world: dict[str, Any], *, listed: bool = False) -> dict[str, Any]:
    """A companion over a dict, its tools by name. `listed`: it can tell all its records."""
    companion = Companion("world")
    if listed:
        companion.keys(lambda: world)
    companion.read(world.get)
    companion.put(world.__setitem__)
    companion.delete(world.__delitem__)
    return {one.name: one.run for one in companion.operations()}


def test_a_record_comes_back_only_over_what_was_expected() -> None:
    world: dict[str, Any] = {"a": {"n": 1}}
    tools = made(world)
    before = tools["read_record"](key="a")
    world["a"] = {"n": 2}
    after = tools["read_record"](key="a")["state"]
    world["a"] = {"n": 3}
    with pytest.raises(No, match="CONFLICT"):
        tools["put_record"](key="a", value=before["value"], expect=after)
    assert world == {"a": {"n": 3}}
    tools["put_record"](key="a", value=before["value"], expect=state({"n": 3}))
    assert world == {"a": {"n": 1}}


def test_put_and_delete_done_already_change_nothing() -> None:
    world: dict[str, Any] = {"a": {"n": 1}}
    tools = made(world)
    same = tools["put_record"](key="a", value={"n": 1}, expect=ABSENT)
    gone = tools["delete_record"](key="b", expect=state({"n": 9}))
    assert (same["changed"], gone["changed"]) == (False, False)
    assert world == {"a": {"n": 1}}


def test_a_record_that_is_kept_differently_is_not_called_done() -> None:
    world: dict[str, Any] = {}
    companion = Companion("world")
    companion.read(world.get)
    companion.put(lambda key, value: world.__setitem__(key, {**value, "stamp": 1}))
    tools = {one.name: one.run for one in companion.operations()}
    with pytest.raises(No, match="FAILED"):
        tools["put_record"](key="a", value={"n": 1}, expect=ABSENT)


def test_a_record_that_an_agent_wrote_in_the_companions_own_words_is_a_record() -> None:
    """`{"only grows": 1}` is what a companion says of a number that others may be given since."""
    spoken: dict[str, Any] = {GROWS: 1, LARGE: "no", "evil": True}
    world: dict[str, Any] = {"c": {"record": 5}}
    tools = made(world, listed=True)
    mark = tools["store_state"]()["state"]
    world |= {"a": spoken, "b": {"n": 1}, "c": {GROWS: 7}}
    found = tools["store_changes"](since=mark)
    world["c"] = {"record": 5}
    del world["b"]
    now = {"was": found["was"], "now": tools["store_records"](keys=["a", "b", "c"])["records"]}
    assert not changes.same(
        {}, {changes.NAME: Captured("value", now)}
    )  # all as before: by no means
    tools["store_put"](records=found["was"], expect=found["now"])
    assert world == {"c": {"record": 5}}
    tools["store_put"](records=found["now"], expect=found["was"])
    assert world == {"a": spoken, "b": {"n": 1}, "c": {GROWS: 7}}


def test_a_companion_without_a_read_is_none() -> None:
    with pytest.raises(TypeError, match="without a read"):
        Companion("blind").operations()


def test_one_and_true_are_two_records() -> None:
    assert len({state({"n": 1}), state({"n": True}), state({"n": "1"}), state(None)}) == 4


async def test_an_owners_companion_serves_over_stdio(tmp_path: Path) -> None:
    import sqlite3

    db = sqlite3.connect(tmp_path / "notes.db")
    with db:
        db.execute("CREATE TABLE notes (id TEXT PRIMARY KEY, body TEXT)")
        db.execute("INSERT INTO notes VALUES ('n1', 'first')")
    script = tmp_path / "owners.py"
    script.write_text(OWNERS)
    command = StdioServerParameters(
        command=starter.python(), args=[str(script), str(tmp_path / "notes.db")]
    )
    with anyio.fail_after(30):
        async with Client(stdio_client(command)) as client:
            listed = await client.list_tools()
            found = await client.call_tool("read_record", {"key": "n1"})
            with db:
                db.execute("UPDATE notes SET body = 'wrecked'")
            wrong = await client.call_tool(
                "put_record", {"key": "n1", "value": {"body": "first"}, "expect": ABSENT}
            )
            unknown = await client.call_tool("read_record", {"key": "n1", "else": 1})
            back = await client.call_tool(
                "put_record",
                {"key": "n1", "value": {"body": "first"}, "expect": state({"body": "wrecked"})},
            )
            none = await client.call_tool("read_record", {"key": "n2"})
    texts = [
        str(one.content[0].model_dump()["text"]).partition(":")[0] for one in (wrong, unknown, none)
    ]
    assert [tool.name for tool in listed.tools] == ["read_record", "put_record", "delete_record"]
    assert all(tool.input_schema["additionalProperties"] is False for tool in listed.tools)
    assert found.structured_content["value"] == {"body": "first"}
    assert texts == ["CONFLICT", "INVALID", "ABSENT"]
    assert back.structured_content == {"changed": True, "state": state({"body": "first"})}, back
    assert db.execute("SELECT body FROM notes").fetchall() == [("first",)]
