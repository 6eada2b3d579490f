"""The values packs are asked with and answer with: a scope, a read to make, a case's answer. Pure.

It knows the words of undo and the model; no file, no server and no template.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from gateway.core.model import JsonObject, Outcome
from gateway.core.reverse import Captured, Image
from gateway.values import Value, field


class CaptureFailed(Exception):
    """A read did not tell. The call's level is `none`; nothing may be guessed from it.

    Raised for a null, a value that does not fit its schema, one that is too large, an error that is
    neither "absent" nor "other", and a read the server never answered. The message is for the
    operator and names the read, never the value; `heard` is what the tool server said in its place.
    """

    def __init__(self, message: str, heard: str = "") -> None:
        super().__init__(message)
        self.heard = heard


class NeedsResult(Exception):
    """These steps need `result` or `post`, and the scope has neither yet: ask again at settlement."""


class TemplateFailed(Exception):
    """A pack's expression could not be worked out for this call: something is missing, null, too
    large or of the wrong type. Closed: the level is `none`, the call is not judged, keys are not known.
    """


class Scope(Value):
    """What a pack's expressions may look at. What is not known yet is None, and asking for it fails.

    `args` are the arguments as forwarded. `call` holds `id` and nothing a clock says. `pre` was read
    before the call, `post` after it; `cur` is what the same reads find now (in doubt, planning).
    `result` is the call's own outcome.
    """

    args: JsonObject
    call: JsonObject = field(default_factory=dict)
    pre: Image | None = None
    result: Outcome | None = None
    post: Image | None = None
    cur: Image | None = None


class ReadSpec(Protocol):
    """One declared read: how its answer becomes a value."""

    def take(self, outcome: Outcome) -> Captured:
        """The value, `absent` or `other`. Raises `CaptureFailed`."""
        ...


class ReadCall(Value):
    """One read to make: `tools/call` of `tool` at `server`, then `spec.take(outcome)`.

    `name` is its key in the Image (`file`, or `dirs[0]`, `dirs[1]` for a read that is made for each of
    a list). Effect read, by the gateway's own identity; `server` may be a companion.
    """

    name: str
    server: str
    tool: str
    arguments: JsonObject
    spec: ReadSpec


def same_read(one: ReadCall, other: ReadCall) -> bool:
    """Do both ask the same of the world, whatever they are called?"""
    return (one.server, one.tool, one.arguments) == (
        other.server,
        other.tool,
        other.arguments,
    ) and one.spec == other.spec


class Pinned(Protocol):
    """An approved descriptor, as catalogue/pins.py has it."""

    @property
    def digest(self) -> str: ...

    @property
    def descriptor(self) -> Mapping[str, Any]: ...
