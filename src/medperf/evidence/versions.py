"""What a report says of earlier versions: the trend, its alarms, and how to read both."""

from collections.abc import Iterator

from medperf.domain.leaderboards import Trend
from medperf.web.charts.trend import title_of, trend
from medperf.web.document import Block, Figure, Listing, Notice, Paragraph, Section, Tone


def versions(found: Trend | None) -> Iterator[Section]:
    """The section of a trend; none where nothing has an earlier version that may be seen."""
    if found is None or (chart := trend(found)) is None:
        return
    yield Section("Versions", "versions", tuple(_blocks(found, Figure(chart))))


def _blocks(found: Trend, figure: Figure) -> Iterator[Block]:
    if found.withheld_reason:
        yield Notice(f"Not everything is shown: {found.withheld_reason}.", Tone.CAUTION)
    worse = [
        f"{title_of(line)}: version {point.version}"
        for line in found.lines
        for point in line.points
        if point.is_worse
    ]
    if worse:
        said = f"Worse than the version before, for sure: {'; '.join(worse)}."
        yield Notice(said, Tone.CAUTION)
    else:
        yield Notice("No version is worse than the one before for sure.", Tone.GOOD)
    yield Paragraph(
        f"{found.primary} over versions, oldest first. Versions of a model, or of the benchmark"
        " with the same datasets, are compared on the same patients; those of a dataset have"
        " other patients. An alarm counts that there are many changes to look at (Holm). No alarm"
        " does not mean as good: read the interval of the change."
    )
    yield figure
    notes = dict.fromkeys(
        f"{title_of(line)}, version {point.version}: {note}"
        for line in found.lines
        for point in line.points
        for note in point.notes
    )
    if notes:
        yield Listing(tuple(notes))
