"""What would a draft have said? Past decisions, made again from their facts."""

from collections.abc import Iterable
from dataclasses import dataclass

from medperf.policy.actions import Action, Answer
from medperf.policy.decision import Decision, Policy
from medperf.policy.facts import AnyFacts


@dataclass(frozen=True, slots=True)
class PastDecision:
    """What a ledger kept of a decision; ``subject`` is its name there, as in ``execution:12``."""

    subject: str
    action: Action
    facts: AnyFacts
    answer: Answer


@dataclass(frozen=True, slots=True)
class Difference:
    """A past decision that the draft would make differently."""

    past: PastDecision
    decision: Decision


def simulate(history: Iterable[PastDecision], draft: Policy) -> tuple[Difference, ...]:
    """Decide everything again under a draft and keep what differs.

    The facts are those of then: counts and agreements are not replayed as if the draft had been in
    force from the beginning, so each line answers for one decision alone.

    Raises:
        MalformedFileError: the draft is not a valid policy; it would deny everything.
    """
    draft.demand_valid()
    again = ((past, draft.decide(past.action, past.facts)) for past in history)
    return tuple(
        Difference(past, decision) for past, decision in again if decision.answer is not past.answer
    )
