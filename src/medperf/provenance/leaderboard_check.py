"""Does a leaderboard say what its results say? Step 11 of a verification.

Every site's number in a cell must stand in a result of that model, every result must be counted,
and the plan must be the one that the results name. Whoever has the analysis package computes all
other figures again from the results proven here: `medperf.cli.recomputing` does.
"""

from collections import Counter
from typing import Any

from medperf.provenance.canonical import digest_of
from medperf.provenance.verdict import Verdict

_Number = tuple[int, str, str | None, float, int]


def check_leaderboard(leaderboard: Any, verdict: Verdict) -> None:
    """Add to the verdict what holds about a bundle's leaderboard.

    Args:
        leaderboard: as the bundle holds it, not checked in any way yet.
        verdict: holds the results and gets the findings.
    """
    try:
        numbers, counted = _of_results(verdict)
        _check_plan(leaderboard, verdict)
        for row in leaderboard["rows"]:
            _check_row(row, numbers, counted, verdict)
    except (KeyError, TypeError, AttributeError) as error:
        verdict.fail(11, "leaderboard", f"it cannot be read: {error}")


def _check_plan(leaderboard: Any, verdict: Verdict) -> None:
    plan = leaderboard.get("analysis_plan")
    if not plan:
        verdict.miss(11, "analysis plan", "the leaderboard does not hold the plan it follows")
        return
    digest = digest_of(plan)
    other = {each.statement.predicate.analysis_plan_digest for each in verdict.results} - {digest}
    if other:
        verdict.fail(11, "analysis plan", f"it is {digest}, but results name {other.pop()}")
    else:
        verdict.hold(11, "analysis plan", f"it is {digest}, as the results name it")


def _check_row(
    row: Any, numbers: Counter[_Number], counted: Counter[int], verdict: Verdict
) -> None:
    model = row["model_id"]
    about = f"leaderboard row of model {model}"
    shown = [(cell, site) for cell in row["cells"] for site in cell["sites"]]
    if not shown and counted[model] < row["n_results"]:
        verdict.miss(11, about, "it shows pooled figures only, and not all results behind them")
        return
    if row["n_results"] != counted[model]:
        verdict.fail(
            11, about, f"it counts {row['n_results']} results, {counted[model]} are proven here"
        )
        return
    for cell, site in shown:
        number = (model, cell["metric"], cell.get("class_label"), site["value"], site["n"])
        if not numbers[number]:
            verdict.fail(
                11,
                about,
                f"{cell['metric']} {site['value']} (n={site['n']}) is in no result of it",
            )
            return
    verdict.hold(11, about, f"{len(shown)} numbers of {counted[model]} results are as proven")


def _of_results(verdict: Verdict) -> tuple[Counter[_Number], Counter[int]]:
    numbers: Counter[_Number] = Counter()
    counted: Counter[int] = Counter()
    for each in verdict.results:
        said = each.statement.predicate
        counted[said.model_id] += 1
        for estimate in said.result.get("metrics", ()):
            if not estimate.get("subgroup"):
                label = estimate.get("class_label")
                number = (said.model_id, estimate["name"], label, estimate["value"], estimate["n"])
                numbers[number] += 1
    return numbers, counted
