"""Simulated sites: what models of known quality would release from patients nobody else sees.

Each document is made by the functions that sites use, so a leaderboard over them is one over real
summaries. Patients are hard or easy for all models alike, as in life.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from medperf.analysis.bootstrap import resample, site_generator, weighted_auroc
from medperf.analysis.histograms import bin_scores
from medperf.analysis.site_summary import summarize_mean, summarize_statistic, to_wire
from medperf.domain.benchmarks import (
    AnalysisPlan,
    Evidence,
    PlannedMetric,
    PlannedSubgroup,
    Summary,
)
from medperf.domain.results import MetricEstimate, MissingEstimate, TypedResult

EDGES = tuple(i / 32 for i in range(33))
MEAN_SUMMARIES = (Summary.STANDARD_ERROR, Summary.MOMENTS, Summary.REPLICATES)
AUROC_SUMMARIES = (Summary.STANDARD_ERROR, Summary.REPLICATES, Summary.HISTOGRAM)
PLAN = AnalysisPlan(
    metrics=(
        PlannedMetric(
            name="dsc", lower=0, upper=1, evidence=Evidence.MEAN, summaries=MEAN_SUMMARIES
        ),
        PlannedMetric(
            name="auroc", lower=0, upper=1, evidence=Evidence.AUROC, summaries=AUROC_SUMMARIES
        ),
    ),
    primary="dsc",
    subgroups=(
        PlannedSubgroup(
            name="sex", values=("female", "male"), population={"female": 0.5, "male": 0.5}
        ),
    ),
    smallest_cell=5,
    replicates=200,
    score_edges=EDGES,
    max_size_bytes=262_144,
)


@dataclass(frozen=True)
class Site:
    """A dataset of ``n`` patients, drawn once by its number; ``shift`` makes all of it harder."""

    number: int
    n: int = 60
    shift: float = 0.0
    female: float = 0.5
    gives: Sequence[Summary] = field(default=tuple(Summary))

    def document(
        self, quality: float, plan: AnalysisPlan = PLAN, *, seed: int = 0, noise: float = 0.05
    ) -> TypedResult:
        """What a model of this quality (its mean DSC) releases."""
        patients = [f"p{i}" for i in range(self.n)]
        rng = np.random.default_rng(self.number)
        hardness = rng.normal(0, 0.08, self.n)
        is_female = rng.random(self.n) < self.female
        positive = rng.random(self.n) < 0.5
        own = np.random.default_rng((self.number, seed))
        resampling = resample(
            site_generator(b"s" * 32, f"sha256:{self.number}"), patients, plan.replicates
        )
        dsc = np.clip(
            quality - self.shift + hardness + 0.03 * is_female + own.normal(0, noise, self.n), 0, 1
        )
        scores = np.clip(
            0.4 + 0.3 * positive * quality + hardness + own.normal(0, 0.15, self.n), 0, 1
        )
        metrics, missing = [], []
        name = str(self.number)
        for planned in plan.metrics:
            if planned.name == "auroc":
                summary = summarize_statistic(
                    name, weighted_auroc(positive, scores), patients, resampling
                )
                wire = to_wire(summary, planned.decimals)
                wire |= _histogram(bin_scores(positive, scores, plan.score_edges, 5))
            else:
                summary = summarize_mean(name, dsc, patients, resampling)
                wire = to_wire(summary, planned.decimals)
                metrics_of, missing_of = _by_sex(planned, dsc, is_female, patients, plan)
                metrics += metrics_of
                missing += missing_of
            metrics.append(
                MetricEstimate(
                    name=planned.name,
                    value=round(summary.value, planned.decimals),
                    n=self.n,
                    summary=self._given(wire, planned),
                )
            )
        return TypedResult(n_cases=self.n, metrics=tuple(metrics), missing=tuple(missing))

    def _given(self, wire: Mapping, planned: PlannedMetric) -> dict | None:
        names = {
            Summary.STANDARD_ERROR: ("standard_error", "n_patients"),
            Summary.MOMENTS: ("m2", "m3", "m4"),
            Summary.REPLICATES: ("replicates",),
            Summary.HISTOGRAM: tuple(name for name in wire if "tive_" in name),
        }
        kept = {
            name
            for summary in planned.summaries
            if summary in self.gives
            for name in names[summary]
        }
        return {name: value for name, value in wire.items() if name in kept} or None


def _by_sex(planned, dsc, is_female, patients, plan):
    metrics, missing = [], []
    for value, chosen in (("female", is_female), ("male", ~is_female)):
        subgroup = {"sex": value}
        if chosen.sum() < plan.smallest_cell:
            missing.append(
                MissingEstimate(name=planned.name, reason="suppressed", subgroup=subgroup)
            )
            continue
        summary = summarize_mean(
            "x", dsc[chosen], [p for p, c in zip(patients, chosen, strict=True) if c]
        )
        wire = to_wire(summary, planned.decimals)
        metrics.append(
            MetricEstimate(
                name=planned.name,
                value=round(summary.value, planned.decimals),
                n=int(chosen.sum()),
                subgroup=subgroup,
                summary={name: wire[name] for name in ("standard_error", "n_patients")},
            )
        )
    return metrics, missing


def _histogram(found):
    sides = {"positive": found.positive, "negative": found.negative}
    return {
        f"{side}_{part}": tuple(float(value) for value in getattr(binned, part))
        for side, binned in sides.items()
        for part in ("edges", "counts", "sums")
    }
