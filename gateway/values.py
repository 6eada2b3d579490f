"""What flows through the gateway: values that nobody can change once they are made.

A `Value` is declared as a dataclass is, and is one to a type checker. It is made in C: a call makes some thirty of
them, and each frozen dataclass costs ten times as much, and its class a hundred times as much at start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

import msgspec
from msgspec import Struct, field
from msgspec.structs import force_setattr

if TYPE_CHECKING:
    from dataclasses import replace  # of which a type checker knows what each value has
else:
    from msgspec.structs import replace

__all__ = [
    "Value",
    "as_json",
    "as_plain",
    "field",
    "force_setattr",
    "from_json",
    "from_plain",
    "replace",
]

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Value(Struct, frozen=True):
    """Equal where all members are, and hashable where they are. Setting a member raises `AttributeError`."""


def as_plain(value: object) -> dict[str, Any]:
    """A value and all it holds in what JSON can say: dicts, lists, scalars. Raises `TypeError` for the rest."""
    plain: dict[str, Any] = msgspec.to_builtins(value)
    return plain


def from_plain(kind: type[T], plain: object) -> T:
    """The value `as_plain` was given. Members it does not know are passed over. Raises `ValueError`."""
    try:
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def as_json(value: object) -> str:
    """The same as text."""
    return msgspec.json.encode(value).decode()


def from_json(kind: type[T], text: str) -> T:
    """The value of `as_json`. Raises `ValueError`."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
