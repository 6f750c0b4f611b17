"""What the two vendors do at home: train with scikit-learn, write weights that numpy can use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from examples.breast_cancer.data import FEATURES, Patients

Weights = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is made. ``features`` is what it looks at; ``title`` is what people read.

    ``weights_apart`` says whether its weights travel as additional files or inside the code.
    """

    title: str
    vendor: str
    make: Callable[[], Any]
    export: Callable[[Any], Weights]
    features: tuple[str, ...] = FEATURES
    weights_apart: bool = False


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A fitted scikit-learn model and the weights that reproduce it."""

    recipe: Recipe
    fitted: Any
    weights: Weights


def train(recipe: Recipe, patients: Patients) -> TrainedModel:
    """Fit ``recipe`` on the vendor's patients. The same patients give the same weights."""
    fitted = recipe.make().fit(columns(recipe, patients.values), patients.malignant)
    weights = {"features": list(recipe.features), **recipe.export(fitted)}
    return TrainedModel(recipe, fitted, weights)


def columns(recipe: Recipe, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The columns of ``values`` that the model looks at."""
    return values[:, [FEATURES.index(feature) for feature in recipe.features]]


def _scaling(pipeline: Pipeline) -> Weights:
    scaler = pipeline[0]
    return {"center": scaler.mean_.tolist(), "scale": scaler.scale_.tolist()}


def _export_logistic(pipeline: Pipeline) -> Weights:
    return {
        "kind": "logistic_regression",
        **_scaling(pipeline),
        "coefficients": pipeline[1].coef_[0].tolist(),
        "intercept": float(pipeline[1].intercept_[0]),
    }


def _export_neighbors(pipeline: Pipeline) -> Weights:
    # A nearest-neighbors model contains its training cases: who releases it releases them.
    return {
        "kind": "nearest_neighbors",
        **_scaling(pipeline),
        "neighbors": pipeline[1].n_neighbors,
        "cases": pipeline[1]._fit_X.tolist(),  # noqa: SLF001 - scikit-learn names it no other way
        "labels": pipeline[1]._y.tolist(),  # noqa: SLF001
    }


def _tree(tree: Any, value: NDArray[np.float64]) -> Weights:
    return {
        "feature": tree.feature.tolist(),
        "threshold": tree.threshold.tolist(),
        "left": tree.children_left.tolist(),
        "right": tree.children_right.tolist(),
        "value": value.tolist(),
    }


def _export_forest(forest: RandomForestClassifier) -> Weights:
    trees = [one.tree_ for one in forest.estimators_]
    shares = [tree.value[:, 0, 1] / tree.value[:, 0].sum(axis=1) for tree in trees]
    pairs = zip(trees, shares, strict=True)
    return {"kind": "random_forest", "trees": [_tree(tree, share) for tree, share in pairs]}


def _export_boosting(model: GradientBoostingClassifier) -> Weights:
    prevalence = float(model.init_.class_prior_[1])
    return {
        "kind": "gradient_boosting",
        "intercept": float(np.log(prevalence / (1 - prevalence))),
        "learning_rate": model.learning_rate,
        "trees": [_tree(one.tree_, one.tree_.value[:, 0, 0]) for one in model.estimators_[:, 0]],
    }


RECIPES: Mapping[str, Recipe] = {
    "logistic-regression": Recipe(
        "Logistic regression",
        "vendor-a",
        lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=1000)),
        _export_logistic,
    ),
    "nearest-neighbors": Recipe(
        "Nearest neighbors",
        "vendor-a",
        lambda: make_pipeline(StandardScaler(), KNeighborsClassifier(15, algorithm="brute")),
        _export_neighbors,
    ),
    "random-forest": Recipe(
        "Random forest",
        "vendor-b",
        lambda: RandomForestClassifier(100, min_samples_leaf=2, random_state=7),
        _export_forest,
        weights_apart=True,
    ),
    "gradient-boosting": Recipe(
        "Gradient boosting",
        "vendor-b",
        lambda: GradientBoostingClassifier(n_estimators=80, max_depth=2, random_state=7),
        _export_boosting,
        weights_apart=True,
    ),
    # Deliberately bad: it looks at the one feature that says next to nothing about the diagnosis.
    "fractal-only": Recipe(
        "Fractal dimension only",
        "vendor-b",
        lambda: make_pipeline(StandardScaler(), LogisticRegression()),
        _export_logistic,
        features=("fractal_dimension_mean",),
    ),
}
