"""Public names: what a tool or prompt is called on the aggregate, made by a table and looked up in it.

`server__tool` in an alphabet every model API takes (A-Z a-z 0-9 _ -, at most 64). A name that does
not fit gets a stable hash instead of its end. Nobody ever splits a public name: a tool may have `__`
in its own name, and a hash cannot be undone. Pure.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from gateway.catalogue.text import unseen
from gateway.core.model import Target
from gateway.values import Value

MAX_PUBLIC = 64
MAX_NATIVE = 256
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_OTHER = re.compile(r"[^A-Za-z0-9_-]")
_HASH_LENGTH = 10


class PublicNames(Value):
    """The table: a public name for each target, and the targets that may not have theirs."""

    by_target: Mapping[Target, str]
    collisions: Mapping[Target, str]
    """Targets whose public name another target of the same kind has too, and why they get none."""


def public_name(server: str, native: str) -> str:
    """The public name of one tool or prompt: the same for ever, whatever else there is."""
    plain = f"{server}__{native}"
    if len(plain) <= MAX_PUBLIC and _PLAIN.fullmatch(native):
        return plain
    mark = hashlib.sha256(f"{server}\0{native}".encode("utf-8", "surrogatepass")).hexdigest()[
        :_HASH_LENGTH
    ]
    clean = _OTHER.sub("_", plain)[: MAX_PUBLIC - _HASH_LENGTH - 1]
    return f"{clean}-{mark}"


def name_all(targets: Iterable[Target]) -> PublicNames:
    """Name every tool and prompt. Of targets with one public name, none gets it: neither is the true one."""
    names = {
        target: public_name(target.server, target.name)
        for target in targets
        if target.kind in ("tool", "prompt")
    }
    owners: dict[tuple[str, str], list[Target]] = defaultdict(list)
    for target, name in names.items():
        owners[target.kind, name].append(target)
    collisions = {
        target: f"public name {name!r} is claimed by {_claims(claimants)}"
        for (_, name), claimants in owners.items()
        if len(claimants) > 1
        for target in claimants
    }
    kept = {target: name for target, name in names.items() if target not in collisions}
    return PublicNames(kept, collisions)


def name_fault(native: object) -> str | None:
    """Why this cannot be the native name of a tool or prompt; None if it can."""
    if not isinstance(native, str) or not native:
        return "has no name"
    if len(native) > MAX_NATIVE:
        return f"its name is longer than {MAX_NATIVE} characters"
    if native != native.strip() or unseen(native):
        return "its name has characters that cannot be seen"
    return None


def _claims(targets: Iterable[Target]) -> str:
    return " and ".join(sorted(f"{target.server}:{target.name}" for target in targets))
