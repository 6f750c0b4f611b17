"""A leaderboard as sections of a document: who leads, how sure that is, where and for whom."""

from collections.abc import Iterator

from medperf.domain.leaderboards import Leaderboard, LeaderboardRow
from medperf.evidence import reading
from medperf.web.charts.calibration import calibration
from medperf.web.charts.cost import cost
from medperf.web.charts.forest import forest
from medperf.web.charts.ranks import ranks
from medperf.web.charts.subgroups import subgroups
from medperf.web.document import (
    Block,
    Document,
    Figure,
    Listing,
    Notice,
    Paragraph,
    Section,
    TableBlock,
    Tone,
)
from medperf.web.figures import Table
from medperf.web.numbers import NONE, count, estimate, interval, number, percent, probability

_MODELS_ABREAST = 3
READING = "docs/how-to/read-a-report.md explains how to read each number."


def page(leaderboard: Leaderboard) -> Document:
    """The leaderboard alone, as a document."""
    return Document(
        title=leaderboard.benchmark,
        subtitle=f"Leaderboard of benchmark {leaderboard.benchmark_id}, {_when(leaderboard)}",
        sections=tuple(sections(leaderboard)),
        footer=f"Written by MedPerf from the leaderboard as its reader may see it. {READING}",
    )


def sections(leaderboard: Leaderboard) -> Iterator[Section]:
    """What a leaderboard says, from the most to the least asked."""
    yield Section("Ranking", "ranking", tuple(_ranking(leaderboard)))
    if leaderboard.primary is None:
        return
    if (by_site := forest(leaderboard, leaderboard.primary)) is not None:
        yield Section("Sites", "sites", (Figure(by_site), *_about_sites(leaderboard)))
    if leaderboard.comparisons:
        yield Section("Comparisons", "comparisons", tuple(_comparisons(leaderboard)))
    if by_group := tuple(_subgroups(leaderboard)):
        yield Section("Subgroups", "subgroups", by_group)
    if calibrated := tuple(_calibration(leaderboard)):
        yield Section("Calibration", "calibration-section", calibrated)
    if (costs := cost(leaderboard)) is not None:
        yield Section("Cost", "cost-section", (Paragraph(reading.COST), Figure(costs)))
    if notes := _notes(leaderboard):
        yield Section("Notes", "notes", (Listing(notes),))
    yield Section("Failed and missing", "failed-and-missing", tuple(_failures(leaderboard)))
    others = [forest(leaderboard, metric) for metric in leaderboard.metrics]
    figures = [Figure(chart) for chart in others if chart and chart != by_site]
    if figures:
        yield Section("Other metrics", "other-metrics", (*_every_metric(leaderboard), *figures))


def _when(leaderboard: Leaderboard) -> str:
    return f"as of {leaderboard.as_of:%Y-%m-%d %H:%M} UTC"


def _ranking(board: Leaderboard) -> Iterator[Block]:
    if board.withheld_reason:
        yield Notice(f"Not everything is shown: {board.withheld_reason}.", Tone.CAUTION)
    if not board.rows:
        yield Paragraph("There are no results to show yet.")
        return
    if board.primary is None:
        yield Paragraph("Results of this benchmark are free-form: they are not ranked or pooled.")
    else:
        better = "Higher is better." if board.direction == "higher" else "Lower is better."
        yield Paragraph(f"Ordered by {board.primary}, the plan's primary metric. {better}")
        if (tied := _tied(board)) is not None:
            yield Notice(tied)
    yield TableBlock("Models in order, pooled over all sites", _models(board))
    yield Paragraph(reading.of_models(board))
    if (chart := ranks(board)) is not None:
        yield Figure(chart)
    stability = board.stability
    if stability is not None and stability.tau is not None:
        range_ = f"{number(stability.tau_lower, 2)} to {number(stability.tau_upper, 2)}"
        others = ", ".join(
            f"{name} {number(tau, 2)}"
            for name, tau in sorted(stability.agreement.items())
            if name != board.primary
        )
        yield Paragraph(
            "Stability of the order (Kendall's tau between this order and those that could have"
            f" been seen as well): {number(stability.tau, 2)}, 95 % range {range_}; 1 is always the"
            " same order, 0 no relation."
            + (f" Agreement with the order by other metrics: {others}." if others else "")
        )


def _tied(board: Leaderboard) -> str | None:
    first = [row.model for row in board.rows if row.tie_group == 1]
    if len(first) > 1:
        return f"The data cannot tell which of these is best: {', '.join(first)}."
    return None


def _models(board: Leaderboard) -> Table:
    primary = board.primary
    headers = ["Model", "Rank", "Tie", "By", *([primary, "First"] if primary else [])]
    rows = tuple(
        (
            row.model,
            _rank(row),
            NONE if row.tie_group is None else str(row.tie_group),
            row.organization,
            *([_overall(row, primary), percent(row.share_first)] if primary else []),
            count(row.n_cases),
            f"{row.n_results} of {row.n_results + row.n_missing}",
            str(row.n_failed_cases),
        )
        for row in board.rows
    )
    headers += ["Cases", "Results", "Failed"]
    return Table(tuple(headers), rows, numeric=frozenset({1, 2, *range(4, len(headers))}))


def _every_metric(board: Leaderboard) -> Iterator[Block]:
    for group in _abreast(board.rows):
        yield TableBlock(
            "Every metric over all sites",
            Table(
                ("Metric", *(row.model for row in group)),
                tuple(
                    (metric, *(_overall(row, metric) for row in group)) for metric in board.metrics
                ),
                numeric=frozenset(range(1, len(group) + 1)),
            ),
        )


def _abreast(rows: tuple[LeaderboardRow, ...]) -> Iterator[tuple[LeaderboardRow, ...]]:
    for start in range(0, len(rows), _MODELS_ABREAST):
        yield rows[start : start + _MODELS_ABREAST]


def _rank(row: LeaderboardRow) -> str:
    if row.rank is None:
        return NONE
    if row.rank_from is None:
        return str(row.rank)
    return f"{row.rank} ({row.rank_from} to {row.rank_to})"


def _overall(row: LeaderboardRow, metric: str) -> str:
    for cell in row.cells:
        if cell.metric == metric and cell.class_label is None:
            return estimate(cell.value, cell.interval)
    return NONE


def _about_sites(board: Leaderboard) -> Iterator[Block]:
    primary = [
        (row, cell)
        for row in board.rows
        for cell in row.cells
        if cell.metric == board.primary and cell.class_label is None and cell.value is not None
    ]
    if not any(cell.sites for _, cell in primary):
        yield Paragraph("The release policy shows pooled figures only: sites are not listed.")
    told = [(row, cell) for row, cell in primary if cell.tau is not None]
    if told:
        yield Paragraph(reading.of_sites(board))
        yield TableBlock(
            f"How much {board.primary} differs between sites",
            Table(
                ("Model", "Tau", "I²", "Next site", "Worst site"),
                tuple(
                    (
                        row.model,
                        number(cell.tau),
                        percent(cell.i2),
                        interval(cell.prediction),
                        cell.worst_site or NONE,
                    )
                    for row, cell in told
                ),
                numeric=frozenset({1, 2, 3}),
            ),
        )
    whole = [
        (row.model, cell.auroc_of_all_cases)
        for row, cell in primary
        if cell.auroc_of_all_cases is not None
    ]
    if whole:
        yield Paragraph(reading.HEAP)
        yield TableBlock(
            "AUROC over the cases of all sites in one heap, from histograms of scores",
            Table(
                ("Model", "AUROC", "Bounds", "Cases"),
                tuple(
                    (
                        model,
                        estimate(found.value, found.interval),
                        f"{number(found.lowest)} to {number(found.highest)}",
                        count(found.n),
                    )
                    for model, found in whole
                ),
                numeric=frozenset({1, 2, 3}),
            ),
        )


def _calibration(board: Leaderboard) -> Iterator[Block]:
    errors = [
        (row.model, number(cell.calibration_error))
        for row in board.rows
        for cell in row.cells
        if cell.calibration_error is not None
    ]
    if (chart := calibration(board)) is not None:
        yield Paragraph(reading.CALIBRATION)
        yield Figure(chart)
    if errors:
        headers = ("Model", "Calibration error")
        yield TableBlock(
            "Mean gap between score and observed share, weighted by cases",
            Table(headers, tuple(errors), numeric=frozenset({1})),
        )


def _notes(board: Leaderboard) -> tuple[str, ...]:
    said = [
        f"{row.model}, {cell.metric}: {note}"
        for row in board.rows
        for cell in row.cells
        for note in cell.notes
    ]
    said += [
        f"{each.first} and {each.second}: {note}"
        for each in board.comparisons
        for note in each.notes
    ]
    said += board.stability.notes if board.stability else ()
    return tuple(dict.fromkeys(said))


def _comparisons(board: Leaderboard) -> Iterator[Block]:
    yield Paragraph(reading.of_comparisons(board))
    yield TableBlock(
        "Paired comparisons, over so many cases in so many datasets",
        Table(
            ("First", "Second", "Difference", "p", "Adjusted p", "Verdict", "Cases"),
            tuple(
                (
                    each.first,
                    each.second,
                    estimate(each.difference, each.interval),
                    probability(each.p_value),
                    probability(each.p_adjusted),
                    each.verdict.replace("_", "-")
                    + (" (exploratory)" if each.is_exploratory else ""),
                    f"{count(each.n)} in {each.n_sites}",
                )
                for each in board.comparisons
            ),
            numeric=frozenset({2, 3, 4, 6}),
        ),
    )


def _subgroups(board: Leaderboard) -> Iterator[Block]:
    if board.primary is None:
        return
    charts = subgroups(board, board.primary)
    if charts:
        yield Paragraph(reading.SUBGROUPS)
    yield from (Figure(chart) for chart in charts)
    standardized = [
        (row.model, each.variable, estimate(each.value, each.interval), f"{each.n_effective:.0f}")
        for row in board.rows
        for cell in row.cells
        if cell.metric == board.primary
        for each in cell.standardized
    ]
    if standardized:
        yield TableBlock(
            f"{board.primary} in the plan's population of reference",
            Table(
                ("Model", "Variable", "Standardized value", "Effective cases"),
                tuple(standardized),
                numeric=frozenset({2, 3}),
            ),
        )


def _failures(board: Leaderboard) -> Iterator[Block]:
    rows = tuple(
        (
            row.model,
            str(row.n_missing),
            str(row.n_failed_executions),
            str(row.n_failed_cases),
        )
        for row in board.rows
    )
    if any(row[1:] != ("0", "0", "0") for row in rows):
        yield Notice(
            "Some models have failed or missing parts. A failed case counts in no estimate.",
            Tone.CAUTION,
        )
    else:
        yield Notice("No result is missing; no execution and no case failed.", Tone.GOOD)
    headers = ("Model", "Datasets without result", "Failed executions", "Failed cases")
    yield TableBlock("What is not in the figures", Table(headers, rows, frozenset({1, 2, 3})))
