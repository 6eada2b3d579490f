"""An operator's word to a ticket: asked of the policy, journaled, and durable with what it changes or not at all.

The policy is asked about `operator:<name>`, tier admin, intent `approve`: tool `approve:<tool>` for one call,
`break-glass:open` for a window. It knows no terminal and no store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.approvals.asking import new_ticket
from gateway.core import approval, record
from gateway.core.act import of_act, outright, question, refusal
from gateway.core.approval import Stand, Ticket, Word
from gateway.core.model import Decision, Tier
from gateway.errors import Refused
from gateway.ports import Journal, Policies, Protector, Tickets
from gateway.reasons import Reason
from gateway.values import Value, replace

INTENT: Final = "approve"
OPEN: Final = "break-glass:open"


class Deciding(Value, kw_only=True):
    """Where operators answer."""

    journal: Journal
    tickets: Tickets
    policies: Policies
    protector: Protector
    clock: Callable[[], int]
    """Microseconds since the epoch."""
    new_call_id: Callable[[], str]

    async def say(
        self, ticket: Ticket, operator: str, stand: Stand, seconds: int = 0, said: str = ""
    ) -> Ticket:
        """The ticket after this word. `seconds`: how long a leave holds, from now.

        Raises `Refused` when the operator may not say it, `JournalError`."""
        now = self.clock()
        decision = self._permitted(operator, ticket)
        word = Word(ticket.id, stand, operator, now, now + seconds * 1_000_000, said)
        after = approval.decided(ticket, word)
        await self._note(ticket, operator, stand, decision, (word,), said)
        return after

    async def ask_window(
        self, operator: str, agent: str, tenant: str, server: str, why: str
    ) -> Ticket:
        """A window for one agent at one server, waiting for a second person. Raises as `say`."""
        now = self.clock()
        new = Ticket(
            id=new_ticket(),
            digest=f"window:{tenant}:{agent}:{server}",
            kind="window",
            asked_by=operator,
            agent=agent,
            tenant=tenant,
            server=server,
            tier=Tier.ADMIN,
            why=why,
            created_at=now,
            expires_at=now + approval.WAITING_SECONDS * 1_000_000,
        )
        decision = self._permitted(operator, new)
        found = await self.tickets.ask(new)
        if found is not new:
            raise Refused(Reason.APPROVAL_DENIED, f"ticket {found.id} is {found.stand} already")
        await self._note(new, operator, "waiting", decision, (), why)
        return new

    def _permitted(self, operator: str, ticket: Ticket) -> Decision:
        tool = _tool(ticket)
        decision = self.policies.current.decide(
            question(operator, ticket.tenant, INTENT, ticket.server, tool, ticket.arguments)
        )
        # A rule that wants leave for all of a tier means the calls, not the words that give it.
        duties = tuple(duty for duty in decision.obligations if duty.name != approval.DUTY)
        if not outright(asked := replace(decision, obligations=duties)):
            of = f"{operator}: {tool} of {ticket.server}, tier admin, intent {INTENT}"
            raise refusal(asked, of)
        return decision

    async def _note(
        self,
        ticket: Ticket,
        operator: str,
        stand: Stand,
        decision: Decision,
        claims: tuple[Word, ...],
        said: str,
    ) -> None:
        entry = of_act(
            self.new_call_id(),
            operator,
            f"approvals/{stand}",
            self.protector.protect({"ticket": ticket.id, "said": said}, {}),
            tenant=ticket.tenant,
            task=ticket.task,
            intent=INTENT,
            server=ticket.server,
            target=_tool(ticket),
            tier=Tier.ADMIN,
            rule=decision.rule,
            where=decision.where,
            policy_version=self.policies.current.version,
        )
        body = {"ticket": ticket.id, "stand": stand, "agent": ticket.agent, "call": ticket.call_id}
        await self.journal.append(record.noted(entry, self.clock(), body, claims)).sealed()


def _tool(ticket: Ticket) -> str:
    """By what name the policy is asked."""
    return OPEN if ticket.kind == "window" else f"approve:{ticket.tool}"
