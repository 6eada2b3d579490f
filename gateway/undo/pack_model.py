"""The shape of an undo pack's file: what may stand in it, before anything is compiled or typed.

    undo_pack: 1
    server: {name: memory-server, versions: ">=0.6.3,<0.7", tools: {create_entities: "sha256:..."}}
    reads:  {nodes: {tool: read_graph, take: {...}, schema: {...}}}
    tools:  {create_entities: {keys: [...], capture: {...}, cases: [...], ...}}

Templates and expressions are still plain YAML here; packs.py compiles them and typing.py checks them.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import AfterValidator, Field, field_validator, model_validator

from gateway.config.yamlfile import Strict
from gateway.core.reverse import Guard, Level, Strategy

Place = Literal["server", "companion"]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Expression = Annotated[str, Field(min_length=1)]
Json = Any
"""A template: checked when it is compiled."""
HARD_CAP: Final = 8 * 1024 * 1024
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_WINDOW: Final = re.compile(r"([1-9][0-9]{0,4})([smhd])")
_UNIT: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def _window(text: str) -> str:
    seconds(text)
    return text


Window = Annotated[str, AfterValidator(_window)]
"""`30d`, `12h`, `90m`, `60s`."""


class ServerPin(Strict):
    """The one server this pack was written for, as it stood then."""

    name: str
    """`serverInfo.name`."""
    package: str = ""
    """For people: where that server comes from, and which release."""
    versions: str
    """Which `serverInfo.version` it fits, as PEP 440 specifiers: `>=0.6.3,<0.7`."""
    tools: dict[str, Digest]
    """Every tool of that server the pack names, with the digest of its approved descriptor."""

    @field_validator("versions")
    @classmethod
    def _specifiers(cls, versions: str) -> str:
        try:
            SpecifierSet(versions)
        except InvalidSpecifier:
            raise ValueError(f"{versions!r} is no version range") from None
        return versions


class Param(Strict):
    """A value the operator gives in bulkhead.yaml, `servers.<id>.undo`."""

    about: str = ""
    pattern: str | None = None
    """RE2, over the whole value."""


class Read(Strict):
    """How one thing is read, and how the answer becomes a value."""

    tool: str
    on: Place = "server"
    failed_when: Expression | None = None
    """True: the answer says it failed, though it does not carry `isError`."""
    absent_when: Expression | None = None
    other_when: Expression | None = None
    take: Json
    shape: dict[str, Any] = Field(alias="schema")
    max_bytes: Annotated[int, Field(gt=0, le=HARD_CAP)] = 256 * 1024
    unordered: bool = False
    """The order of lists in it, at every depth, does not count when it is compared."""


class Capture(Strict):
    """One part of a call's image: a read made with these arguments."""

    use: str
    given: dict[str, Json] = Field(default_factory=dict, alias="with")
    """Names for `take`, worked out from the call."""
    arguments: dict[str, Json] = Field(default_factory=dict)
    each: Expression | None = None
    """A list: the read is made for each of its items, which is called `each`."""
    compare: bool = True
    """False: it is there to be looked at, and may change without the world being another."""


class ChangesModel(Strict):
    """What a call changed, where that is known only afterwards (undo/changes.py)."""

    found: Capture
    """Right after the call; looks at `pre`."""
    now: Capture
    """Ever after; looks at `pre` and `post`."""


class StepModel(Strict):
    """One inverse call."""

    tool: str
    on: Place = "server"
    arguments: dict[str, Json] = Field(default_factory=dict)
    idempotent: bool = False
    only_if: Expression | None = Field(default=None, alias="if")
    each: Expression | None = None
    note: str = ""


class CaseModel(Strict):
    """How a call is undone when its condition holds."""

    when: Expression
    level: Level
    strategy: Strategy
    fidelity: str = ""
    residue: tuple[str, ...] = ()
    guard: Guard | None = None
    hold: Window | None = None
    """How long the call waits before it is sent; until then it is taken back by not sending it."""
    inverse: tuple[StepModel, ...] = ()

    @model_validator(mode="after")
    def _honest(self) -> CaseModel:
        if self.level in (Level.READ, Level.UNKNOWN):
            raise ValueError(f"a case is never {self.level}")
        undoable = self.level in (Level.COMPENSABLE, Level.SET_EXACT, Level.EXACT)
        if undoable != bool(self.inverse):
            raise ValueError(f"{self.level} {'needs an' if undoable else 'has no'} inverse")
        if undoable and self.strategy == "none":
            raise ValueError("an undoable case needs a strategy")
        if (self.strategy == "hold") != (self.hold is not None):
            raise ValueError("strategy hold says how long: hold: 10m; and no other does")
        return self


class GuardModel(Strict):
    """What must hold before an undo. `post`: the world is as it was after the call."""

    compare: Literal["post"] = "post"
    strength: Guard


class VerifyModel(Strict):
    """What must hold after it. `pre`: the world is as it was before the call."""

    compare: Literal["pre"] = "pre"


class ToolModel(Strict):
    """How calls of one tool are undone."""

    keys: Annotated[tuple[Json, ...], Field(min_length=1)]
    """Templates of what a call writes: each gives a key, or a list of keys."""
    early_keys: tuple[Json, ...] = ()
    """What to lease before anything is read; the `keys` unless given."""
    capture: Annotated[dict[str, Capture], Field(min_length=1)]
    changes: ChangesModel | None = None
    failed_when: Expression | None = None
    no_effect_when: Expression | None = None
    cases: Annotated[tuple[CaseModel, ...], Field(min_length=1)]
    guard: GuardModel
    verify: VerifyModel = VerifyModel()
    expect: Expression | None = None
    predict_post: dict[str, Json] = Field(default_factory=dict)
    """Capture name -> what it will hold after the call; in doubt, the call applied if it does."""
    undo_window: Window | None = None

    @field_validator("capture")
    @classmethod
    def _names(cls, capture: dict[str, Capture]) -> dict[str, Capture]:
        for name in capture:
            if not _NAME.fullmatch(name) or name == "changes":
                raise ValueError(
                    f"{name!r}: a capture is a-z, 0-9 and _, a letter first, not changes"
                )
        if not any(each.compare for each in capture.values()):
            raise ValueError("nothing of it is compared")
        return capture

    @property
    def uses(self) -> list[tuple[tuple[str, ...], Capture]]:
        """Every read it makes, with its place in the entry."""
        made: list[tuple[tuple[str, ...], Capture]] = [
            (("capture", name), each) for name, each in self.capture.items()
        ]
        if self.changes is not None:
            made += [
                (("changes", "found"), self.changes.found),
                (("changes", "now"), self.changes.now),
            ]
        return made


class RecordsModel(Strict):
    """A tool undone by what it changed in its server's records (undo/fragment.py)."""

    level: Literal[Level.COMPENSABLE, Level.SET_EXACT, Level.EXACT] = Level.SET_EXACT
    fidelity: str = "every record, by its key"
    residue: tuple[str, ...] = ()
    failed_when: Expression | None = None
    undo_window: Window = "30d"


class PackFile(Strict):
    """One file."""

    undo_pack: Literal[1]
    server: ServerPin
    params: dict[str, Param] = Field(default_factory=dict)
    reads: dict[str, Read] = Field(default_factory=dict)
    records: dict[str, RecordsModel] = Field(default_factory=dict)
    tools: dict[str, ToolModel] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _says_something(self) -> PackFile:
        if not self.tools and not self.records:
            raise ValueError("names no tool")
        if both := self.tools.keys() & self.records.keys():
            raise ValueError(f"{min(both)} is in tools and in records")
        return self


def seconds(window: str) -> int:
    """`30d`, `12h`, `90m`, `60s` in seconds. Raises `ValueError`."""
    found = _WINDOW.fullmatch(window)
    if found is None:
        raise ValueError(f"{window!r} is no time: 30d, 12h, 90m, 60s")
    return int(found.group(1)) * _UNIT[found.group(2)]
