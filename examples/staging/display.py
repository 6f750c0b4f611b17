"""What the demo shows: progress while models run, what left each hospital, the leaderboard."""

import contextlib
import json
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from examples.staging.stage import Stage
from medperf.cli.figures import bracketed, p_value, percent
from medperf.cli.leaderboard import cell_of, place, title_of

SIGNS = {
    "queued": "[dim]·[/]",
    "ready": "[dim]·[/]",
    "granted": "[cyan]granted[/]",
    "inferring": "[cyan]runs[/]",
    "evaluating": "[cyan]is scored[/]",
    "checking": "[cyan]is checked[/]",
    "waiting_to_release": "[yellow]waits for a person[/]",
    "releasing": "[cyan]leaves[/]",
    "reported": "[green]done[/]",
}
ENDED = {"reported", "failed", "withheld", "rejected", "cancelled"}


def command(console: Console, text: str) -> None:
    """One command that somebody types, on one line."""
    console.print(f"  {text}", style="dim", markup=False, soft_wrap=True)


@dataclass
class Progress:
    """The state of each model at each hospital."""

    models: Mapping[int, str]
    hospitals: Sequence[str]
    states: dict[tuple[int, str], str] = field(default_factory=dict)

    def update(self, hospital: str, status: Mapping[str, Any]) -> None:
        """Take over what a site says of its jobs."""
        for job in status["jobs"]:
            self.states[job["model_id"], hospital] = job["state"]

    @property
    def is_complete(self) -> bool:
        """Whether every model has ended at every hospital."""
        ended = sum(state in ENDED for state in self.states.values())
        return ended == len(self.models) * len(self.hospitals)

    def table(self) -> Table:
        """One row a model, one column a hospital."""
        table = Table(box=None, padding=(0, 2))
        table.add_column("model")
        for hospital in self.hospitals:
            table.add_column(hospital, min_width=18)
        for model, title in self.models.items():
            states = (self.states.get((model, hospital), "queued") for hospital in self.hospitals)
            table.add_row(title, *(SIGNS.get(state, f"[red]{state}[/]") for state in states))
        return table

    def line(self) -> str:
        """The same in one line, for output that is not a terminal."""
        counts = Counter(self.states.values())
        return ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))


@contextlib.contextmanager
def live(console: Console, board: Progress) -> Iterator[Callable[[], None]]:
    """Show ``board`` while it changes; answers with what draws it again."""
    if console.is_terminal:
        with Live(board.table(), console=console, refresh_per_second=8) as display:
            yield lambda: display.update(board.table())
        return
    seen = ""

    def refresh() -> None:
        nonlocal seen
        if (line := board.line()) != seen:
            seen = line
            console.print(f"  {line}")

    yield refresh
    console.print(board.table())


def documents(console: Console, results: Sequence[Mapping[str, Any]]) -> None:
    """The exact document of one result per site in full words, and the size of the others."""
    by_site: dict[int, list[Mapping[str, Any]]] = {}
    for result in results:
        by_site.setdefault(result["site_id"], []).append(result)
    for site, those in sorted(by_site.items()):
        sizes = [len(json.dumps(result["document"], separators=(",", ":"))) for result in those]
        console.print(
            f"  site {site}: {len(those)} documents of {min(sizes):,} to {max(sizes):,} bytes, "
            "signed by the site's key; nothing else."
        )
    if results:
        document = results[0]["document"]
        console.print(f"  One of them (result {results[0]['id']}), its first lines:")
        lines = json.dumps(_shortened(document), indent=2).splitlines()
        console.print("\n".join(f"    {line}" for line in lines), markup=False)


def _shortened(document: Mapping[str, Any], shown: int = 2) -> dict[str, Any]:
    rest = len(document["metrics"]) - shown
    metrics = [
        {key: _folded(value) for key, value in metric.items() if value is not None}
        for metric in document["metrics"][:shown]
    ]
    return {
        "schema": document["schema"],
        "n_cases": document["n_cases"],
        "n_failed": document["n_failed"],
        "metrics": [*metrics, f"... and {rest} more"],
        "missing": f"{len(document.get('missing', ()))} planned numbers, each with its reason",
    }


def _folded(value: Any) -> Any:
    """Long lists of numbers as their length, in words."""
    if isinstance(value, Mapping):
        return {key: _folded(child) for key, child in value.items()}
    return f"{len(value)} numbers" if isinstance(value, list) else value


def leaderboard(console: Console, board: Mapping[str, Any], shown: Sequence[str]) -> None:
    """The models best first, how sure their places are, and the other metrics below."""
    primary = board["primary"]
    table = Table(box=None, padding=(0, 1))
    # What cannot be guessed from its beginning is never cut.
    widest = max((len(place(row)) for row in board["rows"]), default=4)
    table.add_column("rank", no_wrap=True, min_width=max(4, widest))
    table.add_column("tie", no_wrap=True, min_width=3)
    table.add_column("model", no_wrap=True)
    table.add_column(f"{primary}\n(interval)", no_wrap=True)
    table.add_column("per site", no_wrap=True)
    table.add_column("first", justify="right", no_wrap=True)
    table.add_column("cases", justify="right", no_wrap=True, min_width=5)
    for row in board["rows"]:
        cell = cell_of(row, primary) or {}
        table.add_row(
            place(row),
            str(row.get("tie_group") or "-"),
            title_of(row),
            bracketed(cell),
            "  ".join(f"{site['value']:.3f}" for site in cell.get("sites", ())),
            percent(row.get("share_first")),
            str(row["n_cases"]),
        )
    console.print(table)
    _comparison(console, board)
    others = [metric for metric in shown if metric != primary]
    if others:
        console.print()
        console.print(_others(board, others))


def _comparison(console: Console, board: Mapping[str, Any]) -> None:
    best = [row["model_id"] for row in board["rows"][:2]]
    for found in board.get("comparisons", ()):
        if {found["first_id"], found["second_id"]} == set(best) and found["interval"]:
            turn = 1 if found["first_id"] == best[0] else -1
            ends = sorted(turn * found["interval"][end] for end in ("lower", "upper"))
            console.print(
                f"  The first less the second: {turn * found['difference']:+.3f}"
                f" ({ends[0]:+.3f} to {ends[1]:+.3f}), adjusted p {p_value(found['p_adjusted'])}."
                "\n  The data cannot tell models of one tie apart."
            )


def _others(board: Mapping[str, Any], metrics: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 1))
    table.add_column("model", no_wrap=True)
    for metric in metrics:
        table.add_column(metric, no_wrap=True)
    for row in board["rows"]:
        table.add_row(title_of(row), *(bracketed(cell_of(row, metric)) for metric in metrics))
    return table


def verdict(console: Console, found: Mapping[str, Any]) -> None:
    """What a verification found, in one line."""
    good = sum(result["is_verified"] for result in found["results"])
    console.print(
        f"  {good} of {len(found['results'])} results verified: "
        f"{len(found['checked'])} checks hold, {len(found['failed'])} fail, "
        f"{len(found['missing'])} could not be made."
    )


def evidence(console: Console, written: Mapping[str, Any]) -> None:
    """What was written, and what was checked of it."""
    for check in written["checks"]:
        console.print(f"  {check}", markup=False)
    for path in written["files"]:
        console.print(f"  {path}", markup=False, soft_wrap=True)


def further(
    console: Console, stage: Stage, benchmark: int, hospitals: Sequence[str], *, serve: bool
) -> None:
    """The commands to look further, ready to copy."""
    console.print("\n[bold]Look further[/]")
    if not serve:
        console.print("  With the server left up (make demo SERVE=1), in another terminal:")
    home = shlex.quote(str(stage.home))
    site = shlex.quote(str(stage.site_folder(hospitals[0])))
    for line in (
        f"export MEDPERF_HOME={home} PATH=$PWD/.venv/bin:$PATH",
        f"medperf benchmark leaderboard {benchmark} --by-site --by-subgroup --profile committee",
        f"medperf result ls --benchmark {benchmark} --profile committee",
        "medperf result show 1 --profile committee",
        f"medperf site status --folder {site}",
        f"medperf dataset ls --folder {site}",
        "medperf doctor",
    ):
        console.print(f"    {line}", markup=False)
