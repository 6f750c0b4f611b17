"""How often ranks, tie groups and first places are wrong, in a small federation like the demo's.

``python -m bench.standings [--runs 1000] [--seed 1]``. Three sites, five models on the same
patients; what a leaderboard says is computed as the server does. "First for sure" counts a model
that comes first in 97.5 % of draws or more, which a reader takes for certain.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from bench.table import Row, show
from medperf.analysis.bootstrap import resample, weighted_auroc, weighted_mean
from medperf.analysis.estimates import Floats
from medperf.analysis.paired import Line
from medperf.analysis.pooled_cells import Sight
from medperf.analysis.pooling import case_shares, pooled_replicates
from medperf.analysis.site_results import Contribution, SiteResult
from medperf.analysis.site_summary import SiteSummary
from medperf.analysis.standings import Standings, standings
from medperf.domain.benchmarks import AnalysisPlan, PlannedMetric, Pooling, Summary
from medperf.domain.case_table import Evidence

SITES = (51, 86, 204)  # patients, as in the demo
SMALL = (15, 15, 20)
POSITIVES = 0.37
N_REPLICATES = 500
SURE = 0.975
EQUAL = (0.995,) * 5
TWO_LEAD = (0.995, 0.995, 0.97, 0.95, 0.5)
APART = (0.998, 0.995, 0.99, 0.98, 0.5)
METRIC = PlannedMetric(
    name="score", decimals=3, evidence=Evidence.MEAN, summaries=(Summary.REPLICATES,)
)

Draw = Callable[[np.random.Generator, int], list[tuple[float, Floats]]]
"""One site of so many patients: each model's value there, and its replicates."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A federation to simulate; ``truths`` are the models' true values, higher is better."""

    name: str
    sites: Sequence[int]
    truths: Sequence[float]
    draw: Draw
    pooling: Pooling = Pooling.CASE_WEIGHTED


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=1000)
    options.add_argument("--seed", type=int, default=1)
    given, _ = options.parse_known_args()
    rng, runs = np.random.default_rng(given.seed), given.runs
    slack = 3.3 * math.sqrt(0.95 * 0.05 / runs)
    most = f"at most {0.05 + slack:.3f}"
    rows = [
        Row(f"{setting.name}: {what}", share, "", 0.05, "nominal", target)
        for setting in settings()
        for what, share, target in error_rates(rng, setting, runs, most)
    ]
    show(f"What leaderboards of three sites say wrongly, {runs} simulated benchmarks each", rows)


def settings() -> tuple[Setting, ...]:
    """Near the end of the scale, far from it, with few patients, and with sites that differ."""
    return (
        Setting("five equal, AUROC 0.995", SITES, EQUAL, aurocs(EQUAL)),
        Setting("two equal lead, AUROC 0.995", SITES, TWO_LEAD, aurocs(TWO_LEAD)),
        Setting("five apart, AUROC 0.5 to 0.998", SITES, APART, aurocs(APART)),
        Setting("five equal, AUROC 0.85", SITES, (0.85,) * 5, aurocs((0.85,) * 5)),
        Setting("five equal, AUROC 0.85, 50 patients", SMALL, (0.85,) * 5, aurocs((0.85,) * 5)),
        Setting("five equal, mean, 50 patients", SMALL, (0.8,) * 5, means((0.8,) * 5, 0.0)),
        Setting(
            "five equal, mean, sites differ, random effects",
            SITES,
            (0.8,) * 5,
            means((0.8,) * 5, 0.02),
            Pooling.RANDOM_EFFECTS,
        ),
    )


def error_rates(
    rng: np.random.Generator, setting: Setting, runs: int, most: str
) -> Iterator[tuple[str, float, str]]:
    """The share of benchmarks in which something is said that is not so."""
    truths = np.array(setting.truths)
    best = {int(i) for i in np.flatnonzero(truths == truths.max())}
    outside = without_best = sure = counted = 0
    for _ in range(runs):
        values, lines = federation(rng, setting)
        found = standings(values, lines, METRIC, plan(setting), Sight(with_sites=True))
        outside += any(not _holds(found, truths, model) for model in values)
        without_best += not any(found.ranked[model].tie_group == 1 for model in best)
        sure += any(_is_wrong(share, model, best) for model, share in found.first.items())
        counted += any(
            _is_wrong(share, model, best) for model, share in enumerate(by_counting(lines))
        )
    yield "a rank interval without the true rank", outside / runs, most
    if len(best) == 1:
        yield "the best not in tie group 1", without_best / runs, most
    yield "first for sure, wrongly", sure / runs, most
    yield "the same by counting replicates (not done)", counted / runs, ""


def federation(
    rng: np.random.Generator, setting: Setting
) -> tuple[dict[int, float], dict[int, Line]]:
    """Each model's pooled value and what every site says of it."""
    said: list[list[Contribution]] = [[] for _ in setting.truths]
    for number, n in enumerate(setting.sites):
        for model, (value, replicates) in enumerate(setting.draw(rng, n)):
            summary = SiteSummary(
                str(number),
                value,
                n,
                float(replicates.std(ddof=1)),
                n,
                replicates=replicates,
            )
            result = SiteResult(model, number, str(number), None)
            said[model].append(Contribution(result, summary, None, "same"))
    lines = {model: Line.of(contributions) for model, contributions in enumerate(said)}
    return {model: _value(line) for model, line in lines.items()}, lines


def by_counting(lines: Mapping[int, Line]) -> Floats:
    """The share of replicates in which each model leads: what is deliberately not shown."""
    drawn = np.stack([pooled_replicates(_sites(line)) for line in lines.values()])
    leads = drawn == drawn.max(axis=0)
    shares: Floats = (leads / leads.sum(axis=0)).mean(axis=1)
    return shares


def aurocs(truths: Sequence[float]) -> Draw:
    """Normal scores of two classes; models share half of a patient's difficulty."""
    shifts = [float(norm.ppf(truth) * math.sqrt(2)) for truth in truths]

    def draw(rng: np.random.Generator, n: int) -> list[tuple[float, Floats]]:
        positive = np.arange(n) < round(POSITIVES * n)
        names = [str(one) for one in range(n)]
        resampling, shared = resample(rng, names, N_REPLICATES), rng.normal(size=n)
        found = []
        for shift in shifts:
            scores = math.sqrt(0.5) * (shared + rng.normal(size=n)) + shift * positive
            statistic = weighted_auroc(positive, scores)
            value = float(statistic(np.ones((1, n)))[0])
            found.append((round(value, 3), resampling.replicates(names, statistic)))
        return found

    return draw


def means(truths: Sequence[float], between: float) -> Draw:
    """Skewed case values; each model does a little better or worse at each site."""

    def draw(rng: np.random.Generator, n: int) -> list[tuple[float, Floats]]:
        names = [str(one) for one in range(n)]
        resampling, shared = resample(rng, names, N_REPLICATES), rng.gamma(4.0, 0.05, size=n)
        found = []
        for truth in truths:
            here = truth + rng.normal(0, between)
            cases = here + 0.2 - shared + rng.normal(0, 0.05, size=n)
            replicates = resampling.replicates(names, weighted_mean(cases))
            found.append((float(cases.mean()), replicates))
        return found

    return draw


def plan(setting: Setting) -> AnalysisPlan:
    return AnalysisPlan(metrics=(METRIC,), primary=METRIC.name, pooling=setting.pooling)


def _holds(found: Standings, truths: Floats, model: int) -> bool:
    """Whether the interval meets the ranks that the model truly has; equal ones share several."""
    first = 1 + int((truths > truths[model]).sum())
    last = int((truths >= truths[model]).sum())
    ranked = found.ranked[model]
    return ranked.rank_from <= first and last <= ranked.rank_to


def _is_wrong(share: float, model: int, best: set[int]) -> bool:
    """Certainty about a model that is not the best, or is one of several."""
    return share >= SURE and (model not in best or len(best) > 1)


def _sites(line: Line) -> list[SiteSummary]:
    return line.summaries(sorted(line.datasets))


def _value(line: Line) -> float:
    sites = _sites(line)
    return float(case_shares(sites) @ np.array([site.value for site in sites]))


if __name__ == "__main__":
    main()
