"""Reading all that a server lists, within bounds; a broken server is named."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.catalogue import fetch
from gateway.catalogue.fetch import fetch_lists
from gateway.core.model import JsonObject, RpcError
from gateway.ports import ServerUnavailable
from tests.catalogue.offering import OfferingServer, tool


async def test_a_list_the_server_does_not_have_is_empty_and_no_problem() -> None:
    lists = await fetch_lists("files", OfferingServer(tool=[tool("read")]), 5)
    assert not lists.problems
    assert [item.name for item in lists.kinds["tool"].items] == ["read"]
    absent = lists.kinds["prompt"]
    assert absent.items == () and absent.absent == RpcError(-32601, "Method not found")


async def test_every_page_is_read_and_the_empty_string_is_a_cursor() -> None:
    server = OfferingServer()
    server.pages["tools/list"] = {
        None: {"tools": [tool("a")], "nextCursor": ""},
        "": {"tools": [tool("b")], "nextCursor": "2", "_meta": {"x": 1}},
        "2": {"tools": [tool("c")]},
    }
    pages = (await fetch_lists("files", server, 5)).kinds["tool"].pages
    assert [page.cursor for page in pages] == [None, "", "2"]
    assert [page.items[0].name for page in pages] == ["a", "b", "c"]
    assert pages[1].raw["_meta"] == {"x": 1}
    assert server.asked[:3] == [("tools/list", None), ("tools/list", ""), ("tools/list", "2")]


@pytest.mark.parametrize(
    ("pages", "why"),
    [
        (
            {None: {"tools": [], "nextCursor": "a"}, "a": {"tools": [], "nextCursor": "a"}},
            "lead back",
        ),
        ({None: {"tools": [], "nextCursor": ""}, "": {"tools": [], "nextCursor": ""}}, "lead back"),
        ({None: {"tools": [], "nextCursor": 7}}, "nextCursor is not a string"),
        ({None: {"tools": {}}}, "no list of items"),
        ({None: {}}, "no list of items"),
        ({None: "x"}, "no list of items"),
    ],
)
async def test_a_list_that_makes_no_sense_is_a_problem_that_names_the_server(
    pages: Any, why: str
) -> None:
    server = OfferingServer(prompt=[{"name": "p"}])
    server.pages["tools/list"] = pages
    lists = await fetch_lists("files", server, 5)
    assert lists.problems["tool"].startswith("files:") and why in lists.problems["tool"]
    assert "tool" not in lists.kinds


class _Endless(OfferingServer):
    async def fetch(self, method: str, params: JsonObject) -> JsonObject:
        self.asked.append((method, None))
        return {"tools": [tool("x", description="a" * 1000)], "nextCursor": str(len(self.asked))}


@pytest.mark.parametrize(("bound", "value"), [("MAX_PAGES", 20), ("MAX_TOTAL", 20_000)])
async def test_pages_without_end_are_given_up(
    monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(fetch, bound, value)
    server = _Endless()
    lists = await fetch_lists("files", server, 5)
    assert "more pages than can be held" in lists.problems["tool"]
    assert len([one for one in server.asked if one[0] == "tools/list"]) <= 21


@pytest.mark.parametrize(
    "page",
    [
        {"tools": [], "_meta": {"words": "a" * 1000}},
        {"tools": [tool("x", description="a" * 1000)]},
        {"tools": [tool(f"x{n}", description="a" * 100) for n in range(10)]},
    ],
)
async def test_what_stands_beside_the_items_counts_too(
    monkeypatch: pytest.MonkeyPatch, page: JsonObject
) -> None:
    monkeypatch.setattr(fetch, "MAX_TOTAL", 20_000)
    server = OfferingServer()
    server.pages["tools/list"] = {
        (str(n) if n else None): {**page, "nextCursor": str(n + 1)} for n in range(100)
    }
    lists = await fetch_lists("files", server, 5)
    assert "more pages than can be held" in lists.problems["tool"]
    assert len(server.asked) < 30


async def test_an_item_nobody_can_measure_is_not_kept() -> None:
    server = OfferingServer(tool=[{"name": "x", "description": "\ud800" + "a" * 1_000_000}])
    lists = await fetch_lists("files", server, 5)
    assert len(repr(lists)) < 10_000
    assert lists.kinds["tool"].items[0].fault


async def test_a_page_too_deep_to_measure_is_a_problem_of_its_server() -> None:
    server = OfferingServer(prompt=[{"name": "p"}])
    deep: JsonObject = {}
    for _ in range(100_000):
        deep = {"": deep}
    server.pages["tools/list"] = {None: {"tools": [], "_meta": deep}}
    lists = await fetch_lists("files", server, 5)
    assert "too deep" in lists.problems["tool"]
    while deep:
        deep = deep.pop("")  # a dict this deep is not freed by recursion


async def test_a_long_story_about_a_failure_is_cut() -> None:
    server = OfferingServer(tool=[])
    server.broken = "x" * 1_000_000
    lists = await fetch_lists("files", server, 5)
    assert all(len(problem) == fetch.MAX_PROBLEM for problem in lists.problems.values())


async def test_a_server_that_is_down_is_asked_once() -> None:
    server = OfferingServer(tool=[])
    server.broken = "it is not there"
    lists = await fetch_lists("files", server, 5)
    assert set(lists.problems.values()) == {"files: it is not there"}
    assert lists.problems.keys() == {"tool", "prompt", "resource", "template"}
    assert len(server.asked) == 1


class _Refusing(OfferingServer):
    async def fetch(self, method: str, params: JsonObject) -> JsonObject:
        if method == "prompts/list":
            raise ServerUnavailable("files: prompts/list: oops", RpcError(-32603, "oops"))
        return await super().fetch(method, params)


async def test_one_list_that_fails_does_not_take_the_others_with_it() -> None:
    lists = await fetch_lists("files", _Refusing(tool=[tool("a")], resource=[]), 5)
    assert lists.problems == {"prompt": "files: prompts/list: oops"}
    assert lists.kinds.keys() == {"tool", "resource", "template"}


async def test_a_silent_server_costs_its_deadline_and_no_more() -> None:
    server = OfferingServer(tool=[])
    server.stuck.clear()
    async with asyncio.timeout(20):
        lists = await fetch_lists("files", server, 0.01)
    assert lists.problems["tool"] == "files: no list within 0.01 s"
    assert not lists.kinds
