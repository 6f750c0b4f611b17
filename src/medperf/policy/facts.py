"""What a policy may look at: who asks, for what, on which data, how often so far, until when.

All of it is what the site (or the server) found out itself: digests it checked, counts from its own
ledger, agreements whose signatures it verified, the time of its own clock. A policy never sees the
name of an organization, only its number: anybody can choose a name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from pydantic import ConfigDict

from medperf.domain.associations import AssociationKind
from medperf.domain.identifiers import UtcTime

_EXACT = ConfigDict(extra="forbid")
# Read by `facts_json`: a misspelled fact is a mistake and must not turn into a default.


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """The model, by the digest that was checked, and the organization that owns it."""

    id: int
    digest: str
    owner_id: int
    __pydantic_config__: ClassVar[ConfigDict] = _EXACT


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkFacts:
    """The benchmark version and the organization that owns it."""

    id: int
    digest: str
    clinical_task: str
    owner_id: int
    preparator_digest: str
    evaluator_digest: str
    __pydantic_config__: ClassVar[ConfigDict] = _EXACT


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFacts:
    """The dataset and its owner. A site that does not know the number of cases says 0."""

    id: int
    fingerprint: str
    n_cases: int
    owner_id: int
    __pydantic_config__: ClassVar[ConfigDict] = _EXACT


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolationFacts:
    """What the site's runner offers; what it does not claim counts as absent."""

    runner: str
    has_network: bool = True
    has_read_only_root: bool = False
    has_capabilities: bool = True
    is_root: bool = True
    is_attested: bool = False
    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    @classmethod
    def of_runner(
        cls, runner: str, isolation: Mapping[str, str], *, is_attested: bool = False
    ) -> "IsolationFacts":
        """Read a runner's own isolation facts, as ``Availability`` and ``Outcome`` carry them."""
        return cls(
            runner=runner,
            has_network=isolation.get("network") != "none",
            has_read_only_root=isolation.get("filesystem") == "own read-only root",
            has_capabilities=isolation.get("capabilities") != "none",
            is_root=not isolation.get("user", "").startswith("uid "),
            is_attested=is_attested,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCounts:
    """How this dataset was used before, from the site's own ledger; this execution not counted."""

    executions: int = 0
    executions_of_model: int = 0
    executions_of_model_owner: int = 0
    executions_of_benchmark: int = 0
    models: int = 0
    releases: int = 0
    releases_of_model: int = 0
    __pydantic_config__: ClassVar[ConfigDict] = _EXACT


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementFacts:
    """A signed agreement between organizations; whether it is in force follows from the time."""

    id: int
    kind: str
    digest: str
    party_ids: frozenset[int]
    starts_at: UtcTime
    ends_at: UtcTime
    terminated_at: UtcTime | None = None
    """When a party ended it before its term; None if nobody did."""
    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    def is_in_force(self, now: datetime) -> bool:
        """Whether its term has begun and not ended, and nobody has terminated it."""
        is_terminated = self.terminated_at is not None and self.terminated_at <= now
        return self.starts_at <= now < self.ends_at and not is_terminated


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalFacts:
    """How many different people have said yes, and whether the one who started the run is one."""

    n: int = 0
    includes_starter: bool = False
    __pydantic_config__: ClassVar[ConfigDict] = _EXACT


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFacts:
    """The document that would leave."""

    size_bytes: int
    n_suppressed: int = 0
    __pydantic_config__: ClassVar[ConfigDict] = _EXACT


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything about one execution; ``document`` is there when a release is asked for."""

    model: ModelFacts
    benchmark: BenchmarkFacts
    dataset: DatasetFacts
    isolation: IsolationFacts
    now: UtcTime
    purpose: str = "benchmarking"
    counts: UseCounts = UseCounts()
    agreements: tuple[AgreementFacts, ...] = ()
    approvals: ApprovalFacts = ApprovalFacts()
    document: DocumentFacts | None = None
    __pydantic_config__: ClassVar[ConfigDict] = _EXACT


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationFacts:
    """Everything about one request of a dataset or a model to take part in a benchmark."""

    kind: AssociationKind
    organization_id: int
    """The organization of the side that asks."""
    benchmark: BenchmarkFacts
    digest: str
    """The model's digest or the dataset's fingerprint."""
    now: UtcTime
    n_cases: int = 0
    n_associated: int = 0
    """How many of this kind take part already."""
    has_compatibility_test: bool = False
    agreements: tuple[AgreementFacts, ...] = ()
    approvals: ApprovalFacts = ApprovalFacts()
    __pydantic_config__: ClassVar[ConfigDict] = _EXACT


AnyFacts = Facts | AssociationFacts
