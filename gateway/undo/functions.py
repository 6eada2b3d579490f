"""The functions packs have beside JSON-e's operators: bytes, text, paths, lists. Pure, total in bounded time.

Each raises `ValueError` or `TypeError` for what it was not made for; nothing is coerced. Patterns are
RE2 (linear time). `absent` and its like are the only ones that may be asked of what is not a value.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from gateway.core.doubles import exactly
from gateway.core.linear import compiled
from gateway.core.model import JsonObject
from gateway.undo import edits, lists
from gateway.undo.alike import same
from gateway.undo.expressions import Missing
from gateway.values import Value


class Signature(Value):
    """A function, what it takes and what it gives, as JSON types; `any` is anything, `maybe` also nothing."""

    function: Callable[..., Any]
    takes: tuple[str, ...]
    gives: JsonObject


def _absent(value: Any) -> bool:
    return isinstance(value, Missing) and value.what == "absent"


def _other(value: Any) -> bool:
    return isinstance(value, Missing) and value.what == "other"


def _present(value: Any) -> bool:
    if isinstance(value, Missing) and value.what not in ("absent", "other"):
        raise ValueError(value.what)
    return not isinstance(value, Missing)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None


def _utf8(text: str) -> str:
    try:
        return _bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None


def _is_utf8(text: str) -> bool:
    raw = _bytes(text)
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("a lone surrogate") from None


def _b64(text: str) -> str:
    return base64.b64encode(_encoded(text)).decode("ascii")


def _sha256(text: str) -> str:
    return "sha256:" + hashlib.sha256(_bytes(text)).hexdigest()


def _size(text: str) -> int:
    return len(_bytes(text))


def _matches(text: str, pattern: str) -> bool:
    return compiled(pattern).search(_clean(text)) is not None


def _capture(text: str, pattern: str) -> str:
    found = compiled(pattern).search(_clean(text))
    if found is None:
        raise ValueError("the text does not match")
    group = found.group(1)
    if not isinstance(group, str):
        raise ValueError("the group matched nothing")
    return group


def _clean(text: str) -> str:
    """RE2 works on UTF-8: text that has none is refused, not mangled."""
    _encoded(text)
    return text


def _is_path(text: str) -> bool:
    """An absolute path that means what it says: no `.`, `..`, `//`, no slash at the end, no NUL."""
    parts = text.split("/")[1:]
    return text.startswith("/") and "\0" not in text and not {"", ".", ".."} & set(parts)


def _under(path: str, root: str) -> bool:
    """A plain path strictly below a plain root."""
    return _is_path(path) and _is_path(root) and path.startswith(root + "/")


def _plain(path: str, root: str) -> str:
    """The path itself, when it is the root or below it and means what it says."""
    if not _is_path(path) or not (path == root or _under(path, root)):
        raise ValueError("not a plain path within the root")
    return path


def _relative(path: str, root: str) -> str:
    if not _under(path, root):
        raise ValueError("not below the root")
    return path[len(root) + 1 :]


def _ancestors(path: str, root: str) -> list[str]:
    """The path and what is above it, below the root, the topmost first."""
    names = _relative(path, root).split("/")
    return [root + "/" + "/".join(names[: count + 1]) for count in range(len(names))]


def _dirname(path: str) -> str:
    if not _is_path(path):
        raise ValueError("not a plain path")
    return path.rpartition("/")[0] or "/"


def _basename(path: str) -> str:
    if not _is_path(path):
        raise ValueError("not a plain path")
    return path.rpartition("/")[2]


def _segment(text: str) -> str:
    """Text as one segment of a resource key: `/` and `%` cannot be mistaken, and none is empty."""
    return quote(_encoded(text), safe="!$&'()*+,;=:@ ") or "%"


def _get(value: JsonObject, name: str, otherwise: Any) -> Any:
    return value.get(name, otherwise)


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError
    return str(value)


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_float=exactly)
    except (json.JSONDecodeError, RecursionError):
        raise ValueError("not JSON") from None


_STRING: Final = {"type": "string"}
_BOOLEAN: Final = {"type": "boolean"}
_NUMBER: Final = {"type": "integer"}
_LIST: Final = {"type": "array"}
_STRINGS: Final = {"type": "array", "items": _STRING}

SIGNATURES: Final[dict[str, Signature]] = {
    "absent": Signature(_absent, ("maybe",), _BOOLEAN),
    "other": Signature(_other, ("maybe",), _BOOLEAN),
    "present": Signature(_present, ("maybe",), _BOOLEAN),
    "utf8": Signature(_utf8, ("string",), _STRING),
    "is_utf8": Signature(_is_utf8, ("string",), _BOOLEAN),
    "b64": Signature(_b64, ("string",), _STRING),
    "sha256": Signature(_sha256, ("string",), _STRING),
    "edited": Signature(edits.edited, ("string", "array"), _STRING),
    "size": Signature(_size, ("string",), _NUMBER),
    "matches": Signature(_matches, ("string", "string"), _BOOLEAN),
    "capture": Signature(_capture, ("string", "string"), _STRING),
    "is_path": Signature(_is_path, ("string",), _BOOLEAN),
    "under": Signature(_under, ("string", "string"), _BOOLEAN),
    "plain": Signature(_plain, ("string", "string"), _STRING),
    "relative": Signature(_relative, ("string", "string"), _STRING),
    "ancestors": Signature(_ancestors, ("string", "string"), _STRINGS),
    "dirname": Signature(_dirname, ("string",), _STRING),
    "basename": Signature(_basename, ("string",), _STRING),
    "segment": Signature(_segment, ("string",), _STRING),
    "split": Signature(lambda text, by: text.split(by), ("string", "string"), _STRINGS),
    "join": Signature(lambda items, by: by.join(items), ("array", "string"), _STRING),
    "concat": Signature(lists.concat, ("array", "array"), _LIST),
    "unique": Signature(lists.unique, ("array",), _LIST),
    "without": Signature(lists.without, ("array", "array"), _LIST),
    "only": Signature(lists.only, ("array", "array"), _LIST),
    "where": Signature(lists.where, ("array", "string", "any"), _LIST),
    "where_in": Signature(lists.where_in, ("array", "array", "array"), _LIST),
    "pluck": Signature(lists.pluck, ("array", "string"), _LIST),
    "after": Signature(lists.after, ("array", "string"), _STRINGS),
    "reverse": Signature(lambda items: items[::-1], ("array",), _LIST),
    "first": Signature(lists.first, ("array",), {}),
    "len": Signature(len, ("any",), _NUMBER),
    "keys": Signature(lambda value: sorted(value.keys()), ("object",), _STRINGS),
    "get": Signature(_get, ("object", "string", "any"), {}),
    "str": Signature(_text, ("any",), _STRING),
    "json": Signature(_json, ("string",), {}),
    "same": Signature(same, ("any", "any"), _BOOLEAN),
    "same_set": Signature(lists.same_set, ("any", "any"), _BOOLEAN),
}
"""Every function by name; the reference page is checked against this table."""

JSON_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "array": (list,),
    "object": (dict,),
    "integer": (int,),
}


def _guarded(signature: Signature) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        if len(arguments) != len(signature.takes):
            raise ValueError(f"takes {len(signature.takes)}")
        for value, wanted in zip(arguments, signature.takes, strict=True):
            if wanted != "maybe" and isinstance(value, Missing):
                raise ValueError(f"asked of what is {value.what}")
            if wanted in JSON_TYPES and not isinstance(value, JSON_TYPES[wanted]):
                raise ValueError(f"takes {wanted}")
        return signature.function(*arguments)

    return call


FUNCTIONS: Final = {name: _guarded(each) for name, each in SIGNATURES.items()}
"""As an expression calls them: the right number of arguments of the right types, or `ValueError`."""
