"""Results: the estimates of an execution, in the one form in which they may leave a site."""

from typing import Any, Literal

from pydantic import Field, FiniteFloat

from medperf.domain.benchmarks import METRIC_NAME_PATTERN
from medperf.domain.identifiers import Id, UtcTime
from medperf.domain.log import LogInclusion
from medperf.domain.wire import Form, Record

TYPED = "medperf.results/v1"
FREE_FORM = "medperf.free-form/v1"


class MetricEstimate(Form):
    """One number with its meaning: the metric, over whom, from how many cases.

    ``class_label`` names the class of a per-class metric; ``summary`` holds the sufficient
    statistics that the plan asks for, computed by the site, under `benchmarks.SUMMARY_NAMES`.
    """

    name: str = Field(pattern=METRIC_NAME_PATTERN)
    value: FiniteFloat
    n: int = Field(ge=0)
    subgroup: dict[str, str] | None = None
    class_label: str | None = Field(default=None, max_length=64)
    summary: dict[str, FiniteFloat | tuple[FiniteFloat, ...]] | None = None


class MissingEstimate(Form):
    """A planned number that has no value, and why, from a closed list: never silently absent."""

    name: str = Field(pattern=METRIC_NAME_PATTERN)
    reason: Literal[
        "no_cases",
        "one_class",
        "absent_class",
        "none_predicted",
        "no_probabilities",
        "empty_both",
        "empty_one",
        "no_pairs",
        "no_case_at_time",
        "constant_reference",
        "no_objects",
        "suppressed",
    ]
    subgroup: dict[str, str] | None = None
    class_label: str | None = Field(default=None, max_length=64)


class TypedResult(Form):
    """``medperf.results/v1``: every number has a meaning and can be pooled and compared.

    ``pairing`` names the weights behind bootstrap replicates without giving them away: replicates
    of two results are paired if they come from one dataset and it is the same.
    """

    schema_: Literal["medperf.results/v1"] = Field(default="medperf.results/v1", alias="schema")
    n_cases: int = Field(ge=0)
    n_failed: int = Field(default=0, ge=0)
    pairing: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$")
    metrics: tuple[MetricEstimate, ...] = Field(max_length=10_000)
    missing: tuple[MissingEstimate, ...] = Field(default=(), max_length=10_000)


class FreeFormResult(Form):
    """Numeric leaves flattened to ``path.to.leaf``, shown without pooling."""

    schema_: Literal["medperf.free-form/v1"] = Field(default="medperf.free-form/v1", alias="schema")
    values: dict[str, FiniteFloat] = Field(max_length=10_000)


ResultDocument = TypedResult | FreeFormResult
"""What leaves a hospital."""


class ResultForm(Form):
    """The site's signed ``result`` statement, a DSSE envelope as JSON. The document is inside."""

    statement: dict[str, Any]


class Result(Record):
    """A verified result; ``document`` is None where the policy shows pooled figures only.

    ``inclusion`` comes with the answer to its submission: the proof that it is in the log.
    """

    id: Id
    execution_id: Id
    benchmark_id: Id
    model_id: Id
    dataset_id: Id
    site_id: Id
    state: str
    document: dict[str, Any] | None = None
    statement: dict[str, Any] | None = None
    reason: str = ""
    decided_by: str | None = None
    created_at: UtcTime
    decided_at: UtcTime | None = None
    inclusion: LogInclusion | None = None


class AuditEvent(Record):
    """Who did what to which thing, and when. Never deleted, never changed."""

    id: Id
    at: UtcTime
    actor: str
    action: str
    subject: str
    details: dict[str, Any] = Field(default_factory=dict)
