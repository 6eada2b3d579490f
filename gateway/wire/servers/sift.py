"""One large JSON-RPC result, member by member: what goes on to the agent at once, and what is held back.

Held back are the small members that say what the call came to, or that differ between the eras: they
are read like any other answer, and are written last. It knows the response's shape; it reads and writes
nothing itself.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.core.model import JsonObject
from gateway.wire.json_walk import Malformed, Walk
from gateway.wire.strict_json import Unreadable, parse_answer

HELD: Final = frozenset({"isError", "resultType", "ttlMs", "cacheScope", "task", "taskId"})
WHOLE: Final = frozenset({"inputRequests", "requestState"})
"""Members of a result that is a question: the bridge between the eras must have read it whole."""
MAX_HELD: Final = 64 * 1024
_NOT_A_RESULT: Final = frozenset({"method", "params"})
_ENVELOPE: Final = frozenset({"id", "result", "error"})
_NOWHERE: Final[dict[str, bytes]] = {}
_SPACES: Final = bytes.maketrans(b"\r\n", b"  ")


class Sift:
    """Feed it a response; what comes out are members of its result, as they are written in an object.

    Line ends between tokens become spaces, so that a piece can stand in one line of an event stream.
    All raise `Malformed`: it is no strict JSON, no result, or none that can be passed on in pieces.
    """

    def __init__(self, limit: int) -> None:
        """`limit`: bytes of the response, at most."""
        self._limit = limit
        self.size = 0
        """Bytes it was fed."""
        self._walk = Walk(self, "result")
        self._out: list[bytes] = []
        self._envelope: dict[str, bytes] = {}
        self._held: dict[str, bytes] = {}
        self._kept: dict[str, bytes] | None = None
        """Where the value goes that comes now; None: out."""
        self._name = ""
        self._has_result = False
        self.begun = False
        """Whether anything has come out."""
        self.behind = self.ended = False
        """See `Prover`. Where the response ends is for others to say."""

    def feed(self, piece: bytes) -> bytes:
        """The next bytes of the response -> the next bytes for the agent. See `Prover`."""
        self.size += len(piece)
        if self.size > self._limit:
            raise Malformed("it is larger than limits.max_result")
        walk = self._walk
        if walk.goes_on(piece):
            if self._kept is None:
                return piece
            self.piece(piece)
            return b""
        walk.feed(piece)
        self.behind = walk.behind
        out = b"".join(self._out)
        self._out.clear()
        if not walk.within_text and (b"\n" in out or b"\r" in out):
            return out.translate(_SPACES)
        return out

    def rest(self) -> JsonObject:
        """The response is over: what is left of it, with those members of the result that were held back."""
        if not (self._walk.complete and self._has_result):
            raise Malformed("it ended before its end")
        response = {name: _read(raw) for name, raw in self._envelope.items()}
        return {**response, "result": {name: _read(raw) for name, raw in self._held.items()}}

    # What the walk tells.

    def name(self, level: int, name: str, raw: bytes) -> None:
        """See `json_walk.Listener`."""
        self._name = name
        if level == 1:
            if name in _NOT_A_RESULT or (name == "result" and self._has_result):
                raise Malformed(f"a result with {name!r} beside it")
            self._has_result = self._has_result or name == "result"
            self._keep(self._envelope if name in _ENVELOPE else _NOWHERE, name)
        elif name in HELD:
            self._keep(self._held, name)
        elif name in WHOLE:
            raise Malformed(f"a result with {name!r}")
        else:
            self._kept = None
            self._out.append(b",%b:" % raw if self.begun else b"%b:" % raw)
            self.begun = True

    def piece(self, piece: bytes) -> None:
        """See `json_walk.Listener`."""
        if self._kept is None:
            self._out.append(piece)
        if self._kept is None or self._kept is _NOWHERE:
            return
        self._kept[self._name] += piece
        if len(self._kept[self._name]) > MAX_HELD:
            raise Malformed(f"{self._name!r} has more than {MAX_HELD} bytes")

    def end(self, level: int) -> None:
        """See `json_walk.Listener`."""
        if level == 1 and self._name == "result" and self._envelope["result"]:
            raise Malformed("a result that is not an object")
        if level == 1 and self._name == "error" and self._envelope["error"].strip() != b"null":
            raise Malformed("a result with 'error' beside it")

    def _keep(self, kept: dict[str, bytes], name: str) -> None:
        self._kept = kept
        if kept is not _NOWHERE:
            kept[name] = b""


def _read(raw: bytes) -> Any:
    try:
        return parse_answer(raw, max_bytes=MAX_HELD) if raw else None
    except Unreadable as error:
        raise Malformed(str(error)) from None
