"""The methods paragraph of a report: what the analysis plan says, in sentences."""

from collections.abc import Iterator, Mapping
from typing import Any

from medperf.domain.benchmarks import (
    AnalysisPlan,
    Benchmark,
    PlannedMetric,
    Pooling,
    Summary,
)
from medperf.domain.case_table import Evidence
from medperf.evidence.definitions import definition_of
from medperf.web.document import Block, Facts, Listing, Paragraph, TableBlock
from medperf.web.figures import Table
from medperf.web.numbers import NONE, percent

_POOLED = {
    Pooling.CASE_WEIGHTED: (
        "Pooled values are the mean over all cases of all sites, as if they lay in one place: they"
        " say how good a model is on these cases."
    ),
    Pooling.RANDOM_EFFECTS: (
        "Pooled values come from a random-effects model over sites (Paule and Mandel's between-site"
        " variance, Hartung and Knapp's interval): they say how good a model is at sites like"
        " these. The prediction interval is where the next site's true value is expected."
    ),
}
_FOLLOWS = {
    Evidence.MEAN: "mean over cases",
    Evidence.RATIO: "ratio of sums over cases",
    Evidence.AUROC: "area under the curve of scores",
    Evidence.CONCORDANCE: "share of pairs in the right order",
    Evidence.AVERAGE_PRECISION: "area under the steps of precision over sensitivity",
    Evidence.CALIBRATION_ERROR: "mean gap between probability and observed share, in ten bins",
    Evidence.SENSITIVITY_AT_SPECIFICITY: "highest of all thresholds that reach the level",
    Evidence.SPECIFICITY_AT_SENSITIVITY: "highest of all thresholds that reach the level",
    Evidence.MATTHEWS_CORRELATION: "correlation over the confusion matrix",
    Evidence.BALANCED_ACCURACY: "mean over classes of the share predicted right",
    Evidence.R2: "share of the variance explained",
    Evidence.PEARSON: "correlation over cases",
    Evidence.LIN_CONCORDANCE: "agreement with the line of identity",
    Evidence.ROOT_MEAN: "root of the mean over cases",
    Evidence.MEDIAN: "median over cases",
    Evidence.AP_101: "precision read at 101 recalls, objects of all cases ranked together",
    Evidence.AP_ALL_POINTS: "area under precision made falling, objects of all cases together",
    Evidence.FROC: "mean sensitivity at seven rates of false positives, all cases together",
}
_SUMMARIES = {
    Summary.STANDARD_ERROR: "a standard error",
    Summary.MOMENTS: "centered moments",
    Summary.REPLICATES: "bootstrap replicates",
    Summary.HISTOGRAM: "histograms of scores",
}


def methods(benchmark: Benchmark, parameters: Mapping[str, Any] | None) -> Iterator[Block]:
    """What was computed and how, from the plan alone.

    Args:
        benchmark: with its frozen plan.
        parameters: of the evaluator, where they may be seen.
    """
    plan = benchmark.analysis_plan
    yield Paragraph(
        "Every site ran every model on its own cases in isolated containers, scored the"
        " predictions beside the data, and released aggregate numbers only. The analysis plan was"
        " fixed with this version of the benchmark, before its first execution; anything outside"
        " it is marked exploratory."
    )
    yield Facts(
        (
            ("Plan", benchmark.analysis_plan_digest),
            ("Benchmark version", f"{benchmark.version} ({benchmark.state})"),
            ("Frozen with the version of", f"{benchmark.created_at:%Y-%m-%d}"),
        ),
        exact=frozenset({"Plan"}),
    )
    if plan.free_form:
        keys = ", ".join(plan.free_form_keys)
        yield Paragraph(
            "The plan is free-form: it declares which numbers may leave a site, and not what they"
            f" mean. They are neither pooled nor ranked. Declared: {keys}."
        )
        return
    yield from _metrics(plan, parameters)
    yield Paragraph(
        "Definitions are those of the platform's own metrics of these names. An evaluator of one's"
        " own answers for its definitions itself; its digest is under Provenance."
    )
    yield Paragraph(_POOLED[plan.pooling])
    yield Paragraph(" ".join(_uncertainty(plan)))
    yield Paragraph(" ".join(_order(plan)))
    if plan.subgroups:
        yield TableBlock("Subgroups, fixed beforehand", _subgroups(plan))
    yield Listing(tuple(_suppression(plan)))


def _metrics(plan: AnalysisPlan, parameters: Mapping[str, Any] | None) -> Iterator[Block]:
    found = [(metric, definition_of(metric.name, parameters)) for metric in plan.metrics]
    yield TableBlock(
        "Metrics",
        Table(
            ("Metric", "What it is", "Better", "Range", "n counts"),
            tuple(
                (
                    _name(plan, metric),
                    _title(metric, definition),
                    metric.direction.value,
                    _range(metric),
                    NONE if definition is None else str(definition.counted),
                )
                for metric, definition in found
            ),
        ),
    )
    yield TableBlock(
        "Metrics at the edge, and their sources",
        Table(
            ("Metric", "At the edge", "Source"),
            tuple(
                (metric.name, str(definition.edge) or NONE, str(definition.source) or NONE)
                for metric, definition in found
                if definition is not None
            ),
        ),
        is_folded=True,
    )


def _name(plan: AnalysisPlan, metric: PlannedMetric) -> str:
    name = metric.name + (" (primary)" if metric.name == plan.primary else "")
    return name + (" per class" if metric.per_class else "")


def _title(metric: PlannedMetric, definition: Any) -> str:
    title = "defined by the evaluator" if definition is None else str(definition.title)
    return title if metric.evidence is None else f"{title}; {_FOLLOWS[metric.evidence]}"


def _range(metric: PlannedMetric) -> str:
    if metric.lower is None and metric.upper is None:
        return "any"
    if metric.upper is None:
        return f"{metric.lower:g} or more"
    return (
        f"{metric.upper:g} or less"
        if metric.lower is None
        else f"{metric.lower:g} to {metric.upper:g}"
    )


def _uncertainty(plan: AnalysisPlan) -> Iterator[str]:
    released = sorted(
        {_SUMMARIES[summary] for metric in plan.metrics for summary in metric.summaries}
    )
    if not released:
        yield (
            "The plan lets no sufficient statistics leave a site, so estimates have no interval"
            " and ranks do not tell chance from difference."
        )
        return
    yield (
        f"Intervals are at {percent(plan.level)} and count patients, not cases. Beside a value and"
        f" its n a site releases {', '.join(released)}."
    )
    if any(Summary.REPLICATES in metric.summaries for metric in plan.metrics):
        yield (
            f"Of the bootstrap {plan.replicates} replicates leave. It resamples patients with"
            " weights that never leave the site and are the same for all models on a dataset, so"
            " that models are compared on the same patients."
        )


def _order(plan: AnalysisPlan) -> Iterator[str]:
    yield f"Models are ordered by the pooled value of {plan.primary}; equal values share a rank."
    if not any(
        metric.name == plan.primary and Summary.REPLICATES in metric.summaries
        for metric in plan.metrics
    ):
        yield (
            f"Sites release no replicates of {plan.primary}: differences between models have no"
            " interval, and ranks and differences may be chance."
        )
        return
    yield (
        "Paired comparisons of all models count that they are many (Holm's step-down method);"
        " rank intervals hold for all models at once (after Mogstad and others). A tie group holds"
        " the best model of it and all not significantly worse."
    )
    if plan.margin is not None:
        yield (
            f"A model counts as not inferior if it is worse by less than {plan.margin:g}, the"
            " margin that the plan fixed beforehand."
        )


def _subgroups(plan: AnalysisPlan) -> Table:
    def shares(population: Mapping[str, float] | None) -> str:
        if population is None:
            return NONE
        return ", ".join(f"{value} {percent(share)}" for value, share in population.items())

    return Table(
        ("Variable", "Groups", "Population of reference"),
        tuple(
            (group.name, ", ".join(group.values), shares(group.population))
            for group in plan.subgroups
        ),
    )


def _suppression(plan: AnalysisPlan) -> Iterator[str]:
    yield f"No number of fewer than {plan.smallest_cell} cases leaves a site; it is listed as such."
    decimals = ", ".join(f"{metric.name} {metric.decimals}" for metric in plan.metrics)
    yield f"Sites round before release. Decimals: {decimals}."
    yield f"A result is at most {plan.max_size_bytes} bytes and holds nothing undeclared."
    yield "A number that cannot be computed is listed as missing with its reason, never left out."
