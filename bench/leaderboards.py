"""How long a leaderboard of many models and sites takes, and what it keeps others waiting.

41 models at 32 sites, 500 bootstrap replicates of the primary metric in each of the 1,312 results,
about the size of the largest federated challenges so far. Measured are the reading of the documents
as a server keeps them, the numbers, the answer when nothing changed since, and how long a small
request waits in the same process while a leaderboard is computed beside it.
"""

import threading
import time
from collections.abc import Callable

import numpy as np

from bench.table import Row, median_s, show
from medperf.analysis.leaderboard import Board, Entry, build_board
from medperf.analysis.pooled_cells import Sight
from medperf.analysis.site_results import SiteResult
from medperf.domain.benchmarks import AnalysisPlan, Evidence, PlannedMetric, Summary
from medperf.domain.leaderboards import Leaderboard
from medperf.domain.results import TypedResult
from medperf.server.remembering import Remembered

MODELS, SITES, CASES = 41, 32, 120
SMALL = 0.0005  # what a small request does, in seconds
PLAN = AnalysisPlan(
    metrics=tuple(
        PlannedMetric(
            name=name,
            lower=0,
            upper=1,
            evidence=Evidence.MEAN,
            summaries=(Summary.STANDARD_ERROR, Summary.REPLICATES)
            if name == "dsc"
            else (Summary.STANDARD_ERROR,),
        )
        for name in ("dsc", "nsd", "sensitivity", "precision", "iou")
    ),
    primary="dsc",
)


def main() -> None:
    texts = _documents()
    entries = [Entry(model, f"model {model}", "Vendor", SITES) for model in range(1, MODELS + 1)]

    def read() -> list[SiteResult]:
        return [
            SiteResult(model, site, f"site {site}", TypedResult.model_validate_json(text))
            for (model, site), text in texts.items()
        ]

    results = read()

    def compute() -> Board:
        return build_board(PLAN, entries, results, Sight(with_sites=True))

    board = compute()
    remembered = Remembered()
    key = tuple(texts)

    def whole() -> Board:
        return build_board(PLAN, entries, read(), Sight(with_sites=True))

    remembered.answer(key, whole)
    alone, beside = _waits(lambda: None), _waits(whole)
    show(
        f"A leaderboard of {MODELS} models at {SITES} sites, {len(board.comparisons)} comparisons",
        [
            Row("read the documents", median_s(read, 3), "s"),
            Row("compute the numbers", median_s(compute, 3), "s"),
            Row("both, the first time", median_s(whole, 3), "s"),
            Row("both, processor time", _processor_s(whole), "s"),
            Row("again, nothing changed", median_s(lambda: remembered.answer(key, whole)), "s"),
            Row("write the answer", median_s(lambda: _answer(board), 3), "s"),
            Row("longest small request meanwhile", beside * 1000, "ms", alone * 1000, "alone"),
        ],
        [f"documents: {sum(map(len, texts.values())) / 1e6:.1f} MB of JSON"],
    )


def _answer(board: Board) -> str:
    return Leaderboard(
        benchmark_id=1,
        benchmark="bench",
        primary=PLAN.primary,
        direction="higher",
        metrics=tuple(metric.name for metric in PLAN.metrics),
        rows=board.rows,
        comparisons=board.comparisons,
        stability=board.stability,
        as_of="2026-01-01T00:00:00Z",
    ).model_dump_json()


def _documents() -> dict[tuple[int, int], str]:
    """Like real ones: models of like quality, patients and replicates shared within a site."""
    rng = np.random.default_rng(1)
    found = {}
    for site in range(1, SITES + 1):
        shared = rng.normal(0, 0.01, PLAN.replicates)
        hardness = rng.normal(0, 0.02)
        for model in range(1, MODELS + 1):
            value = 0.8 + 0.002 * model + hardness + rng.normal(0, 0.003)
            drawn = np.round(value + shared + rng.normal(0, 0.004, PLAN.replicates), 6)
            metrics = [
                {
                    "name": metric.name,
                    "value": round(value, 4),
                    "n": CASES,
                    "summary": {
                        "standard_error": 0.011,
                        "n_patients": CASES,
                        **({"replicates": drawn.tolist()} if metric.name == "dsc" else {}),
                    },
                }
                for metric in PLAN.metrics
            ]
            document = TypedResult.model_validate({"n_cases": CASES, "metrics": metrics})
            found[model, site] = document.model_dump_json(exclude_none=True)
    return found


def _processor_s(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _waits(work: Callable[[], object]) -> float:
    """The longest small request, in seconds, while ``work`` is done in a thread beside it."""
    thread = threading.Thread(target=work)
    longest, until = 0.0, time.perf_counter() + 0.3
    thread.start()
    while thread.is_alive() or time.perf_counter() < until:
        started = time.perf_counter()
        while time.perf_counter() - started < SMALL:
            pass
        time.sleep(0)
        longest = max(longest, time.perf_counter() - started)
    thread.join()
    return longest


if __name__ == "__main__":
    main()
