"""A tool server's answer as a value of an image: value, absent, other, or no capture at all.

The traps this closes: an error that says so only in its text, a null, a value of another shape, and one
too large. Nothing is ever taken for empty. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.core.bounded import TooManySteps, limited
from gateway.core.dialect import count
from gateway.core.keywords import UnreadablePattern
from gateway.core.model import JsonObject, Outcome
from gateway.core.reverse import Captured
from gateway.undo.expressions import Budget, Context, condition
from gateway.undo.functions import FUNCTIONS
from gateway.undo.grammar import Node
from gateway.undo.rendering import render
from gateway.undo.scope import CaptureFailed, TemplateFailed
from gateway.undo.templates import Template
from gateway.values import Value

MAX_WORDS: Final = 4_096
_WORD: Final = re.compile(r"(CONFLICT|OUTSIDE|TOO_LARGE|INVALID|FAILED): ")
"""A companion's first word (undo/companion/base.py): it tells nothing of what is there."""


def answer(outcome: Outcome) -> JsonObject:
    """What an expression sees of an outcome: `is_error`, `text`, `content`, `structured` where there is one.

    A JSON-RPC error is an error whose text is its message. Raises `TemplateFailed` when nothing is known."""
    if outcome.error is not None:
        return {"is_error": True, "text": outcome.error.message, "content": []}
    if outcome.result is None:
        raise TemplateFailed(outcome.detail or "no answer")
    content = outcome.result.get("content")
    blocks = content if isinstance(content, list) else []
    texts = [
        each.get("text") for each in blocks if isinstance(each, dict) and each.get("type") == "text"
    ]
    seen: JsonObject = {
        "is_error": outcome.kind != "ok" or outcome.result.get("isError") is True,
        "text": "\n".join(text for text in texts if isinstance(text, str)),
        "content": blocks,
    }
    if isinstance(outcome.result.get("structuredContent"), dict):
        seen["structured"] = outcome.result["structuredContent"]
    return seen


class CompiledRead(Value):
    """One entry of `reads:`."""

    name: str
    tool: str
    server: str
    failed_when: Node | None
    absent_when: Node | None
    other_when: Node | None
    take: Template
    validator: Any
    max_bytes: int
    unordered: bool


class BoundRead(Value):
    """A read of one call: the names its `take` may use are worked out."""

    read: CompiledRead
    names: Mapping[str, Any]

    def take(self, outcome: Outcome) -> Captured:
        """Raises `CaptureFailed`."""
        try:
            return self._take(outcome)
        except (CaptureFailed, TemplateFailed) as error:
            heard = error.heard if isinstance(error, CaptureFailed) else ""
            raise CaptureFailed(f"{self.read.name} ({self.read.tool}): {error}", heard) from None

    def _take(self, outcome: Outcome) -> Captured:
        seen = answer(outcome)
        context = Context({**self.names, "read": seen}, FUNCTIONS, Budget())
        if outcome.error is not None:
            raise CaptureFailed("refused by the server", seen["text"])
        if outcome.rounded:
            raise CaptureFailed(
                "a number in it is not what a double says, and would be put back as another"
            )
        if self._holds(self.read.failed_when, context):
            raise CaptureFailed("failed, by its own words", seen["text"])
        if self._holds(self.read.absent_when, context):
            return Captured("absent")
        if self._holds(self.read.other_when, context):
            # Its words, so that two different others are not taken for the same.
            return Captured("other", seen["text"][:MAX_WORDS])
        if seen["is_error"]:
            word = _WORD.match(seen["text"])
            by_name = f", but {word.group(1)}" if word else ""
            raise CaptureFailed(f"an error that is neither absent nor other{by_name}", seen["text"])
        return Captured("value", self._checked(render(self.read.take, context)))

    def _holds(self, test: Node | None, context: Context) -> bool:
        return test is not None and condition(test, context)

    def _checked(self, value: Any) -> Any:
        if value is None:
            raise CaptureFailed("null")
        size = len(json.dumps(value, separators=(",", ":")))
        if size > self.read.max_bytes:
            raise CaptureFailed(f"{size} bytes, more than {self.read.max_bytes}")
        try:
            with limited(20_000 + 50 * count(value, 1_000_000)):
                problem = next(self.read.validator.iter_errors(value), None)
        except (TooManySteps, UnreadablePattern, RecursionError):
            raise CaptureFailed("cannot be checked against its schema in bounded time") from None
        if problem is not None:
            place = "/".join(str(part) for part in problem.absolute_path)
            raise CaptureFailed(f"does not fit its schema at /{place} ({problem.validator})")
        return value
