"""``medperf execution``: one model on one dataset for one benchmark."""

import click

from medperf.cli import listing
from medperf.cli.at_site import acting_site, folder_option, opened
from medperf.cli.command import Noun
from medperf.cli.connection import connected, find
from medperf.cli.output import show_record
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


@command.command(
    example="medperf execution show 12\nmedperf execution show 12 --folder /srv/medperf"
)
@click.argument("number", type=int)
@folder_option
def show(number: int, folder: str | None) -> None:
    """Show an execution; at its site also the findings, the failure and where the logs are.

    What only the site knows is read from its folder and stays there.
    """
    place = acting_site(folder)
    if place is None:
        with connected() as transport:
            show_record(find(transport, DESCRIBED.path, str(number)))
        return
    from medperf.cli.site_views import execution_record

    with opened(place) as site:
        show_record(execution_record(site, number))


listing.add_acts(
    command, DESCRIBED, [listing.Act("retry", "Let a failed execution be tried again.")]
)
