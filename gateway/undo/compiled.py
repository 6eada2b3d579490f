"""A pack's file, compiled: expressions parsed, templates built, names resolved. Values only; nothing is asked here."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.core.model import JsonObject
from gateway.core.reverse import Guard, Level, Strategy
from gateway.core.validate import ArgumentCheck
from gateway.errors import Where
from gateway.undo.grammar import Node
from gateway.undo.reading import CompiledRead
from gateway.undo.templates import Members, Template
from gateway.values import Value


class CompiledCapture(Value):
    """One part of an image."""

    name: str
    read: CompiledRead
    given: Members
    arguments: Members
    each: Node | None
    compare: bool


class CompiledChanges(Value):
    """The two reads of undo/changes.py: what changed since the mark, and how those records are now."""

    found: CompiledCapture
    now: CompiledCapture


class CompiledStep(Value):
    """One inverse call, not yet worked out."""

    server: str
    tool: str
    arguments: Members
    idempotent: bool
    only_if: Node | None
    each: Node | None
    note: str
    check: ArgumentCheck | None
    """None for a companion nobody pinned."""


class CompiledCase(Value):
    """One way back."""

    when: Node
    level: Level
    strategy: Strategy
    fidelity: str
    residue: tuple[str, ...]
    guard: Guard
    steps: tuple[CompiledStep, ...]
    needs: frozenset[str]
    """Of `result` and `post`: what the steps look at."""
    hold: int
    """Seconds it waits before it is sent."""
    where: Where


class CompiledTool(Value):
    """All a pack says of one tool."""

    server: str
    name: str
    params: JsonObject
    keys: tuple[Template, ...]
    early_keys: tuple[Template, ...]
    captures: Mapping[str, CompiledCapture]
    changes: CompiledChanges | None
    failed_when: Node | None
    no_effect_when: Node | None
    cases: tuple[CompiledCase, ...]
    expect: Node | None
    predict: Members | None
    window: int | None
