"""May these numbers leave? The document an evaluator wrote, against what the plan declares.

Whatever the plan does not declare is a finding, and one finding keeps the whole document at the
site: text cannot ride along as a key, a label or a number's fortieth digit. What may leave is built
anew from the checked parts, rounded as the plan says; cells with too few cases are suppressed and
listed as such. Findings name paths inside the document, so they stay at the site too.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from medperf.domain.benchmarks import SUMMARY_NAMES, AnalysisPlan, PlannedMetric
from medperf.domain.results import (
    TYPED,
    FreeFormResult,
    MetricEstimate,
    MissingEstimate,
    ResultDocument,
    TypedResult,
)

MAX_ENTRIES = 10_000
MAX_SUMMARY_NUMBERS = 2_048
MAX_STEP_LENGTH = 64
MAX_DEPTH = 16
FREE_FORM_DIGITS = 6
"""No plan says how many digits of a free-form value mean something; more than this never do."""

_TOP_KEYS = {"schema", "n_cases", "n_failed", "metrics", "missing"}
_METRIC_KEYS = {"name", "value", "n", "subgroup", "class_label"}
_SITE_TOP_KEYS = _TOP_KEYS | {"pairing"}
_SITE_METRIC_KEYS = _METRIC_KEYS | {"summary"}
_MISSING_KEYS = {"name", "reason", "subgroup", "class_label"}
_REASONS = set(get_args(MissingEstimate.model_fields["reason"].annotation))


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason why a document may not leave: what kind, where in it, and a sentence."""

    code: str
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class SmallCell:
    """An estimate over too few cases, which was replaced by ``suppressed``: where, and how few."""

    name: str
    class_label: str | None
    subgroup: tuple[tuple[str, str], ...]
    n: int


@dataclass(frozen=True, slots=True)
class Disclosure:
    """The answer: the document that may leave, or the findings that keep it."""

    document: ResultDocument | None
    findings: tuple[Finding, ...]
    small: tuple[SmallCell, ...] = ()

    @property
    def suppressed(self) -> int:
        """How many estimates over too few cases were replaced by ``suppressed``."""
        return len(self.small)


def check_result(
    raw: Any, plan: AnalysisPlan, *, n_cases: int | None = None, by_site: bool = False
) -> Disclosure:
    """Check what an evaluator wrote, or what the site made of it.

    Args:
        raw: the parsed ``results.yaml``.
        plan: the benchmark's analysis plan.
        n_cases: how many cases the dataset has, if that is known.
        by_site: whether the site computed it, and so may add summaries as the plan asks.
    """
    check = _FreeFormCheck(plan) if plan.free_form else _TypedCheck(plan, n_cases, by_site=by_site)
    document = check.document(raw)
    if document is None or check.findings:
        return Disclosure(None, tuple(check.findings))
    return Disclosure(document, (), tuple(check.small))


def check_size(document: bytes, plan: AnalysisPlan) -> tuple[Finding, ...]:
    """Check the size of the exact bytes that would leave."""
    if len(document) <= plan.max_size_bytes:
        return ()
    message = f"the document has {len(document)} bytes, the plan allows {plan.max_size_bytes}"
    return (Finding("too-large", "", message),)


def check_values(raw: Any, *, max_text: int = 120, max_entries: int = MAX_ENTRIES) -> list[Finding]:
    """Check statistics or a compatibility outcome, which no plan declares and a person reads.

    Numbers must be finite and texts short and on one line; there is a limit on how many values
    there are and how deep they lie.
    """
    findings: list[Finding] = []
    for count, (path, value) in enumerate(_leaves(raw, "", 0)):
        if count >= max_entries:
            findings.append(Finding("too-many", path, f"there are more than {max_entries} values"))
            break
        problem = _plain_problem(path, value, max_text)
        if problem:
            findings.append(Finding(*problem))
    return findings


class _Check:
    def __init__(self, plan: AnalysisPlan) -> None:
        self.plan = plan
        self.findings: list[Finding] = []
        self.small: list[SmallCell] = []

    def find(self, code: str, path: str, message: str) -> None:
        self.findings.append(Finding(code, path, message))

    def number(self, value: Any, path: str) -> float | None:
        problem = _number_problem(value)
        if problem:
            self.find(problem[0], path, problem[1])
            return None
        return float(value)


class _FreeFormCheck(_Check):
    def __init__(self, plan: AnalysisPlan) -> None:
        super().__init__(plan)
        self._declared = [key.split(".") for key in plan.free_form_keys]

    def document(self, raw: Any) -> ResultDocument | None:
        if not isinstance(raw, Mapping):
            self.find("wrong-form", "", "a result is a table of names and numbers")
            return None
        values: dict[str, float] = {}
        for count, (path, value) in enumerate(_leaves(raw, "", 0)):
            if count >= MAX_ENTRIES:
                self.find("too-many", path, f"there are more than {MAX_ENTRIES} values")
                break
            self._take(path, value, values)
        if self.findings:
            return None
        return FreeFormResult(values=values)

    def _take(self, path: str, value: Any, values: dict[str, float]) -> None:
        if not self._is_declared(path):
            self.find("undeclared-key", path, "the analysis plan does not declare this path")
        elif path in values:
            self.find("duplicate", path, "two values have this path")
        else:
            number = self.number(value, path)
            if number is not None:
                values[path] = significant(number, FREE_FORM_DIGITS)

    def _is_declared(self, path: str) -> bool:
        steps = path.split(".")
        # What a star lets through is a name the container chose: keep it short and plain.
        plain = all(len(step) <= MAX_STEP_LENGTH and _is_plain(step) for step in steps)
        return plain and any(
            len(steps) == len(pattern)
            and all(want in {"*", step} for want, step in zip(pattern, steps, strict=True))
            for pattern in self._declared
        )


class _TypedCheck(_Check):
    def __init__(self, plan: AnalysisPlan, n_cases: int | None, *, by_site: bool) -> None:
        super().__init__(plan)
        self._top_keys = _SITE_TOP_KEYS if by_site else _TOP_KEYS
        self._metric_keys = _SITE_METRIC_KEYS if by_site else _METRIC_KEYS
        self._n_known = n_cases
        self._metrics = {metric.name: metric for metric in plan.metrics}
        self._subgroups = {group.name: group.values for group in plan.subgroups}
        self._seen: set[tuple[str, tuple[tuple[str, str], ...], str | None]] = set()

    def document(self, raw: Any) -> ResultDocument | None:
        if not isinstance(raw, Mapping) or raw.get("schema") != TYPED:
            self.find("wrong-form", "", f"the analysis plan expects schema: {TYPED}")
            return None
        self._only(raw, self._top_keys, "")
        n_cases = self._count(raw.get("n_cases"), "n_cases", self._n_known, "the dataset has")
        n_failed = self._count(raw.get("n_failed", 0), "n_failed", n_cases, "n_cases is")
        metrics: list[MetricEstimate | MissingEstimate | None] = []
        missing: list[MetricEstimate | MissingEstimate | None] = []
        for path, entry in self._entries(raw, "metrics"):
            estimate = self._estimate(entry, path, n_cases)
            (missing if isinstance(estimate, MissingEstimate) else metrics).append(estimate)
        missing += [self._missing(entry, path) for path, entry in self._entries(raw, "missing")]
        if self.findings or n_cases is None or n_failed is None:
            return None
        return TypedResult(
            n_cases=n_cases,
            n_failed=n_failed,
            pairing=raw.get("pairing"),
            metrics=tuple(
                sorted((e for e in metrics if isinstance(e, MetricEstimate)), key=self._place)
            ),
            missing=tuple(
                sorted((e for e in missing if isinstance(e, MissingEstimate)), key=self._place)
            ),
        )

    def _place(self, entry: MetricEstimate | MissingEstimate) -> tuple[object, ...]:
        """Where an entry stands, by the plan: the order of entries is nothing to spell with."""
        variables = list(self._subgroups)
        subgroup = sorted(
            (variables.index(name), self._subgroups[name].index(value))
            for name, value in (entry.subgroup or {}).items()
        )
        label = self.plan.classes.index(entry.class_label) if entry.class_label else -1
        return list(self._metrics).index(entry.name), subgroup, label

    def _only(self, entry: Mapping[Any, Any], allowed: set[str], path: str) -> None:
        for key in entry:
            if key not in allowed:
                self.find(
                    "undeclared-key",
                    f"{path}.{key}".lstrip("."),
                    f"there is no such key; there are {', '.join(sorted(allowed))}",
                )

    def _entries(self, raw: Mapping[Any, Any], key: str) -> Iterator[tuple[str, Mapping[Any, Any]]]:
        entries = raw.get(key, [])
        if not isinstance(entries, list):
            self.find("wrong-form", key, "a list was expected")
            return
        if len(entries) > MAX_ENTRIES:
            self.find("too-many", key, f"there are more than {MAX_ENTRIES} entries")
            return
        for index, entry in enumerate(entries):
            path = f"{key}.{index}"
            if isinstance(entry, Mapping):
                yield path, entry
            else:
                self.find("wrong-form", path, "an entry is a table of names and values")

    def _count(self, value: Any, path: str, most: int | None, whose: str) -> int | None:
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            self.find("not-a-count", path, "a whole number of at least zero was expected")
            return None
        if most is not None and value > most:
            self.find("out-of-range", path, f"it is {value}, but {whose} {most}")
            return None
        return value

    def _estimate(
        self, entry: Mapping[Any, Any], path: str, n_cases: int | None
    ) -> MetricEstimate | MissingEstimate | None:
        self._only(entry, self._metric_keys, path)
        metric = self._metric(entry, path)
        value = self.number(entry.get("value"), f"{path}.value")
        n = self._count(entry.get("n"), f"{path}.n", n_cases, "n_cases is")
        if metric is None:
            return None
        subgroup, label = self._cell(entry, metric, path)
        summary = self._summary(entry.get("summary"), metric, f"{path}.summary")
        if value is None or n is None:
            return None
        # The last digit of a float may lie beyond a range that the value keeps once it is rounded,
        # and rounding may cross a bound that has more digits: either way it leaves inside.
        rounded = round(value, metric.decimals)
        if not (_is_within(value, metric) or _is_within(rounded, metric)):
            self.find(
                "out-of-range",
                f"{path}.value",
                f"{metric.name} lies between {metric.lower} and {metric.upper}",
            )
            return None
        if self.findings:
            return None  # nothing will leave; nothing needs to be built
        if n < self.plan.smallest_cell:
            cell = tuple(sorted((subgroup or {}).items()))
            self.small.append(SmallCell(metric.name, label, cell, n))
            return MissingEstimate(
                name=metric.name, reason="suppressed", subgroup=subgroup, class_label=label
            )
        return MetricEstimate(
            name=metric.name,
            value=_rounded(value, metric),
            n=n,
            subgroup=subgroup,
            class_label=label,
            summary=summary,
        )

    def _missing(self, entry: Mapping[Any, Any], path: str) -> MissingEstimate | None:
        self._only(entry, _MISSING_KEYS, path)
        metric = self._metric(entry, path)
        reason = entry.get("reason")
        if not isinstance(reason, str) or reason not in _REASONS:
            self.find(
                "undeclared-value", f"{path}.reason", f"a reason is one of {sorted(_REASONS)}"
            )
        if metric is None:
            return None
        subgroup, label = self._cell(entry, metric, path)
        if self.findings:
            return None
        return MissingEstimate.model_validate(
            {
                "name": metric.name,
                "reason": reason,
                "subgroup": subgroup,
                "class_label": label,
            }
        )

    def _metric(self, entry: Mapping[Any, Any], path: str) -> PlannedMetric | None:
        name = entry.get("name")
        metric = self._metrics.get(name) if isinstance(name, str) else None
        if metric is None:
            known = ", ".join(self._metrics)
            self.find("undeclared-metric", f"{path}.name", f"the analysis plan declares {known}")
        return metric

    def _cell(
        self, entry: Mapping[Any, Any], metric: PlannedMetric, path: str
    ) -> tuple[dict[str, str] | None, str | None]:
        subgroup = self._subgroup(entry.get("subgroup"), f"{path}.subgroup")
        label = entry.get("class_label")
        if label is not None and not (
            isinstance(label, str) and metric.per_class and label in self.plan.classes
        ):
            known = ", ".join(self.plan.classes) if metric.per_class else "none for this metric"
            self.find("undeclared-class", f"{path}.class_label", f"declared classes: {known}")
            label = None
        cell = (metric.name, tuple(sorted((subgroup or {}).items())), label)
        if cell in self._seen:
            self.find("duplicate", path, "this metric of this group stands there already")
        self._seen.add(cell)
        return subgroup, label

    def _subgroup(self, raw: Any, path: str) -> dict[str, str] | None:
        if raw is None:
            return None
        if not isinstance(raw, Mapping) or not raw:
            self.find("wrong-form", path, "a subgroup is a table of a variable and its value")
            return None
        declared: dict[str, str] = {}
        for name, value in raw.items():
            if name not in self._subgroups:
                known = ", ".join(self._subgroups) or "none"
                self.find("undeclared-subgroup", path, f"declared variables: {known}")
            elif not isinstance(value, str) or value not in self._subgroups[name]:
                known = ", ".join(self._subgroups[name])
                self.find("undeclared-value", f"{path}.{name}", f"declared values: {known}")
            else:
                declared[name] = value
        return declared or None

    def _summary(
        self, raw: Any, metric: PlannedMetric, path: str
    ) -> dict[str, float | tuple[float, ...]] | None:
        if raw is None:
            return None
        if not isinstance(raw, Mapping):
            self.find("wrong-form", path, "a summary is a table of names and numbers")
            return None
        declared = {name for each in metric.summaries for name in SUMMARY_NAMES[each]}
        checked: dict[str, float | tuple[float, ...]] = {}
        size = 0
        for name, value in raw.items():
            if name not in declared:
                known = ", ".join(metric.summaries) or "none for this metric"
                self.find("undeclared-key", path, f"declared summaries: {known}")
                continue
            many = isinstance(value, list)
            numbers = [self.number(v, f"{path}.{name}") for v in (value if many else [value])]
            size += len(numbers)
            kept = tuple(number for number in numbers if number is not None)
            if many or kept:
                checked[name] = kept if many else kept[0]
        if size > MAX_SUMMARY_NUMBERS:
            self.find("too-many", path, f"there are more than {MAX_SUMMARY_NUMBERS} numbers")
        return checked


def significant(value: float, digits: int) -> float:
    """Round a finite number to as many significant decimal digits."""
    return float(f"{value:.{digits - 1}e}") + 0.0  # and -0.0 becomes 0.0


def _leaves(raw: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth < MAX_DEPTH and isinstance(raw, Mapping) and raw:
        for key, value in raw.items():
            yield from _leaves(value, f"{path}.{key}".lstrip("."), depth + 1)
    elif depth < MAX_DEPTH and isinstance(raw, list) and raw:
        for index, value in enumerate(raw):
            yield from _leaves(value, f"{path}.{index}".lstrip("."), depth + 1)
    else:
        yield path, raw


def _number_problem(value: Any) -> tuple[str, str] | None:
    if isinstance(value, bool):
        return "boolean", "a number was expected, this is a yes or no"
    if not isinstance(value, int | float):
        return "not-a-number", "a number was expected, this is something else"
    try:
        finite = math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        finite = False
    return None if finite else ("not-finite", "the number is not finite")


def _plain_problem(path: str, value: Any, max_text: int) -> tuple[str, str, str] | None:
    if len(path) > MAX_STEP_LENGTH * MAX_DEPTH or not path.isprintable():
        return "bad-key", path[:80], "a name is too long or holds a line end"
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        if len(value) > max_text or not value.isprintable():
            return "long-text", path, f"a text has at most {max_text} characters on one line"
        return None
    if isinstance(value, Mapping | list):
        return ("too-deep", path, f"values lie deeper than {MAX_DEPTH}") if value else None
    problem = _number_problem(value)
    return (problem[0], path, problem[1]) if problem else None


def _is_plain(step: str) -> bool:
    return step.isascii() and step != "" and all(c.isalnum() or c in "_-+@%<>= :/" for c in step)


def _bounds(metric: PlannedMetric) -> tuple[float, float]:
    return (
        -math.inf if metric.lower is None else metric.lower,
        math.inf if metric.upper is None else metric.upper,
    )


def _is_within(value: float, metric: PlannedMetric) -> bool:
    low, high = _bounds(metric)
    return low <= value <= high


def _rounded(value: float, metric: PlannedMetric) -> float:
    low, high = _bounds(metric)  # rounding must not lead out of the range
    return min(max(round(value, metric.decimals), low), high) + 0.0  # and -0.0 becomes 0.0
