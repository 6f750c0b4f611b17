"""From a cell of a leaderboard to the proven results that it counts, for people and programs."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medperf.provenance.verdict import Verdict


def cells(leaderboard: Any, verdict: "Verdict") -> list[dict[str, Any]]:
    """Every cell with the leaves of the results of its model, as far as they are proven.

    Whether the cell is what these results say is step 11's to find; one that cannot be read is left
    out here, and fails there.
    """
    try:
        return list(_cells(leaderboard, verdict))
    except (KeyError, TypeError, AttributeError):
        return []


def lines(found: list[dict[str, Any]]) -> Iterator[str]:
    """The same as text."""
    for cell in found:
        label = f" of {cell['class_label']}" if cell["class_label"] else ""
        leaves = ", ".join(str(leaf) for leaf in cell["leaves"]) or "none that is proven here"
        yield (
            f"  {cell['model']} (model {cell['model_id']}): {cell['metric']}{label} ="
            f" {cell['value']} (n={cell['n']}), from the results at leaves {leaves}"
        )


def _cells(leaderboard: Any, verdict: "Verdict") -> Iterator[dict[str, Any]]:
    for row in leaderboard["rows"]:
        leaves = [
            each.log_index
            for each in verdict.results
            if each.statement.predicate.model_id == row["model_id"]
        ]
        for cell in row["cells"]:
            yield {
                "model": str(row["model"]),
                "model_id": row["model_id"],
                "metric": cell["metric"],
                "class_label": cell.get("class_label"),
                "value": cell["value"],
                "n": cell["n"],
                "leaves": leaves,
            }
