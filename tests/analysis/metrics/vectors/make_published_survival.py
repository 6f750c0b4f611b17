"""Writes ``published_survival.json``: what scikit-survival's documentation computes scores of.

Run where scikit-survival 0.28 is installed: ``python make_published_survival.py``. The model is the
one of the examples of ``brier_score`` and ``integrated_brier_score``: Cox with Efron's ties on the
686 patients of the German Breast Cancer Study Group 2 (also in the MIT-licensed lifelines). Kept are
times, events, the patients' linear predictors and the baseline survival by day, from which each
patient's survival follows: a proportional hazard is a power of the baseline.
"""

import json
from pathlib import Path

import numpy as np
from sksurv.datasets import load_gbsg2
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.preprocessing import OneHotEncoder

PLACE = Path(__file__).with_name("published_survival.json")
DAYS = np.arange(365, 1826)


def main() -> None:
    """Write the file again."""
    patients, outcome = load_gbsg2()
    patients["tgrade"] = patients.loc[:, "tgrade"].map(len).astype(int)
    encoded = OneHotEncoder().fit_transform(patients)
    model = CoxPHSurvivalAnalysis(ties="efron").fit(encoded, outcome)
    predictor = model.predict(encoded)
    curves = model.predict_survival_function(encoded[:1])
    baseline = curves[0](DAYS) ** np.exp(-predictor[0])
    changes = np.flatnonzero(np.diff(baseline, prepend=2.0))
    found = {
        "source": "scikit-survival 0.28, see make_published_survival.py",
        "time": [int(time) for time in outcome["time"]],
        "event": [int(event) for event in outcome["cens"]],
        "linear_predictor": [round(float(each), 7) for each in predictor],
        "baseline_from_day": [int(day) for day in DAYS[changes]],
        "baseline_survival": [round(float(each), 9) for each in baseline[changes]],
    }
    PLACE.write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
