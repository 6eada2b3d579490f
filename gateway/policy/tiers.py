"""tiers.yaml: the operator's word on what each thing of each tool server is. Shape and strict reading.

    servers:
      db:
        tools:
          query:
            tier: data
            effect: read
            raise:
              - {argument: sql, matches: {pattern: '(?i)\\b(drop|truncate)\\b'}, tier: admin, effect: destroy}
            arguments: {/login/password: sealed}
            destination: {argument: url}
            reads: [private, untrusted]      # only with `flow: lax` or `flow: strict` on top
            egress: true

What an entry means for a call is classify.py's. Nothing here is ever taken from a tool server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, field_validator, model_validator

from gateway.config import yamlfile
from gateway.config.yamlfile import Strict
from gateway.core.flow import LABELS
from gateway.core.model import Effect, FlowMode, Kind, Label, Tier
from gateway.errors import Misconfigured, Where
from gateway.policy import patterns, pointers, spellings
from gateway.policy.fragments import Fragment
from gateway.ports import Mark
from gateway.settings import SERVER_ID
from gateway.values import Value

Section = Literal["tools", "prompts", "resources", "methods"]

SECTION: Final[Mapping[Kind, Section]] = {
    "tool": "tools",
    "prompt": "prompts",
    "resource": "resources",
    "template": "resources",
    "method": "methods",
}
"""A template stands among the resources, by its URI template."""


class Raise(Strict):
    """An argument rule: can lift tier and effect of a call, never lower them."""

    argument: str
    matches: Fragment | None = None
    """Lifts if the argument passes, or cannot be told."""
    unless: Fragment | None = None
    """Lifts if the argument fails, or cannot be told."""
    tier: Tier | None = None
    effect: Effect | None = None

    @field_validator("argument")
    @classmethod
    def _named(cls, argument: str) -> str:
        pointers.steps(argument)
        return argument

    @model_validator(mode="after")
    def _complete(self) -> Raise:
        if (self.matches is None) == (self.unless is None):
            raise ValueError("give either matches or unless")
        if self.tier is None and self.effect is None:
            raise ValueError("lifts nothing: give tier or effect")
        return self


class ByArgument(Strict):
    """The destination is the host of the URL in this argument."""

    argument: str


Reads = Literal["public"] | Label | Annotated[tuple[Label, ...], Field(min_length=1)]

Destination = Annotated[str, Field(min_length=1)] | ByArgument


class Entry(Strict):
    """What a matching target is."""

    tier: Tier
    effect: Effect
    destination: Destination | None = None
    arguments: dict[str, Mark] = Field(default_factory=dict)
    """Argument name or JSON pointer -> how the journal may keep it."""
    lifts: tuple[Raise, ...] = Field(default=(), alias="raise")
    reads: Reads | None = None
    """What comes back with an answer. Not said: it may be anything."""
    egress: bool | None = None
    """Does a call let something out? Not said: it does, unless it takes effect at `local`."""

    @property
    def labels(self) -> frozenset[Label]:
        """What a call raises."""
        if self.reads is None:
            return LABELS
        if self.reads == "public":
            return frozenset()
        return frozenset((self.reads,) if isinstance(self.reads, str) else self.reads)

    @field_validator("destination")
    @classmethod
    def _one_host(cls, destination: Destination | None) -> Destination | None:
        if isinstance(destination, str):
            found = patterns.hosts(destination)
            if found.any or found.suffixes or len(found.exact) != 1:
                raise ValueError(f"{destination!r} is not one host")
        if isinstance(destination, ByArgument):
            pointers.steps(destination.argument)
        return destination

    @field_validator("arguments")
    @classmethod
    def _pointers(cls, arguments: dict[str, Mark]) -> dict[str, Mark]:
        return {pointers.pointer(name): mark for name, mark in arguments.items()}


Entries = dict[str, Entry]


class ServerTiers(Strict):
    """One server's entries, by kind; order counts."""

    tools: Entries = Field(default_factory=dict)
    prompts: Entries = Field(default_factory=dict)
    resources: Entries = Field(default_factory=dict)
    methods: Entries = Field(default_factory=dict)


class _File(Strict):
    flow: FlowMode | None = None
    """When what was read closes the way out; not said: never, and nobody keeps account of it."""
    servers: dict[str, ServerTiers]


class Line(Value):
    """One entry with its pattern and its place."""

    pattern: patterns.Names
    text: str
    entry: Entry
    where: Where
    flow: FlowMode | None = None


Tiers = Mapping[str, Mapping[Section, tuple[Line, ...]]]


def read(path: Path) -> Tiers:
    """The entries in the order of the file. Raises `Misconfigured` at file:line."""
    tree = yamlfile.read(path)
    file = yamlfile.validate(tree, _File, str(path))

    def where(*steps: str) -> Where:
        return Where(str(path), yamlfile.line_of(tree, ["servers", *steps]))

    tiers: dict[str, dict[Section, tuple[Line, ...]]] = {}
    for server, sections in file.servers.items():
        if not SERVER_ID.fullmatch(server):
            raise Misconfigured(f"{server!r} is no server id", where(server))
        tiers[server] = {
            section: tuple(
                Line(
                    _pattern(text, where(server, section, text)),
                    text,
                    entry,
                    where(server, section, text),
                    file.flow,
                )
                for text, entry in getattr(sections, section).items()
            )
            for section in SECTION.values()
        }
    for line in _each(tiers):
        if file.flow is None and (line.entry.reads, line.entry.egress) != (None, None):
            raise Misconfigured("reads and egress need a flow on top: lax or strict", line.where)
    for line, before in _dead(tiers):
        raise Misconfigured(f"{line.text!r} is never reached: {before.where} is first", line.where)
    return tiers


def keep_flow(tiers: Tiers) -> bool:
    """Is account kept of what tasks read? It stands on top of the file, and so in every entry."""
    return any(line.flow is not None for line in _each(tiers))


def every_mark(tiers: Tiers) -> Mapping[str, Mark]:
    """Every argument that some entry marks, by its strictest mark. What holds something redacted is redacted, too."""
    marked = dict.fromkeys(mark for line in _each(tiers) for mark in line.entry.arguments.items())
    gone = [f"{pointer}/" for pointer, mark in marked if mark == "redacted"]
    return {
        pointer: "redacted" if any(other.startswith(f"{pointer}/") for other in gone) else "sealed"
        for pointer, _ in marked
    }


def named(section: Section, line: Line) -> patterns.Names:
    """The entry's pattern as names in the `tool` column of policy.csv."""
    kinds = {
        "tools": ("",),
        "prompts": ("prompt:",),
        "resources": ("resource:", "template:"),
        "methods": ("method:",),
    }[section]
    return patterns.Names(
        frozenset(kind + name for kind in kinds for name in line.pattern.exact),
        tuple(kind + prefix for kind in kinds for prefix in line.pattern.prefixes),
    )


def has(tiers: Tiers, tool: str) -> bool:
    """Is anything there by this name, `server/tool` or `server/prefix*`, in any spelling of a resource?"""
    server, _, name = tool.partition("/")
    whole = name.removesuffix("*")
    asked = patterns.Names(
        frozenset({name} if whole == name else ()), () if whole == name else (whole,)
    )
    there = (
        named(section, line) for section, lines in tiers.get(server, {}).items() for line in lines
    )
    return any(asked.meets(one) or spellings.meet(asked, one) for one in there)


def _each(tiers: Tiers) -> Iterator[Line]:
    return (line for sections in tiers.values() for lines in sections.values() for line in lines)


def _pattern(text: str, where: Where) -> patterns.Names:
    try:
        return patterns.names(text)
    except ValueError as problem:
        raise Misconfigured(str(problem), where) from None


def _dead(tiers: Tiers) -> Iterator[tuple[Line, Line]]:
    """Entries that one earlier entry hides whole, each with that one."""
    for sections in tiers.values():
        for lines in sections.values():
            for index, line in enumerate(lines):
                for before in lines[:index]:
                    if before.pattern.covers(line.pattern):
                        yield line, before
