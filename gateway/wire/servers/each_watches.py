"""What is watched at a server of which some agents have processes, or sessions, of their own.

Everybody's watches are the shared one's. What an agent's session subscribed to is asked of the session's own
too, as without a gateway: only that one knows what its calls changed. What it tells is for that session alone.
It knows neither when one comes nor when it goes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gateway.core.model import JsonObject, Outcome, RpcError
from gateway.ports import Channel, Outbound, Updated, Watch
from gateway.wire.servers.watches import Watches


class EachWatches:
    """`ports.Watched`."""

    def __init__(self, shared: Watches, *, of_one: bool = False) -> None:
        """`of_one`: they are sessions with one server, which tells each all there is to tell."""
        self._shared = shared
        self._of_one = of_one
        self._wanted: dict[str, set[Watch]] = {}
        """By session."""
        self._own: dict[str, dict[Watches, set[Watch]]] = {}
        """By session: what each of its processes was asked for."""

    async def acquire(self, watch: Watch) -> RpcError | None:
        """See `ports.Watched`."""
        return await self._shared.acquire(watch)

    def release(self, watch: Watch, session: str = "") -> None:
        """See `ports.Watched`."""
        self._shared.release(watch)
        if session in self._wanted:
            self._wanted[session].discard(watch)
            if not self._wanted[session]:
                del self._wanted[session]
        for process, asked in self._own.get(session, {}).items():
            if watch in asked:
                asked.discard(watch)
                process.release(watch)

    def tells(self, watch: Watch, session: str) -> bool:
        """See `ports.Watched`."""
        own = self._own.get(session, {}) if self._of_one and session else {}
        return any(one.hears and watch in asked for one, asked in own.items())

    def wants(self, session: str) -> bool:
        """Whether it has subscribed to anything."""
        return session in self._wanted

    def on_update(self, told: Updated) -> None:
        """See `ports.Watched`."""
        self._shared.on_update(told)

    async def subscribe(self, message: Outbound, channel: Channel) -> Outcome:
        """The outcome of a decided and recorded `resources/subscribe`."""
        outcome = await self._shared.subscribed(message.params, channel)
        if message.session and outcome.kind == "ok":
            await self.subscribed(str(message.params.get("uri")), message.session, channel)
        return outcome

    async def subscribed(self, uri: str, session: str, channel: Channel) -> None:
        """The shared process has agreed. A process that does not tells its agent nothing."""
        self._wanted.setdefault(session, set()).add(("resource", uri))
        for process in list(self._own.get(session, {})):
            await self.bring(process, session, channel)

    def begin(self, process: Watches, session: str) -> Callable[[], None]:
        """A process of this session's own. What comes back is for its end."""

        def told(method: str, params: JsonObject, _: str = "") -> None:
            self._shared.updated(method, params, session)

        self._own.setdefault(session, {})[process] = set()
        process.on_update(told)
        return partial(self._end, process, session)

    async def bring(self, process: Watches, session: str, channel: Channel) -> None:
        """Before its next call: ask it for what it was not asked for yet. It may ask the agent of the channel something
        meanwhile."""
        wanted, asked = self._wanted.get(session), self._own.get(session, {}).get(process)
        if wanted is None or asked is None:
            return
        for watch in wanted - asked:
            asked.add(watch)
            agreed = False
            try:
                agreed = await process.acquire(watch, channel) is None
            finally:  # whoever waits may be cancelled
                if not agreed:
                    asked.discard(watch)

    def _end(self, process: Watches, session: str) -> None:
        del self._own[session][process]
        if not self._own[session]:
            del self._own[session]
