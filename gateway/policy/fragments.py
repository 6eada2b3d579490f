"""A fragment: what may be said of one argument in constraints.yaml and tiers.yaml. Shape and evaluation.

A small part of JSON Schema's vocabulary and a few typed predicates (predicates.py). Unlike JSON Schema,
a value of a type the test is not made for is a doubt, not a pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from gateway.config.yamlfile import Strict
from gateway.core.linear import compiled
from gateway.policy import patterns
from gateway.policy.predicates import TESTS, Facts, Truth, every, path_parts

JsonType = Literal["string", "integer", "number", "boolean", "array", "object", "null"]
_MAX_PATTERN: Final = 2_000


class Fragment(Strict):
    """Tests of one value; all that are given must hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    type: JsonType | None = None
    const: Any = None
    enum: tuple[Any, ...] | None = None
    pattern: str | None = None
    """RE2, unanchored, as in JSON Schema."""
    min_length: int | None = Field(default=None, alias="minLength", ge=0)
    max_length: int | None = Field(default=None, alias="maxLength", ge=0)
    """In code points, as JSON Schema counts."""
    minimum: int | float | None = None
    maximum: int | float | None = None
    max_items: int | None = Field(default=None, alias="maxItems", ge=0)
    items: Fragment | None = None
    """Holds for every item of an array."""
    path_within: tuple[str, ...] | None = None
    """An absolute POSIX path at or below one of these. By its text: what a symlink leads to is not seen."""
    host_in: tuple[str, ...] | None = None
    """The host of a URL (or a bare host) matches one of these: exact or `*.domain`."""
    equals: Literal["agent", "tenant", "intent", "task", "on_behalf_of"] | None = None
    """The same string as this fact of the call's token."""

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            if len(pattern) > _MAX_PATTERN:
                raise ValueError(f"longer than {_MAX_PATTERN} characters")
            compiled(pattern)
        return pattern

    @field_validator("path_within")
    @classmethod
    def _roots(cls, roots: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for root in roots or ():
            if path_parts(root) is None:
                raise ValueError(f"{root!r} is not an absolute path without . and ..")
        return roots

    @field_validator("host_in")
    @classmethod
    def _hosts(cls, hosts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for host in hosts or ():
            patterns.hosts(host)
        return hosts

    @model_validator(mode="after")
    def _says_something(self) -> Fragment:
        if not self.model_fields_set:
            raise ValueError("tests nothing")
        for name in self.model_fields_set - {"const"}:
            if getattr(self, name) in (None, ()):
                raise ValueError(f"{name} is empty: nothing could ever pass")
        for low, high in ((self.minimum, self.maximum), (self.min_length, self.max_length)):
            if low is not None and high is not None and low > high:
                raise ValueError(f"at least {low} and at most {high}: nothing could ever pass")
        return self


def judge(fragment: Fragment, value: Any, facts: Facts) -> Truth:
    """Does every test of the fragment hold for this value? None: it cannot be told.

    A doubt outweighs a "no" here: a value of the wrong type is wrong as a whole.
    """
    truths = list(_truths(fragment, value, facts))
    return None if None in truths else every(truths)


def _truths(fragment: Fragment, value: Any, facts: Facts) -> Iterator[Truth]:
    for name in fragment.model_fields_set:
        wanted = getattr(fragment, name)
        if name != "items":
            yield TESTS[name](wanted, value, facts)
        elif isinstance(value, list):
            judged = [judge(wanted, item, facts) for item in value]
            yield None if None in judged else every(judged)
        else:
            yield None
