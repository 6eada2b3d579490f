"""Looks at what calls wrote: by their packs' reads, the very same as when they were made.

It knows packs, versions and reads; what a look means is for who asked.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.core.model import Target
from gateway.core.reverse import Image, Recorded, Reversal
from gateway.ports import ToolServer
from gateway.undo.approved import Withheld, changed
from gateway.undo.own import For, OwnReads
from gateway.undo.packs import Packs
from gateway.undo.plan import Standing
from gateway.undo.scope import CaptureFailed, ReadCall, Scope, TemplateFailed
from gateway.undo.toolpack import ToolPack
from gateway.undo.versions import version_now
from gateway.values import Value


class Sight(Value):
    """One call with what is needed to look at it: its pack and its reads."""

    pack: ToolPack
    scope: Scope
    reads: tuple[ReadCall, ...]


class Unsighted(Exception):
    """A call cannot be looked at: why, and how it stands therefore."""

    def __init__(self, standing: Standing, why: str) -> None:
        super().__init__(why)
        self.standing = standing
        self.why = why


class Looker:
    """Looks at what calls wrote, as they looked when they were made."""

    def __init__(
        self,
        packs: Packs,
        servers: Mapping[str, ToolServer],
        reads: OwnReads,
        withheld: Withheld,
    ) -> None:
        self._withheld = withheld
        self._packs = packs
        self._servers = servers
        self._reads = reads

    async def sight(self, call: Recorded, anew: bool = False) -> Sight:
        """`anew`: by the pack in force, whichever the call was made under. Raises `Unsighted`."""
        target = Target(call.record.server, "tool", call.record.target)
        pack = self._packs.find(target, await version_now(self._servers, target.server))
        if not call.reversal.pack and not anew:
            said = call.reversal.why or "it had no undo pack"
            raise Unsighted("unreadable", f"nobody can look: {said}")
        if isinstance(pack, Reversal):
            raise Unsighted("unreadable", f"the undo pack does not fit any more: {pack.why}")
        if why := await changed(pack, target.server, self._withheld):
            raise Unsighted("unreadable", why)
        if pack.pack != call.reversal.pack and not anew:
            raise Unsighted("unreadable", "the undo pack has been changed since this call")
        arguments = call.partial if call.arguments is None else call.arguments
        if arguments is None:
            raise Unsighted("irreversible", "the journal kept only a commitment of the arguments")
        scope = Scope(
            arguments, {"id": call.call_id}, pre=call.reversal.pre or None, post=call.post
        )
        try:
            return Sight(pack, scope, pack.reads(scope))
        except TemplateFailed as error:
            raise Unsighted("unreadable", str(error)) from None

    async def look(self, call: Recorded, sight: Sight) -> Image:
        """The world now. Raises `Unsighted`, `JournalError`."""
        record = call.record
        account = For(call.call_id, record.tenant, record.task, record.intent, secret=True)
        try:
            return await self._reads.image(sight.reads, account)
        except (CaptureFailed, TemplateFailed) as error:
            raise Unsighted("unreadable", str(error)) from None
