"""The ready-made part of a pack: `records:`, written out as the reads and entries it stands for.

    records:
      book_flight: {}
      send_voucher: {level: compensable, residue: [the mail is sent]}

Each of these tools is undone by what it changed: the companion marks all of the server's records before the
call, says afterwards which differ, and puts those back from the very state the call left
(undo/companion/store.py). So nothing need be known of what a tool writes. Pure.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.undo.pack_model import HARD_CAP, PackFile, Read, RecordsModel, ToolModel

_PAIR: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["was", "now"],
    "additionalProperties": False,
    "properties": {name: {"type": "object", "minProperties": 1} for name in ("was", "now")},
}
_READS: Final[dict[str, Any]] = {
    "store_state": {
        "tool": "store_state",
        "on": "companion",
        "take": {"state": "${read.structured.state}"},
        "schema": {
            "type": "object",
            "required": ["state"],
            "properties": {"state": {"type": "string", "pattern": "^store:"}},
        },
    },
    "store_changes": {
        "tool": "store_changes",
        "on": "companion",
        "take": {"was": {"$eval": "read.structured.was"}, "now": {"$eval": "read.structured.now"}},
        "schema": _PAIR,
        "max_bytes": HARD_CAP,
    },
    "store_records": {
        "tool": "store_records",
        "on": "companion",
        "take": {"was": {"$eval": "was"}, "now": {"$eval": "read.structured.records"}},
        "schema": _PAIR,
        "max_bytes": HARD_CAP,
    },
}
_INVERSE: Final[dict[str, Any]] = {
    "tool": "store_put",
    "on": "companion",
    "idempotent": True,
    "arguments": {
        "records": {"$eval": "post.changes.was"},
        "expect": {"$eval": "post.changes.now"},
    },
}
_CHANGES: Final[dict[str, Any]] = {
    "found": {"use": "store_changes", "arguments": {"since": "${pre.store.state}"}},
    "now": {
        "use": "store_records",
        "with": {"was": {"$eval": "post.changes.was"}},
        "arguments": {"keys": {"$eval": "keys(post.changes.now)"}},
    },
}


def written_out(file: PackFile, server: str) -> PackFile:
    """The same pack without `records:`. `server`: its id in bulkhead.yaml."""
    if not file.records:
        return file
    reads = {name: Read.model_validate(each) for name, each in _READS.items()}
    tools = {name: _entry(server, each) for name, each in file.records.items()}
    return file.model_copy(
        update={"reads": {**reads, **file.reads}, "tools": {**file.tools, **tools}}
    )


def _entry(server: str, asked: RecordsModel) -> ToolModel:
    case = {
        "when": "true",
        "level": asked.level,
        "strategy": "snapshot",
        "fidelity": asked.fidelity,
        "residue": asked.residue,
        "inverse": (_INVERSE,),
    }
    return ToolModel.model_validate(
        {
            "keys": (f"store:/{server}",),
            "capture": {"store": {"use": "store_state"}},
            "changes": _CHANGES,
            "failed_when": asked.failed_when,
            "cases": (case,),
            "guard": {"compare": "post", "strength": "cas"},
            "undo_window": asked.undo_window,
        }
    )
