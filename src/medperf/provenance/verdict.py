"""What a verification answers: what was checked, what is missing, what failed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from medperf.provenance.predicates import AgreementTerms, Approval, Decider, ResultPredicate
from medperf.provenance.statements import Statement

STEPS = {
    1: "Checkpoint",
    2: "Inclusion in the log",
    3: "Key history",
    4: "Signatures",
    5: "Statements agree with themselves",
    6: "Grant",
    7: "One result per grant",
    8: "Dataset",
    9: "Approvals of benchmark, model and dataset",
    10: "Release",
    11: "Leaderboard",
    12: "Agreements",
}
"""The steps of `verify_bundle`, in order, as docs/reference/verification.md explains them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer of one step.

    Attributes:
        step: a number of `STEPS`.
        about: what was looked at, such as ``result of execution 7``.
        detail: one sentence.
    """

    step: int
    about: str
    detail: str


@dataclass(frozen=True, slots=True)
class VerifiedResult:
    """A result and the chain it rests on; what the signatures prove, for people to read.

    Attributes:
        statement: the result, with the digests of everything that could change it.
        signed_by: names of the owners of the keys that signed it.
        log_index: where it is in the log.
        approvals: who approved the benchmark, the model, the dataset and the release.
        is_verified: whether nothing about this result failed or is missing.
    """

    statement: Statement[ResultPredicate]
    signed_by: tuple[str, ...]
    log_index: int | None
    approvals: tuple[Approval, ...]
    is_verified: bool


@dataclass(frozen=True, slots=True)
class VerifiedAgreement:
    """An agreement that every party signed.

    Attributes:
        terms: what is agreed, and for how long.
        signed_by: who signed, by the number of the party.
        log_index: the leaf from which on it is concluded.
        terminated_at: when a party ended it before its term, if one did.
    """

    terms: AgreementTerms
    signed_by: Mapping[int, Decider]
    log_index: int
    terminated_at: datetime | None


@dataclass(slots=True)
class Verdict:
    """Every finding of every step.

    Attributes:
        checked: what holds.
        missing: what could not be checked, since the bundle does not have it.
        failed: what does not hold.
        results: the results whose signatures hold.
        agreements: the agreements that every party signed.
    """

    checked: list[Finding] = field(default_factory=list)
    missing: list[Finding] = field(default_factory=list)
    failed: list[Finding] = field(default_factory=list)
    results: list[VerifiedResult] = field(default_factory=list)
    agreements: list[VerifiedAgreement] = field(default_factory=list)

    @property
    def is_verified(self) -> bool:
        """Whether there is a result or an agreement, nothing failed and nothing is missing."""
        return bool(self.results or self.agreements) and not self.failed and not self.missing

    def hold(self, step: int, about: str, detail: str) -> None:
        """Note what holds."""
        self.checked.append(Finding(step, about, detail))

    def miss(self, step: int, about: str, detail: str) -> None:
        """Note what could not be checked."""
        self.missing.append(Finding(step, about, detail))

    def fail(self, step: int, about: str, detail: str) -> None:
        """Note what does not hold."""
        self.failed.append(Finding(step, about, detail))
