"""At most N times: counts from the site's own ledger, read where the use is recorded.

A budget holds only if nobody else can start between reading the counts and recording the start.
Whoever starts an execution or releases a result therefore calls `admit` **inside the transaction
that records it**, with the uses read in that transaction; an earlier answer is a forecast.

Counts do not depend on the clock. A use is named by the site's own job, so a restarted agent counts
once and a server that numbers executions oddly gains nothing. Time never runs backwards for a
policy: what has expired stays expired when a clock is set back.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from medperf.policy.actions import Action
from medperf.policy.decision import Decision, Policy
from medperf.policy.facts import Facts, ModelFacts, UseCounts


class UseKind(StrEnum):
    """What a line of the ledger records."""

    START = "start"
    RELEASE = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One line: a model started on a dataset, or one of its results left."""

    kind: UseKind
    job: str
    """The site's own name, which makes it one use however often it is recorded: ``job:12``."""
    fingerprint: str
    model_id: int
    model_digest: str
    """Of its container; empty in lines that were written before it was kept."""
    model_owner_id: int
    benchmark_id: int
    at: datetime

    @classmethod
    def of(cls, action: Action, facts: Facts, job: str) -> "Use":
        """The line to record when ``action`` goes ahead."""
        return cls(
            kind=UseKind.START if action is Action.RUN else UseKind.RELEASE,
            job=job,
            fingerprint=facts.dataset.fingerprint,
            model_id=facts.model.id,
            model_digest=facts.model.digest,
            model_owner_id=facts.model.owner_id,
            benchmark_id=facts.benchmark.id,
            at=facts.now,
        )


def admit(
    policy: Policy, action: Action, facts: Facts, uses: Iterable[Use], *, job: str
) -> tuple[Decision, Facts]:
    """Decide on counts and a time that the ledger vouches for.

    Args:
        policy: the policy in force.
        action: run or release.
        facts: everything else; its counts are ignored and its time is a lower bound.
        uses: the ledger's lines, read in the transaction that will record this use.
        job: what is about to run or leave; its own earlier lines do not count against it.

    Returns:
        The decision, and the facts it was based on, which belong into the ledger, too.
    """
    lines = tuple(uses)
    found = replace(
        facts,
        counts=count_uses(lines, facts, job=job),
        now=max([facts.now, *(line.at for line in lines)]),
    )
    return policy.decide(action, found), found


def count_uses(uses: Iterable[Use], facts: Facts, *, job: str) -> UseCounts:
    """Count the uses of the facts' dataset, each job once."""
    lines = {
        (use.kind, use.job): use
        for use in uses
        if use.fingerprint == facts.dataset.fingerprint and use.job != job
    }.values()
    starts = [use for use in lines if use.kind is UseKind.START]
    releases = [use for use in lines if use.kind is UseKind.RELEASE]
    return UseCounts(
        executions=len(starts),
        executions_of_model=sum(_is_of(use, facts.model) for use in starts),
        executions_of_model_owner=sum(use.model_owner_id == facts.model.owner_id for use in starts),
        executions_of_benchmark=sum(use.benchmark_id == facts.benchmark.id for use in starts),
        models=len({use.model_id for use in starts}),
        releases=len(releases),
        releases_of_model=sum(_is_of(use, facts.model) for use in releases),
    )


def _is_of(use: Use, model: ModelFacts) -> bool:
    """Whether a use was of this model, or of the same container under another name."""
    return use.model_id == model.id or use.model_digest == model.digest
