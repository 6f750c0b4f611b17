"""Cases: every reference label with its prediction, or with the reason why it has none.

A case without a usable prediction is never dropped: it is kept with its failure, counted, and shown
at the site. What is wrong with a whole file (a case twice, a probability of 1.7) is an error.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from medperf.analysis.metrics.classification import ClassifiedCases
from medperf.components.evaluator.parameters import Parameters
from medperf.components.evaluator.tables import Row, Table
from medperf.domain.errors import MalformedFileError

# Sums of float32 probabilities, and of values written with three decimals, are off by this much.
SUM_TOLERANCE = 2e-3
ROUNDING = 1e-6


class Failure(StrEnum):
    """Why a case has no usable prediction."""

    NO_PREDICTION = "no_prediction"
    EMPTY = "empty"
    NOT_A_NUMBER = "not_a_number"


@dataclass(frozen=True, slots=True)
class Prediction:
    """A usable answer: the index of the predicted class and, if given, a probability per class."""

    predicted: int
    probabilities: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class Case:
    """One case: who, in which subgroups, the reference label's index, and what the model said."""

    case: str
    patient: str
    subgroups: Mapping[str, str]
    reference: int
    outcome: Prediction | Failure


def match(labels: Table, predictions: Table, parameters: Parameters) -> list[Case]:
    """Give every reference label its prediction, in the order of the labels.

    Raises:
        MalformedFileError: if a column is missing, a case occurs twice or has no number, a class is
            unknown, a probability is impossible, or no prediction belongs to any case.
    """
    columns = parameters.labels
    labels.require(columns.case, columns.reference, *(s.column for s in parameters.subgroups))
    labels.require(*([columns.patient] if columns.patient else []))
    wanted = parameters.predictions
    predictions.require(wanted.case, *wanted.probabilities.values())
    predictions.require(*([wanted.predicted] if wanted.predicted else []))
    rows = _by_case(predictions, wanted.case)
    cases = [
        Case(
            case=case,
            patient=row[columns.patient] if columns.patient else case,
            subgroups={s.name: row[s.column] for s in parameters.subgroups},
            reference=_class_index(labels.name, case, row[columns.reference], parameters.classes),
            outcome=_outcome(predictions.name, case, rows.get(case), parameters),
        )
        for case, row in _by_case(labels, columns.case).items()
    ]
    if not any(case.case in rows for case in cases):
        raise MalformedFileError(
            f"no case of {predictions.name} is in {labels.name}; compare their case columns"
        )
    return cases


def arrays(cases: list[Case], parameters: Parameters) -> ClassifiedCases:
    """The cases with a usable prediction, as arrays for the metrics."""
    usable = [(c.reference, c.outcome) for c in cases if isinstance(c.outcome, Prediction)]
    given = [p.probabilities for _, p in usable if p.probabilities is not None]
    shape = (len(usable), len(parameters.classes))
    positive = parameters.positive_class
    return ClassifiedCases(
        classes=parameters.classes,
        reference=np.array([reference for reference, _ in usable], dtype=np.int64),
        predicted=np.array([prediction.predicted for _, prediction in usable], dtype=np.int64),
        probabilities=(
            np.array(given, dtype=np.float64).reshape(shape)
            if parameters.predictions.probabilities
            else None
        ),
        positive=None if positive is None else parameters.classes.index(positive),
    )


def _by_case(table: Table, column: str) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for number, row in enumerate(table.rows, start=1):
        case = row[column]
        if not case:
            raise MalformedFileError(f"{table.name}, row {number}: '{column}' is empty")
        if case in rows:
            raise MalformedFileError(f"{table.name} holds the case '{case}' twice")
        rows[case] = row
    return rows


def _class_index(name: str, case: str, label: str, classes: tuple[str, ...]) -> int:
    if label not in classes:
        known = ", ".join(classes)
        raise MalformedFileError(
            f"{name}: case '{case}' has the unknown class '{label}'; the classes are: {known}"
        )
    return classes.index(label)


def _outcome(name: str, case: str, row: Row | None, parameters: Parameters) -> Prediction | Failure:
    if row is None:
        return Failure.NO_PREDICTION
    probabilities = _probabilities(name, case, row, parameters)
    if isinstance(probabilities, Failure):
        return probabilities
    if column := parameters.predictions.predicted:
        if not row[column]:
            return Failure.EMPTY
        chosen = _class_index(name, case, row[column], parameters.classes)
    else:
        chosen = _decide(probabilities or (), parameters)
    return Prediction(chosen, probabilities)


def _probabilities(
    name: str, case: str, row: Row, parameters: Parameters
) -> tuple[float, ...] | Failure | None:
    given: dict[str, float] = {}
    for label, column in parameters.predictions.probabilities.items():
        try:
            number = float(row[column])
        except ValueError:
            return Failure.NOT_A_NUMBER if row[column] else Failure.EMPTY
        if not math.isfinite(number):
            return Failure.NOT_A_NUMBER
        if not -ROUNDING <= number <= 1 + ROUNDING:
            raise MalformedFileError(
                f"{name}: case '{case}' has {number:g} in '{column}', which is no probability"
            )
        given[label] = min(max(number, 0.0), 1.0)
    if not given:
        return None
    if len(given) < len(parameters.classes):
        # Only two classes get here: the other one has the rest.
        rest = 1.0 - sum(given.values())
        return tuple(given.get(label, rest) for label in parameters.classes)
    total = sum(given.values())
    if abs(total - 1.0) > SUM_TOLERANCE:
        raise MalformedFileError(
            f"{name}: the probabilities of case '{case}' add up to {total:g}, not to 1"
        )
    return tuple(given[label] for label in parameters.classes)


def _decide(probabilities: tuple[float, ...], parameters: Parameters) -> int:
    if parameters.positive_class is None:
        return probabilities.index(max(probabilities))
    positive = parameters.classes.index(parameters.positive_class)
    return positive if probabilities[positive] >= parameters.threshold else 1 - positive
