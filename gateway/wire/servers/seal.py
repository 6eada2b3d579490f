"""The state an agent is given for a call that waits for its answers: sealed, bound to it, and ours alone.

A state begins with a mark of ours, so that a tool server's own `requestState` is never taken for one.
Gateway processes with one state directory have one key: a state that was tampered with and one that
belongs to another process can be told apart. Pure, but for a nonce; the clock is passed.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import asdict, dataclass
from typing import Final

from mcp.server.request_state import AESGCMRequestStateCodec, InvalidRequestState

from gateway.core.model import JsonObject
from gateway.ports import Outbound
from gateway.wire import strict_json

MARK: Final = "bulkhead.parked."
MAX_STATE: Final = 2048
"""Characters; ours are shorter."""
_OF_THE_ANSWER: Final = frozenset({"_meta", "inputResponses", "requestState"})
"""Params in which a retry may differ from the request it goes on with."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a state says."""

    gateway: str
    """The gateway process the call waits in."""
    call: str
    owner: str
    request: str
    """Digest of the server, the method and the params."""
    expires: float
    """Seconds since the epoch."""


class Seal:
    """Makes and reads states. Two with the same key read each other's."""

    def __init__(self, key: str | None = None) -> None:
        """`key`: at least 32 characters of secret; without one, no other process reads these states."""
        self._codec = AESGCMRequestStateCodec([key or os.urandom(32)])
        self.gateway = secrets.token_urlsafe(9)
        """This process."""

    def state(self, claim: Claim) -> str:
        """The claim as an agent may carry it."""
        return MARK + self._codec.seal(strict_json.dumps(asdict(claim)))

    def claim(self, state: str) -> Claim:
        """What a state of ours says. Raises `ValueError` for anything not sealed with this key."""
        if not is_ours(state) or len(state) > MAX_STATE:
            raise ValueError("not a state of this gateway")
        try:
            sealed = self._codec.unseal(state.removeprefix(MARK))
        except InvalidRequestState as error:
            raise ValueError(str(error)) from None
        return Claim(**strict_json.parse(sealed, max_bytes=MAX_STATE, max_depth=2))


def is_ours(state: object) -> bool:
    """Whether a `requestState` claims to be of a gateway's making."""
    return isinstance(state, str) and state.startswith(MARK)


def owner(principal: str) -> str:
    """A principal as a claim names it."""
    return _digest(principal)


def request(server: str, message: Outbound) -> str:
    """What a retry must have in common with the request it goes on with."""
    params = {k: v for k, v in message.params.items() if k not in _OF_THE_ANSWER}
    return _digest([server, message.method, _sorted(params)])


def _sorted(value: object) -> object:
    """Members in one order, so that a client may write them in another."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value


def _digest(value: JsonObject | list[object] | str) -> str:
    return hashlib.sha256(strict_json.dumps(value)).hexdigest()[:32]
