"""How often 95 % intervals hold the truth, by simulation, and what federation costs in width.

``python -m bench.coverage [--runs 1000] [--seed 1]``. Every figure is a share of simulated
benchmarks; the target is the nominal share give or take what ``--runs`` can resolve.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from bench.table import Row, show
from medperf.analysis.bootstrap import resample, weighted_mean
from medperf.analysis.comparison import Verdict, compare, compare_all
from medperf.analysis.delong import auroc
from medperf.analysis.estimates import Estimate, Floats
from medperf.analysis.histograms import auroc_from_histograms, bin_scores
from medperf.analysis.intervals import clustered_mean, wilson
from medperf.analysis.pooling import (
    case_weighted,
    case_weighted_replicates,
    pooled_replicates,
    random_effects,
)
from medperf.analysis.ranking import rank_models
from medperf.analysis.site_summary import SiteSummary, summarize_mean

SITES = (40, 60, 90, 150)
CASES_PER_PATIENT = 3
TRUE_MEAN = 0.8
TRUE_AUROC = 0.85
CLASS_SHIFT = float(norm.ppf(TRUE_AUROC) * math.sqrt(2))  # between two normal classes of variance 1
N_REPLICATES = 400
EDGES = np.linspace(-7, 8, 128)


@dataclass(frozen=True, slots=True)
class Tally:
    """How often something held, and the mean width of the intervals."""

    held: int
    runs: int
    width: float = 0.0

    @property
    def share(self) -> float:
        """How often of all."""
        return self.held / self.runs


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=1000)
    options.add_argument("--seed", type=int, default=1)
    given, _ = options.parse_known_args()
    rng, runs = np.random.default_rng(given.seed), given.runs
    # 3.3 standard errors: chance alone leaves them in about one bench of a hundred.
    slack = 3.3 * math.sqrt(0.95 * 0.05 / runs)
    rows = [*fixed_sites(rng, runs), *random_sites(rng, runs), *single_dataset(rng, runs)]
    show(
        f"Coverage of 95 % intervals, {runs} simulated benchmarks each",
        [
            Row(name, tally.share, "", 0.95, "nominal", f"0.95 ± {slack:.3f}")
            for name, tally in rows
        ],
        notes=[f"{name}: mean width {tally.width:.4f}" for name, tally in rows if tally.width],
    )
    show(
        f"Error rates, {runs} simulated benchmarks each",
        [
            Row(name, tally.share, "", 0.05, "nominal", target)
            for name, tally, target in errors(rng, runs, slack)
        ],
    )


def fixed_sites(rng: np.random.Generator, runs: int) -> list[tuple[str, Tally]]:
    """The mean over the cases of these four sites, with three like cases per patient."""
    ways: dict[str, Callable[[list[SiteSummary], Floats, Floats], Estimate]] = {
        "mean: all cases in one place": lambda _, values, patients: clustered_mean(
            values, patients.astype(np.int64)
        ),
        "mean: federated, linearized": lambda sites, *_: case_weighted(sites).estimate,
        "mean: federated, replicates": lambda sites, *_: case_weighted_replicates(sites).estimate,
        "mean: federated, cases taken as patients (wrong)": lambda sites, *_: (
            case_weighted([as_if_independent(site) for site in sites]).estimate
        ),
    }
    found: dict[str, list[Estimate]] = {name: [] for name in ways}
    for _ in range(runs):
        sites, heap, patients = [], [], []
        for number, n_patients in enumerate(SITES):
            values, who = clustered_cases(rng, n_patients, TRUE_MEAN)
            names = [f"{number}/{one}" for one in who]
            sites.append(
                summarize_mean(str(number), values, names, resample(rng, names, N_REPLICATES))
            )
            heap.append(values)
            patients.append(who + 1000.0 * number)
        for name, way in ways.items():
            found[name].append(way(sites, np.concatenate(heap), np.concatenate(patients)))
    return [(name, tally(estimates, TRUE_MEAN)) for name, estimates in found.items()]


def random_sites(rng: np.random.Generator, runs: int) -> Iterator[tuple[str, Tally]]:
    """The mean over sites like these: six sites that truly differ."""
    estimates, naive, predicted = [], [], 0
    for _ in range(runs):
        truths = rng.normal(TRUE_MEAN, 0.05, size=7)
        sites = []
        for number, n in enumerate((30, 40, 60, 80, 120, 200)):
            values, who = clustered_cases(rng, n, truths[number])
            sites.append(summarize_mean(str(number), values, [str(one) for one in who]))
        pooled = random_effects(sites)
        estimates.append(pooled.estimate)
        naive.append(random_effects(sites, hartung_knapp=False).estimate)
        assert pooled.prediction is not None
        predicted += pooled.prediction.holds(truths[6])
    yield "mean over sites: random effects, Hartung-Knapp", tally(estimates, TRUE_MEAN)
    yield "mean over sites: random effects, without it", tally(naive, TRUE_MEAN)
    yield "value at the next site: prediction interval", Tally(predicted, runs)


def single_dataset(rng: np.random.Generator, runs: int) -> Iterator[tuple[str, Tally]]:
    """One dataset's proportion and AUROC, and an AUROC pooled from bins of four sites."""
    proportions = [wilson(int(rng.binomial(40, 0.85)), 40) for _ in range(runs)]
    yield "proportion of 40: Wilson", tally(proportions, 0.85)
    single, binned = [], []
    for _ in range(runs):
        single.append(auroc(*scored_cases(rng, 80)))
        sites = [bin_scores(*scored_cases(rng, 80), EDGES, 10) for _ in SITES]
        binned.append(auroc_from_histograms(sites).estimate)
    yield "AUROC of 80 cases: DeLong, logit", tally(single, TRUE_AUROC)
    yield "AUROC of 4 sites: bins of 10 or more", tally(binned, TRUE_AUROC)


def errors(rng: np.random.Generator, runs: int, slack: float) -> Iterator[tuple[str, Tally, str]]:
    """False alarms of comparing and ranking five equally good models on the same patients."""
    compared = ranked = any_pair = 0
    for _ in range(runs):
        values, replicates = equal_models(rng, 5)
        compared += compare("0", "1", values, replicates, sum(SITES)).p_value < 0.05
        pairs = compare_all(values, replicates, sum(SITES))
        any_pair += any(pair.verdict is not Verdict.INCONCLUSIVE for pair in pairs)
        ranked += any(
            model.rank_from > 1 or model.rank_to < 5 for model in rank_models(values, replicates)
        )
    yield "two equal models found different", Tally(compared, runs), f"0.05 ± {slack:.3f}"
    yield (
        "any two of five equal models found different (Holm)",
        Tally(any_pair, runs),
        f"at most {0.05 + slack:.3f}",
    )
    yield (
        "any of five equal models ranked apart",
        Tally(ranked, runs),
        f"at most {0.05 + slack:.3f}",
    )


def equal_models(
    rng: np.random.Generator, n_models: int
) -> tuple[dict[str, float], dict[str, Floats]]:
    """Pooled values and replicates of equally good models over the sites."""
    by_model: dict[str, list[SiteSummary]] = {str(model): [] for model in range(n_models)}
    for site, n in enumerate(SITES):
        shared = rng.normal(TRUE_MEAN, 0.2, size=n)
        names = [str(one) for one in range(n)]
        resampling = resample(rng, names, N_REPLICATES)
        for summaries in by_model.values():
            cases = shared + rng.normal(0, 0.1, size=n)
            replicates = resampling.replicates(names, weighted_mean(cases))
            summaries.append(SiteSummary(str(site), float(cases.mean()), n, replicates=replicates))
    values = {model: case_weighted(sites).estimate.value for model, sites in by_model.items()}
    return values, {model: pooled_replicates(sites) for model, sites in by_model.items()}


def clustered_cases(rng: np.random.Generator, n: int, mean: float) -> tuple[Floats, Floats]:
    """Skewed case values of ``n`` patients around ``mean``, and the patient of each."""
    who = np.repeat(np.arange(n), CASES_PER_PATIENT)
    own = 0.1 * (rng.gamma(4.0, 0.5, size=n) - 2.0)
    return mean - own[who] + rng.normal(0, 0.05, size=who.size), who.astype(np.float64)


def scored_cases(rng: np.random.Generator, n: int) -> tuple[np.ndarray, Floats]:
    """Normal scores of two classes, at least ten cases of each."""
    truth = rng.permutation(np.arange(n) < 0.4 * n)
    return truth, rng.normal(size=n) + CLASS_SHIFT * truth


def as_if_independent(site: SiteSummary) -> SiteSummary:
    assert site.moments is not None
    error = math.sqrt(site.moments.variance / site.n)
    return SiteSummary(site.site, site.value, site.n, error, site.n)


def tally(estimates: list[Estimate], truth: float) -> Tally:
    intervals = [estimate.interval for estimate in estimates if estimate.interval is not None]
    held = sum(interval.holds(truth) for interval in intervals)
    width = float(np.mean([interval.upper - interval.lower for interval in intervals]))
    return Tally(held, len(estimates), width)


if __name__ == "__main__":
    main()
