"""What an operator is asked to approve."""

from __future__ import annotations

from typing import Any

from gateway.catalogue.review import Review, review, whole_digest
from gateway.core.model import Target
from tests.catalogue.offering import OfferingServer, approved, read, tool

READ, WRITE = tool("read"), tool("write")


async def reviewed(listed: list[Any], *known: dict[str, Any]) -> dict[str, Review]:
    lists = (await read(OfferingServer(tool=listed)))["files"]
    found = review("files", lists, approved("files", *known))
    return {one.target.policy_name: one for one in found}


async def test_each_target_has_its_state() -> None:
    changed = READ | {"title": "x"}
    bad = tool("bad", inputSchema={"$ref": "x:y"})
    found = await reviewed([changed, WRITE, bad, tool("fresh")], READ, WRITE, tool("old"))
    assert {name: one.status for name, one in found.items()} == {
        "read": "changed",
        "write": "approved",
        "bad": "unfit",
        "fresh": "new",
        "old": "gone",
    }
    assert [name for name, one in found.items() if one.pending] == ["read", "fresh"]


async def test_a_change_is_shown_field_by_field_with_what_hides_spelt_out() -> None:
    old = tool("read", description="reads\na file", title="gone", inputSchema={"type": "object"})
    new = {
        **tool("read", description="reads\na\u200b file", annotations={"readOnlyHint": True}),
        "inputSchema": {"type": "object", "properties": {"x": {}}},
    }
    found = await reviewed([new], old)
    differences = {d.field: d.lines for d in found["read"].differences}
    assert differences.keys() == {"description", "title", "inputSchema", "annotations"}
    assert (
        "-a file" in differences["description"] and "+a\\u200b file" in differences["description"]
    )
    assert "-gone" in differences["title"]
    assert '+  "readOnlyHint": true' in differences["annotations"]
    assert '+  "properties": {' in differences["inputSchema"]
    assert any("U+200B" in flag for flag in found["read"].flags)


async def test_a_change_of_number_type_is_a_difference_too() -> None:
    found = await reviewed([tool("read", size=1.0)], tool("read", size=1))
    assert found["read"].status == "changed"
    assert found["read"].differences[0].field == "size"


async def test_what_has_no_name_is_shown_nevertheless() -> None:
    found = await reviewed([{"description": "x"}, "nonsense"])
    assert [one.status for one in found.values()] == ["unfit", "unfit"]
    assert list(found) == ["(item 1 has no name)", "(item 2 has no name)"]


async def test_a_name_listed_twice_in_two_versions_cannot_be_approved() -> None:
    other = READ | {"title": "x"}
    for listed in ([READ, other], [READ, other, other], [READ, other, READ]):
        assert (await reviewed(listed))["read"].status == "unfit"
    assert (await reviewed([READ, READ]))["read"].status == "new"


async def test_the_whole_digest_changes_with_any_descriptor_and_not_with_order_or_pins() -> None:
    first = whole_digest(list((await reviewed([READ, WRITE])).values()))
    assert whole_digest(list((await reviewed([WRITE, READ], READ)).values())) == first
    assert whole_digest(list((await reviewed([READ, WRITE | {"x": 1}])).values())) != first
    assert whole_digest(list((await reviewed([READ])).values())) != first


async def test_a_list_that_could_not_be_read_is_not_taken_for_an_empty_one() -> None:
    server = OfferingServer(tool=[])
    server.broken = "down"
    lists = (await read(server))["files"]
    found = review("files", lists, approved("files", READ))
    assert [(one.target, one.status, one.note) for one in found] == [
        (Target("files", "tool", "read"), "unread", "files: down")
    ]
