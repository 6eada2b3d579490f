"""A server of the SDK on standard input and output, of both eras: `ask` asks in mid-call, `keep` remembers."""

from __future__ import annotations

from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel

server = MCPServer("asks")
kept: list[str] = []


class Name(BaseModel):
    name: str


@server.tool()
async def ask(ctx: Context) -> str:
    """Who are you?"""
    answer = await ctx.elicit("Who are you?", Name)
    return answer.data.name if answer.action == "accept" else answer.action


@server.tool()
async def keep(word: str) -> str:
    """All words since it started."""
    kept.append(word)
    return " ".join(kept)


if __name__ == "__main__":
    server.run()
