"""Writes ``survival.json`` with scikit-survival 0.28 and lifelines 0.30 (both only needed here).

Training and test cases are the same, as at a site. ``python make_survival.py``.
"""

import json
from pathlib import Path

import numpy as np
from lifelines.utils import concordance_index
from sksurv import metrics as sksurv

GRID = [2.0, 4.0, 6.0]


def main() -> None:
    """Write three cohorts, two of them with many ties."""
    rng = np.random.default_rng(3)
    cases = [cohort(rng, n, tied) for n, tied in ((60, False), (80, True), (40, True))]
    source = "scikit-survival 0.28, lifelines 0.30 (concordance); see make_survival.py"
    place = Path(__file__).with_name("survival.json")
    place.write_text(json.dumps({"source": source, "cases": cases}) + "\n")


def cohort(rng: np.random.Generator, n: int, tied: bool) -> dict:
    """One cohort with the libraries' values."""
    risk = rng.normal(size=n)
    until_event = rng.exponential(np.exp(-risk)) * 10 + 0.1
    until_lost = rng.exponential(9, n) + 0.1
    event, time = until_event <= until_lost, np.minimum(until_event, until_lost)
    if tied:
        time, risk = np.ceil(time), np.round(risk)
    survival = np.exp(-np.outer(np.exp(risk) / 10, GRID))
    y = np.array(list(zip(event, time, strict=True)), dtype=[("event", bool), ("time", float)])
    at = np.array([4.0])
    values = {
        "concordance_harrell": sksurv.concordance_index_censored(event, time, risk)[0],
        "concordance_uno@8": sksurv.concordance_index_ipcw(y, y, risk, tau=8.0)[0],
        "auc_at@4": float(sksurv.cumulative_dynamic_auc(y, y, risk, at)[0][0]),
        "brier_at@4": float(sksurv.brier_score(y, y, survival[:, [1]], at)[1][0]),
        "integrated_brier@2-6": float(
            sksurv.integrated_brier_score(y, y, survival, np.array(GRID))
        ),
    }
    return {
        "time": time.tolist(),
        "event": event.tolist(),
        "risk": risk.tolist(),
        "survival": survival.tolist(),
        "times": GRID,
        "values": values,
        "lifelines": concordance_index(time, -risk, event),
    }


if __name__ == "__main__":
    main()
