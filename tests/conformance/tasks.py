"""Tasks (extension io.modelcontextprotocol/tasks, stateless era) for the everything server, by raw messages.

The SDK knows no tasks yet, so this stands before it: calls of the tools below become tasks when the
client declared the extension on that request; all else goes on to the SDK.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

from mcp.shared.inbound import decode_header_value
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.conformance.asking import elicitation
from tests.servers.asgi import again, body_of, reply

EXTENSION: Final = "io.modelcontextprotocol/tasks"
CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
REQUIRED: Final[dict[str, Any]] = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
CONFIRM: Final = {"type": "object", "properties": {"confirm": {"type": "boolean"}}}
NAME: Final = {"type": "object", "properties": {"name": {"type": "string"}}}


class Failed(Exception):
    """A JSON-RPC error, as code, message and data."""


class Task:
    """One task under way. Questions are waited for in `ask`."""

    def __init__(self, work: Callable[[Task], Awaitable[dict[str, Any]]]) -> None:
        now = datetime.now(UTC).isoformat()
        self.facts: dict[str, Any] = {
            "taskId": secrets.token_hex(8),
            "status": "working",
            "createdAt": now,
            "lastUpdatedAt": now,
            "ttlMs": 600_000,
            "pollIntervalMs": 100,
        }
        self.asked: dict[str, tuple[dict[str, Any], asyncio.Future[Any]]] = {}
        self.work = asyncio.create_task(self._run(work))

    async def _run(self, work: Callable[[Task], Awaitable[dict[str, Any]]]) -> None:
        try:
            self._settle("completed", result=await work(self))
        except asyncio.CancelledError:
            self._settle("cancelled")
        except Failed as failed:
            self._settle("failed", error={"code": failed.args[0], "message": failed.args[1]})

    def _settle(self, status: str, **how: Any) -> None:
        self.facts |= {"status": status, "lastUpdatedAt": datetime.now(UTC).isoformat(), **how}

    async def ask(self, *messages: str) -> list[Any]:
        futures = []
        for message in messages:
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self.asked[secrets.token_hex(4)] = (elicitation(message, CONFIRM), future)
            futures.append(future)
        return await asyncio.gather(*futures)

    def told(self) -> dict[str, Any]:
        if not self.asked or self.facts["status"] != "working":
            return self.facts
        questions = {key: question for key, (question, _) in self.asked.items()}
        return {**self.facts, "status": "input_required", "inputRequests": questions}

    def answer(self, answers: dict[str, Any]) -> None:
        for key in answers.keys() & self.asked.keys():
            self.asked.pop(key)[1].set_result(answers[key])


def _text(text: str, **more: Any) -> dict[str, Any]:
    return {"resultType": "complete", "content": [{"type": "text", "text": text}], **more}


async def _slow(seconds: float, label: str) -> dict[str, Any]:
    await asyncio.sleep(seconds)
    return _text(f"computed {label} in {seconds} s")


async def _failing(_: Task) -> dict[str, Any]:
    await asyncio.sleep(0.2)
    return _text("the job failed", isError=True)


async def _broken(_: Task) -> dict[str, Any]:
    raise Failed(-32603, "the job broke")


async def _confirm(task: Task) -> dict[str, Any]:
    (answer,) = await task.ask("Delete it?")
    return _text(f"deleted: {answer.get('action')}")


async def _multi(task: Task) -> dict[str, Any]:
    return _text(f"answers: {len(await task.ask('First?', 'Second?'))}")


class Tasks:
    """An ASGI application around the SDK's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._tasks: dict[str, Task] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self._app(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = await body_of(receive)
        if headers.get("mcp-protocol-version", "") >= "2026":
            message = _parsed(body)
            answer = self._answer(message, headers)
            if answer is not None:
                return await _reply(send, message["id"], answer)
        await self._app(scope, again(body, receive), send)

    def _answer(self, message: dict[str, Any], headers: dict[str, str]) -> dict[str, Any] | None:
        method, params = message.get("method", ""), message.get("params") or {}
        meta = params.get("_meta") or {}
        extensions = meta.get(CAPABILITIES, {}).get("extensions") or {}
        try:
            if method in ("tasks/get", "tasks/update", "tasks/cancel"):
                if EXTENSION not in extensions:
                    raise Failed(-32021, "tasks are not declared", REQUIRED)
                _matched(headers, method, params)
                return {"result": self._about(method, params)}
            if method == "tools/call" and headers.get("mcp-name") == params.get("name"):
                return self._called(params, EXTENSION in extensions)
        except Failed as failed:
            code, text, *data = failed.args
            return {"error": {"code": code, "message": text, **({"data": data[0]} if data else {})}}
        return None

    def _about(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        task = self._tasks.get(str(params.get("taskId")))
        if task is None:
            raise Failed(-32602, "no such task")
        if method == "tasks/get":
            return {"resultType": "complete", **task.told()}
        if method == "tasks/update":
            task.answer(params.get("inputResponses") or {})
        else:
            task.work.cancel()
        return {"resultType": "complete"}

    def _called(self, params: dict[str, Any], declared: bool) -> dict[str, Any] | None:
        name, arguments = params["name"], params.get("arguments") or {}
        if name == "slow_compute" and declared and arguments.get("seconds"):
            seconds, label = arguments["seconds"], arguments.get("label", "")
            return self._made(lambda _: _slow(seconds, label))
        if name == "test_tool_with_task":
            return self._composed(params, declared)
        work = {
            "failing_job": _failing,
            "protocol_error_job": _broken,
            "confirm_delete": _confirm,
            "multi_input": _multi,
        }.get(name)
        if work is None:
            return None
        if not declared:
            raise Failed(-32021, "this tool works as a task only", REQUIRED)
        return self._made(work)

    def _composed(self, params: dict[str, Any], declared: bool) -> dict[str, Any]:
        answers = params.get("inputResponses")
        if not answers:
            questions = {"user_name": elicitation("What is your name?", NAME)}
            return {"result": {"resultType": "input_required", "inputRequests": questions}}
        if not declared:
            raise Failed(-32021, "this tool works as a task only", REQUIRED)
        name = answers["user_name"]["content"]["name"]
        return self._made(lambda _: _slow(0.1, name))

    def _made(self, work: Callable[[Task], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        task = Task(work)
        self._tasks[task.facts["taskId"]] = task
        return {"result": {"resultType": "task", **task.facts}}


def _matched(headers: dict[str, str], method: str, params: dict[str, Any]) -> None:
    name = decode_header_value(headers.get("mcp-name"))
    if headers.get("mcp-method") != method or name != params.get("taskId"):
        raise Failed(-32020, "headers and body disagree")


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body)
    except ValueError:
        return {}
    return message if isinstance(message, dict) and "id" in message else {}


async def _reply(send: Send, id: Any, answer: dict[str, Any]) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": id, **answer}).encode()
    status = 400 if "error" in answer else 200
    await reply(send, status, body)
