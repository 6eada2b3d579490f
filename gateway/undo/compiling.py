"""From a pack's file to a compiled pack: every fault at its line, every name known, every call typed.

`compile_reads` works through `reads:`, `ToolCompiler` through one entry of `tools:`. What a fault is,
is grammar.py's and typing.py's; here it gets its place in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.core.dialect import build
from gateway.core.model import JsonObject, Target
from gateway.core.validate import compile_schema
from gateway.undo import changes, typing
from gateway.undo.chains import chains
from gateway.undo.compiled import (
    CompiledCapture,
    CompiledCase,
    CompiledChanges,
    CompiledStep,
    CompiledTool,
)
from gateway.undo.grammar import Node
from gateway.undo.pack_model import Capture, CaseModel, Read, StepModel, ToolModel, seconds
from gateway.undo.reading import CompiledRead
from gateway.undo.setting import Setting, Step
from gateway.undo.shapes import ANY, Shape, list_of, object_of
from gateway.undo.templates import Eval, Members, Template, compile_template, expression
from gateway.undo.typing import Names, condition, shape_of, value_of

MAX_STEPS: Final = 32


def compile_reads(setting: Setting) -> dict[str, CompiledRead]:
    """Every entry of `reads:`. Raises `Misconfigured`."""
    for tool, model in setting.pack.tools.items():
        for place, capture in model.uses:
            if capture.use not in setting.pack.reads:
                raise setting.wrong(f"no read {capture.use!r}", "tools", tool, *place, "use")
    return {name: _read(setting, name, each) for name, each in setting.pack.reads.items()}


def _read(setting: Setting, name: str, model: Read) -> CompiledRead:
    place = ("reads", name)
    setting.known(model.tool, model.on, *place, "tool")
    names = {**_given_names(setting, name), "params": _params(setting)}
    names["read"] = _answer(setting.descriptor(model.tool, model.on))

    def test(key: str, text: str | None) -> Node | None:
        return None if text is None else _condition(setting, text, names, *place, key)

    take = _template(setting, model.take, names, *place, "take")
    validator = setting.at((*place, "schema"), lambda: build(model.shape))
    server = setting.server if model.on == "server" else setting.companion or ""
    return CompiledRead(
        name,
        model.tool,
        server,
        test("failed_when", model.failed_when),
        test("absent_when", model.absent_when),
        test("other_when", model.other_when),
        take,
        validator,
        model.max_bytes,
        model.unordered,
    )


def _given_names(setting: Setting, read: str) -> dict[str, Shape]:
    """What captures give a read under `with`: all who use it give the same names."""
    given: set[str] | None = None
    for tool, model in setting.pack.tools.items():
        for place, capture in model.uses:
            if capture.use != read:
                continue
            if given is not None and given != capture.given.keys():
                raise setting.wrong(
                    f"gives {read} other names than its other uses", "tools", tool, *place
                )
            given = set(capture.given)
    return dict.fromkeys(given or (), ANY)


def _answer(descriptor: JsonObject | None) -> Shape:
    """What an expression sees of a tool's answer."""
    schema = (descriptor or {}).get("outputSchema")
    parts = {"is_error": typing.BOOLEAN, "text": typing.STRING, "content": typing.LIST}
    return object_of({**parts, "structured": Shape(schema, schema) if schema else ANY})


def _params(setting: Setting) -> Shape:
    return object_of(dict.fromkeys(setting.pack.params, typing.STRING))


def _condition(setting: Setting, text: str, names: Names, *place: Step) -> Node:
    node = setting.at(place, lambda: expression(text))
    setting.at(place, lambda: condition(node, names))
    return node


def _template(setting: Setting, value: Any, names: Names, *place: Step) -> Template:
    template = setting.at(place, lambda: compile_template(value))
    setting.at(place, lambda: shape_of(template, names))
    return template


class ToolCompiler:
    """Compiles one entry of `tools:`."""

    def __init__(self, setting: Setting, name: str, reads: Mapping[str, CompiledRead]) -> None:
        self.setting, self.name, self.reads = setting, name, reads
        self.model: ToolModel = setting.pack.tools[name]
        self.place: tuple[Step, ...] = ("tools", name)
        descriptor = setting.descriptor(name, "server")
        schema = (descriptor or {}).get("inputSchema")
        self.base: Names = {
            "args": Shape(schema, schema) if schema else ANY,
            "params": _params(setting),
            "call": object_of({"id": typing.STRING}),
        }
        self.result = _answer(descriptor)

    def compiled(self) -> CompiledTool:
        """Raises `Misconfigured`."""
        setting, model, place = self.setting, self.model, self.place
        setting.known(self.name, "server", *place)
        captures = {
            name: self._capture(name, each, self.base, "capture", name)
            for name, each in model.capture.items()
        }
        shapes = {name: self._image(each) for name, each in captures.items()}
        image = object_of(shapes)
        before: Names = {**self.base, "pre": image}
        keys = tuple(self._key(each, before, "keys", i) for i, each in enumerate(model.keys))
        early = model.early_keys or model.keys
        where = "early_keys" if model.early_keys else "keys"
        expect = {**before, "cur": image}
        changes, found = self._changes(before, shapes)
        after = {**before, "post": found, "result": self.result}
        return CompiledTool(
            setting.server,
            self.name,
            setting.params,
            keys,
            tuple(self._key(each, self.base, where, i) for i, each in enumerate(early)),
            captures,
            changes,
            self._test(model.failed_when, {**before, "result": self.result}, "failed_when"),
            self._test(model.no_effect_when, after, "no_effect_when"),
            tuple(self._case(i, each, before, after) for i, each in enumerate(model.cases)),
            self._test(model.expect, expect, "expect"),
            self._predict(before),
            None if model.undo_window is None else seconds(model.undo_window),
        )

    def _key(self, value: Any, names: Names, *steps: Step) -> Template:
        template = self._made(value, names, *steps)
        types = shape_of(template, names).types()
        if types is not None and not types <= {"string", "array"}:
            raise self.setting.wrong("a key is text, or a list of texts", *self.place, *steps)
        return template

    def _made(self, value: Any, names: Names, *steps: Step) -> Template:
        template = _template(self.setting, value, names, *self.place, *steps)
        self._unredacted(template, *steps)
        return template

    def _test(self, text: str | None, names: Names, *steps: Step) -> Node | None:
        if text is None:
            return None
        node = _condition(self.setting, text, names, *self.place, *steps)
        self._unredacted(Eval(node), *steps)
        return node

    def _unredacted(self, template: Template, *steps: Step) -> None:
        """An argument of which the journal keeps no value is not there when the call is undone."""
        target = Target(self.setting.server, "tool", self.name)
        gone = [_parts(pointer) for pointer in self.setting.redacted.get(target, ())]
        for chain in chains(template) if gone else ():
            named = chain[1:]
            if chain[0] == "args" and any(_overlap(named, each) for each in gone):
                raise self.setting.wrong(
                    f"{'.'.join(chain)} is redacted in the journal", *self.place, *steps
                )

    def _members(self, value: JsonObject, names: Names, *steps: Step) -> Members:
        template = self._made(value, names, *steps)
        if not isinstance(template, Members):
            raise self.setting.wrong("must name its values one by one", *self.place, *steps)
        return template

    def _changes(
        self, before: Names, image: dict[str, Shape]
    ) -> tuple[CompiledChanges | None, Shape]:
        """The reads of what is known only afterwards; and all that is known then."""
        model = self.model.changes
        if model is None:
            return None, object_of(image)
        found = self._capture(changes.NAME, model.found, before, "changes", "found")
        post = object_of({**image, changes.NAME: self._image(found)})
        now = self._capture(changes.NAME, model.now, {**before, "post": post}, "changes", "now")
        return CompiledChanges(found, now), post

    def _capture(self, name: str, model: Capture, around: Names, *steps: Step) -> CompiledCapture:
        read = self.reads[model.use]
        each, names = self._each(model.each, around, *steps)
        given = self._members(model.given, names, *steps, "with")
        arguments = self._members(model.arguments, names, *steps, "arguments")
        on = self.setting.pack.reads[model.use].on
        self._callable(read.tool, on, arguments, names, *steps, "arguments")
        return CompiledCapture(name, read, given, arguments, each, model.compare)

    def _callable(
        self, tool: str, on: str, arguments: Members, names: Names, *steps: Step
    ) -> JsonObject | None:
        descriptor = self.setting.descriptor(tool, on)
        if descriptor is not None:
            self.setting.at(
                (*self.place, *steps), lambda: typing.arguments(arguments, names, descriptor)
            )
        return descriptor

    def _each(self, text: str | None, names: Names, *steps: Step) -> tuple[Node | None, Names]:
        if text is None:
            return None, names
        place = (*self.place, *steps, "each")
        node = self.setting.at(place, lambda: expression(text))
        self._unredacted(Eval(node), *steps, "each")
        item = self.setting.at(place, lambda: value_of(node, names).items())
        return node, {**names, "each": item}

    def _image(self, capture: CompiledCapture) -> Shape:
        schema = self.setting.pack.reads[capture.read.name].shape
        one = Shape(schema, schema)
        return one if capture.each is None else list_of([one])

    def _case(self, index: int, model: CaseModel, before: Names, after: Names) -> CompiledCase:
        place: tuple[Step, ...] = ("cases", index)
        if len(model.inverse) > MAX_STEPS:
            raise self.setting.wrong(f"more than {MAX_STEPS} steps", *self.place, *place)
        when = self._test(model.when, before, *place, "when")
        assert when is not None
        seen: set[str] = set()
        steps = tuple(
            self._step(each, after, seen, *place, "inverse", i)
            for i, each in enumerate(model.inverse)
        )
        return CompiledCase(
            when,
            model.level,
            model.strategy,
            model.fidelity,
            model.residue,
            model.guard or self.model.guard.strength,
            steps,
            frozenset(seen & {"result", "post"}),
            seconds(model.hold) if model.hold else 0,
            self.setting.where(*self.place, *place),
        )

    def _step(self, model: StepModel, names: Names, seen: set[str], *steps: Step) -> CompiledStep:
        setting = self.setting
        setting.known(model.tool, model.on, *self.place, *steps, "tool")
        each, inner = self._each(model.each, names, *steps)
        arguments = self._members(model.arguments, inner, *steps, "arguments")
        descriptor = self._callable(model.tool, model.on, arguments, inner, *steps, "arguments")
        only_if = self._test(model.only_if, inner, *steps, "if")
        parts: list[Template] = [arguments, *(Eval(node) for node in (each, only_if) if node)]
        seen.update(chain[0] for part in parts for chain in chains(part))
        server = setting.server if model.on == "server" else setting.companion or ""
        check = setting.at(
            (*self.place, *steps), lambda: compile_schema(descriptor) if descriptor else None
        )
        return CompiledStep(
            server, model.tool, arguments, model.idempotent, only_if, each, model.note, check
        )

    def _predict(self, names: Names) -> Members | None:
        compared = {name for name, each in self.model.capture.items() if each.compare}
        for name in self.model.predict_post:
            if name not in compared:
                raise self.setting.wrong("no such capture", *self.place, "predict_post", name)
        if not self.model.predict_post:
            return None
        if self.model.predict_post.keys() != compared:
            raise self.setting.wrong("must name every capture", *self.place, "predict_post")
        return self._members(self.model.predict_post, names, "predict_post")


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return one[: len(other)] == other[: len(one)]


def _parts(pointer: str) -> tuple[str, ...]:
    steps = pointer.removeprefix("/").split("/")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in steps)
