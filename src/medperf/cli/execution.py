"""``medperf execution``: one model on one dataset for one benchmark."""

import click

from medperf.cli import listing
from medperf.cli.command import Noun
from medperf.cli.tables import Column
from medperf.domain.lifecycle import EXECUTION

DESCRIBED = listing.Description(
    noun="execution",
    path="executions",
    columns=(
        Column("id", "id"),
        Column("benchmark", "benchmark_id"),
        Column("model", "model_id"),
        Column("dataset", "dataset_id"),
        Column("site", "site_id"),
        Column("state", "state"),
        Column("failure", "failure_code"),
        Column("granted", "created_at"),
    ),
    filters=(
        listing.state_filter(EXECUTION),
        listing.BENCHMARK,
        listing.MODEL,
        listing.DATASET,
        listing.SITE,
    ),
    empty="No executions yet: they follow once a model and a dataset are approved.",
    has_name=False,
)


@click.group(cls=Noun)
def command() -> None:
    """One model on one dataset for one benchmark, each under its own grant."""


listing.add_ls(command, DESCRIBED, "medperf execution ls --benchmark 1 --state failed")
listing.add_show(command, DESCRIBED, "medperf execution show 12")
listing.add_acts(
    command, DESCRIBED, [listing.Act("retry", "Let a failed execution be tried again.")]
)
