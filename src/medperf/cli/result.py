"""``medperf result``: the signed estimates of executions."""

from pathlib import Path
from typing import Any

import click

from medperf.cli import listing
from medperf.cli.command import Noun, wants_json
from medperf.cli.connection import connected, find_number
from medperf.cli.output import write_json
from medperf.cli.tables import Column
from medperf.domain.lifecycle import RESULT


def _headline(row: Any) -> str:
    document = row.get("document") or {}
    for estimate in document.get("metrics", ()):
        if not estimate.get("subgroup") and not estimate.get("class_label"):
            return f"{estimate['name']} {estimate['value']:.4g} (n={estimate['n']})"
    return f"{len(document['values'])} values" if document.get("values") else ""


DESCRIBED = listing.Description(
    noun="result",
    path="results",
    columns=(
        Column("id", "id"),
        Column("benchmark", "benchmark_id"),
        Column("model", "model_id"),
        Column("dataset", "dataset_id"),
        Column("site", "site_id"),
        Column("state", "state"),
        Column("first metric", value=_headline),
        Column("released", "created_at"),
    ),
    filters=(
        listing.state_filter(RESULT),
        listing.BENCHMARK,
        listing.MODEL,
        listing.DATASET,
        listing.SITE,
        listing.Filter("execution", "execution_id", "Only that of this execution."),
    ),
    empty="No results that you may see yet.",
    has_name=False,
)


@click.group(cls=Noun)
def command() -> None:
    """The signed estimates of executions, as far as you may see them."""


listing.add_ls(command, DESCRIBED, "medperf result ls --benchmark 1\nmedperf result ls --json")
listing.add_show(command, DESCRIBED, "medperf result show 7")


@command.command(
    example="""
    medperf result compare 4 7 --benchmark 1
    medperf result compare densenet resnet --benchmark masses --metric sensitivity --json
    """
)
@click.argument("first", metavar="MODEL")
@click.argument("second", metavar="MODEL")
@click.option("--benchmark", required=True, metavar="NUMBER|NAME", help="Where both took part.")
@click.option("--metric", help="Another metric than the primary one: exploratory.")
@click.option("--margin", type=click.FloatRange(0), help="Another margin than the plan's, too.")
def compare(
    first: str, second: str, benchmark: str, metric: str | None, margin: float | None
) -> None:
    """Compare the results of two models on the patients of the datasets that both ran on.

    Shows the difference (first less second) with its paired interval, and what it allows to say.
    """
    from medperf.cli.comparing import show_comparison

    with connected() as transport:
        number = find_number(transport, "benchmarks", benchmark)
        asked = {
            "first": find_number(transport, "models", first),
            "second": find_number(transport, "models", second),
            "metric": metric,
            "margin": margin,
        }
        found = transport.get(f"/api/v1/benchmarks/{number}/comparison", asked)
    if wants_json():
        write_json(found)
    else:
        show_comparison(found)


@command.command(example="medperf result bundle 7 --out result-7.json")
@click.argument("number", type=click.IntRange(1))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A new file.")
def bundle(number: int, out: Path) -> None:
    """Write a result with all that proves it, for 'medperf verify'."""
    from medperf.cli.bundles import write_bundle

    with connected() as transport:
        found = transport.get(f"/api/v1/results/{number}/bundle")
    write_bundle(found, out)


listing.add_acts(
    command,
    DESCRIBED,
    [
        listing.Act("approve", "Accept a result; the benchmark owner's act."),
        listing.Act("reject", "Refuse a result; the benchmark owner's act."),
        listing.Act("withdraw", "Take a result back.", final="It leaves the leaderboard."),
    ],
)
