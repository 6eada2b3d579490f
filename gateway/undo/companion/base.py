"""What every companion is made of: a rollback-only MCP server whose every write names the state it expects.

A tool is a name, a closed schema and a plain function. What a function cannot do it says by raising
`No`, whose first word tells a pack what it was: `ABSENT: ...`. Calls run one after the other, and no call
is given up half way. It knows MCP and no file, repository or gateway.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import anyio
from jsonschema import Draft202012Validator
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)

from gateway.values import Value

JsonObject = dict[str, Any]
Code = Literal["ABSENT", "OTHER", "CONFLICT", "OUTSIDE", "TOO_LARGE", "INVALID", "FAILED"]
"""ABSENT: there is nothing. OTHER: something this tool is not for. CONFLICT: not in the expected state,
nothing was changed. OUTSIDE: not within the root. FAILED: the message says what the world is like now."""

ABSENT: Final = "absent"
"""The state of what is not there."""
TEXT: Final[JsonObject] = {"type": "string"}
STATE: Final[JsonObject] = {
    "type": "string",
    "pattern": "^(absent|[a-z][a-z0-9]*:.+)$",
    "description": "the state it must be in, as a read gave it; 'absent' if there must be nothing",
}


class No(Exception):
    """A call that is refused, or failed in a way that was foreseen."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


def conflict(what: str, expected: str, found: str) -> No:
    """Somebody was there in between. States are digests: they tell nothing of what was written."""
    return No("CONFLICT", f"{what} is {found}, not {expected}")


class Operation(Value):
    """One tool. `run` takes the arguments by name and gives the structured result."""

    name: str
    about: str
    takes: Mapping[str, JsonObject]
    run: Callable[..., JsonObject]
    effect: Literal["read", "write"] = "write"

    @property
    def schema(self) -> JsonObject:
        """The closed schema of its arguments."""
        return {
            "type": "object",
            "properties": dict(self.takes),
            "required": list(self.takes),
            "additionalProperties": False,
        }

    @property
    def tool(self) -> Tool:
        """As it is listed. Writes are idempotent: done already is done."""
        read = self.effect == "read"
        hints = ToolAnnotations(
            read_only_hint=read,
            destructive_hint=not read,
            idempotent_hint=True,
            open_world_hint=False,
        )
        return Tool(
            name=self.name,
            description=self.about,
            input_schema=self.schema,
            output_schema={"type": "object"},
            annotations=hints,
        )


class Calls:
    """The operations of one companion, as MCP's two tool requests."""

    def __init__(self, operations: Sequence[Operation], meta: JsonObject | None) -> None:
        """`meta`: of each result."""
        self._meta = meta
        self._operations = {one.name: one for one in operations}
        self._checks = {one.name: Draft202012Validator(one.schema) for one in operations}
        # Of threads: served from within a process, each connection has a loop of its own (beside.py).
        self._one_at_a_time = threading.Lock()

    async def list(self, _: Any, __: PaginatedRequestParams | None) -> ListToolsResult:
        """All of them, on one page."""
        return ListToolsResult(tools=[one.tool for one in self._operations.values()])

    async def call(self, _: Any, params: CallToolRequestParams) -> CallToolResult:
        """One of them. What goes wrong is a result that says so, and names what did."""
        return await anyio.to_thread.run_sync(self._answer, params.name, params.arguments or {})

    def _answer(self, name: str, arguments: JsonObject) -> CallToolResult:
        try:
            with self._one_at_a_time:
                given = self._run(name, arguments)
        except No as no:
            return CallToolResult(content=[TextContent(text=str(no))], is_error=True)
        except Exception as error:
            text = f"FAILED: {type(error).__name__}: {error}"
            return CallToolResult(content=[TextContent(text=text)], is_error=True)
        text = json.dumps(given, ensure_ascii=False)
        return CallToolResult(
            content=[TextContent(text=text)], structured_content=given, _meta=self._meta
        )

    def _run(self, name: str, arguments: JsonObject) -> JsonObject:
        if name not in self._operations:
            raise No("INVALID", f"no tool {name!r}")
        for problem in self._checks[name].iter_errors(arguments):
            raise No("INVALID", f"{problem.json_path}: {problem.message[:200]}")
        return self._operations[name].run(**arguments)


def server(
    name: str, version: str, operations: Sequence[Operation], meta: JsonObject | None = None
) -> Server[Any]:
    """The MCP server; for other wires than standard input and output. `meta`: of each result of its tools."""
    calls = Calls(operations, meta)
    return Server(
        name,
        version=version,
        instructions="Rollback only. Never offered to agents.",
        on_list_tools=calls.list,
        on_call_tool=calls.call,
    )


def serve(name: str, version: str, operations: Sequence[Operation]) -> None:
    """Serve over standard input and output until the other side closes."""

    async def run() -> None:
        made = server(name, version, operations)
        async with stdio_server() as (read, write):
            await made.run(read, write, made.create_initialization_options())

    anyio.run(run)
