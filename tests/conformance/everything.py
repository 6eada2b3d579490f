"""The tool server the official conformance suite is pointed at: every feature, under the names it expects.

`python -m tests.conformance.everything --port N --era both|sessions|stateless`. Every
interactive tool asks in whatever way the caller's era has: a request pushed mid-call, or an
`input_required` result. It is a fixture: it keeps no secrets and holds no policy.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

import uvicorn
from mcp.server import ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer, RequestStateSecurity
from mcp.server.mcpserver.prompts.base import Prompt, UserMessage
from mcp.shared.exceptions import MCPError
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    Completion,
    CompletionArgument,
    CompletionContext,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    InputRequiredResult,
    LoggingLevel,
    PromptReference,
    ResourceLink,
    ResourceTemplateReference,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)
from pydantic import Field
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.conformance import asking, tasks
from tests.conformance.asking import Asked, ask, elicitation, roots, sampling
from tests.servers.asgi import refuse
from tests.servers.resumable import Memory

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
SILENCE = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
OK = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}


server = MCPServer(
    name="bulkhead-everything",
    version="1.0.0",
    request_state_security=RequestStateSecurity(
        keys=[b"a fixture's key, of no use to anyone at all"]
    ),
)


# Plain tools.


@server.tool()
def test_simple_text() -> str:
    """A line of text."""
    return "This is a simple text response for testing."


@server.tool()
def test_image_content() -> list[ImageContent]:
    """One image."""
    return [ImageContent(type="image", data=PIXEL, mime_type="image/png")]


@server.tool()
def test_audio_content() -> list[AudioContent]:
    """One sound."""
    return [AudioContent(type="audio", data=SILENCE, mime_type="audio/wav")]


def _embedded(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    contents = TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return EmbeddedResource(type="resource", resource=contents)


@server.tool()
def test_embedded_resource() -> list[EmbeddedResource]:
    """One embedded resource."""
    return [_embedded("test://embedded-resource", "text/plain", "An embedded resource.")]


@server.tool()
def test_resource_links() -> list[EmbeddedResource | ResourceLink]:
    """Links to resources: listed, of a template, and one that is in no list; and a listed one embedded."""
    listed, made, unlisted = "test://static-text", "test://template/9/data", "unlisted://here/a"
    return [
        ResourceLink(type="resource_link", name="listed", uri=listed),
        ResourceLink(type="resource_link", name="of a template", uri=made),
        _embedded("test://watched-resource", "text/plain", "embedded"),
        ResourceLink(type="resource_link", name="unlisted", uri=unlisted),
    ]


@server.tool()
def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
    """Text, an image and a resource."""
    return [
        TextContent(type="text", text="Multiple content types test:"),
        ImageContent(type="image", data=PIXEL, mime_type="image/png"),
        _embedded(
            "test://mixed-content-resource", "application/json", '{"test": "data", "value": 123}'
        ),
    ]


@server.tool()
async def test_tool_with_logging(ctx: Context) -> str:
    """Three log messages, then text."""
    for message in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.info(message)
        await asyncio.sleep(0.05)
    return "Tool with logging executed successfully"


@server.tool()
async def test_logging_tool(ctx: Context) -> str:
    """Logs at every level: nothing of it may reach a caller who asked for no logs."""
    levels: tuple[LoggingLevel, ...] = ("debug", "info", "warning", "error")
    for level in levels:
        await ctx.log(level, f"a line of {level}")
    return "logged"


@server.tool()
async def test_tool_with_progress(ctx: Context) -> str:
    """Progress 0, 50 and 100, then text."""
    for done in (0, 50, 100):
        await ctx.report_progress(progress=done, total=100, message=f"Completed step {done} of 100")
        await asyncio.sleep(0.05)
    return "done"


@server.tool()
def test_error_handling() -> str:
    """Always an error result."""
    raise RuntimeError("This tool intentionally returns an error for testing")


Region = Annotated[
    str, Field(description="Mirrored into a header", json_schema_extra={"x-mcp-header": "Region"})
]


@server.tool()
def test_x_mcp_header(region: Region = "<none>") -> str:
    """An argument mirrored into Mcp-Param-Region."""
    return f"region={region}"


@server.tool()
async def test_missing_capability(ctx: Context) -> str:
    """A protocol error unless the caller declared sampling."""
    capabilities = ctx.session.client_capabilities
    if capabilities is None or capabilities.sampling is None:
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="This tool requires the client 'sampling' capability",
            data={"requiredCapabilities": {"sampling": {}}},
        )
    return "sampling is there"


@server.tool()
async def test_reconnection(ctx: Context) -> str:
    """Closes its own stream mid-call: the caller must come back with Last-Event-ID."""
    await ctx.info("Before disconnect")
    await ctx.close_sse_stream()
    await asyncio.sleep(0.2)
    await ctx.info("After reconnect")
    return "Reconnection test completed"


def _dynamic() -> str:
    """Comes and goes."""
    return "dynamic"


@server.tool()
async def test_trigger_tool_change(ctx: Context) -> str:
    """Announces a changed tool list."""
    server.add_tool(_dynamic, name="test_dynamic_tool")
    server.remove_tool("test_dynamic_tool")
    await ctx.notify_tools_changed()
    return "tool list changed"


@server.tool()
async def test_trigger_prompt_change(ctx: Context) -> str:
    """Announces a changed prompt list."""
    server.add_prompt(
        Prompt.from_function(_dynamic, name="test_dynamic_prompt", description="dynamic")
    )
    server.remove_prompt("test_dynamic_prompt")
    await ctx.notify_prompts_changed()
    return "prompt list changed"


SCHEMA_2020_12: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


@server.tool()
def json_schema_2020_12_tool() -> str:
    """A tool whose schema uses every 2020-12 keyword the suite looks for."""
    return "json_schema_2020_12_tool"


server._tool_manager._tools["json_schema_2020_12_tool"].parameters = SCHEMA_2020_12


# Interactive tools of the sessions era: one question, asked mid-call (or as a result).


async def _one(ctx: Context, question: dict[str, Any]) -> Any:
    answers = await ask(ctx, {"answer": question})
    return answers if isinstance(answers, InputRequiredResult) else answers["answer"]


def _told(prefix: str, answer: dict[str, Any]) -> str:
    return f"{prefix}: action={answer.get('action')}, content={json.dumps(answer.get('content') or {})}"


@server.tool()
async def test_sampling(prompt: str, ctx: Context) -> str | InputRequiredResult:
    """Asks the client's model."""
    answer = await _one(ctx, sampling(prompt))
    if isinstance(answer, InputRequiredResult):
        return answer
    return f"LLM response: {answer.get('content', {}).get('text', 'No response')}"


@server.tool()
async def test_elicitation(message: str, ctx: Context) -> str | InputRequiredResult:
    """Asks the user for one answer."""
    schema = {
        "type": "object",
        "properties": {"response": {"type": "string", "description": "User's response"}},
        "required": ["response"],
    }
    answer = await _one(ctx, elicitation(message, schema))
    return answer if isinstance(answer, InputRequiredResult) else _told("User response", answer)


@server.tool()
async def test_streaming_elicitation(ctx: Context) -> str | InputRequiredResult:
    """Tells of progress, then asks: in the stateless era no request of its own may be on the stream."""
    await ctx.report_progress(progress=1, total=2)
    answer = await _one(ctx, elicitation("Go on?", OK))
    return answer if isinstance(answer, InputRequiredResult) else _told("Went on", answer)


DEFAULTS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {
            "type": "string",
            "enum": ["active", "inactive", "pending"],
            "default": "active",
        },
        "verified": {"type": "boolean", "default": True},
    },
}


@server.tool()
async def test_elicitation_sep1034_defaults(ctx: Context) -> str | InputRequiredResult:
    """Asks with a default for each primitive type."""
    answer = await _one(ctx, elicitation("Please provide user information", DEFAULTS))
    return (
        answer if isinstance(answer, InputRequiredResult) else _told("Elicitation result", answer)
    )


def _titled(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"const": value, "title": title} for value, title in pairs]


ENUMS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": ["active", "inactive", "pending"]},
        "titledSingle": {
            "type": "string",
            "oneOf": _titled(("low", "Low"), ("medium", "Medium"), ("high", "High")),
        },
        "untitledMulti": {
            "type": "array",
            "items": {"type": "string", "enum": ["read", "write", "execute"]},
        },
        "titledMulti": {
            "type": "array",
            "items": {
                "anyOf": _titled(("feature", "New Feature"), ("bug", "Bug Fix"), ("docs", "Docs"))
            },
        },
        "legacyEnum": {
            "type": "string",
            "enum": ["small", "medium", "large"],
            "enumNames": ["Small Size", "Medium Size", "Large Size"],
        },
    },
    "required": ["untitledSingle", "titledSingle", "untitledMulti", "titledMulti", "legacyEnum"],
}


@server.tool()
async def test_elicitation_sep1330_enums(ctx: Context) -> str | InputRequiredResult:
    """Asks with each kind of enumeration."""
    answer = await _one(ctx, elicitation("Please select values", ENUMS))
    return (
        answer
        if isinstance(answer, InputRequiredResult)
        else _told("Elicitation completed", answer)
    )


# Interactive tools of the stateless era: input_required results (or pushed requests).

StateCheck = Callable[[Asked], str]


async def _rounds(
    ctx: Context, questions: dict[str, Any], say: StateCheck, state: str | None = None
) -> str | InputRequiredResult:
    answers = await ask(ctx, questions, state)
    return answers if isinstance(answers, InputRequiredResult) else say(answers)


@server.tool()
async def test_input_required_result_elicitation(ctx: Context) -> str | InputRequiredResult:
    """One elicitation."""
    return await _rounds(
        ctx,
        {"user_name": elicitation("What is your name?", NAME)},
        lambda got: f"Hello, {(got['user_name'].get('content') or {}).get('name', 'stranger')}!",
    )


@server.tool()
async def test_input_required_result_sampling(ctx: Context) -> str | InputRequiredResult:
    """One sampling request."""
    return await _rounds(
        ctx,
        {"capital_question": sampling("What is the capital of France?")},
        lambda got: f"Model said: {got['capital_question'].get('content', {}).get('text', '?')}",
    )


@server.tool()
async def test_input_required_result_list_roots(ctx: Context) -> str | InputRequiredResult:
    """One roots request."""
    return await _rounds(
        ctx,
        {"client_roots": roots()},
        lambda got: f"Client exposed {len(got['client_roots'].get('roots', []))} root(s).",
    )


@server.tool()
async def test_input_required_result_request_state(ctx: Context) -> str | InputRequiredResult:
    """A state that must come back as it was given."""
    if asking.stateless(ctx) and ctx.input_responses and ctx.request_state != "request-state-nonce":
        return "the state came back changed"
    return await _rounds(
        ctx,
        {"confirm": elicitation("Please confirm", OK)},
        lambda _: "state-ok: confirmation received",
        "request-state-nonce",
    )


@server.tool()
async def test_input_required_result_multiple_inputs(ctx: Context) -> str | InputRequiredResult:
    """Elicitation, sampling and roots at once."""
    questions = {
        "user_name": elicitation("What is your name?", NAME),
        "greeting": sampling("Generate a greeting"),
        "client_roots": roots(),
    }
    return await _rounds(ctx, questions, lambda _: "All inputs received.", "multiple-inputs")


@server.tool()
async def test_input_required_result_multi_round(ctx: Context) -> str | InputRequiredResult:
    """Three rounds, each with a new state."""
    color = {"type": "object", "properties": {"color": {"type": "string"}}, "required": ["color"]}
    first = elicitation("Step 1: What is your name?", NAME)
    second = elicitation("Step 2: What is your favorite color?", color)
    if asking.can_push(ctx):
        name = await asking.push(ctx, first)
        liked = await asking.push(ctx, second)
        return f"{(name.get('content') or {}).get('name')} likes {(liked.get('content') or {}).get('color')}."
    state = json.loads(ctx.request_state) if ctx.request_state else {"round": 0}
    got = asking.answers(ctx)
    if state["round"] == 1 and "step1" in got:
        told = (got["step1"].get("content") or {}).get("name")
        return asking.required({"step2": second}, json.dumps({"round": 2, "name": told}))
    if state["round"] == 2 and "step2" in got:
        return f"{state.get('name')} likes {(got['step2'].get('content') or {}).get('color')}."
    return asking.required({"step1": first}, json.dumps({"round": 1}))


@server.tool()
async def test_input_required_result_tampered_state(ctx: Context) -> str | InputRequiredResult:
    """A state that was changed on the way is refused (by the SDK's sealing)."""
    if not asking.can_push(ctx) and ctx.request_state is not None:
        return f"state-ok: {ctx.request_state}"
    question = {"confirm": elicitation("Please confirm", OK)}
    return await _rounds(ctx, question, lambda _: "state-ok: round-1", "round-1")


@server.tool()
async def test_input_required_result_capabilities(ctx: Context) -> str | InputRequiredResult:
    """Asks only what the caller declared it can answer."""
    capabilities = ctx.client_capabilities
    questions: dict[str, Any] = {}
    if capabilities is None or capabilities.sampling is not None:
        questions["sample"] = sampling("Say hello")
    if capabilities is None or capabilities.elicitation is not None:
        questions["ask"] = elicitation("What is your name?", NAME)
    return await _rounds(ctx, questions, lambda _: "capability-gated", "capability-gated")


# Tools that become tasks for clients that know tasks (tasks.py); this is what the others get.


@server.tool()
def greet(name: str) -> str:
    """Never a task."""
    return f"Hello, {name}!"


@server.tool()
async def slow_compute(seconds: float = 0, label: str = "") -> str:
    """A task, or a wait."""
    await asyncio.sleep(min(seconds, 5))
    return f"computed {label} in {seconds} s"


def _task_only() -> str:
    """A task and nothing else."""
    raise RuntimeError("works as a task only")


for _name in ("failing_job", "protocol_error_job", "multi_input", "test_tool_with_task"):
    server.add_tool(_task_only, name=_name)


@server.tool()
def confirm_delete(filename: str) -> str:
    """A task that asks first."""
    return _task_only()


# Resources, prompts, completion, subscriptions, logging.


@server.resource("test://static-text")
def static_text() -> str:
    """Text."""
    return "This is the content of the static text resource."


@server.resource("test://static-binary")
def static_binary() -> bytes:
    """An image."""
    return base64.b64decode(PIXEL)


@server.resource("test://template/{id}/data")
def template(id: str) -> str:
    """One per id."""
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


@server.resource("test://watched-resource")
def watched() -> str:
    """One to subscribe to."""
    return "Watched resource content"


def _user(text: str) -> UserMessage:
    return UserMessage(role="user", content=TextContent(type="text", text=text))


@server.prompt()
def test_simple_prompt() -> list[UserMessage]:
    """No arguments."""
    return [_user("This is a simple prompt for testing.")]


@server.prompt()
def test_prompt_with_arguments(arg1: str, arg2: str) -> list[UserMessage]:
    """Two arguments."""
    return [_user(f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")]


@server.prompt()
def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:
    """A resource, then a line."""
    resource = _embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
    return [UserMessage(role="user", content=resource), _user("Please process the resource above.")]


@server.prompt()
def test_prompt_with_image() -> list[UserMessage]:
    """An image, then a line."""
    image = ImageContent(type="image", data=PIXEL, mime_type="image/png")
    return [UserMessage(role="user", content=image), _user("Please analyze the image above.")]


@server.prompt()
async def test_input_required_result_prompt(
    ctx: Context,
) -> list[UserMessage] | InputRequiredResult:
    """A prompt that asks first."""
    schema = {
        "type": "object",
        "properties": {"context": {"type": "string"}},
        "required": ["context"],
    }
    got = await ask(
        ctx, {"user_context": elicitation("What context should the prompt use?", schema)}
    )
    if isinstance(got, InputRequiredResult):
        return got
    text = (got["user_context"].get("content") or {}).get("context", "?")
    return [_user(f"Use the following context: {text}")]


async def _set_level(_: ServerRequestContext, __: SetLevelRequestParams) -> EmptyResult:
    return EmptyResult()


async def _subscribe(_: ServerRequestContext, __: SubscribeRequestParams) -> EmptyResult:
    return EmptyResult()


async def _unsubscribe(_: ServerRequestContext, __: UnsubscribeRequestParams) -> EmptyResult:
    return EmptyResult()


server._lowlevel_server.add_request_handler("logging/setLevel", SetLevelRequestParams, _set_level)
server._lowlevel_server.add_request_handler(
    "resources/subscribe", SubscribeRequestParams, _subscribe
)
server._lowlevel_server.add_request_handler(
    "resources/unsubscribe", UnsubscribeRequestParams, _unsubscribe
)


@server.completion()  # type: ignore[no-untyped-call, untyped-decorator]
async def _complete(
    _: PromptReference | ResourceTemplateReference,
    __: CompletionArgument,
    ___: CompletionContext | None,
) -> Completion:
    return Completion(values=[], total=0, has_more=False)


Eras = Literal["both", "sessions", "stateless"]


class OneEra:
    """Lets through one era only, as a server that never learned the other would."""

    def __init__(self, app: ASGIApp, era: Eras) -> None:
        self._app, self._era = app, era

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._era == "both":
            return await self._app(scope, receive, send)
        headers = dict(scope["headers"])
        stateless = headers.get(b"mcp-protocol-version", b"") >= b"2026"
        if self._era == "sessions" and stateless:
            return await refuse(
                send, 400, {"code": -32000, "message": "Bad Request: Unsupported protocol version"}
            )
        if self._era == "stateless" and not stateless:
            if scope["method"] != "POST":
                return await refuse(send, 405, {"code": -32000, "message": "Method Not Allowed"})
            data = {"supported": ["2026-07-28"], "requested": "2025-11-25"}
            return await refuse(
                send, 400, {"code": -32022, "message": "Unsupported protocol version", "data": data}
            )
        return await self._app(scope, receive, send)


def main() -> None:
    """Serve on 127.0.0.1 until ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--era", choices=["both", "sessions", "stateless"], default="both")
    given = parser.parse_args()
    server._lowlevel_server.extensions[tasks.EXTENSION] = {}
    app = server.streamable_http_app(event_store=Memory(), retry_interval=100)
    uvicorn.run(
        OneEra(tasks.Tasks(app), given.era),
        host="127.0.0.1",
        port=given.port,
        log_level="warning",
        http="h11",
    )


if __name__ == "__main__":
    main()
