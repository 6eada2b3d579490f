"""intents.yaml: what tasks may be for, the most a grant for each may give, and where a role alone is enough.

    standing: [data, tool]          # admin never stands here
    intents:
      triage:
        tells: Read issues and answer them.
        tiers: [data, tool]
        tools: [git/git_log, "files/read_*"]
        seconds: 3600
        uses: 200

A grant names its intent and gives no more than stands here. The shape of its terms is that of a request
for a grant, too. Nothing here is ever taken from an agent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, field_validator

from gateway import yamlfile
from gateway.core.dialect import SchemaFault
from gateway.core.grant import Terms
from gateway.core.model import Tier
from gateway.core.validate import compile_bound
from gateway.errors import Misconfigured, Where
from gateway.policy import patterns
from gateway.settings import SERVER_ID
from gateway.yamlfile import Strict

FILE: Final = "intents.yaml"
STANDING: Final = frozenset({Tier.DATA, Tier.TOOL})
DAY: Final = 86_400

Amount = Annotated[int, Field(gt=0, le=2**53)]
Seconds = Annotated[int, Field(gt=0, le=30 * DAY)]


class WrittenTerms(Strict):
    """Terms as a file or a request says them. What is not said is not given, budgets aside."""

    tiers: frozenset[Tier] = Field(min_length=1)
    tools: tuple[str, ...] = Field(min_length=1)
    destinations: tuple[str, ...] = ("local",)
    bounds: dict[str, dict[str, Any]] = Field(default_factory=dict)
    uses: Amount | None = None
    writes: Annotated[int, Field(ge=0, le=2**53)] | None = None
    bytes: Amount | None = None
    per_minute: Annotated[int, Field(gt=0, le=60_000)] | None = None
    burst: Annotated[int, Field(gt=0, le=60_000)] = 1
    seconds: Seconds = 3600
    idle: Seconds | None = None
    strict_flow: bool = False

    @field_validator("tools")
    @classmethod
    def _name_a_server(cls, tools: tuple[str, ...]) -> tuple[str, ...]:
        for tool in tools:
            check_tool(tool)
        return tools

    @field_validator("destinations")
    @classmethod
    def _are_hosts(cls, destinations: tuple[str, ...]) -> tuple[str, ...]:
        for one in destinations:
            if "|" in one:
                raise ValueError(f"{one!r}: one host each")
            patterns.hosts(one)
        return destinations

    @field_validator("bounds")
    @classmethod
    def _compile(cls, bounds: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for tool, bound in bounds.items():
            check_tool(tool)
            try:
                compile_bound(bound)
            except SchemaFault as fault:
                raise ValueError(f"{tool}: {fault}") from None
        return bounds

    def terms(self) -> Terms:
        """The same as the core's value."""
        return Terms(
            **{name: getattr(self, name) for name in type(self).model_fields if name != "tells"}
        )


class Intent(WrittenTerms):
    """One declared purpose, and the most that a grant for it may give."""

    tells: str = Field(min_length=1)


class _File(Strict):
    standing: frozenset[Tier] = STANDING
    intents: dict[str, Intent] = Field(default_factory=dict)

    @field_validator("standing")
    @classmethod
    def _never_admin(cls, standing: frozenset[Tier]) -> frozenset[Tier]:
        if Tier.ADMIN in standing:
            raise ValueError("admin always needs a grant")
        return standing


@dataclass(frozen=True, slots=True)
class Intents:
    """The catalogue. Without a file: no intents, and grants only for admin, which then nobody gets."""

    standing: frozenset[Tier] = STANDING
    """Tiers a role alone is enough for, where a task has no grant."""
    ceilings: Mapping[str, Terms] = field(default_factory=dict)
    """By intent."""


def read(path: Path, servers: Iterable[str]) -> Intents:
    """The file, if there is one. Raises `Misconfigured` at file:line."""
    if not path.exists():
        return Intents()
    tree = yamlfile.read(path)
    file = yamlfile.validate(tree, _File, str(path))
    known = set(servers)
    for name, intent in file.intents.items():
        for tool in (*intent.tools, *intent.bounds):
            if tool.partition("/")[0] not in known:
                where = Where(str(path), yamlfile.line_of(tree, ["intents", name, "tools"]))
                raise Misconfigured(f"{tool!r}: no such server in tiers.yaml", where)
    return Intents(file.standing, {name: one.terms() for name, one in file.intents.items()})


def check_tool(tool: str) -> None:
    """Raises `ValueError` for what is neither `server/tool` nor `server/prefix*`."""
    server, slash, name = tool.partition("/")
    if not slash or not SERVER_ID.fullmatch(server) or "|" in name:
        raise ValueError(f"{tool!r} is not server/tool or server/prefix*")
    patterns.names(name)
