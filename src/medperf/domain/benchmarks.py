"""Benchmarks: the clinical task, how data is prepared, how models are scored, who sees what."""

import itertools
import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, model_validator

from medperf.domain.case_table import COUNTED, Evidence, level_of
from medperf.domain.container_records import FileReference
from medperf.domain.identifiers import Digest, Id, Name, UtcTime
from medperf.domain.wire import Form, Record

_FEWEST_EDGES = 2
LONGEST_POLICY = 250_000
METRIC_NAME_PATTERN = r"^[a-z][a-z0-9_.@-]{0,63}$"


class Direction(StrEnum):
    """Which way is better."""

    HIGHER = "higher"
    LOWER = "lower"


class Summary(StrEnum):
    """Sufficient statistics that a site may release with a number."""

    STANDARD_ERROR = "standard_error"  # with the number of patients
    MOMENTS = "moments"  # centered, second to fourth; of a mean only
    REPLICATES = "replicates"  # of the bootstrap over patients; not for subgroups
    HISTOGRAM = "histogram"  # of scores per class; of an AUROC only


SUMMARY_NAMES: Mapping[Summary, tuple[str, ...]] = {
    Summary.STANDARD_ERROR: ("standard_error", "n_patients"),
    Summary.MOMENTS: ("m2", "m3", "m4"),
    Summary.REPLICATES: ("replicates",),
    Summary.HISTOGRAM: tuple(
        f"{side}_{part}"
        for side in ("positive", "negative")
        for part in ("edges", "counts", "sums")
    ),
}
"""What each is called in the ``summary`` of an estimate, which is flat."""

_NEEDED_EVIDENCE = {Summary.MOMENTS: Evidence.MEAN, Summary.HISTOGRAM: Evidence.AUROC}


class PlannedMetric(Form):
    """A metric a result may hold: its range, direction, and how many decimals may leave a site.

    With ``evidence`` the site computes the metric and its ``summaries`` itself, from the
    evaluator's per-case table; without it, the evaluator's number leaves and nothing with it.
    """

    name: str = Field(pattern=METRIC_NAME_PATTERN)
    direction: Direction = Direction.HIGHER
    lower: float | None = None
    upper: float | None = None
    decimals: int = Field(default=4, ge=0, le=12)
    per_class: bool = False
    evidence: Evidence | None = None
    summaries: tuple[Summary, ...] = ()

    @model_validator(mode="after")
    def _has_evidence(self) -> "PlannedMetric":
        for summary in self.summaries:
            needed = _NEEDED_EVIDENCE.get(summary)
            if self.evidence is None or needed not in {None, self.evidence}:
                raise ValueError(
                    f"{summary} of {self.name} needs evidence"
                    + ("" if needed is None else f": {needed}")
                )
        if self.evidence is Evidence.MEDIAN and Summary.REPLICATES in self.summaries:
            # Under any weights a median is the value of one case, or the mean of two.
            raise ValueError(f"replicates of {self.name} would be values of cases")
        if self.evidence in COUNTED and level_of(self.name) is None:
            raise ValueError(
                f"{self.name} needs its level at the end, such as {self.evidence}_0.90"
            )
        return self


class PlannedSubgroup(Form):
    """A pre-registered subgroup variable and the values it may take.

    ``population`` gives each value's share (summing to 1) in a population of reference, to which
    the leaderboard then also standardizes.
    """

    name: str = Field(pattern=METRIC_NAME_PATTERN)
    values: tuple[str, ...] = Field(min_length=1, max_length=64)
    population: dict[str, float] | None = None

    @model_validator(mode="after")
    def _is_population(self) -> "PlannedSubgroup":
        if self.population is None:
            return self
        if set(self.population) != set(self.values) or min(self.population.values()) < 0:
            raise ValueError(f"the population of {self.name} gives each of its values a share")
        if not math.isclose(math.fsum(self.population.values()), 1.0, abs_tol=1e-6):
            raise ValueError(f"the population shares of {self.name} do not sum to 1")
        return self


class Pooling(StrEnum):
    """Which question the pooled value answers."""

    CASE_WEIGHTED = "case_weighted"  # how good is the model on these cases?
    RANDOM_EFFECTS = "random_effects"  # how good is it at sites like these?


class AnalysisPlan(Form):
    """What may be computed and released, fixed before the first execution.

    A free-form benchmark declares no metrics; ``free_form_keys`` then lists the flattened paths
    (``*`` stands for one step of a path) that may leave a site.

    ``level`` is that of every interval; ``replicates`` how many bootstrap replicates leave where a
    metric has them; ``margin`` how much worse than another a model may be and count as not
    inferior, in units of the primary metric; ``score_edges`` the common bins of histograms.

    ``smallest_cell`` and ``largest_share`` are the least that every site demands: a number is about
    that many people, and no single one makes up more than that share of it.
    """

    schema_: Literal["medperf.plan/v1"] = Field(default="medperf.plan/v1", alias="schema")
    metrics: tuple[PlannedMetric, ...] = ()
    primary: str | None = None
    subgroups: tuple[PlannedSubgroup, ...] = ()
    classes: tuple[str, ...] = ()
    smallest_cell: int = Field(default=10, ge=1)
    largest_share: float = Field(default=0.5, gt=0, le=1)
    pooling: Pooling = Pooling.CASE_WEIGHTED
    level: float = Field(default=0.95, ge=0.5, le=0.999)
    replicates: int = Field(default=500, ge=100, le=1000)
    margin: float | None = Field(default=None, gt=0)
    score_edges: tuple[float, ...] = Field(default=(), max_length=129)
    free_form: bool = False
    free_form_keys: tuple[str, ...] = ()
    max_size_bytes: int = Field(default=65_536, ge=256, le=4_194_304)

    @model_validator(mode="after")
    def _consistent(self) -> "AnalysisPlan":
        names = [metric.name for metric in self.metrics]
        if len(set(names)) != len(names):
            raise ValueError("a metric is declared twice")
        if self.free_form:
            if self.metrics or not self.free_form_keys:
                raise ValueError("a free-form plan lists free_form_keys and no metrics")
        elif not self.metrics:
            raise ValueError("a plan declares at least one metric, or is free_form")
        elif self.primary not in names:
            raise ValueError(f"primary must be one of the metrics: {', '.join(names)}")
        if any(b <= a for a, b in itertools.pairwise(self.score_edges)):
            raise ValueError("score_edges must increase")
        if len(self.score_edges) < _FEWEST_EDGES and any(
            Summary.HISTOGRAM in metric.summaries for metric in self.metrics
        ):
            raise ValueError("a histogram needs score_edges, two or more")
        return self


class Audience(StrEnum):
    """Who may see the results of others."""

    OWNERS = "owners"  # the benchmark's, the dataset's and the model's own organization
    PARTICIPANTS = "participants"  # also everyone with an approved association
    PUBLIC = "public"


class Detail(StrEnum):
    """How much of them."""

    POOLED = "pooled"
    PER_SITE = "per_site"


class Moment(StrEnum):
    """From when on."""

    SUBMITTED = "submitted"
    APPROVED = "approved"
    COMPLETE = "complete"  # every approved model has an approved result on every approved dataset


class ReleasePolicy(Form):
    """Who sees which results when, beyond the benchmark owner and each site's own."""

    audience: Audience = Audience.OWNERS
    detail: Detail = Detail.PER_SITE
    moment: Moment = Moment.APPROVED
    pseudonymous_sites: bool = False


class BenchmarkForm(Form):
    """A benchmark to register.

    ``association_policy`` is Cedar text of the server's scope: who may take part, and who without
    asking a person. Without one, a person is asked about everybody.
    """

    name: Name
    clinical_task: str = Field(min_length=3, max_length=400)
    description: str = Field(default="", max_length=4000)
    preparator_id: Id
    evaluator_id: Id
    reference_model_id: Id
    demo_dataset: FileReference
    analysis_plan: AnalysisPlan
    release_policy: ReleasePolicy = ReleasePolicy()
    association_policy: str = Field(default="", max_length=LONGEST_POLICY)
    result_auto_approval: bool = False
    supersedes_id: Id | None = None


class Benchmark(Record):
    """A registered benchmark version. ``digest`` covers everything that can change a result.

    ``association_policy_version`` counts the policies that were put in force, with a statement in
    the log for each; 0 is a draft, or one that was in force before there were statements.
    """

    id: Id
    name: Name
    version: int
    clinical_task: str
    description: str
    preparator_id: Id
    evaluator_id: Id
    reference_model_id: Id
    demo_dataset: FileReference
    analysis_plan: AnalysisPlan
    analysis_plan_digest: Digest
    release_policy: ReleasePolicy
    association_policy: str
    association_policy_version: int
    result_auto_approval: bool
    digest: Digest
    organization_id: Id
    owner_id: Id
    state: str
    supersedes_id: Id | None = None
    created_at: UtcTime


class AssociationPolicyForm(Form):
    """A policy of a benchmark to put in force, in Cedar.

    ``statement`` is the ``policy`` statement that the log will hold, signed by a person with a key.
    """

    text: str = Field(min_length=1, max_length=LONGEST_POLICY)
    statement: dict[str, Any] | None = None


class AssociationPolicy(Record):
    """One version of a benchmark's policy, with the statement that put it in force."""

    benchmark_id: Id
    version: int
    text: str
    digest: Digest
    statement: dict[str, Any]
    put_in_force_by: str  # "user:3", or "server" for the one it was registered with
    in_force_at: UtcTime


class AssociationPolicies(Record):
    """Every policy of a benchmark that was ever in force, oldest first."""

    items: tuple[AssociationPolicy, ...]
