"""The primary metric over versions: each version's value, and where one is worse for sure."""

from collections import Counter

from medperf.domain.leaderboards import Trend, TrendLine, TrendPoint
from medperf.web.charts.intervals import Group, Line, interval_plot
from medperf.web.figures import Chart, Table
from medperf.web.numbers import NONE, count, estimate, probability

WORSE = "worse than the version before"


def trend(found: Trend) -> Chart | None:
    """The plot of all lines that have values; None if nothing has two versions."""
    lines = [line for line in found.lines if any(point.value is not None for point in line.points)]
    if not lines:
        return None
    titles = _titles(lines)
    groups = [
        Group(title, tuple(_line(point) for point in line.points if point.value is not None))
        for title, line in zip(titles, lines, strict=True)
    ]
    alarms = "no version is" if not found.n_worse else f"{found.n_worse} are"
    return Chart(
        name="trend",
        title=f"{found.primary} over versions",
        summary=(
            f"Versions of {len(lines)} models, datasets or benchmarks, oldest first; {alarms}"
            " worse than the version before for sure. All values are in the table."
        ),
        spec=interval_plot(groups, found.primary or ""),
        table=_table(titles, lines),
    )


def title_of(line: TrendLine) -> str:
    """Of what the versions are."""
    named = f"{line.kind.capitalize()} {line.name}"
    return named if line.model is None else f"{named}, {line.model}"


def _titles(lines: list[TrendLine]) -> list[str]:
    """A title for each line; those that would be equal are numbered."""
    plain = [title_of(line) for line in lines]
    often, seen = Counter(plain), Counter[str]()
    titles = []
    for title in plain:
        seen[title] += 1
        titles.append(title if often[title] == 1 else f"{title} ({seen[title]})")
    return titles


def _line(point: TrendPoint) -> Line:
    label = f"version {point.version}"
    # The alarm is in words: color alone would not be seen by all.
    label += f": {WORSE}" if point.is_worse else ""
    value = 0.0 if point.value is None else point.value  # the caller shows none without a value
    return Line(label, value, point.n, point.interval, is_pooled=point.is_worse)


def _table(titles: list[str], lines: list[TrendLine]) -> Table:
    rows = tuple(
        (
            title,
            str(point.version),
            estimate(point.value, point.interval),
            count(point.n),
            estimate(point.difference, point.difference_interval),
            "the same patients" if point.is_paired else _unpaired(point),
            probability(point.p_adjusted),
            WORSE if point.is_worse else NONE,
        )
        for title, line in zip(titles, lines, strict=True)
        for point in line.points
    )
    headers = (
        "Of", "Version", "Value", "Cases", "Change from the version before", "Compared on",
        "Adjusted p", "Alarm",
    )  # fmt: skip
    return Table(headers, rows, numeric=frozenset({1, 2, 3, 4, 6}))


def _unpaired(point: TrendPoint) -> str:
    return NONE if point.difference is None else "other patients"
