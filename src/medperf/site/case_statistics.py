"""What this site says about its cases: metrics computed again from the evaluator's per-case table.

An evaluator is a stranger's program. Where the plan says how a number follows from the cases, the
number that leaves is not the evaluator's but ours, and so are its standard error, moments,
replicates and histogram; the evaluator's must agree with it. The weights of replicates come from
the site's secret and the dataset's fingerprint, so they are the same for all models on a dataset.

Numerical libraries are loaded when a plan asks for this, not before.
"""

import hashlib
import hmac
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medperf.domain.benchmarks import AnalysisPlan, PlannedMetric, Summary
from medperf.domain.case_table import OF_REPLICATES, CaseTable
from medperf.domain.errors import NotSupportedError
from medperf.domain.results import MetricEstimate, MissingEstimate, TypedResult
from medperf.policy.disclosure import Finding

if TYPE_CHECKING:
    from medperf.analysis.bootstrap import Resampling
    from medperf.analysis.case_evidence import MeasuredCell

_MOST_KEPT_BYTES = 1024**3
_TAG = b"medperf pairing v1\0"
_FEWEST_PATIENTS = 2

Cell = tuple[str, tuple[tuple[str, str], ...], str | None]


@dataclass(frozen=True, slots=True)
class Recomputed:
    """An evaluator's document with the site's own numbers in it, or why it is not believed."""

    raw: dict[str, Any] | None
    findings: tuple[Finding, ...] = ()


class CaseStatistics:
    """Computes the numbers of plans with evidence; one instance serves all threads of an agent."""

    def __init__(self, secret: Callable[[], bytes]) -> None:
        """``secret`` answers the site's secret; it is asked when it is needed."""
        self._secret = secret
        self._kept: dict[tuple[str, str, int], Resampling] = {}
        self._lock = threading.Lock()

    def recompute(
        self, said: TypedResult, table: CaseTable, plan: AnalysisPlan, *, fingerprint: str
    ) -> Recomputed:
        """Put the site's own numbers in the place of the evaluator's, which must agree.

        Args:
            said: what the evaluator says, as far as it may be said at all.
            table: the evaluator's per-case table, as this plan has it read.
            plan: of the benchmark.
            fingerprint: of the dataset.

        Raises:
            NotSupportedError: the numerical libraries are missing.
        """
        evidence = _numerics()
        lacking = evidence.missing_columns(table.columns, plan)
        if lacking:
            names = ", ".join(repr(name) for name in lacking[:5])
            message = f"the plan needs columns that the per-case table lacks: {names}"
            return Recomputed(None, (Finding("no-evidence", "", message),))
        has_replicates = any(Summary.REPLICATES in metric.summaries for metric in plan.metrics)
        resampled = any(
            metric.per_class or metric.evidence in OF_REPLICATES for metric in plan.metrics
        )
        weights = self._weights(table, plan, fingerprint) if has_replicates or resampled else None
        measured = list(evidence.measure(table, plan, weights))
        findings = tuple(_disagreements(said, table, measured))
        if findings:
            return Recomputed(None, findings)
        pairing = self._pairing(table, fingerprint) if weights and has_replicates else None
        return Recomputed(_document(said, plan, measured, pairing))

    def _weights(
        self, table: CaseTable, plan: AnalysisPlan, fingerprint: str
    ) -> "Resampling | None":
        """The weights of the dataset's patients, also of those whose cases failed."""
        from medperf.analysis.bootstrap import resample, site_generator  # noqa: PLC0415  (numpy)

        if len(set(table.patients)) < _FEWEST_PATIENTS:
            return None
        # All patients of the table, whatever the model answered: that keeps models paired.
        key = (fingerprint, self._pairing(table, fingerprint), plan.replicates)
        with self._lock:
            kept = self._kept.pop(key, None)
            if kept is None:
                rng = site_generator(self._secret(), fingerprint)
                kept = resample(rng, table.patients, plan.replicates)
            self._kept[key] = kept
            while len(self._kept) > 1 and self._kept_bytes() > _MOST_KEPT_BYTES:
                del self._kept[next(iter(self._kept))]
        return kept

    def _kept_bytes(self) -> int:
        return sum(each.weights.nbytes for each in self._kept.values())

    def _pairing(self, table: CaseTable, fingerprint: str) -> str:
        """Names the weights; who does not have the secret can tell nothing from it."""
        named = "\0".join([fingerprint, *sorted(set(table.patients))])
        return hmac.new(self._secret(), _TAG + named.encode(), hashlib.sha256).hexdigest()[:32]


def _numerics() -> Any:
    try:
        from medperf.analysis import case_evidence  # noqa: PLC0415  (numpy and scipy, on demand)
    except ImportError as error:
        raise NotSupportedError(
            f"the benchmark's plan asks for numbers that need {error.name}, which is missing here",
            hint="Install the site's numerical libraries: pip install 'medperf[site]'.",
        ) from error
    return case_evidence


def _key(entry: MetricEstimate | MissingEstimate) -> Cell:
    return entry.name, tuple(sorted((entry.subgroup or {}).items())), entry.class_label


def _cell(found: "MeasuredCell") -> Cell:
    return found.metric.name, (found.subgroup,) if found.subgroup else (), found.class_label


def _disagreements(
    said: TypedResult, table: CaseTable, measured: "list[MeasuredCell]"
) -> Iterator[Finding]:
    n_failed = sum(not usable for usable in table.usable)
    for name, told, counted in (
        ("n_cases", said.n_cases, len(table.patients)),
        ("n_failed", said.n_failed, n_failed),
    ):
        if told != counted:
            yield Finding("disagrees", name, f"it is {told}, the per-case table has {counted}")
    estimates = {_key(entry): entry for entry in said.metrics}
    missing = {_key(entry): entry for entry in said.missing}
    for found in measured:
        key = _cell(found)
        problem = _disagreement(found, estimates.get(key), missing.get(key))
        if problem:
            yield Finding("disagrees", _path(key), problem)


def _disagreement(
    found: "MeasuredCell", estimate: MetricEstimate | None, missing: MissingEstimate | None
) -> str:
    summary = found.summary
    if summary is None:
        stated = estimate is not None and found.absence != "suppressed"
        return "it has a value, but not by the per-case table" if stated else ""
    if missing is not None:
        # Whether a mean over classes counts those without a value is the evaluator's to define.
        stated = not found.is_macro or missing.reason != "absent_class"
        return "it has no value, but by the per-case table it has" if stated else ""
    if estimate is None:
        return ""
    if estimate.n != summary.n:
        return f"it counts {estimate.n} cases, the per-case table {summary.n}"
    if abs(estimate.value - summary.value) > _tolerance(found.metric):
        return f"it is {estimate.value}, by the per-case table {summary.value}"
    return ""


def _tolerance(metric: PlannedMetric) -> float:
    # What was said is rounded: half a unit of its last place, and what floats add differently.
    return 0.5 * 10.0**-metric.decimals * (1 + 1e-6) + 1e-12


def _path(cell: Cell) -> str:
    name, subgroup, label = cell
    inside = [f"{variable}={value}" for variable, value in subgroup]
    return ", ".join([name, *inside, *([label] if label else [])])


def _document(
    said: TypedResult,
    plan: AnalysisPlan,
    measured: "list[MeasuredCell]",
    pairing: str | None,
) -> dict[str, Any]:
    ours = {metric.name for metric in plan.metrics if metric.evidence is not None}
    entries_said: list[MetricEstimate | MissingEstimate] = [*said.metrics, *said.missing]
    kept = [each for each in entries_said if each.name not in ours]
    entries = [each.model_dump(mode="json", exclude_none=True) for each in kept]
    reasons = {_key(each): each.reason for each in said.missing}
    entries += [_entry(found, reasons.get(_cell(found))) for found in measured]
    place = {metric.name: number for number, metric in enumerate(plan.metrics)}
    entries.sort(key=lambda entry: place[entry["name"]])
    return {
        "schema": said.schema_,
        "n_cases": said.n_cases,
        "n_failed": said.n_failed,
        **({"pairing": pairing} if pairing else {}),
        "metrics": [entry for entry in entries if "reason" not in entry],
        "missing": [entry for entry in entries if "reason" in entry],
    }


def _entry(found: "MeasuredCell", reason: str | None) -> dict[str, Any]:
    from medperf.analysis.site_summary import to_wire  # noqa: PLC0415  (numpy)

    entry: dict[str, Any] = {"name": found.metric.name}
    if found.subgroup is not None:
        entry["subgroup"] = dict([found.subgroup])
    if found.class_label is not None:
        entry["class_label"] = found.class_label
    if found.summary is None or reason == "absent_class":
        # The evaluator knows better why there is no value; what is too small is ours to say.
        own = found.absence or "absent_class"
        return {**entry, "reason": own if own == "suppressed" else reason or own}
    wire = to_wire(found.summary, found.metric.decimals)
    summary = {
        name: list(value) if isinstance(value, tuple) else value for name, value in wire.items()
    }
    entry |= {"value": found.summary.value, "n": found.summary.n}
    return entry | ({"summary": summary} if summary else {})
