"""What a pack answers about one call: its keys, its reads, its case, its steps, and what images say.

Pure: from a `Scope` to values. An exception named in a docstring means "this cannot be known"; who asks
closes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from gateway.core.model import JsonObject, Outcome
from gateway.core.reverse import Captured, Guard, Image, Level, Step, Strategy, overlaps
from gateway.undo import changes
from gateway.undo.alike import same
from gateway.undo.compiled import CompiledCapture, CompiledCase, CompiledStep, CompiledTool
from gateway.undo.expressions import Budget, Context, Missing, condition, evaluate
from gateway.undo.functions import FUNCTIONS
from gateway.undo.grammar import Node
from gateway.undo.lists import unordered
from gateway.undo.reading import BoundRead, answer
from gateway.undo.rendering import render
from gateway.undo.scope import NeedsResult, ReadCall, Scope, TemplateFailed
from gateway.undo.templates import Template
from gateway.values import Value, replace

MAX_READS: Final = 64
MAX_STEPS: Final = 256
_KEY: Final = re.compile(r"[a-z][a-z0-9+.-]*:(/[^/]+)+")
_ITEM: Final = re.compile(r"([a-z][a-z0-9_]*)\[([0-9]+)\]")
_UNKNOWN: Final = Missing("not known yet")


def context(tool: CompiledTool, scope: Scope) -> Context:
    """The names an expression may use, from a scope."""
    names: dict[str, Any] = {"args": scope.args, "params": tool.params, "call": scope.call}
    for name, image in (("pre", scope.pre), ("post", scope.post), ("cur", scope.cur)):
        names[name] = _UNKNOWN if image is None else _image(tool, image)
    names["result"] = _UNKNOWN if scope.result is None else answer(scope.result)
    return Context(names, FUNCTIONS, Budget())


def _image(tool: CompiledTool, image: Image) -> dict[str, Any]:
    """Captures by name; those of a read made for each of a list as a list again."""
    seen: dict[str, Any] = {
        name: [] for name, each in tool.captures.items() if each.each is not None
    }
    for name in sorted(image, key=_place):
        found = _ITEM.fullmatch(name)
        if found is None:
            seen[name] = _seen(image[name])
        else:
            seen[found.group(1)].append(_seen(image[name]))
    return seen


def _place(name: str) -> tuple[str, int]:
    found = _ITEM.fullmatch(name)
    return (name, -1) if found is None else (found.group(1), int(found.group(2)))


def _seen(captured: Captured) -> Any:
    return captured.value if captured.kind == "value" else Missing(captured.kind)


class Case(Value):
    """One way this very call is undone, chosen from its pre-image."""

    level: Level
    strategy: Strategy
    fidelity: str
    residue: tuple[str, ...]
    guard: Guard
    why: str
    """For the operator: `<file>:<line>` of the case."""
    tool: CompiledTool
    case: CompiledCase

    @property
    def hold_seconds(self) -> int:
        """How long the call waits before it is sent; 0: not at all."""
        return self.case.hold

    def steps(self, scope: Scope) -> tuple[Step, ...]:
        """The literal inverse calls, in order. Raises `NeedsResult` when result or post is missing in the
        scope, `TemplateFailed` when they cannot be made (then level none)."""
        known = {"result": scope.result, "post": scope.post}
        missing = sorted(name for name in self.case.needs if known[name] is None)
        if missing:
            raise NeedsResult(f"the steps look at {' and '.join(missing)}")
        around = context(self.tool, scope)
        made = [step for each in self.case.steps for step in _steps(each, around)]
        if len(made) > MAX_STEPS:
            raise TemplateFailed(f"more than {MAX_STEPS} steps")
        return tuple(made)


def _steps(step: CompiledStep, around: Context) -> Iterable[Step]:
    for inner in _each(step.each, around):
        if step.only_if is not None and not condition(step.only_if, inner):
            continue
        arguments = render(step.arguments, inner)
        problem = step.check.check(arguments) if step.check is not None else None
        if problem is not None:
            raise TemplateFailed(f"{step.tool}: {problem}")
        yield Step(step.server, step.tool, arguments, step.idempotent, step.note)


def _each(node: Node | None, around: Context) -> Iterable[Context]:
    if node is None:
        return [around]
    items = evaluate(node, around)
    if not isinstance(items, list):
        raise TemplateFailed("each is no list")
    return [around.having({"each": item}) for item in items]


class ToolPack(Value):
    """What a pack says of one tool of one server."""

    tool: CompiledTool
    pack: str
    """`<server>@sha256:<hex of the file's bytes>`, for `Reversal.pack`."""
    file: str
    rests_on: frozenset[str]
    """The tools of the server itself that it calls, reads with and undoes with."""
    certified: bool = False
    """Set by `Packs.find`: for this very version of the server."""
    may_precede: frozenset[str] = frozenset()
    """Tools of later calls that this one may be undone before, where resources allow it: set with `certified`."""

    @property
    def cap(self) -> Level:
        """The highest level it may claim: `compensable` unless it is certified as it stands, at the very
        version the server says it has."""
        return Level.NOOP if self.certified else Level.COMPENSABLE

    @property
    def undo_window_seconds(self) -> int | None:
        """None: without end."""
        return self.tool.window

    @property
    def hold_seconds(self) -> int:
        """How long a call waits of which nobody can say which case it is: as the case that waits longest."""
        return max(case.hold for case in self.tool.cases)

    def early_keys(self, scope: Scope) -> tuple[str, ...]:
        """Resource keys known from the arguments alone: lease these before reading. Never empty.

        They cover `keys`: each of those equals one of these or lies under one (`a/b` under `a`).
        Raises `TemplateFailed` (then no lease but the whole server's will do)."""
        keys = _keys(self.tool.early_keys, context(self.tool, scope))
        if not keys:
            raise TemplateFailed("the arguments name no resource")
        return keys

    def keys(self, scope: Scope) -> tuple[str, ...]:
        """The footprint: what the call writes, from arguments and pre-image. Hierarchical,
        `scheme:/segment/...`, sorted, at least one. Raises `TemplateFailed`."""
        early = self.early_keys(scope)
        keys = _keys(self.tool.keys, context(self.tool, scope))
        for key in keys:
            if not any(overlaps(key, each) and len(each) <= len(key) for each in early):
                raise TemplateFailed("a key that no early key covers")
        return keys or early

    def reads(self, scope: Scope) -> tuple[ReadCall, ...]:
        """The reads that make an image; the same before, after and now. Raises `TemplateFailed`."""
        if self.tool.changes is not None and changes.among(scope.post) is not None:
            return tuple(_reads(self.tool.changes.now, context(self.tool, scope)))
        # Only what never changes: so an image is compared with one made by the very same reads.
        around = context(self.tool, Scope(scope.args, scope.call))
        reads = [call for each in self.tool.captures.values() for call in _reads(each, around)]
        if not reads or len(reads) > MAX_READS:
            raise TemplateFailed(f"{len(reads)} reads; one to {MAX_READS} will do")
        return tuple(reads)

    def finds(self, scope: Scope) -> tuple[ReadCall, ...]:
        """The read right after the call that says what it changed; none where the image itself does.
        It belongs to the post-image. Needs `pre`. Raises `TemplateFailed`."""
        if self.tool.changes is None:
            return ()
        return tuple(_reads(self.tool.changes.found, context(self.tool, scope)))

    def choose(self, scope: Scope) -> Case | None:
        """The first case whose condition holds; None: level none. Needs `pre`. Raises `TemplateFailed`."""
        around = context(self.tool, scope)
        for case in self.tool.cases:
            # One whose companion does not run is passed over.
            if not all(step.server for step in case.steps) or not condition(case.when, around):
                continue
            return Case(
                case.level,
                case.strategy,
                case.fidelity,
                case.residue,
                case.guard,
                str(case.where),
                self.tool,
                case,
            )
        return None

    def failed(self, scope: Scope, outcome: Outcome) -> bool:
        """Did the server say it failed? Its own words may say so where `isError` does not.

        A pack whose words cannot be worked out says yes: then the images decide."""
        if outcome.kind != "ok":
            return True
        if self.tool.failed_when is None:
            return False
        try:
            around = context(self.tool, replace(scope, result=outcome))
            return condition(self.tool.failed_when, around)
        except TemplateFailed:
            return True

    def no_effect(self, scope: Scope) -> bool | None:
        """With pre and post: did nothing change? None when that cannot be told."""
        if scope.pre is None or scope.post is None:
            return None
        if self.tool.no_effect_when is None:
            return self.same(scope.pre, scope.post)
        try:
            return condition(self.tool.no_effect_when, context(self.tool, scope))
        except TemplateFailed:
            return None

    def expect(self, scope: Scope) -> bool | None:
        """In doubt, fenced, with `pre` and `cur`: is `cur` what this call would have made? None: unknown."""
        if scope.pre is None or scope.cur is None:
            return None
        try:
            if self.tool.expect is not None:
                return condition(self.tool.expect, context(self.tool, scope))
            predicted = self.predicted(scope)
        except TemplateFailed:
            return None
        return None if predicted is None else self.same(predicted, scope.cur)

    def predicted(self, scope: Scope) -> Image | None:
        """What the call will make of the image, where the pack can say so. Raises `TemplateFailed`."""
        if self.tool.predict is None:
            return None
        values = render(self.tool.predict, context(self.tool, scope))
        image: dict[str, Captured] = {}
        for name, value in values.items():
            if self.tool.captures[name].each is None:
                image[name] = Captured("value", value)
            else:
                image.update({f"{name}[{i}]": Captured("value", v) for i, v in enumerate(value)})
        return image

    def same(self, recorded: Image, current: Image) -> bool:
        """Is the world as recorded? The guard before an undo, and the last word after it: to the declared fidelity.
        False for empty or unequal sets of names."""
        if changes.NAME in current:
            return changes.same(recorded, current)
        before, now = self.compared(recorded), self.compared(current)
        if not before or before.keys() != now.keys():
            return False
        return all(self._equal(name, before[name], now[name]) for name in before)

    def compared(self, image: Image) -> Image:
        """The image without what was read only to be looked at."""
        captures = self.tool.captures
        known = {n: each for n, each in image.items() if n != changes.NAME}
        return {n: each for n, each in known.items() if captures[_place(n)[0]].compare}

    def _equal(self, name: str, one: Captured, other: Captured) -> bool:
        if one.kind != other.kind or one.kind == "other":
            return False  # two links are alike, whatever was written through them
        if self.tool.captures[_place(name)[0]].read.unordered:
            return unordered(one.value) == unordered(other.value)
        return same(one.value, other.value)


def _reads(capture: CompiledCapture, around: Context) -> Iterable[ReadCall]:
    for index, inner in enumerate(_each(capture.each, around)):
        names = {**render(capture.given, inner), "params": inner.names["params"]}
        arguments: JsonObject = render(capture.arguments, inner)
        name = capture.name if capture.each is None else f"{capture.name}[{index}]"
        read = capture.read
        yield ReadCall(name, read.server, read.tool, arguments, BoundRead(read, names))


def _keys(templates: tuple[Template, ...], around: Context) -> tuple[str, ...]:
    found: set[str] = set()
    for template in templates:
        value = render(template, around)
        found.update(value if isinstance(value, list) else [value])
    for key in found:
        if not isinstance(key, str) or _KEY.fullmatch(key) is None:
            raise TemplateFailed("a key is scheme:/segment/..., no segment empty")
    return tuple(sorted(found))
