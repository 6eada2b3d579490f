"""How a reversal is written into journal lines and read back. Pure: what must not be seen is sealed by the caller.

    intent    "undo": {level, strategy, guard, fidelity, residue, why, pack, leases, until, kept}
    outcome   "undo": {level, strategy, why, kept, said}, each only where it differs or is new

`kept` is sealed: pre-image and steps with the intent, and arguments that are too large for the journal
beside them; post-image, and steps that needed the result,
with the outcome, and the resources where only then it is known which. A line without "undo" says nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from gateway.core.model import JsonObject
from gateway.core.reverse import (
    UNKNOWN,
    Captured,
    Image,
    Lease,
    Level,
    Reversal,
    Settled,
    Step,
)
from gateway.values import as_plain, replace

Seal = Callable[[Any], JsonObject]
Unseal = Callable[[Mapping[str, Any]], Any]
"""Opens `{"sealed": ...}`. Raises `ValueError` for what cannot be opened here."""
MEMBER: Final = "undo"


def intent_body(
    reversal: Reversal, seal: Seal, secret: bool = False, arguments: JsonObject | None = None
) -> JsonObject:
    """What the intent's line says of the reversal. Raises what `seal` raises (too large: `ValueError`).

    `secret`: the resources are named after arguments that may not be kept in clear. `arguments`: those
    the journal would keep no more than a commitment of, for their size."""
    leases = [[lease.key, lease.epoch] for lease in reversal.leases]
    undo: JsonObject = {
        "level": str(reversal.level),
        "strategy": reversal.strategy,
        "guard": reversal.guard,
        "fidelity": reversal.fidelity,
        "residue": list(reversal.residue),
        "why": reversal.why,
        "pack": reversal.pack,
        "leases": [] if secret else leases,
        "until": reversal.undo_until,
    }
    if reversal.pre or reversal.steps is not None or secret:
        kept: JsonObject = {"pre": _image(reversal.pre), "steps": _steps(reversal.steps)}
        if secret:
            kept["leases"] = leases
        if arguments is not None:
            kept["arguments"] = arguments
        undo["kept"] = seal(kept)
    return {MEMBER: undo}


def arguments(bodies: Iterable[Mapping[str, Any]], unseal: Unseal) -> JsonObject | None:
    """Those of a call whose arguments were kept for its undo alone. Raises as `read`."""
    for body in bodies:
        undo = body.get(MEMBER)
        kept = unseal(undo["kept"]) if isinstance(undo, Mapping) and "kept" in undo else {}
        if "arguments" in kept:
            return dict(kept["arguments"])
    return None


def outcome_body(prepared: Reversal, settled: Settled, seal: Seal) -> JsonObject:
    """What the outcome's line adds. Raises what `seal` raises."""
    undo: JsonObject = {}
    kept: JsonObject = {}
    after = settled.reversal
    if after is not prepared:
        undo = {
            name: str(getattr(after, name))
            for name in ("level", "strategy", "why")
            if getattr(after, name) != getattr(prepared, name)
        }
        if after.steps != prepared.steps:
            kept["steps"] = _steps(after.steps)
        if after.leases != prepared.leases:
            kept["leases"] = [[lease.key, lease.epoch] for lease in after.leases]
    if settled.why:
        undo["said"] = settled.why
    if settled.post is not None:
        kept["post"] = _image(settled.post)
    if kept:
        undo["kept"] = seal(kept)
    return {MEMBER: undo} if undo else {}


def read(bodies: Iterable[Mapping[str, Any]], unseal: Unseal) -> tuple[Reversal, Image | None]:
    """The reversal as of the last of a call's line bodies, and its post-image.

    Raises `ValueError` when something sealed cannot be opened, `KeyError` for a line no gateway wrote.
    """
    reversal, post = replace(UNKNOWN, why="nothing was recorded of it"), None
    for body in bodies:
        undo = body.get(MEMBER)
        if not isinstance(undo, Mapping):
            continue
        kept = unseal(undo["kept"]) if "kept" in undo else {}
        if "leases" in undo:
            reversal = _first(undo)
        if "level" in undo:
            reversal = replace(reversal, level=Level(undo["level"]))
        for name in ("strategy", "why"):
            reversal = replace(reversal, **{name: undo.get(name, getattr(reversal, name))})
        if "leases" in kept:
            reversal = replace(reversal, leases=_leases(kept["leases"]))
        if "pre" in kept:
            reversal = replace(reversal, pre=_read_image(kept["pre"]))
        if "steps" in kept:
            reversal = replace(reversal, steps=_read_steps(kept["steps"]))
        if "post" in kept:
            post = _read_image(kept["post"])
    return reversal, post


def _first(undo: Mapping[str, Any]) -> Reversal:
    return Reversal(
        level=Level(undo["level"]),
        strategy=undo["strategy"],
        guard=undo["guard"],
        fidelity=undo["fidelity"],
        residue=tuple(undo["residue"]),
        why=undo["why"],
        pack=undo["pack"],
        leases=_leases(undo["leases"]),
        undo_until=undo["until"],
    )


def _leases(pairs: Iterable[tuple[str, int]]) -> tuple[Lease, ...]:
    return tuple(Lease(key, epoch) for key, epoch in pairs)


def _image(image: Image) -> JsonObject:
    return {
        name: {"kind": one.kind} | ({"value": one.value} if one.kind == "value" else {})
        for name, one in image.items()
    }


def _read_image(members: Mapping[str, Any]) -> Image:
    return {name: Captured(one["kind"], one.get("value")) for name, one in members.items()}


def _steps(steps: tuple[Step, ...] | None) -> list[JsonObject] | None:
    return None if steps is None else [as_plain(step) for step in steps]


def _read_steps(steps: list[JsonObject] | None) -> tuple[Step, ...] | None:
    return None if steps is None else tuple(Step(**step) for step in steps)
