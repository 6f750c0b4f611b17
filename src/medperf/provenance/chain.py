"""From a number back to everything it rests on: steps 6 to 10 of a verification.

Works on statements that steps 1 to 5 proved to be logged and signed by those who may say such a
thing. Only what was logged before a result can support it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from medperf.provenance.believed import Believed
from medperf.provenance.grant_check import grant_faults
from medperf.provenance.predicates import (
    INPUT_NAMES,
    Approval,
    DatasetPredicate,
    DecisionPredicate,
    GrantPredicate,
    ReleasePredicate,
    ResultPredicate,
)
from medperf.provenance.statements import Statement
from medperf.provenance.verdict import Verdict, VerifiedResult


def check_results(believed: Sequence[Believed], verdict: Verdict) -> None:
    """Add to the verdict what holds about each result.

    Args:
        believed: statements in the order of the log.
        verdict: gets the findings and the results.
    """
    evidence = _Evidence()
    for item in believed:
        evidence.add(item)
    if not evidence.results and not verdict.agreements:
        verdict.miss(5, "bundle", "it holds no result that can be believed")
    uses = Counter(result.grant_digest for _, result in evidence.results)
    for item, result in evidence.results:
        troubles = len(verdict.failed) + len(verdict.missing)
        _check_grant(item, result, evidence, verdict)
        _check_single_use(item, uses[result.grant_digest], verdict)
        _check_dataset(item, result, evidence, verdict)
        approvals = _check_approvals(item, result, evidence, verdict)
        approvals += _check_release(item, result, evidence, verdict)
        verdict.results.append(
            VerifiedResult(
                statement=Statement(item.statement.subjects, result, item.statement.digest),
                signed_by=tuple(item.signed_by.values()),
                log_index=item.index,
                approvals=tuple(approvals),
                is_verified=len(verdict.failed) + len(verdict.missing) == troubles,
            )
        )


_Wanted = tuple[str, int, int | None]


@dataclass(slots=True)
class _Evidence:
    """What is believed, by what it is looked up with."""

    results: list[tuple[Believed, ResultPredicate]] = field(default_factory=list)
    grants: dict[str, tuple[int, Statement[GrantPredicate]]] = field(default_factory=dict)
    datasets: dict[tuple[int | None, str, int], int] = field(default_factory=dict)
    decisions: dict[_Wanted, list[tuple[int, DecisionPredicate]]] = field(default_factory=dict)
    releases: dict[str, list[ReleasePredicate]] = field(default_factory=dict)

    def add(self, item: Believed) -> None:
        """Keep a statement; the earliest leaf of a grant or dataset counts."""
        statement, index = item.statement, item.index
        match statement.predicate:
            case ResultPredicate() as said:
                self.results.append((item, said))
            case GrantPredicate() as said:
                grant = Statement(statement.subjects, said, statement.digest)
                self.grants.setdefault(statement.digest, (index, grant))
            case DatasetPredicate() as said:
                self.datasets.setdefault((said.dataset_id, said.fingerprint, said.site_id), index)
            case DecisionPredicate() as said:
                wanted = (said.noun, said.noun_id, said.benchmark_id)
                self.decisions.setdefault(wanted, []).append((index, said))
            case ReleasePredicate() as said:
                self.releases.setdefault(said.result_statement_digest, []).append(said)
            case _:
                pass

    def last_decision(self, wanted: _Wanted, before: int) -> DecisionPredicate | None:
        """The decision that was in force when a leaf was logged."""
        earlier = [said for index, said in self.decisions.get(wanted, []) if index < before]
        return earlier[-1] if earlier else None


# Step 6
def _check_grant(
    item: Believed, result: ResultPredicate, evidence: _Evidence, verdict: Verdict
) -> None:
    index, grant = evidence.grants.get(result.grant_digest, (None, None))
    if index is None or grant is None:
        verdict.miss(6, item.about, f"its grant {result.grant_digest} is not here")
    elif index > item.index:
        verdict.fail(6, item.about, f"its grant was logged after it, as leaf {index}")
    elif faults := grant_faults(result, item.signed_by, grant):
        for fault in faults:
            verdict.fail(6, item.about, fault)
    else:
        verdict.hold(6, item.about, f"it answers grant {grant.predicate.grant_id} in every input")


# Step 7
def _check_single_use(item: Believed, uses: int, verdict: Verdict) -> None:
    if uses > 1:
        verdict.fail(7, item.about, f"{uses} results use its grant")
    else:
        verdict.hold(7, item.about, "no other result here uses its grant")


# Step 8
def _check_dataset(
    item: Believed, result: ResultPredicate, evidence: _Evidence, verdict: Verdict
) -> None:
    registered = (result.dataset_fingerprint, result.site_id)
    # A site signs before its dataset has a number: content and site then say which one it is.
    numbers = (result.dataset_id, None)
    leaves = [evidence.datasets.get((number, *registered)) for number in numbers]
    index = min((leaf for leaf in leaves if leaf is not None), default=None)
    if index is None:
        verdict.miss(
            8, item.about, f"no statement of its site registers dataset {result.dataset_id}"
        )
    elif index > item.index:
        verdict.fail(8, item.about, f"its dataset was registered after it, as leaf {index}")
    else:
        verdict.hold(8, item.about, f"on dataset {result.dataset_id}, {result.dataset_fingerprint}")


# Step 9
def _check_approvals(
    item: Believed, result: ResultPredicate, evidence: _Evidence, verdict: Verdict
) -> list[Approval]:
    needed = (
        ("benchmark", result.benchmark_id, None),
        ("model", result.model_id, result.benchmark_id),
        ("dataset", result.dataset_id, result.benchmark_id),
    )
    approvals: list[Approval] = []
    for noun, noun_id, benchmark_id in needed:
        decision = evidence.last_decision((noun, noun_id, benchmark_id), item.index)
        if decision is None:
            verdict.miss(9, item.about, f"no earlier decision about {noun} {noun_id} is here")
        elif decision.decision != "approved":
            verdict.fail(9, item.about, f"{noun} {noun_id} was {decision.decision} then")
        elif not _covers(decision, result):
            verdict.fail(9, item.about, f"{noun} {noun_id} was approved with other digests")
        else:
            by = decision.decided_by
            verdict.hold(
                9, item.about, f"{by.name} ({decision.organization}) approved {noun} {noun_id}"
            )
            approvals.append(by)
    return approvals


def _covers(decision: DecisionPredicate, result: ResultPredicate) -> bool:
    """Whether the decision names every digest of its noun, and no input by another digest."""
    inputs = result.subjects()
    own = {name for name in inputs if name.partition("/")[0] == decision.noun}
    named = {name for name in decision.digests if name in INPUT_NAMES}
    return own <= named and all(decision.digests[name] == inputs.get(name) for name in named)


# Step 10
def _check_release(
    item: Believed, result: ResultPredicate, evidence: _Evidence, verdict: Verdict
) -> list[Approval]:
    approvals = list(result.approvals)
    # Shown later by the server: whom the site let release it says the site's own statement alone.
    for release in evidence.releases.get(item.statement.digest, []):
        if release.result_digest != result.result_digest:
            verdict.fail(10, item.about, "a release of it names other numbers than its own")
    if approvals:
        verdict.hold(10, item.about, f"released by {', '.join(a.name for a in approvals)}")
    elif any(decision.get("action") == "release" for decision in result.policy_decisions):
        verdict.hold(10, item.about, "released by the site's policy")
    else:
        verdict.miss(10, item.about, "neither a person nor a policy is named that released it")
    return approvals
