"""What the vendors do at home: fit models of survival, write weights that numpy can use.

Proportional hazards (Cox 1972, ties as Efron 1977) and the Weibull model are short enough to be
read here; the test compares them with lifelines. The forest is scikit-learn's: its trees split on
martingale residuals (Therneau, Grambsch and Fleming 1990), its leaves hold Nelson-Aalen estimates.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.ensemble import RandomForestRegressor

from examples.lung_survival.data import COVARIATES, Patient

TIMES = (90, 180, 270, 360, 450)
"""Days at which every model says how probable survival is."""

Floats = NDArray[np.float64]
Weights = dict[str, Any]
_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Training:
    """``x`` is n x k, unknown cells filled by ``medians``; ``time`` in days; ``died`` is n."""

    names: tuple[str, ...]
    medians: Floats
    x: Floats
    time: Floats
    died: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is made, by whom, and from which covariates."""

    title: str
    vendor: str
    fit: Callable[[Training], Weights]
    covariates: tuple[str, ...]


def train(recipe: Recipe, patients: Sequence[Patient]) -> Weights:
    """Fit ``recipe``. The same patients give the same weights."""
    training = training_of(recipe.covariates, patients)
    return {
        "covariates": list(training.names),
        "medians": training.medians.tolist(),
        "times": list(TIMES),
        **recipe.fit(training),
    }


def training_of(covariates: Sequence[str], patients: Sequence[Patient]) -> Training:
    """The patients as arrays."""
    rows = [
        [np.nan if (v := p.values[name]) is None else v for name in covariates] for p in patients
    ]
    x = np.array(rows, dtype=np.float64).reshape(len(patients), len(covariates))
    medians = np.nanmedian(x, axis=0) if x.size else np.zeros(0)
    return Training(
        tuple(covariates),
        medians,
        np.where(np.isnan(x), medians, x),
        np.array([p.days for p in patients], dtype=np.float64),
        np.array([p.died for p in patients]),
    )


def cox(training: Training) -> Weights:
    """Proportional hazards, with Breslow's baseline."""
    centers = training.x.mean(axis=0)
    x = training.x - centers
    beta = np.zeros(x.shape[1])
    for _ in range(_ROUNDS):
        gradient, information = _efron(x, training.time, training.died, beta)
        step = np.linalg.solve(information, gradient)
        beta = beta + step
        if np.abs(step).max() < 1e-10:  # noqa: PLR2004 - converged
            break
    hazard = _cumulative_hazard(training.time, training.died, np.exp(x @ beta))
    return {
        "kind": "proportional_hazards",
        "centers": centers.tolist(),
        "coefficients": beta.tolist(),
        "baseline_hazard": hazard.tolist(),
    }


def sign_error(training: Training) -> Weights:
    """A good model of which a programmer got one sign wrong."""
    weights = cox(training)
    return {**weights, "coefficients": [-each for each in weights["coefficients"]]}


def weibull(training: Training) -> Weights:
    """Accelerated failure time: the logarithm of time is linear, its noise Gumbel."""
    centers, scales = training.x.mean(axis=0), training.x.std(axis=0)
    x = np.column_stack([np.ones(len(training.x)), (training.x - centers) / scales])
    log_time, died = np.log(training.time), training.died

    def loss(parameters: Floats) -> tuple[float, Floats]:
        shape = np.exp(parameters[-1])
        z = shape * (log_time - x @ parameters[:-1])
        hazard = np.exp(z)
        value = hazard.sum() - (died * (parameters[-1] + z - log_time)).sum()
        by_place = -shape * ((hazard - died) @ x)
        by_shape = ((hazard - died) * z).sum() - died.sum()
        return float(value), np.append(by_place, by_shape)

    start = np.zeros(x.shape[1] + 1)
    start[0] = log_time.mean()
    found = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-8})
    slopes = found.x[1:-1] / scales
    return {
        "kind": "weibull",
        "intercept": float(found.x[0] - slopes @ centers),
        "coefficients": slopes.tolist(),
        "shape": float(np.exp(found.x[-1])),
    }


def kaplan_meier(training: Training) -> Weights:
    """The same for everybody: what can be said without looking at the patient."""
    event_times = np.unique(training.time[training.died])
    at_risk = (training.time[:, None] >= event_times).sum(axis=0)
    deaths = ((training.time[:, None] == event_times) & training.died[:, None]).sum(axis=0)
    curve = np.concatenate(([1.0], np.cumprod(1 - deaths / at_risk)))
    place = np.searchsorted(event_times, TIMES, side="right")
    return {"kind": "same_for_all", "survival": curve[place].tolist()}


def forest(training: Training) -> Weights:
    """Trees on martingale residuals, Nelson-Aalen in the leaves."""
    everybody = np.ones(len(training.time))
    expected = _cumulative_hazard(training.time, training.died, everybody, training.time)
    fitted = RandomForestRegressor(200, min_samples_leaf=10, max_features=0.5, random_state=7).fit(
        training.x, training.died - expected
    )
    leaves = fitted.apply(training.x)
    return {
        "kind": "forest",
        "trees": [
            _tree(tree.tree_, leaves[:, number], training)
            for number, tree in enumerate(fitted.estimators_)
        ],
    }


def _tree(tree: Any, leaf_of: NDArray[np.int64], training: Training) -> Weights:
    hazards = np.zeros((tree.node_count, len(TIMES)))
    for leaf in np.unique(leaf_of):
        own = leaf_of == leaf
        hazards[leaf] = _cumulative_hazard(
            training.time[own], training.died[own], np.ones(int(own.sum()))
        )
    return {
        "feature": tree.feature.tolist(),
        "threshold": tree.threshold.tolist(),
        "left": tree.children_left.tolist(),
        "right": tree.children_right.tolist(),
        "hazards": np.round(hazards, 5).tolist(),
    }


def _efron(x: Floats, time: Floats, died: NDArray[np.bool_], beta: Floats) -> tuple[Floats, Floats]:
    """Gradient and information of the partial likelihood."""
    risk = np.exp(x @ beta)
    gradient = np.zeros(len(beta))
    information = np.zeros((len(beta), len(beta)))
    for moment in np.unique(time[died]):
        at_risk, dead = time >= moment, died & (time == moment)
        number = int(dead.sum())
        gradient += x[dead].sum(axis=0)
        for tied in range(number):
            weight = risk * (at_risk - dead * (tied / number))
            total = weight.sum()
            mean = weight @ x / total
            gradient -= mean
            information += (x.T * weight) @ x / total - np.outer(mean, mean)
    return gradient, information


def _cumulative_hazard(
    time: Floats, died: NDArray[np.bool_], risk: Floats, at: Sequence[float] | Floats = TIMES
) -> Floats:
    """Breslow's estimate at the times ``at``; Nelson and Aalen's where all risks are one."""
    event_times = np.unique(time[died])
    at_risk = ((time[:, None] >= event_times) * risk[:, None]).sum(axis=0)
    deaths = ((time[:, None] == event_times) & died[:, None]).sum(axis=0)
    hazard = np.concatenate(([0.0], np.cumsum(deaths / at_risk)))
    return np.asarray(hazard[np.searchsorted(event_times, at, side="right")])


_CLINICAL = tuple(name for name in COVARIATES if name != "calories")
"""One patient in five has no calories; models that are linear leave them out."""

RECIPES: Mapping[str, Recipe] = {
    "cox": Recipe("Proportional hazards", "vendor-a", cox, _CLINICAL),
    "weibull": Recipe("Weibull", "vendor-a", weibull, _CLINICAL),
    "forest": Recipe("Survival forest", "vendor-b", forest, tuple(COVARIATES)),
    "kaplan-meier": Recipe("Kaplan-Meier for everybody", "vendor-b", kaplan_meier, ()),
    "sign-error": Recipe("Sign error", "vendor-b", sign_error, _CLINICAL),
}
