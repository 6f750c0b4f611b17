"""Examples of numbers; scikit-learn and TorchMetrics use the same four cases."""

from collections.abc import Callable, Iterator

import numpy as np
from published import sources
from published.classification import half_a_digit
from published.example import Example

from medperf.analysis.metrics import regression

REFERENCE = np.array([3, -0.5, 2, 7])
PREDICTED = np.array([2.5, 0.0, 2, 8])


def examples() -> Iterator[Example]:
    """All of them."""
    for metric, source, function, printed in (
        ("mae", sources.SCIKIT_LEARN, "mean_absolute_error", 0.5),
        ("mse", sources.SCIKIT_LEARN, "mean_squared_error", 0.375),
        ("rmse", sources.SCIKIT_LEARN, "root_mean_squared_error", 0.612),
        ("median_absolute_error", sources.SCIKIT_LEARN, "median_absolute_error", 0.5),
        ("r2", sources.TORCHMETRICS, "r2_score", 0.9486),
        ("pearson", sources.TORCHMETRICS, "pearson_corrcoef", 0.9849),
    ):
        yield Example(
            "regression", metric, source, function, printed, half_a_digit(printed), _value(metric)
        )


def _value(metric: str) -> Callable[[], float | None]:
    return lambda: regression.value_of(metric, REFERENCE, PREDICTED).value
