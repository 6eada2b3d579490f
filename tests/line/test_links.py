"""What an agent was told leads it, and nobody else, back."""

from __future__ import annotations

import pytest

from gateway.line.links import Links


async def test_each_agent_knows_what_it_was_told() -> None:
    links = Links()
    await links.note("me", "files", {"x://a": "x://a", "x://files~b": "x://b"})
    assert links.find("me", "x://files~b") == ("files", "x://b")
    assert links.find("you", "x://files~b") is None
    assert links.find("me", "x://b") is None


async def test_memory_is_bounded_for_each_and_for_all() -> None:
    links = Links(most=2, most_each=2)
    await links.note("me", "s", {f"x://{n}": f"x://{n}" for n in range(3)})
    assert links.find("me", "x://0") is None
    assert links.find("me", "x://2") == ("s", "x://2")
    for agent in ("a", "b"):
        await links.note(agent, "s", {"x://0": "x://0"})
    assert links.find("me", "x://2") is None
    assert links.find("b", "x://0") == ("s", "x://0")


async def test_memory_is_bounded_however_long_what_agents_are_told_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.line.links.MOST_BYTES", 50_000)
    links, uri = Links(), "x://" + "0" * 8_000
    for agent in "abcab":
        await links.note(agent, "s", {uri: uri, "x://1": "x://1"})
    assert links.find("a", uri) == links.find("b", uri) == links.find("c", uri) == ("s", uri)
    await links.note("d", "s", {uri: uri})
    assert links.find("c", "x://1") is None
    assert links.find("a", uri) == links.find("b", uri) == links.find("d", uri) == ("s", uri)
