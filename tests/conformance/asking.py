"""How a fixture's tool asks its caller: pushed mid-call (sessions era) or as `input_required` (stateless era)."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

from mcp.server.mcpserver import Context
from mcp.types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
    TextContent,
)

Asked: TypeAlias = dict[str, Any]
"""Answers by key, as plain JSON."""


def elicitation(message: str, schema: dict[str, Any]) -> dict[str, Any]:
    """An elicitation/create request, raw."""
    params = {"mode": "form", "message": message, "requestedSchema": schema}
    return {"method": "elicitation/create", "params": params}


def sampling(text: str) -> dict[str, Any]:
    """A sampling/createMessage request, raw."""
    message = {"role": "user", "content": {"type": "text", "text": text}}
    return {"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": 100}}


def roots() -> dict[str, Any]:
    """A roots/list request, raw."""
    return {"method": "roots/list", "params": {}}


def stateless(ctx: Context) -> bool:
    """Whether this call came in the 2026-07-28 way."""
    version = ctx.request_context.protocol_version
    return version is not None and version >= "2026"


def can_push(ctx: Context) -> bool:
    """Whether a request can be pushed to the caller now."""
    return not stateless(ctx)


def _typed(question: dict[str, Any]) -> Any:
    params = question["params"]
    match question["method"]:
        case "elicitation/create":
            form = ElicitRequestFormParams(
                message=params["message"], requested_schema=params["requestedSchema"]
            )
            return ElicitRequest(params=form)
        case "sampling/createMessage":
            text = params["messages"][0]["content"]["text"]
            message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
            return CreateMessageRequest(
                params=CreateMessageRequestParams(messages=[message], max_tokens=100)
            )
    return ListRootsRequest()


def required(questions: dict[str, Any], state: str | None = None) -> InputRequiredResult:
    """An `input_required` result with these questions."""
    typed = {key: _typed(question) for key, question in questions.items()}
    return InputRequiredResult(input_requests=typed, request_state=state)


def answers(ctx: Context) -> Asked:
    """What the caller sent back, as plain JSON."""
    given = ctx.input_responses or {}
    return {key: value.model_dump(mode="json", by_alias=True) for key, value in given.items()}


async def push(ctx: Context, question: dict[str, Any]) -> dict[str, Any]:
    """Ask mid-call, on the call's own stream, and wait."""
    typed = _typed(question)
    session = ctx.session
    match question["method"]:
        case "elicitation/create":
            result: Any = await session.elicit_form(
                typed.params.message,
                typed.params.requested_schema,
                related_request_id=ctx.request_id,
            )
        case "sampling/createMessage":
            result = await session.create_message(
                typed.params.messages, max_tokens=100, related_request_id=ctx.request_id
            )
        case _:
            result = await session.list_roots()
    dumped: dict[str, Any] = result.model_dump(mode="json", by_alias=True)
    return dumped


async def ask(
    ctx: Context, questions: dict[str, Any], state: str | None = None
) -> Asked | InputRequiredResult:
    """The answers, or the result that asks for them."""
    if can_push(ctx):
        got = await asyncio.gather(*(push(ctx, question) for question in questions.values()))
        return dict(zip(questions, got, strict=True))
    given = answers(ctx)
    if questions and set(questions) <= set(given):
        return given
    return required(questions, state)
