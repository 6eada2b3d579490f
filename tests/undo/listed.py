"""A server that keeps an order no pack speaks of."""

from __future__ import annotations

import asyncio

from gateway.core.model import Outcome
from gateway.core.record import Permit
from gateway.ports import Outbound
from tests.undo.rig import Store


class Listed(Store):
    """A file of records: what is written goes to its beginning. No read tells where a record stands, so no pack
    compares it. It comes back as it was only if the latest comes back first."""

    slow = ""
    """The record whose write takes a while."""

    async def call(self, permit: Permit, message: Outbound, channel: object) -> Outcome:
        key = message.params["arguments"].get("key")
        is_put = message.params["name"] == "put"
        for _ in range(200 if is_put and key == self.slow else 0):
            await asyncio.sleep(0.001)
        outcome = await super().call(permit, message, channel)
        if is_put:
            self.records = {key: self.records.pop(key), **self.records}
        return outcome
