"""URIs on the aggregates lead back to their server, and nothing else of a result changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.uri_template import UriTemplate

from gateway.core.model import Entry, JsonObject, Target
from gateway.core.published import MAX_LINKS, Publisher, prefixed, without_prefix
from gateway.core.resolve import MAX_NAME, Shelf, Template


def entry(server: str, uri: str) -> Entry:
    return Entry(Target(server, "resource", uri), uri, {"uri": uri}, "sha256:0")


SHELF = Shelf(
    resources={"x://theirs": entry("b", "x://theirs"), "x://mine": entry("a", "x://mine")}
)


@pytest.mark.parametrize(
    ("uri", "public"),
    [
        ("test://host/p?q#f", "test://a~host/p?q#f"),
        ("file:///etc/%2e", "file://a~/etc/%2e"),
        ("urn:isbn:1", "urn:a~isbn:1"),
        ("UI://App/%41", "UI://a~App/%41"),
        ("x:", "x:a~"),
    ],
)
def test_a_prefix_goes_to_the_head_of_the_authority_and_comes_off_again(
    uri: str, public: str
) -> None:
    assert prefixed("a", uri) == public
    assert without_prefix("a", public) == uri


@given(st.text(max_size=30), st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True))
def test_a_prefix_is_undone_to_the_byte(rest: str, server: str) -> None:
    for uri in (f"x:{rest}", f"x://{rest}"):
        public = prefixed(server, uri)
        assert public is not None and public != uri
        assert without_prefix(server, public) == uri


def test_without_a_scheme_in_plain_sight_there_is_no_prefix() -> None:
    assert prefixed("a", "{scheme}://x") is None
    assert without_prefix("a", "x://b~y") == "x://b~y"


def test_a_uri_of_its_own_or_of_nobody_stays_and_another_servers_gets_the_prefix() -> None:
    publisher = Publisher(SHELF, "a")
    assert publisher.uri("x://mine") == "x://mine"
    assert publisher.uri("x://nobodys") == "x://nobodys"
    assert publisher.uri("x://theirs") == "x://a~theirs"
    assert publisher.links == {
        "x://mine": "x://mine",
        "x://nobodys": "x://nobodys",
        "x://a~theirs": "x://theirs",
    }


def test_a_result_that_names_resources_without_end_costs_a_bounded_look() -> None:
    publisher = Publisher(SHELF, "a")
    told = publisher.result(
        "tools/call", {"content": [LINK | {"uri": f"x://{n}"} for n in range(5000)]}
    )
    assert len(told["content"]) == 5000
    assert len(publisher.links) == MAX_LINKS


def test_a_uri_that_is_too_long_to_be_asked_for_is_told_as_it_is_and_not_remembered() -> None:
    publisher = Publisher(SHELF, "a")
    longest, longer = (f"x://{'n' * length}" for length in (MAX_NAME - 4, MAX_NAME - 3))
    result = {"content": [LINK | {"uri": longest}, LINK | {"uri": longer}]}
    assert publisher.result("tools/call", result) is result
    assert [*publisher.links] == [longest]


LINK: JsonObject = {"type": "resource_link", "uri": "x://theirs", "vendor": 1}
EMBEDDED: JsonObject = {"type": "resource", "resource": {"uri": "x://theirs", "text": "x"}, "v": 2}
OTHER: JsonObject = {"type": "vendor/x", "uri": "x://theirs"}


def test_links_embedded_resources_and_user_interfaces_are_told_in_every_kind_of_result() -> None:
    def told(method: str, result: JsonObject) -> JsonObject:
        return Publisher(SHELF, "a").result(method, result)

    link = LINK | {"uri": "x://a~theirs"}
    embedded = EMBEDDED | {"resource": {"uri": "x://a~theirs", "text": "x"}}
    called = {"content": [LINK, EMBEDDED, OTHER, 7], "isError": False, "vendor": None}
    assert told("tools/call", called) == called | {"content": [link, embedded, OTHER, 7]}
    assert told("tasks/get", {"status": "completed", "result": called}) == {
        "status": "completed",
        "result": called | {"content": [link, embedded, OTHER, 7]},
    }
    got = {"messages": [{"role": "user", "content": EMBEDDED}, {"content": [LINK]}]}
    assert told("prompts/get", got) == {
        "messages": [{"role": "user", "content": embedded}, {"content": [link]}]
    }
    assert told("resources/read", {"contents": [{"uri": "x://theirs", "blob": ""}]}) == {
        "contents": [{"uri": "x://a~theirs", "blob": ""}]
    }
    ui = {"_meta": {"ui": {"resourceUri": "x://theirs", "v": 1}, "k": 2}}
    assert told("tools/call", ui) == {
        "_meta": {"ui": {"resourceUri": "x://a~theirs", "v": 1}, "k": 2}
    }


def test_a_result_that_needs_no_change_is_the_very_same() -> None:
    for result in ({"content": [OTHER, {"type": "text"}]}, {"content": "odd"}, {"_meta": 5}, {}):
        assert Publisher(SHELF, "a").result("tools/call", result) is result


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "content",
                    "messages",
                    "contents",
                    "type",
                    "resource",
                    "uri",
                    "_meta",
                    "ui",
                    "result",
                ]
            )
            | st.text(max_size=3),
            inner | st.sampled_from(["resource", "resource_link", "x://t/1", "x://theirs"]),
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(
    st.sampled_from(["tools/call", "prompts/get", "resources/read", "tasks/get", "vendor/x"]),
    st.dictionaries(st.sampled_from(["content", "messages", "contents", "_meta", "result"]), JSON),
)
def test_no_result_however_odd_stops_an_answer(method: str, result: JsonObject) -> None:
    parsed = UriTemplate.parse("x://t/{id}")
    template = Template(entry("b", "x://t/{id}"), lambda uri: parsed.match(uri) is not None)
    shelf = Shelf(resources=SHELF.resources, templates={"x://t/{id}": template})
    told = Publisher(shelf, "a").result(method, result)
    assert told.keys() == result.keys()
