"""Examples of times to an event, with the censoring estimated from the same cases, as ours is."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from published import sources
from published.example import Example

from medperf.analysis.metrics import survival
from medperf.analysis.metrics.survival import FollowedCases

VECTORS = Path(__file__).parents[1] / "analysis/metrics/vectors/published_survival.json"


def examples() -> Iterator[Example]:
    """All of them."""
    yield from _harrell()
    yield from _uno()
    yield from _brier()


def _brier() -> Iterator[Example]:
    given = json.loads(VECTORS.read_text())
    days = np.arange(365, 1826)
    step = np.searchsorted(given["baseline_from_day"], days, side="right") - 1
    baseline = np.array(given["baseline_survival"])[step]
    hazard = np.exp(given["linear_predictor"])
    cases = FollowedCases(
        np.array(given["time"], dtype=np.float64),
        np.array(given["event"], dtype=np.bool_),
        survival=baseline[None, :] ** hazard[:, None],
        times=tuple(float(day) for day in days),
    )
    for metric, function, printed in (
        ("brier_at@1825", "brier_score", 0.20881843),
        ("integrated_brier@365-1825", "integrated_brier_score", 0.1816),
    ):
        yield Example(
            "time_to_event", metric, sources.SCIKIT_SURVIVAL_MANUAL, function, printed,
            5e-7 if printed != 0.1816 else 5e-5, _value(metric, cases),
        )  # fmt: skip


def _harrell() -> Iterator[Example]:
    time = [1, 5, 6, 11, 34, 45, 46, 50]
    risk = [5, 8, 11, 34, 12, 3, 9, 12]
    tied_time = [1, 5, 6, 11, 11, 34, 45, 45, 50]
    tied_risk = [5, 8, 11, 19, 34, 12, 3, 9, 12]
    for place, times, risks, events, printed in (
        ("no_ties", time, risk, "01100100", 0.2307692),
        ("with_tied_time", tied_time, tied_risk, "011010100", 0.4),
        ("with_tied_time2", tied_time, tied_risk, "011000100", 0.2),
        ("with_tied_event", tied_time, tied_risk, "010110100", 0.5294118),
        ("with_tied_risk", time, [5, 15, 11, 34, 12, 3, 9, 12], "01101100", 0.59375),
        ("with_tied_event_and_time", [34, 11, 11, 5, 1, 89, 13, 45, 7, 13, 9, 13],
         [1, 19, 13, 13, 15, 14, 19, 23, 11, 10, 11, 1], "100010110001", 0.5681818),
    ):  # fmt: skip
        yield _ranked("concordance_harrell", f"concordance, {place}", times, risks, events, printed)


def _uno() -> Iterator[Example]:
    time = [1, 5, 6, 10, 11, 34, 45, 46, 50, 56]
    for place, times, risks, events, before, printed in (
        ("no_ties", time, [5, 8, 11, 19, 34, 12, 3, 9, 12, 20], "0110101001", "57",
         0.347890360332615),
        ("tied_risk_1", time, [5, 8, 11, 11, 34, 12, 3, 9, 12, 20], "0110101001", "57",
         0.365629810028969),
        ("tied_risk_2", time, [5, 8, 11, 11, 34, 12, 11, 9, 12, 20], "0110101001", "57",
         0.387865723332956),
        ("truncated_2", time, [5, 8, 11, 19, 34, 12, 3, 9, 12, 18], "0110101111", "45.25",
         0.347890361949191),
        ("tied_event", [1, 5, 6, 11, 11, 34, 45, 45, 50, 55],
         [5, 8, 11, 19, 34, 12, 3, 9, 12, 18], "0101101001", "56", 0.4036321031048623),
    ):  # fmt: skip
        metric = f"concordance_uno@{before}"
        yield _ranked(metric, f"Uno's concordance, {place}", times, risks, events, printed)
    times = [
        10.88, 19.78, 40.92, 98.7, 70.19, 10.15, 28.95, 29.57, 17.9, 63.78, 36.22, 83.14, 13.69,
        99.51, 3.19,
    ]  # fmt: skip
    risks = [
        -1.019, -0.016, 0.132, 0.269, -0.777, -1.077, 0.894, -1.227, -0.417, 0.072, -1.275,
        -0.91, -0.825, -0.292, -0.045,
    ]  # fmt: skip
    for at, printed in (("28", 0.362963), ("15", 0.3030303), ("66", 0.45)):
        yield _ranked(f"auc_at@{at}", f"AUC at {at}", times, risks, "101011111001001", printed)


def _ranked(
    metric: str, place: str, time: list[float], risk: list[float], events: str, printed: float
) -> Example:
    cases = FollowedCases(
        np.array(time, dtype=np.float64),
        np.array([event == "1" for event in events]),
        np.array(risk, dtype=np.float64),
    )
    return Example(
        "time_to_event", metric, sources.SCIKIT_SURVIVAL, place, printed, 6e-7,
        _value(metric, cases),
    )  # fmt: skip


def _value(metric: str, cases: FollowedCases) -> Callable[[], float | None]:
    return lambda: survival.value_of(metric, cases).value
