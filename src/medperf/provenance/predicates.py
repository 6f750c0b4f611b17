"""What can be said: one class for each kind of statement.

Fields that a newer writer added are kept, so an older reader still verifies and passes on what it
does not understand. A class's `kind` names its predicate type, ``urn:medperf:<kind>:v1``.
"""

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from medperf.domain.errors import InvalidRequestError
from medperf.domain.identifiers import Digest, Id, UtcTime
from medperf.provenance.keys import PublicKey

Nonce = Annotated[str, StringConstraints(pattern=r"^[0-9a-zA-Z_-]{16,128}$")]
"""Text that nobody can guess and nobody uses twice."""


def _public_key(text: str) -> str:
    try:
        return PublicKey.from_text(text).to_text()
    except InvalidRequestError as error:
        raise ValueError(error.detail) from None


class Predicate(BaseModel):
    """What every kind has in common."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    kind: ClassVar[str]

    @classmethod
    def predicate_type(cls) -> str:
        """The URI that names this kind in a statement."""
        return f"urn:medperf:{cls.kind}:v1"

    @abstractmethod
    def subjects(self) -> dict[str, str]:
        """The digests, by name, that a statement of this kind is about."""


class Approval(BaseModel):
    """A person who said yes or no."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    role: str
    at: UtcTime


class Decider(Approval):
    """Who decided something at the server, and who vouches that they did.

    Attributes:
        user_id: the person's number; None where no person decided.
        key_id: of the person's own key, which then signed the statement, too.
        vouched_by: ``key`` where it did; else the server alone says that the person decided.
    """

    user_id: Id | None = None
    key_id: Digest | None = None
    vouched_by: Literal["key", "server"] = "server"

    @model_validator(mode="after")
    def _names_its_key(self) -> Self:
        if (self.vouched_by == "key") != (self.key_id is not None):
            raise ValueError("key_id is named exactly where the person's own key vouches")
        if self.key_id is not None and self.user_id is None:
            raise ValueError("a key that vouches is that of a person with a user_id")
        return self


class StepTimes(BaseModel):
    """When a step of an execution ran, and the most memory it took where that was seen."""

    model_config = ConfigDict(frozen=True, extra="allow")

    task: str
    started_at: UtcTime
    ended_at: UtcTime
    peak_memory_bytes: int | None = Field(default=None, ge=0)

    @property
    def seconds(self) -> float:
        """How long it ran."""
        return (self.ended_at - self.started_at).total_seconds()


class ExecutionInputs(BaseModel):
    """Everything that could change the number: the same in a grant and in its result."""

    model_config = ConfigDict(frozen=True, extra="allow")

    benchmark_id: Id
    benchmark_digest: Digest
    dataset_id: Id
    dataset_fingerprint: Digest
    model_id: Id
    model_image_digest: Digest
    model_parameters_digest: Digest | None = None
    model_additional_files_digest: Digest | None = None
    evaluator_image_digest: Digest
    evaluator_parameters_digest: Digest | None = None
    evaluator_additional_files_digest: Digest | None = None
    analysis_plan_digest: Digest

    def differences(self, other: "ExecutionInputs") -> list[str]:
        """Name the inputs in which two statements differ."""
        return [
            name
            for name in ExecutionInputs.model_fields
            if getattr(self, name) != getattr(other, name)
        ]

    def subjects(self) -> dict[str, str]:
        """The digests of all inputs that are given, by name."""
        digests = {name: getattr(self, field) for name, field in _INPUT_FIELDS.items()}
        return {name: digest for name, digest in digests.items() if digest is not None}


_INPUT_FIELDS = {
    "benchmark": "benchmark_digest",
    "dataset": "dataset_fingerprint",
    "model/image": "model_image_digest",
    "model/parameters": "model_parameters_digest",
    "model/additional_files": "model_additional_files_digest",
    "evaluator/image": "evaluator_image_digest",
    "evaluator/parameters": "evaluator_parameters_digest",
    "evaluator/additional_files": "evaluator_additional_files_digest",
    "analysis_plan": "analysis_plan_digest",
}
INPUT_NAMES = frozenset(_INPUT_FIELDS)
"""The names under which statements have inputs as subjects."""


class DatasetPredicate(Predicate):
    """A site registered a dataset.

    The site signs this to register, before the server gave the dataset a number: `dataset_id` is
    then None.
    """

    kind: ClassVar[str] = "dataset"

    dataset_id: Id | None = None
    site_id: Id
    fingerprint: Digest
    preparator_image_digest: Digest
    preparator_parameters_digest: Digest | None = None
    statistics_digest: Digest
    prepared_at: UtcTime

    def subjects(self) -> dict[str, str]:
        """The digests this is about, by name."""
        return {"dataset": self.fingerprint, "statistics": self.statistics_digest}


class GrantPredicate(ExecutionInputs, Predicate):
    """The server permits one execution, once, at one site."""

    kind: ClassVar[str] = "grant"

    grant_id: Id
    nonce: Nonce
    server: str
    site_id: Id
    site_key_id: str
    issued_at: UtcTime
    expires_at: UtcTime


class ResultPredicate(ExecutionInputs, Predicate):
    """A site measured this, under that grant."""

    kind: ClassVar[str] = "result"

    grant_digest: Digest
    grant_id: Id
    site_id: Id
    result_digest: Digest
    result: dict[str, Any]
    runner: str
    isolation: dict[str, Any] = Field(default_factory=dict)
    steps: tuple[StepTimes, ...] = ()
    policy_decisions: tuple[dict[str, Any], ...] = ()
    approvals: tuple[Approval, ...] = ()
    output_digests: dict[str, Digest] = Field(default_factory=dict)

    def subjects(self) -> dict[str, str]:
        """The digests this is about, by name."""
        return {**super().subjects(), "grant": self.grant_digest, "result": self.result_digest}

    @property
    def inference(self) -> StepTimes | None:
        """The step in which the model ran; None where predictions of an earlier one were used."""
        return next((step for step in self.steps if step.task == "infer"), None)


class DecisionPredicate(Predicate):
    """Someone approved, rejected, or otherwise decided about something registered.

    With a `benchmark_id` the decision is about taking part in that benchmark. The names of
    `digests` are those of `ExecutionInputs.subjects`: ``benchmark``, ``dataset``, ``model/image``.
    """

    kind: ClassVar[str] = "decision"

    decision: str
    noun: str
    noun_id: Id
    digests: dict[str, Digest] = Field(min_length=1)
    benchmark_id: Id | None = None
    organization: str
    decided_by: Decider
    reason: str = ""

    def subjects(self) -> dict[str, str]:
        """The digests this is about, by name."""
        return self.digests


class AgreementParty(BaseModel):
    """An organization that an agreement binds."""

    model_config = ConfigDict(frozen=True, extra="allow")

    organization_id: Id
    name: str


class AgreementTerms(BaseModel):
    """What is agreed, the same in every statement about one agreement.

    Attributes:
        document_digest: of the file that the parties keep; it is nowhere else.
        benchmark_id: what it is limited to, if it is; so with `dataset_id` and `model_id`.
        starts_at: the first moment of its term.
        ends_at: the first moment after it.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    agreement_id: Id
    agreement_type: Literal["membership", "data_use"]
    title: str
    document_digest: Digest
    document_size_bytes: int = Field(ge=0)
    parties: tuple[AgreementParty, ...] = Field(min_length=2)
    benchmark_id: Id | None = None
    dataset_id: Id | None = None
    model_id: Id | None = None
    starts_at: UtcTime
    ends_at: UtcTime

    def terms(self) -> "AgreementTerms":
        """The terms alone, to compare with those of another statement."""
        return AgreementTerms(**{name: getattr(self, name) for name in AgreementTerms.model_fields})


class AgreementPredicate(AgreementTerms, Predicate):
    """One party signed an agreement, all have (it is concluded), or one of them terminated it.

    Attributes:
        organization_id: the party for which `by` acted; None where the server concludes.
        by: who acted, and who vouches for it.
        signatures: where it is concluded, the digests of the parties' statements by party number.
    """

    kind: ClassVar[str] = "agreement"

    event: Literal["signed", "concluded", "terminated"]
    organization_id: Id | None = None
    by: Decider
    reason: str = ""
    signatures: dict[str, Digest] = Field(default_factory=dict)

    def subjects(self) -> dict[str, str]:
        """The digests this is about, by name."""
        signed = {f"signature/{party}": digest for party, digest in self.signatures.items()}
        return {"document": self.document_digest, **signed}


class PolicyPredicate(Predicate):
    """A site put a version of its policy in force, or somebody did for a benchmark.

    A site names its people in `approved_by`; for a benchmark, `decided_by` says who it was and who
    vouches for that.
    """

    kind: ClassVar[str] = "policy"

    policy_version: Id
    policy_digest: Digest
    supersedes_digest: Digest | None = None
    site_id: Id | None = None
    benchmark_id: Id | None = None
    decided_by: Decider | None = None
    approved_by: tuple[Approval, ...] = ()
    in_force_at: UtcTime

    def subjects(self) -> dict[str, str]:
        """The digests this is about, by name."""
        return {"policy": self.policy_digest}


class ReleasePredicate(Predicate):
    """The server shows a result to others from now on, as the benchmark's release policy says."""

    kind: ClassVar[str] = "release"

    grant_id: Id
    result_digest: Digest
    result_statement_digest: Digest
    audience: Literal["owners", "participants", "public"]
    detail: Literal["per_site", "pooled"]
    released_at: UtcTime

    def subjects(self) -> dict[str, str]:
        """The digests this is about, by name."""
        return {"result": self.result_digest, "statement": self.result_statement_digest}


class KeyPredicate(Predicate):
    """The server enrolled or revoked a key; the log's order says what the key could sign."""

    kind: ClassVar[str] = "key"

    event: Literal["enrolled", "revoked"]
    public_key: Annotated[str, AfterValidator(_public_key)]
    owner_type: Literal["server", "site", "person"]
    owner_id: Id | None = None
    owner: str
    at: UtcTime
    reason: str = ""

    def subjects(self) -> dict[str, str]:
        """The digests this is about, by name."""
        return {"key": PublicKey.from_text(self.public_key).key_id}


class SuccessionPredicate(Predicate):
    """From the next leaf on, another key signs the log and everything else the server says.

    The following key signs this statement and, where the former one was only `rotated`, the former
    key too: then whoever trusts the former trusts the following. A key that was `revoked` is lost
    or stolen; its signature would mean nothing, and the following key has to be trusted anew.

    Attributes:
        log: the log's name, which stays.
        former_key: signed until here.
        public_key: signs from the next leaf on.
    """

    kind: ClassVar[str] = "succession"

    log: str
    former_key: Annotated[str, AfterValidator(_public_key)]
    public_key: Annotated[str, AfterValidator(_public_key)]
    cause: Literal["rotated", "revoked"]
    at: UtcTime
    reason: str = ""

    def subjects(self) -> dict[str, str]:
        """The digests this is about, by name."""
        return {
            "former_key": PublicKey.from_text(self.former_key).key_id,
            "key": PublicKey.from_text(self.public_key).key_id,
        }


PREDICATES: tuple[type[Predicate], ...] = (
    DatasetPredicate,
    GrantPredicate,
    ResultPredicate,
    DecisionPredicate,
    AgreementPredicate,
    PolicyPredicate,
    ReleasePredicate,
    KeyPredicate,
    SuccessionPredicate,
)
"""Every kind of statement there is."""


def decider_of(predicate: Predicate) -> Decider | None:
    """Who decided what a statement says, where it is somebody's decision at the server."""
    match predicate:
        case DecisionPredicate():
            return predicate.decided_by
        case AgreementPredicate():
            return predicate.by
        case PolicyPredicate():
            return predicate.decided_by
        case _:
            return None
