"""Step 4: names become targets by the table, and quarantine has no way round."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.model import Endpoint, Entry, JsonObject, Resolved, Target, Tier
from gateway.core.resolve import MAX_NAME, Table, resolve
from gateway.core.tasks import TaskMade, resolve_task
from gateway.errors import Refused
from gateway.reasons import Reason
from tests.catalogue.offering import (
    ALL,
    OfferingServer,
    approved,
    asks,
    at,
    pins,
    resource,
    table,
    template,
    tool,
)

READ = tool("read")
ASK: JsonObject = {"name": "ask", "arguments": [{"name": "x"}]}
NOTE, SECRET = resource("file:///note"), resource("file:///secret")
FILES = template("file:///{+path}")


async def _table(**options: Any) -> Table:
    server = OfferingServer(
        "files", tool=[READ, tool("new")], prompt=[ASK], resource=[NOTE, SECRET], template=[FILES]
    )
    known = pins(
        approved("files", READ),
        approved("files", ASK, kind="prompt"),
        approved("files", NOTE, kind="resource"),
        approved("files", FILES, kind="template"),
    )
    return await table([server], known, **options)


async def _resolve(
    method: str, params: JsonObject, endpoint: Endpoint = ALL, **options: Any
) -> Resolved:
    return resolve(await _table(**options), asks(method, params, endpoint))


async def _reason(
    method: str, params: JsonObject, endpoint: Endpoint = ALL, **options: Any
) -> Reason:
    with pytest.raises(Refused) as no:
        await _resolve(method, params, endpoint, **options)
    return no.value.reason


async def test_a_public_name_is_the_servers_own_name_to_the_server() -> None:
    params = {"name": "files__read", "arguments": {"path": "a"}, "_meta": {"k": 1}, "vendor": 2}
    found = await _resolve("tools/call", params)
    assert found.target == Target("files", "tool", "read")
    assert found.params == params | {"name": "read"}
    assert params["name"] == "files__read"


@pytest.mark.parametrize(
    "endpoint", [ALL, Endpoint("tier", Tier.DATA), Endpoint("tier", Tier.ADMIN)]
)
async def test_native_names_are_unknown_on_the_aggregates(endpoint: Endpoint) -> None:
    assert await _reason("tools/call", {"name": "read"}, endpoint) is Reason.UNKNOWN_TARGET


async def test_public_names_are_unknown_on_the_transparent_endpoint() -> None:
    assert (
        await _reason("tools/call", {"name": "files__read"}, at("files")) is Reason.UNKNOWN_TARGET
    )
    assert (await _resolve("tools/call", {"name": "read"}, at("files"))).target.name == "read"


@pytest.mark.parametrize(
    "name",
    [
        "FILES__READ",
        "files__read ",
        " files__read",
        "files__\uff52ead",
        "files_read",
        "files/read",
        "files__new\u200b",
    ],
)
async def test_a_name_that_only_looks_right_is_unknown(name: str) -> None:
    assert await _reason("tools/call", {"name": name}) is Reason.UNKNOWN_TARGET


@pytest.mark.parametrize(
    "params", [{}, {"name": ""}, {"name": 1}, {"name": None}, {"name": ["files__read"]}]
)
async def test_a_name_that_is_no_name_is_malformed(params: JsonObject) -> None:
    assert await _reason("tools/call", params) is Reason.MALFORMED


async def test_what_is_in_quarantine_is_refused_as_that_for_the_operator() -> None:
    assert await _reason("tools/call", {"name": "files__new"}) is Reason.QUARANTINED
    assert await _reason("tools/call", {"name": "new"}, at("files")) is Reason.QUARANTINED


async def test_a_resource_is_found_by_its_exact_bytes() -> None:
    found = await _resolve("resources/read", {"uri": "file:///note"})
    assert found.target == Target("files", "resource", "file:///note")
    assert await _reason("resources/read", {"uri": "FILE:///note"}) is Reason.UNKNOWN_TARGET


async def test_a_uri_of_a_template_is_decided_and_read_by_its_own_name() -> None:
    found = await _resolve("resources/read", {"uri": "file:///a/../b"})
    assert found.target == Target("files", "resource", "file:///a/../b")
    assert found.params == {"uri": "file:///a/../b"}
    assert found.entry is not None and found.entry.target.kind == "template"


@pytest.mark.parametrize("endpoint", [ALL, at("files")])
@pytest.mark.parametrize("method", ["resources/read", "resources/subscribe"])
async def test_quarantine_has_no_way_round_through_a_template(
    method: str, endpoint: Endpoint
) -> None:
    assert await _reason(method, {"uri": "file:///secret"}, endpoint) is Reason.QUARANTINED


@pytest.mark.parametrize("method", ["resources/read", "completion/complete"])
async def test_nor_through_a_template_two_servers_have(method: str) -> None:
    """On the aggregate each has it with its id in it, and so have the URIs it stands for."""
    servers = [
        OfferingServer("one", template=[FILES], resource=[SECRET]),
        OfferingServer("two", template=[FILES]),
    ]
    known = pins(*(approved(each, FILES, kind="template") for each in ("one", "two")))
    made = await table(servers, known)
    for uri, is_withheld in (("file://one~/secret", True), ("file://one~/note", False)):
        ref = {"type": "ref/resource", "uri": uri}
        request = asks(method, {"uri": uri} if method == "resources/read" else {"ref": ref})
        if is_withheld:
            with pytest.raises(Refused, match="not approved"):
                resolve(made, request)
        else:
            assert resolve(made, request).target.server == "one"


async def _two() -> Table:
    servers = [
        OfferingServer("one", template=[FILES], resource=[NOTE]),
        OfferingServer("two", template=[template("file:///{name}")], resource=[NOTE, SECRET]),
    ]
    known = pins(
        approved("one", FILES, kind="template"),
        approved("two", template("file:///{name}"), kind="template"),
        approved("one", NOTE, kind="resource"),
        approved("two", NOTE, SECRET, kind="resource"),
    )
    return await table(servers, known)


@pytest.mark.parametrize(
    ("uri", "server"),
    [
        ("file:///x", None),
        ("file:///note", None),
        ("file:///a/b", "one"),
        ("file:///secret", "two"),
    ],
)
async def test_a_uri_two_servers_may_mean_is_nobodys_on_the_aggregate(
    uri: str, server: str | None
) -> None:
    made, request = await _two(), asks("resources/read", {"uri": uri})
    if server is not None:
        assert resolve(made, request).target.server == server
        return
    with pytest.raises(Refused):
        resolve(made, request)
    own = resolve(made, asks("resources/read", {"uri": uri}, at("two")))
    assert own.target == Target("two", "resource", uri)


async def test_no_template_gives_a_disputed_uri_to_one_of_its_claimants() -> None:
    servers = [
        OfferingServer("one", template=[FILES], resource=[NOTE]),
        OfferingServer("two", resource=[NOTE]),
    ]
    known = pins(
        approved("one", FILES, kind="template"),
        approved("one", NOTE, kind="resource"),
        approved("two", NOTE, kind="resource"),
    )
    made = await table(servers, known)
    with pytest.raises(Refused, match="listed by one and two"):
        resolve(made, asks("resources/read", {"uri": "file:///note"}))


async def test_an_unlisted_resource_may_be_asked_for_only_where_resources_are_not_pinned() -> None:
    params: JsonObject = {"uri": "note://linked"}
    assert await _reason("resources/read", params, at("files")) is Reason.UNKNOWN_TARGET
    assert await _reason("resources/read", params, pin_resources=False) is Reason.UNKNOWN_TARGET
    found = await _resolve("resources/read", params, at("files"), pin_resources=False)
    assert (found.target, found.entry) == (Target("files", "resource", "note://linked"), None)


@pytest.mark.parametrize(
    ("ref", "target", "native"),
    [
        ({"type": "ref/prompt", "name": "files__ask"}, Target("files", "prompt", "ask"), "ask"),
        (
            {"type": "ref/resource", "uri": "file:///{+path}"},
            Target("files", "template", "file:///{+path}"),
            None,
        ),
        (
            {"type": "ref/resource", "uri": "file:///a/b"},
            Target("files", "template", "file:///{+path}"),
            None,
        ),
        (
            {"type": "ref/resource", "uri": "file:///note"},
            Target("files", "resource", "file:///note"),
            None,
        ),
    ],
)
async def test_completion_is_decided_as_what_it_completes(
    ref: JsonObject, target: Target, native: str | None
) -> None:
    argument = {"name": "x", "value": "a"}
    found = await _resolve("completion/complete", {"ref": ref, "argument": argument})
    assert found.target == target
    assert found.params == {"ref": ref | ({"name": native} if native else {}), "argument": argument}


@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        (None, Reason.MALFORMED),
        ({}, Reason.MALFORMED),
        ({"type": "ref/tool", "name": "files__read"}, Reason.MALFORMED),
        ({"type": "ref/prompt"}, Reason.MALFORMED),
        ({"type": "ref/prompt", "name": "ask"}, Reason.UNKNOWN_TARGET),
        ({"type": "ref/resource", "uri": "file:///secret"}, Reason.QUARANTINED),
        ({"type": "ref/resource", "uri": "x:y"}, Reason.UNKNOWN_TARGET),
    ],
)
async def test_completion_of_anything_else_is_refused(ref: Any, reason: Reason) -> None:
    assert await _reason("completion/complete", {"ref": ref}) is reason


@pytest.mark.parametrize("endpoint", [ALL, at("files")])
async def test_a_template_in_quarantine_is_not_completed_by_one_that_its_name_fits(
    endpoint: Endpoint,
) -> None:
    inner, other = template("file:///inner/{name}"), template("file:///other/{name}")
    server = OfferingServer("files", template=[FILES, inner, other])
    known = pins(*(approved("files", each, kind="template") for each in (FILES, other)))
    made = await table([server], known)

    def completed(name: str) -> Resolved:
        ref = {"type": "ref/resource", "uri": name}
        return resolve(made, asks("completion/complete", {"ref": ref}, endpoint))

    listed = {each.target.name: public for public, each in _templates(made, endpoint).items()}
    assert completed(listed["file:///other/{name}"]).target.name == "file:///other/{name}"
    withheld = listed["file:///other/{name}"].replace("other", "inner")
    with pytest.raises(Refused) as no:
        completed(withheld)
    assert no.value.reason is Reason.QUARANTINED


def _templates(made: Table, endpoint: Endpoint) -> dict[str, Entry]:
    return {public: each.entry for public, each in made.shelf(endpoint).templates.items()}


@pytest.mark.parametrize("name", [1, None, "", ["ask"]])
async def test_completion_of_what_has_no_name_is_malformed(name: Any) -> None:
    for ref in ({"type": "ref/prompt", "name": name}, {"type": "ref/resource", "uri": name}):
        assert await _reason("completion/complete", {"ref": ref}) is Reason.MALFORMED


async def test_other_methods_are_for_the_transparent_endpoint_only() -> None:
    found = await _resolve("vendor/do", {"a": 1}, at("files"))
    assert found.target == Target("files", "method", "vendor/do") and found.params == {"a": 1}
    assert await _reason("vendor/do", {}) is Reason.UNKNOWN_TARGET


async def test_an_unknown_server_has_no_names() -> None:
    assert await _reason("tools/call", {"name": "read"}, at("nobody")) is Reason.UNKNOWN_TARGET


TWINS: list[tuple[str, JsonObject]] = [
    ("tools/call", {"name": "read", "Name": "new"}),
    ("tools/call", {"name": "read", "arguments": {}, "Arguments": {"path": "/etc"}}),
    ("tools/call", {"name": "read", "ARGUMENTS": {"path": "/etc"}}),
    ("tools/call", {"name": "read", "argument\u017f": {"path": "/etc"}}),
    ("tools/call", {"name": "read", "_Meta": {"progressToken": 1}}),
    ("tools/call", {"name": "read", "_meta": {"progresstoken": 1}}),
    ("tools/call", {"name": "read", "inputresponses": {}}),
    ("prompts/get", {"name": "ask", "NAME": "other"}),
    ("resources/read", {"uri": "file:///note", "URI": "file:///secret"}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "ask", "Name": "b"}}),
    ("vendor/do", {"path": "a", "Path": "b"}),
    ("vendor/do", {"_META": {}}),
]


@pytest.mark.parametrize(("method", "params"), TWINS)
async def test_params_that_two_readers_would_take_for_two_calls_are_refused(
    method: str, params: JsonObject
) -> None:
    assert await _reason(method, params, at("files")) is Reason.MALFORMED


async def test_a_vendor_methods_members_are_spelt_as_it_likes() -> None:
    found = await _resolve("vendor/do", {"Name": "x", "ARGUMENTS": 1}, at("files"))
    assert found.params == {"Name": "x", "ARGUMENTS": 1}


@pytest.mark.parametrize(
    "method",
    ["notifications/cancelled", "Notifications/x", "tasks/list", "tasks/result", "tasks/get"],
)
async def test_what_could_reach_another_agents_call_is_no_vendor_method(method: str) -> None:
    assert await _reason(method, {"requestId": 1}, at("files")) is Reason.UNKNOWN_TARGET


async def test_a_task_named_twice_is_nobodys() -> None:
    request = asks("tasks/get", {"taskId": "mine", "TaskID": "anothers"}, at("files"))
    made = TaskMade("files", "mine", "read", request.identity.owner, {})
    with pytest.raises(Refused) as no:
        resolve_task(await _table(), request, made)
    assert no.value.reason is Reason.MALFORMED


async def test_what_a_completion_completes_is_what_policy_sees() -> None:
    params = {
        "ref": {"type": "ref/prompt", "name": "ask"},
        "arguments": {"x": "allowed"},
        "argument": {"name": "x", "value": "secret"},
    }
    found = await _resolve("completion/complete", params, at("files"))
    assert found.target.kind == "prompt"
    assert found.arguments == params


async def test_a_name_longer_than_any_that_is_listed_is_nobodys() -> None:
    """What is asked for is looked up, decided on and remembered by it."""
    fits, long = "file:///" + "x" * (MAX_NAME - 8), "file:///" + "x" * (MAX_NAME - 7)
    assert (await _resolve("resources/read", {"uri": fits})).target.name == fits
    unknown = Reason.UNKNOWN_TARGET
    assert await _reason("resources/read", {"uri": long}) is unknown
    assert (
        await _reason("resources/read", {"uri": long}, at("files"), pin_resources=False) is unknown
    )
    assert await _reason("tools/call", {"name": "x" * (MAX_NAME + 1)}) is unknown
    assert await _reason("x" * (MAX_NAME + 1), {}, at("files")) is unknown
    assert (await _resolve("x" * MAX_NAME, {}, at("files"))).target.kind == "method"
