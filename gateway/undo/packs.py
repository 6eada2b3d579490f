"""Undo packs: `<policies>/undo/<server>.yaml`, read strictly, and the questions the Line and the planner ask.

The order of one call: `find` -> `early_keys` (lease them) -> `reads` (make them) -> `keys` -> `choose`
-> `Case.steps` -> the call -> `reads` again (post-image) -> `failed`, `no_effect` -> `Case.steps` again
if they raised `NeedsResult`. Undo: `reads` again -> `same` (guard) -> steps -> `reads` -> `verify`.

Everything here is pure but `load`. An exception named in a docstring means "this cannot be known":
the asker closes (level none, in doubt, conflict), never goes on as if nothing had been said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.core.model import Outcome, Target
from gateway.core.reverse import Guard, Image, Level, Reversal, Step, Strategy
from gateway.settings import ServerSettings
from gateway.undo.scope import Pinned, ReadCall, Scope


@dataclass(frozen=True, slots=True)
class Case:
    """One way this very call is undone, chosen from its pre-image."""

    level: Level
    strategy: Strategy
    fidelity: str
    residue: tuple[str, ...]
    guard: Guard
    why: str
    """For the operator: `<file>:<line>` of the case."""

    def steps(self, scope: Scope) -> tuple[Step, ...]:
        """The literal inverse calls, in order. Raises `NeedsResult` when result or post is missing in the
        scope, `TemplateFailed` when they cannot be made (then level none)."""
        raise NotImplementedError


class ToolPack:
    """What a pack says of one tool of one server."""

    pack: str
    """`<server>@sha256:<hex of the file's bytes>`, for `Reversal.pack`."""
    undo_window_seconds: int | None
    """None: without end."""

    def early_keys(self, scope: Scope) -> tuple[str, ...]:
        """Resource keys known from the arguments alone: lease these before reading. Never empty.

        They cover `keys`: each of those equals one of these or lies under one (`a/b` under `a`).
        Raises `TemplateFailed` (then no lease but the whole server's will do)."""
        raise NotImplementedError

    def keys(self, scope: Scope) -> tuple[str, ...]:
        """The footprint: what the call writes, from arguments and pre-image. Hierarchical,
        `scheme:/segment/...`, sorted, at least one. Raises `TemplateFailed`."""
        raise NotImplementedError

    def reads(self, scope: Scope) -> tuple[ReadCall, ...]:
        """The reads that make an image; the same before, after and now. Raises `TemplateFailed`."""
        raise NotImplementedError

    def choose(self, scope: Scope) -> Case | None:
        """The first case whose condition holds; None: level none. Needs `pre`. Raises `TemplateFailed`."""
        raise NotImplementedError

    def failed(self, scope: Scope, outcome: Outcome) -> bool:
        """Did the server say it failed? Its own words may say so where `isError` does not."""
        raise NotImplementedError

    def no_effect(self, scope: Scope) -> bool | None:
        """With pre and post: did nothing change? None when that cannot be told."""
        raise NotImplementedError

    def expect(self, scope: Scope) -> bool | None:
        """In doubt, fenced, with `pre` and `cur`: is `cur` what this call would have made? None: unknown."""
        raise NotImplementedError

    def same(self, recorded: Image, current: Image) -> bool:
        """Is the world as recorded? The guard before an undo. False for empty or unequal sets of names."""
        raise NotImplementedError

    def verify(self, scope: Scope) -> bool:
        """After the undo, with `pre` and `cur`: is it as before, to the declared fidelity?"""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Packs:
    """All packs of one policy directory, checked. Immutable."""

    def find(self, target: Target, server_version: str | None) -> ToolPack | Reversal:
        """The pack for this tool, or UNKNOWN with the reason (no pack, other version, other descriptor).

        `server_version`: `serverInfo.version` as the server says it now."""
        raise NotImplementedError

    def level_cap(self, pack: ToolPack) -> Level:
        """The highest level this pack may claim: `compensable` unless it is certified as it stands."""
        raise NotImplementedError


def load(
    policy_dir: Path,
    servers: Mapping[str, ServerSettings],
    pins: Mapping[Target, Pinned],
    redacted: Mapping[Target, Collection[str]] | None = None,
) -> Packs:
    """Every pack file. Raises `Misconfigured` at file:line.

    `pins`: `Pins.by_target`. `redacted`: JSON pointers into a tool's arguments of which the journal keeps
    no value; a pack that refers to one is refused. No directory: no packs."""
    raise NotImplementedError
