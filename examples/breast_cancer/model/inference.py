"""Four kinds of classifier from weights in JSON, with numpy only."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def probability_of_malignant(weights: Mapping[str, Any], values: Floats) -> Floats:
    """Probabilities for ``values`` (cases x ``weights['features']``), between 0 and 1."""
    return _KINDS[weights["kind"]](weights, values)


def _logistic_regression(weights: Mapping[str, Any], values: Floats) -> Floats:
    scaled = _scaled(weights, values)
    return _sigmoid(scaled @ np.array(weights["coefficients"]) + weights["intercept"])


def _nearest_neighbors(weights: Mapping[str, Any], values: Floats) -> Floats:
    cases = np.array(weights["cases"])
    scaled = _scaled(weights, values)
    distances = ((scaled[:, None, :] - cases[None, :, :]) ** 2).sum(axis=2)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, : weights["neighbors"]]
    return np.array(weights["labels"], dtype=np.float64)[nearest].mean(axis=1)


def _random_forest(weights: Mapping[str, Any], values: Floats) -> Floats:
    return np.mean([_leaf_values(tree, values) for tree in weights["trees"]], axis=0)


def _gradient_boosting(weights: Mapping[str, Any], values: Floats) -> Floats:
    steps = np.sum([_leaf_values(tree, values) for tree in weights["trees"]], axis=0)
    return _sigmoid(weights["intercept"] + weights["learning_rate"] * steps)


def _scaled(weights: Mapping[str, Any], values: Floats) -> Floats:
    return (values - np.array(weights["center"])) / np.array(weights["scale"])


def _sigmoid(logit: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-logit))


def _leaf_values(tree: Mapping[str, Any], values: Floats) -> Floats:
    feature, left = np.array(tree["feature"]), np.array(tree["left"])
    threshold, right = np.array(tree["threshold"]), np.array(tree["right"])
    # The trees were grown on single precision; a comparison in double would differ at a threshold.
    single = values.astype(np.float32)
    node = np.zeros(len(values), dtype=np.int64)
    rows = np.arange(len(values))
    while (inner := left[node] >= 0).any():
        goes_left = single[rows, feature[node]] <= threshold[node]
        node = np.where(inner, np.where(goes_left, left[node], right[node]), node)
    return np.array(tree["value"], dtype=np.float64)[node]


_KINDS: Mapping[str, Callable[[Mapping[str, Any], Floats], Floats]] = {
    "logistic_regression": _logistic_regression,
    "nearest_neighbors": _nearest_neighbors,
    "random_forest": _random_forest,
    "gradient_boosting": _gradient_boosting,
}
