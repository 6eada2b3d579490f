"""What a rollback knows of the tools it would call: doubt is no approval."""

from __future__ import annotations

from gateway.catalogue.offered import Offered
from gateway.core.model import Target
from tests.catalogue.offering import OfferingServer, approved, pins, tool

READ = tool("read")


async def test_only_what_is_listed_as_it_was_approved_may_be_called() -> None:
    server = OfferingServer(tool=[READ, tool("new"), tool("other", title="changed")])
    known = pins(approved("files", READ, tool("other"), tool("gone")))
    offered = Offered({"files": server}, known)
    said = {
        name: await offered.why_withheld(Target("files", "tool", name))
        for name in ("read", "new", "other", "gone", "never")
    }
    assert said == {
        "read": None,
        "new": "new",
        "other": "changed",
        "gone": "gone",
        "never": "not approved",
    }
    assert len(server.asked) == 4


async def test_where_a_list_cannot_be_read_nothing_of_it_may_be_called() -> None:
    server = OfferingServer(tool=[READ])
    server.broken = "down"
    offered = Offered({"files": server}, pins(approved("files", READ)))
    for name in ("read", "never"):
        assert await offered.why_withheld(Target("files", "tool", name)) is not None


async def test_a_server_that_no_agent_is_offered_is_not_asked() -> None:
    """A companion is the operator's own: what it has was approved by nobody else."""
    assert await Offered({}, pins()).why_withheld(Target("beside", "tool", "put")) is None
