"""Per-case values, which stay at the site: one row per case, also for those that failed."""

import csv
from collections.abc import Iterator
from pathlib import Path

from medperf.components.evaluator.matching import Case, Failure
from medperf.components.evaluator.parameters import Parameters


def write_cases(path: Path, cases: list[Case], parameters: Parameters) -> None:
    """Write ``cases.csv``.

    Columns: case, patient, one per subgroup, reference, predicted, ``probability_<class>`` where
    there are probabilities, the metrics that are means of a value per case (accuracy, brier), and
    failure, which is empty for a usable prediction.
    """
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_columns(parameters))
        writer.writerows(list(_row(case, parameters)) for case in cases)


def _columns(parameters: Parameters) -> list[str]:
    names = ["case", "patient", *(s.name for s in parameters.subgroups), "reference", "predicted"]
    if parameters.predictions.probabilities:
        names += [f"probability_{label}" for label in parameters.classes]
    names.append("accuracy")
    if parameters.predictions.probabilities:
        names.append("brier")
    return [*names, "failure"]


def _row(case: Case, parameters: Parameters) -> Iterator[str]:
    yield case.case
    yield case.patient
    yield from (case.subgroups[s.name] for s in parameters.subgroups)
    yield parameters.classes[case.reference]
    if isinstance(case.outcome, Failure):
        empty = len(_columns(parameters)) - 4 - len(parameters.subgroups)
        yield from [""] * empty
        yield case.outcome.value
        return
    yield parameters.classes[case.outcome.predicted]
    probabilities = case.outcome.probabilities
    if probabilities is not None:
        yield from map(repr, probabilities)
    yield str(int(case.outcome.predicted == case.reference))
    if probabilities is not None:
        yield repr(_brier(case.reference, probabilities, parameters))
    yield ""


def _brier(reference: int, probabilities: tuple[float, ...], parameters: Parameters) -> float:
    if parameters.positive_class is not None:
        positive = parameters.classes.index(parameters.positive_class)
        return float((probabilities[positive] - (reference == positive)) ** 2)
    return float(sum((p - (k == reference)) ** 2 for k, p in enumerate(probabilities)))
