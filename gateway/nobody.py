"""The channel of a call that no agent waits for: what would be told is dropped, what would be asked is declined."""

from __future__ import annotations

from typing import Final

from gateway.core.model import Answer, JsonObject, RpcError
from gateway.core.settle import METHOD_NOT_FOUND


class Nobody:
    """`ports.Channel` with nobody at its end."""

    async def notify(self, method: str, params: JsonObject) -> None:
        """Heard by nobody."""

    async def ask(self, method: str, params: JsonObject) -> Answer:
        """As a client answers that declared nothing of the kind."""
        return Answer(error=RpcError(METHOD_NOT_FOUND, f"{method}: nobody to ask"))


NOBODY: Final = Nobody()
