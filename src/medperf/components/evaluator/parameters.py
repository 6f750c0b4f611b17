"""The evaluator's parameters: YAML in, checked values out, every fault named with its key."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medperf.analysis.metrics import classification
from medperf.domain.errors import EmptyInputError, InvalidRequestError, MalformedFileError


@dataclass(frozen=True, slots=True)
class LabelColumns:
    """Where the reference labels are."""

    file: str
    case: str
    patient: str | None
    reference: str


@dataclass(frozen=True, slots=True)
class PredictionColumns:
    """Where the predictions are: a probability column per class, a class column, or both."""

    file: str
    case: str
    probabilities: Mapping[str, str]
    predicted: str | None


@dataclass(frozen=True, slots=True)
class WantedMetric:
    """A metric to compute overall and, if ``per_class``, also for each class against the rest."""

    name: str
    per_class: bool = False


@dataclass(frozen=True, slots=True)
class Subgroup:
    """A pre-registered subgroup variable: its column in the labels file and its values."""

    name: str
    column: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the committee fixed."""

    classes: tuple[str, ...]
    positive_class: str | None
    threshold: float
    labels: LabelColumns
    predictions: PredictionColumns
    metrics: tuple[WantedMetric, ...]
    subgroups: tuple[Subgroup, ...]


def read_parameters(path: Path) -> Parameters:
    """Read and check a parameters file.

    Raises:
        EmptyInputError: if there is no such file or nothing in it.
        MalformedFileError: if it is not YAML, or a key is unknown, missing or of a wrong kind.
    """
    if not path.is_file():
        raise EmptyInputError(f"there is no parameters file at {path}")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        one_line = " ".join(str(fault).split())
        raise MalformedFileError(f"{path.name} is not YAML: {one_line}") from fault
    if document is None:
        raise EmptyInputError(f"the parameters file {path.name} is empty")
    return parse_parameters(document)


def parse_parameters(document: Any) -> Parameters:
    """Check parsed parameters.

    Raises:
        MalformedFileError: as ``read_parameters``.
    """
    top = _Section("parameters", document)
    clinical_task = top.text("clinical_task")
    if clinical_task != "classification":
        raise MalformedFileError(
            f"clinical_task is {clinical_task!r}; this evaluator knows: classification"
        )
    classes = top.texts("classes")
    if len(classes) < 2:  # noqa: PLR2004 - a classification has two sides
        raise MalformedFileError("classes needs at least two names")
    positive = top.optional_text("positive_class")
    if positive is not None and (len(classes) > 2 or positive not in classes):  # noqa: PLR2004
        raise MalformedFileError("positive_class must be one of exactly two classes")
    found = Parameters(
        classes=classes,
        positive_class=positive,
        threshold=top.share("threshold", 0.5),
        labels=_labels(top.section("labels")),
        predictions=_predictions(top.section("predictions"), classes),
        metrics=tuple(_metric(entry) for entry in top.entries("metrics")),
        subgroups=tuple(_subgroup(entry) for entry in top.entries("subgroups", needed=False)),
    )
    top.done()
    return found


def _labels(section: "_Section") -> LabelColumns:
    found = LabelColumns(
        file=section.optional_text("file") or "labels.csv",
        case=section.text("case"),
        patient=section.optional_text("patient"),
        reference=section.text("reference"),
    )
    section.done()
    return found


def _predictions(section: "_Section", classes: tuple[str, ...]) -> PredictionColumns:
    given = section.value("probabilities", {})
    if not isinstance(given, dict) or not all(isinstance(v, str) for v in given.values()):
        raise MalformedFileError("predictions.probabilities must map each class to a column")
    columns = {str(label): column for label, column in given.items()}
    found = PredictionColumns(
        file=section.optional_text("file") or "predictions.csv",
        case=section.text("case"),
        probabilities=columns,
        predicted=section.optional_text("class"),
    )
    section.done()
    if unknown := sorted(set(columns) - set(classes)):
        raise MalformedFileError(f"predictions.probabilities names the unknown class {unknown[0]}")
    # Of two classes one will do: the other has the rest of the probability.
    if columns and len(classes) > 2 and len(columns) < len(classes):  # noqa: PLR2004
        raise MalformedFileError("predictions.probabilities needs a column for every class")
    if not columns and found.predicted is None:
        raise MalformedFileError("predictions needs probabilities, class, or both")
    return found


def _metric(entry: Any) -> WantedMetric:
    if isinstance(entry, str):
        found = WantedMetric(entry)
    else:
        section = _Section("metrics", entry)
        found = WantedMetric(section.text("name"), section.flag("per_class"))
        section.done()
    try:
        classification.definition(found.name)
    except InvalidRequestError as fault:
        raise MalformedFileError(f"metrics: {fault.detail}") from fault
    return found


def _subgroup(entry: Any) -> Subgroup:
    section = _Section("subgroups", entry)
    name = section.text("name")
    found = Subgroup(name, section.optional_text("column") or name, section.texts("values"))
    section.done()
    return found


class _Section:
    """A mapping read key by key; ``done`` refuses the keys that nobody asked for."""

    def __init__(self, name: str, document: Any) -> None:
        if not isinstance(document, dict):
            raise MalformedFileError(f"{name} must be a mapping of keys to values")
        self._name = name
        self._left = {str(key): value for key, value in document.items()}

    def value(self, key: str, default: Any) -> Any:
        return self._left.pop(key, default)

    def _fault(self, key: str, wanted: str) -> MalformedFileError:
        return MalformedFileError(f"{self._name}: '{key}' must be {wanted}")

    def optional_text(self, key: str) -> str | None:
        found = self.value(key, None)
        if found is not None and not (isinstance(found, str) and found):
            raise self._fault(key, "text (quote it if YAML reads it as something else)")
        return found

    def text(self, key: str) -> str:
        found = self.optional_text(key)
        if found is None:
            raise MalformedFileError(f"{self._name}: the key '{key}' is missing")
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        found = self.value(key, None)
        if not isinstance(found, list) or not found:
            raise self._fault(key, "a list of names")
        names = tuple(str(name) for name in found)
        if len(set(names)) < len(names):
            raise self._fault(key, "a list without repetitions")
        return names

    def share(self, key: str, default: float) -> float:
        found = self.value(key, default)
        if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 1:
            raise self._fault(key, "a number from 0 to 1")
        return float(found)

    def flag(self, key: str) -> bool:
        found = self.value(key, False)  # noqa: FBT003 - the default of a flag
        if not isinstance(found, bool):
            raise self._fault(key, "true or false")
        return found

    def section(self, key: str) -> "_Section":
        if key not in self._left:
            raise MalformedFileError(f"{self._name}: the key '{key}' is missing")
        return _Section(key, self._left.pop(key))

    def entries(self, key: str, *, needed: bool = True) -> list[Any]:
        found = self.value(key, [])
        if not isinstance(found, list) or (needed and not found):
            raise self._fault(key, "a list with at least one entry" if needed else "a list")
        return found

    def done(self) -> None:
        if self._left:
            raise MalformedFileError(f"{self._name}: unknown key '{next(iter(self._left))}'")
