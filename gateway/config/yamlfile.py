"""Operators' YAML files, read strictly: YAML 1.2, duplicate keys and unknown keys refused, every error at file:line.

What YAML would turn into something else than is written is refused: a key 1.10 that becomes 1.1, a tag,
a date, a number that is none (no value is above it, so a rule about it would never hold).
It knows YAML and pydantic, and nothing of what the files mean.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scalarbool import ScalarBoolean

from gateway.config import faults
from gateway.errors import Misconfigured, Where

MAX_BYTES = 4 * 1024 * 1024
MANY = 100_000
"""Values a file may have by its aliases. A file without any has fewer values than characters."""
ID = re.compile(r"[a-z][a-z0-9-]{0,31}")
"""What operators call servers, issuers and transmitters."""
NO_ID = "an id is a-z, 0-9 and -, at most 32, a letter first"
SWAPPED = "..data"
"""The link in a volume of Kubernetes that leads to what its ConfigMap or Secret says now, and is replaced with it."""
_LINE_END = re.compile("[\x85\u2028\u2029]")
"""Where ruamel ends a line, and a comment, and YAML 1.2 and editors do not: what follows would be seen by nobody."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_DIRECTIVE = re.compile(r"^%(YAML|TAG)\b", re.MULTILINE)


class Strict(BaseModel):
    """Base of every file model: frozen, unknown keys fatal, no coercion."""

    # Built when the first file is read: those within others are then built once, as parts of them.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class Located(Strict):
    """A part of a file that may be found wrong later than it was read, and can still name its line."""

    _where: Where | None = PrivateAttr(None)

    @property
    def where(self) -> Where | None:
        """None when it comes from no file."""
        return self._where


Model = TypeVar("Model", bound=BaseModel)


def load(path: Path, model: type[Model]) -> Model:
    """The file as `model`. Raises `Misconfigured` with the line of the first thing that is wrong."""
    return validate(read(path), model, str(path))


def same(one: BaseModel | None, other: BaseModel | None) -> bool:
    """Do they say the same, to the type of each value? Python takes `true` for 1."""
    if one is None or other is None:
        return one is other
    return one.model_dump_json(exclude_unset=True) == other.model_dump_json(exclude_unset=True)


def refuse_open_to_all(path: Path) -> None:
    """What anybody on this machine could write, or put another in place of, is nobody's word. Raises `Misconfigured`.

    A file or directory that cannot be looked at is left to its reader.
    """
    for place, harmless in ((path, 0), (path.parent, stat.S_ISVTX)):
        try:
            mode = stat.S_IMODE(place.stat().st_mode)
        except OSError:
            continue
        if mode & stat.S_IWOTH and not mode & harmless and not _kubelets(place):
            raise Misconfigured(
                f"mode is {mode:04o}: anybody on this machine could change it",
                Where(str(place)),
                "chmod o-w",
            )


def _kubelets(place: Path) -> bool:
    """A ConfigMap or Secret in a pod: its directory has mode 0777, and nobody can write there, as it is mounted
    read-only. That alone would not do: a unit of systemd sees `/etc` so, which others on the machine do not."""
    try:
        read_only = os.statvfs(place).f_flag & os.ST_RDONLY
        return bool(read_only) and (place / SWAPPED).lstat().st_uid == 0
    except OSError:
        return False


def bytes_of(path: Path, most: int) -> bytes:
    """An operator's file, whole. Raises `Misconfigured`, also when it is larger than `most` bytes or open to all."""
    refuse_open_to_all(path)
    # A pipe without a name, as of a shell's <(...), resolves to nothing; a circle of links to one of them.
    if Path(os.path.realpath(path)).is_fifo():
        raise Misconfigured("a pipe: it would be waited for, for ever", Where(str(path)))
    try:
        with path.open("rb") as stream:
            raw = stream.read(most + 1)
    except OSError as error:
        raise Misconfigured(f"cannot read: {error.strerror}", Where(str(path))) from None
    if len(raw) > most:
        raise Misconfigured(f"larger than {most} bytes", Where(str(path)))
    return raw


def text_of(path: Path, most: int) -> str:
    """The same as text. Raises `Misconfigured`, also when it is none."""
    try:
        return bytes_of(path, most).decode("utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise Misconfigured("not UTF-8", Where(str(path), line)) from None


def read(path: Path) -> CommentedMap:
    """The file as a mapping that remembers its lines. Raises `Misconfigured`."""
    text = text_of(path, MAX_BYTES)
    if (found := _LINE_END.search(text)) is not None:
        line = text.count("\n", 0, found.start()) + 1
        raise Misconfigured(
            f"character {ord(found[0]):#06x} is not allowed", Where(str(path), line)
        )
    tree = _loaded(path, text)
    if not isinstance(tree, CommentedMap):
        raise Misconfigured("must be a mapping of keys to values", Where(str(path), 1))
    if _values(tree, {}) > max(len(text), MANY):
        raise Misconfigured("its aliases stand for more than anybody wrote", Where(str(path)))
    if _DIRECTIVE.search(text):
        raise Misconfigured("no %YAML or %TAG here: the files are YAML 1.2", Where(str(path)))
    fault = next(_odd(tree, ()), None)
    if fault is not None:
        place, why = fault
        raise Misconfigured(why, Where(str(path), line_of(tree, place)))
    return tree


def _loaded(path: Path, text: str) -> object:
    yaml = YAML(typ="rt", pure=True)
    yaml.version = (1, 2)
    try:
        return yaml.load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        # Of a key that is there twice the library would tell all that stands below it, both times.
        said = str(error.problem).partition(" with value ")[0]
        hint = "look at the indentation here and above" if "<block" in said else ""
        raise Misconfigured(said, Where(str(path), line), hint) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Misconfigured(
            f"character {error.character:#04x} is not allowed", Where(str(path), line)
        ) from None
    except NotImplementedError:
        # Of ruamel's, for two comments it would have to keep in one place.
        said = "a comment between a key and its value, and something after it"
        raise Misconfigured(f"{said}: put the comment above the key", Where(str(path))) from None
    except AttributeError:
        # Of ruamel's, which does not expect that.
        raise Misconfigured("<< merges a mapping into itself", Where(str(path))) from None
    except RecursionError:
        raise Misconfigured("nested too deeply", Where(str(path))) from None
    except (YAMLError, TypeError, ValueError) as error:
        # ruamel raises TypeError for a mapping used as a key.
        said = " ".join(str(error).split())
        raise Misconfigured(f"not YAML: {said}", Where(str(path))) from None


def _values(node: Any, counted: dict[int, int]) -> int:
    """How many there are, what an alias stands for counted each time. `counted`: those that are known, by identity."""
    if not isinstance(node, CommentedMap | CommentedSeq):
        return 1
    if id(node) not in counted:
        parts = node.values() if isinstance(node, CommentedMap) else node
        counted[id(node)] = 1
        counted[id(node)] += sum(_values(part, counted) for part in parts)
    return counted[id(node)]


def _odd(node: Any, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Everything that does not stand for just what is written, and where it is."""
    if isinstance(node, CommentedMap | CommentedSeq):
        if node.tag.value is not None:
            yield place, f"{node.tag.value}: tags are not used here"
        parts = node.items() if isinstance(node, CommentedMap) else enumerate(node)
        for step, part in parts:
            if isinstance(node, CommentedMap) and not isinstance(step, str):
                yield (*place, step), f"key {step!s:.40} is not text: put it in quotes"
            else:
                yield from _odd(part, (*place, step))
    elif isinstance(node, str) and _SURROGATE.search(node):
        yield place, "half a character, as JSON escapes it (\\ud800), is no text"
    elif isinstance(node, float) and not math.isfinite(node):
        yield place, f"{node} is not a number anything can be compared with"
    elif isinstance(node, int) and node.bit_length() > sys.float_info.max_exp:
        yield place, "is too large a number"
    elif not (node is None or isinstance(node, str | int | float | ScalarBoolean)):
        yield place, "is neither text nor a number, true, false or null: put it in quotes"


def validate(tree: CommentedMap, model: type[Model], file: str) -> Model:
    """A tree from `read` as `model`. Raises `Misconfigured` at the offending key's line."""
    try:
        # By way of JSON, because strict mode takes a list for a tuple, or a word for an enum, only from there.
        return model.model_validate_json(json.dumps(plain(tree)))
    except ValidationError as error:
        fault = faults.first(error, model, tree)
        path = ".".join(map(str, fault.place))
        said = f"{path}: {fault.said}" if path else fault.said
        raise Misconfigured(said, Where(file, line_of(tree, fault.place)), fault.hint) from None


def line_of(tree: Any, path: Sequence[str | int]) -> int | None:
    """The 1-based line of the deepest part of `path` the tree has."""
    line: int | None = None
    node = tree
    for part in path:
        try:
            if isinstance(node, CommentedMap):
                line = node.lc.key(part)[0] + 1
            elif isinstance(node, CommentedSeq):
                line = node.lc.item(part)[0] + 1
            else:
                return line
            node = node[part]
        except (KeyError, IndexError, TypeError, AttributeError):
            return line
    return line


def plain(node: Any) -> Any:
    """The tree as dicts, lists and scalars of plain Python types."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    if isinstance(node, bool | ScalarBoolean):
        return bool(node)  # before int, which both of them are
    for scalar in (int, float, str):
        if isinstance(node, scalar):
            return scalar(node)
    return node
