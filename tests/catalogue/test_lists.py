"""The answer to a list, for one caller."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.catalogue import lists
from gateway.catalogue.cursors import Cursors
from gateway.catalogue.lists import answer
from gateway.core.model import Endpoint, Entry, JsonObject, Tier
from gateway.core.resolve import Table
from gateway.errors import Refused
from gateway.reasons import Reason
from tests.catalogue.offering import (
    ALL,
    OfferingServer,
    approved,
    at,
    pins,
    resource,
    table,
    template,
    tool,
)

CURSORS = Cursors("a key of one gateway")
READ, WRITE, DROP = tool("read"), tool("write", vendor={"k": [1.0]}), tool("drop")


def everything(entry: Entry) -> bool:
    return True


def _list(
    made: Table,
    method: str = "tools/list",
    endpoint: Endpoint = ALL,
    visible: Any = everything,
    **params: Any,
) -> JsonObject:
    got = answer(made, endpoint, method, params, visible, CURSORS, "me")
    assert got.error is None and got.result is not None
    return got.result


async def _paged() -> tuple[OfferingServer, Table]:
    server = OfferingServer(prompt=[])
    server.pages["tools/list"] = {
        None: {
            "tools": [READ, DROP],
            "nextCursor": "",
            "ttlMs": 5,
            "cacheScope": "public",
            "_meta": {"a": 1},
        },
        "": {"tools": [WRITE], "x-vendor": True},
    }
    return server, await table([server], pins(approved("files", READ, WRITE, DROP)))


async def test_the_transparent_endpoint_gives_the_servers_own_pages() -> None:
    server, made = await _paged()
    assert _list(made, endpoint=at("files")) == server.pages["tools/list"][None]
    assert _list(made, endpoint=at("files"), cursor="") == server.pages["tools/list"][""]


async def test_a_hidden_item_leaves_no_trace_and_makes_the_page_private() -> None:
    server, made = await _paged()
    page = _list(made, endpoint=at("files"), visible=lambda e: e.target.name != "drop")
    assert page == server.pages["tools/list"][None] | {"tools": [READ], "cacheScope": "private"}
    second = _list(made, endpoint=at("files"), visible=lambda e: False, cursor="")
    assert second == {"tools": [], "x-vendor": True}


async def test_a_quarantined_item_is_hidden_from_everybody() -> None:
    server = OfferingServer(tool=[READ | {"title": "poison"}, WRITE])
    made = await table([server], pins(approved("files", READ, WRITE)))
    assert _list(made, endpoint=at("files")) == {"tools": [WRITE]}
    assert [one["name"] for one in _list(made)["tools"]] == ["files__write"]


@pytest.mark.parametrize("endpoint", [ALL, at("files"), Endpoint("tier", Tier.DATA)])
@pytest.mark.parametrize("cursor", ["nonsense", 7, ["x"]])
async def test_an_unknown_cursor_is_invalid_params(endpoint: Endpoint, cursor: object) -> None:
    _, made = await _paged()
    got = answer(made, endpoint, "tools/list", {"cursor": cursor}, everything, CURSORS, "me")
    assert got.error is not None and got.error.code == -32602


async def test_the_aggregate_merges_under_public_names_and_keeps_every_other_field() -> None:
    ask = {"name": "review", "arguments": [{"name": "pr", "title": "PR"}]}
    one = OfferingServer("files", tool=[WRITE, READ], prompt=[ask])
    two = OfferingServer("more", tool=[READ])
    known = pins(
        approved("files", READ, WRITE),
        approved("files", ask, kind="prompt"),
        approved("more", READ),
    )
    made = await table([one, two], known)
    assert _list(made) == {
        "tools": [
            WRITE | {"name": "files__write"},
            READ | {"name": "files__read"},
            READ | {"name": "more__read"},
        ]
    }
    assert _list(made, "prompts/list") == {"prompts": [ask | {"name": "files__review"}]}
    assert _list(made, visible=lambda e: e.target.server == "more")["tools"] == [
        READ | {"name": "more__read"}
    ]


async def test_uris_and_ui_links_are_left_as_they_are() -> None:
    app = tool("show", _meta={"ui": {"resourceUri": "UI://Show/%41"}})
    note, files = resource("FILE:///A%2Fb?q#f"), template("FILE:///{+p}")
    server = OfferingServer(tool=[app], resource=[note], template=[files])
    known = pins(
        approved("files", app),
        approved("files", note, kind="resource"),
        approved("files", files, kind="template"),
    )
    made = await table([server], known)
    assert _list(made)["tools"][0]["_meta"] == app["_meta"]
    assert _list(made, "resources/list") == {"resources": [note]}
    assert _list(made, "resources/templates/list") == {"resourceTemplates": [files]}


async def test_a_list_the_server_does_not_have_is_its_own_error_there_and_empty_on_the_aggregate() -> (
    None
):
    made = await table([OfferingServer(tool=[])], pins())
    got = answer(made, at("files"), "prompts/list", {}, everything, CURSORS, "me")
    assert got.error is not None and got.error.code == -32601
    assert _list(made, "prompts/list") == {"prompts": []}


async def test_a_list_that_was_never_read_is_said_to_be_unavailable() -> None:
    server = OfferingServer(tool=[])
    server.broken = "down"
    made = await table([server], pins())
    with pytest.raises(Refused) as no:
        answer(made, at("files"), "tools/list", {}, everything, CURSORS, "me")
    assert no.value.reason is Reason.SERVER_UNAVAILABLE
    assert _list(made) == {"tools": []}


async def test_an_unknown_server_has_no_list() -> None:
    made = await table([], pins())
    with pytest.raises(Refused):
        answer(made, at("nobody"), "tools/list", {}, everything, CURSORS, "me")


async def test_the_approved_descriptor_is_never_changed_by_listing_it() -> None:
    made = await table([OfferingServer(tool=[READ])], pins(approved("files", READ)))
    _list(made)["tools"][0]["name"] = "hacked"
    assert made.aggregate.tools["files__read"].descriptor == READ


async def test_an_aggregate_is_walked_in_pages_and_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lists, "MAX_PAGE", 2)
    tools = [tool(f"t{n}") for n in range(7)]
    made = await table([OfferingServer(tool=tools)], pins(approved("files", *tools)))

    def odd(entry: Entry) -> bool:
        return entry.target.name in ("t1", "t3", "t4")

    page, seen = _list(made, visible=odd), []
    seen += page["tools"]
    while "nextCursor" in page:
        page = _list(made, visible=odd, cursor=page["nextCursor"])
        seen += page["tools"]
    assert [one["name"] for one in seen] == ["files__t1", "files__t3", "files__t4"]


async def test_a_cursor_is_good_for_one_agent_one_list_and_one_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lists, "MAX_PAGE", 1)
    before = await table([OfferingServer(tool=[READ, DROP])], pins(approved("files", READ, DROP)))
    after = await table([OfferingServer(tool=[READ, WRITE])], pins(approved("files", READ, WRITE)))
    cursor = {"cursor": _list(before)["nextCursor"]}

    def code(made: Table, endpoint: Endpoint, method: str, cursors: Cursors, agent: str) -> int:
        got = answer(made, endpoint, method, cursor, everything, cursors, agent)
        return got.error.code if got.error else 0

    assert code(before, ALL, "tools/list", CURSORS, "me") == 0
    assert code(after, ALL, "tools/list", CURSORS, "me") == -32602
    assert code(before, Endpoint("tier", Tier.DATA), "tools/list", CURSORS, "me") == -32602
    assert code(before, ALL, "prompts/list", CURSORS, "me") == -32602
    assert code(before, ALL, "tools/list", CURSORS, "you") == -32602
    assert code(before, ALL, "tools/list", Cursors("another"), "me") == -32602


def test_gateways_with_one_key_read_each_others_cursors() -> None:
    made = Cursors("k" * 32).make(500, ("v", "tools"))
    assert Cursors("k" * 32).read(made, ("v", "tools")) == 500
    assert Cursors("k" * 32).read(made[:-2] + "AA", ("v", "tools")) is None
