"""``medperf result``: the signed estimates of executions."""

from pathlib import Path
from typing import Any

import click

from medperf.cli import listing
from medperf.cli.command import Noun
from medperf.cli.connection import connected
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
