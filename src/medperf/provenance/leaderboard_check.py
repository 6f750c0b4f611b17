"""Does a leaderboard say what its results say? Step 11 of a verification.

Every site's number in a cell must stand in a result of that model, and every result must be
counted. Pooled figures are computed from these numbers and are not computed again here.
"""

from collections import Counter
from typing import Any

from medperf.provenance.verdict import Verdict

_Number = tuple[int, str, float, int]


def check_leaderboard(leaderboard: Any, verdict: Verdict) -> None:
    """Add to the verdict what holds about a bundle's leaderboard.

    Args:
        leaderboard: as the bundle holds it, not checked in any way yet.
        verdict: holds the results and gets the findings.
    """
    numbers, counted = _of_results(verdict)
    try:
        for row in leaderboard["rows"]:
            _check_row(row, numbers, counted, verdict)
    except (KeyError, TypeError, AttributeError) as error:
        verdict.fail(11, "leaderboard", f"it cannot be read: {error}")


def _check_row(
    row: Any, numbers: Counter[_Number], counted: Counter[int], verdict: Verdict
) -> None:
    model = row["model_id"]
    about = f"leaderboard row of model {model}"
    if row["n_results"] != counted[model]:
        verdict.fail(
            11, about, f"it counts {row['n_results']} results, {counted[model]} are proven here"
        )
        return
    n_checked = 0
    for cell in row["cells"]:
        for site in cell["sites"]:
            number = (model, cell["metric"], site["value"], site["n"])
            if not numbers[number]:
                verdict.fail(
                    11,
                    about,
                    f"{cell['metric']} {site['value']} (n={site['n']}) is in no result of it",
                )
                return
            n_checked += 1
    if n_checked or not counted[model]:
        verdict.hold(11, about, f"{n_checked} numbers of {counted[model]} results are as proven")
    else:
        verdict.miss(11, about, "it shows pooled figures only")


def _of_results(verdict: Verdict) -> tuple[Counter[_Number], Counter[int]]:
    numbers: Counter[_Number] = Counter()
    counted: Counter[int] = Counter()
    for each in verdict.results:
        said = each.statement.predicate
        counted[said.model_id] += 1
        for estimate in said.result.get("metrics", ()):
            if not estimate.get("subgroup"):
                numbers[said.model_id, estimate["name"], estimate["value"], estimate["n"]] += 1
    return numbers, counted
