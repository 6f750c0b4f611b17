"""Which state may follow which, and whose act it is: one table per noun, and nothing else knows.

The state diagrams in ``docs/reference/lifecycles.md`` are generated from these tables. The first
state of a table is where a new thing starts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from medperf.domain.errors import TransitionError


class Side(StrEnum):
    """Who may perform an act."""

    OWNER = "owner"  # a person of the organization the thing belongs to
    COUNTERPART = "counterpart"  # a person of the other side, never the one who asked
    EITHER = "either side"
    ADMIN = "admin"
    SITE = "site"  # the agent, with the site's key
    PERSON = "person at the site"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Transition:
    """``action`` takes a thing from ``source`` to ``target``; only ``by`` may do it."""

    action: str
    source: str
    target: str
    by: Side


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The states of one noun and the acts that connect them."""

    noun: str
    initial: str
    transitions: tuple[Transition, ...]

    @property
    def states(self) -> tuple[str, ...]:
        """Every state, in the order the table first names it."""
        named = [self.initial]
        for transition in self.transitions:
            named += [transition.source, transition.target]
        return tuple(dict.fromkeys(named))

    @property
    def actions(self) -> tuple[str, ...]:
        """Every act, in the order the table first names it."""
        return tuple(dict.fromkeys(transition.action for transition in self.transitions))

    def from_state(self, state: str) -> Iterator[Transition]:
        """The acts that ``state`` allows."""
        return (transition for transition in self.transitions if transition.source == state)

    def apply(self, state: str, action: str) -> Transition:
        """Find the transition that ``action`` is, from ``state``.

        Raises:
            TransitionError: if the table has no such line.
        """
        for transition in self.from_state(state):
            if transition.action == action:
                return transition
        possible = (
            ", ".join(transition.action for transition in self.from_state(state)) or "nothing"
        )
        raise TransitionError(
            f"cannot {action} {self.noun} that is {state}; from here: {possible}",
            noun=self.noun,
            state=state,
            action=action,
        )


def _table(noun: str, initial: str, *rows: tuple[str, str, str, Side]) -> Lifecycle:
    return Lifecycle(noun, initial, tuple(Transition(*row) for row in rows))


CONTAINER = _table(
    "container",
    "development",
    ("submit", "development", "operation", Side.OWNER),
    ("withdraw", "development", "withdrawn", Side.OWNER),
    ("withdraw", "operation", "withdrawn", Side.OWNER),
)

MODEL = _table(
    "model",
    "development",
    ("submit", "development", "operation", Side.OWNER),
    ("withdraw", "development", "withdrawn", Side.OWNER),
    ("withdraw", "operation", "withdrawn", Side.OWNER),
)

BENCHMARK = _table(
    "benchmark",
    "development",
    ("submit", "development", "pending", Side.OWNER),
    ("approve", "pending", "approved", Side.ADMIN),
    ("reject", "pending", "rejected", Side.ADMIN),
    ("deactivate", "approved", "inactive", Side.OWNER),
    ("activate", "inactive", "approved", Side.OWNER),
    ("withdraw", "development", "withdrawn", Side.OWNER),
    ("withdraw", "pending", "withdrawn", Side.OWNER),
    ("withdraw", "approved", "withdrawn", Side.OWNER),
    ("withdraw", "inactive", "withdrawn", Side.OWNER),
)

DATASET = _table(
    "dataset",
    "development",
    ("submit", "development", "operation", Side.OWNER),
    ("withdraw", "development", "withdrawn", Side.OWNER),
    ("withdraw", "operation", "withdrawn", Side.OWNER),
)

ASSOCIATION = _table(
    "association",
    "pending",
    ("approve", "pending", "approved", Side.COUNTERPART),
    ("reject", "pending", "rejected", Side.COUNTERPART),
    ("withdraw", "pending", "withdrawn", Side.EITHER),
    ("withdraw", "approved", "withdrawn", Side.EITHER),
)

EXECUTION = _table(
    "execution",
    "granted",
    ("start", "granted", "running", Side.SITE),
    ("complete", "granted", "completed", Side.SITE),
    ("complete", "running", "completed", Side.SITE),
    ("fail", "granted", "failed", Side.SITE),
    ("fail", "running", "failed", Side.SITE),
    ("expire", "granted", "expired", Side.SERVER),
    ("expire", "running", "expired", Side.SERVER),
    ("revoke", "granted", "revoked", Side.SERVER),
    ("revoke", "running", "revoked", Side.SERVER),
    ("retry", "failed", "retried", Side.EITHER),
)

RESULT = _table(
    "result",
    "pending",
    ("approve", "pending", "approved", Side.COUNTERPART),
    ("reject", "pending", "rejected", Side.COUNTERPART),
    ("withdraw", "pending", "withdrawn", Side.OWNER),
    ("withdraw", "approved", "withdrawn", Side.OWNER),
)

AGREEMENT = _table(
    "agreement",
    "proposed",
    ("sign", "proposed", "proposed", Side.EITHER),
    ("conclude", "proposed", "in_force", Side.SERVER),
    ("terminate", "proposed", "terminated", Side.EITHER),
    ("terminate", "in_force", "terminated", Side.EITHER),
    ("expire", "proposed", "expired", Side.SERVER),
    ("expire", "in_force", "expired", Side.SERVER),
)

INVITATION = _table(
    "invitation",
    "open",
    ("redeem", "open", "redeemed", Side.COUNTERPART),
    ("revoke", "open", "revoked", Side.ADMIN),
)

PREPARATION = _table(
    "preparation",
    "raw",
    ("prepare", "raw", "preparing", Side.PERSON),
    ("stop", "preparing", "incomplete", Side.SITE),
    ("prepare", "incomplete", "preparing", Side.PERSON),
    ("prepare", "invalid", "preparing", Side.PERSON),
    ("finish", "preparing", "checking", Side.SITE),
    ("pass", "checking", "prepared", Side.SITE),
    ("stop", "checking", "incomplete", Side.SITE),
    ("refuse", "checking", "invalid", Side.SITE),
    ("register", "prepared", "registered", Side.PERSON),
    ("discard", "raw", "discarded", Side.PERSON),
    ("discard", "preparing", "discarded", Side.PERSON),
    ("discard", "incomplete", "discarded", Side.PERSON),
    ("discard", "checking", "discarded", Side.PERSON),
    ("discard", "invalid", "discarded", Side.PERSON),
    ("discard", "prepared", "discarded", Side.PERSON),
    ("discard", "registered", "discarded", Side.PERSON),
)

JOB = _table(
    "job",
    "queued",
    ("ask", "queued", "waiting_to_run", Side.SITE),
    ("approve", "waiting_to_run", "ready", Side.PERSON),
    ("reject", "waiting_to_run", "rejected", Side.PERSON),
    ("allow", "queued", "ready", Side.SITE),
    ("grant", "ready", "granted", Side.SITE),
    ("infer", "granted", "inferring", Side.SITE),
    ("evaluate", "inferring", "evaluating", Side.SITE),
    ("check", "evaluating", "checking", Side.SITE),
    ("withhold", "checking", "withheld", Side.SITE),
    ("ask", "checking", "waiting_to_release", Side.SITE),
    ("approve", "waiting_to_release", "releasing", Side.PERSON),
    ("reject", "waiting_to_release", "rejected", Side.PERSON),
    ("allow", "checking", "releasing", Side.SITE),
    ("report", "releasing", "reported", Side.SITE),
    ("fail", "ready", "failed", Side.SITE),
    ("fail", "granted", "failed", Side.SITE),
    ("fail", "inferring", "failed", Side.SITE),
    ("fail", "evaluating", "failed", Side.SITE),
    ("fail", "checking", "failed", Side.SITE),
    ("fail", "releasing", "failed", Side.SITE),
    ("cancel", "queued", "cancelled", Side.SITE),
    ("cancel", "waiting_to_run", "cancelled", Side.SITE),
    ("cancel", "ready", "cancelled", Side.SITE),
    ("cancel", "granted", "cancelled", Side.SITE),
    ("cancel", "inferring", "cancelled", Side.SITE),
    ("cancel", "evaluating", "cancelled", Side.SITE),
    ("cancel", "checking", "cancelled", Side.SITE),
    ("cancel", "waiting_to_release", "cancelled", Side.SITE),
    ("cancel", "releasing", "cancelled", Side.SITE),
    ("retry", "failed", "queued", Side.PERSON),
    ("retry", "withheld", "queued", Side.PERSON),
    ("retry", "rejected", "queued", Side.PERSON),
)

ALL = (
    CONTAINER,
    MODEL,
    BENCHMARK,
    DATASET,
    ASSOCIATION,
    EXECUTION,
    RESULT,
    AGREEMENT,
    INVITATION,
    PREPARATION,
    JOB,
)
"""Every lifecycle; the last two live at the site alone."""
