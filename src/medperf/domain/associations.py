"""Associations: a dataset or a model taking part in a benchmark."""

from enum import StrEnum
from typing import Any

from pydantic import Field, model_validator

from medperf.domain.identifiers import Id, UtcTime
from medperf.domain.wire import Form, Record


class AssociationKind(StrEnum):
    """What takes part."""

    DATASET = "dataset"
    MODEL = "model"


class AssociationForm(Form):
    """Ask that a dataset or a model takes part; either side may ask, the other decides.

    ``compatibility`` is the released outcome of the compatibility test that backs the request.
    """

    benchmark_id: Id
    kind: AssociationKind
    dataset_id: Id | None = None
    model_id: Id | None = None
    compatibility: dict[str, Any] = Field(default_factory=dict)
    priority: int = Field(default=0, ge=-100, le=100)

    @model_validator(mode="after")
    def _one_subject(self) -> "AssociationForm":
        named = {"dataset": self.dataset_id, "model": self.model_id}
        if named.pop(self.kind.value) is None or any(value is not None for value in named.values()):
            raise ValueError(
                f"an association of kind {self.kind} names a {self.kind}_id and no other"
            )
        return self


class PolicyDecision(Record):
    """What the benchmark's policy said last about a request, and the facts it looked at.

    With the policy of that digest the decision can be made again; lists leave it out.
    """

    answer: str
    rules: tuple[str, ...]
    errors: tuple[str, ...] = ()
    policy_digest: str | None = None
    facts: dict[str, Any]


class Association(Record):
    """A request to take part, and what became of it."""

    id: Id
    benchmark_id: Id
    kind: AssociationKind
    dataset_id: Id | None = None
    model_id: Id | None = None
    state: str
    requested_by: str  # "user:3" or "site:2"
    requested_by_organization_id: Id
    decided_by: str | None = None
    reason: str = ""
    compatibility: dict[str, Any] | None = None
    policy_decision: PolicyDecision | None = None
    priority: int = 0
    created_at: UtcTime
    decided_at: UtcTime | None = None


def names_its_subject(before: str, after: str) -> bool:
    """Whether a decision that takes an association on names what takes part, by its digests.

    A request that is taken back undecided names the benchmark instead: whoever made it may never
    have seen what the other side has.
    """
    return (before, after) != ("pending", "withdrawn")
