"""``medperf organization``: hospitals, companies, universities."""

import click

from medperf.cli import listing
from medperf.cli.command import Noun
from medperf.cli.connection import client
from medperf.cli.output import show_done
from medperf.cli.tables import Column

DESCRIBED = listing.Description(
    noun="organization",
    path="organizations",
    columns=(
        Column("id", "id"),
        Column("name", "name"),
        Column("since", "created_at"),
    ),
    filters=(listing.NAME,),
    empty="No organizations yet. Next: medperf organization add --name NAME (as an admin)",
)


@click.group(cls=Noun)
def command() -> None:
    """Hospitals, companies, universities: the legal bodies that take part."""


listing.add_ls(command, DESCRIBED, "medperf organization ls\nmedperf organization ls --json")
listing.add_show(command, DESCRIBED, 'medperf organization show "Hospital A"')


@command.command(example='medperf organization add --name "Hospital A"')
@click.option("--name", required=True, help="Its name.")
def add(name: str) -> None:
    """Add an organization (an admin's act)."""
    from medperf.domain.people import OrganizationForm

    with client() as server:
        organization = server.organizations.register(OrganizationForm(name=name))
    show_done(
        f"organization {organization.id} is {organization.name}.",
        organization.model_dump(mode="json"),
        f"medperf invitation issue --kind user --organization {organization.id} "
        "--name NAME --email EMAIL",
    )
