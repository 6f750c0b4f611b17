"""``medperf container``: preparators, models and evaluators as containers."""

import click

from medperf.cli import listing
from medperf.cli.command import Noun
from medperf.cli.tables import Column
from medperf.domain.lifecycle import CONTAINER

ROLES = ("preparator", "model", "evaluator", "trainer")

DESCRIBED = listing.Description(
    noun="container",
    path="containers",
    columns=(
        Column("id", "id"),
        Column("name", "name"),
        Column("version", "version"),
        Column("role", "role"),
        Column("state", "state"),
        Column("organization", "organization_id"),
        Column("type", value=lambda row: row.get("config", {}).get("container_type")),
        Column("registered", "created_at"),
    ),
    filters=(
        listing.Filter("role", "role", "Only those of this role.", choices=ROLES),
        listing.state_filter(CONTAINER),
        listing.NAME,
        listing.ORGANIZATION,
        listing.MINE,
    ),
    empty="No containers yet. Next: medperf container new --help",
)


@click.group(cls=Noun)
def command() -> None:
    """Preparators, models and evaluators: the programs that travel to the data."""


listing.add_ls(
    command, DESCRIBED, "medperf container ls --role model\nmedperf container ls --mine --json"
)
listing.add_show(command, DESCRIBED, "medperf container show 3")
listing.add_acts(
    command,
    DESCRIBED,
    [
        listing.Act("submit", "Make a container operational; it does not change any more."),
        listing.Act(
            "withdraw", "Take a container back.", final="Nothing new may use it afterwards."
        ),
    ],
)
