"""Four kinds of survival model from weights in JSON, with numpy only."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def predict(weights: Mapping[str, Any], values: Floats) -> tuple[Floats, Floats]:
    """Risk (higher for an earlier death), and survival: cases x ``weights['times']``.

    ``values`` is cases x ``weights['covariates']``, not a number where unknown.
    """
    filled = np.where(np.isnan(values), np.array(weights["medians"]), values)
    return _KINDS[weights["kind"]](weights, filled)


def _proportional_hazards(weights: Mapping[str, Any], x: Floats) -> tuple[Floats, Floats]:
    risk = (x - np.array(weights["centers"])) @ np.array(weights["coefficients"])
    return risk, np.exp(-np.exp(risk)[:, None] * np.array(weights["baseline_hazard"]))


def _weibull(weights: Mapping[str, Any], x: Floats) -> tuple[Floats, Floats]:
    place = weights["intercept"] + x @ np.array(weights["coefficients"])
    log_times = np.log(np.array(weights["times"], dtype=np.float64))
    return -place, np.exp(-np.exp(weights["shape"] * (log_times - place[:, None])))


def _same_for_all(weights: Mapping[str, Any], x: Floats) -> tuple[Floats, Floats]:
    return np.zeros(len(x)), np.tile(np.array(weights["survival"]), (len(x), 1))


def _forest(weights: Mapping[str, Any], x: Floats) -> tuple[Floats, Floats]:
    hazard = np.mean([_in_leaves(tree, x) for tree in weights["trees"]], axis=0)
    return hazard.sum(axis=1), np.exp(-hazard)


def _in_leaves(tree: Mapping[str, Any], x: Floats) -> Floats:
    feature, threshold = np.array(tree["feature"]), np.array(tree["threshold"])
    left, right = np.array(tree["left"]), np.array(tree["right"])
    node = np.zeros(len(x), dtype=np.int64)
    rows = np.arange(len(x))
    while (inner := left[node] >= 0).any():
        # scikit-learn decides in single precision.
        goes_left = x[rows, feature[node]].astype(np.float32) <= threshold[node]
        node = np.where(inner, np.where(goes_left, left[node], right[node]), node)
    return np.array(tree["hazards"])[node]


_KINDS: Mapping[str, Callable[[Mapping[str, Any], Floats], tuple[Floats, Floats]]] = {
    "proportional_hazards": _proportional_hazards,
    "weibull": _weibull,
    "same_for_all": _same_for_all,
    "forest": _forest,
}
